// ws_frame.c -- see ws_frame.h.
#include "net/ws_frame.h"

#include <string.h>

#include "base/check.h"
#include "base/str.h"

enum { CODE_PROTOCOL = 1002, CODE_NONE = 1005, CODE_UTF8 = 1007, CODE_SIZE = 1009 };

void prl_ws_reader_init(struct prl_ws_reader *reader, bool masked, size_t message_size_max)
{
    *reader = (struct prl_ws_reader){.masked = masked, .message_size_max = message_size_max};
}

static enum prl_err fault(struct prl_ws_reader *reader, uint16_t code)
{
    reader->close_code = code;
    return PRL_ERR_INVALID;
}

// The length of the header as far as its first bytes tell.
static size_t header_need(const struct prl_ws_reader *reader)
{
    if (reader->header_len < 2)
        return 2;
    unsigned len7 = reader->header[1] & 0x7f;
    size_t need = 2;
    need += len7 == 126 ? 2 : len7 == 127 ? 8 : 0;
    need += reader->header[1] & 0x80 ? 4 : 0;
    return need;
}

static bool header_len(const struct prl_ws_reader *reader, uint64_t *len, size_t *mask_at)
{
    unsigned len7 = reader->header[1] & 0x7f;
    size_t count = len7 == 126 ? 2 : len7 == 127 ? 8 : 0;
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++)
        value = value << 8 | reader->header[2 + i];
    *mask_at = 2 + count;
    *len = count ? value : len7;
    // §5.2: the shortest form must be used, the top bit must be 0.
    return !(len7 == 126 && value < 126) && !(len7 == 127 && (value < 65536 || value >> 63));
}

static enum prl_err start_data(struct prl_ws_reader *reader, unsigned opcode)
{
    if ((opcode == PRL_WS_CONTINUATION) != reader->in_message)
        return fault(reader, CODE_PROTOCOL);
    if (opcode != PRL_WS_CONTINUATION) {
        reader->in_message = true;
        reader->is_text = opcode == PRL_WS_TEXT;
        reader->started = false;
        reader->size = 0;
        reader->utf8_due = 0;
    }
    if (reader->left > reader->message_size_max - reader->size)
        return fault(reader, CODE_SIZE);
    reader->size += reader->left;
    return PRL_OK;
}

static enum prl_err start_frame(struct prl_ws_reader *reader)
{
    unsigned opcode = reader->header[0] & 0x0f;
    size_t mask_at;
    reader->final = reader->header[0] & 0x80;
    bool masked = reader->header[1] & 0x80;
    if (reader->header[0] & 0x70 || masked != reader->masked ||
        !header_len(reader, &reader->left, &mask_at))
        return fault(reader, CODE_PROTOCOL);
    memset(reader->mask, 0, sizeof(reader->mask));
    if (masked)
        memcpy(reader->mask, reader->header + mask_at, sizeof(reader->mask));
    reader->opcode = (uint8_t)opcode;
    reader->offset = 0;
    reader->header_len = 0;
    reader->in_frame = true;
    if (opcode <= PRL_WS_BINARY)
        return start_data(reader, opcode);
    reader->control_len = 0;
    bool known = opcode == PRL_WS_CLOSE || opcode == PRL_WS_PING || opcode == PRL_WS_PONG;
    if (!known || !reader->final || reader->left > PRL_WS_CONTROL_MAX)
        return fault(reader, CODE_PROTOCOL);
    return PRL_OK;
}

void prl_ws_frame_mask(uint8_t *data, size_t len, const uint8_t mask[4], uint64_t offset)
{
    uint8_t turned[8];
    for (size_t i = 0; i < sizeof(turned); i++)
        turned[i] = mask[(offset + i) & 3];
    uint64_t wide;
    memcpy(&wide, turned, sizeof(wide));
    size_t i = 0;
    for (; i + sizeof(wide) <= len; i += sizeof(wide)) {
        uint64_t word;
        memcpy(&word, data + i, sizeof(word));
        word ^= wide;
        memcpy(data + i, &word, sizeof(word));
    }
    for (; i < len; i++)
        data[i] ^= turned[i & 7];
}

// Sets what may follow `byte` when it starts a sequence (Unicode 15, table 3-7).
static bool utf8_start(struct prl_ws_reader *reader, uint8_t byte)
{
    reader->utf8_low = 0x80;
    reader->utf8_high = 0xbf;
    if (byte >= 0xc2 && byte <= 0xdf) {
        reader->utf8_due = 1;
    } else if (byte >= 0xe0 && byte <= 0xef) {
        reader->utf8_due = 2;
        reader->utf8_low = byte == 0xe0 ? 0xa0 : 0x80;
        reader->utf8_high = byte == 0xed ? 0x9f : 0xbf;
    } else if (byte >= 0xf0 && byte <= 0xf4) {
        reader->utf8_due = 3;
        reader->utf8_low = byte == 0xf0 ? 0x90 : 0x80;
        reader->utf8_high = byte == 0xf4 ? 0x8f : 0xbf;
    } else {
        return false;
    }
    return true;
}

static bool utf8_check(struct prl_ws_reader *reader, const uint8_t *data, size_t len)
{
    size_t i = 0;
    while (i < len) {
        if (reader->utf8_due == 0) {
            uint64_t word; // eight ASCII bytes at once: audio is base64
            while (i + sizeof(word) <= len) {
                memcpy(&word, data + i, sizeof(word));
                if (word & 0x8080808080808080ULL)
                    break;
                i += sizeof(word);
            }
            if (i == len)
                break;
            if (data[i] >= 0x80 && !utf8_start(reader, data[i]))
                return false;
        } else {
            if (data[i] < reader->utf8_low || data[i] > reader->utf8_high)
                return false;
            reader->utf8_due--;
            reader->utf8_low = 0x80;
            reader->utf8_high = 0xbf;
        }
        i++;
    }
    return true;
}

static enum prl_err data_piece(struct prl_ws_reader *reader, uint8_t *data, size_t len,
                               struct prl_ws_event *event)
{
    bool last = reader->final && reader->left == 0;
    if (reader->is_text && (!utf8_check(reader, data, len) || (last && reader->utf8_due > 0)))
        return fault(reader, CODE_UTF8);
    *event = (struct prl_ws_event){.kind = PRL_WS_EVENT_DATA,
                                   .text = reader->is_text,
                                   .first = !reader->started,
                                   .last = last,
                                   .data = (const char *)data,
                                   .len = len};
    reader->started = true;
    if (last)
        reader->in_message = false;
    return PRL_OK;
}

static bool close_code_legal(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static enum prl_err control_whole(struct prl_ws_reader *reader, struct prl_ws_event *event)
{
    const uint8_t *control = reader->control;
    size_t len = reader->control_len;
    *event = (struct prl_ws_event){.data = (const char *)control, .len = len};
    if (reader->opcode != PRL_WS_CLOSE) {
        event->kind = reader->opcode == PRL_WS_PING ? PRL_WS_EVENT_PING : PRL_WS_EVENT_PONG;
        return PRL_OK;
    }
    event->kind = PRL_WS_EVENT_CLOSE;
    event->code = CODE_NONE;
    if (len == 0)
        return PRL_OK;
    if (len < 2)
        return fault(reader, CODE_PROTOCOL);
    event->code = (uint16_t)(control[0] << 8 | control[1]);
    event->data += 2;
    event->len -= 2;
    if (!close_code_legal(event->code))
        return fault(reader, CODE_PROTOCOL);
    return prl_utf8_valid(event->data, event->len) ? PRL_OK : fault(reader, CODE_UTF8);
}

static size_t read_header(struct prl_ws_reader *reader, const uint8_t *data, size_t len)
{
    size_t used = 0;
    while (used < len && reader->header_len < header_need(reader))
        reader->header[reader->header_len++] = data[used++];
    return used;
}

enum prl_err prl_ws_reader_next(struct prl_ws_reader *reader, uint8_t *data, size_t len,
                                size_t *used, struct prl_ws_event *event)
{
    *used = 0;
    *event = (struct prl_ws_event){.kind = PRL_WS_EVENT_NONE};
    if (reader->close_code)
        return PRL_ERR_INVALID;
    if (!reader->in_frame) {
        *used = read_header(reader, data, len);
        if (reader->header_len < header_need(reader))
            return PRL_OK;
        enum prl_err err = start_frame(reader);
        if (err)
            return err;
    }
    uint8_t *payload = data + *used;
    size_t count = len - *used < reader->left ? len - *used : (size_t)reader->left;
    if (reader->masked)
        prl_ws_frame_mask(payload, count, reader->mask, reader->offset);
    reader->offset += count;
    reader->left -= count;
    *used += count;
    bool control = reader->opcode >= PRL_WS_CLOSE;
    if (control) {
        PRL_DCHECK(reader->control_len + count <= PRL_WS_CONTROL_MAX);
        if (count > 0)
            memcpy(reader->control + reader->control_len, payload, count);
        reader->control_len = (uint8_t)(reader->control_len + count);
    }
    reader->in_frame = reader->left > 0;
    if (control)
        return reader->in_frame ? PRL_OK : control_whole(reader, event);
    // A piece without bytes is reported only when it ends something.
    if (count == 0 && reader->in_frame)
        return PRL_OK;
    return data_piece(reader, payload, count, event);
}

size_t prl_ws_frame_header(uint8_t out[PRL_WS_HEADER_MAX], unsigned opcode, size_t len,
                           const uint8_t *mask)
{
    size_t size = 2;
    out[0] = (uint8_t)(0x80 | opcode);
    size_t count = len < 126 ? 0 : len < 65536 ? 2 : 8;
    out[1] = (uint8_t)(count == 0 ? len : count == 2 ? 126 : 127);
    for (size_t i = 0; i < count; i++)
        out[size++] = (uint8_t)((uint64_t)len >> 8 * (count - 1 - i));
    if (mask) {
        out[1] |= 0x80;
        memcpy(out + size, mask, 4);
        size += 4;
    }
    return size;
}
