// playout.h -- the output clock: what of an answer was sent, and what of it was heard.
//
// One object a session; it follows one generation at a time. It decides how many samples may be
// sent by now (real time plus a lead) and estimates how many have reached the ear.
//
// Units:    samples at 24 kHz counted from the generation's first; microseconds, monotonic.
// Threads:  one owner. Memory: none after create. Errors: none; time that goes back stands still.
// Source:   rule 8 of the floor. WebSocket: the client plays what it has, at once and in real time.
//           WebRTC: the same behind a playout delay, which RTCP may correct.
#ifndef PRL_MEDIA_PLAYOUT_H
#define PRL_MEDIA_PLAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { PRL_PLAYOUT_HZ = 24000, PRL_PLAYOUT_FADE_SAMPLES = PRL_PLAYOUT_HZ / 100 };

struct prl_playout_conf {
    uint32_t lead_ms;  // sound that may be sent ahead of real time; at least 20
    uint32_t delay_ms; // from sending to the ear: 0 on WebSocket, 80 + flight time on WebRTC
};

void prl_playout_conf_init(struct prl_playout_conf *conf); // WebSocket: lead 400, delay 0

struct prl_playout;

enum prl_err prl_playout_create(struct prl_playout **out,
                                const struct prl_playout_conf *conf) PRL_MUST_USE;
void prl_playout_destroy(struct prl_playout **playout);

// A new generation begins at sample 0; what was known of the last one is forgotten. It starts
// held: nothing may be sent before prl_playout_release.
void prl_playout_start(struct prl_playout *playout, uint32_t generation, int64_t now_us);
void prl_playout_release(struct prl_playout *playout, int64_t now_us);
// Back to held (only sensible while nothing was sent) or paused: nothing more may be sent. What
// was sent goes on being heard.
void prl_playout_pause(struct prl_playout *playout, int64_t now_us);
// The answer ends here: no sample may be sent any more, and `heard` stops at the position of now
// when `cut` (the client was told to be silent), else it runs to the end of what was sent.
// Returns the position at which history is to be cut.
uint64_t prl_playout_stop(struct prl_playout *playout, bool cut, int64_t now_us);

// How many samples may be sent at now_us. 0 while held, paused or stopped.
uint64_t prl_playout_room(struct prl_playout *playout, int64_t now_us);
// When room will reach `samples` without further events; INT64_MAX while held, paused, stopped or
// relayed.
int64_t prl_playout_room_at_us(struct prl_playout *playout, uint64_t samples, int64_t now_us);
// `samples` more were handed to the client. More than the room is allowed and counts as sent.
void prl_playout_sent(struct prl_playout *playout, uint64_t samples, int64_t now_us);
// WebRTC: RTCP says how long sound is under way now.
void prl_playout_set_delay(struct prl_playout *playout, uint32_t delay_ms, int64_t now_us);
void prl_playout_set_lead(struct prl_playout *playout, uint32_t lead_ms, int64_t now_us);

// RTP: `sent` samples wait with somebody who passes them on and says so. Room is then the lead less
// what waits there, what was heard is what was passed on one delay ago, to the sample, gaps included;
// gaps are not counted here.
void prl_playout_set_relayed(struct prl_playout *playout, bool on, int64_t now_us);
// So many samples were passed on, and were to be at at_us, now or a little earlier: what a late loop
// sends in one go is still heard one after the other. More than wait are ignored.
void prl_playout_passed(struct prl_playout *playout, uint64_t samples, int64_t at_us);

uint32_t prl_playout_generation(const struct prl_playout *playout);
uint64_t prl_playout_sent_samples(const struct prl_playout *playout);
uint64_t prl_playout_heard_samples(struct prl_playout *playout, int64_t now_us);
// Everything that was sent has been heard.
bool prl_playout_drained(struct prl_playout *playout, int64_t now_us);
// When the last sent sample will have been heard; now_us or earlier when drained.
int64_t prl_playout_drained_at_us(struct prl_playout *playout, int64_t now_us);
// Gaps that a listener heard inside this generation because nothing had been sent (pauses are
// counted too): how many, and for how long in all.
uint32_t prl_playout_underruns(const struct prl_playout *playout);
int64_t prl_playout_gap_us(const struct prl_playout *playout);

// The 10 ms ramps of pause and cancel (down) and resume (up). `at` is the position of pcm[0]
// inside the ramp; samples beyond it become 0 (down) or stay (up).
void prl_playout_fade(int16_t *pcm, size_t count, size_t at, bool down);

#endif
