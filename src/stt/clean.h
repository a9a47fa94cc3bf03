// clean.h -- what a recogniser wrote, made fit for a conversation. Pure.
//
// Units:    bytes of UTF-8.
// Threads:  any. Memory: results go into the caller's prl_str.
// Errors:   NOMEM, LIMIT of the caller's string.
#ifndef PRL_STT_CLEAN_H
#define PRL_STT_CLEAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

// Appends `raw` as valid UTF-8 without special tokens (<|zh|>), sound descriptions in brackets
// ([Music], (coughing), ♪), control characters and doubled blanks; nothing when no letter or digit
// is left.
enum prl_err prl_clean_text(const char *raw, size_t len, struct prl_str *out) PRL_MUST_USE;

// Some letter or digit of any script.
bool prl_clean_has_words(const char *text, size_t len);

// Length up to which the text makes sense when its end says the same thing over and over: the
// first copy is kept. `len` when it does not loop.
size_t prl_clean_loop(const char *text, size_t len);
// The softer sign: half of all triples of words (or letters of scripts without blanks) are
// repetitions.
bool prl_clean_is_repetitive(const char *text, size_t len);

// A sentence that models write when nobody speaks ("Thanks for watching!"). With `doubtful` also
// what people do say now and then ("Thank you.").
bool prl_clean_is_ghost(const char *text, bool doubtful);

// Appends `more` to `text` with a blank between, unless one side is written without blanks.
enum prl_err prl_clean_join(struct prl_str *text, const char *more) PRL_MUST_USE;

// Bytes that two results in a row agree on, up to the end of a whole word; scripts without blanks
// count letter by letter, less the last.
size_t prl_clean_stable(const char *before, const char *now);

#endif
