// echo.c -- prl_eot_echoes of words.h: is a transcript what our own voice said? The words are compared
// as hashes, whose lowest bit says that the word asks to stop: the best place for the text anywhere in
// the answer, by edit distance.
#include <string.h>

#include "eot/said.h"
#include "eot/words.h"

enum {
    TEXT_WORDS_MAX = 64,
    ANSWER_WORDS_MAX = 1024,
    WORDS_MIN = 2,
    CHARACTERS_MIN = 3,
    REFUSAL_WORDS_MAX = 4, // so short a text with "no" in it is the user's, whatever we say
    WRONG_SHARE = 4,       // one word in four may be misheard, but none that asks to stop
};

struct words {
    uint32_t *hashes;
    size_t capacity;
    size_t count;
    size_t characters; // of them Chinese
    bool refuses;      // one of them asks to stop
};

static uint32_t hash_of(const struct prl_said_token *token)
{
    uint32_t hash = 2166136261U; // FNV-1a
    for (size_t i = 0; i < token->len; i++)
        hash = (hash ^ (unsigned char)token->text[i]) * 16777619U;
    return hash;
}

static bool is_refusal(const struct prl_said_token *token)
{
    static const char *const WORDS[] = {"等", "停", "不", "stop", "wait", "no", "hold"};
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(*WORDS); i++)
        if (strcmp(token->text, WORDS[i]) == 0)
            return true;
    return false;
}

// Keeps the last ones; half of the room is given up at a time, so that it costs little.
static void collect(struct words *words, const char *text, size_t len)
{
    struct prl_said_token token;
    size_t at = 0, half = words->capacity / 2;
    while (prl_said_next(text, len, &at, &token)) {
        if (token.len == 0)
            continue;
        if (words->count == words->capacity) {
            memmove(words->hashes, words->hashes + half, half * sizeof(*words->hashes));
            words->count = half;
        }
        bool refuses = is_refusal(&token);
        words->hashes[words->count++] = (hash_of(&token) & ~1U) | refuses;
        words->characters += token.kind == PRL_SAID_HAN;
        words->refuses |= refuses;
    }
}

// Fewest edits that turn the text into some stretch of the answer (Sellers 1980).
static size_t best_distance(const struct words *text, const struct words *answer)
{
    size_t row[TEXT_WORDS_MAX + 1] = {0}; // distance of the text's first i words, ending here
    for (size_t i = 1; i <= text->count; i++)
        row[i] = row[i - 1] + (text->hashes[i - 1] & 1 ? TEXT_WORDS_MAX : 1);
    size_t best = row[text->count];
    for (size_t j = 0; j < answer->count; j++) {
        size_t diagonal = row[0]; // always 0: the stretch may begin anywhere
        for (size_t i = 1; i <= text->count; i++) {
            size_t price = text->hashes[i - 1] & 1 ? TEXT_WORDS_MAX : 1; // of losing the word
            size_t kept = diagonal + (text->hashes[i - 1] != answer->hashes[j] ? price : 0);
            diagonal = row[i];
            size_t less = row[i] + 1 < row[i - 1] + price ? row[i] + 1 : row[i - 1] + price;
            row[i] = kept < less ? kept : less;
        }
        row[0] = 0;
        best = row[text->count] < best ? row[text->count] : best;
    }
    return best;
}

bool prl_eot_echoes(const char *text, size_t len, const char *answer, size_t answer_len)
{
    uint32_t text_hashes[TEXT_WORDS_MAX], answer_hashes[ANSWER_WORDS_MAX];
    struct words said = {.hashes = text_hashes, .capacity = TEXT_WORDS_MAX};
    struct words ours = {.hashes = answer_hashes, .capacity = ANSWER_WORDS_MAX};
    collect(&said, text, len);
    size_t least = said.characters == said.count ? CHARACTERS_MIN : WORDS_MIN;
    if (said.count < least || (said.refuses && said.count <= REFUSAL_WORDS_MAX))
        return false;
    collect(&ours, answer, answer_len);
    return best_distance(&said, &ours) <= said.count / WRONG_SHARE;
}
