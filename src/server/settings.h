// settings.h -- every key of the configuration, as one struct and one table.
//
// Threads:  written at start-up, read-only afterwards. Memory: strings are owned (prl_settings_free).
// Errors:   see base/conf.h.
#ifndef PRL_SERVER_SETTINGS_H
#define PRL_SERVER_SETTINGS_H

#include "base/conf.h"
#include "engine/scripted.h"

enum prl_settings_quality {
    PRL_SETTINGS_QUALITY_AUTO,
    PRL_SETTINGS_QUALITY_FAST,
    PRL_SETTINGS_QUALITY_BEST
};

enum { PRL_SETTINGS_CHAIN = 3 };

// From OPENAI on they are elsewhere.
enum prl_settings_backend {
    PRL_SETTINGS_NONE,
    PRL_SETTINGS_EMBEDDED,
    PRL_SETTINGS_OPENAI,
    PRL_SETTINGS_WS,       // stt, tts
    PRL_SETTINGS_REALTIME, // stt
    PRL_SETTINGS_VLLM      // stt
};

enum prl_settings_format { PRL_SETTINGS_PCM, PRL_SETTINGS_WAV, PRL_SETTINGS_OPUS };

// One engine of a chain.
struct prl_settings_engine {
    int64_t backend;                           // enum prl_settings_backend
    int64_t format;                            // tts: enum prl_settings_format
    int64_t hedge;                             // percentile; 0: never
    int64_t connect_ms, first_byte_ms, gap_ms; // 0: engine_…
    char *url, *model, *api_key_env, *api_key_file;
    char *extra;    // llm, tts; else NULL
    char *voice;    // tts, not [0]; else NULL
    char *language; // stt; else NULL
};

struct prl_settings {
    int64_t loops;
    // http
    char *http_address;
    int64_t http_port;
    bool http_tls;
    char *http_tls_address;
    int64_t http_tls_port;
    char *http_tls_cert, *http_tls_key;
    char *http_hosts, *http_origins;
    int64_t http_connections_max;
    // api
    char *api_key_file;
    int64_t api_sessions_max, api_session_max_s;
    double api_load_max;
    // eot
    bool eot_enabled;
    char *eot_model;
    // engine
    char *engine_ca_file;
    bool engine_insecure;
    int64_t engine_connect_ms, engine_first_byte_ms, engine_gap_ms, engine_total_ms;
    int64_t engine_failures_max, engine_open_ms, engine_warm_s, engine_hedge_share;
    char *engine_isolate;
    int64_t engine_hang_s;
    // gain
    int64_t gain_mode;
    // llm; [0].model is llm_model
    struct prl_settings_engine llm[PRL_SETTINGS_CHAIN];
    char *llm_model;
    int64_t llm_context_tokens, llm_sequences, llm_threads, llm_max_output_tokens,
        llm_prompt_tokens;
    bool llm_cache_answers, llm_cache_sampled, llm_images;
    int64_t llm_cache_entries, llm_cache_kib, llm_cache_s;
    double llm_temperature;
    // log
    int64_t log_level;
    bool log_json;
    // recording
    char *recording_dir;
    int64_t recording_minutes, recording_folder_mib, recording_keep_days;
    // rtc
    bool rtc_enabled;
    char *rtc_address;
    int64_t rtc_udp_port;
    bool rtc_tcp;
    int64_t rtc_tcp_port;
    char *rtc_public_address;
    int64_t rtc_peers_max;
    char *rtc_ice_servers;
    // echo
    int64_t echo_mode;
    // turn (more below)
    int64_t speaker_lock, speaker_wait_ms;
    char *speaker_model;
    // scripted
    bool scripted_engines;
    struct prl_scripted scripted;
    // session
    char *session_instructions, *session_language, *session_locale;
    int64_t session_history_bytes, session_lead_ms, session_resume_s, session_frozen_max;
    // stt
    struct prl_settings_engine stt[PRL_SETTINGS_CHAIN];
    bool stt_partials;
    char *stt_model_dir, *stt_model_languages;
    bool stt_traditional;
    int64_t stt_threads;
    // trace
    char *trace_otlp_url, *trace_api_key_env, *trace_chrome_file;
    int64_t trace_chrome_bytes_max;
    // tts; [0].voice is tts_voice
    struct prl_settings_engine tts[PRL_SETTINGS_CHAIN];
    char *tts_instructions;
    bool tts_fast_chinese;
    int64_t tts_quality;
    double tts_speed;
    int64_t tts_threads, tts_phrases_kib;
    char *tts_voice;
    // turn
    int64_t turn_apology_max_ms, turn_engine_first_byte_ms, turn_input_stall_ms;
    int64_t turn_interrupt_min_ms, turn_prefix_padding_ms, turn_probe_ms, turn_silence_duration_ms;
    int64_t turn_speculations_max, turn_silence_min_ms, turn_interrupt_max_ms;
    int64_t turn_interrupt_unjudged_ms, turn_resume_ms, turn_verdict_max_ms, turn_filler_after_ms;
    bool turn_speculate_early;
    double turn_threshold;
    int64_t turn_utterance_max_ms;
    // upstream
    struct prl_settings_engine upstream; // url, model and key
    int64_t upstream_auth;
    char *upstream_transcription_model, *upstream_voice;
    // vad
    char *vad_model;
    // web
    char *web_dir;
};

const struct prl_conf_table *prl_settings_table(void);

// Defaults, `file` (NULL: none), the environment, then the --set pairs. `why` as in conf.h.
enum prl_err prl_settings_load(struct prl_settings *settings, const char *file,
                               const char *const *pairs, size_t pair_count, char *why) PRL_MUST_USE;
void prl_settings_free(struct prl_settings *settings);

#endif
