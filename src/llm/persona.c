// persona.c -- see persona.h.
#include "llm/persona.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

enum { WHEN_WORDS_MAX = 1000 }; // bytes of the user's words that are looked at

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

// What questions for date and time contain, lower case. Chinese ones first: they decide the note's language.
static const char *const CHINESE_WHEN[] = {
    "几点", "幾點", "几号",   "幾號",     "几月",     "幾月",     "几日",
    "幾日", "星期", "周几",   "週幾",     "礼拜",     "禮拜",     "日期",
    "时间", "時間", "哪天",   "哪一天",   "哪年",     "哪一年",   "今年",
    "几年", "天后", "多少天", "还有几天", "什么日子", "早上还是", "几时"};
static const char *const ENGLISH_WHEN[] = {
    "what time",      "the time",       "the hour",       "what hour",     "o'clock",
    "what day",       "which day",      "day is it",      "day of the",    "weekday",
    "what date",      "which date",     "the date",       "'s date",       "date is",
    "what month",     "which month",    "month is",       "what year",     "which year",
    "year is",        "what week",      "is today",       "what's today",  "is tomorrow",
    "how many days",  "days until",     "days till",      "days left",     "how late",
    "is it late",     "how long until", "is it monday",   "is it tuesday", "is it wednesday",
    "is it thursday", "is it friday",   "is it saturday", "is it sunday",  "is it morning",
    "is it evening",  "born in"};

// Sessions that follow the speaker have no date in their system text, whatever is spoken there.
static const char *const OTHER_WHEN[] = {
    "quelle heure", "quel jour",   "quelle date", "qué hora",   "que hora",    "qué día",
    "qué fecha",    "que dia",     "che ora",     "che giorno", "wie spät",    "wieviel uhr",
    "wie viel uhr", "welcher tag", "welchen tag", "datum",      "который час", "какой сегодня",
    "何時",         "何曜日",      "何日",        "몇 시",      "무슨 요일",   "며칠"};

static bool contains_any(const char *text, const char *const *phrases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strstr(text, phrases[i]))
            return true;
    }
    return false;
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
    if (persona->wall_us > 0 && speech == OTHER) {
        prl_clock_local_text(persona->wall_us, when, sizeof(when));
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

size_t prl_llm_persona_when(const char *words, size_t len, int64_t wall_us,
                            char note[PRL_LLM_PERSONA_WHEN_SIZE])
{
    char text[WHEN_WORDS_MAX + 1];
    char when[64];
    // The question of a long text stands at its end most often.
    size_t from = len > WHEN_WORDS_MAX ? len - WHEN_WORDS_MAX : 0;
    note[0] = '\0';
    if (wall_us <= 0)
        return 0;
    size_t count = 0;
    for (size_t i = from; i < len; i++) {
        char c = words[i];
        text[count++] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c == '\0' ? ' ' : c);
    }
    text[count] = '\0';
    bool chinese = contains_any(text, CHINESE_WHEN, sizeof(CHINESE_WHEN) / sizeof(char *));
    if (!chinese && !contains_any(text, ENGLISH_WHEN, sizeof(ENGLISH_WHEN) / sizeof(char *)) &&
        !contains_any(text, OTHER_WHEN, sizeof(OTHER_WHEN) / sizeof(char *)))
        return 0;
    prl_clock_local_text(wall_us, when, sizeof(when));
    const char *date = strchr(when, ' ');
    int written = chinese && date
                      ? snprintf(note, PRL_LLM_PERSONA_WHEN_SIZE, "（现在是%s，%s。）", date + 1,
                                 chinese_weekday(when))
                      : snprintf(note, PRL_LLM_PERSONA_WHEN_SIZE, " (It is now %s.)", when);
    PRL_CHECK(written > 0 && written < PRL_LLM_PERSONA_WHEN_SIZE);
    return (size_t)written;
}

const char *prl_llm_persona_apology(const char *language)
{
    if (speech_of(language) == CHINESE)
        return "抱歉，我这边出了点问题，请再说一遍。";
    return "Sorry, something went wrong on my side. Please say that again.";
}
