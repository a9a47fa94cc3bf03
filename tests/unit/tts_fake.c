// tts_fake.c -- see tts_fake.h. Each unit that is no pause makes TTS_FAKE_UNIT samples of the value of
// its first byte, and a mark.
#include "tests/unit/tts_fake.h"

#include <string.h>

#include "base/mem.h"

struct tts_fake tts_fake;

struct fake {
    const struct prl_tts_ops *ops;
    const struct prl_tts_request *request;
    struct prl_tts_request kept;
    size_t unit, unit_end;
    uint32_t sample;
    int16_t pcm[TTS_FAKE_UNIT];
    struct prl_tts_mark mark;
};

static enum prl_err open_as(void **ctx, const struct prl_tts_ops *ops)
{
    struct fake *fake = prl_mem_zalloc(sizeof(*fake));
    *ctx = fake;
    if (!fake)
        return PRL_ERR_NOMEM;
    fake->ops = ops;
    return PRL_OK;
}

static enum prl_err open_hibari(void **ctx, const struct prl_tts_backend_conf *conf, char *why,
                                size_t why_size)
{
    (void)conf;
    *ctx = NULL;
    if (tts_fake.open_fails) {
        if (why_size > 4)
            memcpy(why, "gone", 5);
        return PRL_ERR_NOTFOUND;
    }
    return open_as(ctx, &tts_fake_hibari);
}

static enum prl_err open_kokoro(void **ctx, const struct prl_tts_backend_conf *conf, char *why,
                                size_t why_size)
{
    (void)conf;
    if (why_size > 0)
        why[0] = '\0';
    return open_as(ctx, &tts_fake_kokoro);
}

static enum prl_err open_espeak(void **ctx, const struct prl_tts_backend_conf *conf, char *why,
                                size_t why_size)
{
    (void)conf;
    if (why_size > 0)
        why[0] = '\0';
    return open_as(ctx, &tts_fake_espeak);
}

static void close_it(void **ctx)
{
    prl_mem_free(*ctx);
    *ctx = NULL;
}

static enum prl_err begin(void *ctx, const struct prl_tts_request *request)
{
    struct fake *fake = ctx;
    const struct prl_text_segment *first = &request->text->segments[request->segment_start];
    const struct prl_text_segment *last = first + request->segment_count - 1;
    fake->kept = *request;
    fake->unit = first->unit_start;
    fake->unit_end = last->unit_start + last->unit_count;
    fake->sample = 0;
    tts_fake.begins++;
    return PRL_OK;
}

static bool is_left_out(const struct prl_tts_request *request, const struct prl_text_unit *unit)
{
    return unit->kind == PRL_TEXT_PAUSE || unit->source_start < request->source_from ||
           (request->source_to > 0 && unit->source_start >= request->source_to);
}

static enum prl_err step(void *ctx, struct prl_tts_chunk *chunk)
{
    struct fake *fake = ctx;
    const struct prl_text_out *text = fake->kept.text;
    *chunk = (struct prl_tts_chunk){.last = false};
    tts_fake.steps++;
    if (fake->ops == &tts_fake_hibari &&
        (tts_fake.step_fails || (tts_fake.late_fails && fake->sample > 0)))
        return PRL_ERR_ENGINE;
    if (tts_fake.hold)
        return PRL_OK;
    while (fake->unit < fake->unit_end && is_left_out(&fake->kept, &text->units[fake->unit]))
        fake->unit++;
    if (fake->unit < fake->unit_end) {
        const struct prl_text_unit *unit = &text->units[fake->unit++];
        for (size_t i = 0; i < TTS_FAKE_UNIT; i++)
            fake->pcm[i] = (unsigned char)text->text[unit->text_start];
        fake->mark = (struct prl_tts_mark){fake->sample, fake->sample + TTS_FAKE_UNIT,
                                           unit->source_start, unit->source_end};
        fake->sample += TTS_FAKE_UNIT;
        chunk->pcm = fake->pcm;
        chunk->samples = TTS_FAKE_UNIT;
        chunk->marks = &fake->mark;
        chunk->mark_count = 1;
    }
    while (fake->unit < fake->unit_end && is_left_out(&fake->kept, &text->units[fake->unit]))
        fake->unit++;
    chunk->last = fake->unit >= fake->unit_end;
    if (chunk->last && fake->ops == &tts_fake_kokoro && tts_fake.lessons > 0)
        tts_fake.lessons--;
    return PRL_OK;
}

static void end_it(void *ctx)
{
    struct fake *fake = ctx;
    fake->kept.text = NULL;
}

static const char *why(const void *ctx)
{
    (void)ctx;
    return "told to fail";
}

static bool learns(const void *ctx)
{
    (void)ctx;
    return tts_fake.lessons > 0;
}

static const struct prl_tts_voice voices[] = {
    {"fake", PRL_TTS_LANG_EN | PRL_TTS_LANG_ZH, 'f', "en-US"}};

#define FAKE(name_, languages_, says_parts, open_, learns_)                                        \
    {                                                                                              \
        .name = (name_), .languages = (languages_), .streams = (says_parts),                       \
        .context = (says_parts), .voices = voices, .voice_count = 1, .open = (open_),              \
        .close = close_it, .begin = begin, .step = step, .end = end_it, .why = why,                \
        .learns = (learns_)                                                                        \
    }

enum { BOTH = PRL_TTS_LANG_EN | PRL_TTS_LANG_ZH };
const struct prl_tts_ops tts_fake_hibari = FAKE("hibari", PRL_TTS_LANG_EN, true, open_hibari, NULL);
const struct prl_tts_ops tts_fake_kokoro = FAKE("kokoro", BOTH, false, open_kokoro, learns);
const struct prl_tts_ops tts_fake_espeak = FAKE("espeak", BOTH, false, open_espeak, NULL);
