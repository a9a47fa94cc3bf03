// recording.c -- see recording.h. A piece in the ring is its head and its samples in one write, so that
// the reader finds both or nothing.
#include "media/recording.h"

#include <stdatomic.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/ring.h"

enum {
    PER_MS = PRL_RECORDING_HZ / 1000,
    USER_PER_MS = PRL_RECORDING_USER_HZ / 1000,
    US_PER_MS = 1000,
    HEAD_SAMPLES = sizeof(struct prl_recording_piece) / sizeof(int16_t),
    WAITING_MAX = PRL_RECORDING_USER_HZ, // one message of a live microphone; more is no live one
    ROUNDING_US = 2000                   // two times that are meant to be the same
};

struct lost {
    bool any;
    uint64_t from, end;
};

struct prl_recording {
    // Set once.
    int64_t start_us;
    int64_t limit_us; // on its own clock
    // Owned.
    struct prl_ring *ring;
    // Of the conversation's thread; of the other one after close.
    int64_t ahead_us;        // that its clock has jumped in all
    int64_t answer_ahead_us; // and had when the answer that sounds began
    uint64_t user_end;       // at 16 kHz
    uint64_t answer_end;     // at 24 kHz
    int64_t answer_next_us;  // when what goes on without a gap leaves; with answer_goes_on
    bool answer_goes_on;
    bool cut_waits; // the ring had no room for it
    uint64_t cut;
    struct lost user_lost, answer_lost;
    bool limited;
    // Both.
    atomic_bool closed;
};

enum prl_err prl_recording_create(struct prl_recording **out, int64_t now_us, int64_t limit_us)
{
    PRL_CHECK(out != NULL && limit_us > 0);
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    (*out)->start_us = now_us;
    (*out)->limit_us = limit_us;
    atomic_init(&(*out)->closed, false);
    enum prl_err err = prl_ring_create(&(*out)->ring, PRL_RECORDING_RING_SAMPLES);
    if (err)
        prl_recording_destroy(out);
    return err;
}

void prl_recording_destroy(struct prl_recording **recording)
{
    if (!*recording)
        return;
    prl_ring_destroy(&(*recording)->ring);
    prl_mem_free(*recording);
    *recording = NULL;
}

// ---- the clock ----

static int64_t clock_us(const struct prl_recording *recording, int64_t now_us)
{
    int64_t at_us = now_us - recording->start_us + recording->ahead_us;
    return at_us > 0 ? at_us : 0;
}

static uint64_t samples_at(int64_t at_us, int per_ms)
{
    return at_us > 0 ? (uint64_t)at_us * (unsigned)per_ms / US_PER_MS : 0;
}

int64_t prl_recording_ms(const struct prl_recording *recording, int64_t now_us)
{
    return clock_us(recording, now_us) / US_PER_MS;
}

bool prl_recording_over(const struct prl_recording *recording, int64_t now_us)
{
    return clock_us(recording, now_us) >= recording->limit_us;
}

// ---- the ring ----

// There is room for it.
static void write_piece(struct prl_recording *recording, const struct prl_recording_piece *piece,
                        const int16_t *pcm)
{
    int16_t words[HEAD_SAMPLES + PRL_RECORDING_PIECE_MAX];
    size_t count = pcm ? piece->count : 0;
    memcpy(words, piece, sizeof(*piece));
    if (count > 0)
        memcpy(words + HEAD_SAMPLES, pcm, count * sizeof(*pcm));
    PRL_CHECK(prl_ring_write(recording->ring, words, HEAD_SAMPLES + count) == PRL_OK);
}

// What is owed from a time when the ring was full, in the order in which the other side wants it: nothing
// that was cut afterwards may come later than its cut.
static bool next_owed(struct prl_recording *recording, struct prl_recording_piece *piece)
{
    struct lost *lost = recording->user_lost.any ? &recording->user_lost : &recording->answer_lost;
    *piece = (struct prl_recording_piece){.at = recording->cut, .kind = PRL_RECORDING_CUT};
    if (recording->cut_waits)
        return true;
    if (!lost->any)
        return false;
    piece->at = lost->from;
    piece->count = (uint32_t)(lost->end - lost->from);
    piece->kind = lost == &recording->user_lost ? PRL_RECORDING_USER_GAP : PRL_RECORDING_ANSWER_GAP;
    return true;
}

static void settle(struct prl_recording *recording, uint32_t kind)
{
    if (kind == PRL_RECORDING_CUT)
        recording->cut_waits = false;
    else if (kind == PRL_RECORDING_USER_GAP)
        recording->user_lost.any = false;
    else
        recording->answer_lost.any = false;
}

// All that is owed and then the piece, or nothing: a ring that is nearly full makes one gap, not many.
static bool write_all(struct prl_recording *recording, const struct prl_recording_piece *piece,
                      const int16_t *pcm)
{
    size_t owed = (recording->cut_waits ? 1U : 0U) + (recording->user_lost.any ? 1U : 0U) +
                  (recording->answer_lost.any ? 1U : 0U);
    size_t needed = (owed + 1) * HEAD_SAMPLES + (pcm ? piece->count : 0);
    struct prl_recording_piece first;
    if (PRL_RECORDING_RING_SAMPLES - prl_ring_len(recording->ring) < needed)
        return false;
    while (next_owed(recording, &first)) {
        write_piece(recording, &first, NULL);
        settle(recording, first.kind);
    }
    write_piece(recording, piece, pcm);
    return true;
}

static void put(struct prl_recording *recording, const struct prl_recording_piece *piece,
                const int16_t *pcm)
{
    bool user = piece->kind == PRL_RECORDING_USER;
    struct lost *lost = user ? &recording->user_lost : &recording->answer_lost;
    if (write_all(recording, piece, pcm))
        return;
    if (!lost->any)
        lost->from = piece->at;
    lost->any = true;
    lost->end = piece->at + piece->count;
}

// Whatever its length, in pieces; up to the limit.
static void put_all(struct prl_recording *recording, struct prl_recording_piece piece,
                    const int16_t *pcm, size_t count)
{
    int per_ms = piece.kind == PRL_RECORDING_USER ? USER_PER_MS : PER_MS;
    uint64_t limit = samples_at(recording->limit_us, per_ms);
    if (piece.at + count > limit)
        count = piece.at < limit ? (size_t)(limit - piece.at) : 0;
    while (count > 0) {
        piece.count = count < PRL_RECORDING_PIECE_MAX ? (uint32_t)count : PRL_RECORDING_PIECE_MAX;
        put(recording, &piece, pcm);
        pcm += piece.count;
        piece.at += piece.count;
        count -= piece.count;
    }
}

// ---- the conversation's thread ----

void prl_recording_user(struct prl_recording *recording, const int16_t *pcm, size_t count,
                        size_t waiting, int64_t now_us)
{
    const uint64_t slack = (uint64_t)PRL_RECORDING_SLACK_MS * USER_PER_MS;
    uint64_t now = samples_at(clock_us(recording, now_us), USER_PER_MS);
    uint64_t come = count + (waiting < WAITING_MAX ? waiting : WAITING_MAX);
    if (recording->user_end + come + slack < now)
        recording->user_end = now - come; // nothing came for a while
    struct prl_recording_piece piece = {.at = recording->user_end, .kind = PRL_RECORDING_USER};
    recording->user_end += count;
    if (recording->user_end > now + slack)
        recording->ahead_us +=
            (int64_t)((recording->user_end - now - slack) * US_PER_MS / USER_PER_MS);
    put_all(recording, piece, pcm, count);
}

void prl_recording_answer(struct prl_recording *recording, const int16_t *pcm, size_t count,
                          int64_t sent_us, int64_t delay_us)
{
    int64_t off_us = sent_us - recording->answer_next_us;
    if (!recording->answer_goes_on || off_us > ROUNDING_US || off_us < -ROUNDING_US) {
        uint64_t at = samples_at(clock_us(recording, sent_us + delay_us), PER_MS);
        if (at > recording->answer_end)
            recording->answer_end = at;
        recording->answer_ahead_us = recording->ahead_us;
    }
    struct prl_recording_piece piece = {.at = recording->answer_end, .kind = PRL_RECORDING_ANSWER};
    recording->answer_end += count;
    recording->answer_goes_on = true;
    recording->answer_next_us = sent_us + (int64_t)(count * US_PER_MS / PER_MS);
    put_all(recording, piece, pcm, count);
}

void prl_recording_cut(struct prl_recording *recording, int64_t now_us)
{
    int64_t at_us = now_us - recording->start_us + recording->answer_ahead_us;
    uint64_t at = samples_at(at_us, PER_MS);
    recording->answer_goes_on = false;
    if (at >= recording->answer_end)
        return;
    recording->answer_end = at;
    struct lost *lost = &recording->answer_lost;
    lost->end = lost->end < at ? lost->end : at;
    lost->any = lost->any && lost->from < at;
    struct prl_recording_piece piece = {.at = at, .kind = PRL_RECORDING_CUT};
    if (write_all(recording, &piece, NULL))
        return;
    if (!recording->cut_waits || at < recording->cut)
        recording->cut = at;
    recording->cut_waits = true;
}

void prl_recording_close(struct prl_recording *recording, int64_t now_us)
{
    prl_recording_cut(recording, now_us);
    recording->limited = prl_recording_over(recording, now_us);
    // From here on `answer_end` is the whole recording's.
    uint64_t end = samples_at(clock_us(recording, now_us), PER_MS);
    uint64_t limit = samples_at(recording->limit_us, PER_MS);
    uint64_t user = recording->user_end * PER_MS / USER_PER_MS;
    end = end > user ? end : user;
    recording->answer_end = end < limit ? end : limit;
    atomic_store_explicit(&recording->closed, true, memory_order_release);
}

// ---- the thread that writes ----

bool prl_recording_closed(const struct prl_recording *recording)
{
    return atomic_load_explicit(&recording->closed, memory_order_acquire);
}

bool prl_recording_take(struct prl_recording *recording, struct prl_recording_piece *piece,
                        int16_t *pcm)
{
    int16_t head[HEAD_SAMPLES];
    bool closed =
        prl_recording_closed(recording); // before the ring: then nothing more comes into it
    if (prl_ring_read(recording->ring, head, HEAD_SAMPLES) == HEAD_SAMPLES) {
        memcpy(piece, head, sizeof(*piece));
        bool sound = piece->kind == PRL_RECORDING_USER || piece->kind == PRL_RECORDING_ANSWER;
        if (sound) {
            PRL_CHECK(piece->count <= PRL_RECORDING_PIECE_MAX);
            PRL_CHECK(prl_ring_read(recording->ring, pcm, piece->count) == piece->count);
        }
        return true;
    }
    if (!closed || !next_owed(recording, piece))
        return false;
    settle(recording, piece->kind);
    return true;
}

uint64_t prl_recording_end(const struct prl_recording *recording, bool *limited)
{
    PRL_CHECK(prl_recording_closed(recording));
    *limited = recording->limited;
    return recording->answer_end;
}
