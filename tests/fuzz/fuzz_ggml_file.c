// fuzz_ggml_file.c -- any bytes as a Whisper model file.
#include <stdint.h>
#include <string.h>

#include "stt/ggml_file.h"

struct bytes {
    const uint8_t *data;
    size_t size;
};

static bool read_bytes(void *arg, uint64_t at, void *out, size_t size)
{
    const struct bytes *bytes = arg;
    if (at > bytes->size || size > bytes->size - at)
        return false;
    memcpy(out, bytes->data + at, size);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes bytes = {data, size};
    char why[128];
    enum prl_err err = prl_ggml_check(read_bytes, &bytes, size, why, sizeof(why));
    return err == PRL_OK && size == 0; // an empty file is never a model
}
