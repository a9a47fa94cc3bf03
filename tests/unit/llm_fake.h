// llm_fake.h -- a scripted language model for tests: bytes are tokens, answers are looked up.
//
// It keeps what a real one would keep (the tokens of each sequence, by position) and fails on
// anything that a real one would get wrong silently: a gap, a copy of what is not there.
#ifndef PRL_TESTS_LLM_FAKE_H
#define PRL_TESTS_LLM_FAKE_H

#include <stdint.h>

#include "llm/model.h"

enum { FAKE_CONTEXT_MAX = 4096, FAKE_OPEN = 256, FAKE_CLOSE, FAKE_CALL, FAKE_CALL_END };

// In a reply: \x01 is the <tool_call> token, \x02 the </tool_call> token.
struct fake_reply {
    const char *question; // part of the newest user message
    const char *answer;
};

struct fake_step {
    int entries;
    unsigned sequences; // bit set
};

struct fake_llm {
    // Set by the test.
    const struct fake_reply *replies; // ends with a NULL question: the answer for all others
    const char *words_only;           // answer when words_only is set
    _Atomic int fail_decode_at;       // this decode fails (1 = first); 0 never
    bool fail_load;
    bool no_form; // lacks the control tokens
    // Seen by the test.
    _Atomic int decodes;
    int computed; // tokens
    int copies;
    int loads, unloads;
    bool wrong; // something that a real model would have choked on
    struct fake_step steps[512];
    int step_count;
    // Own.
    struct prl_llm_model_conf conf;
    int32_t ids[PRL_LLM_SEQUENCES_MAX][FAKE_CONTEXT_MAX];
    int count[PRL_LLM_SEQUENCES_MAX];
    bool only_words[PRL_LLM_SEQUENCES_MAX];
    int logits[PRL_LLM_BATCH_MAX]; // sequence whose logits entry i has, or -1
};

extern const struct prl_llm_model_ops fake_llm_ops;

#endif
