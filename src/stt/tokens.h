// tokens.h -- the pieces of text that a recogniser's token numbers stand for.
//
// Reads a file of lines "<base64 of the bytes> <id>" (sherpa-onnx's form for Moonshine).
// Memory:   owns all pieces, in two blocks. Files up to 4 MiB and 200,000 tokens.
// Threads:  one owner; constant after create.
// Errors:   NOTFOUND, INVALID (names the line), NOMEM.
#ifndef PRL_STT_TOKENS_H
#define PRL_STT_TOKENS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct prl_tokens;

enum prl_err prl_tokens_create(struct prl_tokens **out, const char *path, char *why,
                               size_t why_size) PRL_MUST_USE;
// The same from memory; `name` is for messages.
enum prl_err prl_tokens_parse(struct prl_tokens **out, const char *name, const char *text,
                              size_t size, char *why, size_t why_size) PRL_MUST_USE;
void prl_tokens_destroy(struct prl_tokens **tokens);

size_t prl_tokens_count(const struct prl_tokens *tokens);
// Bytes of a token, not necessarily whole UTF-8 letters; SentencePiece's word mark is a space.
// Control tokens (<s>, <<ST_1>> …) and numbers out of range are "" with *len 0. Never NULL.
const char *prl_tokens_text(const struct prl_tokens *tokens, int64_t id, size_t *len);

// The tokens that the vocabulary's own splitting makes of `text` (UTF-8, words begin with a blank): of all
// neighbours that make a token, those with the lowest number are joined first. How many, at most `max`; 0
// when there are more or a letter is unknown. Slow: looks through all tokens for each pair.
size_t prl_tokens_spell(const struct prl_tokens *tokens, const char *text, int64_t *ids,
                        size_t max);

#endif
