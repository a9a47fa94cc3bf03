// ws.h -- one established (or just being accepted) WebSocket of the server; what a session holds.
//
// Threads:  the loop thread of the server that accepted it.
// Memory:   owned by the server. A handle is valid from on_open until on_close returns. The queue of
//           outgoing bytes is bounded; nothing is reserved for an idle connection.
// Errors:   protocol violations of the peer (bad framing, invalid UTF-8, oversize) close the
//           connection with the right code; the owner sees only on_close.
// Source:   RFC 6455; no extensions (permessage-deflate is refused by not being offered).
#ifndef PRL_NET_WS_H
#define PRL_NET_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct prl_ws;

// The owner's object for this connection; set it in on_open.
void prl_ws_set_owner(struct prl_ws *ws, void *owner);
void *prl_ws_owner(const struct prl_ws *ws);

// Copies one whole text message into the outgoing queue. FULL: the queue would exceed queue_bytes
// (a slow reader; the owner decides, usually prl_ws_close with 1013); the message is not sent.
// CANCELED: closing. NOMEM. Allowed inside on_open: sent after the handshake.
enum prl_err prl_ws_send_text(struct prl_ws *ws, const char *data, size_t len) PRL_MUST_USE;
enum prl_err prl_ws_send_binary(struct prl_ws *ws, const void *data, size_t len) PRL_MUST_USE;
// Bytes accepted and not yet given to the kernel.
size_t prl_ws_queued_bytes(const struct prl_ws *ws);

// Stops and restarts reading: back-pressure reaches the peer through TCP. At most one slice (16
// KiB) that was already read is delivered after pause when called outside the connection's own
// callbacks; none when called inside on_text. While paused a vanished peer is noticed by the ping
// timer only.
void prl_ws_pause(struct prl_ws *ws);
void prl_ws_resume(struct prl_ws *ws);

// Sends what is queued, then a close frame; on_close follows when the peer answers or after the
// close timeout, never from inside this call. `reason` is cut to 123 bytes. Later calls do nothing.
void prl_ws_close(struct prl_ws *ws, uint16_t code, const char *reason);
// Drops the connection and what is queued at once; on_close follows at the next loop turn.
void prl_ws_abort(struct prl_ws *ws);

#endif
