// event_item.h -- conversation items as JSON, in both dialects.
//
// Threads:  any. Memory: none of its own; text goes to the writer. Errors: stick in the writer's string.
#ifndef PRL_API_EVENT_ITEM_H
#define PRL_API_EVENT_ITEM_H

#include "api/session_object.h"
#include "base/json_write.h"
#include "session/history.h"

// An item of the history; an answer is shown as far as it was heard.
void prl_api_item_write(const struct prl_item *item, enum prl_api_dialect dialect,
                        struct prl_json_write *json, const char *key);

// An assistant message while it is made. `text` NULL: no content yet.
struct prl_api_message {
    const char *id;
    const char *status;
    const char *text;
    bool audio;
};
void prl_api_message_write(const struct prl_api_message *message, enum prl_api_dialect dialect,
                           struct prl_json_write *json, const char *key);
// Its only content part; key NULL inside an item's content.
void prl_api_part_write(const struct prl_api_message *message, enum prl_api_dialect dialect,
                        struct prl_json_write *json, const char *key);

struct prl_api_call {
    const char *id;
    const char *status;
    const char *call_id;
    const char *name;
    const char *arguments;
};
void prl_api_call_write(const struct prl_api_call *call, struct prl_json_write *json,
                        const char *key);

#endif
