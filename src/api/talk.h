// talk.h -- one conversation as its clients see it: the session object, the session behind it, the
// events of both directions, and the channels on which they travel.
//
// A channel is one way in and out: a WebSocket, a call's data channel, a sideband. One is the owner's,
// the client whose conversation it is; others observe, and may ask for whatever the owner may. Every
// event goes to all channels but for two kinds: an error that answers an observer stays from the owner,
// and the resume token is the owner's alone.
// Threads:  the loop thread.
// Memory:   one object a conversation, at most PRL_TALK_OBSERVERS_MAX observers; a message that is
//           arriving and its sound (message.h) a channel.
// Errors:   a channel that does not take its events is ended (1013), alone; a hole in the event stream
//           itself ends all (1011).
// Source:   docs/PROTOCOL.md; coming back: docs/ARCHITECTURE.md, rule 12 of the floor.
#ifndef PRL_API_TALK_H
#define PRL_API_TALK_H

#include "api/credential.h"
#include "api/event.h"

struct prl_talk;
struct prl_talk_channel;
struct prl_tracer;
struct prl_recorder;

enum {
    PRL_TALK_OBSERVERS_MAX = 8,
    PRL_TALK_TOKEN_SIZE = 66,     // of a resume token: 256 bits in hex, behind a digit for its loop
    PRL_TALK_CLOSE_NORMAL = 1000, // the codes with which channels end
    PRL_TALK_CLOSE_AWAY = 1001,
    PRL_TALK_CLOSE_INTERNAL = 1011,
    PRL_TALK_CLOSE_SLOW = 1013,
    PRL_TALK_CLOSE_RESUMED = 4001 // the client came back on another connection
};

enum prl_talk_role { PRL_TALK_OWNER, PRL_TALK_OBSERVER };

// A channel as the talk sees it. None of these may call back into the talk.
struct prl_talk_ops {
    // One event, borrowed. CANCELED: it is closing anyway. Other errors end the channel.
    enum prl_err (*send)(void *arg, const char *text, size_t len);
    // Sound waits for room in the session: the peer is to stop sending, or may go on. NULL where no
    // sound comes in messages.
    void (*pause)(void *arg, bool on);
    // Close it; at most once, and nothing is sent afterwards. prl_talk_detach is still due.
    void (*end)(void *arg, uint16_t code, const char *reason);
    // The talk is no longer this channel's, and its session may be gone when this returns; nothing
    // sounds. After `end`, or inside prl_talk_detach of an owner; never while the channel is calling
    // prl_talk_input. May be NULL.
    void (*over)(void *arg);
};

struct prl_talk_conf {
    const struct prl_session_engines *engines;
    const struct prl_session_conf *base; // defaults; copied, their texts live longer than the talk
    struct prl_credential maker;
    enum prl_api_dialect dialect;
    bool track;                     // sound goes both ways as RTP
    bool transcription;             // the session's type, where the settings say nothing
    const char *model;              // or NULL
    const struct prl_json *session; // first settings, or NULL
    struct prl_tracer *tracer;      // or NULL
    struct prl_recorder *recorder;  // or NULL
    int64_t life_us;                // 0: no limit
    char digit;                     // of the loop, first in tokens; 0: there is one loop
    int64_t resume_us;              // how long a client may stay away; 0: nobody comes back
    // The last call of a talk, which may be destroyed inside: the owner has gone and `frozen` says
    // whether a token can bring it back; or its life is over.
    void (*left)(void *arg, struct prl_talk *talk, bool frozen);
    void *arg;
};

// On a `problem` with the first settings (INVALID) or NOMEM *out is NULL.
enum prl_err prl_talk_create(struct prl_talk **out, const struct prl_talk_conf *conf,
                             struct prl_problem *problem) PRL_MUST_USE;
// Ends the channels that are left; `left` is not called.
void prl_talk_destroy(struct prl_talk **talk);

const char *prl_talk_id(const struct prl_talk *talk);
const struct prl_credential *prl_talk_maker(const struct prl_talk *talk);
struct prl_session *prl_talk_session(struct prl_talk *talk);
// Everything that the session reports goes to `fn` before it becomes an event: the owner's way to the
// sound of answers where events carry none. Ends with the owner's channel, or with NULL.
void prl_talk_tap(struct prl_talk *talk, prl_session_fn fn, void *arg);

// ---- channels ----

// Adds one and keeps `ops`. LIMIT: as many observers as there may be. NOMEM.
enum prl_err prl_talk_attach(struct prl_talk *talk, struct prl_talk_channel **out,
                             enum prl_talk_role role, const struct prl_talk_ops *ops,
                             void *arg) PRL_MUST_USE;
// session.created with the settings of now, to this channel alone; then, for an owner that asked for
// it, a new resume token. Again for an owner that has missed events.
void prl_talk_greet(struct prl_talk_channel *channel);
// A piece of a client event, as prl_ws_ops.on_text has it.
void prl_talk_input(struct prl_talk_channel *channel, const char *data, size_t len, bool first,
                    bool last);
// A whole binary message came, which the protocol does not know.
void prl_talk_binary(struct prl_talk_channel *channel);
// Takes the channel away. An owner's ends the talk: observers are closed with `why`, and it is frozen
// when `resumable` and the client holds a token. Not from inside a callback of the talk.
void prl_talk_detach(struct prl_talk_channel **channel, bool resumable, const char *why);

// ---- coming back ----

// Does this SHA-256 belong to the talk's token? Constant time.
bool prl_talk_token_is(const struct prl_talk *talk, const char hash[PRL_HASH_TEXT_SIZE]);
bool prl_talk_frozen(const struct prl_talk *talk);
// The client is back on a new channel: the old one ends, if there still is one, what was under way is
// over, the token is spent, and prl_talk_greet brings the next one. NOMEM leaves everything as it was.
enum prl_err prl_talk_return(struct prl_talk *talk, struct prl_talk_channel **out,
                             enum prl_api_dialect dialect, bool track,
                             const struct prl_talk_ops *ops, void *arg) PRL_MUST_USE;

#endif
