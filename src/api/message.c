// message.c -- see message.h. A scanner of strings and brackets: just enough of JSON to know when a
// string is the value of the outermost object's member "audio".
#include "api/message.h"

#include <string.h>

enum {
    DECODE_SLICE = 4096,
    NO_LETTER = 0x1F,   // stands for an escape of what is no ASCII: in no name, and no base64
    NO_DIGIT = 0x10000, // makes the code too large for a letter
    // Where an escape stands: behind the backslash, then digits of \u to come.
    ESCAPE_BEGUN = 1,
    ESCAPE_HEX = 5 // four to come; 2 is the last one
};

void prl_message_init(struct prl_message *message)
{
    *message = (struct prl_message){0};
    prl_str_init(&message->text, PRL_MESSAGE_TEXT_MAX);
    prl_str_init(&message->audio, PRL_MESSAGE_AUDIO_MAX);
}

void prl_message_reset(struct prl_message *message)
{
    prl_str_free(&message->text);
    prl_str_free(&message->audio);
    prl_message_init(message);
}

static void fail(struct prl_message *message, enum prl_err err, bool audio)
{
    if (message->err || !err)
        return;
    message->err = err;
    message->audio_problem = audio;
    prl_str_free(&message->text);
    prl_str_free(&message->audio);
}

static void decode(struct prl_message *message, const char *data, size_t len)
{
    uint8_t out[DECODE_SLICE / 4 * 3 + 3];
    while (len > 0 && !message->err) {
        size_t slice = len < DECODE_SLICE ? len : DECODE_SLICE;
        size_t size;
        enum prl_err err = prl_base64_decode(&message->base64, data, slice, out, &size);
        if (!err)
            err = prl_str_add(&message->audio, (const char *)out, size);
        fail(message, err, true);
        data += slice;
        len -= slice;
    }
}

static void end_audio(struct prl_message *message)
{
    uint8_t out[2];
    size_t size;
    enum prl_err err = prl_base64_end(&message->base64, out, &size);
    if (!err && size > 0)
        err = prl_str_add(&message->audio, (const char *)out, size);
    fail(message, err, true);
    message->in_audio = false;
    message->in_string = false;
    message->key_len = 0;
}

// Takes a byte of an escape; true with its last one, and the letter that it stands for.
static bool unescape(struct prl_message *message, char byte, char *letter)
{
    if (message->escape == ESCAPE_BEGUN) {
        message->code = 0;
        message->escape = byte == 'u' ? ESCAPE_HEX : 0;
        // \b, \n and their kin are in no name that we know.
        *letter = byte == '/' || byte == '"' || byte == '\\' ? byte : NO_LETTER;
        return byte != 'u';
    }
    unsigned low = (unsigned char)byte | 32u;
    unsigned digit =
        low >= 'a' && low <= 'f' ? low - 'a' + 10 : (unsigned char)byte - (unsigned)'0';
    message->code = message->code * 16 + (digit < 16 ? digit : NO_DIGIT);
    message->escape = message->escape > 2 ? message->escape - 1 : 0;
    *letter = message->code < 0x80 ? (char)message->code : NO_LETTER;
    return message->escape == 0;
}

// Inside the sound: everything up to the quote is base64. Some JSON writers escape its letters, as
// "\/" or "\u002B".
static size_t scan_audio(struct prl_message *message, const char *data, size_t len)
{
    if (message->escape) {
        char letter;
        if (unescape(message, *data, &letter))
            decode(message, &letter, 1);
        return 1;
    }
    size_t run = 0;
    while (run < len && data[run] != '"' && data[run] != '\\')
        run++;
    decode(message, data, run);
    if (run == len)
        return run;
    if (data[run] == '\\') {
        message->escape = ESCAPE_BEGUN;
        return run + 1;
    }
    end_audio(message);
    return run; // the quote goes to the text
}

static void scan_string(struct prl_message *message, char byte)
{
    if (message->escape) {
        if (!unescape(message, byte, &byte))
            return;
    } else if (byte == '\\') {
        message->escape = ESCAPE_BEGUN;
        return;
    } else if (byte == '"') {
        message->in_string = false;
        return;
    }
    if (message->depth == 1 && message->key_next && message->key_len < sizeof(message->key))
        message->key[message->key_len++] = byte;
}

static bool opens_audio(const struct prl_message *message)
{
    return message->depth == 1 && !message->key_next && message->key_len == 5 &&
           memcmp(message->key, "audio", 5) == 0;
}

static void scan_structure(struct prl_message *message, char byte)
{
    switch (byte) {
    case '{':
    case '[':
        message->depth++;
        message->key_next = message->depth == 1 && byte == '{';
        message->key_len = 0;
        break;
    case '}':
    case ']':
        message->depth -= message->depth > 0;
        break;
    case ',':
        message->key_next = message->depth == 1;
        message->key_len = message->depth == 1 ? 0 : message->key_len;
        break;
    case ':':
        message->key_next = message->depth == 1 ? false : message->key_next;
        break;
    case '"':
        message->in_string = true;
        if (message->key_next && message->depth == 1)
            message->key_len = 0;
        if (opens_audio(message)) {
            message->in_audio = true;
            message->has_audio = true;
            message->base64 = (struct prl_base64){0};
            prl_str_clear(&message->audio); // a repeated member: jansson refuses it later
        }
        break;
    default:
        break;
    }
}

void prl_message_add(struct prl_message *message, const char *data, size_t len)
{
    size_t at = 0;
    while (at < len && !message->err) {
        if (message->in_audio) {
            at += scan_audio(message, data + at, len - at);
            if (at < len && !message->in_audio)
                fail(message, prl_str_addc(&message->text, data[at++]), false);
            continue;
        }
        size_t from = at;
        while (at < len && !message->in_audio) {
            if (message->in_string)
                scan_string(message, data[at]);
            else
                scan_structure(message, data[at]);
            at++;
        }
        fail(message, prl_str_add(&message->text, data + from, at - from), false);
    }
}

void prl_message_end(struct prl_message *message)
{
    if (message->in_audio)
        fail(message, PRL_ERR_INVALID, true);
}
