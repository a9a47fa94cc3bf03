// scene_clean.c -- what a session has made of the microphone's sound, for scenes that write it down. In a file of
// its own: the inside of a session and that of the recognisers share a name.
#include "tests/bench/scene_clean.h"
#include "session/session_state.h"

uint64_t scene_clean(const struct prl_session *session, int16_t *pcm, uint64_t from)
{
    if (from < prl_session_ring_start(session))
        from = prl_session_ring_start(session);
    for (; from < session->input; from++)
        pcm[from] = session->ring[from % session->ring_size];
    return from;
}
