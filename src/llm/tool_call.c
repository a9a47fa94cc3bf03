// tool_call.c -- see tool_call.h. A scanner with a stack of bits checks each byte as it comes and
// remembers where the outer object's name and arguments stand; they are taken out at the end.
#include "llm/tool_call.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"

enum { DEPTH_MAX = 64 };

enum expect {
    EXPECT_START, // the first brace
    EXPECT_VALUE,
    EXPECT_VALUE_OR_END, // after [
    EXPECT_KEY_OR_END,   // after {
    EXPECT_KEY,
    EXPECT_COLON,
    EXPECT_COMMA_OR_END,
    IN_STRING,
    IN_ESCAPE,
    IN_HEX,
    IN_LITERAL,
    IN_NUMBER,
};

static const char *const literals[] = {"true", "false", "null"};

void prl_tool_call_init(struct prl_tool_call *call)
{
    PRL_CHECK(call != NULL);
    memset(call, 0, sizeof(*call));
    prl_str_init(&call->text, PRL_LLM_ARGUMENTS_BYTES_MAX);
}

void prl_tool_call_free(struct prl_tool_call *call)
{
    PRL_CHECK(call != NULL);
    prl_str_free(&call->text);
    prl_mem_free(call->arguments);
    call->arguments = NULL;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// RFC 8259 section 6.
static bool is_number(const char *text, size_t len)
{
    size_t i = 0;
    if (i < len && text[i] == '-')
        i++;
    if (i >= len || !is_digit(text[i]))
        return false;
    if (text[i++] != '0')
        while (i < len && is_digit(text[i]))
            i++;
    if (i < len && text[i] == '.') {
        size_t from = ++i;
        while (i < len && is_digit(text[i]))
            i++;
        if (i == from)
            return false;
    }
    if (i < len && (text[i] == 'e' || text[i] == 'E')) {
        i++;
        if (i < len && (text[i] == '+' || text[i] == '-'))
            i++;
        size_t from = i;
        while (i < len && is_digit(text[i]))
            i++;
        if (i == from)
            return false;
    }
    return i == len;
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

// The four digits behind \u at `at`; the scanner has seen that they are there.
static uint32_t hex_four(const char *text, size_t at)
{
    uint32_t value = 0;
    for (size_t i = 0; i < 4; i++)
        value = value << 4 | (uint32_t)hex_value(text[at + i]);
    return value;
}

static char plain_escape(char c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return c; // " \ and /
    }
}

// Adds the code point of the \u escape whose digits start at `at`; returns the index behind it, or
// 0 when it is no character.
static size_t add_unicode(struct prl_str *out, const char *text, size_t at, size_t to)
{
    uint32_t code = hex_four(text, at);
    at += 4;
    if (code >= 0xDC00 && code <= 0xDFFF)
        return 0;
    if (code >= 0xD800 && code <= 0xDBFF) {
        if (at + 6 > to || text[at] != '\\' || text[at + 1] != 'u')
            return 0;
        uint32_t low = hex_four(text, at + 2);
        if (low < 0xDC00 || low > 0xDFFF)
            return 0;
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        at += 6;
    }
    char utf8[4];
    size_t n = prl_utf8_encode(code, utf8);
    return prl_str_add(out, utf8, n) ? 0 : at;
}

// Decodes the string whose opening quote is at `from` and closing quote at `to` - 1.
static bool unescape(struct prl_str *out, const char *text, size_t from, size_t to)
{
    size_t i = from + 1;
    while (i + 1 < to) {
        if (text[i] != '\\') {
            if (prl_str_addc(out, text[i++]))
                return false;
        } else if (text[i + 1] != 'u') {
            if (prl_str_addc(out, plain_escape(text[i + 1])))
                return false;
            i += 2;
        } else {
            i = add_unicode(out, text, i + 2, to - 1);
            if (i == 0)
                return false;
        }
    }
    return true;
}

static bool take_name(struct prl_tool_call *call)
{
    const char *text = call->text.data;
    if (call->name_to == 0 || text[call->name_from] != '"')
        return false;
    struct prl_str name;
    prl_str_init(&name, PRL_LLM_TOOL_NAME_BYTES_MAX);
    bool good = unescape(&name, text, call->name_from, call->name_to) && name.len > 0 &&
                memchr(name.data, 0, name.len) == NULL;
    if (good)
        memcpy(call->name, name.data, name.len + 1);
    prl_str_free(&name);
    return good;
}

// A string that holds JSON: it must be an object from its first to its last byte.
static bool is_object(const char *text, size_t len)
{
    struct prl_tool_call inner;
    prl_tool_call_init(&inner);
    // The scanner asks for a name when the object ends; here only the form counts.
    inner.key = 'x';
    size_t used = 0;
    enum prl_tool_call_state state = prl_tool_call_push(&inner, text, len, &used);
    prl_tool_call_free(&inner);
    while (used < len && is_space(text[used]))
        used++;
    return state == PRL_TOOL_CALL_DONE && used == len;
}

static bool take_string_arguments(struct prl_tool_call *call)
{
    struct prl_str inner;
    prl_str_init(&inner, PRL_LLM_ARGUMENTS_BYTES_MAX);
    bool good = unescape(&inner, call->text.data, call->arguments_from, call->arguments_to);
    if (good && inner.len == 0)
        good = prl_str_adds(&inner, "{}") == PRL_OK;
    good = good && is_object(inner.data, inner.len);
    if (good)
        call->arguments = prl_str_give(&inner);
    prl_str_free(&inner);
    return good;
}

static bool take_arguments(struct prl_tool_call *call)
{
    size_t from = call->arguments_from;
    size_t len = call->arguments_to - from;
    const char *text = call->text.data;
    if (call->arguments_to > 0 && text[from] == '"')
        return take_string_arguments(call);
    if (call->arguments_to == 0 || text[from] == 'n') // missing or null
        call->arguments = prl_mem_strdup("{}");
    else if (text[from] == '{')
        call->arguments = prl_mem_strndup(text + from, len);
    return call->arguments != NULL;
}

static enum prl_tool_call_state finish(struct prl_tool_call *call)
{
    if (call->key == 'x' && call->name_to == 0 && call->arguments_to == 0)
        return PRL_TOOL_CALL_DONE;
    if (!prl_utf8_valid(call->text.data, call->text.len))
        return PRL_TOOL_CALL_BAD;
    return take_name(call) && take_arguments(call) ? PRL_TOOL_CALL_DONE : PRL_TOOL_CALL_BAD;
}

static bool in_object(const struct prl_tool_call *call)
{
    return call->depth > 0 && (call->objects >> (call->depth - 1) & 1) != 0;
}

static bool open_level(struct prl_tool_call *call, bool object)
{
    if (call->depth == DEPTH_MAX)
        return false;
    uint64_t bit = UINT64_C(1) << call->depth;
    call->objects = object ? call->objects | bit : call->objects & ~bit;
    call->depth++;
    call->expect = object ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
    return true;
}

// A value ended before byte `to`; `call->depth` is the level that contains it.
static void value_ended(struct prl_tool_call *call, size_t to)
{
    call->expect = EXPECT_COMMA_OR_END;
    if (call->depth != 1)
        return;
    if (call->key == 'n')
        call->name_to = to;
    else if (call->key == 'a')
        call->arguments_to = to;
}

static void key_ended(struct prl_tool_call *call)
{
    call->expect = EXPECT_COLON;
    if (call->depth != 1 || call->key == 'x')
        return;
    const char *key = call->text.data + call->token_from;
    size_t len = call->text.len - call->token_from; // with both quotes, without escapes
    call->key = 0;
    if (len == 6 && memcmp(key, "\"name\"", 6) == 0)
        call->key = 'n';
    else if ((len == 11 && memcmp(key, "\"arguments\"", 11) == 0) ||
             (len == 12 && memcmp(key, "\"parameters\"", 12) == 0))
        call->key = 'a';
}

static bool begin_value(struct prl_tool_call *call, char c)
{
    size_t at = call->text.len - 1;
    if (call->depth == 1 && call->key == 'n') {
        call->name_from = at;
        call->name_to = 0;
    } else if (call->depth == 1 && call->key == 'a') {
        call->arguments_from = at;
        call->arguments_to = 0;
    }
    call->token_from = at;
    if (c == '{' || c == '[')
        return open_level(call, c == '{');
    if (c == '"') {
        call->is_key = false;
        call->expect = IN_STRING;
        return true;
    }
    if (c == '-' || is_digit(c)) {
        call->expect = IN_NUMBER;
        return true;
    }
    for (int i = 0; i < 3; i++) {
        if (c == literals[i][0]) {
            call->literal = i;
            call->expect = IN_LITERAL;
            return true;
        }
    }
    return false;
}

static bool end_level(struct prl_tool_call *call, char c)
{
    if (c != (in_object(call) ? '}' : ']'))
        return false;
    call->depth--;
    value_ended(call, call->text.len);
    return true;
}

static bool after_value(struct prl_tool_call *call, char c)
{
    if (c == ',') {
        call->expect = in_object(call) ? EXPECT_KEY : EXPECT_VALUE;
        return true;
    }
    return end_level(call, c);
}

static bool string_byte(struct prl_tool_call *call, char c)
{
    if ((unsigned char)c < 0x20)
        return false;
    if (c == '\\') {
        call->expect = IN_ESCAPE;
    } else if (c == '"') {
        if (call->is_key)
            key_ended(call);
        else
            value_ended(call, call->text.len);
    }
    return true;
}

static bool escape_byte(struct prl_tool_call *call, char c)
{
    if (c == 'u') {
        call->hex_left = 4;
        call->expect = IN_HEX;
        return true;
    }
    call->expect = IN_STRING;
    return c != '\0' && strchr("\"\\/bfnrt", c) != NULL;
}

static bool hex_byte(struct prl_tool_call *call, char c)
{
    if (--call->hex_left == 0)
        call->expect = IN_STRING;
    return hex_value(c) >= 0;
}

static bool literal_byte(struct prl_tool_call *call, char c)
{
    const char *literal = literals[call->literal];
    size_t at = call->text.len - 1 - call->token_from;
    if (c != literal[at])
        return false;
    if (literal[at + 1] == '\0')
        value_ended(call, call->text.len);
    return true;
}

static bool number_byte(struct prl_tool_call *call, char c)
{
    if (is_digit(c) || (c != '\0' && strchr("+-.eE", c) != NULL))
        return true;
    size_t to = call->text.len - 1;
    if (!is_number(call->text.data + call->token_from, to - call->token_from))
        return false;
    value_ended(call, to);
    return is_space(c) || after_value(call, c);
}

static bool key_byte(struct prl_tool_call *call, char c)
{
    if (c != '"')
        return false;
    call->is_key = true;
    call->token_from = call->text.len - 1;
    call->expect = IN_STRING;
    return true;
}

// Bytes between tokens.
static bool structure_byte(struct prl_tool_call *call, char c)
{
    if (is_space(c))
        return true;
    switch ((enum expect)call->expect) {
    case EXPECT_START:
        return c == '{' && open_level(call, true);
    case EXPECT_VALUE_OR_END:
        if (c == ']')
            return end_level(call, c);
        return begin_value(call, c);
    case EXPECT_VALUE:
        return begin_value(call, c);
    case EXPECT_KEY_OR_END:
        if (c == '}')
            return end_level(call, c);
        return key_byte(call, c);
    case EXPECT_KEY:
        return key_byte(call, c);
    case EXPECT_COLON:
        call->expect = EXPECT_VALUE;
        return c == ':';
    case EXPECT_COMMA_OR_END:
        return after_value(call, c);
    case IN_STRING:
    case IN_ESCAPE:
    case IN_HEX:
    case IN_LITERAL:
    case IN_NUMBER:
        break;
    }
    return false;
}

// The byte has already been added to the text.
static bool scan_byte(struct prl_tool_call *call, char c)
{
    switch ((enum expect)call->expect) {
    case IN_STRING:
        return string_byte(call, c);
    case IN_ESCAPE:
        return escape_byte(call, c);
    case IN_HEX:
        return hex_byte(call, c);
    case IN_LITERAL:
        return literal_byte(call, c);
    case IN_NUMBER:
        return number_byte(call, c);
    case EXPECT_START:
    case EXPECT_VALUE:
    case EXPECT_VALUE_OR_END:
    case EXPECT_KEY_OR_END:
    case EXPECT_KEY:
    case EXPECT_COLON:
    case EXPECT_COMMA_OR_END:
        break;
    }
    return structure_byte(call, c);
}

enum prl_tool_call_state prl_tool_call_push(struct prl_tool_call *call, const char *data,
                                            size_t len, size_t *used)
{
    PRL_CHECK(call != NULL && used != NULL && (data != NULL || len == 0));
    *used = 0;
    while (*used < len && call->state == PRL_TOOL_CALL_MORE) {
        char c = data[(*used)++];
        if (call->text.len == 0 && is_space(c))
            continue;
        if (prl_str_addc(&call->text, c) || !scan_byte(call, c))
            call->state = PRL_TOOL_CALL_BAD;
        else if (call->depth == 0)
            call->state = finish(call);
    }
    return call->state;
}
