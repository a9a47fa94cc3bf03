// fuzz_ws_frame.c -- WebSocket bytes in arbitrary pieces, in both roles.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "net/ws_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MESSAGE_MAX = 4096 };

struct check {
    bool in_message;
    struct prl_str text;
};

static void check_event(struct check *check, const struct prl_ws_event *event)
{
    if (event->kind != PRL_WS_EVENT_DATA)
        return;
    if (event->first == check->in_message)
        abort();
    if (event->first)
        prl_str_clear(&check->text);
    if (prl_str_add(&check->text, event->data, event->len) != PRL_OK)
        abort(); // a message over the limit got through
    if (event->last && event->text && !prl_utf8_valid(prl_str_text(&check->text), check->text.len))
        abort();
    check->in_message = !event->last;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct prl_ws_reader reader;
    struct prl_ws_event event;
    struct check check = {0};
    if (size < 1)
        return 0;
    uint8_t *bytes = prl_mem_dup(data + 1, size - 1);
    if (!bytes)
        return 0;
    prl_str_init(&check.text, MESSAGE_MAX);
    prl_ws_reader_init(&reader, data[0] & 1, MESSAGE_MAX);
    size_t step = 1 + (data[0] >> 1);
    for (size_t at = 0; at < size - 1;) {
        size_t piece = size - 1 - at < step ? size - 1 - at : step;
        size_t used;
        if (prl_ws_reader_next(&reader, bytes + at, piece, &used, &event) != PRL_OK)
            break;
        if (used == 0 && event.kind == PRL_WS_EVENT_NONE)
            abort(); // no progress
        check_event(&check, &event);
        at += used;
    }
    prl_str_free(&check.text);
    prl_mem_free(bytes);
    return 0;
}
