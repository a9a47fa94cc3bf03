// tokens.c -- see tokens.h.
#include "stt/tokens.h"

#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"

enum { FILE_SIZE_MAX = 4 << 20, TOKENS_MAX = 200000, PIECE_MAX = 512, SPELL_MAX = 24 };

struct piece {
    uint32_t start; // in bytes
    uint32_t len;   // bytes
};

struct prl_tokens {
    struct piece *pieces; // owned
    size_t count;
    struct prl_str bytes; // owned; all pieces in a row
};

void prl_tokens_destroy(struct prl_tokens **tokens)
{
    PRL_CHECK(tokens != NULL);
    if (!*tokens)
        return;
    prl_mem_free((*tokens)->pieces);
    prl_str_free(&(*tokens)->bytes);
    prl_mem_free(*tokens);
    *tokens = NULL;
}

// SentencePiece marks a word's start with U+2581; tokens in angle brackets are control tokens.
static enum prl_err add_piece(struct prl_tokens *tokens, const char *bytes, size_t len)
{
    static const char MARK[] = "\xe2\x96\x81";
    struct piece *piece = &tokens->pieces[tokens->count++];
    piece->start = (uint32_t)tokens->bytes.len;
    bool control = len >= 3 && bytes[0] == '<' && bytes[len - 1] == '>';
    for (size_t i = 0; i < len && !control;) {
        bool mark = len - i >= sizeof(MARK) - 1 && memcmp(bytes + i, MARK, sizeof(MARK) - 1) == 0;
        enum prl_err err = prl_str_addc(&tokens->bytes, mark ? ' ' : bytes[i]);
        if (err)
            return err;
        i += mark ? sizeof(MARK) - 1 : 1;
    }
    piece->len = (uint32_t)(tokens->bytes.len - piece->start);
    return PRL_OK;
}

// One line: base64, blank, the number that is due. An empty token may have no base64 at all.
static enum prl_err read_line(struct prl_tokens *tokens, const char *line, size_t len)
{
    const char *blank = NULL;
    for (size_t i = 0; i < len && !blank; i++) {
        if (line[i] == ' ' || line[i] == '\t')
            blank = line + i;
    }
    size_t coded = blank ? (size_t)(blank - line) : 0;
    char number[16];
    size_t digits = blank ? len - coded - 1 : len;
    if (coded > PIECE_MAX || digits >= sizeof(number))
        return PRL_ERR_INVALID;
    memcpy(number, blank ? blank + 1 : line, digits);
    number[digits] = '\0';
    int64_t id = -1;
    if (!prl_str_to_int(number, &id) || id != (int64_t)tokens->count)
        return PRL_ERR_INVALID;
    uint8_t bytes[PIECE_MAX + 8];
    size_t size = 0, rest = 0;
    struct prl_base64 state = {0};
    enum prl_err err = prl_base64_decode(&state, line, coded, bytes, &size);
    if (!err)
        err = prl_base64_end(&state, bytes + size, &rest);
    return err ? err : add_piece(tokens, (const char *)bytes, size + rest);
}

static enum prl_err read_lines(struct prl_tokens *tokens, const char *text, size_t size,
                               size_t *line_number)
{
    for (size_t at = 0; at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t len = end ? (size_t)(end - text) - at : size - at;
        size_t next = at + len + 1;
        if (len > 0 && text[at + len - 1] == '\r')
            len--;
        ++*line_number;
        enum prl_err err = read_line(tokens, text + at, len);
        if (err)
            return err;
        at = next;
    }
    return tokens->count > 0 ? PRL_OK : PRL_ERR_INVALID;
}

static size_t count_lines(const char *text, size_t size)
{
    size_t lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    return lines;
}

enum prl_err prl_tokens_parse(struct prl_tokens **out, const char *name, const char *text,
                              size_t size, char *why, size_t why_size)
{
    PRL_CHECK(out != NULL && name != NULL && (text != NULL || size == 0));
    *out = NULL;
    size_t lines = count_lines(text, size), line_number = 0;
    if (lines > TOKENS_MAX || size > FILE_SIZE_MAX) {
        (void)snprintf(why, why_size, "%s: more than %d tokens", name, TOKENS_MAX);
        return PRL_ERR_INVALID;
    }
    struct prl_tokens *tokens = prl_mem_zalloc(sizeof(*tokens));
    if (!tokens)
        return PRL_ERR_NOMEM;
    prl_str_init(&tokens->bytes, FILE_SIZE_MAX);
    tokens->pieces = prl_mem_array(lines, sizeof(*tokens->pieces));
    enum prl_err err =
        tokens->pieces ? read_lines(tokens, text, size, &line_number) : PRL_ERR_NOMEM;
    if (err == PRL_ERR_INVALID)
        (void)snprintf(why, why_size, "%s: line %zu is not '<base64> <number>' in order", name,
                       line_number);
    if (err)
        prl_tokens_destroy(&tokens);
    *out = tokens;
    return err;
}

enum prl_err prl_tokens_create(struct prl_tokens **out, const char *path, char *why,
                               size_t why_size)
{
    PRL_CHECK(out != NULL && path != NULL);
    *out = NULL;
    FILE *file = fopen(path, "rbe");
    if (!file) {
        (void)snprintf(why, why_size, "cannot read %s", path);
        return PRL_ERR_NOTFOUND;
    }
    enum prl_err err = PRL_ERR_NOMEM;
    char *text = prl_mem_alloc(FILE_SIZE_MAX);
    if (text) {
        size_t size = fread(text, 1, FILE_SIZE_MAX, file);
        err = prl_tokens_parse(out, path, text, size, why, why_size);
        prl_mem_free(text);
    }
    (void)fclose(file);
    return err;
}

size_t prl_tokens_count(const struct prl_tokens *tokens)
{
    return tokens->count;
}

const char *prl_tokens_text(const struct prl_tokens *tokens, int64_t id, size_t *len)
{
    if (id < 0 || (uint64_t)id >= tokens->count) {
        *len = 0;
        return "";
    }
    *len = tokens->pieces[id].len;
    return prl_str_text(&tokens->bytes) + tokens->pieces[id].start;
}

// The last token of these bytes: the first 256 stand for bytes and are not used in texts. -1: none.
static int64_t find(const struct prl_tokens *tokens, const char *text, size_t len)
{
    for (size_t i = tokens->count; i > 0; i--) {
        const struct piece *piece = &tokens->pieces[i - 1];
        if (piece->len == len && memcmp(tokens->bytes.data + piece->start, text, len) == 0)
            return (int64_t)(i - 1);
    }
    return -1;
}

size_t prl_tokens_spell(const struct prl_tokens *tokens, const char *text, int64_t *ids, size_t max)
{
    size_t from[SPELL_MAX + 1]; // where each token begins
    size_t count = 0;
    for (size_t i = 0; text[i]; i++) {
        if (((unsigned char)text[i] & 0xC0) == 0x80)
            continue;
        if (count == SPELL_MAX)
            return 0;
        from[count++] = i;
    }
    from[count] = strlen(text);
    for (;;) {
        int64_t best = -1;
        size_t at = 0;
        for (size_t i = 0; i + 1 < count; i++) {
            int64_t id = find(tokens, text + from[i], from[i + 2] - from[i]);
            if (id >= 0 && (best < 0 || id < best)) {
                best = id;
                at = i;
            }
        }
        if (best < 0)
            break;
        memmove(&from[at + 1], &from[at + 2], (count - at - 1) * sizeof(*from));
        count--;
    }
    if (count > max)
        return 0;
    for (size_t i = 0; i < count; i++) {
        ids[i] = find(tokens, text + from[i], from[i + 1] - from[i]);
        if (ids[i] < 0)
            return 0;
    }
    return count;
}
