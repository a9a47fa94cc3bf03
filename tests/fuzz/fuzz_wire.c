// fuzz_wire.c -- messages of recognisers over a WebSocket: the first byte says of which kind.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "stt/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct prl_str text;
    enum prl_wire_kind kind;
    if (size < 1)
        return 0;
    prl_str_init(&text, PRL_WIRE_TEXT_MAX);
    enum prl_err err =
        prl_wire_read((enum prl_wire)(data[0] % 3), (const char *)data + 1, size - 1, &kind, &text);
    if (err && kind != PRL_WIRE_NOTHING)
        abort();
    prl_str_free(&text);
    return 0;
}
