// peer.h -- one WebRTC connection as a pure core: ICE, DTLS, SRTP, RTP and RTCP joined.
//
// Datagrams and time go in; datagrams, packets and the next deadline come out. Nothing but STUN is
// looked at unless it came over a path that ICE has verified. What costs memory (DTLS, SRTP, statistics)
// is made with the first verified check, so an offer that never connects stays cheap.
// Units:    microseconds, monotonic, given by the caller.
// Threads:  one owner.
// Memory:   see docs/TUNING.md; sending and receiving sound allocates nothing of ours.
// Errors:   what is wrong is dropped and counted; only what ends the connection is told (on_closed).
// Bounds:   PRL_ICE_CONNECT_US from the offer to the first check, the same again for DTLS; NACKs answered
//           within the limits of resend.h.
// Source:   RFC 7983 (demultiplexing), RFC 5764, RFC 8827, RFC 3550, RFC 4585.
#ifndef PRL_RTC_PEER_H
#define PRL_RTC_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rtc/dtls.h"
#include "rtc/ice.h"
#include "rtc/rtc.h"
#include "rtc/sdp.h"
#include "rtc/stun.h"

enum {
    PRL_PEER_DATAGRAM_MAX = 1500,
    PRL_PEER_PAYLOAD_MAX = 1200, // of a frame of ours
    PRL_PEER_DTLS_US = PRL_ICE_CONNECT_US,
};

struct prl_peer;

// Called from inside the functions below. None may destroy the peer; on_connected, on_packet and
// on_report may prl_peer_close it.
struct prl_peer_ops {
    void (*send)(void *arg, const struct prl_ice_path *path, const uint8_t *data, size_t size);
    // A path is verified from now on, or is so no longer.
    void (*on_path)(void *arg, const struct prl_ice_path *path, bool added);
    void (*on_restarted)(void *arg); // the old ufrag is no longer good
    // DTLS is done; `again`: anew, with another certificate of the peer.
    void (*on_connected)(void *arg, bool again);
    void (*on_data)(void *arg, const uint8_t *data, size_t size); // one packet of SCTP
    void (*on_packet)(void *arg, const struct prl_rtc_packet *packet);
    void (*on_report)(void *arg, const struct prl_rtc_report *report);
    void (*on_closed)(void *arg, const char *why); // by itself; the last call
};

struct prl_peer_conf {
    const struct prl_sdp *offer;      // read in create
    const struct prl_dtls_cert *cert; // borrowed for the peer's life
    const struct prl_ice_credentials *local;
    uint32_t ssrc;
    const char *cname;      // copied, at most PRL_RTCP_CNAME_MAX bytes
    uint64_t random;        // first numbers of our stream
    int64_t wall_offset_us; // wall time less monotonic time
    int64_t now_us;
};

enum prl_err prl_peer_create(struct prl_peer **out, const struct prl_peer_conf *conf,
                             const struct prl_peer_ops *ops, void *arg) PRL_MUST_USE;
void prl_peer_destroy(struct prl_peer **peer);

// What a later offer changes. `local` NULL: the credentials stay (no ICE restart). INVALID: `why`
// (PRL_RTC_WHY_SIZE bytes) says what cannot change; CANCELED: closed. Nothing has changed then.
enum prl_err prl_peer_reoffer(struct prl_peer *peer, const struct prl_sdp *offer,
                              const struct prl_ice_credentials *local, int64_t now_us,
                              char *why) PRL_MUST_USE;

// A STUN request whose username names this peer.
void prl_peer_check(struct prl_peer *peer, const struct prl_stun *stun,
                    const struct prl_ice_path *path, int64_t now_us);
// Any other datagram.
void prl_peer_input(struct prl_peer *peer, const uint8_t *data, size_t size,
                    const struct prl_ice_path *path, int64_t now_us);
// The path belongs to nobody any more, or to somebody else.
void prl_peer_forget(struct prl_peer *peer, const struct prl_ice_path *path);

// When prl_peer_timeout wants to be called; INT64_MAX after the end.
int64_t prl_peer_deadline(const struct prl_peer *peer);
void prl_peer_timeout(struct prl_peer *peer, int64_t now_us);

// As prl_rtc_send_audio.
void prl_peer_send_audio(struct prl_peer *peer, const uint8_t *payload, size_t size,
                         uint32_t timestamp_step, bool marker, int64_t now_us);
// One packet of SCTP; dropped when DTLS does not stand or is full, SCTP repairs it.
void prl_peer_send_data(struct prl_peer *peer, const uint8_t *data, size_t size, int64_t now_us);
void prl_peer_set_buffer(struct prl_peer *peer, int64_t buffer_us);
// BYE and close_notify where connected; no callback but `send` any more.
void prl_peer_close(struct prl_peer *peer, int64_t now_us);

bool prl_peer_connected(const struct prl_peer *peer);
enum prl_rtc_codec prl_peer_codec(const struct prl_peer *peer);
// The role that we have in DTLS, for answers.
enum prl_sdp_setup prl_peer_setup(const struct prl_peer *peer);
const struct prl_ice *prl_peer_ice(const struct prl_peer *peer);

#endif
