// session_turn.c -- what the floor is told about a turn: what its words say, whether they are the
// words that an answer was begun on, and what the end-of-turn engine thinks.
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "eot/eot.h"
#include "eot/words.h"
#include "session/session_state.h"

static bool is_letter(uint32_t code)
{
    return (code >= '0' && code <= '9') || ((code | 32) >= 'a' && (code | 32) <= 'z') ||
           (code >= 0xC0 && code < 0x2000);
}

static bool is_ideograph(uint32_t code)
{
    return code >= 0x3040 && code <= 0xFAFF && code != 0x30FB;
}

uint32_t prl_session_count_words(const char *text)
{
    size_t len = strlen(text);
    uint32_t words = 0;
    bool inside = false;
    for (size_t at = 0; at < len;) {
        uint32_t code;
        at += prl_utf8_decode(text + at, len - at, &code);
        words += is_ideograph(code) || (is_letter(code) && !inside);
        inside = is_letter(code) || (inside && (code == '\'' || code == 0x2019)); // "that's" is one
    }
    return words;
}

// The next letter, small where it is ASCII; 0 at the end.
static uint32_t next_letter(const char **at, const char *end)
{
    while (*at < end) {
        uint32_t code;
        *at += prl_utf8_decode(*at, (size_t)(end - *at), &code);
        if (code >= 'A' && code <= 'Z')
            return code | 32;
        if (is_letter(code) || is_ideograph(code))
            return code;
    }
    return 0;
}

bool prl_session_same_words(const char *a, const char *b)
{
    const char *a_end = a + strlen(a);
    const char *b_end = b + strlen(b);
    for (;;) {
        uint32_t letter = next_letter(&a, a_end);
        if (letter != next_letter(&b, b_end))
            return false;
        if (letter == 0)
            return true;
    }
}

// Does the text only repeat what the answer that sounds has said?
static bool is_echo(struct prl_session *session, const char *text)
{
    uint32_t generation = prl_playout_generation(session->playout);
    const struct prl_work *work = prl_session_work(session, generation);
    if (!work || !work->item_kept || !prl_session_busy(session))
        return false;
    const struct prl_item *item = prl_history_find(session->history, work->item_id);
    if (!item || prl_item_part_count(item) == 0)
        return false;
    struct prl_history_part said = prl_item_part(item, 0);
    return prl_eot_echoes(text, strlen(text), said.text, said.len);
}

uint32_t prl_session_turn_flags(struct prl_session *session, const char *text, const char *language)
{
    uint32_t words =
        prl_eot_words(text, strlen(text), *language ? language : session->conf.conf.language);
    uint32_t flags = 0;
    if (words & PRL_EOT_OPEN_ENDED)
        flags |= PRL_FLOOR_OPEN_ENDED;
    if (words & PRL_EOT_COMPLETE)
        flags |= PRL_FLOOR_COMPLETE;
    if (words & PRL_EOT_BACKCHANNEL)
        flags |= PRL_FLOOR_BACKCHANNEL;
    if (words & PRL_EOT_HAN)
        flags |= PRL_FLOOR_HAN;
    if (words & PRL_EOT_TAKES)
        flags |= PRL_FLOOR_TAKES;
    if (is_echo(session, text))
        flags |= PRL_FLOOR_ECHO;
    return flags;
}

// ---- the end-of-turn engine ----

static void on_eot(void *arg, const struct prl_eot_answer *answer)
{
    prl_session_step(arg, &(struct prl_floor_event){.fact = PRL_FACT_EOT,
                                                    .utterance = answer->utterance,
                                                    .permille = answer->permille,
                                                    .flags = answer->err ? PRL_FLOOR_SKIPPED : 0});
}

static enum prl_err ask(struct prl_session *session, const struct prl_utterance *utterance,
                        uint64_t end)
{
    struct prl_eot *eot = session->engines.eot;
    if (!eot || !utterance || !prl_eot_is_ready(eot) ||
        prl_eot_backlog_us(eot) > PRL_EOT_BACKLOG_MAX_US)
        return PRL_ERR_AGAIN;
    enum prl_err err = PRL_OK;
    if (!session->eot)
        err = prl_eot_open(eot, on_eot, session, &session->eot);
    if (err)
        return err;
    uint64_t from = prl_session_ring_start(session);
    if (from < utterance->start)
        from = utterance->start;
    if (end > session->input)
        end = session->input;
    if (end <= from)
        return PRL_ERR_AGAIN;
    if (end - from > PRL_EOT_SAMPLES_MAX)
        from = end - PRL_EOT_SAMPLES_MAX;
    size_t count = (size_t)(end - from);
    int16_t *pcm = prl_mem_array(count, sizeof(*pcm));
    if (!pcm)
        return PRL_ERR_NOMEM;
    for (size_t i = 0; i < count; i++)
        pcm[i] = session->ring[(from + i) % session->ring_size];
    err = prl_eot_ask(session->eot, utterance->id, pcm, count);
    prl_mem_free(pcm);
    return err;
}

void prl_session_ask_eot(struct prl_session *session, const struct prl_floor_action *action)
{
    // Without an answer silence decides.
    if (ask(session, prl_session_utterance(session, action->utterance), action->end) != PRL_OK)
        prl_session_step(session, &(struct prl_floor_event){.fact = PRL_FACT_EOT,
                                                            .utterance = action->utterance,
                                                            .flags = PRL_FLOOR_SKIPPED});
}
