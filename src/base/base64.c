// base64.c -- see base64.h. OpenSSL's decoder skips white space, wants padding and works on lines;
// a slice decoder for audio needs none of it, and is forty lines.
#include "base/base64.h"

enum { BAD = 255 };

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static uint8_t value_of(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return (uint8_t)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (uint8_t)(c - 'a' + 26);
    if (c >= '0' && c <= '9')
        return (uint8_t)(c - '0' + 52);
    if (c == '+')
        return 62;
    return c == '/' ? 63 : BAD;
}

size_t prl_base64_size(size_t size)
{
    return (size + 2) / 3 * 4;
}

void prl_base64_encode(char *text, const void *data, size_t size)
{
    const uint8_t *in = data;
    for (; size >= 3; size -= 3, in += 3, text += 4) {
        uint32_t bits = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
        text[0] = alphabet[bits >> 18];
        text[1] = alphabet[bits >> 12 & 63];
        text[2] = alphabet[bits >> 6 & 63];
        text[3] = alphabet[bits & 63];
    }
    if (size == 0)
        return;
    uint32_t bits = (uint32_t)in[0] << 16 | (size == 2 ? (uint32_t)in[1] << 8 : 0);
    text[0] = alphabet[bits >> 18];
    text[1] = alphabet[bits >> 12 & 63];
    text[2] = size == 2 ? alphabet[bits >> 6 & 63] : '=';
    text[3] = '=';
}

// Bytes of an open group of `count` characters.
static size_t flush_group(const struct prl_base64 *state, uint8_t *out)
{
    uint32_t bits = state->bits << (6 * (4 - state->count));
    if (state->count >= 2)
        out[0] = (uint8_t)(bits >> 16);
    if (state->count == 3)
        out[1] = (uint8_t)(bits >> 8);
    return state->count - 1;
}

static enum prl_err take_padding(struct prl_base64 *state, uint8_t *out, size_t *size)
{
    if (state->padded == 0) {
        if (state->count < 2)
            return PRL_ERR_INVALID;
        *size += flush_group(state, out + *size);
    }
    state->padded++;
    return state->padded + state->count > 4 ? PRL_ERR_INVALID : PRL_OK;
}

enum prl_err prl_base64_decode(struct prl_base64 *state, const char *text, size_t len, uint8_t *out,
                               size_t *size)
{
    *size = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '=') {
            enum prl_err err = take_padding(state, out, size);
            if (err)
                return err;
            continue;
        }
        uint8_t value = value_of((unsigned char)text[i]);
        if (value == BAD || state->padded)
            return PRL_ERR_INVALID;
        state->bits = state->bits << 6 | value;
        if (++state->count < 4)
            continue;
        out[*size] = (uint8_t)(state->bits >> 16);
        out[*size + 1] = (uint8_t)(state->bits >> 8);
        out[*size + 2] = (uint8_t)state->bits;
        *size += 3;
        *state = (struct prl_base64){0};
    }
    return PRL_OK;
}

enum prl_err prl_base64_end(struct prl_base64 *state, uint8_t out[2], size_t *size)
{
    *size = 0;
    if (state->padded)
        return state->padded + state->count == 4 ? PRL_OK : PRL_ERR_INVALID;
    if (state->count == 1)
        return PRL_ERR_INVALID;
    if (state->count > 1)
        *size = flush_group(state, out);
    return PRL_OK;
}
