// sdp_line.c -- see sdp_line.h.
#include "rtc/sdp_line.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "rtc/rtc.h"

enum prl_err prl_sdp_wrong(char *why, unsigned number, const char *format, ...)
{
    int used = number > 0 ? snprintf(why, PRL_RTC_WHY_SIZE, "line %u: ", number) : 0;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(why + used, PRL_RTC_WHY_SIZE - (size_t)used, format, args);
    va_end(args);
    return PRL_ERR_INVALID;
}

bool prl_sdp_next(struct prl_sdp_lines *lines)
{
    while (lines->at < lines->end) {
        size_t left = (size_t)(lines->end - lines->at);
        const char *feed = memchr(lines->at, '\n', left);
        size_t len = feed ? (size_t)(feed - lines->at) : left;
        lines->line = (struct prl_sdp_slice){lines->at, len};
        lines->at += len + (feed != NULL);
        lines->number++;
        if (len > 0 && lines->line.at[len - 1] == '\r')
            lines->line.len--;
        if (lines->line.len > 0)
            return true;
    }
    return false;
}

static struct prl_sdp_slice trim(struct prl_sdp_slice slice)
{
    while (slice.len > 0 && slice.at[0] == ' ') {
        slice.at++;
        slice.len--;
    }
    while (slice.len > 0 && slice.at[slice.len - 1] == ' ')
        slice.len--;
    return slice;
}

bool prl_sdp_attribute(struct prl_sdp_slice line, const char *name, struct prl_sdp_slice *value)
{
    size_t len = strlen(name);
    if (line.len < len + 3 || memcmp(line.at, "a=", 2) != 0 ||
        memcmp(line.at + 2, name, len) != 0 || line.at[2 + len] != ':')
        return false;
    *value = trim((struct prl_sdp_slice){line.at + len + 3, line.len - len - 3});
    return true;
}

bool prl_sdp_flag(struct prl_sdp_slice line, const char *name)
{
    line = trim(line);
    return line.len > 2 && memcmp(line.at, "a=", 2) == 0 &&
           prl_sdp_is_exact((struct prl_sdp_slice){line.at + 2, line.len - 2}, name);
}

bool prl_sdp_word(struct prl_sdp_slice *rest, struct prl_sdp_slice *word)
{
    *rest = trim(*rest);
    *word = prl_sdp_until(rest, ' ');
    return word->len > 0;
}

struct prl_sdp_slice prl_sdp_until(struct prl_sdp_slice *rest, char mark)
{
    struct prl_sdp_slice head = *rest;
    if (head.len == 0)
        return head;
    const char *found = memchr(rest->at, mark, rest->len);
    if (found)
        head.len = (size_t)(found - rest->at);
    size_t cut = head.len + (found != NULL);
    *rest = (struct prl_sdp_slice){rest->at + cut, rest->len - cut};
    return head;
}

bool prl_sdp_is(struct prl_sdp_slice slice, const char *text)
{
    return slice.len == strlen(text) && strncasecmp(slice.at, text, slice.len) == 0;
}

bool prl_sdp_is_exact(struct prl_sdp_slice slice, const char *text)
{
    return slice.len == strlen(text) && memcmp(slice.at, text, slice.len) == 0;
}

bool prl_sdp_number(struct prl_sdp_slice slice, uint64_t max, uint64_t *value)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < slice.len; i++) {
        unsigned digit = (unsigned char)slice.at[i] - (unsigned)'0';
        if (digit > 9 || sum > (max - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *value = sum;
    return slice.len > 0;
}

bool prl_sdp_copy(struct prl_sdp_slice slice, char *out, size_t size)
{
    if (slice.len == 0 || slice.len >= size)
        return false;
    for (size_t i = 0; i < slice.len; i++)
        if (slice.at[i] < 0x21 || slice.at[i] > 0x7e)
            return false;
    memcpy(out, slice.at, slice.len);
    out[slice.len] = '\0';
    return true;
}
