// http_fake.h -- a small HTTP server of ours on the test's loop, that answers as the test says.
#ifndef PRL_TESTS_UNIT_HTTP_FAKE_H
#define PRL_TESTS_UNIT_HTTP_FAKE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "net/http.h"

enum { HTTP_FAKE_ANSWERS = 8, HTTP_FAKE_BODY = 1 << 17 };

struct http_fake_answer {
    const char *path;
    unsigned status; // 0: it hangs until the client goes
    const char *type;
    const void *body;
    size_t size; // 0: of text, its length
    int asked;   // so often
    int gone;    // clients that went while it hung
};

struct http_fake {
    struct prl_http *http;
    uint16_t port;
    struct http_fake_answer answers[HTTP_FAKE_ANSWERS]; // may be changed between requests
    char last[HTTP_FAKE_BODY];                          // body of the latest request
    size_t last_size;
    char key[64]; // its Authorization
};

// Serves every answer that has a path, for GET and POST.
enum prl_err http_fake_open(struct http_fake *fake, struct prl_loop *loop) PRL_MUST_USE;
void http_fake_close(struct http_fake *fake);

#endif
