// session_record.c -- what of a session's sound goes to its recording, and when it sounded.
//
// The user's side is what every listener in the session gets, at the time at which it is looked at, less
// what it waited in a jitter buffer. The answer's side is what the output clock takes for heard: over
// WebSocket the client plays what it has until it is told to be silent; a leg says what really left, fades
// included, and what has left is heard one delay later whatever the session cuts meanwhile.
#include "base/clock.h"
#include "media/recording.h"
#include "session/session_state.h"

enum { US_PER_MS = 1000 };

void prl_session_record(struct prl_session *session, struct prl_recording *recording)
{
    session->recording = recording;
}

void prl_session_record_user(struct prl_session *session, const int16_t *pcm, size_t count)
{
    if (!session->recording)
        return;
    int64_t delay_us = prl_session_arrival(session, session->input).delay_us;
    prl_recording_user(session->recording, pcm, count, session->waiting_count,
                       prl_clock_now_us() - delay_us);
}

void prl_session_record_sent(struct prl_session *session, const int16_t *pcm, size_t samples)
{
    if (session->recording && !session->rtp)
        prl_recording_answer(session->recording, pcm, samples, prl_session_sounds_at_us(session),
                             0);
}

void prl_session_record_left(struct prl_session *session, const int16_t *pcm, size_t samples,
                             int64_t at_us)
{
    if (session->recording)
        prl_recording_answer(session->recording, pcm, samples, at_us,
                             (int64_t)session->delay_ms * US_PER_MS);
}

void prl_session_record_cut(struct prl_session *session)
{
    if (session->recording && !session->rtp)
        prl_recording_cut(session->recording, prl_clock_now_us());
}
