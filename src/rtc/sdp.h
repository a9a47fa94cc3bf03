// sdp.h -- session descriptions: reads offers of WebRTC clients (and answers), writes our answer.
//
// We take one audio line and one line of data channels, on one BUNDLE transport; every other line
// is refused in its place. Lines that we do not know are skipped, as RFC 8866 §5 demands.
// Units:    bytes; ports in host order.
// Threads:  pure functions.
// Memory:   the parsed form is a plain value of about 6 KiB without pointers. The answer is written
//           into the caller's string.
// Errors:   INVALID with `why` (PRL_RTC_WHY_SIZE bytes): which line, what is wrong, what is
//           expected.
// Source:   RFC 8866 (SDP), 8839 (ICE), 8841 (data channels), 8843 (BUNDLE), 8842 (DTLS), 7587
//           (Opus), 5888 (mid), 5761 (rtcp-mux), 6544 (TCP candidates), 8829 §5 (what browsers do).
#ifndef PRL_RTC_SDP_H
#define PRL_RTC_SDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "rtc/addr.h"
#include "rtc/ice.h"
#include "rtc/rtc.h"

enum {
    PRL_SDP_SIZE_MAX = 65536,
    // Real offers stay below 500; an identity assertion (RFC 8827 §6.4) is the one long line.
    PRL_SDP_LINE_MAX = 4096,
    PRL_SDP_MEDIA_MAX = 32,
    PRL_SDP_CODECS_MAX = 3,       // Opus, PCMU, PCMA
    PRL_SDP_CANDIDATES_MAX = 16,  // further ones are skipped
    PRL_SDP_FINGERPRINTS_MAX = 4, // of SHA-256; further ones are skipped
    PRL_SDP_FINGERPRINT_SIZE = 32,
    PRL_SDP_MID_SIZE = 33,
    PRL_SDP_ANSWER_MAX = 16384, // enough for 32 lines; the limit to give the string
};

enum prl_sdp_type { PRL_SDP_OFFER, PRL_SDP_ANSWER };
enum prl_sdp_direction {
    PRL_SDP_SENDRECV,
    PRL_SDP_SENDONLY,
    PRL_SDP_RECVONLY,
    PRL_SDP_INACTIVE,
};
enum prl_sdp_setup { PRL_SDP_ACTPASS, PRL_SDP_ACTIVE, PRL_SDP_PASSIVE };
enum prl_sdp_use { PRL_SDP_REFUSED, PRL_SDP_AUDIO, PRL_SDP_DATA };

struct prl_sdp_media {
    enum prl_sdp_use use;       // by us
    char kind[16];              // "audio", "video", …
    char protocol[24];          // "UDP/TLS/RTP/SAVPF", …
    char format[24];            // the first one
    char encoding[24];          // what rtpmap says of it, for the refusal; "": nothing
    char mid[PRL_SDP_MID_SIZE]; // "": none
};

struct prl_sdp_codec {
    enum prl_rtc_codec codec;
    uint8_t payload_type;
};

struct prl_sdp_candidate {
    union prl_sockaddr address; // canonical
    bool tcp;                   // passive, when it is one of ours
};

struct prl_sdp {
    enum prl_sdp_type type;
    size_t media_count;
    struct prl_sdp_media media[PRL_SDP_MEDIA_MAX];
    bool bundle; // all lines in use are of one BUNDLE group

    // The transport.
    struct prl_ice_credentials ice;
    bool ice_lite;
    enum prl_sdp_setup setup;
    size_t fingerprint_count; // at least 1; the peer's certificate must have one of them
    uint8_t fingerprints[PRL_SDP_FINGERPRINTS_MAX][PRL_SDP_FINGERPRINT_SIZE];
    size_t candidate_count; // for information; .local names are left out
    struct prl_sdp_candidate candidates[PRL_SDP_CANDIDATES_MAX];
    bool end_of_candidates;

    // The audio line.
    size_t audio_index;
    enum prl_sdp_direction direction;                // as the peer says it
    size_t codec_count;                              // at least 1
    struct prl_sdp_codec codecs[PRL_SDP_CODECS_MAX]; // in the peer's order: send with the first
    bool opus_fec;                                   // the peer can make use of it
    uint32_t opus_bitrate_max; // bits a second that the peer wants at most; 0: not said
    bool nack, transport_cc, rtcp_rsize;
    uint8_t transport_cc_id, audio_level_id, mid_id; // header extensions; 0: not offered
    uint32_t ssrc;                                   // of the peer; 0: not said

    // The data channel line.
    bool has_data;
    size_t data_index;
    bool data_old_form; // "DTLS/SCTP 5000" with sctpmap
    uint16_t sctp_port;
    uint32_t message_size_max; // the peer takes at most this; UINT32_MAX: any
};

enum prl_err prl_sdp_parse(struct prl_sdp *sdp, enum prl_sdp_type type, const char *text,
                           size_t len, char why[PRL_RTC_WHY_SIZE]) PRL_MUST_USE;

// What we say in the answer: to "actpass" PASSIVE, since clients repeat a lost ClientHello sooner
// than we would.
enum prl_sdp_setup prl_sdp_answer_setup(enum prl_sdp_setup offered);
// The other side's view: what they send we receive.
enum prl_sdp_direction prl_sdp_mirror(enum prl_sdp_direction direction);

struct prl_sdp_local {
    const struct prl_ice_credentials *ice;
    const uint8_t *fingerprint; // SHA-256 of our certificate
    enum prl_sdp_setup setup;   // ACTIVE or PASSIVE
    uint64_t session_id;        // random, below 2^63; the same for the life of the connection
    uint64_t version;           // 1, one more with each answer
    uint32_t ssrc;
    const char *cname; // letters and digits; names the stream and the track, too
    bool data;         // take data channels
    uint32_t message_size_max;
    const struct prl_sdp_candidate *candidates; // most wanted first
    size_t candidate_count;
};

// Writes the answer to a parsed offer. NOMEM, or LIMIT when it does not fit into the string.
enum prl_err prl_sdp_answer(const struct prl_sdp *offer, const struct prl_sdp_local *local,
                            struct prl_str *answer) PRL_MUST_USE;

#endif
