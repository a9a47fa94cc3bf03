// fuzz_sse.c -- event streams in arbitrary pieces; the first byte says how large the pieces are.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_event(void *arg, const struct prl_sse_event *event)
{
    (void)arg;
    // What a consumer relies on.
    if (!event->event || !event->id || event->data[event->data_len] != '\0')
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct prl_sse *sse;
    if (size < 1 || prl_sse_create(&sse, 4096, on_event, NULL) != PRL_OK)
        return 0;
    size_t step = 1 + data[0] % 64;
    for (size_t at = 1; at < size; at += step)
        if (prl_sse_push(sse, (const char *)data + at, size - at < step ? size - at : step) !=
            PRL_OK)
            prl_sse_reset(sse);
    prl_sse_destroy(&sse);
    return 0;
}
