// talker.h -- one speaker of the load client: what its microphone gives, and what it hears.
//
// A pure core: sound and time go in, sound and figures come out. It says an utterance, listens to
// the answer to its end, pauses, and says the next one. What it measures it measures in the sound:
// from the last sample of speech that left the microphone to the first audible sample of the answer,
// each at the time at which a microphone and a loudspeaker would have had it.
// Units:    microseconds, monotonic, given by the caller; samples at the rates of the conf.
// Threads:  one owner. Memory: one block, with room for the figures of all turns.
// Errors:   an answer that does not begin within `patience_ms` is counted, and the next turn begins.
#ifndef PRL_CLIENT_TALKER_H
#define PRL_CLIENT_TALKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { PRL_TALKER_TURNS_MAX = 1000 };

struct prl_talker;

struct prl_talker_conf {
    const int16_t *pcm; // the utterance, borrowed
    size_t samples;
    size_t speech_end; // samples up to the end of its last word
    uint32_t say_hz;   // of the utterance
    uint32_t hear_hz;  // of the answers
    uint32_t lead_ms;  // silence before the first utterance
    uint32_t pause_ms; // between the end of an answer and the next utterance
    uint32_t patience_ms;
    uint32_t turns; // 1..PRL_TALKER_TURNS_MAX
};

struct prl_talker_result {
    uint32_t turns;      // answered
    uint32_t marked;     // of these: the answer began with the chirp
    uint32_t unanswered; // patience ran out
    uint32_t early;      // answers that began before the speech had ended
    // Of the answered ones, valid as long as the talker: from the last sample of speech, from the
    // sample that ended the turn for the server, and how long after the end of speech the server says
    // that it ended it (negative: it did not say).
    const int64_t *delay_us;
    const int64_t *after_us;
    const int64_t *waited_us;
};

enum prl_err prl_talker_create(struct prl_talker **out,
                               const struct prl_talker_conf *conf) PRL_MUST_USE;
void prl_talker_destroy(struct prl_talker **talker);

// The next `n` samples of the microphone. `start_us`: when the first of them was captured. True when
// all of them are silence.
bool prl_talker_say(struct prl_talker *talker, int64_t start_us, int16_t *pcm, size_t n);
// Sound of the answer has arrived; it is played at once, or behind what still plays. `fresh`: it
// belongs to a new stretch of sound, whatever came before.
void prl_talker_hear(struct prl_talker *talker, const int16_t *pcm, size_t n, bool fresh,
                     int64_t arrival_us);
// The server says that the turn ended with the sample captured at this time.
void prl_talker_turn_end(struct prl_talker *talker, int64_t end_us);
// The server says how long after the end of speech it ended the turn.
void prl_talker_waited(struct prl_talker *talker, int64_t waited_us);
// An event of the server, or its beginning: the two above, when it is one of theirs. Ends with a zero byte;
// `start_us`: when the first sample of the microphone was captured.
void prl_talker_event(struct prl_talker *talker, const char *event, int64_t start_us);
// The server says that the answer is complete.
void prl_talker_answered(struct prl_talker *talker, int64_t now_us);
// All turns are over.
bool prl_talker_done(const struct prl_talker *talker);
void prl_talker_result(const struct prl_talker *talker, struct prl_talker_result *result);

#endif
