// jitter.h -- the adaptive jitter buffer: packets come as the network likes, 20 ms of sound leave at
// every tick.
//
// A packet is due at (its time stamp + the path's shortest delay + a target). The target is the
// 97 % quantile of how much later than the fastest ones packets come, plus one frame; it grows at
// once and shrinks over seconds. What comes too late is not thrown away while the sound behind it has
// not begun: the buffer stretches the gap and is shortened again later, in silence or by whole pitch
// periods. A hole with packets behind it is filled by the next packet's protection, else concealed.
// Time stamps that run on without a missing number are silence (DTX), and cost no delay.
//
// Units:    samples at 16 kHz, microseconds; time stamps of the codec's RTP clock.
// Threads:  one owner. Memory: about 90 KiB in create, nothing afterwards.
// Errors:   none; what cannot be used is counted. Bounds: PRL_JITTER_PACKETS_MAX packets wait, the
//           oldest go first; the target never passes PRL_JITTER_DELAY_MAX_US.
// Source:   RFC 3550 (numbers, resynchronisation in appendix A.1); the quantile of relative delays is
//           the approach of WebRTC's NetEq.
#ifndef PRL_MEDIA_JITTER_H
#define PRL_MEDIA_JITTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    PRL_JITTER_HZ = 16000,
    PRL_JITTER_FRAME_SAMPLES = 320,    // 20 ms
    PRL_JITTER_PACKET_SAMPLES = 1920,  // longest packet, 120 ms
    PRL_JITTER_PACKET_SIZE_MAX = 1275, // bytes
    PRL_JITTER_PACKETS_MAX = 64,       // 1.28 s of the usual 20 ms packets
    PRL_JITTER_DELAY_MIN_US = 20000,
    PRL_JITTER_DELAY_MAX_US = 500000
};

// How payloads become sound, given by the owner; pure functions of their own state.
struct prl_jitter_codec {
    uint32_t clock_hz; // of time stamps
    void *arg;
    // Samples in the payload, 1..PRL_JITTER_PACKET_SAMPLES; 0: not one of this codec.
    size_t (*samples)(void *arg, const uint8_t *payload, size_t size);
    // It is a mere sign of silence (DTX).
    bool (*silent)(void *arg, const uint8_t *payload, size_t size);
    // It carries a copy of the packet before.
    bool (*protects)(void *arg, const uint8_t *payload, size_t size);
    // Samples written (room for PRL_JITTER_PACKET_SAMPLES); 0: broken.
    size_t (*decode)(void *arg, const uint8_t *payload, size_t size, int16_t *pcm);
    // Exactly `samples` of the packet before `payload`, by its protection.
    void (*recover)(void *arg, const uint8_t *payload, size_t size, int16_t *pcm, size_t samples);
    // Exactly `samples` that go on from what was last decoded. `samples` is a multiple of 40.
    void (*conceal)(void *arg, int16_t *pcm, size_t samples);
};

struct prl_jitter;

struct prl_jitter_packet {
    uint16_t seq;
    uint32_t timestamp;
    int64_t arrival_us;
    const uint8_t *payload; // borrowed for the call
    size_t size;
};

// What a frame is made of: the worst of its parts in this order.
enum prl_jitter_kind {
    PRL_JITTER_NONE,      // no packet has come yet: no frame
    PRL_JITTER_DECODED,   //
    PRL_JITTER_STRETCHED, // decoded, and made shorter or longer
    PRL_JITTER_COMFORT,   // silence that the peer did not send
    PRL_JITTER_RECOVERED, // by the protection in the next packet
    PRL_JITTER_CONCEALED  // made up
};

struct prl_jitter_frame {
    int16_t pcm[PRL_JITTER_FRAME_SAMPLES];
    enum prl_jitter_kind kind;
    int64_t
        arrival_us; // of the oldest sample: its packet's, or where one was missing when it should
                    // have come at the latest
};

struct prl_jitter_stats {
    // Packets.
    uint64_t received;  // all below included
    uint64_t late;      // the sound behind them had begun
    uint64_t duplicate; //
    uint64_t discarded; // to stay below PRL_JITTER_PACKETS_MAX
    uint64_t invalid;   // not of this codec, or broken
    uint64_t lost;      // numbers that were passed over
    uint64_t resets;    // the peer's numbers or time began anew
    // Samples that left.
    uint64_t samples;
    uint64_t recovered;
    uint64_t concealed;
    uint64_t comfort;
    uint64_t added;     // by stretching, and in silence
    uint64_t removed;   // the same
    uint64_t underruns; // times that nothing was there though something was due
    // Now.
    int64_t delay_us;  // what the sound that leaves now has waited here
    int64_t target_us; // behind the fastest packets
    size_t packets;    // waiting
};

// `codec` is copied; its argument must live as long as the buffer.
enum prl_err prl_jitter_create(struct prl_jitter **out,
                               const struct prl_jitter_codec *codec) PRL_MUST_USE;
void prl_jitter_destroy(struct prl_jitter **jitter);

// Sees each piece of sound that was decoded or recovered, before it is stretched or shortened, and may
// change it. `at` is the sender's time of its first sample in samples at PRL_JITTER_HZ, from any zero;
// what was lost is missing in it, and a sender that begins anew makes it jump. `arrival_us` is its
// packet's (recovered: of the packet that had the copy). Called within prl_jitter_take.
typedef void (*prl_jitter_tap_fn)(void *arg, int16_t *pcm, size_t samples, int64_t at,
                                  int64_t arrival_us);
void prl_jitter_tap(struct prl_jitter *jitter, prl_jitter_tap_fn fn, void *arg);

void prl_jitter_put(struct prl_jitter *jitter, const struct prl_jitter_packet *packet);
// One frame at each tick. False before the first packet's sound is due (`frame` is then silence).
bool prl_jitter_take(struct prl_jitter *jitter, int64_t now_us, struct prl_jitter_frame *frame);
// So much more sound waits than wanted (a burst after an outage) that a second frame should be taken
// at this tick: a recogniser does not mind hearing faster, and nothing of the speech is lost.
bool prl_jitter_behind(const struct prl_jitter *jitter, int64_t now_us);

void prl_jitter_stats(const struct prl_jitter *jitter, struct prl_jitter_stats *stats);

#endif
