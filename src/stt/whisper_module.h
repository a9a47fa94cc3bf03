// whisper_module.h -- the one door into libparley_whisper.so (whisper.cpp with its own ggml).
//
// The module is built from whisper_module.c and whisper.cpp's static libraries and exports
// prl_whisper_module only, so its copy of ggml never meets llama.cpp's. Plain C types.
// Units:    float samples -1..1 at 16 kHz.
// Threads:  one model belongs to one thread at a time; it computes on the caller's thread and
//           `threads` - 1 helpers.
// Memory:   the module uses the C heap; what it returns is its own until close.
// Errors:   0 is success, or one of PRL_WHISPER_*.
#ifndef PRL_STT_WHISPER_MODULE_H
#define PRL_STT_WHISPER_MODULE_H

#include <stddef.h>
#include <stdint.h>

enum { PRL_WHISPER_VERSION = 2, PRL_WHISPER_SYMBOL_MAX = 64 };
enum { PRL_WHISPER_FAILED = 1, PRL_WHISPER_STOPPED = 2, PRL_WHISPER_NOMEM = 3 };

struct prl_whisper_conf {
    const char *path; // ggml file
    int threads;
    int words; // for the words function: more memory, slower
    void (*log)(void *arg, int is_error, const char *line); // may be NULL
    void *log_arg;
};

struct prl_whisper_request {
    const float *samples;
    int count;
    int threads;            // 0: those of the model
    int audio_ctx;          // encoder positions, 50 a second; 0 is all 1,500
    int tokens_max;         // cap on the text's tokens
    const char *language;   // NULL: find out; then `language_only` may stop there
    int language_only;      // 1: no text
    const char *prompt;     // or NULL
    int (*stop)(void *arg); // polled around the encoder and between tokens; or NULL
    void (*text)(void *arg, const char *bytes, size_t len); // each token's bytes, in order
    void *arg;                                              // of stop and text
};

struct prl_whisper_result {
    const char *language;       // code, static
    float language_probability; // 0 when it was given
    float no_speech;            // 0..1, by the model, before the first word
    float log_prob_sum;
    int tokens;
    int complete; // 1: the model ended the text itself
};

struct prl_whisper_word_token {
    const char *bytes; // of one token, not necessarily whole letters; valid until the next call
    int64_t at_ms;     // where in the sound it was said (dynamic time warping)
    float probability;
};

struct prl_whisper_ops {
    int version; // PRL_WHISPER_VERSION
    int (*open)(void **model, const struct prl_whisper_conf *conf);
    void (*close)(void **model);
    int (*decode)(void *model, const struct prl_whisper_request *request,
                  struct prl_whisper_result *result);
    // 1 when the model knows the language code.
    int (*knows)(const char *language);
    // Text with times, one call of `word` a token; only for models opened with `words`.
    int (*words)(void *model, const struct prl_whisper_request *request,
                 void (*word)(void *arg, const struct prl_whisper_word_token *token), void *arg);
};

// The exported symbol.
const struct prl_whisper_ops *prl_whisper_module(void);

#endif
