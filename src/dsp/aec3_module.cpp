// aec3_module.cpp -- see aec3_module.h. AEC3 and AGC2 without the rest of WebRTC's audio processing: no second
// noise suppressor, no queue between threads.
#include "dsp/aec3_module.h"

#include <array>
#include <cstring>
#include <new>
#include <optional>

#include "modules/audio_processing/aec3/echo_canceller3.h"
#include "modules/audio_processing/audio_buffer.h"
#include "modules/audio_processing/gain_controller2.h"

namespace {

constexpr int kHz = 16000;
// Before a word is known: a quiet microphone's first words come through, a loud one's stay within what the
// limiter takes (decisions/051).
constexpr float kGainInitialDb = 15.0F;
constexpr float kGainDbPerSecond = 20.0F;
// Eight windows of the delay search reach 800 ms; the library's own five end at 500.
constexpr size_t kDelayFilters = 8;
// Blocks of 4 ms. With the library's own 13 a living room outlasts the filter, and what is left has to be
// suppressed so hard that a person talking over it is not heard (TUNING.md).
constexpr size_t kFilterBlocks = 30;
// In a room the search finds now the direct sound and now a reflection some 16 ms behind it. The library
// follows each change of more than one block and begins to learn anew; the filter is long enough to stay.
constexpr size_t kDelayHysteresisBlocks = 10;

// How fast the suppressor opens a band that it had closed: in four blocks. With the library's own factor of 2
// from 1e-5 on it takes 17, the part of a first syllable by which people over an echo are noticed late.
constexpr float kOpensBy = 6.0F;
constexpr float kOpensFrom = 0.001F;

// What the suppressor makes comes so much behind what the filter leaves: a block.
constexpr size_t kBehind = 64;

struct Canceller {
    webrtc::AudioBuffer mic{kHz, 1, kHz, 1, kHz, 1};
    webrtc::AudioBuffer reference{kHz, 1, kHz, 1, kHz, 1};
    webrtc::AudioBuffer filtered{kHz, 1, kHz, 1, kHz, 1};
    webrtc::StreamConfig stream{kHz, 1};
    std::array<int16_t, kBehind + PRL_AEC3_FRAME> late{};
    webrtc::EchoCanceller3 aec;

    static webrtc::EchoCanceller3Config conf()
    {
        webrtc::EchoCanceller3Config conf;
        conf.delay.num_filters = kDelayFilters;
        conf.delay.hysteresis_limit_blocks = kDelayHysteresisBlocks;
        conf.filter.refined.length_blocks = kFilterBlocks;
        conf.filter.coarse.length_blocks = kFilterBlocks;
        conf.filter.refined_initial.length_blocks = kFilterBlocks - 1;
        conf.filter.coarse_initial.length_blocks = kFilterBlocks - 1;
        conf.suppressor.normal_tuning.max_inc_factor = kOpensBy;
        conf.suppressor.nearend_tuning.max_inc_factor = kOpensBy;
        conf.suppressor.floor_first_increase = kOpensFrom;
        conf.filter.export_linear_aec_output = true;
        webrtc::EchoCanceller3Config::Validate(&conf);
        return conf;
    }
    Canceller() : aec(conf(), std::nullopt, kHz, 1, 1)
    {
    }
};

struct Gain {
    webrtc::AudioBuffer mic{kHz, 1, kHz, 1, kHz, 1};
    webrtc::StreamConfig stream{kHz, 1};
    webrtc::GainController2 agc;

    static webrtc::AudioProcessing::Config::GainController2 conf(float max_db)
    {
        webrtc::AudioProcessing::Config::GainController2 conf;
        conf.enabled = true;
        conf.adaptive_digital.enabled = true;
        conf.adaptive_digital.max_gain_db = max_db;
        conf.adaptive_digital.initial_gain_db = kGainInitialDb;
        conf.adaptive_digital.max_gain_change_db_per_second = kGainDbPerSecond;
        return conf;
    }
    explicit Gain(float max_db)
        : agc(conf(max_db), webrtc::InputVolumeController::Config(), kHz, 1, true)
    {
    }
};

int create(void **state)
{
    *state = nullptr;
    try {
        *state = new Canceller;
    } catch (...) {
        return 1;
    }
    return 0;
}

void destroy(void **state)
{
    delete static_cast<Canceller *>(*state);
    *state = nullptr;
}

void process(void *state, int16_t *mic, const int16_t *reference, int16_t *filtered)
{
    Canceller &self = *static_cast<Canceller *>(state);
    self.reference.CopyFrom(reference, self.stream);
    self.aec.AnalyzeRender(&self.reference);
    self.mic.CopyFrom(mic, self.stream);
    self.aec.AnalyzeCapture(&self.mic);
    self.aec.ProcessCapture(&self.mic, &self.filtered, false);
    self.mic.CopyTo(self.stream, mic);
    self.filtered.CopyTo(self.stream, self.late.data() + kBehind);
    memcpy(filtered, self.late.data(), PRL_AEC3_FRAME * sizeof(*filtered));
    memmove(self.late.data(), self.late.data() + PRL_AEC3_FRAME, kBehind * sizeof(*filtered));
}

void stats(const void *state, float *removed_db, int *delay_ms)
{
    webrtc::EchoControl::Metrics now = static_cast<const Canceller *>(state)->aec.GetMetrics();
    *removed_db = static_cast<float>(now.echo_return_loss_enhancement);
    *delay_ms = now.delay_ms;
}

int gain_create(void **state, float gain_max_db)
{
    *state = nullptr;
    try {
        *state = new Gain(gain_max_db);
    } catch (...) {
        return 1;
    }
    return 0;
}

void gain_destroy(void **state)
{
    delete static_cast<Gain *>(*state);
    *state = nullptr;
}

void gain_process(void *state, int16_t *mic)
{
    Gain &self = *static_cast<Gain *>(state);
    self.mic.CopyFrom(mic, self.stream);
    self.agc.Process(std::nullopt, false, &self.mic);
    self.mic.CopyTo(self.stream, mic);
}

const struct prl_aec3_ops ops = {PRL_AEC3_VERSION, create,       destroy,     process, stats,
                                 gain_create,      gain_destroy, gain_process};

} // namespace

extern "C" const struct prl_aec3_ops *prl_aec3_module(void)
{
    return &ops;
}
