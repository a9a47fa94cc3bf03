// str.h -- a growing byte string that is born with a maximum, and small helpers on bytes.
//
// Units:    bytes; contents may hold zeros, a terminating zero is always kept behind them.
// Memory:   one heap block owned by the string; a zeroed struct with a limit is a valid, empty one.
// Errors:   NOMEM, or LIMIT when the contents would exceed `limit`; the contents stay as they were.
//           The first failure is also kept in `err`, so a long series of appends can be checked once.
// Threads:  one owner.
#ifndef PRL_BASE_STR_H
#define PRL_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct prl_str {
    char *data;       // owned; NULL while empty
    size_t len;       // bytes used, without the terminating zero
    size_t capacity;  // bytes allocated
    size_t limit;     // most bytes that it may hold
    enum prl_err err; // first failure since init or clear
};

void prl_str_init(struct prl_str *str, size_t limit);
void prl_str_free(struct prl_str *str);
// Empties it and keeps the block.
void prl_str_clear(struct prl_str *str);
// Never NULL: "" while empty.
const char *prl_str_text(const struct prl_str *str);
// Hands the block (zero-terminated) to the caller, who frees it with prl_mem_free; NULL when
// nothing was ever appended. The string is empty afterwards.
char *prl_str_give(struct prl_str *str);

// These return the error as well; a caller that looks at str->err later may ignore it.
enum prl_err prl_str_add(struct prl_str *str, const char *data, size_t len);
enum prl_err prl_str_adds(struct prl_str *str, const char *text);
enum prl_err prl_str_addc(struct prl_str *str, char byte);
enum prl_err prl_str_addf(struct prl_str *str, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
enum prl_err prl_str_reserve(struct prl_str *str, size_t more);
// Drops `count` bytes from the front (all of them when it is larger than len).
void prl_str_drop(struct prl_str *str, size_t count);

// UTF-8. decode returns the bytes read (1..4) and the code point, or 0 at len 0; a malformed byte
// counts as one byte and gives U+FFFD. encode writes at most 4 bytes and returns how many.
size_t prl_utf8_decode(const char *text, size_t len, uint32_t *code_point);
size_t prl_utf8_encode(uint32_t code_point, char out[4]);
bool prl_utf8_valid(const char *text, size_t len);
// Length of the longest prefix that ends on a whole code point (a cut sequence at the end is left
// out; a malformed one is kept, it will not become whole).
size_t prl_utf8_whole(const char *text, size_t len);

bool prl_str_equal(const char *a, const char *b); // NULL equals only NULL
bool prl_str_starts(const char *text, const char *prefix);
bool prl_str_ends(const char *text, const char *suffix);
// Copies with truncation at a whole code point; always terminates. Returns false when cut.
bool prl_str_copy(char *out, size_t size, const char *text);
// Whole-string decimal conversion with range check.
bool prl_str_to_int(const char *text, int64_t *value);
bool prl_str_to_double(const char *text, double *value);

#endif
