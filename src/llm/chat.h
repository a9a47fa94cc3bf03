// chat.h -- writes a prompt in the form that Qwen2.5 was trained on (ChatML with tools), as a list
// of pieces that say which of them may become control tokens.
//
// Only the form's own pieces are marked as control. Whatever a user, a tool or an owner wrote is
// plain, also when it spells <|im_start|>: the tokeniser finds no control token in plain pieces.
// Units:    bytes.
// Threads:  one owner.
// Memory:   two growing blocks, bounded by PRL_CHAT_BYTES_MAX and PRL_CHAT_PIECES_MAX.
// Errors:   NOMEM, LIMIT.
// Source:   the chat template in the model file's own header (roles, tags); wording of the tools'
//           section by trial on both sizes of the model, see docs/MODELS.md.
#ifndef PRL_LLM_CHAT_H
#define PRL_LLM_CHAT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "llm/prompt.h"

enum { PRL_CHAT_BYTES_MAX = 8 << 20, PRL_CHAT_PIECES_MAX = 1 << 16 };

// `message` of pieces that belong to no message.
enum { PRL_CHAT_HEAD = -1, PRL_CHAT_TAIL = -2 };

struct prl_chat_piece {
    size_t at;    // offset in text
    size_t len;   // bytes
    int message;  // index in the prompt, or PRL_CHAT_HEAD or _TAIL
    bool control; // one control token
};

struct prl_chat {
    struct prl_str text;
    struct prl_chat_piece *pieces; // owned
    size_t count;
    size_t capacity;
};

// Fills a zeroed or freed chat. With `reply`, the pieces that make the model answer come last
// (with a forced tool: the beginning of its call; *forced then gets the beginning of its JSON, which
// the answer already has, valid as long as the chat; else NULL). A prompt that is `open` ends
// within its last message and gets no answer.
enum prl_err prl_chat_render(struct prl_chat *chat, const struct prl_llm_prompt *prompt,
                             bool answer, const char **forced) PRL_MUST_USE;
void prl_chat_free(struct prl_chat *chat);

#endif
