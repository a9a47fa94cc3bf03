// simplify.h -- traditional Chinese characters to simplified ones (adapter of OpenCC).
//
// Threads:  one owner. Memory: a few MB of tables until destroy.
// Errors:   ENGINE when OpenCC's tables are missing (Debian: libopencc-data), NOMEM.
#ifndef PRL_STT_SIMPLIFY_H
#define PRL_STT_SIMPLIFY_H

#include "base/err.h"
#include "base/str.h"

struct prl_simplify;

enum prl_err prl_simplify_create(struct prl_simplify **out) PRL_MUST_USE;
void prl_simplify_destroy(struct prl_simplify **simplify);
// Replaces the contents of `text`. What is not Chinese stays as it is.
enum prl_err prl_simplify_text(struct prl_simplify *simplify, struct prl_str *text) PRL_MUST_USE;

#endif
