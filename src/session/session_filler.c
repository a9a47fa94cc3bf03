// session_filler.c -- something short that is said while the user waits (rule 10). For the client it
// is a response of its own outside the conversation: it has sound and a transcript, and no history.
#include "base/clock.h"
#include "llm/persona.h"
#include "session/session_state.h"
#include "tts/phrases.h"
#include "tts/tts.h"

static const char *filler_text(const struct prl_session *session)
{
    return prl_session_chinese(session) ? "嗯，我看看。" : "Let me see.";
}

void prl_session_want_phrases(struct prl_session *session)
{
    const struct prl_session_conf *conf = &session->conf.conf;
    bool chinese = prl_session_chinese(session);
    if (!session->engines.phrases || !conf->audio || !conf->voice)
        return;
    struct prl_phrase_wish wish = {.text = prl_llm_persona_apology(chinese ? "zh" : "en"),
                                   .voice = conf->voice,
                                   .speed = (float)conf->speed,
                                   .chinese = chinese};
    prl_phrases_want(session->engines.phrases, &wish);
    wish.text = filler_text(session);
    if (conf->floor.filler_after_ms > 0)
        prl_phrases_want(session->engines.phrases, &wish);
}

// Nothing will sound; the floor forgets it.
static void say_nothing(struct prl_session *session, uint32_t generation)
{
    prl_session_step(
        session, &(struct prl_floor_event){.fact = PRL_FACT_ANSWER_DONE, .generation = generation});
}

void prl_session_filler(struct prl_session *session, const struct prl_floor_action *action)
{
    const struct prl_session_conf *conf = &session->conf.conf;
    struct prl_work *work = conf->audio && session->engines.tts
                                ? prl_session_new_work(session, action->generation)
                                : NULL;
    if (work) {
        work->filler = true;
        work->answer = prl_session_place(session, work);
    }
    if (!work || !work->answer) {
        if (work)
            prl_session_free_work(session, work);
        say_nothing(session, action->generation);
        return;
    }
    struct prl_answer_start start = {
        .generation = work->generation,
        .text = filler_text(session),
        .audio = true,
        .voice = conf->voice,
        .speed = conf->speed,
        .chinese = prl_session_chinese(session),
    };
    uint32_t generation = work->generation;
    enum prl_err err = prl_answer_start(work->answer, &start);
    work = prl_session_work(session, generation);
    if (err && work) {
        prl_session_free_work(session, work);
        say_nothing(session, generation);
    }
}

void prl_session_filler_sounds(struct prl_session *session, struct prl_work *work)
{
    if (work->visible)
        return;
    int64_t now_us = prl_clock_now_us();
    prl_session_start_response(session, work);
    prl_playout_start(session->playout, work->generation, now_us);
    prl_playout_release(session->playout, now_us);
    work->released = true;
}

void prl_session_filler_ends(struct prl_session *session, struct prl_work *work,
                             enum prl_session_status status, const char *reason)
{
    prl_session_end_response(session, work, status, reason);
    prl_session_tell_output(session, work,
                            status == PRL_RESPONSE_COMPLETED ? PRL_SESSION_OUTPUT_STOPPED
                                                             : PRL_SESSION_OUTPUT_CLEARED);
    if (work->answer)
        prl_answer_stop(work->answer);
    work->answer = NULL;
    prl_session_free_work(session, work);
}
