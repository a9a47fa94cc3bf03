// recording.h -- the sound of one conversation on its way to a file: two tracks on one clock.
//
// The conversation's thread says what it heard and what sounds when; each piece gets its place on the
// recording's clock and goes through a ring to the thread that writes (media/recorder.h). Places are
// numbers, so whatever is lost on the way leaves silence of the right length.
//
// The user's track is continuous as long as its sound comes in real time. It jumps ahead where nothing
// came, and where more came than time has passed (a client that sends a file) the clock itself jumps
// ahead: what is answered to it lies behind it. The answer's track begins where its sound begins to be
// heard; a cut says from where on it was not.
// Units:    samples: the user's at 16 kHz, the answer's at 24 kHz; microseconds, monotonic.
// Threads:  one says, one takes; close ends the first, after it the second owns the recording.
// Memory:   264 KiB in create, of which the ring holds 3.2 s of both tracks; nothing afterwards.
// Errors:   NOMEM in create. A full ring loses pieces, which are told as a gap; a cut is never lost.
#ifndef PRL_MEDIA_RECORDING_H
#define PRL_MEDIA_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    PRL_RECORDING_HZ = 24000, // of the file and of the answer
    PRL_RECORDING_USER_HZ = 16000,
    PRL_RECORDING_PIECE_MAX = 2400, // samples
    PRL_RECORDING_RING_SAMPLES = 1 << 17,
    // How far the user's sound may be behind or ahead of the clock before either jumps: more than bursts
    // of a live microphone, less than people notice between two speakers.
    PRL_RECORDING_SLACK_MS = 250
};

enum prl_recording_kind {
    PRL_RECORDING_USER,       // at 16 kHz, `at` too
    PRL_RECORDING_ANSWER,     // at 24 kHz
    PRL_RECORDING_CUT,        // nothing of the answer sounds from `at` (24 kHz) on
    PRL_RECORDING_USER_GAP,   // lost, no sound follows
    PRL_RECORDING_ANSWER_GAP, //
};

struct prl_recording_piece {
    uint64_t at;    // first sample, from the recording's start
    uint32_t count; // samples
    uint32_t kind;  // enum prl_recording_kind
};

struct prl_recording;

// Begins at now_us; nothing behind `limit_us` is recorded.
enum prl_err prl_recording_create(struct prl_recording **out, int64_t now_us,
                                  int64_t limit_us) PRL_MUST_USE;
void prl_recording_destroy(struct prl_recording **recording);

// ---- the conversation's thread ----

// Sound of the user that is looked at now; `waiting` samples that came with it are still to be.
void prl_recording_user(struct prl_recording *recording, const int16_t *pcm, size_t count,
                        size_t waiting, int64_t now_us);
// Sound that begins to leave at sent_us and is heard `delay_us` later. What leaves without a gap is heard
// without one, whatever the delay has become meanwhile.
void prl_recording_answer(struct prl_recording *recording, const int16_t *pcm, size_t count,
                          int64_t sent_us, int64_t delay_us);
// The answer is silent from now_us on, whatever was said to sound later.
void prl_recording_cut(struct prl_recording *recording, int64_t now_us);
// Where now_us is on the recording's clock.
int64_t prl_recording_ms(const struct prl_recording *recording, int64_t now_us);
// Its limit was reached, at this time or before.
bool prl_recording_over(const struct prl_recording *recording, int64_t now_us);
// The recording ends here. The other thread has it now.
void prl_recording_close(struct prl_recording *recording, int64_t now_us);

// ---- the thread that writes ----

bool prl_recording_closed(const struct prl_recording *recording);
// The next piece; its sound, where it has any, in pcm[PRL_RECORDING_PIECE_MAX]. False: none waits.
bool prl_recording_take(struct prl_recording *recording, struct prl_recording_piece *piece,
                        int16_t *pcm);
// Of a closed one: samples at PRL_RECORDING_HZ, and whether the limit ended it.
uint64_t prl_recording_end(const struct prl_recording *recording, bool *limited);

#endif
