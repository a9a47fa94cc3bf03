// kokoro_flow.c -- see kokoro_flow.h.
#include "tts/kokoro_flow.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

enum {
    WINDOW = 120,  // 5 ms: loudness is looked at in these
    LEAD = 600,    // kept before the first sound
    TAIL = 1440,   // kept, faded, behind the last
    FADE = 120,    // from nothing
    CROSS = 600,   // from one stretch to the next
    LAG_MAX = 120, // 5 ms, half a period of a low voice
    LAG_STEP = 2,
    STRETCH_MAX = 120, // frames; a cancel waits no longer than for one
};
const struct prl_kokoro_grain prl_kokoro_coarse = {
    .context = 10, .silent = 8, .first_min = 72, .stretch_min = 48};
const struct prl_kokoro_grain prl_kokoro_fine = {
    .context = 6, .silent = 5, .first_min = 20, .stretch_min = 12};
static const float SILENCE_RMS = 0.003F;
static const float SPEECH_RMS = 0.09F; // every voice and piece is brought to this loudness
static const float PEAK_MAX = 0.95F;
static const float MATCH_MAX =
    2; // most that a stretch is made louder or softer to fit the one before

void prl_kokoro_flow_begin(struct prl_kokoro_flow *flow)
{
    flow->len = flow->skipped = flow->tail_len = flow->tail_behind = 0;
    flow->begun = flow->ended = false;
    flow->gain = 1;
}

void prl_kokoro_flow_go_on(struct prl_kokoro_flow *flow)
{
    flow->len = flow->skipped = 0;
}

void prl_kokoro_flow_free(struct prl_kokoro_flow *flow)
{
    prl_mem_free(flow->sound);
    *flow = (struct prl_kokoro_flow){.sound = NULL};
}

static float rms_of(const float *wave, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)wave[i] * (double)wave[i];
    return count ? (float)sqrt(sum / (double)count) : 0;
}

// First and last window that are louder than silence; *rms of all that are. False when there is none.
static bool find_speech(const float *wave, size_t count, size_t *first, size_t *last, float *rms)
{
    double sum = 0;
    size_t loud = 0;
    for (size_t window = 0; (window + 1) * WINDOW <= count; window++) {
        float value = rms_of(wave + window * WINDOW, WINDOW);
        if (!(value > SILENCE_RMS))
            continue;
        if (!loud++)
            *first = window;
        *last = window;
        sum += (double)value * (double)value;
    }
    *rms = loud ? (float)sqrt(sum / (double)loud) : 0;
    return loud > 0;
}

static float peak_of(const float *wave, size_t count)
{
    float peak = 1e-6F;
    for (size_t i = 0; i < count; i++)
        peak = fmaxf(peak, fabsf(wave[i]));
    return peak;
}

static int16_t to_pcm(float value)
{
    if (!(value > -1))
        value = -1; // also NaN
    return (int16_t)((value < 1 ? value : 1) * 32767);
}

// The level at which the stretch goes on where the one before it ended.
static float matching_gain(const struct prl_kokoro_flow *flow,
                           const struct prl_kokoro_stretch *stretch)
{
    // What both hold: frames before the join, and frames behind it.
    size_t before = flow->tail_len - flow->tail_behind;
    if (before > stretch->before)
        before = stretch->before;
    size_t behind = stretch->samples - stretch->before;
    if (behind > flow->tail_behind)
        behind = flow->tail_behind;
    float then = rms_of(flow->tail + flow->tail_len - flow->tail_behind - before, before + behind);
    float now = rms_of(stretch->wave + stretch->before - before, before + behind);
    if (!(then > SILENCE_RMS && now > SILENCE_RMS))
        return flow->gain;
    return flow->gain * fminf(fmaxf(then / now, 1 / MATCH_MAX), MATCH_MAX);
}

static enum prl_err reserve(struct prl_kokoro_flow *flow, size_t need)
{
    if (need <= flow->capacity)
        return PRL_OK;
    prl_mem_free(flow->sound);
    flow->sound = prl_mem_array(need, sizeof(*flow->sound));
    flow->capacity = flow->sound ? need : 0;
    return flow->sound ? PRL_OK : PRL_ERR_NOMEM;
}

static void keep_tail(struct prl_kokoro_flow *flow, const struct prl_kokoro_stretch *stretch)
{
    size_t keep = stretch->behind + PRL_KOKORO_OVERLAP;
    keep = keep < stretch->samples ? keep : stretch->samples;
    PRL_CHECK(stretch->behind <= PRL_KOKORO_OVERLAP);
    flow->tail_len = stretch->behind ? keep : 0;
    flow->tail_behind = stretch->behind;
    memcpy(flow->tail, stretch->wave + stretch->samples - keep, flow->tail_len * sizeof(float));
}

// The vocoder begins each stretch at a phase of its own. How many samples later (or sooner) in the stretch the
// sound is most like what goes on behind the one before it.
static int best_lag(const struct prl_kokoro_flow *flow, const struct prl_kokoro_stretch *stretch)
{
    const float *over = flow->tail + flow->tail_len - flow->tail_behind;
    const float *wave = stretch->wave + stretch->before;
    if (flow->tail_behind < CROSS || stretch->before < LAG_MAX ||
        stretch->samples - stretch->before < LAG_MAX + CROSS)
        return 0;
    int best = 0;
    double most = 0;
    for (int lag = -LAG_MAX; lag <= LAG_MAX; lag += LAG_STEP) {
        double same = 0;
        double power = 1e-9;
        for (int i = 0; i < CROSS; i += LAG_STEP) {
            double value = (double)wave[lag + i];
            same += value * (double)over[i];
            power += value * value;
        }
        double like = same / sqrt(power);
        // What is as like without a lag stays where it is.
        if (like > most * (1 + 1e-3) || (lag == 0 && like >= most)) {
            most = like;
            best = lag;
        }
    }
    return best;
}

// Level, fades and PCM of wave[0, len), of which the last `fade` samples fade to nothing.
static void convert(struct prl_kokoro_flow *flow, const float *wave, size_t len, size_t fade,
                    float gain, float gain_before)
{
    const float *over = flow->tail + flow->tail_len - flow->tail_behind;
    size_t cross = flow->begun && flow->tail_behind >= CROSS ? CROSS : 0;
    for (size_t i = 0; i < len; i++) {
        float value = wave[i] * gain;
        if (i < cross) {
            float share = (float)i / CROSS;
            value = value * share + over[i] * gain_before * (1 - share);
        } else if (!flow->begun && i < FADE)
            value *= (float)i / FADE;
        if (len - i <= fade)
            value *= (float)(len - i) / (float)(fade + 1);
        flow->sound[i] = to_pcm(value);
    }
}

enum prl_err prl_kokoro_flow_add(struct prl_kokoro_flow *flow,
                                 const struct prl_kokoro_stretch *stretch)
{
    PRL_CHECK(!flow->ended && stretch->samples > stretch->before + stretch->behind);
    const float *wave = stretch->wave + stretch->before;
    const size_t count = stretch->samples - stretch->before - stretch->behind;
    size_t first = 0;
    size_t last = 0;
    float rms;
    flow->len = 0;
    flow->ended = stretch->behind == 0;
    bool loud = find_speech(wave, count, &first, &last, &rms);
    if (!loud && !flow->begun) {
        flow->skipped += count;
        return PRL_OK;
    }
    ptrdiff_t start = flow->begun ? best_lag(flow, stretch) : 0;
    if (!flow->begun)
        start = first * WINDOW > LEAD ? (ptrdiff_t)(first * WINDOW - LEAD) : 0;
    size_t speech = loud ? (last + 1) * WINDOW : 0;
    size_t end = count;
    if (flow->ended && speech + TAIL < count)
        end = speech + TAIL;
    size_t fade = flow->ended && end > speech ? end - speech : 0;
    float gain = flow->begun ? matching_gain(flow, stretch) : SPEECH_RMS / rms;
    const size_t len = (size_t)((ptrdiff_t)end - start);
    gain = fminf(gain, PEAK_MAX / peak_of(wave + start, len));
    enum prl_err err = reserve(flow, len);
    if (err)
        return err;
    convert(flow, wave + start, len, fade, gain, flow->gain);
    flow->len = len;
    flow->skipped += flow->begun ? 0 : (size_t)start;
    flow->begun = true;
    flow->gain = gain;
    keep_tail(flow, stretch);
    return PRL_OK;
}

// `next` of the `rest` frames, or all when a crumb would stay.
static size_t without_crumb(const struct prl_kokoro_grain *grain, size_t rest, size_t next)
{
    return rest < next + grain->stretch_min ? rest : next;
}

// The next stretch with `hand` frames in hand: what can be made in that time.
static size_t in_time(const struct prl_kokoro_grain *grain, size_t rest, double cost, double hand)
{
    double can = hand / cost - 2 * (double)grain->context;
    size_t next = can >= STRETCH_MAX                  ? STRETCH_MAX
                  : can >= (double)grain->stretch_min ? (size_t)can
                                                      : grain->stretch_min;
    return without_crumb(grain, rest, next);
}

// With `first` frames made at once, does the rest always come before the sound runs out?
static bool goes_on(const struct prl_kokoro_grain *grain, size_t rest, size_t first, double cost)
{
    double hand = (double)first - (double)grain->silent;
    rest -= first;
    while (rest > 0) {
        size_t next = in_time(grain, rest, cost, hand);
        hand -= cost * (double)(next + 2 * grain->context);
        if (hand < 0)
            return false;
        hand += (double)next;
        rest -= next;
    }
    return true;
}

size_t prl_kokoro_flow_next(const struct prl_kokoro_grain *grain, size_t rest, double cost,
                            double hand)
{
    PRL_CHECK(rest > 0);
    if (!(cost > 0))
        return without_crumb(grain, rest, STRETCH_MAX);
    if (hand >= 0)
        return in_time(grain, rest, cost, hand);
    for (size_t first = grain->first_min; first + grain->stretch_min <= rest && first < STRETCH_MAX;
         first++)
        if (goes_on(grain, rest, first, cost))
            return first;
    return without_crumb(grain, rest, STRETCH_MAX);
}
