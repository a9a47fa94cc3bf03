// session_lock.c -- the lock on the session's first speaker: feeds the voiced sound of the open utterance
// to the speaker model, and tells the floor whose voice it is.
//
// A verdict reaches the floor as a flag of the utterance's words: another's words count as none. So an
// utterance of another voice is one without words, in overlap, in a speculation and at the commit alike.
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "session/session_state.h"
#include "vad/lock.h"
#include "vad/speaker.h"

enum { VOICED_SIZE = PRL_SPEAKER_SAMPLES_MAX };

// One utterance.
struct print {
    uint32_t utterance; // 0: free
    struct prl_lock_print of;
    enum prl_lock_verdict told;
    bool counted;
};

struct prl_session_lock {
    // Owned.
    struct prl_speaker_stream *stream;
    // State.
    struct prl_lock lock;
    struct print prints[PRL_SESSION_UTTERANCES_MAX];
    size_t newest; // of them: the open utterance, or the last one
    bool voice;    // in the last piece
    bool paused;   // the voice has ended, and its end was not yet asked about
    size_t voiced_count;
    int16_t voiced[VOICED_SIZE]; // the newest utterance's newest voice
};

static bool wanted(const struct prl_session *session)
{
    const struct prl_session_conf *conf = &session->conf.conf;
    switch (conf->lock_mode) {
    case PRL_SESSION_LOCK_OFF:
        return false;
    case PRL_SESSION_LOCK_ASK:
        return conf->lock_wish > 0;
    case PRL_SESSION_LOCK_ON:
        return conf->lock_wish != 0;
    }
    return false;
}

static struct print *find(struct prl_session *session, uint32_t utterance)
{
    for (size_t i = 0; session->lock && i < PRL_SESSION_UTTERANCES_MAX; i++)
        if (utterance && session->lock->prints[i].utterance == utterance)
            return &session->lock->prints[i];
    return NULL;
}

uint32_t prl_session_lock_flags(struct prl_session *session, uint32_t utterance)
{
    const struct print *print = find(session, utterance);
    if (!print)
        return 0;
    switch (prl_lock_verdict(&session->lock->lock, &print->of)) {
    case PRL_LOCK_UNKNOWN:
        return 0;
    case PRL_LOCK_MINE:
        return PRL_FLOOR_MINE;
    case PRL_LOCK_OTHER:
        return PRL_FLOOR_OTHER;
    }
    return 0;
}

static uint32_t lock_ms(const struct prl_session *session)
{
    bool knows = session->lock && prl_lock_knows(&session->lock->lock);
    return knows ? session->conf.conf.lock_wait_ms : 0;
}

// The words so far, anew, with what is known of the voice. The speaker's own are told only where a
// decision waits for them, or where they were taken for another's.
static void tell_floor(struct prl_session *session, const struct print *print, uint32_t flags,
                       enum prl_lock_verdict before)
{
    const struct prl_utterance *open = session->open;
    bool waits = prl_floor_answer(session->floor) != PRL_FLOOR_NONE;
    bool other = (flags & PRL_FLOOR_OTHER) || before == PRL_LOCK_OTHER;
    if (!open || open->id != print->utterance || !(waits || other))
        return;
    const char *words = open->words ? open->words : "";
    struct prl_floor_event fact = {.fact = PRL_FACT_PARTIAL, .utterance = open->id, .flags = flags};
    if (!(flags & PRL_FLOOR_OTHER)) {
        fact.words = prl_session_count_words(words);
        fact.margin = open->margin;
        fact.flags |= prl_session_turn_flags(session, words, open->language);
    }
    prl_session_step(session, &fact);
}

static void on_speaker(void *arg, const struct prl_speaker_answer *answer)
{
    struct prl_session *session = arg;
    struct print *print = find(session, answer->utterance);
    if (!print)
        return;
    struct prl_session_lock *lock = session->lock;
    prl_lock_answered(&lock->lock, &print->of, answer->voice);
    enum prl_lock_verdict verdict = prl_lock_verdict(&lock->lock, &print->of);
    enum prl_lock_verdict before = print->told;
    print->told = verdict;
    if (verdict != before)
        tell_floor(session, print, prl_session_lock_flags(session, print->utterance), before);
}

void prl_session_lock_destroy(struct prl_session *session)
{
    if (!session->lock)
        return;
    prl_speaker_close(&session->lock->stream);
    prl_mem_free(session->lock);
    session->lock = NULL;
}

void prl_session_lock_configure(struct prl_session *session)
{
    bool want = session->engines.speaker && wanted(session);
    if (want && !session->lock) {
        session->lock = prl_mem_zalloc(sizeof(*session->lock));
        enum prl_err err = session->lock ? PRL_OK : PRL_ERR_NOMEM;
        if (!err)
            err = prl_speaker_open(session->engines.speaker, on_speaker, session,
                                   &session->lock->stream);
        if (err) { // the talk goes on without
            prl_log(PRL_LOG_WARN, "session", "no speaker lock: %s", prl_err_name(err));
            want = false;
        }
    }
    if (!want)
        prl_session_lock_destroy(session);
    session->conf.conf.floor.lock_ms = lock_ms(session);
}

static struct print *begin(struct prl_session_lock *lock, uint32_t utterance)
{
    lock->newest = (lock->newest + 1) % PRL_SESSION_UTTERANCES_MAX;
    struct print *print = &lock->prints[lock->newest];
    *print = (struct print){.utterance = utterance};
    lock->voiced_count = 0;
    return print;
}

static void keep(struct prl_session_lock *lock, const int16_t *pcm, size_t count)
{
    size_t gone = 0;
    if (lock->voiced_count + count > VOICED_SIZE)
        gone = lock->voiced_count + count - VOICED_SIZE;
    memmove(lock->voiced, lock->voiced + gone, (lock->voiced_count - gone) * sizeof(*lock->voiced));
    lock->voiced_count -= gone;
    memcpy(lock->voiced + lock->voiced_count, pcm, count * sizeof(*pcm));
    lock->voiced_count += count;
}

void prl_session_lock_sound(struct prl_session *session, const int16_t *pcm, size_t count,
                            bool voice)
{
    struct prl_session_lock *lock = session->lock;
    if (!lock)
        return;
    // A question under way when the voice ends is waited for.
    lock->paused = !voice && (lock->paused || lock->voice);
    lock->voice = voice;
    if (!session->open || session->open->id == 0)
        return;
    struct print *print = &lock->prints[lock->newest];
    if (print->utterance != session->open->id)
        print = begin(lock, session->open->id);
    if (voice) {
        keep(lock, pcm, count);
        print->of.voiced += count;
    }
    size_t samples = prl_lock_wants(&lock->lock, &print->of, lock->paused);
    if (samples == 0)
        return;
    // Refused: whoever speaks is heard.
    if (prl_speaker_ask(lock->stream, print->utterance,
                        lock->voiced + (lock->voiced_count - samples), samples) != PRL_OK)
        return;
    prl_lock_asked(&print->of, samples);
    lock->paused = false;
}

bool prl_session_lock_refuses(struct prl_session *session, uint32_t utterance)
{
    struct print *print = find(session, utterance);
    if (!print || !(prl_session_lock_flags(session, utterance) & PRL_FLOOR_OTHER))
        return false;
    if (!print->counted)
        prl_metrics_add(PRL_METRIC_OTHER_VOICES, 1);
    print->counted = true;
    return true;
}

void prl_session_lock_said(struct prl_session *session, uint32_t utterance)
{
    const struct print *print = find(session, utterance);
    if (!print)
        return;
    bool knew = prl_lock_knows(&session->lock->lock);
    prl_lock_learn(&session->lock->lock, &print->of);
    if (knew || !prl_lock_knows(&session->lock->lock))
        return;
    prl_log(PRL_LOG_INFO, "session", "the speaker is known");
    session->conf.conf.floor.lock_ms = lock_ms(session);
    prl_floor_configure(session->floor, &session->conf.conf.floor);
    prl_session_step(session, &(struct prl_floor_event){.fact = PRL_FACT_UPDATE});
}
