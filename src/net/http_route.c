// http_route.c -- see http_route.h.
#include "net/http_route.h"

#include <string.h>

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// One character of `*at`, moved on; -1 when malformed.
static int decode_one(const char **at, const char *end)
{
    if (**at != '%')
        return (unsigned char)*(*at)++;
    if (end - *at < 3 || hex((*at)[1]) < 0 || hex((*at)[2]) < 0)
        return -1;
    int value = hex((*at)[1]) * 16 + hex((*at)[2]);
    *at += 3;
    return value;
}

static bool segments_fine(const char *path)
{
    while (*path) {
        path++; // the slash
        size_t len = strcspn(path, "/");
        bool dots = (len == 1 && path[0] == '.') || (len == 2 && path[0] == '.' && path[1] == '.');
        if (dots || (len == 0 && *path))
            return false;
        path += len;
    }
    return true;
}

bool prl_http_path_decode(char *path)
{
    const char *at = path;
    const char *end = path + strlen(path);
    char *out = path;
    if (*path != '/')
        return false;
    while (at < end) {
        int c = decode_one(&at, end);
        if (c < 0x20 || c == 0x7f)
            return false;
        *out++ = (char)c;
    }
    *out = '\0';
    return segments_fine(path);
}

bool prl_http_path_match(const char *pattern, const char *path, const char **rest, size_t *rest_len)
{
    *rest = "";
    *rest_len = 0;
    while (*pattern == '/' && *path == '/') {
        pattern++;
        path++;
        size_t want = strcspn(pattern, "/");
        size_t have = strcspn(path, "/");
        if (want == 1 && *pattern == '*' && pattern[1] == '\0') {
            *rest = path;
            *rest_len = strlen(path);
            return true;
        }
        if (*pattern == ':') {
            if (have == 0)
                return false;
            *rest = path;
            *rest_len = have;
        } else if (want != have || memcmp(pattern, path, want) != 0) {
            return false;
        }
        pattern += want;
        path += have;
    }
    return *pattern == '\0' && *path == '\0';
}

// Decodes text[0..len) into out; false when malformed or too long.
static bool decode_query(const char *text, size_t len, char *out, size_t size)
{
    const char *end = text + len;
    size_t fill = 0;
    while (text < end) {
        int c = decode_one(&text, end);
        if (c <= 0 || fill + 1 >= size)
            return false;
        out[fill++] = (char)c;
        if (text[-1] == '+' && c == '+')
            out[fill - 1] = ' ';
    }
    out[fill] = '\0';
    return true;
}

bool prl_http_query_find(const char *query, const char *name, char *value, size_t size)
{
    char key[64];
    if (size == 0)
        return false;
    while (*query) {
        size_t len = strcspn(query, "&");
        const char *equal = memchr(query, '=', len);
        size_t key_len = equal ? (size_t)(equal - query) : len;
        if (decode_query(query, key_len, key, sizeof(key)) && strcmp(key, name) == 0) {
            const char *text = equal ? equal + 1 : query + len;
            return decode_query(text, len - (size_t)(text - query), value, size);
        }
        query += len;
        query += *query == '&';
    }
    return false;
}
