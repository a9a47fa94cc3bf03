// ice_agent.h -- a full, controlling ICE agent for the load client: checks, nomination, consent.
//
// A pure core for one component and one local address, which talks to a lite agent: it checks each
// remote candidate, nominates the first that answers (regular nomination), and goes on checking it
// for consent. A lite agent sends no checks of its own; requests are therefore ignored.
// Units:    microseconds, monotonic, given by the caller.
// Threads:  one owner. Memory: one block, nothing afterwards.
// Errors:   answers that are not authentic, or to nothing that was asked, are ignored. FAILED when
//           no candidate answered within PRL_ICE_AGENT_GIVE_UP_US, or consent was not renewed in 30 s.
// Source:   RFC 8445 §7.2 and §8.1.1, §14 (pacing of 50 ms, retransmission); RFC 7675 (consent).
#ifndef PRL_CLIENT_ICE_AGENT_H
#define PRL_CLIENT_ICE_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rtc/ice.h"
#include "rtc/sdp.h"

enum {
    PRL_ICE_AGENT_PACE_US = 50000,
    PRL_ICE_AGENT_GIVE_UP_US = 30000000,
    PRL_ICE_AGENT_CONSENT_US = 5000000,  // between two checks of the selected candidate
    PRL_ICE_AGENT_SILENCE_US = 30000000, // RFC 7675 §5.1
};

struct prl_ice_agent;

enum prl_ice_agent_state { PRL_ICE_AGENT_CHECKING, PRL_ICE_AGENT_LIVE, PRL_ICE_AGENT_FAILED };

struct prl_ice_agent_conf {
    const struct prl_ice_credentials *local, *remote; // copied
    const struct prl_sdp_candidate *candidates;       // of the peer; TCP ones are left out
    size_t candidate_count;                           // PRL_SDP_CANDIDATES_MAX at most are used
    uint64_t random; // tie breaker, and what transactions are made of
    int64_t now_us;
};

// INVALID: no candidate that can be used.
enum prl_err prl_ice_agent_create(struct prl_ice_agent **out,
                                  const struct prl_ice_agent_conf *conf) PRL_MUST_USE;
void prl_ice_agent_destroy(struct prl_ice_agent **agent);

// The next check that is due: its size and where it goes, 0 when there is none. Ask until 0.
size_t prl_ice_agent_output(struct prl_ice_agent *agent, int64_t now_us,
                            uint8_t out[PRL_STUN_SIZE_MAX], union prl_sockaddr *to);
void prl_ice_agent_input(struct prl_ice_agent *agent, const struct prl_stun *stun,
                         const union prl_sockaddr *from, int64_t now_us);
enum prl_ice_agent_state prl_ice_agent_state(const struct prl_ice_agent *agent);
// Where to send: the nominated candidate; NULL before LIVE.
const union prl_sockaddr *prl_ice_agent_selected(const struct prl_ice_agent *agent);
// When prl_ice_agent_output wants to be asked; INT64_MAX after FAILED.
int64_t prl_ice_agent_deadline(const struct prl_ice_agent *agent);

#endif
