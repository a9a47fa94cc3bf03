// sdp.c -- see sdp.h. First the description is cut into sections at its m= lines; then the lines
// that we take are chosen; then the chosen sections are read again for what they say (sdp_media.c).
// So nothing of a refused line is kept but what its refusal needs.
#include "rtc/sdp.h"

#include <string.h>

#include "rtc/sdp_line.h"
#include "rtc/sdp_media.h"

enum { NONE = -1 };

struct parse {
    struct prl_sdp *sdp;
    char *why;
    struct prl_sdp_section session;
    struct prl_sdp_section media[PRL_SDP_MEDIA_MAX];
    struct prl_sdp_slice group; // mids of the audio line's BUNDLE group
};

static const char *side(const struct parse *parse)
{
    return parse->sdp->type == PRL_SDP_OFFER ? "offer" : "answer";
}

static bool is_line(const struct prl_sdp_lines *lines)
{
    struct prl_sdp_slice line = lines->line;
    return line.len >= 2 && line.at[0] >= 'a' && line.at[0] <= 'z' && line.at[1] == '=' &&
           !memchr(line.at, '\0', line.len) && !memchr(line.at, '\r', line.len);
}

// "m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8"
static enum prl_err read_media_line(struct parse *parse, const struct prl_sdp_lines *lines)
{
    struct prl_sdp *sdp = parse->sdp;
    if (sdp->media_count == PRL_SDP_MEDIA_MAX)
        return prl_sdp_wrong(parse->why, lines->number, "more than %d m= lines", PRL_SDP_MEDIA_MAX);
    struct prl_sdp_media *media = &sdp->media[sdp->media_count];
    struct prl_sdp_section *section = &parse->media[sdp->media_count];
    struct prl_sdp_slice rest = {lines->line.at + 2, lines->line.len - 2};
    struct prl_sdp_slice kind;
    struct prl_sdp_slice port;
    struct prl_sdp_slice protocol;
    struct prl_sdp_slice format;
    uint64_t number;
    bool good = prl_sdp_word(&rest, &kind) && prl_sdp_copy(kind, media->kind, sizeof(media->kind));
    good = good && prl_sdp_word(&rest, &port) &&
           prl_sdp_number(prl_sdp_until(&port, '/'), UINT16_MAX, &number);
    good = good && prl_sdp_word(&rest, &protocol) &&
           prl_sdp_copy(protocol, media->protocol, sizeof(media->protocol));
    section->formats = rest;
    good = good && prl_sdp_word(&rest, &format) &&
           prl_sdp_copy(format, media->format, sizeof(media->format));
    if (!good)
        return prl_sdp_wrong(parse->why, lines->number,
                             "not of the form m=KIND PORT PROTOCOL FORMATS");
    section->number = lines->number;
    section->offered = number != 0;
    section->at = lines->line.at;
    sdp->media_count++;
    return PRL_OK;
}

static int find_mid(const struct prl_sdp *sdp, const char *mid)
{
    for (size_t i = 0; i < sdp->media_count; i++)
        if (strcmp(sdp->media[i].mid, mid) == 0)
            return (int)i;
    return NONE;
}

static enum prl_err read_mid(struct parse *parse, unsigned number, struct prl_sdp_slice value)
{
    char mid[PRL_SDP_MID_SIZE];
    struct prl_sdp_media *media = &parse->sdp->media[parse->sdp->media_count - 1];
    if (!prl_sdp_copy(value, mid, sizeof(mid)))
        return prl_sdp_wrong(parse->why, number, "a=mid must be one word of at most %d characters",
                             PRL_SDP_MID_SIZE - 1);
    if (media->mid[0] != '\0' || find_mid(parse->sdp, mid) != NONE)
        return prl_sdp_wrong(parse->why, number, "this mid has been given before");
    memcpy(media->mid, mid, sizeof(mid));
    return PRL_OK;
}

// "a=rtpmap:96 VP8/90000" of the first format; a name that is too long is left out.
static void read_encoding(struct prl_sdp_media *media, struct prl_sdp_slice value)
{
    struct prl_sdp_slice word;
    if (prl_sdp_word(&value, &word) && prl_sdp_is_exact(word, media->format) &&
        prl_sdp_word(&value, &word))
        (void)prl_sdp_copy(word, media->encoding, sizeof(media->encoding));
}

static void end_section(struct parse *parse, const char *at)
{
    size_t count = parse->sdp->media_count;
    if (count == 0)
        parse->session.end = at;
    else
        parse->media[count - 1].end = at;
}

static enum prl_err read_line(struct parse *parse, const struct prl_sdp_lines *lines)
{
    struct prl_sdp *sdp = parse->sdp;
    struct prl_sdp_slice value;
    if (lines->line.len > PRL_SDP_LINE_MAX)
        return prl_sdp_wrong(parse->why, lines->number, "longer than %d bytes", PRL_SDP_LINE_MAX);
    if (!is_line(lines))
        return prl_sdp_wrong(parse->why, lines->number, "not of the form LETTER=VALUE");
    if (lines->line.at[0] == 'm') {
        end_section(parse, lines->line.at);
        return read_media_line(parse, lines);
    }
    if (sdp->media_count == 0)
        return PRL_OK;
    if (prl_sdp_attribute(lines->line, "mid", &value))
        return read_mid(parse, lines->number, value);
    if (prl_sdp_attribute(lines->line, "rtpmap", &value))
        read_encoding(&sdp->media[sdp->media_count - 1], value);
    else if (prl_sdp_flag(lines->line, "bundle-only"))
        parse->media[sdp->media_count - 1].offered = true;
    return PRL_OK;
}

static enum prl_err cut(struct parse *parse, const char *text, size_t len)
{
    struct prl_sdp_lines lines = {.at = text, .end = text + len};
    parse->session = (struct prl_sdp_section){.at = text, .end = text + len, .number = 1};
    if (len > PRL_SDP_SIZE_MAX)
        return prl_sdp_wrong(parse->why, 0, "the %s is longer than %d bytes", side(parse),
                             PRL_SDP_SIZE_MAX);
    if (!prl_sdp_next(&lines) || !prl_sdp_is_exact(lines.line, "v=0"))
        return prl_sdp_wrong(parse->why, 1, "the %s does not begin with v=0", side(parse));
    enum prl_err err = PRL_OK;
    while (!err && prl_sdp_next(&lines))
        err = read_line(parse, &lines);
    end_section(parse, text + len);
    return err;
}

static bool holds(struct prl_sdp_slice group, const char *mid)
{
    struct prl_sdp_slice word;
    while (mid[0] != '\0' && prl_sdp_word(&group, &word))
        if (prl_sdp_is_exact(word, mid))
            return true;
    return false;
}

// The mids of the BUNDLE group with the audio line; empty when it is in none.
static void find_group(struct parse *parse)
{
    struct prl_sdp_lines lines = prl_sdp_section_lines(&parse->session);
    struct prl_sdp_slice value;
    struct prl_sdp_slice word;
    while (prl_sdp_next(&lines)) {
        if (!prl_sdp_attribute(lines.line, "group", &value) || !prl_sdp_word(&value, &word) ||
            !prl_sdp_is(word, "BUNDLE") ||
            !holds(value, parse->sdp->media[parse->sdp->audio_index].mid))
            continue;
        parse->group = value;
        parse->sdp->bundle = true;
        return;
    }
}

static bool is_one_of(const char *text, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, names[i]) == 0)
            return true;
    return false;
}

static enum prl_err choose_audio(struct parse *parse)
{
    // RTP/SAVPF: how it was written before RFC 5764; aiortc and others still take it.
    static const char *const protocols[] = {"UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP",
                                            "TCP/DTLS/RTP/SAVPF", "TCP/TLS/RTP/SAVPF", "RTP/SAVPF"};
    struct prl_sdp *sdp = parse->sdp;
    unsigned number = 0;
    const char *fault = "there is no m=audio line";
    for (size_t i = 0; i < sdp->media_count; i++) {
        const struct prl_sdp_section *section = &parse->media[i];
        if (strcmp(sdp->media[i].kind, "audio") != 0)
            continue;
        number = section->number;
        fault = "audio with port 0 is no audio";
        if (!section->offered)
            continue;
        fault = "audio needs DTLS-SRTP (UDP/TLS/RTP/SAVPF)";
        if (!is_one_of(sdp->media[i].protocol, protocols, sizeof(protocols) / sizeof(*protocols)))
            continue;
        fault = "audio without Opus (opus/48000/2), PCMU or PCMA";
        prl_sdp_read_codecs(sdp, section);
        if (sdp->codec_count == 0)
            continue;
        sdp->media[i].use = PRL_SDP_AUDIO;
        sdp->audio_index = i;
        return PRL_OK;
    }
    return prl_sdp_wrong(parse->why, number, "%s", fault);
}

// The old form names the port in place of the protocol's name (draft-ietf-mmusic-sctp-sdp-05).
static bool is_data(struct parse *parse, size_t index)
{
    static const char *const protocols[] = {"UDP/DTLS/SCTP", "TCP/DTLS/SCTP"};
    struct prl_sdp *sdp = parse->sdp;
    const struct prl_sdp_media *media = &sdp->media[index];
    if (strcmp(media->kind, "application") != 0 || !parse->media[index].offered)
        return false;
    if (is_one_of(media->protocol, protocols, 2))
        return strcmp(media->format, "webrtc-datachannel") == 0;
    if (strcmp(media->protocol, "DTLS/SCTP") != 0)
        return false;
    sdp->data_old_form = strcmp(media->format, "webrtc-datachannel") != 0;
    return true;
}

static enum prl_err choose_data(struct parse *parse)
{
    struct prl_sdp *sdp = parse->sdp;
    for (size_t i = 0; i < sdp->media_count; i++) {
        if (!is_data(parse, i))
            continue;
        if (!holds(parse->group, sdp->media[i].mid))
            return prl_sdp_wrong(parse->why, parse->media[i].number,
                                 "data channels must be in one a=group:BUNDLE with the audio");
        sdp->media[i].use = PRL_SDP_DATA;
        sdp->has_data = true;
        sdp->data_index = i;
        return prl_sdp_read_data(sdp, &parse->media[i], parse->why);
    }
    return PRL_OK;
}

// The first line of the group stands for all (RFC 8843 §7.2): of those we take the first in use,
// and what it leaves open is said for the whole session, by the other line, or by the line that the
// client tagged and we refuse.
static enum prl_err read_transport(struct parse *parse)
{
    struct prl_sdp *sdp = parse->sdp;
    struct prl_sdp_transport transport = {.sdp = sdp};
    const struct prl_sdp_section *sections[4];
    size_t count = 0;
    size_t audio = sdp->audio_index;
    size_t other = sdp->has_data ? sdp->data_index : audio;
    sections[count++] = &parse->media[audio < other ? audio : other];
    sections[count++] = &parse->session;
    sections[count++] = &parse->media[audio < other ? other : audio];
    struct prl_sdp_slice group = parse->group;
    struct prl_sdp_slice tag;
    char mid[PRL_SDP_MID_SIZE];
    int tagged = prl_sdp_word(&group, &tag) && prl_sdp_copy(tag, mid, sizeof(mid))
                     ? find_mid(sdp, mid)
                     : NONE;
    if (tagged != NONE)
        sections[count++] = &parse->media[tagged];
    sdp->setup = sdp->type == PRL_SDP_OFFER ? PRL_SDP_ACTPASS : PRL_SDP_ACTIVE;
    enum prl_err err = PRL_OK;
    for (size_t i = 0; !err && i < count; i++)
        err = prl_sdp_read_transport(&transport, sections[i], parse->why);
    if (err)
        return err;
    unsigned number = sections[0]->number;
    if (sdp->ice.ufrag[0] == '\0')
        return prl_sdp_wrong(parse->why, number, "no a=ice-ufrag for this line");
    if (sdp->ice.password[0] == '\0')
        return prl_sdp_wrong(parse->why, number, "no a=ice-pwd for this line");
    if (sdp->fingerprint_count > 0)
        return PRL_OK;
    if (transport.other_hash > 0)
        return prl_sdp_wrong(parse->why, transport.other_hash,
                             "the fingerprint must be of sha-256; others are not taken");
    return prl_sdp_wrong(parse->why, number, "no a=fingerprint for this line");
}

enum prl_err prl_sdp_parse(struct prl_sdp *sdp, enum prl_sdp_type type, const char *text,
                           size_t len, char why[PRL_RTC_WHY_SIZE])
{
    memset(sdp, 0, sizeof(*sdp));
    sdp->type = type;
    why[0] = '\0';
    struct parse parse = {.sdp = sdp, .why = why};
    enum prl_err err = cut(&parse, text, len);
    if (!err)
        err = choose_audio(&parse);
    if (err)
        return err;
    find_group(&parse);
    err = choose_data(&parse);
    if (!err)
        err = prl_sdp_read_audio(sdp, &parse.session, &parse.media[sdp->audio_index], why);
    return err ? err : read_transport(&parse);
}

enum prl_sdp_setup prl_sdp_answer_setup(enum prl_sdp_setup offered)
{
    return offered == PRL_SDP_PASSIVE ? PRL_SDP_ACTIVE : PRL_SDP_PASSIVE;
}

enum prl_sdp_direction prl_sdp_mirror(enum prl_sdp_direction direction)
{
    return direction == PRL_SDP_SENDONLY   ? PRL_SDP_RECVONLY
           : direction == PRL_SDP_RECVONLY ? PRL_SDP_SENDONLY
                                           : direction;
}
