// ws_core.h -- the WebSocket endpoint behind ws.h (server side) and wsc.h (client side): frames,
// queue, back-pressure, keep-alive and the closing handshake over a stream. Private to net/.
//
// Threads:  the loop thread.
// Memory:   one block, one timer; the outgoing queue; a copy of at most one slice while paused.
// Errors:   every end is reported once through on_closed, never from inside a call of the owner.
// Source:   RFC 6455 §5.5, §7.
#ifndef PRL_NET_WS_CORE_H
#define PRL_NET_WS_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "net/loop.h"
#include "net/stream.h"
#include "net/ws.h"
#include "net/ws_frame.h"

enum { PRL_WS_SLICE = 16384 };

struct prl_ws_hooks {
    // A piece of a data message: event->kind is DATA.
    void (*on_data)(void *arg, struct prl_ws *ws, const struct prl_ws_event *event);
    void (*on_drained)(void *arg, struct prl_ws *ws);
    // Last call; the hook's owner calls prl_ws_core_destroy in it or later. `reason` may be "".
    void (*on_closed)(void *arg, struct prl_ws *ws, uint16_t code, const char *reason);
};

struct prl_ws_core_conf {
    bool client;
    size_t message_size_max;
    size_t queue_size_max;
    int32_t ping_ms;
    int32_t timeout_ms;
    int32_t close_timeout_ms;
    uint8_t *slice; // PRL_WS_SLICE bytes to read into, shared by all connections of the owner
    const struct prl_ws_hooks *hooks;
    void *arg;
};

// The endpoint exists before the handshake is answered: messages may be queued already.
enum prl_err prl_ws_core_create(struct prl_ws **out, struct prl_loop *loop,
                                const struct prl_ws_core_conf *conf) PRL_MUST_USE;
// Takes the stream and sends `head` (the 101 answer, may be empty) before anything queued; `rest`
// are bytes that came behind the peer's head.
enum prl_err prl_ws_core_attach(struct prl_ws *ws, struct prl_stream **stream, const void *head,
                                size_t head_size, const void *rest, size_t rest_size) PRL_MUST_USE;
// Without a callback.
void prl_ws_core_destroy(struct prl_ws **ws);
uint64_t prl_ws_core_bytes_in(const struct prl_ws *ws);
uint64_t prl_ws_core_bytes_out(const struct prl_ws *ws);
// The hook's argument.
void *prl_ws_core_arg(const struct prl_ws *ws);

#endif
