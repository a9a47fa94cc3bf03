// prompt.h -- what a language model is asked: messages, tools and how it may use them.
//
// A plain value that borrows everything it points at, so that a caller can build it on the stack;
// prl_llm_prompt_copy turns it into one block that owns all of it.
// Units:    text in bytes of UTF-8; `text` may hold zeros, names and JSON are zero-terminated.
// Threads:  none of its own; a copy belongs to whoever holds it.
// Memory:   a copy is one heap block, freed with prl_mem_free.
// Errors:   LIMIT above the bounds below, INVALID for a prompt that makes no sense.
#ifndef PRL_LLM_PROMPT_H
#define PRL_LLM_PROMPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    PRL_LLM_MESSAGES_MAX = 4096,            // a long talk has some hundred
    PRL_LLM_TOOLS_MAX = 128,                // the Realtime API's own limit
    PRL_LLM_CALLS_MAX = 32,                 // tool calls in one message
    PRL_LLM_PROMPT_BYTES_MAX = 4 << 20,     // far above any context
    PRL_LLM_TOOL_NAME_BYTES_MAX = 64,       // the Realtime API's own limit
    PRL_LLM_IMAGES_MAX = 8,                 // in one message
    PRL_LLM_STOPS_MAX = 4,                  // OpenAI's own limit
    PRL_LLM_STOP_BYTES_MAX = 128,           // of one, its zero included
    PRL_LLM_ARGUMENTS_BYTES_MAX = 64 << 10, // of one call that the model writes
};

enum prl_llm_role { PRL_LLM_SYSTEM, PRL_LLM_USER, PRL_LLM_ASSISTANT, PRL_LLM_TOOL };

// A call that the assistant made earlier.
struct prl_llm_call {
    const char *id;        // may be NULL
    const char *name;      // function
    const char *arguments; // JSON text; NULL stands for {}
};

struct prl_llm_message {
    enum prl_llm_role role;
    const char *text;                 // may be NULL when len is 0
    size_t len;                       // bytes
    const char *tool_call_id;         // of a TOOL message: which call it answers; may be NULL
    const struct prl_llm_call *calls; // of an ASSISTANT message
    size_t call_count;
    const char *const *images; // of a USER message: data URLs ("data:image/png;base64,…")
    size_t image_count;        // only a model elsewhere looks at them
};

struct prl_llm_tool {
    const char *name;
    const char *description; // may be NULL
    const char *parameters;  // JSON Schema text; NULL stands for an object without properties
};

enum prl_llm_tool_choice {
    PRL_LLM_TOOLS_AUTO,     // the model decides
    PRL_LLM_TOOLS_NONE,     // tools are not even shown
    PRL_LLM_TOOLS_REQUIRED, // it must call one of them
    PRL_LLM_TOOLS_NAMED,    // it must call `tool_name`
};

struct prl_llm_prompt {
    const struct prl_llm_message *messages; // system messages first, then oldest to newest
    size_t message_count;
    const struct prl_llm_tool *tools;
    size_t tool_count;
    enum prl_llm_tool_choice tool_choice;
    const char *tool_name;    // for NAMED
    const char *const *stops; // texts that end the answer and are not part of it
    size_t stop_count;
    bool open; // the last message is still growing (words of a partial transcript)
};

bool prl_llm_prompt_has_images(const struct prl_llm_prompt *prompt);

// Checks counts, roles and the bounds above, and that a NAMED tool is among the tools.
enum prl_err prl_llm_prompt_check(const struct prl_llm_prompt *prompt) PRL_MUST_USE;

// Copies a checked prompt into one block; *out is NULL on failure. `*size` gets the block's bytes.
enum prl_err prl_llm_prompt_copy(struct prl_llm_prompt **out, size_t *size,
                                 const struct prl_llm_prompt *prompt) PRL_MUST_USE;

// A copy's bytes, that were at address `base`, now stand at `block` of `size` bytes: puts its pointers
// right. INVALID when one of them points out of the block.
enum prl_err prl_llm_prompt_rebase(void *block, size_t size, uint64_t base) PRL_MUST_USE;

#endif
