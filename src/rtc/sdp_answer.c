// sdp_answer.c -- the answer of sdp.h. ICE credentials, fingerprint and role stand in every
// section, refused ones too: aiortc asks for them there. Candidates stand in the first one in use
// only, which carries the transport of the group (RFC 8843 §7.3.1).
#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "rtc/sdp.h"

struct writer {
    const struct prl_sdp *offer;
    const struct prl_sdp_local *local;
    struct prl_str *out;
};

static const struct prl_sdp_candidate *default_candidate(const struct prl_sdp_local *local)
{
    for (size_t i = 0; i < local->candidate_count; i++)
        if (!local->candidates[i].tcp)
            return &local->candidates[i];
    return NULL;
}

static bool in_use(const struct writer *writer, size_t index)
{
    enum prl_sdp_use use = writer->offer->media[index].use;
    return use == PRL_SDP_AUDIO || (use == PRL_SDP_DATA && writer->local->data);
}

static void write_connection(const struct writer *writer)
{
    char host[PRL_ADDR_TEXT_SIZE] = "0.0.0.0";
    const struct prl_sdp_candidate *candidate = default_candidate(writer->local);
    if (candidate)
        prl_sockaddr_text(&candidate->address, host, sizeof(host));
    bool v6 = candidate && prl_addr_is_v6(&candidate->address);
    prl_str_addf(writer->out, "c=IN %s %s\r\n", v6 ? "IP6" : "IP4", host);
}

// RFC 8445 §5.1.2.1 and RFC 6544 §4.2: UDP before TCP, else in the order given.
static uint32_t priority_of(const struct prl_sdp_candidate *candidate, size_t index)
{
    uint32_t type = candidate->tcp ? 90 : 126;
    uint32_t place = candidate->tcp ? (4U << 13) + 8191 : 65535;
    return type << 24 | (place - (uint32_t)index) << 8 | 255;
}

static void write_candidates(const struct writer *writer)
{
    for (size_t i = 0; i < writer->local->candidate_count; i++) {
        const struct prl_sdp_candidate *candidate = &writer->local->candidates[i];
        char host[PRL_ADDR_TEXT_SIZE];
        prl_sockaddr_text(&candidate->address, host, sizeof(host));
        prl_str_addf(writer->out, "a=candidate:%zu 1 %s %" PRIu32 " %s %u typ host%s\r\n", i + 1,
                     candidate->tcp ? "tcp" : "udp", priority_of(candidate, i), host,
                     prl_addr_port(&candidate->address), candidate->tcp ? " tcptype passive" : "");
    }
    prl_str_adds(writer->out, "a=end-of-candidates\r\n");
}

static void write_transport(const struct writer *writer)
{
    const struct prl_sdp_local *local = writer->local;
    prl_str_addf(writer->out, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=fingerprint:sha-256 ",
                 local->ice->ufrag, local->ice->password);
    for (size_t i = 0; i < PRL_SDP_FINGERPRINT_SIZE; i++)
        prl_str_addf(writer->out, "%s%02X", i > 0 ? ":" : "", local->fingerprint[i]);
    prl_str_addf(writer->out, "\r\na=setup:%s\r\n",
                 local->setup == PRL_SDP_ACTIVE ? "active" : "passive");
}

static void write_mid(const struct writer *writer, size_t index)
{
    if (writer->offer->media[index].mid[0] != '\0')
        prl_str_addf(writer->out, "a=mid:%s\r\n", writer->offer->media[index].mid);
}

static void write_refused(const struct writer *writer, size_t index)
{
    const struct prl_sdp_media *media = &writer->offer->media[index];
    prl_str_addf(writer->out, "m=%s 0 %s %s\r\nc=IN IP4 0.0.0.0\r\n", media->kind, media->protocol,
                 media->format);
    write_mid(writer, index);
    prl_str_adds(writer->out, "a=inactive\r\n");
    if (strcmp(media->kind, "application") != 0)
        prl_str_adds(writer->out, "a=rtcp-mux\r\n");
    if (media->encoding[0] != '\0')
        prl_str_addf(writer->out, "a=rtpmap:%s %s\r\n", media->format, media->encoding);
    write_transport(writer);
    prl_str_adds(writer->out, "a=end-of-candidates\r\n");
}

static void write_codecs(const struct writer *writer)
{
    static const char *const names[] = {"opus/48000/2", "PCMU/8000", "PCMA/8000"};
    const struct prl_sdp *offer = writer->offer;
    for (size_t i = 0; i < offer->codec_count; i++) {
        unsigned type = offer->codecs[i].payload_type;
        prl_str_addf(writer->out, "a=rtpmap:%u %s\r\n", type, names[offer->codecs[i].codec]);
        if (offer->codecs[i].codec != PRL_RTC_OPUS)
            continue;
        prl_str_addf(writer->out, "a=fmtp:%u minptime=10;useinbandfec=1;stereo=0\r\n", type);
        if (offer->nack)
            prl_str_addf(writer->out, "a=rtcp-fb:%u nack\r\n", type);
        if (offer->transport_cc)
            prl_str_addf(writer->out, "a=rtcp-fb:%u transport-cc\r\n", type);
    }
}

static void write_extension(const struct writer *writer, unsigned id, const char *uri)
{
    if (id != 0)
        prl_str_addf(writer->out, "a=extmap:%u %s\r\n", id, uri);
}

static void write_audio(const struct writer *writer, unsigned port)
{
    static const char *const directions[] = {"sendrecv", "sendonly", "recvonly", "inactive"};
    const struct prl_sdp *offer = writer->offer;
    enum prl_sdp_direction direction = prl_sdp_mirror(offer->direction);
    prl_str_addf(writer->out, "m=audio %u %s", port, offer->media[offer->audio_index].protocol);
    for (size_t i = 0; i < offer->codec_count; i++)
        prl_str_addf(writer->out, " %u", offer->codecs[i].payload_type);
    prl_str_adds(writer->out, "\r\n");
    write_connection(writer);
    write_mid(writer, offer->audio_index);
    prl_str_addf(writer->out, "a=%s\r\na=rtcp-mux\r\n", directions[direction]);
    if (offer->rtcp_rsize)
        prl_str_adds(writer->out, "a=rtcp-rsize\r\n");
    write_codecs(writer);
    write_extension(writer, offer->transport_cc_id,
                    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01");
    write_extension(writer, offer->audio_level_id, "urn:ietf:params:rtp-hdrext:ssrc-audio-level");
    write_extension(writer, offer->mid_id, "urn:ietf:params:rtp-hdrext:sdes:mid");
    const char *cname = writer->local->cname;
    if (direction == PRL_SDP_SENDRECV || direction == PRL_SDP_SENDONLY)
        prl_str_addf(writer->out, "a=msid:%s %s-audio\r\na=ssrc:%" PRIu32 " cname:%s\r\n", cname,
                     cname, writer->local->ssrc, cname);
}

static void write_data(const struct writer *writer, unsigned port)
{
    const struct prl_sdp *offer = writer->offer;
    const struct prl_sdp_media *media = &offer->media[offer->data_index];
    if (offer->data_old_form)
        prl_str_addf(writer->out, "m=application %u %s %u\r\n", port, media->protocol,
                     offer->sctp_port);
    else
        prl_str_addf(writer->out, "m=application %u %s webrtc-datachannel\r\n", port,
                     media->protocol);
    write_connection(writer);
    write_mid(writer, offer->data_index);
    if (offer->data_old_form)
        prl_str_addf(writer->out, "a=sctpmap:%u webrtc-datachannel 1024\r\n", offer->sctp_port);
    else
        prl_str_adds(writer->out, "a=sctp-port:5000\r\n");
    prl_str_addf(writer->out, "a=max-message-size:%" PRIu32 "\r\n",
                 writer->local->message_size_max);
}

static void write_session(const struct writer *writer)
{
    const struct prl_sdp *offer = writer->offer;
    prl_str_addf(writer->out,
                 "v=0\r\no=- %" PRIu64 " %" PRIu64 " IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
                 "a=ice-lite\r\n",
                 writer->local->session_id, writer->local->version);
    if (!offer->bundle)
        return;
    prl_str_adds(writer->out, "a=group:BUNDLE");
    for (size_t i = 0; i < offer->media_count; i++)
        if (in_use(writer, i))
            prl_str_addf(writer->out, " %s", offer->media[i].mid);
    prl_str_adds(writer->out, "\r\n");
}

enum prl_err prl_sdp_answer(const struct prl_sdp *offer, const struct prl_sdp_local *local,
                            struct prl_str *answer)
{
    PRL_CHECK(offer->type == PRL_SDP_OFFER && offer->codec_count > 0);
    PRL_CHECK(local->setup != PRL_SDP_ACTPASS);
    const struct writer writer = {.offer = offer, .local = local, .out = answer};
    const struct prl_sdp_candidate *candidate = default_candidate(local);
    // 9 is the port of nothing, for a transport without a default (RFC 8840 §4.1.1).
    unsigned port = candidate ? prl_addr_port(&candidate->address) : 9;
    bool first = true;
    write_session(&writer);
    for (size_t i = 0; i < offer->media_count; i++) {
        if (!in_use(&writer, i)) {
            write_refused(&writer, i);
            continue;
        }
        if (offer->media[i].use == PRL_SDP_AUDIO)
            write_audio(&writer, port);
        else
            write_data(&writer, port);
        write_transport(&writer);
        if (first)
            write_candidates(&writer);
        first = false;
    }
    return answer->err;
}
