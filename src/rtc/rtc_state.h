// rtc_state.h -- what rtc.c and rtc_peer.c share; nobody else includes it.
//
// Threads, Memory, Errors: see rtc.h. A peer may be closed from inside its callbacks: while `busy`
// counts the calls into its core, the core and the peer stay, and prl_rtc_peer_leave cleans up.
#ifndef PRL_RTC_RTC_STATE_H
#define PRL_RTC_RTC_STATE_H

#include "rtc/candidates.h"
#include "rtc/peer.h"
#include "rtc/rtc.h"
#include "rtc/sctp.h"
#include "rtc/table.h"
#include "rtc/tcp.h"

enum { PRL_RTC_CNAME_SIZE = 24, PRL_RTC_NAMES_MAX = 2 };

struct prl_rtc {
    // Set once.
    struct prl_loop *loop;
    struct prl_sctp *sctp; // borrowed; NULL: none
    size_t peers_max;
    bool local_only;
    char public_address[PRL_ADDR_TEXT_SIZE]; // "": none
    // Owned.
    struct prl_dtls_cert *cert;
    size_t udp_count;
    struct prl_udp *udp[PRL_RTC_ADDRESSES_MAX];
    struct prl_tcp *tcp;     // NULL: none
    struct prl_port *port;   // from sctp
    struct prl_table *names; // local ufrags to peers
    struct prl_table *paths; // verified paths to peers
    struct prl_table *ids;   // numbers to peers
    // State.
    uint64_t next_id;
    size_t peers, connected;
    struct prl_candidates_ports ports;
    struct prl_candidates_hosts hosts;
    int64_t hosts_us; // when they were read
};

struct prl_rtc_peer {
    // Set once.
    struct prl_rtc *rtc;
    uint64_t id;
    const struct prl_rtc_ops *ops; // NULL: closed by its owner
    void *arg;
    uint64_t session_id;
    uint32_t ssrc;
    char cname[PRL_RTC_CNAME_SIZE];
    // Owned.
    struct prl_peer *core; // NULL: ended
    struct prl_timer *timer;
    // State.
    unsigned busy;
    bool ended; // told or not: nothing works any more
    bool quiet; // inside a function of the owner's: no callback
    enum prl_rtc_codec codec;
    bool connected;
    uint64_t version;                                     // of the last answer
    char names[PRL_RTC_NAMES_MAX][PRL_ICE_UFRAG_LEN + 1]; // entered; "": none
    int64_t armed_us;
    // Data channel.
    bool has_data;
    uint16_t sctp_port;
    uint32_t message_max;
    struct prl_sctp_handle sctp;
    bool open;
    uint16_t stream;
};

// Around each call into a peer's core; leave may free the peer.
void prl_rtc_peer_enter(struct prl_rtc_peer *peer);
void prl_rtc_peer_leave(struct prl_rtc_peer *peer);
// One event of the SCTP thread.
void prl_rtc_peer_sctp(struct prl_rtc_peer *peer, const struct prl_sctp_event *event);

// One datagram to the other end of `path`.
void prl_rtc_send(struct prl_rtc *rtc, const struct prl_ice_path *path, const uint8_t *data,
                  size_t size);
// The machine's addresses, read again when they are older than a few seconds.
const struct prl_candidates_hosts *prl_rtc_hosts(struct prl_rtc *rtc, int64_t now_us);

#endif
