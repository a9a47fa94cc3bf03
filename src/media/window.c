// window.c -- see window.h. A slot a number, found by its lowest bits.
#include "media/window.h"

#include "base/check.h"
#include "base/mem.h"

enum { JUMP_AHEAD = 3000, JUMP_BACK = 100 }; // RFC 3550 A.1

struct prl_window {
    // Set once.
    uint32_t clock_hz, media_hz;
    // State.
    bool begun;
    int64_t next;       // number whose turn it is
    int64_t high;       // newest that came
    int64_t stamp_high; // its time stamp
    uint64_t came;      // bit i: number next - 1 - i had come
    int32_t proof;      // a number that would prove a new beginning; -1: none
    size_t count;
    bool used[PRL_WINDOW_PACKETS];
    struct prl_window_packet packets[PRL_WINDOW_PACKETS];
    size_t head; // where the next payload goes
    uint8_t bytes[PRL_WINDOW_BYTES];
};

_Static_assert(PRL_WINDOW_PACKETS == 64, "`came` has a bit for each");

enum prl_err prl_window_create(struct prl_window **out, uint32_t clock_hz, uint32_t media_hz)
{
    PRL_CHECK(out != NULL && clock_hz > 0 && media_hz > 0);
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    (*out)->clock_hz = clock_hz;
    (*out)->media_hz = media_hz;
    (*out)->proof = -1;
    return PRL_OK;
}

void prl_window_destroy(struct prl_window **window)
{
    prl_mem_free(*window);
    *window = NULL;
}

static size_t index_of(int64_t seq)
{
    return (uint64_t)seq % PRL_WINDOW_PACKETS;
}

bool prl_window_holds(const struct prl_window *window, int64_t seq)
{
    return window->used[index_of(seq)] && window->packets[index_of(seq)].seq == seq;
}

static void begin(struct prl_window *window, uint16_t seq, uint32_t timestamp)
{
    for (size_t i = 0; i < PRL_WINDOW_PACKETS; i++)
        window->used[i] = false;
    window->begun = true;
    // Far from 0, so that what comes from before the first packet has a number too.
    window->next = window->high = seq + (int64_t)UINT16_MAX + 1;
    window->stamp_high = timestamp;
    window->came = 0;
    window->proof = -1;
    window->count = 0;
}

// Is the number one of this stream, or of one that begins here?
static bool believed(struct prl_window *window, uint16_t seq, uint32_t timestamp, bool *anew)
{
    int16_t ahead = (int16_t)(seq - (uint16_t)window->high);
    if (window->begun && ahead <= JUMP_AHEAD && ahead >= -JUMP_BACK) {
        window->proof = -1;
        return true;
    }
    bool proven = window->proof == seq;
    window->proof = (uint16_t)(seq + 1);
    if (window->begun && !proven)
        return false;
    begin(window, seq, timestamp);
    *anew = true;
    return true;
}

// Of a number that has been passed: did it come before?
static bool had_come(struct prl_window *window, int64_t seq)
{
    int64_t back = window->next - 1 - seq;
    if (back >= PRL_WINDOW_PACKETS)
        return false;
    bool came = window->came >> back & 1;
    window->came |= UINT64_C(1) << back;
    return came;
}

struct prl_window_place prl_window_place(struct prl_window *window, uint16_t seq,
                                         uint32_t timestamp, bool fresh)
{
    struct prl_window_place place = {.fate = PRL_WINDOW_WILD};
    if (!believed(window, seq, timestamp, &place.anew))
        return place;
    place.seq = window->high + (int16_t)(seq - (uint16_t)window->high);
    int64_t stamp = window->stamp_high + (int32_t)(timestamp - (uint32_t)window->stamp_high);
    place.at = stamp * window->media_hz / window->clock_hz;
    if (place.seq > window->high) {
        window->high = place.seq;
        window->stamp_high = stamp;
    }
    place.fate = PRL_WINDOW_FITS;
    if (prl_window_holds(window, place.seq)) {
        place.fate = PRL_WINDOW_DUPLICATE;
    } else if (place.seq < window->next && fresh && window->came == 0 &&
               window->high - place.seq < PRL_WINDOW_PACKETS) {
        window->next = place.seq;
    } else if (place.seq < window->next) {
        place.fate = had_come(window, place.seq) ? PRL_WINDOW_DUPLICATE : PRL_WINDOW_LATE;
    }
    return place;
}

bool prl_window_step(struct prl_window *window)
{
    bool came = prl_window_holds(window, window->next);
    if (came) {
        window->used[index_of(window->next)] = false;
        window->count--;
    }
    window->came = window->came << 1 | came;
    window->next++;
    return came;
}

// Room for a payload behind the newest; packets whose bytes lay there go, unheard.
static uint8_t *take_bytes(struct prl_window *window, size_t size, uint64_t *discarded)
{
    if (window->head + size > PRL_WINDOW_BYTES)
        window->head = 0;
    uint8_t *start = window->bytes + window->head;
    window->head += size;
    for (size_t i = 0; i < PRL_WINDOW_PACKETS; i++) {
        const struct prl_window_packet *packet = &window->packets[i];
        if (!window->used[i] || packet->payload >= start + size ||
            packet->payload + packet->size <= start)
            continue;
        window->used[i] = false;
        window->count--;
        (*discarded)++;
    }
    return start;
}

struct prl_window_packet *prl_window_keep(struct prl_window *window,
                                          const struct prl_window_place *place, size_t size,
                                          uint64_t *discarded, uint64_t *lost)
{
    PRL_CHECK(size <= PRL_WINDOW_SIZE_MAX);
    int64_t first = place->seq - PRL_WINDOW_PACKETS + 1;
    // At most JUMP_AHEAD rounds, once.
    while (window->next < first) {
        bool came = prl_window_step(window);
        *discarded += came;
        *lost += !came;
    }
    size_t index = index_of(place->seq);
    PRL_CHECK(!window->used[index]);
    window->packets[index].payload = take_bytes(window, size, discarded);
    window->packets[index].size = (uint16_t)size;
    window->used[index] = true;
    window->count++;
    window->packets[index].seq = place->seq;
    window->packets[index].at = place->at;
    return &window->packets[index];
}

const struct prl_window_packet *prl_window_first(const struct prl_window *window)
{
    for (int64_t seq = window->next; window->count > 0 && seq <= window->high; seq++)
        if (prl_window_holds(window, seq))
            return &window->packets[index_of(seq)];
    return NULL;
}

int64_t prl_window_next(const struct prl_window *window)
{
    return window->next;
}

void prl_window_start(struct prl_window *window, int64_t seq)
{
    while (window->next < seq)
        (void)prl_window_step(window);
}

size_t prl_window_count(const struct prl_window *window)
{
    return window->count;
}
