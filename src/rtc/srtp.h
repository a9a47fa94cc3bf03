// srtp.h -- one connection's SRTP and SRTCP, both directions, in place.
//
// Units:    bytes.
// Threads:  one owner an object; objects on several threads are fine. prl_srtp_init: once, before.
// Memory:   one block of ours and the library's contexts: one a direction and SSRC. An SSRC costs
//           memory only after a packet of it was authentic, and at most PRL_SRTP_SSRCS_MAX do.
// Errors:   INVALID: not a whole packet, too long, or not authentic. AGAIN: seen before, or older than
//           the replay window. LIMIT: one SSRC too many; it is refused, the others live on. Nothing
//           of a refused packet may be looked at.
// Source:   RFC 3711, RFC 7714, RFC 5764 §4.1.2 (profiles); libsrtp2, wrapped here and nowhere else.
//           The rollover counter of an SSRC lives as long as the object: it is never made anew for an
//           ICE restart or a change of network. Lengths are checked before the library sees them.
#ifndef PRL_RTC_SRTP_H
#define PRL_RTC_SRTP_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    PRL_SRTP_TRAILER_MAX = 20,   // what protecting adds at most: tag of 16 and index of 4
    PRL_SRTP_PACKET_MAX = 2048,  // longest packet, protected; longer ones are INVALID
    PRL_SRTP_SSRCS_MAX = 16,     // that a peer may use in one call
    PRL_SRTP_REPLAY_WINDOW = 512 // packets; ten seconds at 20 ms
};

enum prl_srtp_profile { // numbers of RFC 5764 and RFC 7714
    PRL_SRTP_NONE = 0,
    PRL_SRTP_AES128_CM_SHA1_80 = 1,
    PRL_SRTP_AEAD_AES_128_GCM = 7,
};

struct prl_srtp_keys { // master keys and salts; the salt of GCM has 12 bytes, the other one 14
    enum prl_srtp_profile profile;
    uint8_t send_key[16], send_salt[14];
    uint8_t receive_key[16], receive_salt[14];
};

struct prl_srtp;

// The library's set-up; idempotent. Called by prl_srtp_create too; a program with several threads
// calls it before it starts them.
enum prl_err prl_srtp_init(void) PRL_MUST_USE;

// The keys are copied into the library; the caller wipes them.
enum prl_err prl_srtp_create(struct prl_srtp **out, const struct prl_srtp_keys *keys) PRL_MUST_USE;
void prl_srtp_destroy(struct prl_srtp **srtp);

// Protects *size bytes in place; `capacity` must leave PRL_SRTP_TRAILER_MAX more. Sequence numbers of
// an SSRC must grow; the very same packet is never protected twice (rtc/resend.h keeps it protected).
enum prl_err prl_srtp_protect_rtp(struct prl_srtp *srtp, uint8_t *packet, size_t *size,
                                  size_t capacity) PRL_MUST_USE;
enum prl_err prl_srtp_protect_rtcp(struct prl_srtp *srtp, uint8_t *packet, size_t *size,
                                   size_t capacity) PRL_MUST_USE;
// Unprotects in place; *size shrinks to the plain packet.
enum prl_err prl_srtp_unprotect_rtp(struct prl_srtp *srtp, uint8_t *packet,
                                    size_t *size) PRL_MUST_USE;
enum prl_err prl_srtp_unprotect_rtcp(struct prl_srtp *srtp, uint8_t *packet,
                                     size_t *size) PRL_MUST_USE;

struct prl_srtp_stats {
    uint64_t refused;  // malformed or not authentic
    uint64_t replayed; // or too old
    uint64_t flooded;  // of an SSRC beyond the limit
};
void prl_srtp_stats(const struct prl_srtp *srtp, struct prl_srtp_stats *stats);

#endif
