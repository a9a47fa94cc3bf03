// metrics.h -- counters and histograms of the whole process, for /metrics.
//
// Threads:  any; relaxed atomics.
// Memory:   static tables, nothing allocated.
// Errors:   none.
#ifndef PRL_BASE_METRICS_H
#define PRL_BASE_METRICS_H

#include <stdint.h>

#include "base/str.h"

// Name, kind, help. A name may end in a label (the ids of one family follow each other). Names in Prometheus form; histograms observe microseconds and show seconds, FINE
// ones from 0.5 ms on.
#define PRL_METRICS(X)                                                                             \
    X(ANSWER_DELAY, HISTOGRAM, "parley_answer_delay_seconds",                                      \
      "Last sample of speech to first byte of the answer")                                         \
    X(EOT_DELAY, HISTOGRAM, "parley_eot_delay_seconds", "Last sample of speech to the commit")     \
    X(HOLD, HISTOGRAM, "parley_hold_seconds", "Sound of an answer waited for the commit")          \
    X(LATE, HISTOGRAM, "parley_late_seconds", "The commit waited for the answer's sound")          \
    X(BARGE_IN, HISTOGRAM, "parley_barge_in_seconds", "Onset of an interruption to silence")       \
    X(RESUME_GAP, HISTOGRAM, "parley_resume_gap_seconds",                                          \
      "Pause of an answer that a false interruption made")                                         \
    X(INTERRUPTIONS_REAL, COUNTER, "parley_interruptions_total{verdict=\"real\"}",                 \
      "Sounds in overlap, by what they proved to be")                                              \
    X(INTERRUPTIONS_FALSE, COUNTER, "parley_interruptions_total{verdict=\"false\"}",               \
      "Sounds in overlap, by what they proved to be")                                              \
    X(SPECULATIONS_USED, COUNTER, "parley_speculations_total{result=\"used\"}",                    \
      "Answers begun before the turn was over")                                                    \
    X(SPECULATIONS_DROPPED, COUNTER, "parley_speculations_total{result=\"dropped\"}",              \
      "Answers begun before the turn was over")                                                    \
    X(HEARD_WORDS_CUT, COUNTER, "parley_heard_words_cut_total",                                    \
      "Words that were sent and cut from the history, unheard")                                    \
    X(EMPTY_TURNS, COUNTER, "parley_empty_turns_total", "Utterances without words")                \
    X(FILLERS, COUNTER, "parley_fillers_total", "Waits that got a filler")                         \
    X(PHRASES_HIT, COUNTER, "parley_phrases_total{result=\"hit\"}",                                \
      "Apologies and fillers that were to sound, by whether their sound was at hand")              \
    X(PHRASES_MISSED, COUNTER, "parley_phrases_total{result=\"miss\"}",                            \
      "Apologies and fillers that were to sound, by whether their sound was at hand")              \
    X(ANSWERS_HIT, COUNTER, "parley_answers_total{result=\"hit\"}",                                \
      "Prompts that might have been answered before, by whether they had been")                    \
    X(ANSWERS_MISSED, COUNTER, "parley_answers_total{result=\"miss\"}",                            \
      "Prompts that might have been answered before, by whether they had been")                    \
    X(EOT_ASKS, COUNTER, "parley_eot_asks_total", "Questions to the end-of-turn model")            \
    X(EOT_SKIPPED, COUNTER, "parley_eot_skipped_total",                                            \
      "Pauses judged without the end-of-turn model, because it was busy or absent")                \
    X(EOT_WORK, FINE, "parley_eot_work_seconds", "Time the end-of-turn model took")                \
    X(SPEAKER_WORK, FINE, "parley_speaker_work_seconds", "Time the speaker model took")            \
    X(OTHER_VOICES, COUNTER, "parley_other_voices_total",                                          \
      "Utterances that the speaker lock took for another voice")                                   \
    X(SESSIONS, COUNTER, "parley_sessions_total", "Sessions opened")                               \
    X(SESSIONS_REFUSED, COUNTER, "parley_sessions_refused_total",                                  \
      "Sessions refused for lack of room")                                                         \
    X(RESUMES, COUNTER, "parley_resumes_total", "Clients that came back to their session")         \
    X(CALLS, COUNTER, "parley_calls_total", "WebRTC calls made")                                   \
    X(RESPONSES, COUNTER, "parley_responses_total", "Responses that ended")                        \
    X(RESPONSES_FAILED, COUNTER, "parley_responses_failed_total",                                  \
      "Responses that an engine failed")                                                           \
    X(STAGE_STT, HISTOGRAM, "parley_transcript_seconds", "End of speech to the final transcript")  \
    X(STAGE_TOKEN, HISTOGRAM, "parley_first_token_seconds",                                        \
      "Transcript, or request, to the first token")                                                \
    X(STAGE_SOUND, HISTOGRAM, "parley_first_sound_seconds", "First token to the first sound")      \
    X(TRACES, COUNTER, "parley_traces_total", "Turns that the collector of traces took")           \
    X(TRACES_DROPPED, COUNTER, "parley_traces_dropped_total",                                      \
      "Turns that a collector or file of traces did not take")                                     \
    X(TLS_FULL, COUNTER, "parley_engine_tls_total{handshake=\"full\"}",                            \
      "WebSockets over TLS that were opened to engines elsewhere, by how they began")              \
    X(TLS_RESUMED, COUNTER, "parley_engine_tls_total{handshake=\"resumed\"}",                      \
      "WebSockets over TLS that were opened to engines elsewhere, by how they began")              \
    X(RECORDINGS, COUNTER, "parley_recordings_total", "Recordings of conversations begun")         \
    X(RECORDINGS_REMOVED, COUNTER, "parley_recordings_removed_total",                              \
      "Old recordings removed: recording.folder_mib, recording.keep_days")                         \
    X(RECORDING_GAPS, COUNTER, "parley_recording_gaps_total",                                      \
      "Gaps in recordings because the disk was too slow")                                          \
    X(RECORDING_ERRORS, COUNTER, "parley_recording_errors_total",                                  \
      "Files, pieces and lines of recordings that could not be written")                           \
    X(LATE_EVENTS, COUNTER, "parley_late_events_total", "Results of generations that were over")   \
    X(LOOP_STALLS, COUNTER, "parley_loop_stalls_total", "Loop callbacks over their time limit")    \
    X(LANE_WAIT, HISTOGRAM, "parley_lane_wait_seconds", "Time a message waited for its lane")      \
    X(ENGINE_RESTARTS, COUNTER, "parley_engine_restarts_total",                                    \
      "Child processes of engines that died or hung and were started again")                       \
    X(SLOW_READERS, COUNTER, "parley_slow_readers_total",                                          \
      "Connections closed because they do not read")                                               \
    X(RTP_PACING, FINE, "parley_rtp_pacing_seconds", "Sound sent after its time")                  \
    X(RTC_OFFERS, COUNTER, "parley_rtc_offers_total", "WebRTC offers answered")                    \
    X(RTC_REFUSED, COUNTER, "parley_rtc_refused_total", "WebRTC offers refused: rtc.peers_max")    \
    X(RTC_CONNECTED, COUNTER, "parley_rtc_handshakes_total", "DTLS handshakes that were done")     \
    X(RTC_DTLS_FAILED, COUNTER, "parley_rtc_handshakes_failed_total", "DTLS handshakes refused")   \
    X(RTC_NEVER, COUNTER, "parley_rtc_never_connected_total", "Offers whose client never came")    \
    X(RTC_EXPIRED, COUNTER, "parley_rtc_consent_expired_total",                                    \
      "WebRTC connections whose client vanished")                                                  \
    X(RTC_IN, COUNTER, "parley_rtc_datagrams_in_total", "Datagrams received")                      \
    X(RTC_OUT, COUNTER, "parley_rtc_datagrams_out_total", "Datagrams sent")                        \
    X(RTC_BYTES_IN, COUNTER, "parley_rtc_bytes_in_total", "Bytes of received datagrams")           \
    X(RTC_BYTES_OUT, COUNTER, "parley_rtc_bytes_out_total", "Bytes of sent datagrams")             \
    X(RTC_DROPPED_STRANGE, COUNTER, "parley_rtc_dropped_strange_total",                            \
      "Datagrams of unknown addresses and checks for unknown connections")                         \
    X(RTC_DROPPED_UNVERIFIED, COUNTER, "parley_rtc_dropped_unverified_total",                      \
      "Datagrams of addresses that no check has verified")                                         \
    X(RTC_DROPPED_MALFORMED, COUNTER, "parley_rtc_dropped_malformed_total",                        \
      "Datagrams that are nothing we know, or have a wrong length")                                \
    X(RTC_DROPPED_EARLY, COUNTER, "parley_rtc_dropped_early_total",                                \
      "Datagrams before their time: no handshake yet")                                             \
    X(RTC_DROPPED_FORGED, COUNTER, "parley_rtc_dropped_forged_total",                              \
      "SRTP and SRTCP that is not authentic")                                                      \
    X(RTC_DROPPED_REPEATED, COUNTER, "parley_rtc_dropped_repeated_total",                          \
      "RTP and RTCP seen before, or too old")                                                      \
    X(RTC_DROPPED_UNAGREED, COUNTER, "parley_rtc_dropped_unagreed_total",                          \
      "RTP of a payload or direction that was not agreed on")

enum prl_metric {
#define PRL_METRIC_ENUM(id, kind, name, help) PRL_METRIC_##id,
    PRL_METRICS(PRL_METRIC_ENUM)
#undef PRL_METRIC_ENUM
        PRL_METRIC_COUNT
};

void prl_metrics_add(enum prl_metric metric, uint64_t count);
// For histograms; negative values are ignored.
void prl_metrics_observe(enum prl_metric metric, int64_t us);
uint64_t prl_metrics_value(enum prl_metric metric); // counter, or observations of a histogram

// What the threads that own engines do, by name. A name lives as long as the process: a later lane of the
// same name goes on counting.
enum { PRL_METRICS_LANES_MAX = 16 };
struct prl_metrics_lane;
// NULL: there are as many as there may be; the functions below then do nothing. Name: at most 15 bytes,
// letters and digits.
struct prl_metrics_lane *prl_metrics_lane(const char *name);
void prl_metrics_lane_queued(struct prl_metrics_lane *lane, int64_t count); // negative: taken
void prl_metrics_lane_worked(struct prl_metrics_lane *lane, uint64_t messages, int64_t busy_us);

// Appends everything in Prometheus text form.
enum prl_err prl_metrics_render(struct prl_str *out);
// Appends one gauge or counter that its owner keeps.
enum prl_err prl_metrics_render_one(struct prl_str *out, const char *kind, const char *name,
                                    const char *help, double value);
// Appends what several loops rendered alike: the lines of the first, each value the sum of all, but with
// names that begin with parley_loop_ the greatest. A text whose lines are others is left out. 1..16 texts.
enum prl_err prl_metrics_merge(struct prl_str *out, const char *const *texts, size_t count);

#endif
