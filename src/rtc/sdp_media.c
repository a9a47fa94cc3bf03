// sdp_media.c -- see sdp_media.h.
#include "rtc/sdp_media.h"

#include <string.h>

enum {
    PAYLOAD_TYPES = 128,
    NO_CODEC = -1,
    EXTENSION_ID_MAX = 14, // one-byte headers (RFC 8285 §4.2)
    UFRAG_MIN = 4,
    PASSWORD_MIN = 22,
    BITRATE_MAX = 510000, // RFC 7587 §6.1
};

struct prl_sdp_lines prl_sdp_section_lines(const struct prl_sdp_section *section)
{
    return (struct prl_sdp_lines){
        .at = section->at, .end = section->end, .number = section->number - 1};
}

static int codec_of(struct prl_sdp_slice encoding)
{
    if (prl_sdp_is(encoding, "opus/48000/2"))
        return PRL_RTC_OPUS;
    if (prl_sdp_is(encoding, "PCMU/8000") || prl_sdp_is(encoding, "PCMU/8000/1"))
        return PRL_RTC_PCMU;
    if (prl_sdp_is(encoding, "PCMA/8000") || prl_sdp_is(encoding, "PCMA/8000/1"))
        return PRL_RTC_PCMA;
    return NO_CODEC;
}

static bool has_codec(const struct prl_sdp *sdp, int codec)
{
    for (size_t i = 0; i < sdp->codec_count; i++)
        if ((int)sdp->codecs[i].codec == codec)
            return true;
    return false;
}

void prl_sdp_read_codecs(struct prl_sdp *sdp, const struct prl_sdp_section *section)
{
    int map[PAYLOAD_TYPES];
    for (size_t i = 0; i < PAYLOAD_TYPES; i++)
        map[i] = NO_CODEC;
    map[0] = PRL_RTC_PCMU; // static payload types of RFC 3551 §6
    map[8] = PRL_RTC_PCMA;
    struct prl_sdp_lines lines = prl_sdp_section_lines(section);
    struct prl_sdp_slice value;
    struct prl_sdp_slice word;
    uint64_t type;
    while (prl_sdp_next(&lines)) {
        if (!prl_sdp_attribute(lines.line, "rtpmap", &value))
            continue;
        if (prl_sdp_word(&value, &word) && prl_sdp_number(word, PAYLOAD_TYPES - 1, &type) &&
            prl_sdp_word(&value, &word))
            map[type] = codec_of(word);
    }
    sdp->codec_count = 0;
    struct prl_sdp_slice formats = section->formats;
    while (prl_sdp_word(&formats, &word)) {
        if (!prl_sdp_number(word, PAYLOAD_TYPES - 1, &type) || map[type] == NO_CODEC ||
            has_codec(sdp, map[type]))
            continue;
        sdp->codecs[sdp->codec_count++] = (struct prl_sdp_codec){
            .codec = (enum prl_rtc_codec)map[type], .payload_type = (uint8_t)type};
    }
}

static bool read_direction(struct prl_sdp_slice line, enum prl_sdp_direction *direction)
{
    static const char *const names[] = {"sendrecv", "sendonly", "recvonly", "inactive"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (prl_sdp_flag(line, names[i])) {
            *direction = (enum prl_sdp_direction)i;
            return true;
        }
    }
    return false;
}

static bool is_opus(const struct prl_sdp *sdp, struct prl_sdp_slice word)
{
    uint64_t type;
    if (!prl_sdp_number(word, PAYLOAD_TYPES - 1, &type))
        return false;
    for (size_t i = 0; i < sdp->codec_count; i++)
        if (sdp->codecs[i].codec == PRL_RTC_OPUS && sdp->codecs[i].payload_type == type)
            return true;
    return false;
}

// "111 minptime=10;useinbandfec=1"
static void read_fmtp(struct prl_sdp *sdp, struct prl_sdp_slice value)
{
    struct prl_sdp_slice word;
    uint64_t number;
    if (!prl_sdp_word(&value, &word) || !is_opus(sdp, word))
        return;
    while (value.len > 0) {
        struct prl_sdp_slice parameter = prl_sdp_until(&value, ';');
        struct prl_sdp_slice name = prl_sdp_until(&parameter, '=');
        if (!prl_sdp_word(&name, &word) || !prl_sdp_number(parameter, UINT32_MAX, &number))
            continue;
        if (prl_sdp_is(word, "useinbandfec"))
            sdp->opus_fec = number == 1;
        else if (prl_sdp_is(word, "maxaveragebitrate") && number > 0)
            sdp->opus_bitrate_max = (uint32_t)(number < BITRATE_MAX ? number : BITRATE_MAX);
    }
}

// "111 nack", "* transport-cc"; "nack pli" is of video.
static void read_feedback(struct prl_sdp *sdp, struct prl_sdp_slice value)
{
    struct prl_sdp_slice word;
    if (!prl_sdp_word(&value, &word) || !(prl_sdp_is(word, "*") || is_opus(sdp, word)))
        return;
    if (prl_sdp_is(value, "nack"))
        sdp->nack = true;
    else if (prl_sdp_is(value, "transport-cc"))
        sdp->transport_cc = true;
}

// "3 URI", "3/sendrecv URI". Those of one direction only are not taken.
static void read_extension(struct prl_sdp *sdp, struct prl_sdp_slice value)
{
    struct prl_sdp_slice id;
    struct prl_sdp_slice uri;
    uint64_t number;
    if (!prl_sdp_word(&value, &id) || !prl_sdp_word(&value, &uri))
        return;
    struct prl_sdp_slice head = prl_sdp_until(&id, '/');
    if (!prl_sdp_number(head, EXTENSION_ID_MAX, &number) || number == 0 ||
        (id.len > 0 && !prl_sdp_is(id, "sendrecv")))
        return;
    if (prl_sdp_is(uri, "http://www.ietf.org/id/"
                        "draft-holmer-rmcat-transport-wide-cc-extensions-01"))
        sdp->transport_cc_id = (uint8_t)number;
    else if (prl_sdp_is(uri, "urn:ietf:params:rtp-hdrext:ssrc-audio-level"))
        sdp->audio_level_id = (uint8_t)number;
    else if (prl_sdp_is(uri, "urn:ietf:params:rtp-hdrext:sdes:mid"))
        sdp->mid_id = (uint8_t)number;
}

enum prl_err prl_sdp_read_audio(struct prl_sdp *sdp, const struct prl_sdp_section *session,
                                const struct prl_sdp_section *section, char *why)
{
    struct prl_sdp_lines lines = prl_sdp_section_lines(session);
    struct prl_sdp_slice value;
    struct prl_sdp_slice word;
    uint64_t number;
    bool mux = false;
    sdp->direction = PRL_SDP_SENDRECV;
    while (prl_sdp_next(&lines))
        (void)read_direction(lines.line, &sdp->direction);
    lines = prl_sdp_section_lines(section);
    while (prl_sdp_next(&lines)) {
        if (read_direction(lines.line, &sdp->direction))
            continue;
        if (prl_sdp_flag(lines.line, "rtcp-mux"))
            mux = true;
        else if (prl_sdp_flag(lines.line, "rtcp-rsize"))
            sdp->rtcp_rsize = true;
        else if (prl_sdp_attribute(lines.line, "fmtp", &value))
            read_fmtp(sdp, value);
        else if (prl_sdp_attribute(lines.line, "rtcp-fb", &value))
            read_feedback(sdp, value);
        else if (prl_sdp_attribute(lines.line, "extmap", &value))
            read_extension(sdp, value);
        else if (sdp->ssrc == 0 && prl_sdp_attribute(lines.line, "ssrc", &value) &&
                 prl_sdp_word(&value, &word) && prl_sdp_number(word, UINT32_MAX, &number))
            sdp->ssrc = (uint32_t)number;
    }
    if (!mux)
        return prl_sdp_wrong(why, section->number, "audio without a=rtcp-mux, which is needed");
    return PRL_OK;
}

enum prl_err prl_sdp_read_data(struct prl_sdp *sdp, const struct prl_sdp_section *section,
                               char *why)
{
    struct prl_sdp_lines lines = prl_sdp_section_lines(section);
    struct prl_sdp_slice value;
    struct prl_sdp_slice word = {0};
    uint64_t port = 0;
    uint64_t size = 65536; // RFC 8841 §6.1: when it is not said
    unsigned port_line = section->number;
    if (sdp->data_old_form) {
        value = section->formats;
        (void)prl_sdp_word(&value, &word);
    }
    while (prl_sdp_next(&lines)) {
        if (!sdp->data_old_form && prl_sdp_attribute(lines.line, "sctp-port", &value)) {
            word = value;
            port_line = lines.number;
        } else if (prl_sdp_attribute(lines.line, "max-message-size", &value) &&
                   !prl_sdp_number(value, UINT64_MAX, &size)) {
            return prl_sdp_wrong(why, lines.number, "a=max-message-size is not a number");
        }
    }
    if (!prl_sdp_number(word, UINT16_MAX, &port) || port == 0)
        return prl_sdp_wrong(why, port_line, "data channels need an SCTP port of 1 to 65535%s",
                             sdp->data_old_form ? "" : " (a=sctp-port)");
    sdp->sctp_port = (uint16_t)port;
    sdp->message_size_max = size == 0 || size > UINT32_MAX ? UINT32_MAX : (uint32_t)size;
    return PRL_OK;
}

// ice-char of RFC 8839 §5.4.
static bool is_ice_text(struct prl_sdp_slice text, size_t min)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '+' || c == '/'))
            return false;
    }
    return text.len >= min && text.len < PRL_ICE_TEXT_SIZE;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool read_hex(struct prl_sdp_slice text, uint8_t out[PRL_SDP_FINGERPRINT_SIZE])
{
    if (text.len != 3 * PRL_SDP_FINGERPRINT_SIZE - 1)
        return false;
    for (size_t i = 0; i < PRL_SDP_FINGERPRINT_SIZE; i++) {
        int high = hex_digit(text.at[3 * i]);
        int low = hex_digit(text.at[3 * i + 1]);
        bool colon = i + 1 == PRL_SDP_FINGERPRINT_SIZE || text.at[3 * i + 2] == ':';
        if (high < 0 || low < 0 || !colon)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static enum prl_err read_fingerprint(struct prl_sdp_transport *transport, unsigned number,
                                     struct prl_sdp_slice value, char *why)
{
    struct prl_sdp *sdp = transport->sdp;
    struct prl_sdp_slice hash;
    if (!prl_sdp_word(&value, &hash) || !prl_sdp_is(hash, "sha-256")) {
        transport->other_hash = number;
        return PRL_OK;
    }
    uint8_t bytes[PRL_SDP_FINGERPRINT_SIZE];
    if (!read_hex(value, bytes))
        return prl_sdp_wrong(why, number,
                             "a fingerprint of sha-256 is 32 bytes in hexadecimal with colons");
    if (sdp->fingerprint_count < PRL_SDP_FINGERPRINTS_MAX)
        memcpy(sdp->fingerprints[sdp->fingerprint_count++], bytes, sizeof(bytes));
    return PRL_OK;
}

static enum prl_err read_setup(struct prl_sdp_transport *transport, unsigned number,
                               struct prl_sdp_slice value, char *why)
{
    struct prl_sdp *sdp = transport->sdp;
    if (prl_sdp_is(value, "actpass") && sdp->type == PRL_SDP_OFFER)
        sdp->setup = PRL_SDP_ACTPASS;
    else if (prl_sdp_is(value, "active"))
        sdp->setup = PRL_SDP_ACTIVE;
    else if (prl_sdp_is(value, "passive"))
        sdp->setup = PRL_SDP_PASSIVE;
    else
        return prl_sdp_wrong(why, number, "a=setup must be %sactive or passive",
                             sdp->type == PRL_SDP_OFFER ? "actpass, " : "");
    transport->has_setup = true;
    return PRL_OK;
}

// "1 1 udp 2122260223 192.0.2.7 54321 typ host …". For information only: what cannot be read, such
// as a .local name, is left out.
static void read_candidate(struct prl_sdp *sdp, struct prl_sdp_slice value)
{
    struct prl_sdp_slice words[6];
    uint64_t number;
    char host[64];
    for (size_t i = 0; i < 6; i++)
        if (!prl_sdp_word(&value, &words[i]))
            return;
    struct prl_sdp_candidate candidate = {.tcp = prl_sdp_is(words[2], "tcp")};
    if (sdp->candidate_count == PRL_SDP_CANDIDATES_MAX || !prl_sdp_is(words[1], "1") ||
        !(candidate.tcp || prl_sdp_is(words[2], "udp")) ||
        !prl_sdp_number(words[5], UINT16_MAX, &number) ||
        !prl_sdp_copy(words[4], host, sizeof(host)) ||
        !prl_addr_parse(&candidate.address, host, (uint16_t)number))
        return;
    sdp->candidates[sdp->candidate_count++] = candidate;
}

// Which attributes earlier sections have left open.
struct open {
    bool ufrag, password, fingerprints, setup, candidates;
};

static enum prl_err read_transport_line(struct prl_sdp_transport *transport,
                                        const struct open *open, const struct prl_sdp_lines *lines,
                                        char *why)
{
    struct prl_sdp *sdp = transport->sdp;
    struct prl_sdp_slice value;
    if (open->ufrag && prl_sdp_attribute(lines->line, "ice-ufrag", &value)) {
        if (!is_ice_text(value, UFRAG_MIN))
            return prl_sdp_wrong(why, lines->number,
                                 "a=ice-ufrag must be 4 to 256 letters, digits, + or /");
        (void)prl_sdp_copy(value, sdp->ice.ufrag, sizeof(sdp->ice.ufrag));
    } else if (open->password && prl_sdp_attribute(lines->line, "ice-pwd", &value)) {
        if (!is_ice_text(value, PASSWORD_MIN))
            return prl_sdp_wrong(why, lines->number,
                                 "a=ice-pwd must be 22 to 256 letters, digits, + or /");
        (void)prl_sdp_copy(value, sdp->ice.password, sizeof(sdp->ice.password));
    } else if (open->fingerprints && prl_sdp_attribute(lines->line, "fingerprint", &value)) {
        return read_fingerprint(transport, lines->number, value, why);
    } else if (open->setup && prl_sdp_attribute(lines->line, "setup", &value)) {
        return read_setup(transport, lines->number, value, why);
    } else if (open->candidates && prl_sdp_attribute(lines->line, "candidate", &value)) {
        read_candidate(sdp, value);
    } else if (prl_sdp_flag(lines->line, "end-of-candidates")) {
        sdp->end_of_candidates = true;
    } else if (prl_sdp_flag(lines->line, "ice-lite")) {
        if (sdp->type == PRL_SDP_OFFER)
            return prl_sdp_wrong(why, lines->number,
                                 "the offer is of an ICE-lite agent, and so are we: one side must "
                                 "be able to send checks");
        sdp->ice_lite = true;
    }
    return PRL_OK;
}

enum prl_err prl_sdp_read_transport(struct prl_sdp_transport *transport,
                                    const struct prl_sdp_section *section, char *why)
{
    const struct prl_sdp *sdp = transport->sdp;
    const struct open open = {
        .ufrag = sdp->ice.ufrag[0] == '\0',
        .password = sdp->ice.password[0] == '\0',
        .fingerprints = sdp->fingerprint_count == 0,
        .setup = !transport->has_setup,
        .candidates = sdp->candidate_count == 0,
    };
    struct prl_sdp_lines lines = prl_sdp_section_lines(section);
    enum prl_err err = PRL_OK;
    while (!err && prl_sdp_next(&lines))
        err = read_transport_line(transport, &open, &lines, why);
    return err;
}
