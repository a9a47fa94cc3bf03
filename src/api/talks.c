// talks.c -- see talks.h.
#include "api/talks.h"

#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "net/loop.h"
#include "net/overload.h"

enum { FROZEN_MAX = 100 };

// A talk's place in the table.
struct seat {
    struct prl_talk *talk;
    struct seat *next;
    int64_t until_us; // while frozen: when it goes; 0 with a client
};

struct prl_talks {
    struct prl_talks_conf conf;
    struct prl_talks_stats stats;
    struct seat *seats; // owned
    struct prl_timer *timer;
    struct prl_timer *pulse; // with load_max
    int64_t pulse_us;        // when it is due
    struct prl_overload overload;
};

static void on_due(void *arg);

static void start_pulse(struct prl_talks *talks)
{
    talks->pulse_us = prl_clock_now_us() + PRL_OVERLOAD_TICK_US;
    prl_timer_start(talks->pulse, talks->pulse_us);
}

static void on_pulse(void *arg)
{
    struct prl_talks *talks = arg;
    int64_t now_us = prl_clock_now_us();
    prl_overload_tick(&talks->overload, now_us, prl_clock_thread_us(), now_us - talks->pulse_us,
                      talks->stats.sessions);
    start_pulse(talks);
}

enum prl_err prl_talks_create(struct prl_talks **out, const struct prl_talks_conf *conf)
{
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    (*out)->conf = *conf;
    if (conf->frozen_max == 0)
        (*out)->conf.frozen_max = FROZEN_MAX;
    enum prl_err err =
        prl_timer_create(&(*out)->timer, conf->engines.loop, "frozen sessions", on_due, *out);
    prl_overload_init(&(*out)->overload, conf->load_max);
    if (!err && conf->load_max > 0)
        err = prl_timer_create(&(*out)->pulse, conf->engines.loop, "load", on_pulse, *out);
    if (!err && conf->load_max > 0)
        start_pulse(*out);
    if (err)
        prl_talks_destroy(out);
    return err;
}

// ---- several loops ----

static const char digits[] = "0123456789abcdef";
_Static_assert(sizeof(digits) - 1 >= PRL_TALKS_LOOPS_MAX, "a digit for each loop");

size_t prl_talks_digit_loop(char digit)
{
    const char *at = digit ? strchr(digits, digit) : NULL;
    return at ? (size_t)(at - digits) : SIZE_MAX;
}

char prl_talks_digit(const struct prl_talks *talks)
{
    return (char)(talks->conf.loops ? digits[talks->conf.loop] : '\0');
}

size_t prl_talks_place(struct prl_talks_loops *loops)
{
    size_t next = atomic_fetch_add(&loops->turn, 1) % loops->count;
    size_t least = next;
    for (size_t i = 0; i < loops->count; i++)
        if (atomic_load(&loops->sessions[i]) < atomic_load(&loops->sessions[least]))
            least = i;
    bool uneven = atomic_load(&loops->sessions[next]) >
                  atomic_load(&loops->sessions[least]) + PRL_TALKS_UNEVEN_MAX;
    return uneven ? least : next;
}

// Sessions with a client, of all loops.
static size_t sessions_now(const struct prl_talks *talks)
{
    if (!talks->conf.loops)
        return talks->stats.sessions;
    size_t sessions = 0;
    for (size_t i = 0; i < talks->conf.loops->count; i++)
        sessions += atomic_load(&talks->conf.loops->sessions[i]);
    return sessions;
}

static void remove_session(struct prl_talks *talks)
{
    talks->stats.sessions--;
    if (talks->conf.loops)
        atomic_fetch_sub(&talks->conf.loops->sessions[talks->conf.loop], 1);
}

// False: there is no room for one more. It is counted first, so that two loops that have one at the same
// time do not both find the last place free.
static bool add_session(struct prl_talks *talks)
{
    talks->stats.sessions++;
    if (talks->conf.loops)
        atomic_fetch_add(&talks->conf.loops->sessions[talks->conf.loop], 1);
    if (sessions_now(talks) <= talks->conf.sessions_max)
        return true;
    remove_session(talks);
    return false;
}

// Takes the seat out of the list and ends its talk.
static void remove_seat(struct prl_talks *talks, struct seat **at)
{
    struct seat *seat = *at;
    PRL_CHECK(seat != NULL);
    *at = seat->next;
    if (seat->until_us)
        talks->stats.frozen--;
    else
        remove_session(talks);
    prl_talk_destroy(&seat->talk);
    prl_mem_free(seat);
}

void prl_talks_destroy(struct prl_talks **talks)
{
    if (!*talks)
        return;
    while ((*talks)->seats)
        remove_seat(*talks, &(*talks)->seats);
    prl_timer_destroy(&(*talks)->timer);
    prl_timer_destroy(&(*talks)->pulse);
    prl_mem_free(*talks);
    *talks = NULL;
}

static struct seat **seat_of(struct prl_talks *talks, const struct prl_talk *talk)
{
    struct seat **at = &talks->seats;
    while (*at && (*at)->talk != talk)
        at = &(*at)->next;
    return at;
}

// ---- those whose client is away ----

static void start_timer(struct prl_talks *talks)
{
    int64_t next_us = 0;
    for (const struct seat *seat = talks->seats; seat; seat = seat->next)
        if (seat->until_us && (!next_us || seat->until_us < next_us))
            next_us = seat->until_us;
    if (next_us)
        prl_timer_start(talks->timer, next_us);
    else
        prl_timer_stop(talks->timer);
}

static void on_due(void *arg)
{
    struct prl_talks *talks = arg;
    int64_t now_us = prl_clock_now_us();
    struct seat **at = &talks->seats;
    while (*at) {
        if ((*at)->until_us && (*at)->until_us <= now_us) {
            prl_log(PRL_LOG_INFO, "api", "%s: nobody came back", prl_talk_id((*at)->talk));
            remove_seat(talks, at);
        } else {
            at = &(*at)->next;
        }
    }
    start_timer(talks);
}

static void drop_oldest(struct prl_talks *talks)
{
    struct seat **oldest = NULL;
    for (struct seat **at = &talks->seats; *at; at = &(*at)->next)
        if ((*at)->until_us && (!oldest || (*at)->until_us < (*oldest)->until_us))
            oldest = at;
    if (!oldest)
        return;
    prl_log(PRL_LOG_WARN, "api", "%s: more than %zu sessions wait for their clients, this one goes",
            prl_talk_id((*oldest)->talk), talks->conf.frozen_max);
    remove_seat(talks, oldest);
}

static void on_left(void *arg, struct prl_talk *talk, bool frozen)
{
    struct prl_talks *talks = arg;
    struct seat **at = seat_of(talks, talk);
    if (!frozen) {
        remove_seat(talks, at);
        start_timer(talks);
        return;
    }
    struct seat *seat = *at;
    if (talks->stats.frozen >= talks->conf.frozen_max)
        drop_oldest(talks);
    seat->until_us = prl_clock_now_us() + talks->conf.resume_us;
    remove_session(talks);
    talks->stats.frozen++;
    prl_log(PRL_LOG_INFO, "api", "%s: waits for its client", prl_talk_id(talk));
    start_timer(talks);
}

static enum prl_err refuse(struct prl_talks *talks)
{
    talks->stats.refused++;
    prl_metrics_add(PRL_METRIC_SESSIONS_REFUSED, 1);
    return PRL_ERR_LIMIT;
}

enum prl_err prl_talks_return(struct prl_talks *talks, const struct prl_talks_return *wish,
                              struct prl_talk **out, struct prl_talk_channel **channel)
{
    char hash[PRL_HASH_TEXT_SIZE];
    *out = NULL;
    *channel = NULL;
    size_t len = PRL_TALK_TOKEN_SIZE - (talks->conf.loops ? 1 : 2);
    if (strlen(wish->token) != len)
        return PRL_ERR_NOTFOUND;
    enum prl_err err = prl_hash_bytes(wish->token, len, hash);
    if (err)
        return err;
    struct seat *found = NULL;
    for (struct seat *seat = talks->seats; seat; seat = seat->next)
        if (prl_talk_token_is(seat->talk, hash))
            found = seat;
    if (!found || !prl_credential_owns(wish->asker, prl_talk_maker(found->talk)))
        return PRL_ERR_NOTFOUND;
    if (found->until_us && !add_session(talks))
        return refuse(talks);
    err = prl_talk_return(found->talk, channel, wish->dialect, wish->track, wish->ops, wish->arg);
    if (err) {
        if (found->until_us)
            remove_session(talks);
        return err;
    }
    if (found->until_us)
        talks->stats.frozen--;
    found->until_us = 0;
    talks->stats.resumed++;
    prl_metrics_add(PRL_METRIC_RESUMES, 1);
    prl_log(PRL_LOG_INFO, "api", "%s: its client came back", prl_talk_id(found->talk));
    start_timer(talks);
    *out = found->talk;
    return PRL_OK;
}

// ---- new ones ----

bool prl_talks_full(struct prl_talks *talks)
{
    if (sessions_now(talks) < talks->conf.sessions_max &&
        !prl_overload_refuses(&talks->overload, talks->stats.sessions))
        return false;
    return refuse(talks) != PRL_OK;
}

enum prl_err prl_talks_open(struct prl_talks *talks, const struct prl_talks_wish *wish,
                            struct prl_talk **out, struct prl_problem *problem)
{
    *out = NULL;
    if (!add_session(talks))
        return PRL_ERR_LIMIT;
    struct seat *seat = prl_mem_zalloc(sizeof(*seat));
    if (!seat) {
        remove_session(talks);
        return PRL_ERR_NOMEM;
    }
    struct prl_talk_conf conf = {.engines = &talks->conf.engines,
                                 .base = &talks->conf.session,
                                 .maker = *wish->maker,
                                 .dialect = wish->dialect,
                                 .track = wish->track,
                                 .transcription = wish->transcription,
                                 .model = wish->model,
                                 .session = wish->session,
                                 .tracer = talks->conf.tracer,
                                 .recorder = talks->conf.recorder,
                                 .life_us = talks->conf.session_max_us,
                                 .digit = prl_talks_digit(talks),
                                 .resume_us = talks->conf.resume_us,
                                 .left = on_left,
                                 .arg = talks};
    enum prl_err err = prl_talk_create(&seat->talk, &conf, problem);
    if (err) {
        prl_mem_free(seat);
        remove_session(talks);
        return err;
    }
    seat->next = talks->seats;
    talks->seats = seat;
    talks->stats.sessions_all++;
    prl_overload_admitted(&talks->overload);
    prl_metrics_add(PRL_METRIC_SESSIONS, 1);
    *out = seat->talk;
    return PRL_OK;
}

void prl_talks_drop(struct prl_talks *talks, struct prl_talk **talk)
{
    remove_seat(talks, seat_of(talks, *talk));
    *talk = NULL;
}

void prl_talks_stats(const struct prl_talks *talks, struct prl_talks_stats *stats)
{
    *stats = talks->stats;
    stats->load = talks->overload.share;
}
