// ws_fake.h -- a small WebSocket server of ours on the test's loop, that answers as the test says.
#ifndef PRL_TESTS_UNIT_WS_FAKE_H
#define PRL_TESTS_UNIT_WS_FAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "net/http.h"
#include "net/ws.h"

struct ws_fake;

// One whole message; `text` NULL: it was binary.
typedef void (*ws_fake_fn)(struct ws_fake *fake, struct prl_ws *ws, const char *text, size_t len);

struct ws_fake {
    struct prl_http *http;
    uint16_t port;
    ws_fake_fn fn;   // may be changed between messages
    unsigned refuse; // status for new connections; 0: take them
    int opened, closed, texts, binaries;
    size_t bytes;        // in binary messages
    struct prl_str said; // all texts, one a line
    struct prl_str message;
    char key[64];  // Authorization of the latest
    char path[64]; // its path
    char query[64];
    void *arg; // the test's
};

enum prl_err ws_fake_open(struct ws_fake *fake, struct prl_loop *loop) PRL_MUST_USE;
void ws_fake_close(struct ws_fake *fake);
// Sends; a test that runs out of memory may fail to.
void ws_fake_say(struct prl_ws *ws, const char *text);

#endif
