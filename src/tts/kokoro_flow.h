// kokoro_flow.h -- stretches of Kokoro's sound as one flow: how long each is, level, joins, ends.
//
// The model gives about 0.4 s of silence before and 0.6 s behind a piece, and brings every stretch
// to about the same loudness. Here the silence is cut off, a stretch is brought to the level at which
// the one before it ended (both computed a few frames around the join), and 25 ms are cross-faded.
// Units:    samples and frames as in kokoro_synth.h.
// Threads:  one owner. Pure.
// Memory:   the sound of one stretch; grows, kept.
// Errors:   NOMEM in add.
#ifndef PRL_TTS_KOKORO_FLOW_H
#define PRL_TTS_KOKORO_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "tts/kokoro_synth.h"

enum { PRL_KOKORO_OVERLAP = PRL_KOKORO_CONTEXT * PRL_KOKORO_FRAME };

struct prl_kokoro_flow {
    int16_t *sound; // owned: what the last add made
    size_t capacity;
    size_t len;
    size_t skipped;                     // samples cut off before the first sound
    bool begun;                         // something was loud
    bool ended;                         // the last stretch was taken
    float gain;                         // of the newest stretch
    size_t tail_len;                    // around the next join
    size_t tail_behind;                 // of it, behind the join
    float tail[2 * PRL_KOKORO_OVERLAP]; // not levelled
};

// A zeroed struct is fine. Forgets the piece before.
void prl_kokoro_flow_begin(struct prl_kokoro_flow *flow);
// What comes now is joined to the last stretch, which had context behind it, though it is of another piece.
void prl_kokoro_flow_go_on(struct prl_kokoro_flow *flow);
void prl_kokoro_flow_free(struct prl_kokoro_flow *flow);

struct prl_kokoro_stretch {
    const float *wave;
    size_t samples; // with context
    size_t before;  // samples of context in front, 0 for the first stretch
    size_t behind;  // 0 for the last
};
// The stretch's sound is in flow->sound, flow->len samples (0 while nothing was loud).
enum prl_err prl_kokoro_flow_add(struct prl_kokoro_flow *flow,
                                 const struct prl_kokoro_stretch *stretch) PRL_MUST_USE;

// How finely a piece may be cut.
struct prl_kokoro_grain {
    size_t
        context; // frames that a stretch is computed with on each side, at most PRL_KOKORO_CONTEXT
    size_t silent;      // frames of the first stretch that are cut off
    size_t first_min;   // frames of the first stretch, those among them
    size_t stretch_min; // of the others
};
// By its own statistics a shorter stretch loses words; by the voice's norms it does not (decisions/014).
extern const struct prl_kokoro_grain prl_kokoro_coarse, prl_kokoro_fine;

// How many of `rest` frames to make next, so that sound goes on without a gap. A frame costs the time of
// `cost` frames of sound. `hand`: frames that are made and not yet heard; negative: none, somebody waits for
// the first, and the shortest stretch after which all others come in time is wanted.
size_t prl_kokoro_flow_next(const struct prl_kokoro_grain *grain, size_t rest, double cost,
                            double hand);

#endif
