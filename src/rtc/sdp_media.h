// sdp_media.h -- what stands in one section of a description, for sdp.c only.
//
// Threads:  pure functions.
// Memory:   no allocation.
// Errors:   INVALID with `why`.
// Source:   RFC 8866 §6, and the RFCs of sdp.h for each attribute.
#ifndef PRL_RTC_SDP_MEDIA_H
#define PRL_RTC_SDP_MEDIA_H

#include "rtc/sdp.h"
#include "rtc/sdp_line.h"

// The lines from an m= line, or from the start, up to the next m= line.
struct prl_sdp_section {
    const char *at;
    const char *end;
    unsigned number;              // of its first line
    struct prl_sdp_slice formats; // of the m= line
    bool offered;                 // its port is not 0, or it is bundle-only
};

struct prl_sdp_lines prl_sdp_section_lines(const struct prl_sdp_section *section);

// Finds our codecs among the formats; sdp->codec_count stays 0 when there is none.
void prl_sdp_read_codecs(struct prl_sdp *sdp, const struct prl_sdp_section *section);
// The rest of the audio line, and its defaults in the session part.
enum prl_err prl_sdp_read_audio(struct prl_sdp *sdp, const struct prl_sdp_section *session,
                                const struct prl_sdp_section *section, char *why) PRL_MUST_USE;
enum prl_err prl_sdp_read_data(struct prl_sdp *sdp, const struct prl_sdp_section *section,
                               char *why) PRL_MUST_USE;

// Transport attributes, from the most to the least binding section: what an earlier one has said
// stays.
struct prl_sdp_transport {
    struct prl_sdp *sdp;
    bool has_setup;
    unsigned other_hash; // line of a fingerprint that is not of SHA-256; 0: none
};
enum prl_err prl_sdp_read_transport(struct prl_sdp_transport *transport,
                                    const struct prl_sdp_section *section, char *why) PRL_MUST_USE;

#endif
