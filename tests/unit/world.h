// world.h -- a whole Realtime connection for tests: scripted engines, the real session, events and
// requests; what the server says is kept as text.
#ifndef PRL_TESTS_WORLD_H
#define PRL_TESTS_WORLD_H

#include <stdbool.h>

#include "api/event.h"
#include "api/message.h"
#include "api/request.h"
#include "llm/llm.h"
#include "net/loop.h"
#include "session/session.h"
#include "stt/stt.h"
#include "tests/unit/llm_fake.h"
#include "tts/tts.h"

struct world {
    struct prl_loop *loop;
    struct prl_stt *stt;
    struct prl_llm *llm;
    struct prl_tts *tts;
    struct fake_llm fake;
    struct prl_session_conf base;
    struct prl_api_session object;
    struct prl_events *events;
    struct prl_session *session;
    prl_session_fn tap;  // sees what the session reports before it becomes an event; may be NULL
    struct prl_str said; // every event, one a line
    int lost;
    int loaded;
};

// Engines start loading; world_ready waits for them.
enum prl_err world_open(struct world *world, enum prl_api_dialect dialect);
bool world_ready(struct world *world);
void world_close(struct world *world);
// As if the client had sent this text.
void world_send(struct world *world, const char *json);
// Turns the loop until an event with this text in it has come (bounded), or false.
bool world_await(struct world *world, const char *part);

#endif
