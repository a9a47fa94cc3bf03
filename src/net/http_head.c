// http_head.c -- see http_head.h.
#include "net/http_head.h"

#include <string.h>
#include <strings.h>

enum { METHOD_MAX = 16 };

size_t prl_http_head_end(const char *data, size_t len, size_t from)
{
    size_t start = from > 3 ? from - 3 : 0;
    if (start >= len)
        return 0;
    const char *end = memmem(data + start, len - start, "\r\n\r\n", 4);
    return end ? (size_t)(end - data) + 4 : 0;
}

// tchar of RFC 9110 §5.6.2.
static bool is_token(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!alnum && (c == 0 || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return len > 0;
}

static bool is_value(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static enum prl_err refuse(struct prl_http_head *head, unsigned status)
{
    head->status = status;
    return PRL_ERR_INVALID;
}

// Cuts the line at `data` (ends with CR LF, which the caller has seen) and returns the next one, or
// NULL when the line holds a bare CR, LF or zero.
static char *cut_line(char *data, char *end, size_t *len)
{
    char *line_end = memmem(data, (size_t)(end - data), "\r\n", 2);
    if (!line_end)
        return NULL;
    *len = (size_t)(line_end - data);
    if (memchr(data, '\n', *len) || memchr(data, '\r', *len) || memchr(data, '\0', *len))
        return NULL;
    *line_end = '\0';
    return line_end + 2;
}

static bool parse_version(const char *text, size_t len, int *minor)
{
    if (len != 8 || memcmp(text, "HTTP/1.", 7) != 0 || text[7] < '0' || text[7] > '9')
        return false;
    *minor = text[7] > '0';
    return true;
}

// "http://host/path" becomes "/path".
static char *reduce_target(char *target)
{
    if (target[0] == '/' || strcmp(target, "*") == 0)
        return target;
    size_t scheme = strncasecmp(target, "http://", 7) == 0    ? 7
                    : strncasecmp(target, "https://", 8) == 0 ? 8
                                                              : 0;
    char *path = scheme ? strchr(target + scheme, '/') : NULL;
    return path;
}

static enum prl_err parse_request_line(struct prl_http_head *head, char *line, size_t len)
{
    char *space = memchr(line, ' ', len);
    if (!space || !is_token(line, (size_t)(space - line)))
        return refuse(head, 400);
    if (space - line > METHOD_MAX)
        return refuse(head, 501);
    *space = '\0';
    head->method = line;
    char *target = space + 1;
    char *last = strchr(target, ' ');
    if (!last)
        return refuse(head, 400);
    *last = '\0';
    const char *version = last + 1;
    if (strncmp(version, "HTTP/", 5) != 0 || strchr(version, ' '))
        return refuse(head, 400);
    if (!parse_version(version, strlen(version), &head->version_minor))
        return refuse(head, 505);
    for (const char *at = target; *at; at++)
        if ((unsigned char)*at <= 0x20 || *at == 0x7f)
            return refuse(head, 400);
    head->target = reduce_target(target);
    return head->target ? PRL_OK : refuse(head, 400);
}

static enum prl_err parse_status_line(struct prl_http_head *head, char *line, size_t len)
{
    if (len < 12 || !parse_version(line, 8, &head->version_minor) || line[8] != ' ')
        return refuse(head, 400);
    unsigned status = 0;
    for (size_t i = 9; i < 12; i++) {
        if (line[i] < '0' || line[i] > '9')
            return refuse(head, 400);
        status = status * 10 + (unsigned)(line[i] - '0');
    }
    if (len > 12 && line[12] != ' ')
        return refuse(head, 400);
    head->status = status;
    head->reason = len > 12 ? line + 13 : "";
    return is_value(head->reason, strlen(head->reason)) ? PRL_OK : refuse(head, 400);
}

static enum prl_err parse_field(struct prl_http_head *head, char *line, size_t len)
{
    if (head->field_count == PRL_HTTP_FIELDS_MAX)
        return refuse(head, 431);
    char *colon = memchr(line, ':', len);
    if (!colon || !is_token(line, (size_t)(colon - line)))
        return refuse(head, 400);
    *colon = '\0';
    char *value = colon + 1;
    char *end = line + len;
    while (*value == ' ' || *value == '\t')
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        *--end = '\0';
    if (!is_value(value, (size_t)(end - value)))
        return refuse(head, 400);
    head->fields[head->field_count++] = (struct prl_http_field){line, value};
    return PRL_OK;
}

static enum prl_err parse(struct prl_http_head *head, char *data, size_t len, bool request)
{
    *head = (struct prl_http_head){0};
    char *end = data + len;
    size_t line_len;
    char *next = cut_line(data, end, &line_len);
    if (!next)
        return refuse(head, 400);
    enum prl_err err = request ? parse_request_line(head, data, line_len)
                               : parse_status_line(head, data, line_len);
    while (!err) {
        char *line = next;
        next = cut_line(line, end, &line_len);
        if (!next)
            return refuse(head, 400);
        if (line_len == 0)
            return next == end ? PRL_OK : refuse(head, 400);
        err = parse_field(head, line, line_len);
    }
    return err;
}

enum prl_err prl_http_head_parse_request(struct prl_http_head *head, char *data, size_t len)
{
    return parse(head, data, len, true);
}

enum prl_err prl_http_head_parse_response(struct prl_http_head *head, char *data, size_t len)
{
    return parse(head, data, len, false);
}

const char *prl_http_head_field(const struct prl_http_head *head, const char *name, size_t *count)
{
    const char *first = NULL;
    size_t found = 0;
    for (size_t i = 0; i < head->field_count; i++) {
        if (strcasecmp(head->fields[i].name, name) != 0)
            continue;
        first = found++ ? first : head->fields[i].value;
    }
    if (count)
        *count = found;
    return first;
}

// Takes the next element of a comma separated list; NULL at its end.
static const char *next_element(const char **list, size_t *len)
{
    const char *at = *list + strspn(*list, " \t,");
    if (!*at)
        return NULL;
    *len = strcspn(at, ",");
    *list = at + *len;
    while (*len > 0 && (at[*len - 1] == ' ' || at[*len - 1] == '\t'))
        (*len)--;
    return at;
}

bool prl_http_head_has_token(const struct prl_http_head *head, const char *name, const char *token)
{
    size_t len;
    for (size_t i = 0; i < head->field_count; i++) {
        if (strcasecmp(head->fields[i].name, name) != 0)
            continue;
        const char *list = head->fields[i].value;
        const char *element;
        while ((element = next_element(&list, &len)))
            if (len == strlen(token) && strncasecmp(element, token, len) == 0)
                return true;
    }
    return false;
}

bool prl_http_head_element(const struct prl_http_head *head, const char *name, size_t index,
                           char *out, size_t size)
{
    size_t len;
    for (size_t i = 0; i < head->field_count; i++) {
        if (strcasecmp(head->fields[i].name, name) != 0)
            continue;
        const char *list = head->fields[i].value;
        const char *element;
        while ((element = next_element(&list, &len))) {
            if (len >= size || index-- > 0) // a long one is not counted
                continue;
            memcpy(out, element, len);
            out[len] = '\0';
            return true;
        }
    }
    return false;
}

enum prl_http_length prl_http_head_length(const struct prl_http_head *head, uint64_t *length)
{
    enum prl_http_length found = PRL_HTTP_LENGTH_NONE;
    for (size_t i = 0; i < head->field_count; i++) {
        if (strcasecmp(head->fields[i].name, "content-length") != 0)
            continue;
        const char *text = head->fields[i].value;
        size_t digits = strspn(text, "0123456789");
        if (digits == 0 || digits > 15 || text[digits])
            return PRL_HTTP_LENGTH_BAD;
        uint64_t value = 0;
        for (size_t d = 0; d < digits; d++)
            value = value * 10 + (uint64_t)(text[d] - '0');
        if (found == PRL_HTTP_LENGTH_GIVEN && value != *length)
            return PRL_HTTP_LENGTH_BAD;
        *length = value;
        found = PRL_HTTP_LENGTH_GIVEN;
    }
    return found;
}
