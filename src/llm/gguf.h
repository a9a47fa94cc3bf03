// gguf.h -- checks the header of a GGUF model file before a library that aborts gets to see it.
//
// Pure. Reads counts, keys and tensor descriptions, bounded by the bytes given, and computes how
// long the file must be, so that a download that was cut short is told as that.
// Units:    bytes.
// Threads:  any.
// Memory:   none; works on the caller's bytes (the file, mapped).
// Errors:   INVALID with a phrase in `why` that fits behind "FILE: ".
// Source:   the GGUF description in ggml's docs, versions 2 and 3; little endian.
#ifndef PRL_LLM_GGUF_H
#define PRL_LLM_GGUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { PRL_GGUF_WHY_SIZE = 160 };

struct prl_gguf {
    uint32_t version;
    uint64_t tensor_count;
    uint64_t key_count;
    uint64_t alignment;    // of tensor data
    uint64_t header_bytes; // before the tensor data
    uint64_t file_bytes;   // least size of the whole file
    char architecture[64]; // general.architecture, "" when missing
    uint64_t vocabulary;   // tokens, 0 when there is no tokenizer
};

// `file_size` is the size of the file, `data` its first `size` bytes, which hold the whole header.
enum prl_err prl_gguf_check(struct prl_gguf *out, const uint8_t *data, size_t size,
                            uint64_t file_size, char why[PRL_GGUF_WHY_SIZE]) PRL_MUST_USE;

#endif
