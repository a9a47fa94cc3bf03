// engines.c -- see engines.h.
#include "tts/engines.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/ort.h"
#include "tts/calibration.h"
#include "tts/voices.h"

// Kokoro may speak parts of sentences if it needs less than this much work a second of sound: while it
// speaks, the model writes on beside it.
static const double parts_rtf_max = 0.5;
// And English, where hibari's first sound comes after 25 ms, if its own does not come much later: what it
// makes first is a second of sound or more.
static const double english_rtf_max = 0.2;
enum { WARM_STEPS_MAX = 10000, COST_MAX = 3 };

// The clause that warms up and times a model: "This machine speaks for itself." Two words of it only warm it up.
static const struct prl_text_out *sample_en(bool whole)
{
    static const char text[] = "This machine speaks for itself.";
    static const struct prl_text_unit units[] = {
        {0, 4, 0, 4, PRL_TEXT_EN, PRL_TEXT_WORD},    {5, 7, 5, 12, PRL_TEXT_EN, PRL_TEXT_WORD},
        {13, 6, 13, 19, PRL_TEXT_EN, PRL_TEXT_WORD}, {20, 3, 20, 23, PRL_TEXT_EN, PRL_TEXT_WORD},
        {24, 6, 24, 30, PRL_TEXT_EN, PRL_TEXT_WORD}, {30, 1, 30, 31, PRL_TEXT_EN, PRL_TEXT_PAUSE},
    };
    static const struct prl_text_segment all = {PRL_TEXT_EN, 0, 6, 0, sizeof(text) - 1};
    static const struct prl_text_segment some = {PRL_TEXT_EN, 0, 2, 0, 12};
    static const struct prl_text_out samples[] = {{.text = text,
                                                   .text_len = 12,
                                                   .units = units,
                                                   .unit_count = 2,
                                                   .segments = &some,
                                                   .segment_count = 1},
                                                  {.text = text,
                                                   .text_len = sizeof(text) - 1,
                                                   .units = units,
                                                   .unit_count = 6,
                                                   .segments = &all,
                                                   .segment_count = 1}};
    return &samples[whole];
}

// "This machine speaks by itself."
static const struct prl_text_out *sample_zh(void)
{
    static const char text[] = "这台机器自己会说话。";
#define AT(i, what)                                                                                \
    {                                                                                              \
        3 * (i), 3, 3 * (i), 3 * (i) + 3, PRL_TEXT_ZH, what                                        \
    }
    static const struct prl_text_unit units[] = {
        AT(0, PRL_TEXT_WORD), AT(1, PRL_TEXT_WORD),  AT(2, PRL_TEXT_WORD), AT(3, PRL_TEXT_WORD),
        AT(4, PRL_TEXT_WORD), AT(5, PRL_TEXT_WORD),  AT(6, PRL_TEXT_WORD), AT(7, PRL_TEXT_WORD),
        AT(8, PRL_TEXT_WORD), AT(9, PRL_TEXT_PAUSE),
    };
#undef AT
    static const struct prl_text_segment segment = {PRL_TEXT_ZH, 0, 10, 0, sizeof(text) - 1};
    static const struct prl_text_out out = {.text = text,
                                            .text_len = sizeof(text) - 1,
                                            .units = units,
                                            .unit_count = 10,
                                            .segments = &segment,
                                            .segment_count = 1};
    return &out;
}

// Speaks a sample; *rtf is the work a second of sound. With one thread that is the thread's own time,
// so that a start on a busy machine does not spoil the figure, which is kept.
static enum prl_err engine_try(const struct prl_tts_engine *engine, const struct prl_text_out *text,
                               int threads, double *rtf)
{
    unsigned languages = text->segments[0].lang == PRL_TEXT_ZH ? PRL_TTS_LANG_ZH : PRL_TTS_LANG_EN;
    struct prl_tts_request request = {
        .text = text,
        .segment_count = 1,
        .voice = prl_tts_engines_voice(engine->ops, NULL, languages),
        .speed = 1,
    };
    struct prl_tts_chunk chunk = {.last = false};
    size_t samples = 0;
    int64_t start_us = threads > 1 ? prl_clock_now_us() : prl_clock_thread_us();
    enum prl_err err = engine->ops->begin(engine->ctx, &request);
    for (int i = 0; !err && !chunk.last && i < WARM_STEPS_MAX; i++) {
        err = engine->ops->step(engine->ctx, &chunk);
        samples += err ? 0 : chunk.samples;
    }
    engine->ops->end(engine->ctx);
    int64_t end_us = threads > 1 ? prl_clock_now_us() : prl_clock_thread_us();
    double work_us = (double)(end_us - start_us);
    *rtf = samples ? work_us / 1e6 / ((double)samples / PRL_TTS_RATE_HZ) : 0;
    return err ? err : samples ? PRL_OK : PRL_ERR_ENGINE;
}

static bool is_named(const struct prl_tts_ops *ops, const char *name)
{
    return strcmp(ops->name, name) == 0;
}

static struct prl_tts_engine *engine_find(struct prl_tts_engines *engines, const char *name)
{
    for (size_t i = 0; i < engines->count; i++)
        if (is_named(engines->at[i].ops, name))
            return &engines->at[i];
    return NULL;
}

// Is this backend asked for? FastSpeech2 is only with its key; Kokoro's half gigabyte is not needed
// beside it unless English is to have the best voice.
static bool is_wanted(const struct prl_tts_engines *engines, const struct prl_tts_conf *conf,
                      const struct prl_tts_ops *ops)
{
    if (is_named(ops, "fastspeech2"))
        return conf->fast_zh;
    if (!is_named(ops, "kokoro") || !conf->fast_zh || conf->quality == PRL_TTS_QUALITY_BEST)
        return true;
    for (size_t i = 0; i < engines->count; i++)
        if (is_named(engines->at[i].ops, "fastspeech2"))
            return false;
    return true;
}

// Lets it say a word, so that the first answer does not pay for what every first time costs. Whole samples are
// said only where they tell something: what is learnt from them, and how fast Kokoro is, is kept.
static enum prl_err engine_warm(struct prl_tts_engines *engines, const struct prl_tts_conf *conf,
                                const struct prl_tts_engine *engine)
{
    const struct prl_tts_ops *ops = engine->ops;
    double rtf = 0;
    bool timed = is_named(ops, "kokoro");
    if (timed)
        engines->kokoro_rtf = prl_calibration_read(conf->cache_dir, conf->threads);
    timed = timed && engines->kokoro_rtf <= 0;
    bool learns = ops->learns && ops->learns(engine->ctx);
    bool english = ops->languages & PRL_TTS_LANG_EN;
    const struct prl_text_out *first = english ? sample_en(timed || learns) : sample_zh();
    enum prl_err err = engine_try(engine, first, conf->threads, &rtf);
    if (!err && (timed || learns) && english && conf->paths.zh_tables)
        err = engine_try(engine, sample_zh(), conf->threads, &rtf);
    if (!err && timed) { // by the last sample: the first one cost a tenth more
        engines->kokoro_rtf = rtf;
        prl_calibration_write(conf->cache_dir, conf->threads, rtf);
    }
    return err;
}

static void engine_open(struct prl_tts_engines *engines, const struct prl_tts_conf *conf,
                        const struct prl_tts_ops *ops, char *why, size_t why_size)
{
    struct prl_tts_backend_conf own = {.ort = engines->ort,
                                       .paths = &conf->paths,
                                       .threads = conf->threads,
                                       .cache_dir = conf->cache_dir};
    struct prl_tts_engine engine = {ops, NULL};
    enum prl_err err = ops->open(&engine.ctx, &own, why, why_size);
    if (!err && !is_named(ops, "espeak")) { // which must not be started for nothing
        err = engine_warm(engines, conf, &engine);
        if (err)
            (void)snprintf(why, why_size, "%s", ops->why(engine.ctx));
    }
    if (err) {
        prl_log(PRL_LOG_WARN, "tts", "%s cannot be used: %s", ops->name, why);
        ops->close(&engine.ctx);
        return;
    }
    engines->at[engines->count++] = engine;
}

static void english_choose(struct prl_tts_engines *engines, const struct prl_tts_conf *conf)
{
    struct prl_tts_engine *kokoro = engine_find(engines, "kokoro");
    engines->best_en = kokoro && conf->quality == PRL_TTS_QUALITY_BEST;
    if (!kokoro || conf->quality != PRL_TTS_QUALITY_AUTO)
        return;
    engines->best_en = engines->kokoro_rtf > 0 && engines->kokoro_rtf < english_rtf_max;
    prl_log(PRL_LOG_INFO, "tts", "Kokoro takes %.2f s of work a second of sound: English by %s",
            engines->kokoro_rtf, engines->best_en ? "Kokoro" : "hibari");
}

enum prl_err prl_tts_engines_open(struct prl_tts_engines *engines, const struct prl_tts_conf *conf,
                                  char *why, size_t why_size)
{
    *engines = (struct prl_tts_engines){.fast_zh = conf->fast_zh,
                                        .fast_en = conf->quality == PRL_TTS_QUALITY_FAST};
    (void)snprintf(why, why_size, "no voice is configured");
    if (conf->paths.ort_library &&
        prl_ort_create(&engines->ort, conf->paths.ort_library, why, why_size))
        prl_log(PRL_LOG_WARN, "tts", "no ONNX Runtime: %s", why);
    const struct prl_tts_ops *const *list = conf->backends ? conf->backends : prl_tts_builtin;
    // FastSpeech2 first, because it decides whether Kokoro is needed.
    for (size_t i = 0; list[i]; i++)
        if (is_named(list[i], "fastspeech2") && is_wanted(engines, conf, list[i]))
            engine_open(engines, conf, list[i], why, why_size);
    for (size_t i = 0; list[i] && engines->count < PRL_TTS_ENGINES_MAX; i++)
        if (!is_named(list[i], "fastspeech2") && is_wanted(engines, conf, list[i]))
            engine_open(engines, conf, list[i], why, why_size);
    english_choose(engines, conf);
    return engines->count ? PRL_OK : PRL_ERR_ENGINE;
}

void prl_tts_engines_close(struct prl_tts_engines *engines)
{
    for (size_t i = 0; i < engines->count; i++)
        engines->at[i].ops->close(&engines->at[i].ctx);
    engines->count = 0;
    prl_ort_destroy(&engines->ort);
}

unsigned prl_tts_engines_languages(const struct prl_tts_engines *engines)
{
    unsigned languages = 0;
    for (size_t i = 0; i < engines->count; i++)
        languages |= engines->at[i].ops->languages;
    return languages;
}

// Lower is better.
static int engine_cost(const struct prl_tts_ops *ops, bool by_kokoro, bool fast_zh)
{
    if (is_named(ops, "espeak"))
        return COST_MAX;
    if (is_named(ops, "fastspeech2"))
        return fast_zh ? 0 : 2;
    return is_named(ops, "kokoro") == by_kokoro ? 1 : 2;
}

const struct prl_tts_engine *prl_tts_engines_choose(const struct prl_tts_engines *engines,
                                                    unsigned languages, const char *voice,
                                                    size_t rank)
{
    const struct prl_voice *own = prl_voice_find(voice);
    bool by_name = own && !own->hibari && !engines->fast_en;
    bool by_kokoro = languages != PRL_TTS_LANG_EN || engines->best_en || by_name;
    size_t seen = 0;
    for (int cost = 0; cost <= COST_MAX; cost++)
        for (size_t i = 0; i < engines->count; i++) {
            const struct prl_tts_engine *engine = &engines->at[i];
            if ((languages & ~engine->ops->languages) != 0 ||
                engine_cost(engine->ops, by_kokoro, engines->fast_zh) != cost)
                continue;
            if (seen++ == rank)
                return engine;
        }
    return NULL;
}

bool prl_tts_engines_parts(const struct prl_tts_engines *engines, unsigned languages,
                           const char *voice)
{
    const struct prl_tts_engine *engine = prl_tts_engines_choose(engines, languages, voice, 0);
    if (!engine || !engine->ops->context)
        return false;
    return !is_named(engine->ops, "kokoro") || engines->kokoro_rtf < parts_rtf_max;
}

static bool has_real(const struct prl_tts_engines *engines, unsigned languages)
{
    const struct prl_tts_engine *engine = prl_tts_engines_choose(engines, languages, NULL, 0);
    return engine && !is_named(engine->ops, "espeak");
}

static unsigned language_bit(enum prl_text_lang lang)
{
    return lang == PRL_TEXT_ZH ? PRL_TTS_LANG_ZH : PRL_TTS_LANG_EN;
}

size_t prl_tts_engines_run(const struct prl_tts_engines *engines, const struct prl_text_out *text,
                           size_t start, unsigned *languages)
{
    PRL_CHECK(start < text->segment_count);
    *languages = 0;
    for (size_t i = start; i < text->segment_count; i++)
        *languages |= language_bit(text->segments[i].lang);
    unsigned mixed = PRL_TTS_LANG_EN | PRL_TTS_LANG_ZH;
    const struct prl_tts_engine *zh = prl_tts_engines_choose(engines, PRL_TTS_LANG_ZH, NULL, 0);
    bool split = !has_real(engines, mixed) || (zh && is_named(zh->ops, "fastspeech2"));
    if (*languages != mixed || !split)
        return text->segment_count - start;
    *languages = language_bit(text->segments[start].lang);
    size_t count = 1;
    while (start + count < text->segment_count &&
           language_bit(text->segments[start + count].lang) == *languages)
        count++;
    return count;
}

const char *prl_tts_engines_voice(const struct prl_tts_ops *ops, const char *name,
                                  unsigned languages)
{
    const struct prl_voice *voice = prl_voice_find(name);
    const char *own = NULL;
    if (voice && is_named(ops, "hibari"))
        own = voice->hibari;
    else if (voice && is_named(ops, "kokoro"))
        own = languages == PRL_TTS_LANG_EN ? voice->kokoro_en : voice->kokoro_zh;
    else if (name && !voice)
        own = name; // a backend of a test
    return own ? own : ops->voice_count ? ops->voices[0].name : "";
}
