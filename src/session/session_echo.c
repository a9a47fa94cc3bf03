// session_echo.c -- the echo control of a session: which sound of an answer sounded while this piece of
// the microphone was recorded.
//
// Both sides are brought to one clock. An answer's sound stands in the reference at the time at which the
// output clock says that it is heard, or a leg that it was sent; when the microphone's was recorded is
// dsp/mic_time.h's to say. The delay that remains (network, the client's buffers, the room) is the
// canceller's to find.
//
// A WebSocket's sound is cleaned where it waits, by input sample. A call's is cleaned as it is decoded, by
// the sender's time stamps: its jitter buffer stretches and shortens it afterwards.
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "dsp/echo.h"
#include "dsp/echo_trust.h"
#include "dsp/mic_time.h"
#include "dsp/reference.h"
#include "session/session_state.h"

enum {
    FRAME = PRL_ECHO_FRAME_SAMPLES,
    SAMPLES_PER_MS = PRL_SESSION_RATE_HZ / 1000,
    US_PER_MS = 1000,
    RESTART_US = 1000000, // so far a sender's clock only jumps when it begins anew
    GAP_FRAMES = 50,      // so much lost sound, 0.5 s, is made up for by silence
    LEAD_MS = 100
};

// Smaller changes of the microphone's clock are left to the canceller. A leg says what sounds 20 ms before
// its end; a call's clock may drift before the canceller has to learn anew, and its first packets, before
// anything was learnt, may have been slow.
static const struct prl_mic_time_steps STEPS = {.earlier_us = 20000, .later_us = 20000};
static const struct prl_mic_time_steps STEPS_CALL = {.earlier_us = 10000, .later_us = 150000};
static const struct prl_mic_time_steps STEPS_FIRST = {0};

struct prl_session_echo {
    // Owned.
    struct prl_echo *echo;
    struct prl_reference *reference;
    struct prl_resample *down; // 24 to 16 kHz
    // State.
    struct prl_mic_time time;
    struct prl_echo_trust trust;
    uint64_t made_up_until; // input sample behind the newest sound that hides a gap
    // Calls.
    bool begun;
    int64_t next_at; // sender's sample behind the newest one that was cleaned
    bool odd;        // packets that are no whole frames: what leaves is a frame old
    size_t odd_count;
    int16_t odd_in[FRAME], odd_out[FRAME];
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
    if (session->rtp)
        return;
    put(echo, pcm, samples, prl_session_sounds_at_us(session));
}

void prl_session_sounds(struct prl_session *session, const int16_t *pcm, size_t samples,
                        int64_t at_us)
{
    if (session->echo)
        put(session->echo, pcm, samples, at_us);
    prl_session_record_left(session, pcm, samples, at_us);
}

// ---- the microphone ----

static int64_t length_us(uint64_t samples)
{
    return (int64_t)(samples * US_PER_MS / SAMPLES_PER_MS);
}

void prl_session_echo_arrived(struct prl_session *session, int64_t now_us, bool made_up)
{
    struct prl_session_echo *echo = session->echo;
    if (!echo)
        return;
    if (made_up)
        echo->made_up_until = session->received;
    if (!session->rtp)
        (void)prl_mic_time_arrived(&echo->time, length_us(session->received), now_us, &STEPS);
}

float prl_session_echo_demands(const struct prl_session *session)
{
    const struct prl_session_echo *echo = session->echo;
    if (!echo)
        return 0.0F;
    bool made_up = echo->trust.ring_on_samples > 0 && session->input < echo->made_up_until;
    return made_up ? PRL_ECHO_TRUST_NEVER
                   : prl_echo_trust_demands(&echo->trust, prl_echo_kept(echo->echo));
}

static void clean_frame(struct prl_session_echo *echo, int16_t *mic, int64_t media_us)
{
    int16_t reference[FRAME];
    prl_reference_take(echo->reference, reference, FRAME, prl_mic_time_of(&echo->time, media_us));
    prl_echo_process(echo->echo, mic, reference, prl_echo_trust_settled(&echo->trust));
    struct prl_echo_stats stats;
    prl_echo_stats(echo->echo, &stats);
    prl_echo_trust_frame(&echo->trust, reference, &stats);
}

void prl_session_echo_frame(struct prl_session *session, int16_t *mic, uint64_t sample)
{
    if (session->echo && !session->rtp)
        clean_frame(session->echo, mic, length_us(sample));
}

// ---- the microphone of a call ----

static int64_t media_us(int64_t samples)
{
    return samples * US_PER_MS / SAMPLES_PER_MS;
}

static void follow_sender(struct prl_session_echo *echo, int64_t end_us, int64_t arrival_us)
{
    int64_t change_us = arrival_us - end_us - echo->time.base_us;
    bool anew = echo->time.known && (change_us > RESTART_US || change_us < -RESTART_US);
    if (anew)
        prl_mic_time_forget(&echo->time);
    const struct prl_mic_time_steps *steps =
        echo->trust.learnt_samples ? &STEPS_CALL : &STEPS_FIRST;
    if (prl_mic_time_arrived(&echo->time, end_us, arrival_us, steps) || anew)
        prl_echo_trust_moved(&echo->trust);
}

// What was lost, or not sent because it was silent, passed for the canceller as well: else it would
// look for the echo where it was before.
static void bridge(struct prl_session_echo *echo, int64_t at)
{
    int64_t gap = at - echo->next_at;
    if (!echo->begun || (gap > -FRAME && gap < FRAME))
        return;
    int64_t frames = gap / FRAME;
    if (frames < 0 || frames > GAP_FRAMES) {
        prl_echo_trust_moved(&echo->trust);
        frames = 0;
    }
    for (; frames > 0; frames--) {
        int16_t silence[FRAME] = {0};
        clean_frame(echo, silence, media_us(at - frames * FRAME));
    }
}

static void clean_odd(struct prl_session_echo *echo, int16_t *pcm, size_t samples, int64_t at)
{
    echo->odd = true;
    for (size_t i = 0; i < samples; i++) {
        echo->odd_in[echo->odd_count] = pcm[i];
        pcm[i] = echo->odd_out[echo->odd_count++];
        if (echo->odd_count < FRAME)
            continue;
        echo->odd_count = 0;
        memcpy(echo->odd_out, echo->odd_in, sizeof(echo->odd_out));
        clean_frame(echo, echo->odd_out, media_us(at + (int64_t)i + 1 - FRAME));
    }
}

void prl_session_clean(struct prl_session *session, int16_t *pcm, size_t samples, int64_t at,
                       int64_t arrival_us)
{
    struct prl_session_echo *echo = session->echo;
    if (!echo)
        return;
    int64_t end = at + (int64_t)samples;
    follow_sender(echo, media_us(end), arrival_us);
    bridge(echo, at);
    echo->begun = true;
    echo->next_at = end;
    if (echo->odd || samples % FRAME != 0) {
        clean_odd(echo, pcm, samples, at);
        return;
    }
    for (size_t i = 0; i < samples; i += FRAME)
        clean_frame(echo, pcm + i, media_us(at + (int64_t)i));
}
