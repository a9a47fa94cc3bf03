// window.h -- packets of one RTP stream that wait for their turn, in the order of their numbers.
//
// Numbers and time stamps lose their wraps here; duplicates, late packets and a stream that begins anew
// are told apart.
// Units:    `at` is media time in samples at the rate given to create; time stamps of the RTP clock.
// Threads:  one owner.
// Memory:   one block of about 20 KiB in create, nothing afterwards. Payloads lie in a ring of bytes in
//           the order in which they came: 64 packets of speech, or 12 of the longest.
// Errors:   none. Bound: PRL_WINDOW_PACKETS numbers; a packet beyond them pushes the oldest out, and so
//           does one whose bytes find no room.
// Source:   RFC 3550 A.1 for what number is believed.
#ifndef PRL_MEDIA_WINDOW_H
#define PRL_MEDIA_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { PRL_WINDOW_PACKETS = 64, PRL_WINDOW_SIZE_MAX = 1275, PRL_WINDOW_BYTES = 16 << 10 };

struct prl_window;

// A packet that waits, or is about to.
struct prl_window_packet {
    int64_t seq;
    int64_t at;
    int64_t arrival_us;
    bool silent;
    uint16_t samples;
    uint16_t size;
    uint8_t *payload; // `size` bytes in the window
};

enum prl_window_fate {
    PRL_WINDOW_FITS,      // to be kept
    PRL_WINDOW_DUPLICATE, // came before
    PRL_WINDOW_LATE,      // its number has been passed
    PRL_WINDOW_WILD       // far from all others: believed when the next one follows it
};

struct prl_window_place {
    enum prl_window_fate fate;
    bool anew; // with FITS: the stream begins (again); all packets before are gone
    int64_t seq, at;
};

enum prl_err prl_window_create(struct prl_window **out, uint32_t clock_hz,
                               uint32_t media_hz) PRL_MUST_USE;
void prl_window_destroy(struct prl_window **window);

// Where a packet with this number and time stamp belongs. While nothing has been taken out yet
// (`fresh`), one from before the first moves the beginning.
struct prl_window_place prl_window_place(struct prl_window *window, uint16_t seq,
                                         uint32_t timestamp, bool fresh);
// A place in the window for what FITS, with room for `size` bytes (at most PRL_WINDOW_SIZE_MAX); the
// caller fills it. *discarded grows by the packets pushed out
// and *lost by the numbers among them that never came.
struct prl_window_packet *prl_window_keep(struct prl_window *window,
                                          const struct prl_window_place *place, size_t size,
                                          uint64_t *discarded, uint64_t *lost);

// The waiting packet of lowest number, or NULL; valid until the window changes.
const struct prl_window_packet *prl_window_first(const struct prl_window *window);
// The packet of that number waits.
bool prl_window_holds(const struct prl_window *window, int64_t seq);
// The number whose turn it is.
int64_t prl_window_next(const struct prl_window *window);
// On to the next number; the present packet, if it is there, goes. True: it was.
bool prl_window_step(struct prl_window *window);
// Starts with this number, which waits; lower ones are out.
void prl_window_start(struct prl_window *window, int64_t seq);
size_t prl_window_count(const struct prl_window *window);

#endif
