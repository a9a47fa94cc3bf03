// leg.h -- the sound of one call between its RTP packets and its session.
//
// Inward packets go through the jitter buffer and the decoder to the session, 20 ms a tick. Outward
// the session's sound waits in a short ring; every tick encodes and sends 20 ms of it. Ticks are at
// start + n × 20 ms, whatever happened before. Between answers one frame of silence is sent every
// 400 ms (Opus; G.711 never stops); time stamps always count media time.
//
// How to use it: create one when the call's codec is known and its session exists. Give it each
// packet and report of the peer and every event of the session (prl_leg_on_session, before the event
// is told to the client). The leg puts the session into RTP mode (prl_session_rtp) while it lives.
// Units:    samples at 24 kHz outward, 16 kHz inward; microseconds.
// Threads:  the loop's thread.
// Memory:   all in create, about 170 KiB: jitter buffer 90, Opus 61, ring 16; nothing afterwards.
// Errors:   create only. After a stall of the loop at most PRL_LEG_CATCH_UP ticks are made up for, the
//           rest is skipped and counted. Sound beyond the ring is dropped and counted.
// Source:   ARCHITECTURE.md (rule 8, "heard"); the delay of each part stands in TUNING.md.
#ifndef PRL_SESSION_LEG_H
#define PRL_SESSION_LEG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "media/codec.h"
#include "media/jitter.h"

struct prl_loop;
struct prl_rtc_packet;
struct prl_rtc_report;
struct prl_session;
struct prl_session_event;
struct prl_leg;

enum {
    PRL_LEG_TICK_US = 20000,
    PRL_LEG_PHASES = 20, // parts of a tick, to spread the legs of a loop over
    PRL_LEG_PHASE_US = PRL_LEG_TICK_US / PRL_LEG_PHASES,
    PRL_LEG_CATCH_UP = 5,          // ticks
    PRL_LEG_SILENCE_STEP_MS = 400, // between frames of silence
    PRL_LEG_CLIENT_DELAY_MS = 80,  // the client's own jitter buffer and sound card
    PRL_LEG_RING_SAMPLES = 8192,   // 341 ms; the session sends at most 60 ms ahead
    PRL_LEG_PACING_BUCKETS = 6
};

// A payload to send. prl_rtc_send_audio with its peer as `arg` does it.
typedef void (*prl_leg_send_fn)(void *arg, const uint8_t *payload, size_t size,
                                uint32_t timestamp_step, bool marker);

struct prl_leg_conf {
    struct prl_loop *loop;       // borrowed
    struct prl_session *session; // borrowed; outlives the leg
    enum prl_codec codec;        // to send, and to receive
    uint32_t phase_us;           // 1..TICK_US: ticks fall there in each 20 ms; 0: from now on
    prl_leg_send_fn send;
    void *send_arg;
};

struct prl_leg_stats {
    struct prl_jitter_stats in;
    uint64_t foreign;     // packets of a codec that was not agreed on
    uint64_t refused;     // frames that the session had no room for
    uint64_t packets_out; //
    uint64_t bytes_out;
    uint64_t underruns; // an answer's sound ran dry before its end
    uint64_t dropped;   // samples beyond the ring
    uint64_t skipped;   // ticks
    // Packets sent so much after their time: up to 1, 2, 5, 10, 20 ms, more.
    uint64_t pacing[PRL_LEG_PACING_BUCKETS];
    int64_t pacing_us_max;
    int64_t flight_us;       // to the peer, as heard truth takes it
    uint32_t queued_samples; // in the ring
    uint32_t bitrate_bps;
    int complexity;
};

enum prl_err prl_leg_create(struct prl_leg **out, const struct prl_leg_conf *conf) PRL_MUST_USE;
// Where the ticks of one more leg fall best, when so many legs have theirs in each part already: all at one
// time would make the last of them late.
size_t prl_leg_phase(const size_t taken[PRL_LEG_PHASES]);
// The first time from now on that lies `phase_us` behind a whole tick of the clock; 0: now.
int64_t prl_leg_first_tick_us(int64_t now_us, uint32_t phase_us);
// Stops at once; the session is taken out of RTP mode. Not from inside a callback of the session.
void prl_leg_destroy(struct prl_leg **leg);

void prl_leg_packet(struct prl_leg *leg, const struct prl_rtc_packet *packet);
void prl_leg_report(struct prl_leg *leg, const struct prl_rtc_report *report);
// Sound, pauses and cuts of the session's answers; other events (and answers out of band, which a
// call does not play) are ignored.
void prl_leg_on_session(struct prl_leg *leg, const struct prl_session_event *event);

// What prl_leg_on_session calls. Sound of the present answer:
void prl_leg_play(struct prl_leg *leg, const int16_t *pcm, size_t samples);
// Fades within 10 ms and drops the rest of the ring.
void prl_leg_clear(struct prl_leg *leg);
// Fades within 10 ms and keeps the rest; goes on with the sample behind the fade.
void prl_leg_pause(struct prl_leg *leg);
void prl_leg_resume(struct prl_leg *leg);

void prl_leg_stats(const struct prl_leg *leg, struct prl_leg_stats *stats);

struct prl_leg_look { // at the load, once a second
    int late_ticks;   // of the 50 since the last one
    int calm_looks;   // in a row, this one included
    double share;     // of its core that the loop used
};
// Opus's complexity from now on. The best sound that leaves every call of the loop its time.
int prl_leg_complexity(int complexity, const struct prl_leg_look *look);

#endif
