// ice_agent.c -- see ice_agent.h.
#include "client/ice_agent.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"

enum {
    RTO_US = 500000, // RFC 8445 §14.3; doubles with each repetition
    RTO_US_MAX = 8000000,
    PRIORITY = 0x6E7F00FF, // host candidate of a peer-reflexive type (RFC 8445 §5.1.2)
};

enum pair_state { WAITING, ASKED, ANSWERED };

struct pair {
    union prl_sockaddr remote;
    enum pair_state state;
    int64_t due_us; // of the next check
    int64_t rto_us;
    uint32_t asked; // checks sent; part of their transaction
};

struct prl_ice_agent {
    // Set once.
    struct prl_ice_credentials local, remote;
    uint64_t random;
    int64_t give_up_us;
    // State.
    enum prl_ice_agent_state state;
    size_t count;
    int chosen;       // pair that is nominated, -1: none yet
    uint32_t plain;   // its checks that did not say so yet
    int64_t pace_us;  // no check before this
    int64_t heard_us; // last answer of the chosen pair
    struct pair pairs[PRL_SDP_CANDIDATES_MAX];
};

enum prl_err prl_ice_agent_create(struct prl_ice_agent **out, const struct prl_ice_agent_conf *conf)
{
    struct prl_ice_agent *agent = prl_mem_zalloc(sizeof(*agent));
    *out = agent;
    if (!agent)
        return PRL_ERR_NOMEM;
    agent->local = *conf->local;
    agent->remote = *conf->remote;
    agent->random = conf->random;
    agent->give_up_us = conf->now_us + PRL_ICE_AGENT_GIVE_UP_US;
    agent->chosen = -1;
    for (size_t i = 0; i < conf->candidate_count && agent->count < PRL_SDP_CANDIDATES_MAX; i++)
        if (!conf->candidates[i].tcp)
            agent->pairs[agent->count++] = (struct pair){
                .remote = conf->candidates[i].address, .due_us = conf->now_us, .rto_us = RTO_US};
    if (agent->count > 0)
        return PRL_OK;
    prl_ice_agent_destroy(out);
    return PRL_ERR_INVALID;
}

void prl_ice_agent_destroy(struct prl_ice_agent **agent)
{
    prl_mem_free(*agent);
    *agent = NULL;
}

// Random, then which pair and which of its checks.
static void make_transaction(const struct prl_ice_agent *agent, size_t index,
                             uint8_t transaction[PRL_STUN_TRANSACTION_SIZE])
{
    uint32_t which = (uint32_t)index << 24 | (agent->pairs[index].asked & 0xFFFFFF);
    memcpy(transaction, &agent->random, sizeof(agent->random));
    memcpy(transaction + sizeof(agent->random), &which, sizeof(which));
}

static size_t build_check(struct prl_ice_agent *agent, size_t index, uint8_t *out)
{
    uint8_t transaction[PRL_STUN_TRANSACTION_SIZE];
    struct prl_stun_build build;
    make_transaction(agent, index, transaction);
    prl_stun_begin(&build, out, PRL_STUN_SIZE_MAX, PRL_STUN_REQUEST, transaction);
    prl_stun_add_username(&build, agent->remote.ufrag, agent->local.ufrag);
    prl_stun_add_priority(&build, PRIORITY);
    prl_stun_add_role(&build, PRL_STUN_CONTROLLING, agent->random);
    if (agent->chosen == (int)index)
        prl_stun_add_use_candidate(&build);
    return prl_stun_finish(&build, agent->remote.password);
}

// The pair whose check is due first, of those that are still of interest.
static struct pair *next_pair(struct prl_ice_agent *agent)
{
    if (agent->chosen >= 0)
        return &agent->pairs[agent->chosen];
    struct pair *next = &agent->pairs[0];
    for (size_t i = 1; i < agent->count; i++)
        if (agent->pairs[i].due_us < next->due_us)
            next = &agent->pairs[i];
    return next;
}

static bool is_over(const struct prl_ice_agent *agent, int64_t now_us)
{
    if (agent->state == PRL_ICE_AGENT_LIVE)
        return now_us - agent->heard_us > PRL_ICE_AGENT_SILENCE_US;
    return now_us > agent->give_up_us;
}

size_t prl_ice_agent_output(struct prl_ice_agent *agent, int64_t now_us,
                            uint8_t out[PRL_STUN_SIZE_MAX], union prl_sockaddr *to)
{
    if (agent->state != PRL_ICE_AGENT_FAILED && is_over(agent, now_us))
        agent->state = PRL_ICE_AGENT_FAILED;
    if (agent->state == PRL_ICE_AGENT_FAILED)
        return 0;
    struct pair *pair = next_pair(agent);
    if (now_us < pair->due_us || now_us < agent->pace_us)
        return 0;
    agent->pace_us = now_us + PRL_ICE_AGENT_PACE_US;
    pair->asked++;
    pair->due_us = now_us + pair->rto_us;
    if (pair->state == ASKED)
        pair->rto_us = pair->rto_us * 2 < RTO_US_MAX ? pair->rto_us * 2 : RTO_US_MAX;
    pair->state = ASKED;
    *to = pair->remote;
    return build_check(agent, (size_t)(pair - agent->pairs), out);
}

// Which pair this answers, and which of its checks; NULL: none.
static struct pair *asked_pair(struct prl_ice_agent *agent, const struct prl_stun *stun,
                               uint32_t *check)
{
    uint32_t which;
    memcpy(&which, stun->transaction + sizeof(agent->random), sizeof(which));
    size_t index = which >> 24;
    *check = which & 0xFFFFFF;
    bool ours = memcmp(stun->transaction, &agent->random, sizeof(agent->random)) == 0 &&
                index<agent->count && * check <= agent->pairs[index].asked && * check> 0;
    return ours ? &agent->pairs[index] : NULL;
}

void prl_ice_agent_input(struct prl_ice_agent *agent, const struct prl_stun *stun,
                         const union prl_sockaddr *from, int64_t now_us)
{
    if (stun->class != PRL_STUN_SUCCESS || agent->state == PRL_ICE_AGENT_FAILED ||
        !prl_stun_authentic(stun, agent->remote.password))
        return;
    uint32_t check;
    struct pair *pair = asked_pair(agent, stun, &check);
    // RFC 8445 §7.2.5.2.1: the answer comes from where the check went.
    if (!pair || !prl_addr_equal(&pair->remote, from))
        return;
    int index = (int)(pair - agent->pairs);
    pair->state = ANSWERED;
    pair->rto_us = RTO_US;
    if (agent->chosen < 0) {
        agent->chosen = index; // and say so with the next check
        agent->plain = pair->asked;
        pair->due_us = now_us;
        agent->pace_us = now_us;
    } else if (agent->chosen == index && check > agent->plain) {
        agent->state = PRL_ICE_AGENT_LIVE;
        agent->heard_us = now_us;
        pair->due_us = now_us + PRL_ICE_AGENT_CONSENT_US;
    }
}

enum prl_ice_agent_state prl_ice_agent_state(const struct prl_ice_agent *agent)
{
    return agent->state;
}

const union prl_sockaddr *prl_ice_agent_selected(const struct prl_ice_agent *agent)
{
    return agent->state == PRL_ICE_AGENT_LIVE ? &agent->pairs[agent->chosen].remote : NULL;
}

int64_t prl_ice_agent_deadline(const struct prl_ice_agent *agent)
{
    if (agent->state == PRL_ICE_AGENT_FAILED)
        return INT64_MAX;
    int64_t due_us = INT64_MAX;
    for (size_t i = 0; i < agent->count; i++)
        if ((agent->chosen < 0 || agent->chosen == (int)i) && agent->pairs[i].due_us < due_us)
            due_us = agent->pairs[i].due_us;
    if (due_us < agent->pace_us)
        due_us = agent->pace_us;
    int64_t end_us = agent->state == PRL_ICE_AGENT_LIVE
                         ? agent->heard_us + PRL_ICE_AGENT_SILENCE_US + 1
                         : agent->give_up_us + 1;
    return due_us < end_us ? due_us : end_us;
}
