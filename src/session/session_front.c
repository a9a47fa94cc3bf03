// session_front.c -- what is done to the microphone's sound before anything listens to it: the echo is taken
// out (session_echo.c), a quiet microphone is turned up (dsp/gain.h), and before either hum and rumble go
// (dsp/highpass.h; echo control has its own).
//
// Both work on whole frames of 10 ms, in place in the waiting sound. What is less waits for the next sound; at
// a commit, which waits for nothing, the gain control gets it with silence behind it.
#include <string.h>

#include "base/log.h"
#include "dsp/echo.h"
#include "dsp/gain.h"
#include "session/session_state.h"

enum { FRAME = PRL_ECHO_FRAME_SAMPLES };

_Static_assert((int)FRAME == (int)PRL_GAIN_FRAME_SAMPLES, "one frame for both");

// What the server's mode and the client's wish come to. Browsers, whose way in is RTP, do it themselves, and
// what echo control leaves of an echo must not be turned up before a person has spoken.
static bool gain_wanted(const struct prl_session *session)
{
    const struct prl_session_conf *conf = &session->conf.conf;
    switch (conf->gain_mode) {
    case PRL_SESSION_GAIN_OFF:
        return false;
    case PRL_SESSION_GAIN_ON:
        return conf->gain_wish != 0;
    case PRL_SESSION_GAIN_AUTO:
        return conf->gain_wish > 0 || (conf->gain_wish < 0 && !session->rtp && !session->echo);
    }
    return false;
}

void prl_session_front_configure(struct prl_session *session)
{
    prl_session_echo_configure(session);
    bool want = session->engines.echo && session->listens && gain_wanted(session);
    if (!want)
        prl_gain_destroy(&session->gain);
    if (!want || session->gain)
        return;
    prl_highpass_reset(&session->highpass);
    enum prl_err err = prl_gain_create(&session->gain, session->engines.echo);
    if (err &&
        err != PRL_ERR_NOTFOUND) // the talk goes on without; the missing module was told at start
        prl_log(PRL_LOG_WARN, "session", "no gain control: %s", prl_err_name(err));
}

void prl_session_front_destroy(struct prl_session *session)
{
    prl_session_echo_destroy(session);
    prl_gain_destroy(&session->gain);
}

// The next samples of the waiting sound, at most a frame.
static void process_frame(struct prl_session *session, size_t count)
{
    int16_t mic[FRAME] = {0};
    size_t at = (session->waiting_first + session->front_count) % session->waiting_size;
    for (size_t i = 0; i < count; i++)
        mic[i] = session->waiting[(at + i) % session->waiting_size];
    if (session->echo)
        prl_session_echo_frame(session, mic, session->input + session->front_count);
    else
        prl_highpass_process(&session->highpass, mic, count);
    if (session->gain)
        prl_gain_process(session->gain, mic);
    for (size_t i = 0; i < count; i++)
        session->waiting[(at + i) % session->waiting_size] = mic[i];
    session->front_count += count;
}

size_t prl_session_front_ready(struct prl_session *session, size_t count)
{
    if (!session->echo && !session->gain)
        return count;
    while (session->front_count < count) {
        size_t rest = session->waiting_count - session->front_count;
        if (rest < FRAME && (session->echo || !session->hurry))
            break;
        process_frame(session, rest < FRAME ? rest : FRAME);
    }
    return count < session->front_count ? count : session->front_count;
}

void prl_session_front_taken(struct prl_session *session, size_t count)
{
    session->front_count -= count < session->front_count ? count : session->front_count;
}
