// http_route.h -- paths: percent-decoding, patterns, query values.
//
// Threads:  pure functions.
// Memory:   no allocation.
#ifndef PRL_NET_HTTP_ROUTE_H
#define PRL_NET_HTTP_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

// Decodes percent escapes in place. False for a malformed escape, a control character, "..", "." or
// an empty segment inside (no file is ever served by path, but nobody shall rely on that).
bool prl_http_path_decode(char *path);
// Pattern as in prl_http_route.path. *rest gets what "*" or the last ":name" matched inside `path`
// and *rest_len its length.
bool prl_http_path_match(const char *pattern, const char *path, const char **rest,
                         size_t *rest_len);
// The decoded value of `name` in a raw query ('+' is a space); false when absent, malformed or cut.
bool prl_http_query_find(const char *query, const char *name, char *value, size_t size);

#endif
