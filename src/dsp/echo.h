// echo.h -- takes what the loudspeaker plays out of what the microphone hears.
//
// A kit is loaded once a process and says how echo is cancelled: WebRTC's AEC3 when its module is
// there, else speexdsp. An echo control is made from it for one microphone. Each 10 ms of the
// microphone come with the sound that was played at that time (dsp/reference.h): the kit finds the
// delay on top of that by itself.
// Units:    16-bit mono at 16 kHz, frames of 160 samples.
// Threads:  one owner an echo control; a kit may be shared by all threads once it is made.
// Memory:   AEC3 about 1 MiB a microphone, speexdsp about 0.2 MiB, all in create; process allocates
//           nothing of ours.
// Errors:   NOMEM, and ENGINE when the library refuses. A kit without its module works with speexdsp.
// Delay:    PRL_ECHO_DELAY_SAMPLES with AEC3, 0 with speexdsp.
// Source:   figures in docs/TUNING.md, "Echo"; AEC3 finds delays up to PRL_ECHO_TAIL_MS_MAX, speexdsp
//           covers 250 ms in all and loses its hold when clocks drift.
#ifndef PRL_DSP_ECHO_H
#define PRL_DSP_ECHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    PRL_ECHO_HZ = 16000,
    PRL_ECHO_FRAME_SAMPLES = 160,
    PRL_ECHO_DELAY_SAMPLES = 128,
    PRL_ECHO_TAIL_MS_MAX = 800
};

struct prl_aec3_ops;
struct prl_echo_kit;
struct prl_echo;

// `module` is the path of libparley_aec3.so; NULL or one that cannot be loaded leaves speexdsp, and
// `why` (may be NULL) then holds the reason, else "".
enum prl_err prl_echo_kit_create(struct prl_echo_kit **out, const char *module, char *why,
                                 size_t why_size) PRL_MUST_USE;
// Its echo controls must be gone.
void prl_echo_kit_destroy(struct prl_echo_kit **kit);
// "aec3" or "speexdsp".
const char *prl_echo_kit_name(const struct prl_echo_kit *kit);
// What else the module does is for dsp/gain.c; NULL without it.
const struct prl_aec3_ops *prl_echo_kit_module(const struct prl_echo_kit *kit);

enum prl_err prl_echo_create(struct prl_echo **out, const struct prl_echo_kit *kit) PRL_MUST_USE;
void prl_echo_destroy(struct prl_echo **echo);

// One frame: `mic` is replaced by the sound without echo and without rumble below 80 Hz. Once the canceller has
// `settled` (dsp/echo_trust.h) a person over the loudspeaker is not suppressed with the echo: what the filter alone
// leaves comes out, while filter and suppressor both leave too much for an echo (AEC3;
// docs/decisions/059-echo-filtered.md).
void prl_echo_process(struct prl_echo *echo, int16_t *mic, const int16_t *reference, bool settled);

// How much of the microphone's power the last 160 ms or so kept: near 0 while all is echo that was
// removed, near 1 while a person speaks. Rumble does not count.
float prl_echo_kept(const struct prl_echo *echo);

struct prl_echo_stats {
    float removed_db; // by the filter, of late; 0 while unknown
    int delay_ms;     // of the echo behind the reference; -1 while unknown
};
void prl_echo_stats(const struct prl_echo *echo, struct prl_echo_stats *stats);

#endif
