// message.h -- one WebSocket message as its bytes arrive: the JSON without its sound, and the sound.
//
// A legal append carries 15 MiB of base64 in the member `audio` of its outermost object. It is decoded
// slice by slice and never becomes part of a document tree; what is left of the message is small.
// Units:    bytes. Threads: one owner.
// Memory:   the rest of the message up to PRL_MESSAGE_TEXT_MAX, the sound up to PRL_MESSAGE_AUDIO_MAX;
//           both are given back by reset.
// Errors:   kept until reset: LIMIT (`audio_problem` false: the text is too long; true: the sound),
//           INVALID with audio_problem (no base64), NOMEM. The JSON itself is not checked here.
#ifndef PRL_API_MESSAGE_H
#define PRL_API_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base64.h"
#include "base/err.h"
#include "base/str.h"

enum {
    PRL_MESSAGE_TEXT_MAX = 1 << 20,
    PRL_MESSAGE_BASE64_MAX = 15 << 20,
    PRL_MESSAGE_AUDIO_MAX = PRL_MESSAGE_BASE64_MAX / 4 * 3
};

struct prl_message {
    struct prl_str text;  // the message, with an empty string in place of the sound
    struct prl_str audio; // decoded
    bool has_audio;       // the member was there and was a string
    bool audio_problem;   // err is about the sound
    enum prl_err err;
    // State of the scanner.
    struct prl_base64 base64;
    uint32_t depth;
    bool in_string, in_audio;
    uint8_t escape; // 0: in none
    uint32_t code;  // of a \u escape so far
    bool key_next;  // at depth 1: the next string is a name
    char key[8];    // the last name at depth 1, cut
    size_t key_len;
};

void prl_message_init(struct prl_message *message);
void prl_message_reset(struct prl_message *message);
// Takes the next slice; after an error slices are ignored.
void prl_message_add(struct prl_message *message, const char *data, size_t len);
// Call when all slices are in.
void prl_message_end(struct prl_message *message);

#endif
