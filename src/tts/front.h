// front.h -- what may stand behind the functions of tts.h in place of our own lane.
//
// A front is one file with one const table; prl_tts_conf.front chooses it. Each function keeps the
// contract of its namesake in tts.h; tts.c has checked the arguments and knows nothing besides.
// Threads:  the loop thread that created it. Memory: the front owns itself and its streams.
#ifndef PRL_TTS_FRONT_H
#define PRL_TTS_FRONT_H

#include "tts/tts.h"

struct prl_tts_front_ops {
    // `conf` is borrowed for the call, conf->front_conf is the front's own.
    enum prl_err (*create)(void **front, const struct prl_tts_conf *conf);
    void (*destroy)(void *front); // what create made, complete
    bool (*is_ready)(const void *front);
    size_t (*backlog)(const void *front);
    unsigned (*languages)(const void *front);
    enum prl_err (*open)(void *front, const struct prl_tts_stream_conf *conf, void **stream);
    void (*close)(void *stream);
    enum prl_err (*configure)(void *stream, const char *voice, float speed);
    void (*set_language)(void *stream, enum prl_text_lang language);
    enum prl_err (*say)(void *stream, uint32_t generation, uint32_t clause_id, const char *text,
                        size_t len);
    void (*cancel)(void *stream, uint32_t generation);
};

#endif
