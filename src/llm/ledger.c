// ledger.c -- see ledger.h.
#include "llm/ledger.h"

#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "llm/llm.h"
#include "llm/worker.h"

struct entry {
    uint64_t id;
    bool running;        // an answer of `generation`
    bool taking;         // an order without its TAKEN
    bool closing;        // that order is CLOSE
    bool told;           // the child knows the stream
    bool opening;        // it was told by `again`: one TAKEN is nobody's
    uint32_t generation; // of the answer
};

struct prl_llm_ledger {
    struct entry *entries; // owned
    size_t count;
};

enum prl_err prl_llm_ledger_create(struct prl_llm_ledger **out)
{
    PRL_CHECK(out != NULL);
    struct prl_llm_ledger *ledger = prl_mem_zalloc(sizeof(*ledger));
    *out = ledger;
    if (!ledger)
        return PRL_ERR_NOMEM;
    ledger->entries = prl_mem_array(PRL_LLM_STREAMS_MAX, sizeof(*ledger->entries));
    if (ledger->entries)
        return PRL_OK;
    prl_llm_ledger_destroy(out);
    return PRL_ERR_NOMEM;
}

void prl_llm_ledger_destroy(struct prl_llm_ledger **ledger)
{
    PRL_CHECK(ledger != NULL);
    if (!*ledger)
        return;
    prl_mem_free((*ledger)->entries);
    prl_mem_free(*ledger);
    *ledger = NULL;
}

static struct entry *find(struct prl_llm_ledger *ledger, uint64_t id)
{
    for (size_t i = 0; i < ledger->count; i++)
        if (ledger->entries[i].id == id)
            return &ledger->entries[i];
    return NULL;
}

static void forget(struct prl_llm_ledger *ledger, struct entry *entry)
{
    *entry = ledger->entries[--ledger->count];
}

void prl_llm_ledger_sent(struct prl_llm_ledger *ledger, const struct prl_msg *msg)
{
    struct entry *entry = find(ledger, msg->id);
    if (!entry && msg->type == PRL_LLM_ORDER_OPEN && ledger->count < PRL_LLM_STREAMS_MAX) {
        entry = &ledger->entries[ledger->count++];
        *entry = (struct entry){.id = msg->id, .told = true};
    }
    if (!entry)
        return;
    entry->taking = true;
    entry->closing = msg->type == PRL_LLM_ORDER_CLOSE;
    bool ends =
        msg->type == PRL_LLM_ORDER_CANCEL && (int32_t)(msg->generation - entry->generation) >= 0;
    if (ends || entry->closing)
        entry->running = false;
    if (msg->type == PRL_LLM_ORDER_GENERATE) {
        entry->running = true;
        entry->generation = msg->generation;
    }
}

static bool is_event(const struct prl_msg *msg)
{
    const char *text = msg->data;
    switch ((enum prl_llm_event_kind)(msg->type & 0xff)) {
    case PRL_LLM_EVENT_TOKEN:
    case PRL_LLM_EVENT_TOOL_ARGS:
        return text && msg->type <= 0xff;
    case PRL_LLM_EVENT_ERROR:
        return msg->type <= 0xff;
    case PRL_LLM_EVENT_TOOL_BEGIN:
        // Two texts with their zeros.
        return text && msg->type <= 0xff && msg->size >= 2 && text[msg->size - 1] == '\0' &&
               memchr(text, '\0', msg->size - 1) != NULL;
    case PRL_LLM_EVENT_TOOL_END:
        return msg->type <= 0xff;
    case PRL_LLM_EVENT_DONE:
        return msg->type >> 8 <= PRL_LLM_REASON_CONTEXT;
    case PRL_LLM_EVENT_AUDIO: // no embedded model speaks
        return false;
    }
    return false;
}

enum prl_err prl_llm_ledger_got(struct prl_llm_ledger *ledger, const struct prl_msg *msg)
{
    struct entry *entry = find(ledger, msg->id);
    bool note = msg->type == PRL_LLM_NOTE_TAKEN || msg->type == PRL_LLM_NOTE_CLOSED;
    if (!note && !is_event(msg))
        return PRL_ERR_INVALID;
    if (!entry)
        return PRL_ERR_AGAIN; // of a stream that nobody has
    if (note && entry->opening) {
        entry->opening = false;
        return msg->type == PRL_LLM_NOTE_TAKEN ? PRL_ERR_AGAIN : PRL_ERR_INVALID;
    }
    if (note && (!entry->taking || entry->closing != (msg->type == PRL_LLM_NOTE_CLOSED)))
        return PRL_ERR_INVALID;
    uint32_t kind = msg->type & 0xff;
    if (note)
        entry->taking = false;
    else if (msg->generation == entry->generation &&
             (kind == PRL_LLM_EVENT_DONE || kind == PRL_LLM_EVENT_ERROR))
        entry->running = false;
    if (msg->type == PRL_LLM_NOTE_CLOSED)
        forget(ledger, entry);
    return PRL_OK;
}

bool prl_llm_ledger_lost(struct prl_llm_ledger *ledger, struct prl_msg *msg)
{
    for (size_t i = 0; i < ledger->count; i++) {
        struct entry *entry = &ledger->entries[i];
        entry->told = entry->opening = false;
        *msg = (struct prl_msg){.id = entry->id, .generation = entry->generation};
        if (entry->running) {
            entry->running = false;
            msg->type = PRL_LLM_EVENT_ERROR;
            return true;
        }
        if (entry->taking) {
            entry->taking = false;
            msg->type = entry->closing ? PRL_LLM_NOTE_CLOSED : PRL_LLM_NOTE_TAKEN;
            if (entry->closing)
                forget(ledger, entry);
            return true;
        }
    }
    return false;
}

bool prl_llm_ledger_again(struct prl_llm_ledger *ledger, struct prl_msg *msg)
{
    for (size_t i = 0; i < ledger->count; i++) {
        struct entry *entry = &ledger->entries[i];
        if (entry->told)
            continue;
        entry->told = entry->opening = true;
        *msg = (struct prl_msg){.type = PRL_LLM_ORDER_OPEN, .id = entry->id};
        return true;
    }
    return false;
}
