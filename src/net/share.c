// share.c -- see share.h. The mutex is the lane's, so to say: it guards a few numbers for as long as it
// takes to look at them, and no port is called while it is held.
#include "net/share.h"

#include <pthread.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "net/loop.h"

enum { NOBODY = PRL_SHARE_FRONTS_MAX };

struct wish {
    bool there;
    unsigned rank;
    bool told;    // a TURN is on its way
    bool refused; // begin was, since the latest TURN came
};

struct prl_share {
    // Set before the loops run.
    struct prl_port *ports[PRL_SHARE_FRONTS_MAX]; // borrowed
    unsigned count;
    // Guarded by the mutex.
    pthread_mutex_t mutex;
    unsigned holder; // NOBODY: the lane is free
    bool kept;       // the holder was told of its turn and has not begun
    struct prl_share_wish held;
    bool asked_away; // the holder's order was named as in the way
    struct wish wishes[PRL_SHARE_FRONTS_MAX];
};

enum prl_err prl_share_create(struct prl_share **out, struct prl_port *port)
{
    PRL_CHECK(out != NULL && port != NULL);
    struct prl_share *share = prl_mem_zalloc(sizeof(*share));
    *out = share;
    if (!share)
        return PRL_ERR_NOMEM;
    PRL_CHECK(pthread_mutex_init(&share->mutex, NULL) == 0);
    share->ports[share->count++] = port;
    share->holder = NOBODY;
    return PRL_OK;
}

enum prl_err prl_share_create_outlet(struct prl_share **out, struct prl_port *port)
{
    enum prl_err err = prl_share_create(out, port);
    for (unsigned i = 1; !err && i < PRL_SHARE_FRONTS_MAX; i++)
        (*out)->ports[i] = port; // `count` stays 1: nobody joined
    return err;
}

void prl_share_destroy(struct prl_share **share)
{
    PRL_CHECK(share != NULL);
    if (!*share)
        return;
    pthread_mutex_destroy(&(*share)->mutex);
    prl_mem_free(*share);
    *share = NULL;
}

enum prl_err prl_share_join(struct prl_share *share, struct prl_port *port, unsigned *front)
{
    PRL_CHECK(share != NULL && port != NULL && front != NULL);
    if (share->count == PRL_SHARE_FRONTS_MAX)
        return PRL_ERR_LIMIT;
    *front = share->count;
    share->ports[share->count++] = port;
    return PRL_OK;
}

void prl_share_close(struct prl_share *share)
{
    for (unsigned i = 0; i < share->count; i++)
        prl_port_close(share->ports[i]);
}

struct prl_port *prl_share_port(const struct prl_share *share, uint64_t id)
{
    uint64_t front = id >> PRL_SHARE_SHIFT;
    PRL_CHECK(front < PRL_SHARE_FRONTS_MAX && share->ports[front] != NULL);
    return share->ports[front];
}

uint64_t prl_share_id(unsigned front, uint64_t number)
{
    return (uint64_t)front << PRL_SHARE_SHIFT | number;
}

void prl_share_started(struct prl_share *share, enum prl_err err, const char *text)
{
    for (unsigned i = 1; i < share->count; i++) {
        struct prl_msg msg = {.type = PRL_SHARE_STARTED, .value = {err}};
        msg.data = prl_mem_strdup(text); // NULL is fine
        msg.size = msg.data ? strlen(text) + 1 : 0;
        enum prl_err sent = prl_port_send(share->ports[i], &msg);
        PRL_CHECK(sent != PRL_ERR_FULL); // nothing else has come before it
        if (sent)
            prl_msg_free(&msg);
    }
}

// The lane is the wisher's. With the mutex held.
static void give(struct prl_share *share, const struct prl_share_wish *wish)
{
    share->holder = wish->front;
    share->held = *wish;
    share->kept = false;
    share->asked_away = false;
    share->wishes[wish->front].there = false;
}

bool prl_share_begin(struct prl_share *share, const struct prl_share_wish *wish,
                     uint64_t *in_the_way)
{
    PRL_CHECK(wish->front < share->count);
    *in_the_way = 0;
    pthread_mutex_lock(&share->mutex);
    bool mine = share->holder == wish->front;
    PRL_CHECK(!mine || share->kept); // one thing at a time
    bool granted = mine || share->holder == NOBODY;
    if (!granted && share->kept && wish->rank < share->held.rank) {
        // It has been told, will find the turn gone and waits for the next.
        share->wishes[share->holder].there = true;
        share->wishes[share->holder].rank = share->held.rank;
        granted = true;
    }
    if (granted) {
        give(share, wish);
    } else {
        share->wishes[wish->front].there = true;
        share->wishes[wish->front].rank = wish->rank;
        share->wishes[wish->front].refused = true;
        if (wish->urgent && !share->held.urgent && !share->kept && !share->asked_away) {
            *in_the_way = share->held.order;
            share->asked_away = true;
        }
    }
    pthread_mutex_unlock(&share->mutex);
    return granted;
}

// Keeps the lane for the best wish; of equal ones for that of the front that comes next. Returns the
// front that has to be told, or NOBODY.
static unsigned hand_on(struct prl_share *share, unsigned front)
{
    unsigned best = NOBODY;
    for (unsigned i = 1; i <= share->count; i++) {
        unsigned other = (front + i) % share->count;
        if (share->wishes[other].there &&
            (best == NOBODY || share->wishes[other].rank < share->wishes[best].rank))
            best = other;
    }
    share->holder = best;
    if (best == NOBODY)
        return best;
    share->kept = true;
    share->held = (struct prl_share_wish){.front = best, .rank = share->wishes[best].rank};
    share->wishes[best].there = false;
    bool tell = !share->wishes[best].told;
    share->wishes[best].told = true;
    return tell ? best : NOBODY;
}

static void tell_turn(struct prl_share *share, unsigned front)
{
    if (front == NOBODY)
        return;
    struct prl_msg msg = {.type = PRL_SHARE_TURN};
    // A port holds one of these, one answer and one STARTED at most. Closed: all of it ends.
    PRL_CHECK(prl_port_send(share->ports[front], &msg) != PRL_ERR_FULL);
}

void prl_share_end(struct prl_share *share, unsigned front)
{
    pthread_mutex_lock(&share->mutex);
    PRL_CHECK(share->holder == front);
    unsigned next = hand_on(share, front);
    pthread_mutex_unlock(&share->mutex);
    tell_turn(share, next);
}

void prl_share_turn(struct prl_share *share, unsigned front)
{
    pthread_mutex_lock(&share->mutex);
    share->wishes[front].told = false;
    share->wishes[front].refused = false;
    pthread_mutex_unlock(&share->mutex);
}

void prl_share_pass(struct prl_share *share, unsigned front)
{
    unsigned next = NOBODY;
    pthread_mutex_lock(&share->mutex);
    // Refused meanwhile: what is kept for it now is another turn, and another TURN comes.
    if (share->holder == front && share->kept && !share->wishes[front].refused)
        next = hand_on(share, front);
    pthread_mutex_unlock(&share->mutex);
    tell_turn(share, next);
}

unsigned prl_share_others(struct prl_share *share, unsigned front)
{
    unsigned count = 0;
    pthread_mutex_lock(&share->mutex);
    for (unsigned i = 0; i < share->count; i++)
        count += i != front && (share->holder == i || share->wishes[i].there);
    pthread_mutex_unlock(&share->mutex);
    return count;
}
