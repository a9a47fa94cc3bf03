// http_head.h -- parses the head of an HTTP/1.1 request or response, in place.
//
// Threads:  pure functions.
// Memory:   none: names and values are zero-terminated inside the caller's bytes, which must stay
//           where they are as long as the head is used.
// Errors:   AGAIN until the empty line has come; INVALID with `status` saying what to answer:
//           400 malformed, 431 too many fields, 501 method too long, 505 version.
// Source:   RFC 9112 §2–§5, strict: CR LF only, no folding, no space before the colon.
#ifndef PRL_NET_HTTP_HEAD_H
#define PRL_NET_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { PRL_HTTP_FIELDS_MAX = 64 };

struct prl_http_field {
    const char *name; // as sent; compare without case
    const char *value;
};

struct prl_http_head {
    const char *method; // request
    char *target;       // request: as sent, starts with '/' (or is "*"); absolute form is reduced
    unsigned status;    // response: its status; after INVALID: the status to answer with
    const char *reason; // response, may be ""
    int version_minor;  // 0 or 1
    struct prl_http_field fields[PRL_HTTP_FIELDS_MAX];
    size_t field_count;
};

// Offset behind the empty line, or 0 when it has not come. `from` is where to begin to look (what
// was there at the last look).
size_t prl_http_head_end(const char *data, size_t len, size_t from);
// `data[0..len)` is a whole head as found by prl_http_head_end.
enum prl_err prl_http_head_parse_request(struct prl_http_head *head, char *data,
                                         size_t len) PRL_MUST_USE;
enum prl_err prl_http_head_parse_response(struct prl_http_head *head, char *data,
                                          size_t len) PRL_MUST_USE;

// First field of that name, or NULL. `count`, unless NULL, gets how many there are.
const char *prl_http_head_field(const struct prl_http_head *head, const char *name, size_t *count);
// True when a comma separated field holds `token` (without case), over all fields of that name.
bool prl_http_head_has_token(const struct prl_http_head *head, const char *name, const char *token);
// Copies the index-th element of a comma separated field over all fields of that name; false when
// there is none. Elements that do not fit are skipped.
bool prl_http_head_element(const struct prl_http_head *head, const char *name, size_t index,
                           char *out, size_t size);

enum prl_http_length { PRL_HTTP_LENGTH_NONE, PRL_HTTP_LENGTH_GIVEN, PRL_HTTP_LENGTH_BAD };
// Content-Length: digits only, repeated ones must agree (RFC 9112 §6.3).
enum prl_http_length prl_http_head_length(const struct prl_http_head *head, uint64_t *length);

#endif
