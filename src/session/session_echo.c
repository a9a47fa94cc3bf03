// session_echo.c -- the echo control of a session: which sound of an answer sounded while this piece of
// the microphone was recorded.
//
// Both sides are brought to one clock. An answer's sound stands in the reference at the time at which the
// output clock says that it is heard. Input sample n was recorded before n / 16 ms plus an offset, the
// least that arrivals of the last seconds allow: sound that came in a burst was not recorded in one. The
// delay that remains (network, the client's buffers, the room) is the canceller's to find.
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "dsp/echo.h"
#include "dsp/reference.h"
#include "session/session_state.h"

enum {
    FRAME = PRL_ECHO_FRAME_SAMPLES,
    QUEUE_SAMPLES = 8192, // what a leg may hold
    SAMPLES_PER_MS = PRL_SESSION_RATE_HZ / 1000,
    US_PER_MS = 1000,
    BUCKET_US = 1000000,
    STEP_US = 20000, // smaller changes of the offset are left to the canceller
    LEAD_MS = 100,
    // What the canceller needs to learn delay and room, in sound of the loudspeaker. Meanwhile the voice
    // detector hears nothing while the loudspeaker does.
    LEARN_SAMPLES = 7 * PRL_SESSION_RATE_HZ / 2,
    // And so long some of it is left now and then, which a person would not lose as much of.
    TRUST_SAMPLES = 12 * PRL_SESSION_RATE_HZ,
    RING_ON_SAMPLES = PRL_ECHO_TAIL_MS_MAX * SAMPLES_PER_MS,
    SOUND_MIN = 64 // a reference that can make an echo, of 32768
};

// A person who is as loud as the echo keeps half, and what is left of an echo a third at most
// (docs/TUNING.md, "Echo").
static const float KEPT_MIN = 0.4F;

struct prl_session_echo {
    // Owned.
    struct prl_echo *echo;
    struct prl_reference *reference;
    struct prl_resample *down; // 24 to 16 kHz
    // State.
    uint32_t learnt_samples;
    uint32_t ring_on_samples; // that an echo may still come
    int64_t offset_us;        // input sample 0 on the monotonic clock; 0: unknown
    int64_t least_us[2];
    int64_t bucket_us;   // when the present bucket began
    uint32_t generation; // whose sound is in the queue
    int16_t queue[QUEUE_SAMPLES];
    size_t queue_first, queue_count; // RTP: handed to the leg, not yet sent
};

// What the server's mode and the client's wish come to.
static bool wanted(const struct prl_session *session)
{
    const struct prl_session_conf *conf = &session->conf.conf;
    switch (conf->echo_mode) {
    case PRL_SESSION_ECHO_OFF:
        return false;
    case PRL_SESSION_ECHO_ON:
        return conf->echo_wish != 0;
    case PRL_SESSION_ECHO_AUTO:
        return conf->echo_wish > 0;
    }
    return false;
}

bool prl_session_echo_on(const struct prl_session *session)
{
    return session->echo != NULL;
}

uint32_t prl_session_echo_lead_ms(const struct prl_session *session, uint32_t lead_ms)
{
    return session->echo && lead_ms > LEAD_MS ? LEAD_MS : lead_ms;
}

void prl_session_echo_destroy(struct prl_session *session)
{
    struct prl_session_echo *echo = session->echo;
    if (!echo)
        return;
    prl_echo_destroy(&echo->echo);
    prl_reference_destroy(&echo->reference);
    prl_resample_destroy(&echo->down);
    prl_mem_free(echo);
    session->echo = NULL;
}

void prl_session_echo_configure(struct prl_session *session)
{
    bool want = session->engines.echo && wanted(session);
    if (want == (session->echo != NULL))
        return;
    prl_session_echo_destroy(session);
    if (!want)
        return;
    session->echo = prl_mem_zalloc(sizeof(*session->echo));
    enum prl_err err = session->echo ? PRL_OK : PRL_ERR_NOMEM;
    if (!err)
        err = prl_echo_create(&session->echo->echo, session->engines.echo);
    if (!err)
        err = prl_reference_create(&session->echo->reference);
    if (!err)
        err = prl_resample_create(&session->echo->down, PRL_PLAYOUT_HZ, PRL_SESSION_RATE_HZ);
    if (err) { // the talk goes on without
        prl_log(PRL_LOG_WARN, "session", "no echo control: %s", prl_err_name(err));
        prl_session_echo_destroy(session);
    }
}

// ---- the loudspeaker ----

static void put(struct prl_session_echo *echo, const int16_t *pcm, size_t samples, int64_t at_us)
{
    int16_t down[PRL_SESSION_CHUNK_SAMPLES];
    size_t used = 0;
    while (used < samples) {
        size_t piece = samples - used;
        if (piece > PRL_SESSION_CHUNK_SAMPLES)
            piece = PRL_SESSION_CHUNK_SAMPLES;
        size_t made = prl_resample_process(echo->down, pcm + used, piece, NULL, down,
                                           PRL_SESSION_CHUNK_SAMPLES);
        prl_reference_put(echo->reference, down, made, at_us);
        at_us += (int64_t)piece * US_PER_MS / (PRL_PLAYOUT_HZ / 1000);
        used += piece;
    }
}

void prl_session_echo_sent(struct prl_session *session, const int16_t *pcm, size_t samples)
{
    struct prl_session_echo *echo = session->echo;
    if (!echo)
        return;
    int64_t now_us = prl_clock_now_us();
    if (!session->rtp) {
        int64_t at_us = now_us;
        if (prl_playout_sent_samples(session->playout) > 0)
            at_us = prl_playout_drained_at_us(session->playout, now_us);
        put(echo, pcm, samples, at_us > now_us ? at_us : now_us);
        return;
    }
    uint32_t generation = prl_playout_generation(session->playout);
    if (echo->generation != generation)
        echo->queue_count = 0; // the leg has dropped it as well
    echo->generation = generation;
    for (size_t i = 0; i < samples && echo->queue_count < QUEUE_SAMPLES; i++) {
        echo->queue[(echo->queue_first + echo->queue_count) % QUEUE_SAMPLES] = pcm[i];
        echo->queue_count++;
    }
}

void prl_session_echo_left(struct prl_session *session, uint64_t samples, int64_t at_us)
{
    struct prl_session_echo *echo = session->echo;
    if (!echo || echo->generation != prl_playout_generation(session->playout))
        return;
    while (samples > 0 && echo->queue_count > 0) {
        size_t piece = QUEUE_SAMPLES - echo->queue_first;
        if (piece > echo->queue_count)
            piece = echo->queue_count;
        if (piece > samples)
            piece = (size_t)samples;
        put(echo, echo->queue + echo->queue_first, piece, at_us);
        at_us += (int64_t)piece * US_PER_MS / (PRL_PLAYOUT_HZ / 1000);
        echo->queue_first = (echo->queue_first + piece) % QUEUE_SAMPLES;
        echo->queue_count -= piece;
        samples -= piece;
    }
}

// ---- the microphone ----

static int64_t length_us(uint64_t samples)
{
    return (int64_t)(samples * US_PER_MS / SAMPLES_PER_MS);
}

void prl_session_echo_arrived(struct prl_session *session, int64_t now_us)
{
    struct prl_session_echo *echo = session->echo;
    if (!echo)
        return;
    int64_t offset_us = now_us - length_us(session->received);
    if (now_us - echo->bucket_us > 2 * (int64_t)BUCKET_US) { // first sound, or after a long pause
        echo->least_us[0] = offset_us;
        echo->least_us[1] = offset_us;
        echo->bucket_us = now_us;
    } else if (now_us - echo->bucket_us > BUCKET_US) {
        echo->least_us[1] = echo->least_us[0];
        echo->least_us[0] = offset_us;
        echo->bucket_us = now_us;
    }
    if (offset_us < echo->least_us[0])
        echo->least_us[0] = offset_us;
    int64_t least_us =
        echo->least_us[0] < echo->least_us[1] ? echo->least_us[0] : echo->least_us[1];
    int64_t change_us = least_us - echo->offset_us;
    if (echo->offset_us == 0 || change_us > STEP_US || change_us < -STEP_US)
        echo->offset_us = least_us;
}

static void watch_reference(struct prl_session_echo *echo, const int16_t *reference)
{
    int peak = 0;
    for (size_t i = 0; i < FRAME; i++) {
        int size = abs(reference[i]);
        peak = size > peak ? size : peak;
    }
    if (peak > SOUND_MIN) {
        echo->ring_on_samples = RING_ON_SAMPLES;
        echo->learnt_samples += echo->learnt_samples < TRUST_SAMPLES ? FRAME : 0;
    } else if (echo->ring_on_samples > 0) {
        echo->ring_on_samples -= FRAME;
    }
}

bool prl_session_echo_learns(const struct prl_session *session)
{
    const struct prl_session_echo *echo = session->echo;
    if (!echo || echo->ring_on_samples == 0)
        return false;
    bool doubtful = echo->learnt_samples < TRUST_SAMPLES && prl_echo_kept(echo->echo) < KEPT_MIN;
    return echo->learnt_samples < LEARN_SAMPLES || doubtful;
}

void prl_session_echo_frame(struct prl_session *session, int16_t *mic, uint64_t sample)
{
    struct prl_session_echo *echo = session->echo;
    int16_t reference[FRAME];
    prl_reference_take(echo->reference, reference, FRAME, echo->offset_us + length_us(sample));
    watch_reference(echo, reference);
    prl_echo_process(echo->echo, mic, reference);
}
