// ice.h -- the ICE-lite agent of one connection: which paths to the peer are real, and which to
// use.
//
// Checks come in, replies go out; a lite agent sends none of its own. A path is verified when a
// check with the right password came over it, and only verified paths carry DTLS and SRTP. The
// selected path, the one to send on, is the first verified one; then it moves
//   * to the path of every check with USE-CANDIDATE (RFC 8445 §8.1.1: the controlling side
//     decides);
//   * when it has been quiet for PRL_ICE_QUIET_US, to the path of the next authenticated packet (a
//     check, or SRTP by prl_ice_heard): after a NAT has rebound, some agents go on with consent
//     checks that do not nominate (aioice, Firefox), and media to the dead port would end the
//     call.
// Moving it on each check lost 70 % of the packets of a client with two interfaces.
// Consent: RFC 7675 gives consent by an answer to one's own check. A lite agent sends no check, so
// the peer's authenticated checks on the selected path, which full agents send every 5 s (there),
// stand for it: the path that such a check names is one where the peer wants to be sent to. So does
// authenticated media that comes over it: pion/ice 2 sends no checks at all while packets flow both
// ways, and calls of its users ended after 30 s.
// Units:    microseconds, monotonic, given by the caller.
// Threads:  one owner.
// Memory:   one block; at most PRL_ICE_PATHS_MAX paths, the one longest without a check makes room.
// Errors:   what is wrong gets no reply and changes nothing, except errors 420 and 487 to somebody
//           who knows the password. A reply is never larger than its request.
// Source:   RFC 8445 (lite: §2.5, §7.3), RFC 8489, RFC 7675; measured with two interfaces.
// Limit:    MESSAGE-INTEGRITY does not cover the source address. Who sees a check on its way and
//           sends it again from elsewhere moves the path until the peer's next nomination.
#ifndef PRL_RTC_ICE_H
#define PRL_RTC_ICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rtc/addr.h"
#include "rtc/stun.h"

enum {
    PRL_ICE_PATHS_MAX = 16,
    PRL_ICE_REPLY_MAX = 128,
    PRL_ICE_UFRAG_LEN = 8,         // RFC 8445 §5.3: at least 24 bits; these are 48
    PRL_ICE_PASSWORD_LEN = 24,     // at least 128 bits; these are 144
    PRL_ICE_RANDOM_SIZE = 32,      // bytes that make both
    PRL_ICE_TEXT_SIZE = 257,       // RFC 8839 §5.4: at most 256 characters
    PRL_ICE_CONNECT_US = 10000000, // given up when nothing is verified by then
    PRL_ICE_CONSENT_US = 30000000, // RFC 7675 §5.1
    PRL_ICE_QUIET_US = 3000000,    // browsers check a good path every 2.5 s
};

struct prl_ice;

struct prl_ice_credentials {
    char ufrag[PRL_ICE_TEXT_SIZE];
    char password[PRL_ICE_TEXT_SIZE];
};

// One way to the peer. Addresses are canonical (addr.h); replies and media go back from `local`.
struct prl_ice_path {
    union prl_sockaddr remote;
    union prl_sockaddr local; // that was addressed
    bool tcp;
};

enum prl_ice_state {
    PRL_ICE_WAITING, // nothing verified yet
    PRL_ICE_LIVE,
    PRL_ICE_NEVER,   // nothing was verified within PRL_ICE_CONNECT_US
    PRL_ICE_EXPIRED, // no consent any more
};

// What a check did, and what to do about it.
struct prl_ice_result {
    uint8_t reply[PRL_ICE_REPLY_MAX]; // to send back on the path of the check
    size_t reply_size;                // 0: nothing
    bool verified;                    // this path is new: enter `remote` into the table of peers
    bool evicted;                     // evicted_path made room for it: take that one out
    bool selected;                    // the selected path has changed
    bool restarted;                   // the credentials of prl_ice_restart are now the only ones
    struct prl_ice_path evicted_path;
};

// Random bytes in, credentials of our own out.
void prl_ice_make_credentials(struct prl_ice_credentials *credentials,
                              const uint8_t random[PRL_ICE_RANDOM_SIZE]);

enum prl_err prl_ice_create(struct prl_ice **out, const struct prl_ice_credentials *local,
                            const char *remote_ufrag, int64_t now_us) PRL_MUST_USE;
void prl_ice_destroy(struct prl_ice **ice);

// The owner has found this agent by prl_stun_addressee. Requests only; all else is ignored.
void prl_ice_check(struct prl_ice *ice, const struct prl_stun *stun,
                   const struct prl_ice_path *path, int64_t now_us, struct prl_ice_result *result);
// An SRTP or SRTCP packet that passed authentication came over this path. True: the selected path
// has changed.
bool prl_ice_heard(struct prl_ice *ice, const struct prl_ice_path *path, int64_t now_us);
// False: drop DTLS, SRTP and SRTCP that came over it.
bool prl_ice_verified(const struct prl_ice *ice, const struct prl_ice_path *path);
// NULL: none yet. Valid until the next call that is not const.
const struct prl_ice_path *prl_ice_selected(const struct prl_ice *ice);
// The verified paths, in no order; NULL from the count on. Valid as above.
const struct prl_ice_path *prl_ice_path(const struct prl_ice *ice, size_t index);
// The path is gone (a stream closed, or another peer has proven the address to be its own). True:
// the selected path has changed, perhaps to none.
bool prl_ice_forget(struct prl_ice *ice, const struct prl_ice_path *path);

// A new offer with other credentials (RFC 8445 §9). Both pairs of credentials are good until the
// first valid check with the new ones; a second restart before it replaces the new ones. Paths
// stay.
void prl_ice_restart(struct prl_ice *ice, const struct prl_ice_credentials *local,
                     const char *remote_ufrag, int64_t now_us);
// The ufrag and password that answers carry now: the newest.
const struct prl_ice_credentials *prl_ice_local(const struct prl_ice *ice);
// The ufrag that checks may still name besides, or NULL.
const char *prl_ice_old_ufrag(const struct prl_ice *ice);
const char *prl_ice_remote_ufrag(const struct prl_ice *ice); // the newest

enum prl_ice_state prl_ice_state(const struct prl_ice *ice, int64_t now_us);
// Whether media may be sent: a path is selected and its consent is fresh. A restart keeps the
// connection alive PRL_ICE_CONNECT_US longer than this.
bool prl_ice_may_send(const struct prl_ice *ice, int64_t now_us);
// When to ask for the state again.
int64_t prl_ice_deadline(const struct prl_ice *ice);

#endif
