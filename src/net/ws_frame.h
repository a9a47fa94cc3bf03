// ws_frame.h -- the WebSocket frame format: an incremental reader of foreign bytes, and headers out.
//
// Threads:  one owner. Pure: no clock, no socket.
// Memory:   none; the reader is a plain value of about 200 bytes inside its connection. Payload is
//           unmasked in place and handed out as pieces of the bytes that came in.
// Errors:   INVALID with `close_code` set (1002 framing, 1007 UTF-8, 1009 size); the reader is dead
//           afterwards.
// Source:   RFC 6455 §5, §7.4, §8.1.
#ifndef PRL_NET_WS_FRAME_H
#define PRL_NET_WS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    PRL_WS_HEADER_MAX = 14,
    PRL_WS_CONTROL_MAX = 125,
    PRL_WS_CONTINUATION = 0,
    PRL_WS_TEXT = 1,
    PRL_WS_BINARY = 2,
    PRL_WS_CLOSE = 8,
    PRL_WS_PING = 9,
    PRL_WS_PONG = 10,
};

struct prl_ws_reader {
    // Set once by init.
    bool masked; // frames must be masked (server side) or must not be (client side)
    uint64_t message_size_max;
    // State.
    uint8_t header[PRL_WS_HEADER_MAX];
    uint8_t header_len;
    uint8_t control[PRL_WS_CONTROL_MAX];
    uint8_t control_len;
    uint8_t mask[4];
    uint8_t opcode;  // of the current frame, after continuation is resolved for data frames
    bool in_frame;   // payload is being read
    bool final;      // FIN of the current frame
    bool in_message; // a data message is unfinished
    bool is_text;    // of that message
    bool started;    // a piece of that message was already handed out
    uint64_t left;   // payload bytes of the frame to come
    uint64_t offset; // payload bytes of the frame seen, for the mask
    uint64_t size;   // bytes of the message so far, announced ones included
    // UTF-8 check across pieces: bytes still due and the range of the next one.
    uint8_t utf8_due, utf8_low, utf8_high;
    uint16_t close_code; // why the peer is at fault
};

enum prl_ws_kind {
    PRL_WS_EVENT_NONE, // all bytes used, nothing to report
    PRL_WS_EVENT_DATA,
    PRL_WS_EVENT_PING, // data, len: payload to be echoed
    PRL_WS_EVENT_PONG,
    PRL_WS_EVENT_CLOSE, // code (1005 when none was given), data, len: reason
};

struct prl_ws_event {
    enum prl_ws_kind kind;
    bool text; // DATA: text or binary
    bool first, last;
    uint16_t code;
    const char *data; // inside the caller's bytes or the reader; valid until the next call
    size_t len;
};

void prl_ws_reader_init(struct prl_ws_reader *reader, bool masked, size_t message_size_max);
// Uses up to `len` bytes (they are changed) and reports at most one event. Call again with the rest
// until *used == len and the event is NONE.
enum prl_err prl_ws_reader_next(struct prl_ws_reader *reader, uint8_t *data, size_t len,
                                size_t *used, struct prl_ws_event *event) PRL_MUST_USE;

// Writes the header of a whole (unfragmented) frame; returns its size. `mask` NULL: unmasked.
size_t prl_ws_frame_header(uint8_t out[PRL_WS_HEADER_MAX], unsigned opcode, size_t len,
                           const uint8_t *mask);
void prl_ws_frame_mask(uint8_t *data, size_t len, const uint8_t mask[4], uint64_t offset);

#endif
