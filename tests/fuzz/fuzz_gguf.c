// fuzz_gguf.c -- the reader of model files' headers against bytes from anywhere.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "llm/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct prl_gguf info;
    char why[PRL_GGUF_WHY_SIZE];
    enum prl_err err = prl_gguf_check(&info, data, size, UINT64_MAX, why);
    if (err == PRL_OK && (info.header_bytes < 24 || info.file_bytes < info.header_bytes))
        abort();
    if ((err == PRL_OK) != (why[0] == '\0'))
        abort();
    return 0;
}
