// answer.c -- see answer.h.
#include "session/answer.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "tts/cut.h"
#include "tts/phrases.h"
#include "tts/tts.h"

enum {
    SAMPLES_PER_MS = 24,
    INFLIGHT_MAX =
        2, // clauses at the voice: one that sounds soon and one behind it, so that it never idles
    QUICK_BYTES = 35, // a second: English speech has 15
    ARGUMENTS_MAX = PRL_LLM_ARGUMENTS_BYTES_MAX
};

struct call {
    char name[PRL_LLM_TOOL_NAME_BYTES_MAX + 1];
    char call_id[64];
    struct prl_str arguments;
    bool ended;
};

// A clause that the voice works on.
struct clause {
    uint32_t id;
    size_t start, end; // bytes of the answer's text
    uint64_t base;     // sample at which it begins
    bool sounding;     // base is known
    bool part;         // its sentence goes on
};

struct prl_answer {
    // Set once.
    struct prl_answer_conf conf;
    struct prl_llm_stream *llm; // owned, opened when first needed
    struct prl_tts_stream *tts; // owned, opened when first needed
    struct prl_cut *cut;        // owned
    struct prl_speech *speech;  // owned
    // State of the generation.
    struct prl_answer_view view;
    struct prl_str text; // owned
    struct call *calls;  // owned, view.call_count of PRL_ANSWER_CALLS_MAX
    size_t cut_fed;      // bytes of text that the cutter has
    bool cut_finished;
    bool cut_empty; // nothing more will come out of it
    struct clause inflight[INFLIGHT_MAX];
    uint32_t inflight_count;
    uint32_t clause_next;
    double speed; // of the voice
    bool held;
    bool said;      // all its sound was at hand
    bool own_voice; // the model speaks by itself
    bool flowing;   // and is not held back
    bool chinese;
    bool failed;
};

static void on_llm(void *arg, const struct prl_llm_event *event);
static void on_tts(void *arg, const struct prl_tts_event *event);

enum prl_err prl_answer_create(struct prl_answer **out, const struct prl_answer_conf *conf)
{
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    struct prl_answer *answer = *out;
    answer->conf = *conf;
    prl_str_init(&answer->text, PRL_ANSWER_TEXT_MAX);
    enum prl_err err = prl_speech_create(&answer->speech);
    if (err)
        prl_answer_destroy(out);
    return err;
}

static void free_calls(struct prl_answer *answer)
{
    for (size_t i = 0; i < answer->view.call_count; i++)
        prl_str_free(&answer->calls[i].arguments);
    prl_mem_free(answer->calls);
    answer->calls = NULL;
    answer->view.call_count = 0;
}

void prl_answer_destroy(struct prl_answer **answer)
{
    if (!*answer)
        return;
    free_calls(*answer);
    prl_llm_close(&(*answer)->llm);
    prl_tts_close(&(*answer)->tts);
    prl_cut_destroy(&(*answer)->cut);
    prl_speech_destroy(&(*answer)->speech);
    prl_str_free(&(*answer)->text);
    prl_mem_free(*answer);
    *answer = NULL;
}

void prl_answer_stop(struct prl_answer *answer)
{
    if (answer->view.generation && answer->llm)
        prl_llm_cancel(answer->llm, answer->view.generation);
    if (answer->view.generation && answer->tts)
        prl_tts_cancel(answer->tts, answer->view.generation);
    free_calls(answer);
    prl_speech_reset(answer->speech);
    prl_str_free(&answer->text);
    answer->view = (struct prl_answer_view){.text = ""};
    answer->cut_fed = 0;
    answer->cut_finished = false;
    answer->cut_empty = false;
    answer->inflight_count = 0;
    answer->clause_next = 0;
    answer->own_voice = false;
    answer->said = false;
    answer->failed = false;
}

static enum prl_err open_llm(struct prl_answer *answer)
{
    if (answer->llm)
        return PRL_OK;
    if (!answer->conf.llm)
        return PRL_ERR_ENGINE;
    struct prl_llm_stream_conf conf = {.fn = on_llm, .arg = answer};
    return prl_llm_open(answer->conf.llm, &conf, &answer->llm);
}

static enum prl_err open_voice(struct prl_answer *answer, const struct prl_answer_start *start)
{
    if (!answer->conf.tts)
        return PRL_ERR_ENGINE;
    enum prl_err err = PRL_OK;
    if (!answer->cut)
        err = prl_cut_create(&answer->cut, &(struct prl_cut_conf){0});
    if (err)
        return err;
    prl_cut_reset(answer->cut);
    answer->speed = start->speed;
    if (answer->tts)
        return prl_tts_configure(answer->tts, start->voice, (float)start->speed);
    struct prl_tts_stream_conf conf = {.voice = start->voice,
                                       .language = start->chinese ? PRL_TEXT_ZH : PRL_TEXT_EN,
                                       .speed = (float)start->speed,
                                       .fn = on_tts,
                                       .arg = answer};
    return prl_tts_open(answer->conf.tts, &conf, &answer->tts);
}

static void refresh(struct prl_answer *answer)
{
    answer->view.text = prl_str_text(&answer->text);
    answer->view.text_len = answer->text.len;
}

static void tell(struct prl_answer *answer, enum prl_answer_news news)
{
    refresh(answer);
    answer->conf.fn(answer->conf.arg, answer, news);
}

static void fail(struct prl_answer *answer, enum prl_floor_stage stage, const char *why)
{
    if (answer->failed || answer->view.done)
        return;
    answer->failed = true;
    answer->view.failed = stage;
    prl_str_copy(answer->view.why, sizeof(answer->view.why), why ? why : "failed");
    tell(answer, PRL_ANSWER_FAILED);
}

static bool has_chinese(const char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        uint32_t code;
        at += prl_utf8_decode(text + at, len - at, &code);
        if (code >= 0x3400 && code <= 0x9FFF)
            return true;
    }
    return false;
}

// Does the text end with a question, closing quotes and spaces aside?
static bool ends_asking(const char *text, size_t len)
{
    while (len > 0 && strchr(" \n\r\t\"')", text[len - 1]))
        len--;
    static const char full_width[] = "\xEF\xBC\x9F"; // ？
    if (len > 0 && text[len - 1] == '?')
        return true;
    return len >= 3 && memcmp(text + len - 3, full_width, 3) == 0;
}

static bool is_room(const struct prl_answer *answer)
{
    uint64_t waiting = prl_speech_made(answer->speech) - prl_speech_taken(answer->speech);
    uint64_t ms = answer->held ? PRL_ANSWER_HELD_MS : PRL_ANSWER_AHEAD_MS;
    return answer->inflight_count < INFLIGHT_MAX && waiting < ms * SAMPLES_PER_MS;
}

static void say_clause(struct prl_answer *answer, const struct prl_cut_clause *clause)
{
    if (!answer->chinese && has_chinese(clause->text, clause->len))
        answer->chinese = true;
    prl_tts_set_language(answer->tts, answer->chinese ? PRL_TEXT_ZH : PRL_TEXT_EN);
    struct clause *slot = &answer->inflight[answer->inflight_count];
    *slot = (struct clause){.id = answer->clause_next++,
                            .start = (size_t)clause->start,
                            .end = (size_t)clause->end,
                            .part = clause->part};
    struct prl_tts_part part = {.text = clause->text - clause->before,
                                .len = clause->before + clause->len + clause->behind,
                                .from = clause->before,
                                .to = clause->before + clause->len};
    enum prl_err err = prl_tts_say_part(answer->tts, answer->view.generation, slot->id, &part);
    if (err)
        fail(answer, PRL_FLOOR_STAGE_TTS, prl_err_name(err));
    else
        answer->inflight_count++;
}

// Gives the cutter text as far as it takes it.
static void feed_cut(struct prl_answer *answer)
{
    while (answer->cut_fed < answer->text.len) {
        size_t len = answer->text.len - answer->cut_fed;
        if (len > 512)
            len = prl_utf8_whole(answer->text.data + answer->cut_fed, 512);
        if (prl_cut_push(answer->cut, answer->text.data + answer->cut_fed, len) != PRL_OK)
            return;
        answer->cut_fed += len;
    }
    if (answer->view.text_done && !answer->cut_finished) {
        prl_cut_finish(answer->cut);
        answer->cut_finished = true;
    }
}

static void finish_if_all_made(struct prl_answer *answer)
{
    bool sound_made = !answer->view.audio || answer->own_voice || answer->said ||
                      (answer->cut_empty && answer->inflight_count == 0);
    if (!answer->view.text_done || !sound_made || answer->view.done || answer->failed)
        return;
    answer->view.done = true;
    tell(answer, PRL_ANSWER_DONE);
}

// The model's own sound: it is held back while much of it waits.
static void pump_own_voice(struct prl_answer *answer)
{
    uint64_t waiting = prl_speech_made(answer->speech) - prl_speech_taken(answer->speech);
    bool flowing = waiting < (uint64_t)PRL_ANSWER_SPOKEN_MS * SAMPLES_PER_MS;
    if (flowing != answer->flowing)
        prl_llm_flow(answer->llm, flowing);
    answer->flowing = flowing;
    finish_if_all_made(answer);
}

// Does the model write so much faster than the voice speaks that a part of a sentence is not over
// before the next one is there?
static bool is_quick(const struct prl_answer *answer)
{
    int64_t took_us = prl_clock_now_us() - answer->view.first_token_us;
    return (double)answer->text.len * 1e6 >= QUICK_BYTES * answer->speed * (double)took_us;
}

void prl_answer_pump(struct prl_answer *answer)
{
    if (!answer->view.generation || !answer->view.audio || answer->failed || answer->view.done)
        return;
    if (answer->own_voice) {
        pump_own_voice(answer);
        return;
    }
    if (answer->said) {
        finish_if_all_made(answer);
        return;
    }
    uint32_t generation = answer->view.generation;
    feed_cut(answer);
    prl_cut_parts(answer->cut, is_quick(answer) ? prl_tts_says_parts(answer->tts) : 0);
    struct prl_cut_clause clause;
    while (answer->view.generation == generation && !answer->failed && is_room(answer)) {
        if (prl_cut_next(answer->cut, &clause) != PRL_OK) {
            answer->cut_empty = answer->cut_finished && answer->cut_fed == answer->text.len;
            break;
        }
        say_clause(answer, &clause);
        if (answer->view.generation == generation)
            feed_cut(answer);
    }
    if (answer->view.generation == generation)
        finish_if_all_made(answer);
}

static enum prl_err begin_call(struct prl_answer *answer, const struct prl_llm_event *event)
{
    if (!answer->calls)
        answer->calls = prl_mem_array(PRL_ANSWER_CALLS_MAX, sizeof(*answer->calls));
    if (!answer->calls)
        return PRL_ERR_NOMEM;
    if (answer->view.call_count == PRL_ANSWER_CALLS_MAX)
        return PRL_ERR_LIMIT;
    struct call *call = &answer->calls[answer->view.call_count++];
    prl_str_init(&call->arguments, ARGUMENTS_MAX);
    prl_str_copy(call->name, sizeof(call->name), event->name);
    prl_str_copy(call->call_id, sizeof(call->call_id), event->call_id);
    return PRL_OK;
}

static void on_call(struct prl_answer *answer, const struct prl_llm_event *event)
{
    enum prl_err err = PRL_OK;
    struct call *last =
        answer->view.call_count ? &answer->calls[answer->view.call_count - 1] : NULL;
    if (event->kind == PRL_LLM_EVENT_TOOL_BEGIN)
        err = begin_call(answer, event);
    else if (last && event->kind == PRL_LLM_EVENT_TOOL_ARGS)
        err = prl_str_add(&last->arguments, event->text, event->len);
    else if (last)
        last->ended = true;
    if (err)
        fail(answer, PRL_FLOOR_STAGE_LLM, prl_err_name(err));
    else
        tell(answer, PRL_ANSWER_CALL);
}

static void on_token(struct prl_answer *answer, const struct prl_llm_event *event)
{
    if (answer->view.first_token_us == 0)
        answer->view.first_token_us = prl_clock_now_us();
    enum prl_err err = prl_str_add(&answer->text, event->text, event->len);
    if (err) {
        fail(answer, PRL_FLOOR_STAGE_LLM, prl_err_name(err));
        return;
    }
    uint32_t generation = answer->view.generation;
    answer->view.asked = ends_asking(answer->text.data, answer->text.len);
    tell(answer, PRL_ANSWER_TEXT);
    if (answer->view.generation == generation)
        prl_answer_pump(answer);
}

static bool ends_sentence(const struct prl_answer *answer, size_t end)
{
    static const char *const ends[] = {".",           "!", "?", "\xE3\x80\x82", "\xEF\xBC\x81",
                                       "\xEF\xBC\x9F"}; // 。！？
    while (end > 0 && strchr(" \n\r\t\"')", answer->text.data[end - 1]))
        end--;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        size_t len = strlen(ends[i]);
        if (end >= len && memcmp(answer->text.data + end - len, ends[i], len) == 0)
            return true;
    }
    return false;
}

// Sound of a model that speaks.
static void on_own_audio(struct prl_answer *answer, const struct prl_llm_event *event)
{
    if (!answer->own_voice)
        return;
    if (answer->view.first_audio_us == 0 && event->samples > 0)
        answer->view.first_audio_us = prl_clock_now_us();
    enum prl_err err = PRL_OK;
    if (event->samples > 0)
        err = prl_speech_put(answer->speech, event->pcm, event->samples);
    for (size_t i = 0; i < event->word_count && !err; i++) {
        const struct prl_llm_word *word = &event->words[i];
        if (word->byte_end > answer->text.len)
            continue;
        err = prl_speech_mark(answer->speech,
                              &(struct prl_speech_mark){word->sample_start, word->sample_end,
                                                        word->byte_start, word->byte_end});
        if (!err && ends_sentence(answer, word->byte_end))
            answer->view.good_samples = word->sample_end;
    }
    if (err) {
        fail(answer, PRL_FLOOR_STAGE_TTS, prl_err_name(err));
        return;
    }
    uint32_t generation = answer->view.generation;
    tell(answer, PRL_ANSWER_AUDIO);
    if (answer->view.generation == generation)
        prl_answer_pump(answer);
}

// All is said: what follows the last word is reached too.
static void end_own_voice(struct prl_answer *answer)
{
    uint64_t made = prl_speech_made(answer->speech);
    struct prl_speech_mark end = {made, made, answer->text.len, answer->text.len};
    answer->view.good_samples = made;
    enum prl_err err = prl_speech_mark(answer->speech, &end);
    if (err)
        fail(answer, PRL_FLOOR_STAGE_TTS, prl_err_name(err));
}

static void on_done(struct prl_answer *answer, const struct prl_llm_event *event)
{
    answer->view.text_done = true;
    answer->view.reason = event->reason;
    answer->view.usage = event->usage;
    refresh(answer);
    if (answer->own_voice)
        end_own_voice(answer);
    if (answer->view.audio)
        prl_answer_pump(answer);
    else
        finish_if_all_made(answer);
}

static void on_llm(void *arg, const struct prl_llm_event *event)
{
    struct prl_answer *answer = arg;
    if (event->generation != answer->view.generation || answer->failed)
        return;
    switch (event->kind) {
    case PRL_LLM_EVENT_TOKEN:
        on_token(answer, event);
        return;
    case PRL_LLM_EVENT_TOOL_BEGIN:
    case PRL_LLM_EVENT_TOOL_ARGS:
    case PRL_LLM_EVENT_TOOL_END:
        on_call(answer, event);
        return;
    case PRL_LLM_EVENT_DONE:
        on_done(answer, event);
        return;
    case PRL_LLM_EVENT_AUDIO:
        on_own_audio(answer, event);
        return;
    case PRL_LLM_EVENT_ERROR:
        fail(answer, PRL_FLOOR_STAGE_LLM, event->text);
        return;
    }
}

static enum prl_err take_audio(struct prl_answer *answer, struct clause *clause,
                               const struct prl_tts_event *event)
{
    if (!clause->sounding) {
        clause->sounding = true;
        clause->base = prl_speech_made(answer->speech);
    }
    if (answer->view.first_audio_us == 0 && event->samples > 0)
        answer->view.first_audio_us = prl_clock_now_us();
    enum prl_err err = prl_speech_put(answer->speech, event->pcm, event->samples);
    for (size_t i = 0; i < event->mark_count && !err; i++) {
        const struct prl_tts_mark *mark = &event->marks[i];
        struct prl_speech_mark word = {
            clause->base + mark->sample_start, clause->base + mark->sample_end,
            clause->start + mark->source_start, clause->start + mark->source_end};
        if (word.byte_end > clause->end)
            word.byte_end = clause->end;
        err = prl_speech_mark(answer->speech, &word);
    }
    return err;
}

static enum prl_err end_clause(struct prl_answer *answer, const struct clause *clause)
{
    uint64_t made = prl_speech_made(answer->speech);
    struct prl_speech_mark end = {made, made, clause->end, clause->end};
    if (!clause->part)
        answer->view.good_samples = made;
    return prl_speech_mark(answer->speech, &end);
}

static void on_tts(void *arg, const struct prl_tts_event *event)
{
    struct prl_answer *answer = arg;
    if (event->generation != answer->view.generation || answer->failed ||
        answer->inflight_count == 0 || event->clause_id != answer->inflight[0].id)
        return;
    struct clause *clause = &answer->inflight[0];
    uint32_t generation = answer->view.generation;
    enum prl_err err = PRL_OK;
    switch (event->type) {
    case PRL_TTS_AUDIO:
        err = take_audio(answer, clause, event);
        if (!err)
            tell(answer, PRL_ANSWER_AUDIO);
        break;
    case PRL_TTS_CLAUSE_DONE:
        err = end_clause(answer, clause);
        answer->inflight_count--;
        memmove(&answer->inflight[0], &answer->inflight[1],
                answer->inflight_count * sizeof(answer->inflight[0]));
        if (!err)
            tell(answer, PRL_ANSWER_AUDIO);
        if (!err && answer->view.generation == generation)
            prl_answer_pump(answer);
        break;
    case PRL_TTS_ERROR:
        fail(answer, PRL_FLOOR_STAGE_TTS, event->why);
        return;
    }
    if (err)
        fail(answer, PRL_FLOOR_STAGE_TTS, prl_err_name(err));
}

// The whole text, which is one of ours, from the store of phrases. NOTFOUND: it is to be said.
static enum prl_err take_phrase(struct prl_answer *answer, const struct prl_answer_start *start)
{
    struct prl_phrase_wish wish = {.text = start->text,
                                   .voice = start->voice ? start->voice : "",
                                   .speed = (float)start->speed,
                                   .chinese = start->chinese};
    struct prl_phrase phrase;
    if (!answer->conf.phrases || start->prompt || !start->audio)
        return PRL_ERR_NOTFOUND;
    if (!prl_phrases_get(answer->conf.phrases, &wish, &phrase))
        return PRL_ERR_NOTFOUND;
    const struct prl_tts_event event = {.pcm = phrase.pcm,
                                        .samples = phrase.samples,
                                        .marks = phrase.marks,
                                        .mark_count = phrase.mark_count};
    struct clause clause = {.end = strlen(start->text)};
    enum prl_err err = take_audio(answer, &clause, &event);
    return err ? err : end_clause(answer, &clause);
}

static enum prl_err start_model(struct prl_answer *answer, const struct prl_answer_start *start)
{
    enum prl_err err = open_llm(answer);
    if (err)
        return err;
    struct prl_llm_params params = {.max_output_tokens = start->max_output_tokens,
                                    .temperature = start->temperature,
                                    .owner = start->owner,
                                    .committed = !start->held,
                                    .audio = start->audio,
                                    .aside = start->aside,
                                    .voice = start->voice,
                                    .speed = start->speed};
    return prl_llm_generate(answer->llm, start->generation, start->prompt, &params);
}

enum prl_err prl_answer_start(struct prl_answer *answer, const struct prl_answer_start *start)
{
    PRL_CHECK(start->generation != 0);
    prl_answer_stop(answer);
    answer->held = start->held;
    answer->chinese = start->chinese;
    answer->view.audio = start->audio;
    answer->own_voice =
        start->audio && start->prompt && answer->conf.llm && prl_llm_speaks(answer->conf.llm);
    answer->flowing = true;
    enum prl_err err = take_phrase(answer, start);
    answer->said = !err;
    err = err == PRL_ERR_NOTFOUND ? PRL_OK : err;
    bool speaks = start->audio && !answer->own_voice && !answer->said;
    if (!err && speaks)
        err = open_voice(answer, start);
    if (!err && speaks)
        err = prl_tts_set_style(answer->tts, start->style);
    if (!err && start->prompt)
        err = start_model(answer, start);
    else if (!err)
        err = prl_str_adds(&answer->text, start->text);
    if (err)
        return err;
    answer->view.generation = start->generation;
    refresh(answer);
    if (start->prompt)
        return PRL_OK;
    answer->view.text_done = true;
    tell(answer, PRL_ANSWER_TEXT);
    if (answer->said && answer->view.generation == start->generation)
        tell(answer, PRL_ANSWER_AUDIO);
    if (answer->view.generation != start->generation)
        return PRL_OK;
    if (answer->view.audio)
        prl_answer_pump(answer);
    else
        finish_if_all_made(answer);
    return PRL_OK;
}

void prl_answer_commit(struct prl_answer *answer)
{
    answer->held = false;
    if (answer->llm && answer->view.generation)
        prl_llm_commit(answer->llm, answer->view.generation);
    prl_answer_pump(answer);
}

void prl_answer_prefill(struct prl_answer *answer, uint32_t generation,
                        const struct prl_llm_prompt *prompt)
{
    if (answer->view.generation || open_llm(answer) != PRL_OK)
        return;
    // Only a matter of speed: what fails here is done again, and reported, by the generate.
    enum prl_err err = prl_llm_prefill(answer->llm, generation, prompt);
    (void)err;
}

const struct prl_answer_view *prl_answer_view(const struct prl_answer *answer)
{
    return &answer->view;
}

struct prl_speech *prl_answer_speech(struct prl_answer *answer)
{
    return answer->speech;
}

struct prl_answer_call prl_answer_call(const struct prl_answer *answer, size_t index)
{
    PRL_CHECK(index < answer->view.call_count);
    const struct call *call = &answer->calls[index];
    return (struct prl_answer_call){.name = call->name,
                                    .call_id = call->call_id,
                                    .arguments = prl_str_text(&call->arguments),
                                    .len = call->arguments.len,
                                    .ended = call->ended};
}
