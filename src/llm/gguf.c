// gguf.c -- see gguf.h. A cursor that refuses to leave its bytes; the first refusal sticks.
#include "llm/gguf.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

enum {
    TENSORS_MAX = 1 << 16,
    KEYS_MAX = 1 << 16,
    DIMENSIONS_MAX = 4,
    NAME_BYTES_MAX = 64, // ggml's own limit, with the terminating zero
    ALIGNMENT_DEFAULT = 32,
    ALIGNMENT_MAX = 1 << 16,
};

// Types of values.
enum { TYPE_STRING = 8, TYPE_ARRAY = 9, TYPE_COUNT = 13, TYPE_UINT32 = 4 };

struct cursor {
    const uint8_t *data;
    size_t size;
    size_t at;
    bool over; // something did not fit
};

// Elements and bytes of one block of each tensor type; 0: no such type.
static const struct {
    uint16_t elements;
    uint16_t bytes;
} blocks[] = {
    [0] = {1, 4},      [1] = {1, 2},      [2] = {32, 18},    [3] = {32, 20},    [6] = {32, 22},
    [7] = {32, 24},    [8] = {32, 34},    [9] = {32, 36},    [10] = {256, 84},  [11] = {256, 110},
    [12] = {256, 144}, [13] = {256, 176}, [14] = {256, 210}, [15] = {256, 292}, [16] = {256, 66},
    [17] = {256, 74},  [18] = {256, 98},  [19] = {256, 50},  [20] = {32, 18},   [21] = {256, 110},
    [22] = {256, 82},  [23] = {256, 136}, [24] = {1, 1},     [25] = {1, 2},     [26] = {1, 4},
    [27] = {1, 8},     [28] = {1, 8},     [29] = {256, 56},  [30] = {1, 2},     [34] = {256, 54},
    [35] = {256, 66},  [39] = {32, 17},
};

// Bytes of a value of each plain type.
static const uint8_t value_bytes[TYPE_COUNT] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

static enum prl_err refuse(char why[PRL_GGUF_WHY_SIZE], const char *what)
{
    (void)snprintf(why, PRL_GGUF_WHY_SIZE, "%s", what);
    return PRL_ERR_INVALID;
}

static void skip(struct cursor *in, uint64_t bytes)
{
    if (in->over || bytes > in->size - in->at)
        in->over = true;
    else
        in->at += (size_t)bytes;
}

static uint64_t number(struct cursor *in, size_t bytes)
{
    if (in->over || bytes > in->size - in->at) {
        in->over = true;
        return 0;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t)in->data[in->at + i] << (8 * i);
    in->at += bytes;
    return value;
}

// Borrowed bytes of a string; NULL when it does not fit.
static const char *string(struct cursor *in, uint64_t *len)
{
    *len = number(in, 8);
    const char *text = (const char *)in->data + in->at;
    skip(in, *len);
    return in->over ? NULL : text;
}

static bool is_key(const char *key, uint64_t len, const char *name)
{
    return len == strlen(name) && memcmp(key, name, (size_t)len) == 0;
}

static void skip_array(struct cursor *in, uint64_t *count)
{
    uint64_t type = number(in, 4);
    *count = number(in, 8);
    // Arrays of arrays are not in use.
    if (type >= TYPE_COUNT || type == TYPE_ARRAY || *count > in->size) {
        in->over = true;
    } else if (type == TYPE_STRING) {
        uint64_t len;
        for (uint64_t i = 0; i < *count && !in->over; i++)
            (void)string(in, &len);
    } else {
        skip(in, *count * value_bytes[type]);
    }
}

static enum prl_err read_key(struct cursor *in, struct prl_gguf *out, char *why)
{
    uint64_t key_len;
    const char *key = string(in, &key_len);
    uint64_t type = number(in, 4);
    if (in->over || !key || type >= TYPE_COUNT)
        return refuse(why, "its list of keys is damaged or cut short");
    uint64_t count = 0;
    if (type == TYPE_STRING) {
        uint64_t len;
        const char *text = string(in, &len);
        if (text && is_key(key, key_len, "general.architecture") && len < sizeof(out->architecture))
            memcpy(out->architecture, text, (size_t)len);
    } else if (type == TYPE_ARRAY) {
        skip_array(in, &count);
        if (is_key(key, key_len, "tokenizer.ggml.tokens"))
            out->vocabulary = count;
    } else {
        uint64_t value = number(in, value_bytes[type]);
        if (is_key(key, key_len, "general.alignment")) {
            // Another type makes ggml abort.
            if (type != TYPE_UINT32)
                return refuse(why, "its alignment has the wrong type");
            out->alignment = value;
        }
    }
    return in->over ? refuse(why, "its list of keys is damaged or cut short") : PRL_OK;
}

static bool multiply(uint64_t *a, uint64_t b)
{
    return !__builtin_mul_overflow(*a, b, a);
}

// Reads one tensor's description; *end is raised to where its data ends, behind the header.
static enum prl_err read_tensor(struct cursor *in, uint64_t alignment, uint64_t *end, char *why)
{
    uint64_t name_len;
    (void)string(in, &name_len);
    uint64_t dimensions = number(in, 4);
    if (in->over || name_len >= NAME_BYTES_MAX || dimensions > DIMENSIONS_MAX)
        return refuse(why, "its list of tensors is damaged or cut short");
    uint64_t elements = 1;
    uint64_t row = 1;
    bool fits = true;
    for (uint64_t i = 0; i < dimensions; i++) {
        uint64_t n = number(in, 8);
        row = i == 0 ? n : row;
        fits = fits && n <= INT64_MAX && multiply(&elements, n);
    }
    uint64_t type = number(in, 4);
    uint64_t offset = number(in, 8);
    if (in->over || !fits)
        return refuse(why, "its list of tensors is damaged or cut short");
    if (type >= sizeof(blocks) / sizeof(blocks[0]) || blocks[type].elements == 0)
        return refuse(why, "it has a tensor of a type that is not known here");
    if (row % blocks[type].elements != 0 || offset % alignment != 0)
        return refuse(why, "its tensors do not fit their types");
    uint64_t bytes = elements / blocks[type].elements;
    if (!multiply(&bytes, blocks[type].bytes) || offset > UINT64_MAX / 4 || bytes > UINT64_MAX / 4)
        return refuse(why, "its tensors are impossibly large");
    if (offset + bytes > *end)
        *end = offset + bytes;
    return PRL_OK;
}

static enum prl_err read_head(struct cursor *in, struct prl_gguf *out, char *why)
{
    if (in->size < 24 || memcmp(in->data, "GGUF", 4) != 0)
        return refuse(why, "is no GGUF file");
    in->at = 4;
    out->version = (uint32_t)number(in, 4);
    out->tensor_count = number(in, 8);
    out->key_count = number(in, 8);
    if (out->version != 2 && out->version != 3)
        return refuse(why, "is a GGUF file of a version that is not known here (2 and 3 are)");
    if (out->tensor_count == 0 || out->tensor_count > TENSORS_MAX || out->key_count > KEYS_MAX)
        return refuse(why, "its header is damaged");
    return PRL_OK;
}

enum prl_err prl_gguf_check(struct prl_gguf *out, const uint8_t *data, size_t size,
                            uint64_t file_size, char why[PRL_GGUF_WHY_SIZE])
{
    PRL_CHECK(out != NULL && (data != NULL || size == 0) && why != NULL);
    memset(out, 0, sizeof(*out));
    why[0] = '\0';
    struct cursor in = {.data = data, .size = size};
    out->alignment = ALIGNMENT_DEFAULT;
    enum prl_err err = read_head(&in, out, why);
    for (uint64_t i = 0; !err && i < out->key_count; i++)
        err = read_key(&in, out, why);
    if (err)
        return err;
    if (out->alignment == 0 || out->alignment > ALIGNMENT_MAX ||
        (out->alignment & (out->alignment - 1)) != 0)
        return refuse(why, "its alignment is no power of two");
    uint64_t end = 0;
    for (uint64_t i = 0; !err && i < out->tensor_count; i++)
        err = read_tensor(&in, out->alignment, &end, why);
    if (err)
        return err;
    out->header_bytes = (in.at + out->alignment - 1) / out->alignment * out->alignment;
    out->file_bytes = out->header_bytes + end;
    if (out->file_bytes <= file_size)
        return PRL_OK;
    (void)snprintf(why, PRL_GGUF_WHY_SIZE, "is cut short: %llu bytes, %llu needed; fetch it again",
                   (unsigned long long)file_size, (unsigned long long)out->file_bytes);
    return PRL_ERR_INVALID;
}
