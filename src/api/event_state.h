// event_state.h -- the inside of event.h, shared by event.c and event_output.c only.
#ifndef PRL_API_EVENT_STATE_H
#define PRL_API_EVENT_STATE_H

#include "api/event.h"
#include "base/json_write.h"
#include "base/str.h"

enum {
    PRL_EVENTS_RESPONSES_MAX = 8,  // one of the conversation, one that ends, and those beside it
    PRL_EVENTS_SIZE_MAX = 4 << 20, // bytes of one event
};

struct prl_resample;

// An output item of a response that is going on, or its final JSON.
struct prl_events_output {
    char id[PRL_SESSION_ID_SIZE];
    char previous[PRL_HISTORY_ID_MAX]; // "" for none
    bool open;
    bool message;
    bool audio;
    struct prl_str text; // of a message, so far
    char *json;          // owned, once closed
};

struct prl_events_response {
    char id[PRL_SESSION_ID_SIZE];
    bool used;
    bool out_of_band;
    struct prl_events_output *outputs; // owned, PRL_SESSION_OUTPUT_MAX once there is one
    size_t count;
};

struct prl_events {
    struct prl_events_conf conf;
    struct prl_str buffer; // of the event being written
    struct prl_json_write json;
    struct prl_events_response responses[PRL_EVENTS_RESPONSES_MAX];
    struct prl_resample *down; // 24 to 8 kHz, when G.711 goes out
    enum prl_events_to to;     // of the event being written
    bool lost;
};

// ---- event.c: one event ----

// Begins an event for everybody; `type` is GA's name. The writer is valid until end, which sends it.
struct prl_json_write *prl_events_begin(struct prl_events *events, const char *type);
void prl_events_end(struct prl_events *events);
// Something cannot be told: the client is given up, once.
void prl_events_lose(struct prl_events *events, enum prl_err err);

// ---- event_output.c: responses, their items and their sound ----

void prl_events_on_created(struct prl_events *events, const struct prl_session_event *event);
void prl_events_on_message(struct prl_events *events, const struct prl_session_event *event);
void prl_events_on_text(struct prl_events *events, const struct prl_session_event *event);
void prl_events_on_audio(struct prl_events *events, const struct prl_session_event *event);
void prl_events_on_call(struct prl_events *events, const struct prl_session_event *event);
void prl_events_on_call_more(struct prl_events *events, const struct prl_session_event *event);
void prl_events_on_done(struct prl_events *events, const struct prl_session_event *event);
// Forgets all responses.
void prl_events_drop_responses(struct prl_events *events);

#endif
