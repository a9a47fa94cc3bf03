// hash.h -- SHA-256 of a file or of bytes, as 64 lower-case hex digits.
//
// Threads:  any. Reads in pieces of 1 MiB; blocks as long as the disk does.
// Errors:   NOTFOUND when the file cannot be opened, IO when it cannot be read, NOMEM.
#ifndef PRL_ENGINE_HASH_H
#define PRL_ENGINE_HASH_H

#include <stddef.h>

#include "base/err.h"

enum { PRL_HASH_TEXT_SIZE = 65 };

enum prl_err prl_hash_file(const char *path, char out[PRL_HASH_TEXT_SIZE]) PRL_MUST_USE;
enum prl_err prl_hash_bytes(const void *data, size_t size,
                            char out[PRL_HASH_TEXT_SIZE]) PRL_MUST_USE;

#endif
