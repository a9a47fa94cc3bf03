// str.c -- see str.h.
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

enum { CAPACITY_MIN = 64 };

void prl_str_init(struct prl_str *str, size_t limit)
{
    *str = (struct prl_str){.limit = limit};
}

void prl_str_free(struct prl_str *str)
{
    prl_mem_free(str->data);
    *str = (struct prl_str){.limit = str->limit};
}

void prl_str_clear(struct prl_str *str)
{
    str->len = 0;
    str->err = PRL_OK;
    if (str->data)
        str->data[0] = '\0';
}

const char *prl_str_text(const struct prl_str *str)
{
    return str->data ? str->data : "";
}

char *prl_str_give(struct prl_str *str)
{
    char *data = str->data;
    *str = (struct prl_str){.limit = str->limit};
    return data;
}

static enum prl_err fail(struct prl_str *str, enum prl_err err)
{
    if (!str->err)
        str->err = err;
    return err;
}

enum prl_err prl_str_reserve(struct prl_str *str, size_t more)
{
    if (more > str->limit || str->len > str->limit - more)
        return fail(str, PRL_ERR_LIMIT);
    size_t need = str->len + more + 1;
    if (need <= str->capacity)
        return PRL_OK;
    size_t capacity = str->capacity ? str->capacity : CAPACITY_MIN;
    while (capacity < need)
        capacity *= 2;
    char *data = prl_mem_realloc(str->data, capacity);
    if (!data)
        return fail(str, PRL_ERR_NOMEM);
    str->data = data;
    str->capacity = capacity;
    return PRL_OK;
}

enum prl_err prl_str_add(struct prl_str *str, const char *data, size_t len)
{
    enum prl_err err = prl_str_reserve(str, len);
    if (err)
        return err;
    if (len > 0)
        memcpy(str->data + str->len, data, len);
    str->len += len;
    str->data[str->len] = '\0';
    return PRL_OK;
}

enum prl_err prl_str_adds(struct prl_str *str, const char *text)
{
    return prl_str_add(str, text, strlen(text));
}

enum prl_err prl_str_addc(struct prl_str *str, char byte)
{
    return prl_str_add(str, &byte, 1);
}

enum prl_err prl_str_addf(struct prl_str *str, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int need = vsnprintf(NULL, 0, format, args);
    va_end(args);
    PRL_CHECK(need >= 0);
    enum prl_err err = prl_str_reserve(str, (size_t)need);
    if (err)
        return err;
    va_start(args, format);
    vsnprintf(str->data + str->len, (size_t)need + 1, format, args);
    va_end(args);
    str->len += (size_t)need;
    return PRL_OK;
}

void prl_str_drop(struct prl_str *str, size_t count)
{
    if (count >= str->len) {
        str->len = 0;
    } else {
        memmove(str->data, str->data + count, str->len - count);
        str->len -= count;
    }
    if (str->data)
        str->data[str->len] = '\0';
}

// Bytes of the sequence that `lead` opens, 0 when it opens none (RFC 3629 §4).
static size_t sequence_len(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead <= 0xDF)
        return 2;
    if (lead >= 0xE0 && lead <= 0xEF)
        return 3;
    if (lead >= 0xF0 && lead <= 0xF4)
        return 4;
    return 0;
}

static bool in_range(uint32_t code_point, size_t len)
{
    static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
    return code_point >= smallest[len] && code_point <= 0x10FFFF &&
           !(code_point >= 0xD800 && code_point <= 0xDFFF);
}

size_t prl_utf8_decode(const char *text, size_t len, uint32_t *code_point)
{
    if (len == 0)
        return 0;
    const unsigned char *bytes = (const unsigned char *)text;
    size_t count = sequence_len(bytes[0]);
    *code_point = 0xFFFD;
    if (count == 0 || count > len)
        return 1;
    if (count == 1) {
        *code_point = bytes[0];
        return 1;
    }
    uint32_t value = bytes[0] & (0xFFu >> (count + 1));
    for (size_t i = 1; i < count; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            return 1;
        value = value << 6 | (bytes[i] & 0x3F);
    }
    if (!in_range(value, count))
        return 1;
    *code_point = value;
    return count;
}

size_t prl_utf8_encode(uint32_t code_point, char out[4])
{
    if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point <= 0xDFFF))
        code_point = 0xFFFD;
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    size_t count = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    for (size_t i = count - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code_point & 0x3F));
        code_point >>= 6;
    }
    static const unsigned char lead[5] = {0, 0, 0xC0, 0xE0, 0xF0};
    out[0] = (char)(lead[count] | code_point);
    return count;
}

bool prl_utf8_valid(const char *text, size_t len)
{
    size_t at = 0;
    while (at < len) {
        uint32_t code_point;
        size_t count = prl_utf8_decode(text + at, len - at, &code_point);
        // U+FFFD itself is three bytes; a malformed byte is one.
        if (code_point == 0xFFFD && count == 1)
            return false;
        at += count;
    }
    return true;
}

size_t prl_utf8_whole(const char *text, size_t len)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t back = 0;
    while (back < 3 && back < len && (bytes[len - 1 - back] & 0xC0) == 0x80)
        back++;
    if (back == len)
        return len;
    size_t need = sequence_len(bytes[len - 1 - back]);
    return need > back + 1 ? len - back - 1 : len;
}

bool prl_str_equal(const char *a, const char *b)
{
    if (!a || !b)
        return a == b;
    return strcmp(a, b) == 0;
}

bool prl_str_starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool prl_str_ends(const char *text, const char *suffix)
{
    size_t text_len = strlen(text);
    size_t suffix_len = strlen(suffix);
    return text_len >= suffix_len && memcmp(text + text_len - suffix_len, suffix, suffix_len) == 0;
}

bool prl_str_copy(char *out, size_t size, const char *text)
{
    PRL_CHECK(size > 0);
    size_t len = strlen(text);
    bool fits = len < size;
    if (!fits)
        len = prl_utf8_whole(text, size - 1);
    memcpy(out, text, len);
    out[len] = '\0';
    return fits;
}

bool prl_str_to_int(const char *text, int64_t *value)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno || end == text || *end)
        return false;
    *value = number;
    return true;
}

bool prl_str_to_double(const char *text, double *value)
{
    char *end;
    errno = 0;
    double number = strtod(text, &end);
    if (errno || end == text || *end || number - number != 0.0)
        return false;
    *value = number;
    return true;
}
