// far.h -- from settings to the chain of engines of one kind (engine/pool.h): addresses, keys, limits.
//
// Threads:  start-up, the loop thread. Memory: nothing is kept; the pool copies.
// Errors:   INVALID with one line in `why` that names the key of the configuration, never a secret.
#ifndef PRL_SERVER_FAR_H
#define PRL_SERVER_FAR_H

#include <stdbool.h>

#include "engine/pool.h"
#include "server/settings.h"

enum { PRL_FAR_WHY_SIZE = 400 };

struct prl_far {
    const char *kind; // static: "stt", "llm", "tts", "upstream"
    const struct prl_settings_engine *chain;
    const char *model; // of chain[0]
    const char *voice; // of chain[0]; "": the session's
};

// Is any engine of the chain elsewhere?
bool prl_far_any(const struct prl_settings_engine chain[PRL_SETTINGS_CHAIN]);
// Index of the embedded engine in the chain, or -1.
int prl_far_embedded(const struct prl_settings_engine chain[PRL_SETTINGS_CHAIN]);

// Does a Realtime server stand in for recogniser, model and voice?
bool prl_far_has_upstream(const struct prl_settings *settings);
// The name of a voice that only the engine elsewhere knows; "" when it is one of ours, which are passed on.
const char *prl_far_voice(const struct prl_settings *settings);

enum prl_err prl_far_pool(struct prl_pool **out, const struct prl_far *far,
                          const struct prl_settings *settings, struct prl_loop *loop,
                          struct prl_fetch *fetch, char *why) PRL_MUST_USE;

struct prl_upstream_kit;
// The servers of upstream.url.
enum prl_err prl_far_upstream(struct prl_upstream_kit **out, const struct prl_settings *settings,
                              struct prl_loop *loop, char *why) PRL_MUST_USE;

#endif
