// settings.c -- see settings.h. conf/parley.yaml and docs/CONFIG.md are generated from this table
// (`make generated`).
#include "server/settings.h"

#include <unistd.h>

#define FIELD(name) offsetof(struct prl_settings, name)
#define BOOL(key, name, value, help)                                                               \
    {                                                                                              \
        key, PRL_CONF_BOOL, FIELD(name), value, 0, 0, NULL, help                                   \
    }
#define INT(key, name, value, low, high, help)                                                     \
    {                                                                                              \
        key, PRL_CONF_INT, FIELD(name), value, low, high, NULL, help                               \
    }
#define REAL(key, name, value, low, high, help)                                                    \
    {                                                                                              \
        key, PRL_CONF_REAL, FIELD(name), value, low, high, NULL, help                              \
    }
#define TEXT(key, name, value, help)                                                               \
    {                                                                                              \
        key, PRL_CONF_STRING, FIELD(name), value, 0, 0, NULL, help                                 \
    }
#define CHOICE(key, name, value, names, help)                                                      \
    {                                                                                              \
        key, PRL_CONF_CHOICE, FIELD(name), value, 0, 0, names, help                                \
    }

// What each engine of a chain has; `index` 0 is the first.
// NOLINTBEGIN(bugprone-macro-parentheses): `kind` names a member, which takes no parentheses.
#define ENGINE(prefix, kind, index, value)                                                         \
    CHOICE(prefix ".backend", kind[index].backend, value, kind##_backends, kind##_backend_help),   \
        TEXT(prefix ".url", kind[index].url, "",                                                   \
             "Base URL, e.g. http://gpu:8000/v1 (ws://… where it is a WebSocket); several, "     \
             "separated by commas, share the work."),                                              \
        TEXT(prefix ".api_key_env", kind[index].api_key_env, "",                                   \
             "Name of the environment variable that holds its key."),                              \
        TEXT(prefix ".api_key_file", kind[index].api_key_file, "",                                 \
             "File whose first line is its key."),                                                 \
        INT(prefix ".connect_ms", kind[index].connect_ms, "0", 0, 60000,                           \
            "As engine.connect_ms, for this one; 0: the same."),                                   \
        INT(prefix ".first_byte_ms", kind[index].first_byte_ms, "0", 0, 600000,                    \
            "As engine.first_byte_ms, for this one; 0: the same."),                                \
        INT(prefix ".gap_ms", kind[index].gap_ms, "0", 0, 600000,                                  \
            "As engine.gap_ms, for this one; 0: the same."),                                       \
        INT(prefix ".hedge", kind[index].hedge, "0", 0, 99, kind##_hedge_help)
#define EXTRA(prefix, kind, index)                                                                 \
    TEXT(prefix ".extra", kind[index].extra, "",                                                   \
         "Members to add to the JSON of each request to openai, e.g. '\"top_k\": 20'.")
#define FORMAT(prefix, kind, index)                                                                \
    CHOICE(                                                                                        \
        prefix ".format", kind[index].format, "pcm", formats,                                      \
        "Sound to ask openai for; opus is a tenth of the bytes. What comes is told by its media "  \
        "type.")
#define LANGUAGE(prefix, kind, index)                                                              \
    TEXT(prefix ".language", kind[index].language, "",                                             \
         "Language to ask an engine elsewhere for; empty: the conversation's.")
#define FALLBACK(prefix, kind, index)                                                              \
    ENGINE(prefix, kind, index, "none"),                                                           \
        TEXT(prefix ".model", kind[index].model, "", "Model to ask it for.")
// NOLINTEND(bugprone-macro-parentheses)

#define BACKEND_HELP "embedded, or openai: any server with OpenAI's endpoints, another parley too"
static const char llm_backend_help[] = BACKEND_HELP ".";
static const char tts_backend_help[] = BACKEND_HELP "; ws: a plain WebSocket service.";
static const char stt_backend_help[] =
    BACKEND_HELP "; over WebSockets, which hear while one speaks: ws (a plain service), realtime "
                 "(OpenAI's transcription sessions, another parley too), vllm.";
#define HEDGE_HELP                                                                                 \
    "Percentile of its first-byte times, e.g. 95, after which a slow request is sent a second "    \
    "time; 0: never"
static const char llm_hedge_help[] = HEDGE_HELP ".";
static const char tts_hedge_help[] = HEDGE_HELP ".";
static const char stt_hedge_help[] = HEDGE_HELP ". Only 0 over a WebSocket.";
static const char *const llm_backends[] = {"none", "embedded", "openai", NULL};
static const char *const tts_backends[] = {"none", "embedded", "openai", "ws", NULL};
static const char *const stt_backends[] = {"none",     "embedded", "openai", "ws",
                                           "realtime", "vllm",     NULL};
static const char *const formats[] = {"pcm", "wav", "opus", NULL};
static const char *const auths[] = {"auto", "bearer", "api-key", NULL};
static const char *const levels[] = {"error", "warn", "info", "debug", NULL};
static const char *const echo_modes[] = {"auto", "on", "off", NULL};
static const char *const gain_modes[] = {"auto", "on", "off", NULL};
static const char *const lock_modes[] = {"off", "ask", "on", NULL};
static const char *const qualities[] = {"auto", "fast", "best", NULL};

// Sorted by section; within a section in the order of a reader's interest.
static const struct prl_conf_key keys[] = {
    INT("loops", loops, "0", 0, 8,
        "Threads that serve clients, each with its own part of the conversations; 0: one on up to "
        "4 "
        "cores, then one for each 4 cores, at most 8."),
    TEXT("http.address", http_address, "127.0.0.1",
         "Address for plain HTTP and WebSocket; beyond loopback an API key is required."),
    INT("http.port", http_port, "8080", 0, 65535, "Port of http.address; 0 takes any free one."),
    BOOL("http.tls", http_tls, "true", "Serve TLS as well."),
    TEXT("http.tls_address", http_tls_address, "127.0.0.1", "Address for TLS."),
    INT("http.tls_port", http_tls_port, "8443", 0, 65535, "Port of http.tls_address."),
    TEXT("http.tls_cert", http_tls_cert, "",
         "PEM certificate chain; empty: one for this machine is made at first start."),
    TEXT("http.tls_key", http_tls_key, "", "PEM key of http.tls_cert."),
    TEXT("http.hosts", http_hosts, "",
         "Further names, separated by commas, under which clients may address the server."),
    TEXT("http.origins", http_origins, "",
         "Web origins, separated by commas, that may use the API besides our own page."),
    INT("http.connections_max", http_connections_max, "2000", 1, 100000,
        "Most open connections; further ones get 429."),
    TEXT("api.key_file", api_key_file, "",
         "File with one API key a line, mode 0600; PARLEY_API_KEY in the environment is one more."),
    INT("api.sessions_max", api_sessions_max, "500", 1, 100000,
        "Most conversations at a time; further ones get 429."),
    REAL(
        "api.load_max", api_load_max, "0.85", 0, 1,
        "Share of its core that the loop may use before new conversations get 429, from the eighth "
        "on; 0: no such limit."),
    INT("api.session_max_s", api_session_max_s, "3600", 0, 604800,
        "Longest life of a conversation in seconds; 0: no limit."),
    CHOICE("echo.mode", echo_mode, "auto", echo_modes,
           "Take the server's voice out of the microphone's sound: on (unless the client refuses), "
           "off, "
           "or auto (when it asks by parley.echo_control; browsers do it themselves)."),
    BOOL("eot.enabled", eot_enabled, "true",
         "semantic_vad asks a model whether the speaker is done; else text and silence decide."),
    TEXT("eot.model", eot_model, "smart-turn",
         "End-of-turn model: a name of models.lock or a path."),
    TEXT("engine.ca_file", engine_ca_file, "",
         "Certificates (PEM) that engines elsewhere may have; empty: the system's."),
    BOOL("engine.insecure", engine_insecure, "false", "Take any certificate of engines elsewhere."),
    INT("engine.connect_ms", engine_connect_ms, "2000", 10, 60000,
        "Longest wait for a connection to an engine elsewhere, TLS included."),
    INT("engine.first_byte_ms", engine_first_byte_ms, "4000", 10, 600000,
        "Longest wait for its first byte; then the next engine of the chain is asked."),
    INT("engine.gap_ms", engine_gap_ms, "4000", 10, 600000,
        "Longest pause between two pieces of its answer."),
    INT("engine.total_ms", engine_total_ms, "120000", 100, 3600000, "Longest answer."),
    INT("engine.failures_max", engine_failures_max, "3", 1, 100,
        "Failures in a row after which an engine is left out."),
    INT("engine.open_ms", engine_open_ms, "1000", 10, 600000,
        "How long, before it is asked whether it is back; doubles each time, to 30 s."),
    INT("engine.warm_s", engine_warm_s, "20", 0, 3600,
        "When a conversation or an utterance begins, engines elsewhere that were silent for so "
        "long get a connection opened (GET …/models, or the WebSocket), and an upstream server "
        "is connected; 0: at the first need."),
    INT("engine.hedge_share", engine_hedge_share, "10", 1, 100,
        "Most second requests (see hedge) for a hundred requests of a kind."),
    TEXT("engine.isolate", engine_isolate, "off",
         "Embedded engines that run in child processes, which are started again when they die or "
         "hang: off, or some of stt, llm, tts and eot, separated by commas."),
    INT("engine.hang_s", engine_hang_s, "30", 1, 600,
        "A child process whose engine works on one step for so long has hung."),
    CHOICE("gain.mode", gain_mode, "auto", gain_modes,
           "Turn a quiet microphone up, by 30 dB at most: on (unless the client refuses), off, or "
           "auto (the same, but WebRTC calls, whose browsers do it themselves, and clients with "
           "echo control here only when they ask by parley.gain_control)."),
    ENGINE("llm", llm, 0, "embedded"),
    EXTRA("llm", llm, 0),
    TEXT("llm.model", llm_model, "qwen2.5-coder-1.5b",
         "Language model: a name of models.lock, `small`, or the path of a GGUF file; the name to "
         "ask openai for."),
    FALLBACK("llm.fallback", llm, 1),
    EXTRA("llm.fallback", llm, 1),
    FALLBACK("llm.fallback2", llm, 2),
    EXTRA("llm.fallback2", llm, 2),
    INT("llm.context_tokens", llm_context_tokens, "4096", 512, 32768,
        "Tokens of prompt and answer that one conversation may have."),
    INT("llm.prompt_tokens", llm_prompt_tokens, "0", 0, 1048576,
        "Tokens of instructions, tools and conversation shown to the model; oldest whole turns go "
        "first, several at a time. 0: what llm.context_tokens leaves beside llm.max_output_tokens "
        "where an embedded model is in the chain, else no limit but session.history_bytes."),
    BOOL("llm.images", llm_images, "true",
         "A model elsewhere looks at images; where it does not, they are refused."),
    BOOL("llm.cache_answers", llm_cache_answers, "false",
         "Keep whole answers and give them again to the same API key for the same prompt and "
         "sampling, "
         "never with tools or images; see OPERATIONS.md on what that means for privacy."),
    BOOL("llm.cache_sampled", llm_cache_sampled, "false",
         "Keep answers also where the temperature is above 0, whose words would else differ."),
    INT("llm.cache_entries", llm_cache_entries, "1000", 1, 10000,
        "Most answers kept, of each loop."),
    INT("llm.cache_kib", llm_cache_kib, "4096", 1, 1048576,
        "Most KiB of answers kept, of each loop."),
    INT("llm.cache_s", llm_cache_s, "3600", 1, 604800, "Longest time that an answer is kept."),
    INT("llm.sequences", llm_sequences, "4", 1, 16, "Conversations that the model keeps in mind."),
    INT("llm.threads", llm_threads, "0", 0, 64,
        "Most threads of the language model at a time; 0: as many as the other engines leave."),
    INT("llm.max_output_tokens", llm_max_output_tokens, "512", 1, 4096,
        "Most tokens of an answer where the client sets no limit."),
    REAL("llm.temperature", llm_temperature, "0.7", 0, 2,
         "How freely the model chooses its words; 0 always takes the likeliest."),
    CHOICE("log.level", log_level, "info", levels, "Least urgent messages that are written."),
    BOOL("log.json", log_json, "false", "Write one JSON object a line."),
    TEXT("recording.dir", recording_dir, "",
         "Folder in which every conversation is recorded: a stereo WAV, the user left and the "
         "answer as it was heard right, and a file of JSON lines with the words of both. It is "
         "made with mode 0700; one server a folder. Empty: nothing is recorded."),
    INT("recording.minutes", recording_minutes, "60", 1, 360,
        "Most minutes of one recording (5.8 MB each); the conversation goes on without."),
    INT("recording.folder_mib", recording_folder_mib, "10240", 1, 1073741824,
        "Most MiB in the folder; beyond them the oldest recordings are removed."),
    INT("recording.keep_days", recording_keep_days, "0", 0, 36500,
        "Recordings are removed so many days after they ended; 0: when there is no more room."),
    BOOL("rtc.enabled", rtc_enabled, "true", "Take calls over WebRTC."),
    TEXT(
        "rtc.address", rtc_address, "",
        "Addresses for media, separated by commas; empty: where HTTP is, and with HTTP on loopback "
        "every address of the machine, for this machine only."),
    INT("rtc.udp_port", rtc_udp_port, "8189", 0, 65535,
        "UDP port of all calls, plus the number of the loop; 0 takes any free one."),
    BOOL("rtc.tcp", rtc_tcp, "true", "Offer media over TCP as well, for networks without UDP."),
    INT("rtc.tcp_port", rtc_tcp_port, "8189", 0, 65535,
        "TCP port of all calls, plus the number of the loop; 0 takes any free one."),
    TEXT("rtc.public_address", rtc_public_address, "",
         "Address under which others see this machine (NAT, containers); announced besides."),
    INT("rtc.peers_max", rtc_peers_max, "1000", 1, 100000,
        "Most WebRTC connections, offers that have not connected yet included; further ones get "
        "429."),
    TEXT("rtc.ice_servers", rtc_ice_servers, "",
         "STUN and TURN servers told to clients: stun:HOST, turn:USER:PASSWORD@HOST, separated by "
         "commas."),
    BOOL("scripted.engines", scripted_engines, "false",
         "For tests and `parley bench`: engines that wait and give a fixed answer stand in for the "
         "models of speech and language; voice activity is detected as ever."),
    INT("scripted.stt_ms", scripted.stt_ms, "120", 0, 60000, "Wait for the words of an utterance."),
    INT("scripted.llm_first_ms", scripted.llm_first_ms, "150", 0, 60000,
        "Wait for the first word of an answer."),
    INT("scripted.llm_words_s", scripted.llm_words_s, "60", 1, 10000,
        "Words of an answer a second from there on."),
    INT("scripted.llm_words", scripted.llm_words, "12", 1, 4096, "Words of an answer."),
    INT("scripted.tts_first_ms", scripted.tts_first_ms, "90", 0, 60000,
        "Wait for the first sample of a clause."),
    TEXT("session.instructions", session_instructions, "",
         "Who the assistant is, where the client says nothing."),
    TEXT("session.language", session_language, "auto",
         "Language spoken to the server: auto, en, zh, or another code."),
    TEXT("session.locale", session_locale, "", "Where the users are, e.g. 'Hamburg, Germany'."),
    INT("session.history_bytes", session_history_bytes, "12288", 1024, 1048576,
        "Bytes of the conversation shown to the language model; oldest whole turns go first."),
    INT("session.lead_ms", session_lead_ms, "400", 20, 10000,
        "Sound sent ahead of real time on a WebSocket."),
    INT("session.resume_s", session_resume_s, "60", 0, 3600,
        "How long a session waits for a client that asked to be able to come back; 0: not at all."),
    INT("session.frozen_max", session_frozen_max, "100", 1, 100000,
        "Most sessions that wait for their clients; beyond it the oldest goes."),
    ENGINE("stt", stt, 0, "embedded"),
    LANGUAGE("stt", stt, 0),
    TEXT("stt.model", stt[0].model, "whisper-1", "Model to ask openai for."),
    BOOL(
        "stt.partials", stt_partials, "true",
        "Live words from openai: the growing utterance is sent again and again while it lasts. The "
        "WebSocket backends send them unasked."),
    FALLBACK("stt.fallback", stt, 1),
    LANGUAGE("stt.fallback", stt, 1),
    FALLBACK("stt.fallback2", stt, 2),
    LANGUAGE("stt.fallback2", stt, 2),
    TEXT("stt.model_dir", stt_model_dir, "",
         "Folder with a SenseVoice, Paraformer or streaming zipformer model (sherpa-onnx layout)."),
    TEXT("stt.model_languages", stt_model_languages, "",
         "Languages, separated by commas, that stt.model_dir serves; empty: all."),
    BOOL("stt.traditional", stt_traditional, "false",
         "Leave Chinese characters as recognised instead of simplifying them."),
    INT("stt.threads", stt_threads, "0", 0, 64,
        "Most threads of Whisper at a time; 0: as many as the other engines leave. Threads of "
        "other "
        "recognisers; 0: one."),
    TEXT("trace.otlp_url", trace_otlp_url, "",
         "Collector of OpenTelemetry traces (OTLP over HTTP, JSON), e.g. "
         "http://127.0.0.1:4318/v1/traces; gets each turn's times, and no words. Empty: none."),
    TEXT("trace.api_key_env", trace_api_key_env, "",
         "Name of the environment variable that holds the collector's bearer key."),
    TEXT(
        "trace.chrome_file", trace_chrome_file, "",
        "File for each turn's times in Chrome's trace format (chrome://tracing, Perfetto); what it "
        "held before is lost. Empty: none."),
    INT("trace.chrome_bytes_max", trace_chrome_bytes_max, "67108864", 4096, 4294967296,
        "Size at which no more turns are written to it."),
    ENGINE("tts", tts, 0, "embedded"),
    EXTRA("tts", tts, 0),
    TEXT("tts.model", tts[0].model, "tts-1", "Model to ask openai for."),
    FORMAT("tts", tts, 0),
    TEXT("tts.instructions", tts_instructions, "",
         "Emotion and style for openai, e.g. 'Speak cheerfully'."),
    FALLBACK("tts.fallback", tts, 1),
    EXTRA("tts.fallback", tts, 1),
    FORMAT("tts.fallback", tts, 1),
    TEXT("tts.fallback.voice", tts[1].voice, "", "Its voice; empty: the session's."),
    FALLBACK("tts.fallback2", tts, 2),
    EXTRA("tts.fallback2", tts, 2),
    FORMAT("tts.fallback2", tts, 2),
    TEXT("tts.fallback2.voice", tts[2].voice, "", "Its voice; empty: the session's."),
    BOOL("tts.fast_chinese", tts_fast_chinese, "false",
         "Speak Chinese with the fast FastSpeech2 voice, whose corpus is for non-commercial use."),
    CHOICE("tts.quality", tts_quality, "auto", qualities,
           "English voice: fast (hibari), best (Kokoro), or auto: best below 0.2 s of work a "
           "second of sound."),
    REAL("tts.speed", tts_speed, "1", 0.25, 1.5, "Speed of speech where the client sets none."),
    INT("tts.phrases_kib", tts_phrases_kib, "4096", 0, 1048576,
        "KiB of sound of apologies and fillers, each made once and kept, so that they sound at "
        "once; "
        "0: none is."),
    INT("tts.threads", tts_threads, "0", 0, 64,
        "Threads of the voice; 0: two where there are two cores."),
    TEXT("tts.voice", tts_voice, "alloy",
         "Voice where the client names none; for openai also a name that only that server knows."),
    REAL("turn.threshold", turn_threshold, "0.5", 0.05, 0.95,
         "Probability from which a sound counts as speech."),
    INT("turn.silence_duration_ms", turn_silence_duration_ms, "500", 32, 10000,
        "Silence that ends a turn (server_vad)."),
    INT("turn.prefix_padding_ms", turn_prefix_padding_ms, "300", 0, 5000,
        "Sound kept before the onset of speech."),
    INT("turn.silence_min_ms", turn_silence_min_ms, "200", 32, 5000,
        "Least silence that ends a turn which looks complete (semantic_vad)."),
    INT("turn.probe_ms", turn_probe_ms, "100", 32, 2000,
        "Silence after which an answer is begun, unheard, in case the turn is over."),
    INT("turn.speculations_max", turn_speculations_max, "3", 0, 10,
        "Such answers a turn; 0 switches them off."),
    BOOL("turn.speculate_early", turn_speculate_early, "true",
         "Begin as many more on words that are not final yet: when two transcripts in a row agree "
         "while the user still talks, or at the first silence when the last one is new."),
    INT("turn.interrupt_min_ms", turn_interrupt_min_ms, "96", 32, 2000,
        "Voiced sound that interrupts an answer (server_vad) or pauses it (semantic_vad)."),
    INT("turn.interrupt_max_ms", turn_interrupt_max_ms, "800", 100, 5000,
        "Voiced sound that interrupts an answer even without words (semantic_vad)."),
    INT("turn.interrupt_unjudged_ms", turn_interrupt_unjudged_ms, "600", 32, 5000,
        "The same when no verdict came in time (semantic_vad)."),
    INT("turn.resume_ms", turn_resume_ms, "200", 32, 5000,
        "A false interruption is over so long after the voice."),
    INT("turn.verdict_max_ms", turn_verdict_max_ms, "1500", 100, 10000,
        "An answer waits so long after a sound for its verdict; one that is late still counts "
        "(semantic_vad)."),
    CHOICE(
        "turn.speaker_lock", speaker_lock, "off", lock_modes,
        "Hear the first speaker of a conversation alone, no television: off, ask (when the client "
        "asks by parley.speaker_lock) or on (unless it refuses)."),
    INT("turn.speaker_wait_ms", speaker_wait_ms, "2500", 500, 10000,
        "Voice in overlap after which an answer gives way though the speaker model has not "
        "answered."),
    TEXT("turn.speaker_model", speaker_model, "campplus",
         "Speaker model: a name of models.lock or a path; `parley models fetch campplus` gets it."),
    INT("turn.filler_after_ms", turn_filler_after_ms, "0", 0, 60000,
        "A wait so long gets a short filler, once; 0: never."),
    INT("turn.utterance_max_ms", turn_utterance_max_ms, "120000", 1000, 120000,
        "Longest utterance; it is committed there."),
    INT("turn.input_stall_ms", turn_input_stall_ms, "1500", 200, 60000,
        "Without any sound for so long, silence is counted by the clock."),
    INT("turn.engine_first_byte_ms", turn_engine_first_byte_ms, "15000", 500, 120000,
        "An engine that is silent for so long counts as failed."),
    INT("turn.apology_max_ms", turn_apology_max_ms, "2000", 200, 60000,
        "Longest wait for the sound of an apology."),
    TEXT("upstream.url", upstream.url, "",
         "A Realtime server (OpenAI, Azure, another parley) as the engine of every conversation, "
         "e.g. https://api.openai.com/v1; several, separated by commas, share the work. stt, llm "
         "and eot's words then come from there; tts is for apologies."),
    TEXT("upstream.model", upstream.model, "", "Model to ask it for."),
    TEXT("upstream.api_key_env", upstream.api_key_env, "",
         "Name of the environment variable that holds its key."),
    TEXT("upstream.api_key_file", upstream.api_key_file, "", "File whose first line is its key."),
    CHOICE("upstream.auth", upstream_auth, "auto", auths,
           "Header for the key: bearer, api-key, or auto: api-key at azure.com."),
    TEXT("upstream.transcription_model", upstream_transcription_model, "whisper-1",
         "Model that writes down there what the user says."),
    TEXT("upstream.voice", upstream_voice, "",
         "Its voice, also a name that only it knows; empty: the session's."),
    TEXT("vad.model", vad_model, "silero-vad",
         "Voice activity model: a name of models.lock or a path."),
    TEXT("web.dir", web_dir, "",
         "Folder of the web page; empty: web beside the program or the share folder."),
};
static const struct prl_conf_table table = {keys, sizeof(keys) / sizeof(keys[0])};

const struct prl_conf_table *prl_settings_table(void)
{
    return &table;
}

enum prl_err prl_settings_load(struct prl_settings *settings, const char *file,
                               const char *const *pairs, size_t pair_count, char *why)
{
    *settings = (struct prl_settings){0};
    enum prl_err err = prl_conf_defaults(&table, settings);
    if (!err && file)
        err = prl_conf_file(&table, settings, file, why);
    if (!err)
        err = prl_conf_env(&table, settings, environ, why);
    for (size_t i = 0; i < pair_count && !err; i++)
        err = prl_conf_set_pair(&table, settings, pairs[i], why);
    if (err)
        prl_settings_free(settings);
    return err;
}

void prl_settings_free(struct prl_settings *settings)
{
    prl_conf_free(&table, settings);
}
