// sound_card.c -- see sound_card.h. libportaudio.so.2 is opened by name, so that a server needs no
// sound libraries.
#include "client/sound_card.h"

#include <dlfcn.h>
#include <portaudio.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/ring.h"

struct prl_sound_card {
    void *library;
    PaStream *stream;
    struct prl_ring *microphone, *speaker; // borrowed
    PaError (*initialize)(void);
    PaError (*terminate)(void);
    const char *(*error_text)(PaError error);
    PaError (*open_default)(PaStream **stream, int inputs, int outputs, PaSampleFormat format,
                            double rate, unsigned long frames, PaStreamCallback *callback,
                            void *arg);
    PaError (*start)(PaStream *stream);
    PaError (*close)(PaStream *stream);
    int initialized;
};

static int on_sound(const void *input, void *output, unsigned long frames,
                    const PaStreamCallbackTimeInfo *time, PaStreamCallbackFlags flags, void *arg)
{
    (void)time;
    (void)flags;
    struct prl_sound_card *card = arg;
    if (input && prl_ring_write(card->microphone, input, frames) != PRL_OK)
        return paContinue; // the reader is behind; newer sound is worth more than a longer delay
    size_t got = prl_ring_read(card->speaker, output, frames);
    memset((int16_t *)output + got, 0, (frames - got) * sizeof(int16_t));
    return paContinue;
}

// dlsym gives a data pointer; POSIX lets it be stored in a function pointer this way.
static int load(struct prl_sound_card *card, const char *name, void *slot)
{
    void *symbol = dlsym(card->library, name);
    memcpy(slot, &symbol, sizeof(symbol)); // NOLINT(bugprone-sizeof-expression)
    return symbol != NULL;
}

static enum prl_err open_library(struct prl_sound_card *card, char *why, size_t why_size)
{
    card->library = dlopen("libportaudio.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!card->library) {
        snprintf(why, why_size, "no sound library: install libportaudio2, or use --wav");
        return PRL_ERR_NOTFOUND;
    }
    if (load(card, "Pa_Initialize", &card->initialize) &&
        load(card, "Pa_Terminate", &card->terminate) &&
        load(card, "Pa_GetErrorText", &card->error_text) &&
        load(card, "Pa_OpenDefaultStream", &card->open_default) &&
        load(card, "Pa_StartStream", &card->start) && load(card, "Pa_CloseStream", &card->close))
        return PRL_OK;
    snprintf(why, why_size, "libportaudio.so.2 lacks a function that is needed");
    return PRL_ERR_IO;
}

static enum prl_err start_card(struct prl_sound_card *card, uint32_t rate_hz, char *why,
                               size_t why_size)
{
    PaError error = card->initialize();
    card->initialized = error == paNoError;
    if (!error)
        error = card->open_default(&card->stream, 1, 1, paInt16, rate_hz, 0, on_sound, card);
    if (!error)
        error = card->start(card->stream);
    if (!error)
        return PRL_OK;
    snprintf(why, why_size, "microphone or loudspeaker: %s (is one connected? --wav works without)",
             card->error_text(error));
    return PRL_ERR_IO;
}

enum prl_err prl_sound_card_create(struct prl_sound_card **out, uint32_t rate_hz,
                                   struct prl_ring *microphone, struct prl_ring *speaker, char *why,
                                   size_t why_size)
{
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out) {
        snprintf(why, why_size, "out of memory");
        return PRL_ERR_NOMEM;
    }
    (*out)->microphone = microphone;
    (*out)->speaker = speaker;
    enum prl_err err = open_library(*out, why, why_size);
    if (!err)
        err = start_card(*out, rate_hz, why, why_size);
    if (err)
        prl_sound_card_destroy(out);
    return err;
}

void prl_sound_card_destroy(struct prl_sound_card **card)
{
    if (!*card)
        return;
    if ((*card)->stream)
        (*card)->close((*card)->stream);
    if ((*card)->initialized)
        (*card)->terminate();
    if ((*card)->library)
        dlclose((*card)->library);
    prl_mem_free(*card);
    *card = NULL;
}
