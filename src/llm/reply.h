// reply.h -- makes sense of what the model writes: words for the user, or calls of tools.
//
// Bytes of tokens go in, whole code points and whole tool calls come out. A call is recognised by
// the model's own <tool_call> token; since the Coder models mostly write the bare JSON or a fenced
// block instead, an object at the start of the answer or of a line, or a ``` block, is held back
// while it may become a call, but only when tools are declared. A call is handed out when it is
// complete and names a declared tool; other JSON in an answer that has words is given as words.
// Units:    bytes.
// Threads:  one owner.
// Memory:   holds back at most PRL_LLM_ARGUMENTS_BYTES_MAX bytes; the prompt is borrowed.
// Errors:   NOMEM; a malformed or unknown call as the whole answer is BAD_CALL at the end.
#ifndef PRL_LLM_REPLY_H
#define PRL_LLM_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "llm/prompt.h"
#include "llm/tool_call.h"

// name NULL: words. Otherwise a call: its name, and the arguments' JSON in text.
typedef void (*prl_reply_fn)(void *arg, const char *name, const char *text, size_t len);

enum prl_reply_mark {
    PRL_REPLY_TEXT,
    PRL_REPLY_CALL_OPEN,  // the <tool_call> token; no bytes
    PRL_REPLY_CALL_CLOSE, // the </tool_call> token; no bytes
};

enum prl_reply_state {
    PRL_REPLY_GOES_ON,
    PRL_REPLY_ENOUGH, // what follows a call is no call: stop the model
};

enum prl_reply_result {
    PRL_REPLY_WORDS,    // or nothing at all
    PRL_REPLY_CALLED,   // at least one call
    PRL_REPLY_BAD_CALL, // nothing but a call that cannot be made
};

// Exposed to live inside its owner; fields are the module's own.
struct prl_reply {
    prl_reply_fn fn;
    void *arg;
    const struct prl_llm_prompt *prompt; // borrowed
    int place;                           // where in the answer we are
    struct prl_str held;                 // bytes not given out yet
    struct prl_tool_call call;
    bool call_open;  // `call` is in use
    bool by_token;   // opened by the model's token, not by the look of the text
    bool any_words;  // something was given out
    bool any_call;   // a call was given out
    bool any_bad;    // a call could not be made
    bool line_start; // the next byte begins a line
    enum prl_err err;
};

// `forced`: the beginning of a call that the model was made to write, or NULL.
void prl_reply_init(struct prl_reply *answer, const struct prl_llm_prompt *prompt,
                    const char *forced, prl_reply_fn fn, void *arg);
void prl_reply_free(struct prl_reply *answer);

enum prl_reply_state prl_reply_push(struct prl_reply *answer, enum prl_reply_mark mark,
                                    const char *data, size_t len);
// No more comes: gives out what is held. `stopped`: the model itself ended, it was not cut off.
// Errors on the way (NOMEM) are returned here.
enum prl_err prl_reply_end(struct prl_reply *answer, bool stopped,
                           enum prl_reply_result *result) PRL_MUST_USE;

#endif
