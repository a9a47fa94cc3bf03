// said.h -- a transcript as tokens: words, characters and the marks between them.
//
// A pure core under words.h.
// Units:    bytes of UTF-8; malformed bytes separate words and are nothing else.
// Threads:  any. Memory: none. Errors: none.
#ifndef PRL_EOT_SAID_H
#define PRL_EOT_SAID_H

#include <stdbool.h>
#include <stddef.h>

enum { PRL_SAID_TOKEN_SIZE = 24 };

enum prl_said_kind {
    PRL_SAID_WORD,    // letters of any alphabet and apostrophes, ASCII in lower case
    PRL_SAID_NUMBER,  // ASCII digits (full-width ones are made so)
    PRL_SAID_HAN,     // one Chinese character
    PRL_SAID_FOREIGN, // one character of kana or hangul
    PRL_SAID_STOP,    // . ! ; and the like: a sentence ends
    PRL_SAID_ASK,     // ?
    PRL_SAID_COMMA,   // , 、 :
    PRL_SAID_DOTS     // ... … —
};

struct prl_said_token {
    enum prl_said_kind kind;
    size_t len;                     // of text; 0 for marks
    char text[PRL_SAID_TOKEN_SIZE]; // terminated; a longer word is cut
};

// The token at or after `*at`, which moves behind it; false at the end.
bool prl_said_next(const char *text, size_t len, size_t *at, struct prl_said_token *token);

#endif
