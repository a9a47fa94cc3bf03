// multipart.h -- the parts of a multipart/form-data body, found in place.
//
// Units:    bytes. Threads: any.
// Memory:   none: names are copied into the struct, bodies point into the given block.
// Errors:   INVALID with a sentence in `why`; LIMIT: more than PRL_MULTIPART_PARTS_MAX parts.
// Source:   RFC 7578, RFC 2046 §5.1 (boundaries), RFC 9110 §5.6 (parameters). Lines end with CRLF.
#ifndef PRL_API_MULTIPART_H
#define PRL_API_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum {
    PRL_MULTIPART_PARTS_MAX = 8,
    PRL_MULTIPART_NAME_SIZE = 64,
    PRL_MULTIPART_WHY_SIZE = 160,
    PRL_MULTIPART_HEADERS_MAX = 16 // lines of one part
};

struct prl_multipart_part {
    char name[PRL_MULTIPART_NAME_SIZE]; // of Content-Disposition
    char type
        [PRL_MULTIPART_NAME_SIZE]; // media type without parameters, lower case, "" when not given
    const char *data;              // into the body
    size_t size;
};

struct prl_multipart {
    struct prl_multipart_part parts[PRL_MULTIPART_PARTS_MAX];
    size_t count;
};

// `content_type` is the header's value, with its boundary.
enum prl_err prl_multipart_parse(struct prl_multipart *out, const char *content_type,
                                 const char *body, size_t size,
                                 char why[PRL_MULTIPART_WHY_SIZE]) PRL_MUST_USE;
// The first part of this name, or NULL.
const struct prl_multipart_part *prl_multipart_find(const struct prl_multipart *form,
                                                    const char *name);
// Is `type` the media type of this header value (case and parameters aside)? NULL is none.
bool prl_multipart_type_is(const char *content_type, const char *type);

#endif
