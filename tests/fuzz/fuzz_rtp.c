// fuzz_rtp.c -- RTP headers: whatever parses lies inside the datagram, and so do its elements.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "rtc/rtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(const uint8_t *data, size_t size, const uint8_t *part, size_t part_size)
{
    if (part < data || part_size > size || (size_t)(part - data) > size - part_size)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct prl_rtp_packet packet;
    enum prl_rtp_kind kind = prl_rtp_classify(data, size);
    if (prl_rtp_parse(&packet, data, size) != PRL_OK)
        return 0;
    if (kind != PRL_RTP_KIND_RTP && kind != PRL_RTP_KIND_RTCP)
        abort(); // version 2, and yet not told apart
    inside(data, size, packet.payload, packet.payload_size);
    for (unsigned id = 0; id < 18; id++) {
        const uint8_t *value;
        size_t value_size;
        if (prl_rtp_extension(&packet, id, &value, &value_size))
            inside(packet.extension, packet.extension_size, value, value_size);
    }
    uint16_t seq;
    int level;
    bool voice;
    if (prl_rtp_audio_level(&packet, 1, &level, &voice) && (level > 0 || level < -127))
        abort();
    (void)prl_rtp_transport_seq(&packet, 3, &seq);
    struct prl_rtp_header header = {.marker = packet.marker,
                                    .payload_type = packet.payload_type,
                                    .seq = packet.seq,
                                    .timestamp = packet.timestamp,
                                    .ssrc = packet.ssrc};
    uint8_t out[PRL_RTP_HEADER_SIZE_MAX];
    struct prl_rtp_packet again;
    if (prl_rtp_parse(&again, out, prl_rtp_build(out, &header)) != PRL_OK ||
        again.seq != packet.seq || again.ssrc != packet.ssrc ||
        again.timestamp != packet.timestamp || again.payload_type != packet.payload_type)
        abort();
    return 0;
}
