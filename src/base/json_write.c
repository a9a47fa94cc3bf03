// json_write.c -- see json_write.h.
#include "base/json_write.h"

#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/check.h"

enum { DEPTH_MAX = 31 };

void prl_json_write_init(struct prl_json_write *json, struct prl_str *out)
{
    *json = (struct prl_json_write){.out = out};
}

static void add_escaped(struct prl_str *out, const char *text, size_t len)
{
    size_t at = 0;
    size_t plain = 0; // start of the run that needs no escape
    while (at < len) {
        uint32_t code_point;
        size_t count = prl_utf8_decode(text + at, len - at, &code_point);
        bool malformed = code_point == 0xFFFD && count == 1;
        if (!malformed && code_point >= 0x20 && code_point != '"' && code_point != '\\') {
            at += count;
            continue;
        }
        (void)prl_str_add(out, text + plain, at - plain);
        if (malformed)
            (void)prl_str_adds(out, "\xEF\xBF\xBD");
        else if (code_point == '"' || code_point == '\\')
            (void)prl_str_addf(out, "\\%c", (char)code_point);
        else if (code_point == '\n')
            (void)prl_str_adds(out, "\\n");
        else
            (void)prl_str_addf(out, "\\u%04x", (unsigned)code_point);
        at += count;
        plain = at;
    }
    (void)prl_str_add(out, text + plain, at - plain);
}

// Comma, key and colon as the place asks for.
static void lead_in(struct prl_json_write *json, const char *key)
{
    uint32_t bit = 1u << json->depth;
    if (json->filled & bit)
        (void)prl_str_addc(json->out, ',');
    json->filled |= bit;
    if (!key)
        return;
    (void)prl_str_addc(json->out, '"');
    (void)prl_str_adds(json->out, key);
    (void)prl_str_adds(json->out, "\":");
}

static void open_level(struct prl_json_write *json, const char *key, char bracket)
{
    lead_in(json, key);
    (void)prl_str_addc(json->out, bracket);
    PRL_CHECK(json->depth < DEPTH_MAX);
    json->depth++;
    json->filled &= ~(1u << json->depth);
}

static void close_level(struct prl_json_write *json, char bracket)
{
    PRL_CHECK(json->depth > 0);
    json->depth--;
    (void)prl_str_addc(json->out, bracket);
}

void prl_json_write_object(struct prl_json_write *json, const char *key)
{
    open_level(json, key, '{');
}

void prl_json_write_array(struct prl_json_write *json, const char *key)
{
    open_level(json, key, '[');
}

void prl_json_write_end_object(struct prl_json_write *json)
{
    close_level(json, '}');
}

void prl_json_write_end_array(struct prl_json_write *json)
{
    close_level(json, ']');
}

void prl_json_write_string(struct prl_json_write *json, const char *key, const char *text)
{
    if (text)
        prl_json_write_bytes(json, key, text, strlen(text));
    else
        prl_json_write_null(json, key);
}

void prl_json_write_bytes(struct prl_json_write *json, const char *key, const char *text,
                          size_t len)
{
    lead_in(json, key);
    (void)prl_str_addc(json->out, '"');
    add_escaped(json->out, text, len);
    (void)prl_str_addc(json->out, '"');
}

void prl_json_write_int(struct prl_json_write *json, const char *key, int64_t number)
{
    lead_in(json, key);
    (void)prl_str_addf(json->out, "%lld", (long long)number);
}

void prl_json_write_real(struct prl_json_write *json, const char *key, double number)
{
    lead_in(json, key);
    if (number - number != 0.0) // neither NaN nor infinity is JSON
        (void)prl_str_adds(json->out, "null");
    else
        (void)prl_str_addf(json->out, "%.6g", number);
}

void prl_json_write_bool(struct prl_json_write *json, const char *key, bool value)
{
    lead_in(json, key);
    (void)prl_str_adds(json->out, value ? "true" : "false");
}

void prl_json_write_null(struct prl_json_write *json, const char *key)
{
    lead_in(json, key);
    (void)prl_str_adds(json->out, "null");
}

void prl_json_write_raw(struct prl_json_write *json, const char *key, const char *text)
{
    lead_in(json, key);
    (void)prl_str_adds(json->out, text);
}

void prl_json_write_base64(struct prl_json_write *json, const char *key, const void *data,
                           size_t size)
{
    lead_in(json, key);
    (void)prl_str_addc(json->out, '"');
    size_t len = prl_base64_size(size);
    if (prl_str_reserve(json->out, len) == PRL_OK) {
        prl_base64_encode(json->out->data + json->out->len, data, size);
        json->out->len += len;
        json->out->data[json->out->len] = '\0';
    }
    (void)prl_str_addc(json->out, '"');
}
