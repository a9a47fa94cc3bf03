// multipart.c -- see multipart.h.
#include "api/multipart.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

enum { BOUNDARY_MAX = 70, LINE_MAX = 1024 };

// What is left to read.
struct span {
    const char *at;
    const char *end;
};

static enum prl_err fail(char *why, const char *sentence)
{
    snprintf(why, PRL_MULTIPART_WHY_SIZE, "%s", sentence);
    return PRL_ERR_INVALID;
}

// ---- header values: type; name=value; name="value" ----

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t';
}

static bool is_token(char byte)
{
    return byte > ' ' && byte < 0x7f && !strchr("()<>@,;:\\\"/[]?={}", byte);
}

static void skip_space(struct span *text)
{
    while (text->at < text->end && is_space(*text->at))
        text->at++;
}

// A quoted string or a token, into `out`; false when malformed or too long.
static bool read_value(struct span *text, char *out, size_t size)
{
    size_t len = 0;
    bool quoted = text->at < text->end && *text->at == '"';
    text->at += quoted;
    while (text->at < text->end && (quoted ? *text->at != '"' : is_token(*text->at))) {
        if (quoted && *text->at == '\\' && text->at + 1 < text->end)
            text->at++;
        if (len + 1 >= size || *text->at == '\0')
            return false;
        out[len++] = *text->at++;
    }
    out[len] = '\0';
    if (quoted && (text->at == text->end || *text->at++ != '"'))
        return false;
    return quoted || len > 0;
}

// The name of a parameter with its '=', into `key` ("" when it is too long to be one of ours).
static bool read_key(struct span *text, char *key, size_t size)
{
    size_t len = 0;
    skip_space(text);
    while (text->at + len < text->end && is_token(text->at[len]))
        len++;
    if (text->at + len == text->end || text->at[len] != '=')
        return false;
    size_t kept = len < size ? len : 0;
    memcpy(key, text->at, kept);
    key[kept] = '\0';
    text->at += len + 1;
    return true;
}

// Finds the parameter `name` behind the first word of a header value. False: absent or malformed.
static bool find_parameter(struct span text, const char *name, char *out, size_t size)
{
    char key[32] = "";
    char other[LINE_MAX] = "";
    while (text.at < text.end && *text.at != ';')
        text.at++;
    while (text.at < text.end && *text.at == ';') {
        text.at++;
        if (!read_key(&text, key, sizeof(key)))
            return false;
        bool wanted = strcasecmp(key, name) == 0;
        if (!read_value(&text, wanted ? out : other, wanted ? size : sizeof(other)))
            return false;
        if (wanted)
            return true;
        skip_space(&text);
    }
    return false;
}

// The media type of a header value in lower case.
static void read_type(struct span text, char *out, size_t size)
{
    size_t len = 0;
    skip_space(&text);
    while (text.at < text.end && *text.at != ';' && !is_space(*text.at) && len + 1 < size) {
        char byte = *text.at++;
        out[len++] = (char)(byte >= 'A' && byte <= 'Z' ? byte + 32 : byte);
    }
    out[len] = '\0';
}

bool prl_multipart_type_is(const char *content_type, const char *type)
{
    char found[PRL_MULTIPART_NAME_SIZE];
    if (!content_type)
        return false;
    read_type((struct span){content_type, content_type + strlen(content_type)}, found,
              sizeof(found));
    return strcmp(found, type) == 0;
}

// ---- the body ----

// Takes a line without its CRLF; false at the end or when it is too long.
static bool take_line(struct span *body, struct span *line)
{
    const char *end = memmem(body->at, (size_t)(body->end - body->at), "\r\n", 2);
    if (!end || end - body->at > LINE_MAX)
        return false;
    *line = (struct span){body->at, end};
    body->at = end + 2;
    return true;
}

static bool is_header(const struct span *line, const char *name, struct span *value)
{
    size_t len = strlen(name);
    if ((size_t)(line->end - line->at) <= len || line->at[len] != ':' ||
        strncasecmp(line->at, name, len) != 0)
        return false;
    *value = (struct span){line->at + len + 1, line->end};
    skip_space(value);
    return true;
}

static enum prl_err read_headers(struct span *body, struct prl_multipart_part *part, char *why)
{
    struct span line;
    struct span value;
    bool named = false;
    for (int i = 0; i < PRL_MULTIPART_HEADERS_MAX; i++) {
        if (!take_line(body, &line))
            return fail(why, "the headers of a part do not end");
        if (line.at == line.end)
            return named ? PRL_OK : fail(why, "a part has no name in its Content-Disposition");
        if (is_header(&line, "content-disposition", &value)) {
            if (!find_parameter(value, "name", part->name, sizeof(part->name)))
                return fail(why, "the name in a Content-Disposition is malformed or too long");
            named = true;
        } else if (is_header(&line, "content-type", &value)) {
            read_type(value, part->type, sizeof(part->type));
        }
    }
    return fail(why, "a part has too many headers");
}

// What may stand behind a boundary: "--" and anything, or space and CRLF. Returns false when it was
// not one after all; *last tells which.
static bool behind_boundary(struct span *body, bool *last)
{
    *last = body->end - body->at >= 2 && body->at[0] == '-' && body->at[1] == '-';
    if (*last)
        return true;
    struct span rest = *body;
    skip_space(&rest);
    if (rest.end - rest.at < 2 || rest.at[0] != '\r' || rest.at[1] != '\n')
        return false;
    body->at = rest.at + 2;
    return true;
}

// Moves the body behind the next boundary; *data_end is where the text before it ends.
static bool next_boundary(struct span *body, const char *mark, size_t mark_len,
                          const char **data_end, bool *last)
{
    const char *at = body->at;
    for (;;) {
        const char *found = memmem(at, (size_t)(body->end - at), mark, mark_len);
        if (!found)
            return false;
        struct span rest = {found + mark_len, body->end};
        if (behind_boundary(&rest, last)) {
            *data_end = found;
            *body = rest;
            return true;
        }
        at = found + 1;
    }
}

static enum prl_err read_parts(struct prl_multipart *out, struct span body, const char *mark,
                               char *why)
{
    const char *data_end;
    bool last = false;
    size_t mark_len = strlen(mark);
    // The first boundary has no line before it when there is no preamble.
    bool bare = (size_t)(body.end - body.at) >= mark_len - 2 &&
                memcmp(body.at, mark + 2, mark_len - 2) == 0;
    struct span rest = {body.at + (bare ? mark_len - 2 : 0), body.end};
    if (bare && behind_boundary(&rest, &last))
        body = rest;
    else if (!next_boundary(&body, mark, mark_len, &data_end, &last))
        return fail(why, "the boundary of the Content-Type does not occur in the body");
    while (!last) {
        if (out->count == PRL_MULTIPART_PARTS_MAX) {
            snprintf(why, PRL_MULTIPART_WHY_SIZE, "more than %d parts", PRL_MULTIPART_PARTS_MAX);
            return PRL_ERR_LIMIT;
        }
        struct prl_multipart_part *part = &out->parts[out->count];
        *part = (struct prl_multipart_part){.data = NULL};
        enum prl_err err = read_headers(&body, part, why);
        if (err)
            return err;
        part->data = body.at;
        // An empty body: the line break of the boundary is that of the empty header line.
        body.at -= 2;
        if (!next_boundary(&body, mark, mark_len, &data_end, &last))
            return fail(why, "the last part does not end with the boundary");
        part->size = data_end > part->data ? (size_t)(data_end - part->data) : 0;
        out->count++;
    }
    return PRL_OK;
}

enum prl_err prl_multipart_parse(struct prl_multipart *out, const char *content_type,
                                 const char *body, size_t size, char why[PRL_MULTIPART_WHY_SIZE])
{
    char boundary[BOUNDARY_MAX + 1];
    char mark[BOUNDARY_MAX + 8];
    out->count = 0;
    why[0] = '\0';
    if (!prl_multipart_type_is(content_type, "multipart/form-data"))
        return fail(why, "the Content-Type is not multipart/form-data");
    struct span header = {content_type, content_type + strlen(content_type)};
    if (!find_parameter(header, "boundary", boundary, sizeof(boundary)) || !*boundary)
        return fail(why, "the Content-Type names no boundary of 1 to 70 characters");
    snprintf(mark, sizeof(mark), "\r\n--%s", boundary);
    enum prl_err err = read_parts(out, (struct span){body, body + size}, mark, why);
    if (err)
        out->count = 0;
    return err;
}

const struct prl_multipart_part *prl_multipart_find(const struct prl_multipart *form,
                                                    const char *name)
{
    for (size_t i = 0; i < form->count; i++)
        if (strcmp(form->parts[i].name, name) == 0)
            return &form->parts[i];
    return NULL;
}
