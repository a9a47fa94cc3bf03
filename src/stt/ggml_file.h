// ggml_file.h -- is this whole file a Whisper model in ggml's old format?
//
// whisper.cpp aborts the process on some broken files, so their structure is walked first: sizes
// in the header, vocabulary, and each tensor's name, shape and bytes up to the very end.
// Units:    bytes.
// Threads:  any. Reads a few hundred KB of the file and seeks over the weights.
// Errors:   NOTFOUND, INVALID with one line in `why` (what is wrong, where).
// Source:   whisper.cpp models/convert-pt-to-ggml.py and its loader.
#ifndef PRL_STT_GGML_FILE_H
#define PRL_STT_GGML_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum prl_err prl_ggml_file_check(const char *path, char *why, size_t why_size) PRL_MUST_USE;

// The same over any source: `read` copies `size` bytes at `at`, false when there are not so many.
typedef bool (*prl_ggml_read_fn)(void *arg, uint64_t at, void *out, size_t size);
enum prl_err prl_ggml_check(prl_ggml_read_fn read, void *arg, uint64_t file_size, char *why,
                            size_t why_size) PRL_MUST_USE;

#endif
