// persona.c -- see persona.h.
#include "llm/persona.h"

#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

enum speech { FOLLOW, ENGLISH, CHINESE, OTHER };

static enum speech speech_of(const char *language)
{
    if (!language || !language[0] || strcmp(language, "auto") == 0)
        return FOLLOW;
    if (strncmp(language, "zh", 2) == 0 || strncmp(language, "yue", 3) == 0 ||
        strncmp(language, "cmn", 3) == 0)
        return CHINESE;
    if (strncmp(language, "en", 2) == 0)
        return ENGLISH;
    return OTHER;
}

// Short on purpose: with longer rules the models forget their tools and copy the rules' words.
static void add_manner(struct prl_str *out, enum speech speech, const char *language)
{
    if (speech == CHINESE) {
        prl_str_adds(out, "你是一个亲切的语音助手，你写的话会被读出来。请用一两句简短的口语回答，"
                          "不用列表、表情符号或代码。请用中文回答，用户说别的语言时跟着用户。");
        return;
    }
    prl_str_adds(out,
                 "You are a friendly voice assistant. Your words are spoken aloud: answer in one "
                 "or two short sentences, in plain text without lists, emoji or code. ");
    if (speech == OTHER)
        prl_str_addf(out,
                     "Answer in the language with the code %.35s unless the user speaks "
                     "another.",
                     language);
    else if (speech == ENGLISH)
        prl_str_adds(out, "Answer in English unless the user speaks another language.");
    else
        prl_str_adds(out, "Answer in the language of the user.");
}

// The weekday of a text like "Sunday, 2026-11-22 14:03" in Chinese; small models do not translate it.
static const char *chinese_weekday(const char *when)
{
    static const char *const days[][2] = {{"Mon", "星期一"}, {"Tue", "星期二"}, {"Wed", "星期三"},
                                          {"Thu", "星期四"}, {"Fri", "星期五"}, {"Sat", "星期六"},
                                          {"Sun", "星期日"}};
    for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
        if (prl_str_starts(when, days[i][0]))
            return days[i][1];
    }
    return "";
}

static void add_situation(struct prl_str *out, enum speech speech,
                          const struct prl_llm_persona *persona)
{
    char when[64];
    if (persona->wall_us > 0) {
        prl_clock_local_text(persona->wall_us, when, sizeof(when));
        const char *day = chinese_weekday(when);
        const char *date = strchr(when, ' ');
        if (speech == CHINESE && date)
            prl_str_addf(out, "\n\n现在是%s，%s。", date, day);
        else if (speech == FOLLOW)
            prl_str_addf(out, "\n\nIt is now %s (%s).", when, day);
        else
            prl_str_addf(out, "\n\nIt is now %s.", when);
    }
    if (persona->locale && persona->locale[0])
        prl_str_addf(out, speech == CHINESE ? "用户所在地：%s。" : " The user is in %s.",
                     persona->locale);
}

enum prl_err prl_llm_persona_text(char **out, const struct prl_llm_persona *persona)
{
    PRL_CHECK(out != NULL && persona != NULL);
    *out = NULL;
    enum speech speech = speech_of(persona->language);
    struct prl_str text;
    prl_str_init(&text, PRL_LLM_PERSONA_BYTES_MAX);
    add_manner(&text, speech, persona->language);
    if (persona->instructions && persona->instructions[0]) {
        prl_str_adds(&text, "\n\n");
        prl_str_adds(&text, persona->instructions);
    }
    add_situation(&text, speech, persona);
    enum prl_err err = text.err;
    if (!err)
        *out = prl_str_give(&text);
    prl_str_free(&text);
    return err;
}

const char *prl_llm_persona_apology(const char *language)
{
    if (speech_of(language) == CHINESE)
        return "抱歉，我这边出了点问题，请再说一遍。";
    return "Sorry, something went wrong on my side. Please say that again.";
}
