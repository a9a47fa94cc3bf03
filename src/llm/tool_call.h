// tool_call.h -- reads the JSON of one tool call out of a model's words, as they come.
//
// Expects {"name": "...", "arguments": {...}}; "parameters" stands for "arguments", arguments may be
// a string that holds JSON (some models write that), or be missing. Strict JSON, no recursion.
// Units:    bytes.
// Threads:  one owner.
// Memory:   the text is kept in one growing block of at most PRL_LLM_ARGUMENTS_BYTES_MAX bytes.
// Errors:   a call that cannot become valid any more is BAD at once; nothing of it is handed out.
// Source:   RFC 8259; nesting at most 64.
#ifndef PRL_LLM_TOOL_CALL_H
#define PRL_LLM_TOOL_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "llm/prompt.h"

enum prl_tool_call_state {
    PRL_TOOL_CALL_MORE, // so far so good
    PRL_TOOL_CALL_DONE, // the object is complete: name and arguments are set
    PRL_TOOL_CALL_BAD,  // no tool call, or too large, or out of memory
};

// Exposed so that it can live inside its owner; fields are the module's own but name and arguments.
struct prl_tool_call {
    char name[PRL_LLM_TOOL_NAME_BYTES_MAX + 1]; // DONE: the function
    char *arguments;                            // DONE: JSON object, owned
    struct prl_str text;                        // what was read
    enum prl_tool_call_state state;
    uint64_t objects;  // bit d: level d is an object, not an array
    int depth;         // open levels
    int expect;        // state of the scanner
    int literal;       // index in "true", "false", "null"
    int hex_left;      // digits of \u that must follow
    bool is_key;       // the string being read is a key
    size_t token_from; // where the string or number being read began
    char key;          // of the outer object: 'n' name, 'a' arguments, 0 another
    size_t name_from, name_to, arguments_from, arguments_to; // ranges in text; to 0: absent
};

void prl_tool_call_init(struct prl_tool_call *call);
void prl_tool_call_free(struct prl_tool_call *call);

// Reads up to `len` bytes and stops behind the object's last brace; *used says how many it took.
// White space before the object is skipped.
enum prl_tool_call_state prl_tool_call_push(struct prl_tool_call *call, const char *data,
                                            size_t len, size_t *used);

#endif
