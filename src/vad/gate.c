// gate.c -- see gate.h. Two thresholds 0.15 apart: a probability between them neither starts nor
// ends anything, so one weak window inside a word does not cut it.
#include "vad/gate.h"

#include "base/check.h"
#include "base/mem.h"

static const float HYSTERESIS = 0.15F; // Silero's own distance of the two thresholds
static const float THRESHOLD_OFF_MIN = 0.01F;
enum { SAMPLES_PER_MS = PRL_VAD_RATE_HZ / 1000 };

struct prl_gate {
    // Set by configure.
    float threshold;         // at or above: voiced
    float threshold_off;     // below: silent
    int64_t padding_samples; // kept before the onset
    int64_t silence_samples; // silence that turns the voice off
    int64_t speech_samples;  // voiced sound that turns it on
    // State.
    bool is_on;
    bool is_silent;   // while on: the running pause has begun
    int64_t now;      // samples seen
    int64_t start;    // first sample of the running attempt; -1 for none (only while off)
    int64_t end;      // while on: one past the last sample of speech
    int64_t voiced;   // samples of voiced windows since `start`
    int64_t last_off; // sample of the last OFF
};

void prl_gate_conf_default(struct prl_gate_conf *conf)
{
    *conf = (struct prl_gate_conf){
        .threshold = 0.5F,
        .prefix_padding_ms = 300,
        .silence_duration_ms = 500,
        .min_speech_ms = 64,
    };
}

enum prl_err prl_gate_conf_check(const struct prl_gate_conf *conf)
{
    bool fine = conf->threshold >= 0.05F && conf->threshold <= 0.95F &&
                conf->prefix_padding_ms >= 0 && conf->prefix_padding_ms <= 5000 &&
                conf->silence_duration_ms >= 32 && conf->silence_duration_ms <= 10000 &&
                conf->min_speech_ms >= 0 && conf->min_speech_ms <= 1000;
    return fine ? PRL_OK : PRL_ERR_INVALID;
}

enum prl_err prl_gate_create(struct prl_gate **out, const struct prl_gate_conf *conf)
{
    PRL_CHECK(out != NULL);
    struct prl_gate *gate = prl_mem_zalloc(sizeof(*gate));
    *out = gate;
    if (!gate)
        return PRL_ERR_NOMEM;
    prl_gate_configure(gate, conf);
    prl_gate_reset(gate, 0);
    return PRL_OK;
}

void prl_gate_destroy(struct prl_gate **gate)
{
    PRL_CHECK(gate != NULL);
    prl_mem_free(*gate);
    *gate = NULL;
}

void prl_gate_configure(struct prl_gate *gate, const struct prl_gate_conf *conf)
{
    PRL_CHECK(gate != NULL && prl_gate_conf_check(conf) == PRL_OK);
    gate->threshold = conf->threshold;
    gate->threshold_off = conf->threshold - HYSTERESIS;
    if (gate->threshold_off < THRESHOLD_OFF_MIN)
        gate->threshold_off = THRESHOLD_OFF_MIN;
    gate->padding_samples = (int64_t)conf->prefix_padding_ms * SAMPLES_PER_MS;
    gate->silence_samples = (int64_t)conf->silence_duration_ms * SAMPLES_PER_MS;
    gate->speech_samples = (int64_t)conf->min_speech_ms * SAMPLES_PER_MS;
}

void prl_gate_reset(struct prl_gate *gate, int64_t sample)
{
    PRL_CHECK(gate != NULL && sample >= 0);
    gate->is_on = false;
    gate->is_silent = false;
    gate->now = sample;
    gate->start = -1;
    gate->end = sample;
    gate->voiced = 0;
    gate->last_off = sample;
}

static struct prl_gate_event turn_on(struct prl_gate *gate)
{
    gate->is_on = true;
    gate->is_silent = false;
    int64_t padded = gate->start - gate->padding_samples;
    return (struct prl_gate_event){
        .type = PRL_GATE_ON,
        .sample = gate->start,
        .padded = padded > gate->last_off ? padded : gate->last_off,
        .now = gate->now,
    };
}

static struct prl_gate_event turn_off(struct prl_gate *gate)
{
    gate->is_on = false;
    gate->start = -1;
    gate->last_off = gate->end;
    return (struct prl_gate_event){
        .type = PRL_GATE_OFF, .sample = gate->end, .padded = gate->end, .now = gate->now};
}

static struct prl_gate_event window_while_off(struct prl_gate *gate, float probability)
{
    if (probability >= gate->threshold) {
        if (gate->start < 0) {
            gate->start = gate->now - PRL_VAD_WINDOW_SAMPLES;
            gate->voiced = 0;
        }
        gate->voiced += PRL_VAD_WINDOW_SAMPLES;
        gate->end = gate->now;
        if (gate->voiced >= gate->speech_samples)
            return turn_on(gate);
    } else if (probability < gate->threshold_off) {
        gate->start = -1; // too short to be speech
    }
    return (struct prl_gate_event){.type = PRL_GATE_NONE, .now = gate->now};
}

static struct prl_gate_event window_while_on(struct prl_gate *gate, float probability)
{
    if (probability >= gate->threshold) {
        gate->is_silent = false;
        gate->voiced += PRL_VAD_WINDOW_SAMPLES;
    } else if (probability < gate->threshold_off) {
        gate->is_silent = true;
    }
    if (!gate->is_silent)
        gate->end = gate->now;
    else if (gate->now - gate->end >= gate->silence_samples)
        return turn_off(gate);
    return (struct prl_gate_event){.type = PRL_GATE_NONE, .now = gate->now};
}

struct prl_gate_event prl_gate_window(struct prl_gate *gate, float probability)
{
    PRL_DCHECK(gate != NULL);
    if (!(probability >= 0.0F)) // NaN as well
        probability = 0.0F;
    gate->now += PRL_VAD_WINDOW_SAMPLES;
    return gate->is_on ? window_while_on(gate, probability) : window_while_off(gate, probability);
}

bool prl_gate_is_on(const struct prl_gate *gate)
{
    return gate->is_on;
}

int64_t prl_gate_speech_end(const struct prl_gate *gate)
{
    return gate->end;
}

int64_t prl_gate_voiced(const struct prl_gate *gate)
{
    return gate->is_on ? gate->voiced : 0;
}

int64_t prl_gate_now(const struct prl_gate *gate)
{
    return gate->now;
}
