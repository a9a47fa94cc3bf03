// messages.h -- the conversation as the language model is shown it.
//
// Turns the history (each answer cut to what was heard), the system text and what the user is just
// saying into one prl_llm_prompt.
// Threads:  the session's.
// Memory:   one object with copies of all texts; prl_llm_* copies them again for its lane, so it is
//           short-lived.
// Errors:   NOMEM.
#ifndef PRL_SESSION_MESSAGES_H
#define PRL_SESSION_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "llm/prompt.h"
#include "session/history.h"

struct prl_messages;

struct prl_messages_conf {
    const char *system;                // first system message; "" for none
    const struct prl_history *history; // NULL: none
    size_t bytes_max;                  // of history, see prl_prompt_begin
    size_t tokens_max;                 // of the whole prompt, by llm/estimate.h; 0: no such limit
    char *from_id;                     // see prl_prompt_begin; NULL: none
    const char *said;                  // words of the user that are not in the history yet, or NULL
    bool open;                         // … and still growing
    int64_t wall_us;                   // now, for words that ask for date or time; 0: not told
    // Instead of the history, when not NULL: messages of the caller.
    const struct prl_llm_message *input;
    size_t input_count;
    const struct prl_llm_tool *tools; // borrowed as long as the object lives
    size_t tool_count;
    enum prl_llm_tool_choice tool_choice;
    const char *tool_name;
};

enum prl_err prl_messages_create(struct prl_messages **out,
                                 const struct prl_messages_conf *conf) PRL_MUST_USE;
void prl_messages_destroy(struct prl_messages **messages);
// Lives as long as the object.
const struct prl_llm_prompt *prl_messages_prompt(const struct prl_messages *messages);

#endif
