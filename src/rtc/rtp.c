// rtp.c -- see rtp.h.
#include "rtc/rtp.h"

#include <string.h>

enum {
    VERSION = 2,
    ONE_BYTE = 0xBEDE,
    TWO_BYTE = 0x1000, // and fifteen more
    RTCP_TYPE_MIN = 192,
    RTCP_TYPE_MAX = 223,
};

static uint16_t read_u16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static uint32_t read_u32(const uint8_t *bytes)
{
    return (uint32_t)read_u16(bytes) << 16 | read_u16(bytes + 2);
}

static void write_u16(uint8_t *bytes, uint16_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static void write_u32(uint8_t *bytes, uint32_t value)
{
    write_u16(bytes, (uint16_t)(value >> 16));
    write_u16(bytes + 2, (uint16_t)value);
}

enum prl_rtp_kind prl_rtp_classify(const uint8_t *datagram, size_t size)
{
    if (size < 2)
        return PRL_RTP_KIND_OTHER;
    if (datagram[0] <= 3)
        return PRL_RTP_KIND_STUN;
    if (datagram[0] >= 20 && datagram[0] <= 63)
        return PRL_RTP_KIND_DTLS;
    if (datagram[0] < 128 || datagram[0] > 191)
        return PRL_RTP_KIND_OTHER;
    return datagram[1] >= RTCP_TYPE_MIN && datagram[1] <= RTCP_TYPE_MAX ? PRL_RTP_KIND_RTCP
                                                                        : PRL_RTP_KIND_RTP;
}

static enum prl_err parse_extension(struct prl_rtp_packet *packet, const uint8_t *data, size_t size)
{
    size_t at = packet->header_size;
    if (size < at + 4)
        return PRL_ERR_INVALID;
    packet->extension_profile = read_u16(data + at);
    packet->extension_size = (size_t)4 * read_u16(data + at + 2);
    packet->extension = data + at + 4;
    packet->header_size = at + 4 + packet->extension_size;
    return size < packet->header_size ? PRL_ERR_INVALID : PRL_OK;
}

enum prl_err prl_rtp_parse(struct prl_rtp_packet *packet, const uint8_t *data, size_t size)
{
    memset(packet, 0, sizeof(*packet));
    if (size < PRL_RTP_HEADER_SIZE || data[0] >> 6 != VERSION)
        return PRL_ERR_INVALID;
    packet->csrc_count = data[0] & 15;
    packet->marker = data[1] >> 7;
    packet->payload_type = data[1] & 127;
    packet->seq = read_u16(data + 2);
    packet->timestamp = read_u32(data + 4);
    packet->ssrc = read_u32(data + 8);
    packet->header_size = PRL_RTP_HEADER_SIZE + (size_t)4 * packet->csrc_count;
    if (size < packet->header_size)
        return PRL_ERR_INVALID;
    if ((data[0] & 16) != 0) {
        enum prl_err err = parse_extension(packet, data, size);
        if (err)
            return err;
    }
    packet->payload = data + packet->header_size;
    packet->payload_size = size - packet->header_size;
    if ((data[0] & 32) == 0)
        return PRL_OK;
    size_t padding = data[size - 1];
    if (padding == 0 || padding > packet->payload_size)
        return PRL_ERR_INVALID;
    packet->payload_size -= padding;
    return PRL_OK;
}

bool prl_rtp_extension(const struct prl_rtp_packet *packet, unsigned id, const uint8_t **value,
                       size_t *size)
{
    bool one_byte = packet->extension_profile == ONE_BYTE;
    const uint8_t *bytes = packet->extension;
    if (!bytes || id == 0 || (!one_byte && (packet->extension_profile & 0xfff0) != TWO_BYTE))
        return false;
    size_t head = one_byte ? 1 : 2;
    for (size_t at = 0; at + head <= packet->extension_size;) {
        unsigned found = one_byte ? bytes[at] >> 4 : bytes[at];
        if (found == 0) { // padding between elements
            at++;
            continue;
        }
        if (one_byte && found == 15) // RFC 8285 §4.2: stop here
            return false;
        size_t length = one_byte ? (bytes[at] & 15) + 1u : bytes[at + 1];
        at += head;
        if (length > packet->extension_size - at)
            return false;
        if (found == id) {
            *value = bytes + at;
            *size = length;
            return true;
        }
        at += length;
    }
    return false;
}

bool prl_rtp_transport_seq(const struct prl_rtp_packet *packet, unsigned id, uint16_t *seq)
{
    const uint8_t *value;
    size_t size;
    if (!prl_rtp_extension(packet, id, &value, &size) || size < 2)
        return false;
    *seq = read_u16(value);
    return true;
}

bool prl_rtp_audio_level(const struct prl_rtp_packet *packet, unsigned id, int *level_db,
                         bool *voice)
{
    const uint8_t *value;
    size_t size;
    if (!prl_rtp_extension(packet, id, &value, &size) || size < 1)
        return false;
    *level_db = -(value[0] & 127);
    *voice = value[0] >> 7;
    return true;
}

size_t prl_rtp_build(uint8_t *out, const struct prl_rtp_header *header)
{
    bool extended = header->transport_seq_id != 0;
    out[0] = VERSION << 6 | (extended ? 16 : 0);
    out[1] = (uint8_t)((header->marker ? 128 : 0) | (header->payload_type & 127));
    write_u16(out + 2, header->seq);
    write_u32(out + 4, header->timestamp);
    write_u32(out + 8, header->ssrc);
    if (!extended)
        return PRL_RTP_HEADER_SIZE;
    uint8_t *at = out + PRL_RTP_HEADER_SIZE;
    write_u16(at, ONE_BYTE);
    write_u16(at + 2, 1);
    at[4] = (uint8_t)((header->transport_seq_id & 15) << 4 | (2 - 1));
    write_u16(at + 5, header->transport_seq);
    at[7] = 0;
    return PRL_RTP_HEADER_SIZE + 8;
}
