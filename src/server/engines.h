// engines.h -- loads every engine that serving needs, from settings, and says when all have answered.
//
// Threads:  the loop thread; several loops have an object each. Memory: owns the engines and the paths.
// Errors:   what cannot be loaded is told once, with one line, through `failed`.
#ifndef PRL_SERVER_ENGINES_H
#define PRL_SERVER_ENGINES_H

#include <stdbool.h>

#include "server/settings.h"
#include "session/session.h"

struct prl_engines;

enum { PRL_ENGINES_WHY_SIZE = 600 };

struct prl_engines_conf {
    struct prl_loop *loop;
    const struct prl_settings *settings;
    // Those of the first loop, whose embedded models these use too; NULL: these are the first.
    struct prl_engines *first;
    void (*ready)(void *arg);                   // all have answered once
    void (*failed)(void *arg, const char *why); // at most once
    void *arg;
};

// Starts loading and returns; the VAD is loaded at once. When it fails, `first` has been stopped: nothing
// can be served.
enum prl_err prl_engines_create(struct prl_engines **out, const struct prl_engines_conf *conf,
                                char *why) PRL_MUST_USE;
// With several loops all have ended: first prl_engines_leave for all of them, then prl_engines_stop for all of
// them, the first loop's first, then destroy for all of them, the first loop's last. With one loop destroy
// alone will do.
// Ends what these engines ask each other on their own account, while the lanes are there.
void prl_engines_leave(struct prl_engines *engines);
void prl_engines_stop(struct prl_engines *engines);
void prl_engines_destroy(struct prl_engines **engines);
void prl_engines_session(const struct prl_engines *engines, struct prl_session_engines *out);

// In a child process of `parley lane KIND`: serves one kind of engine, "stt", "llm", "tts" or "eot",
// until the parent is gone. An error may come with its line in `why`.
struct prl_lane_child;
enum prl_err prl_engines_serve(const char *kind, const struct prl_settings *settings,
                               struct prl_lane_child *child, char *why) PRL_MUST_USE;

struct prl_engines_state {
    bool vad, eot, stt, llm, tts; // `eot` may stay false: nothing waits for it
};
// Metrics of engines elsewhere, in Prometheus form.
void prl_engines_metrics(const struct prl_engines *engines, struct prl_str *out);
// The voice of sessions that name none: tts.voice, unless only an engine elsewhere knows that name.
const char *prl_engines_voice(const struct prl_settings *settings);
// The embedded language model's name or path.
const char *prl_engines_local_model(const struct prl_settings *settings);
void prl_engines_state(const struct prl_engines *engines, struct prl_engines_state *state);

#endif
