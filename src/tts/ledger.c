// ledger.c -- see ledger.h. A list in the order of sending, which is the order within each stream.
#include "tts/ledger.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "tts/tts_lane.h"

struct clause {
    struct clause *next;
    struct prl_msg say; // owned
    uint32_t id;
    bool sounded; // something of it was passed on
    bool again;   // the next child must have it
    bool twice;   // it is the second one's
};

struct prl_tts_ledger {
    struct clause *first; // owned
    struct clause **end;
};

enum prl_err prl_tts_ledger_create(struct prl_tts_ledger **out)
{
    PRL_CHECK(out != NULL);
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    (*out)->end = &(*out)->first;
    return PRL_OK;
}

// Takes it off the list; its message is the caller's.
static void unlink_at(struct prl_tts_ledger *ledger, struct clause **link)
{
    struct clause *gone = *link;
    *link = gone->next;
    if (ledger->end == &gone->next)
        ledger->end = link;
    prl_mem_free(gone);
}

static void drop_at(struct prl_tts_ledger *ledger, struct clause **link)
{
    prl_msg_free(&(*link)->say);
    unlink_at(ledger, link);
}

void prl_tts_ledger_destroy(struct prl_tts_ledger **ledger)
{
    PRL_CHECK(ledger != NULL);
    if (!*ledger)
        return;
    while ((*ledger)->first)
        drop_at(*ledger, &(*ledger)->first);
    prl_mem_free(*ledger);
    *ledger = NULL;
}

static void drop_stream(struct prl_tts_ledger *ledger, uint64_t stream, uint32_t generation)
{
    struct clause **link = &ledger->first;
    while (*link) {
        if ((*link)->say.id == stream && (*link)->say.generation <= generation)
            drop_at(ledger, link);
        else
            link = &(*link)->next;
    }
}

enum prl_err prl_tts_ledger_sent(struct prl_tts_ledger *ledger, struct prl_msg *msg)
{
    struct prl_tts_job_head head;
    struct clause *clause;
    switch ((enum prl_tts_order)msg->type) {
    case PRL_TTS_ORDER_SAY:
        PRL_CHECK(msg->size >= sizeof(head));
        clause = prl_mem_zalloc(sizeof(*clause));
        if (!clause)
            return PRL_ERR_NOMEM;
        memcpy(&head, msg->data, sizeof(head));
        clause->id = head.clause_id;
        clause->say = *msg;
        msg->data = NULL;
        *ledger->end = clause;
        ledger->end = &clause->next;
        break;
    case PRL_TTS_ORDER_CANCEL:
        drop_stream(ledger, msg->id, msg->generation);
        break;
    case PRL_TTS_ORDER_CLOSE:
        drop_stream(ledger, msg->id, UINT32_MAX);
        break;
    }
    return PRL_OK;
}

// The clause id of a report; false: no lane sends such a thing.
static bool read_report(const struct prl_msg *msg, uint32_t *id)
{
    struct prl_tts_audio_head audio;
    struct prl_tts_done done;
    switch ((enum prl_tts_report)msg->type) {
    case PRL_TTS_REPORT_AUDIO:
        if (!msg->data || msg->size < sizeof(audio))
            return false;
        memcpy(&audio, msg->data, sizeof(audio));
        *id = audio.clause_id;
        return audio.samples <= PRL_TTS_CHUNK_MAX &&
               msg->size == sizeof(audio) + (size_t)audio.mark_count * sizeof(struct prl_tts_mark) +
                                audio.samples * sizeof(int16_t);
    case PRL_TTS_REPORT_DONE:
        if (!msg->data || msg->size != sizeof(done))
            return false;
        memcpy(&done, msg->data, sizeof(done));
        *id = done.clause_id;
        return true;
    case PRL_TTS_REPORT_ERROR:
        *id = (uint32_t)msg->value[0];
        return msg->value[1] > 0 && msg->value[1] < PRL_ERR_COUNT;
    }
    return false;
}

// Marks lie within the sound's clause, as whoever uses them expects.
static bool are_marks_good(const struct clause *clause, const struct prl_msg *msg)
{
    struct prl_tts_audio_head audio;
    struct prl_tts_job_head head;
    memcpy(&audio, msg->data, sizeof(audio));
    memcpy(&head, clause->say.data, sizeof(head));
    for (size_t i = 0; i < audio.mark_count; i++) {
        struct prl_tts_mark mark;
        memcpy(&mark, (const char *)msg->data + sizeof(audio) + i * sizeof(mark), sizeof(mark));
        if (mark.sample_start > mark.sample_end || mark.source_start > mark.source_end ||
            mark.source_end > head.text_len)
            return false;
    }
    return true;
}

enum prl_err prl_tts_ledger_got(struct prl_tts_ledger *ledger, const struct prl_msg *msg)
{
    uint32_t id;
    if (!read_report(msg, &id))
        return PRL_ERR_INVALID;
    struct clause **link = &ledger->first;
    while (*link && ((*link)->say.id != msg->id || (*link)->say.generation != msg->generation ||
                     (*link)->id != id))
        link = &(*link)->next;
    if (!*link)
        return PRL_ERR_AGAIN;
    if (msg->type == PRL_TTS_REPORT_AUDIO && !are_marks_good(*link, msg))
        return PRL_ERR_INVALID;
    if (msg->type == PRL_TTS_REPORT_AUDIO)
        (*link)->sounded = true;
    else
        drop_at(ledger, link);
    return PRL_OK;
}

bool prl_tts_ledger_lost(struct prl_tts_ledger *ledger, bool again_wanted, struct prl_msg *say)
{
    for (struct clause **link = &ledger->first; *link; link = &(*link)->next) {
        struct clause *clause = *link;
        clause->again = again_wanted && !clause->sounded && !clause->twice;
        if (clause->again)
            continue;
        *say = clause->say;
        unlink_at(ledger, link);
        return true;
    }
    return false;
}

bool prl_tts_ledger_again(struct prl_tts_ledger *ledger, struct prl_msg *say)
{
    for (struct clause *clause = ledger->first; clause; clause = clause->next) {
        if (!clause->again)
            continue;
        void *copy = prl_mem_dup(clause->say.data, clause->say.size);
        if (!copy)
            return false; // later: the session's time limit ends its wait
        clause->again = false;
        clause->twice = true;
        *say = clause->say;
        say->data = copy;
        return true;
    }
    return false;
}
