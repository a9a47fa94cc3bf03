// espeak_voice.c -- see backend.h. The last resort: each segment is one run of espeak-ng (espeak.h).
// Words are marked in proportion to their letters, since the process does not tell.
//
// Longest step: one run of the process for a segment, measured about 30 ms; at most its timeout.
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "tts/backend.h"
#include "tts/espeak.h"

struct espeak {
    char *program; // owned
    char why[PRL_TTS_WHY_SIZE];
    // of the request
    struct prl_tts_request request; // text is borrowed
    size_t segment;                 // next one to say
    int16_t *pcm;                   // owned; the sound of the segment before
    size_t count, at;
    uint32_t sample;            // given out before this segment
    struct prl_tts_mark *marks; // owned, of the segment
    size_t mark_count, mark_at;
};

static const struct prl_tts_voice voices[] = {
    {"espeak", PRL_TTS_LANG_EN | PRL_TTS_LANG_ZH, 'm', "en-US"}};

static void sound_free(struct espeak *self)
{
    prl_mem_free(self->pcm);
    prl_mem_free(self->marks);
    self->pcm = NULL;
    self->marks = NULL;
    self->count = self->at = self->mark_count = self->mark_at = 0;
}

static void close_it(void **ctx)
{
    struct espeak *self = *ctx;
    if (!self)
        return;
    sound_free(self);
    prl_mem_free(self->program);
    prl_mem_free(self);
    *ctx = NULL;
}

static enum prl_err open_it(void **ctx, const struct prl_tts_backend_conf *conf, char *why,
                            size_t why_size)
{
    *ctx = NULL;
    struct espeak *self = prl_mem_zalloc(sizeof(*self));
    void *made = self;
    if (self)
        self->program = prl_mem_strdup(conf->paths->espeak ? conf->paths->espeak : "espeak-ng");
    if (!self || !self->program) {
        (void)snprintf(why, why_size, "espeak: out of memory");
        close_it(&made);
        return PRL_ERR_NOMEM;
    }
    *ctx = made;
    return PRL_OK;
}

static void end_it(void *ctx)
{
    struct espeak *self = ctx;
    sound_free(self);
    self->request = (struct prl_tts_request){.text = NULL};
}

static enum prl_err begin(void *ctx, const struct prl_tts_request *request)
{
    struct espeak *self = ctx;
    end_it(self);
    self->why[0] = '\0';
    self->request = *request;
    self->segment = request->segment_start;
    self->sample = 0;
    return PRL_OK;
}

// Gives each word of the segment a share of the sound by its length.
static enum prl_err marks_make(struct espeak *self, const struct prl_text_segment *segment)
{
    const struct prl_text_unit *units = &self->request.text->units[segment->unit_start];
    uint64_t total = 0, before = 0;
    for (size_t i = 0; i < segment->unit_count; i++)
        total += units[i].text_len;
    self->marks = prl_mem_array(segment->unit_count + 1, sizeof(*self->marks));
    if (!self->marks)
        return PRL_ERR_NOMEM;
    for (size_t i = 0; i < segment->unit_count; i++) {
        uint64_t start = before * self->count / total;
        before += units[i].text_len;
        uint64_t end = before * self->count / total;
        if (units[i].kind != PRL_TEXT_PAUSE)
            self->marks[self->mark_count++] =
                (struct prl_tts_mark){self->sample + (uint32_t)start, self->sample + (uint32_t)end,
                                      units[i].source_start, units[i].source_end};
    }
    return PRL_OK;
}

static enum prl_err segment_say(struct espeak *self)
{
    const struct prl_text_out *text = self->request.text;
    const struct prl_text_segment *segment = &text->segments[self->segment];
    struct prl_espeak_conf conf = {
        .program = self->program,
        .voice = segment->lang == PRL_TEXT_ZH ? "cmn" : "en-us",
        .speed = self->request.speed,
    };
    bool sound = false;
    for (size_t i = 0; i < segment->unit_count; i++)
        sound |= text->units[segment->unit_start + i].kind != PRL_TEXT_PAUSE;
    self->segment++;
    if (!sound)
        return PRL_OK;
    enum prl_err err = prl_espeak_run(&conf, text->text + segment->text_start, segment->text_len,
                                      &self->pcm, &self->count, self->why, sizeof(self->why));
    return err ? err : marks_make(self, segment);
}

static enum prl_err step(void *ctx, struct prl_tts_chunk *chunk)
{
    struct espeak *self = ctx;
    *chunk = (struct prl_tts_chunk){.last = false};
    size_t end = self->request.segment_start + self->request.segment_count;
    PRL_CHECK(self->request.text != NULL);
    if (self->at >= self->count) {
        self->sample += (uint32_t)self->count;
        sound_free(self);
        enum prl_err err = self->segment < end ? segment_say(self) : PRL_OK;
        if (err)
            return err;
    }
    size_t left = self->count - self->at;
    chunk->samples = left < PRL_TTS_CHUNK_MAX ? left : PRL_TTS_CHUNK_MAX;
    chunk->pcm = self->pcm ? self->pcm + self->at : NULL;
    self->at += chunk->samples;
    chunk->marks = self->marks ? self->marks + self->mark_at : NULL;
    while (self->marks && self->mark_at < self->mark_count &&
           self->marks[self->mark_at].sample_end <= self->sample + self->at) {
        self->mark_at++;
        chunk->mark_count++;
    }
    chunk->last = self->segment >= end && self->at >= self->count;
    return PRL_OK;
}

static const char *why(const void *ctx)
{
    const struct espeak *self = ctx;
    return self->why;
}

const struct prl_tts_ops prl_tts_espeak = {
    .name = "espeak",
    .languages = PRL_TTS_LANG_EN | PRL_TTS_LANG_ZH,
    .streams = false,
    .voices = voices,
    .voice_count = sizeof(voices) / sizeof(voices[0]),
    .open = open_it,
    .close = close_it,
    .begin = begin,
    .step = step,
    .end = end_it,
    .why = why,
};
