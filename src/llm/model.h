// model.h -- the table of functions that a language model's backend gives to the lane.
//
// Blocking, without knowledge of sessions or prompts: tokens in, tokens out. llama.cpp's table lives
// in a shared module of its own (llama_module.c), tests bring a scripted one.
// Units:    tokens; positions count from 0 in each sequence.
// Threads:  the lane's thread only, one call at a time.
// Memory:   the model belongs to whoever loaded it, until unload.
// Errors:   load writes one line for a person; decode says FULL when the cells are used up and
//           nothing of the batch was kept, ENGINE when computing failed.
#ifndef PRL_LLM_MODEL_H
#define PRL_LLM_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    PRL_LLM_SEQUENCES_MAX = 16,
    PRL_LLM_BATCH_MAX = 128,       // entries of one decode
    PRL_LLM_PIECE_BYTES_MAX = 256, // of one token; longer ones are cut
};

struct prl_llm_model_conf {
    const char *path;
    int context_tokens; // of one sequence
    int cells;          // of all sequences together
    int sequences;
    int threads;
    // What the library has to say, one line at a time, at debug level; NULL: nothing.
    void (*log)(const char *text);
    // Memory for the module, which links nothing of ours; alloc gives zeroed blocks.
    void *(*alloc)(size_t size);
    void (*free)(void *block);
    void *arg; // for scripted models
};

struct prl_llm_entry {
    int32_t token;
    int sequence;
    int position;
    bool logits; // sample will be asked about this entry
};

struct prl_llm_sampling {
    double temperature; // 0: the likeliest token
    double top_p;       // 0..1
    uint32_t seed;
    bool words_only; // never draw a token that begins a JSON object, a code block or a tool call
};

struct prl_llm_model_ops {
    enum prl_err (*load)(void **model, const struct prl_llm_model_conf *conf, char *error,
                         size_t error_size);
    void (*unload)(void *model);
    // One line: name, size, quantisation.
    void (*describe)(void *model, char *text, size_t size);
    // Tokens of plain text, in which no control token is ever found, whatever it spells. Returns
    // their count, or minus the count needed when `max` is too small.
    int (*tokenize)(void *model, const char *text, size_t len, int32_t *tokens, int max);
    // The one token that this control piece stands for, or -1.
    int32_t (*control)(void *model, const char *piece);
    // Bytes of a token's text, written to `out`; 0 for control tokens.
    int (*piece)(void *model, int32_t token, char *out, int max);
    bool (*is_end)(void *model, int32_t token);
    enum prl_err (*decode)(void *model, const struct prl_llm_entry *entries, int count);
    // Threads of the decodes from now on; NULL: the model has one number only.
    void (*threads)(void *model, int threads);
    // Sets how a sequence's tokens are drawn, from a fresh state.
    enum prl_err (*sampler)(void *model, int sequence, const struct prl_llm_sampling *sampling);
    // Draws from the logits of entry `index` of the last decode. A negative token: it failed.
    int32_t (*sample)(void *model, int index, int sequence);
    // Forgets all positions >= count of a sequence. False when the model cannot: all is forgotten.
    bool (*keep)(void *model, int sequence, int count);
    // Makes the first `count` positions of `from` those of the empty sequence `to` too.
    void (*copy)(void *model, int from, int to, int count);
};

#endif
