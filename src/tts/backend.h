// backend.h -- what one voice model does: a spoken form in, pieces of sound and word marks out.
//
// A backend is one file with one const table. It knows its model, nothing of streams or sessions.
// One request at a time: begin, step until `last` or until it is no longer wanted, end.
// Units:    PCM is 24 kHz mono; samples count from the first sample of the request. Sources are
//           byte ranges of the ORIGINAL clause, as prl_text_speakable reports them.
// Threads:  all functions on one thread (the TTS lane), blocking. A step cannot be interrupted:
//           each backend states its longest one; cancelling means not to step again.
// Memory:   what a chunk points to belongs to the backend, valid until its next call. A request is
//           borrowed until end.
// Errors:   NOTFOUND / ENGINE with one line in `why` from open (which file, what is wrong, what to
//           do); ENGINE, NOMEM, LIMIT from begin and step, after which only end may follow.
#ifndef PRL_TTS_BACKEND_H
#define PRL_TTS_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "tts/text.h"

enum {
    PRL_TTS_RATE_HZ = 24000,
    PRL_TTS_CHUNK_MAX = 4800, // samples of one chunk: 200 ms
    PRL_TTS_WHY_SIZE = 256,
};

// Sets of languages.
enum { PRL_TTS_LANG_EN = 1, PRL_TTS_LANG_ZH = 2 };

struct prl_ort;

// Where the engines' files are. NULL: absent, and the backends that need it cannot be opened.
struct prl_tts_paths {
    const char *ort_library;    // libonnxruntime.so
    const char *en_tables;      // made by tools/convert/en_tables.py: American English
    const char *en_tables_gb;   // the same for British voices; NULL: they speak American
    const char *en_oov;         // oov.onnx: reads words that no table has
    const char *en_oov_gb;      // the same in British; its alphabet is in en_tables_gb
    const char *hibari_model;   // hibari-marks.onnx, made by tools/convert/en_tables.py
    const char *zh_tables;      // made by tools/convert/zh_tables.py
    const char *kokoro_model;   // predictor.onnx and
    const char *kokoro_vocoder; // vocoder_norms.onnx, made by tools/convert/kokoro_split.py
    const char *kokoro_voices;  // folder with <voice>.bin
    const char *fastspeech2_model;
    const char *melgan_model;
    const char *espeak; // program; NULL: "espeak-ng" from PATH
};

struct prl_tts_backend_conf {
    struct prl_ort *ort;               // borrowed; NULL where a backend needs none
    const struct prl_tts_paths *paths; // borrowed for the call to open
    int threads;                       // of the model; 0 means 1
    const char *cache_dir; // where what was learnt is kept, borrowed for the call; NULL: nowhere
};

// One word (or ideograph, or number read as several words) and where it sounds.
struct prl_tts_mark {
    uint32_t sample_start; // [start, end)
    uint32_t sample_end;
    uint32_t source_start; // bytes of the original clause, [start, end)
    uint32_t source_end;
};

struct prl_tts_request {
    const struct prl_text_out *text;
    size_t segment_start; // which of text->segments to say; their languages are all the
    size_t segment_count; // backend's (see `languages`)
    const char *voice;    // one of the backend's; unknown: its first
    float speed;          // 0.25..1.5, 1 is the voice's own pace
    bool first;           // somebody waits for the first sound: make it soon
    // Of what the text says only the words whose sources begin in [source_from, source_to) are given
    // out; the others are known so that these sound as parts of their sentence. Both 0: all. For
    // backends with `context`.
    uint32_t source_from;
    uint32_t source_to;
};

struct prl_tts_chunk {
    const int16_t *pcm; // at most PRL_TTS_CHUNK_MAX samples; may be none (a step of preparation)
    size_t samples;
    // Words that END in this chunk or before it and were not yet told, in order.
    const struct prl_tts_mark *marks;
    size_t mark_count;
    bool last;        // nothing follows
    uint32_t unknown; // with `last`: characters of the request that got no sound (should be 0)
};

struct prl_tts_voice {
    const char *name;
    unsigned languages; // PRL_TTS_LANG_*: what it speaks well
    char gender;        // 'f' or 'm'
    const char *accent; // "en-US", "en-GB", "zh-CN"
};

struct prl_tts_ops {
    const char *name;   // static, e.g. "hibari"
    unsigned languages; // what may stand in one request
    bool streams;       // first sound before the whole clause is computed
    bool context;       // can say a part of a text as a part of it
    const struct prl_tts_voice *voices;
    size_t voice_count;
    enum prl_err (*open)(void **ctx, const struct prl_tts_backend_conf *conf, char *why,
                         size_t why_size);
    void (*close)(void **ctx); // NULL is fine
    enum prl_err (*begin)(void *ctx, const struct prl_tts_request *request);
    enum prl_err (*step)(void *ctx, struct prl_tts_chunk *chunk);
    void (*end)(void *ctx);              // also without begin, and after a failure
    const char *(*why)(const void *ctx); // last failure of begin or step, one line; never NULL
    // NULL: never. Will its first voice speak better or sooner after the next whole pieces?
    bool (*learns)(const void *ctx);
};

// The tables that exist; each in its own file.
extern const struct prl_tts_ops prl_tts_hibari;
extern const struct prl_tts_ops prl_tts_kokoro;
extern const struct prl_tts_ops prl_tts_fastspeech2;
extern const struct prl_tts_ops prl_tts_espeak;

// All that this program was built with, NULL-terminated (src/tts/builtin.c).
extern const struct prl_tts_ops *const prl_tts_builtin[];

#endif
