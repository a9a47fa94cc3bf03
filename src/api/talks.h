// talks.h -- every conversation of one loop: how many there may be, and those whose client is away.
//
// Threads:  the loop thread; several loops share a struct prl_talks_loops.
// Memory:   one object a conversation; at most `sessions_max` with a client, calls and WebSockets
//           together, and `frozen_max` without one.
// Errors:   LIMIT when there is no room. A conversation that freezes when frozen_max are frozen makes the
//           one go that has waited longest.
// Rules:    a token is found by its SHA-256, in constant time a conversation; it is good for one return,
//           by the credential that made the conversation.
#ifndef PRL_API_TALKS_H
#define PRL_API_TALKS_H

#include <stdatomic.h>

#include "api/talk.h"

struct prl_talks;

// What the loops of a server know of each other: how many sessions with a client each has.
enum { PRL_TALKS_LOOPS_MAX = 16, PRL_TALKS_UNEVEN_MAX = 4 };
struct prl_talks_loops {
    size_t count; // set once; the rest is 0 at first
    atomic_size_t sessions[PRL_TALKS_LOOPS_MAX];
    atomic_size_t turn;
};

struct prl_talks_conf {
    struct prl_session_engines engines;
    struct prl_session_conf session; // defaults of every session; texts live as long as the server
    struct prl_tracer *tracer;       // gets every turn; or NULL
    struct prl_recorder *recorder;   // records every conversation; or NULL
    size_t sessions_max;
    struct prl_talks_loops *loops; // borrowed, sessions_max is for all of them; NULL: there is one
    size_t loop;                   // this one's number
    double load_max;        // share of the loop's core from which new ones are refused; 0: never
    int64_t session_max_us; // longest life of a conversation; 0: no limit
    int64_t resume_us;      // how long one waits for its client; 0: no coming back
    size_t frozen_max;      // 0: 100
};

enum prl_err prl_talks_create(struct prl_talks **out,
                              const struct prl_talks_conf *conf) PRL_MUST_USE;
// Every channel must be detached.
void prl_talks_destroy(struct prl_talks **talks);

// No room for one more, by number or by load (net/overload.h); asking counts as a refusal when the
// answer is yes. A client that comes back is refused by number alone.
bool prl_talks_full(struct prl_talks *talks);

// What a new conversation is to be; all borrowed.
struct prl_talks_wish {
    const struct prl_credential *maker;
    enum prl_api_dialect dialect;
    bool track;
    bool transcription;
    const char *model;
    const struct prl_json *session;
};
// The talk lives until its owner's channel goes; when none could be attached, prl_talks_drop it.
enum prl_err prl_talks_open(struct prl_talks *talks, const struct prl_talks_wish *wish,
                            struct prl_talk **out, struct prl_problem *problem) PRL_MUST_USE;
void prl_talks_drop(struct prl_talks *talks, struct prl_talk **talk);

// What prl_talk_return wants to know, and the token.
struct prl_talks_return {
    const char *token;
    const struct prl_credential *asker;
    enum prl_api_dialect dialect;
    bool track;
    const struct prl_talk_ops *ops;
    void *arg;
};
// NOTFOUND: no conversation has this token, or not any more, or not for this asker. LIMIT: no room.
// The token is spent only when it worked.
enum prl_err prl_talks_return(struct prl_talks *talks, const struct prl_talks_return *wish,
                              struct prl_talk **out,
                              struct prl_talk_channel **channel) PRL_MUST_USE;

struct prl_talks_stats {
    size_t sessions;       // with a client, now
    size_t frozen;         // without one, now
    uint64_t sessions_all; // so far
    uint64_t refused;      // for lack of room
    uint64_t resumed;      // clients that came back
    double load;           // share of its core that the loop uses, 0 without load_max
};
void prl_talks_stats(const struct prl_talks *talks, struct prl_talks_stats *stats);

// ---- several loops ----

// The loop for a new session, on any thread: each in its turn, but where one has more than
// PRL_TALKS_UNEVEN_MAX sessions more than the one with the fewest, that one.
size_t prl_talks_place(struct prl_talks_loops *loops);
// The digit by which ids and tokens name the loop of these talks; 0: there is one loop.
char prl_talks_digit(const struct prl_talks *talks);
// The loop that a digit names, SIZE_MAX: none.
size_t prl_talks_digit_loop(char digit);

#endif
