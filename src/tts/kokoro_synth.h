// kokoro_synth.h -- the two halves of Kokoro: ids to frames, frames to sound.
//
// Predicting costs a fiftieth of making the sound, so a whole piece is predicted at once and becomes
// sound in stretches of its frames. A stretch needs a little of its neighbours (PRL_KOKORO_CONTEXT).
// The vocoder brings every channel to zero mean and unit variance ("norms"): by what it has before it,
// where the statistics of a stretch differ from the piece's, or by norms that are given, where the sound of
// a frame depends on its neighbours alone. kokoro_flow.h evens out what is left.
// Units:    frames of 600 samples (25 ms) at 24 kHz; styles are PRL_KOKORO_STYLE floats.
// Threads:  one owner, the lane.
// Memory:   what the library holds: the frames of one piece, the sound of one stretch.
// Errors:   NOTFOUND, ENGINE with a sentence in `why`; ENGINE, NOMEM in predict and sound, told by why().
// Longest uninterruptible step: prl_kokoro_synth_sound, 8.5 to 17 ms a frame (docs/TUNING.md).
// Source:   Kokoro-82M v1.0 (Apache-2.0), int8, cut by tools/convert/kokoro_split.py.
#ifndef PRL_TTS_KOKORO_SYNTH_H
#define PRL_TTS_KOKORO_SYNTH_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct prl_ort;
struct prl_kokoro_synth;

enum {
    PRL_KOKORO_FRAME = 600,       // samples
    PRL_KOKORO_STYLE = 256,       // floats
    PRL_KOKORO_CONTEXT = 10,      // frames that a stretch is computed with on each side
    PRL_KOKORO_FRAMES_MAX = 4800, // of a piece: two minutes, a bound against a broken model
    PRL_KOKORO_NORMS =
        35860, // means and variances of all channels, as kokoro_split.py lays them out
};

enum prl_err prl_kokoro_synth_create(struct prl_kokoro_synth **out, struct prl_ort *ort,
                                     const char *const models[2], int threads, char *why,
                                     size_t why_size) PRL_MUST_USE; // predictor, vocoder
void prl_kokoro_synth_destroy(struct prl_kokoro_synth **synth);

struct prl_kokoro_piece {
    int64_t *ids; // with pads; only read, as is the style
    size_t id_count;
    float *style;
    float speed;
};
// Replaces the piece before. `style` is borrowed until the next call of it.
enum prl_err prl_kokoro_synth_predict(struct prl_kokoro_synth *synth,
                                      const struct prl_kokoro_piece *piece) PRL_MUST_USE;
// Of the predicted piece; durations are whole frames of each id and add up to the frames.
size_t prl_kokoro_synth_frames(const struct prl_kokoro_synth *synth);
const float *prl_kokoro_synth_durations(const struct prl_kokoro_synth *synth);

// Sound of the frames [from, to), from < to <= frames: exactly PRL_KOKORO_FRAME samples each, valid
// until the next call. By the PRL_KOKORO_NORMS `norms`, or with NULL by these frames' own.
enum prl_err prl_kokoro_synth_sound(struct prl_kokoro_synth *synth, size_t from, size_t to,
                                    float *norms, const float **wave) PRL_MUST_USE;
// The newest frames' own norms, valid as long as their sound.
const float *prl_kokoro_synth_norms(const struct prl_kokoro_synth *synth);
const char *prl_kokoro_synth_why(const struct prl_kokoro_synth *synth);

#endif
