// engines_state.h -- what the files of engines.h share: its struct, and how they call each other.
//
// Threads, Memory, Errors: as in engines.h.
#ifndef PRL_SERVER_ENGINES_STATE_H
#define PRL_SERVER_ENGINES_STATE_H

#include "base/str.h"
#include "eot/eot.h"
#include "llm/llm.h"
#include "net/lane_process.h"
#include "server/engine_files.h"
#include "server/engines.h"
#include "stt/stt.h"
#include "tts/tts.h"

struct prl_cores;
struct prl_echo_kit;
struct prl_fetch;
struct prl_ort;
struct prl_phrases;
struct prl_pool;
struct prl_speaker;
struct prl_upstream_kit;
struct prl_vad;

// Kinds that may be elsewhere.
enum prl_engines_kind {
    PRL_ENGINES_KIND_STT,
    PRL_ENGINES_KIND_LLM,
    PRL_ENGINES_KIND_TTS,
    PRL_ENGINES_KIND_COUNT
};

struct prl_engines {
    struct prl_engines_conf conf;
    bool child; // of another parley, for one kind of engine
    struct prl_lane_isolate isolate;
    struct prl_str hello; // what isolate says
    struct prl_fetch *fetch;
    struct prl_pool *pools[PRL_ENGINES_KIND_COUNT]; // NULL where everything is embedded
    char *files[PRL_FILE_COUNT];                    // owned
    struct prl_cores *cores;                        // the first owns these three
    struct prl_ort *ort;                            //
    struct prl_echo_kit *echo;                      //
    struct prl_vad *vad;
    struct prl_eot *eot;         // NULL: not wanted, or not there
    struct prl_speaker *speaker; // the same
    struct prl_stt *stt;
    struct prl_llm *llm;         // what sessions ask: remote, which may ask local, or local itself
    struct prl_llm *answers;     // in front of llm; NULL: none are kept
    struct prl_llm *local_llm;   // the embedded one; NULL: there is none
    struct prl_tts *tts;         // NULL: an upstream speaks, and there is no voice for apologies
    struct prl_phrases *phrases; // NULL: none are kept
    struct prl_upstream_kit *upstream; // NULL: there is none
    struct prl_engines_state state;
    struct prl_timer *settled;         // with an upstream nothing may be left to wait for
    bool eot_settled, speaker_settled; // loaded, or known to stay away
    bool ready;                        // told
    bool failed;
};

// ---- engines.c ----

// Tells `ready` once everything that is waited for has answered.
void prl_engines_settle(struct prl_engines *engines);
// Tells `failed`, once.
void prl_engines_fail(struct prl_engines *engines, const char *why);

// ---- engines_open.c ----

// Starts everything; an error may come with its line in `why`.
enum prl_err prl_engines_open(struct prl_engines *engines, char *why) PRL_MUST_USE;
// What the embedded engines are made of, here or in a child process.
struct prl_eot_conf prl_engines_eot_conf(struct prl_engines *engines, const char *model);
struct prl_stt_conf prl_engines_stt_conf(struct prl_engines *engines);
struct prl_llm_conf prl_engines_llm_conf(struct prl_engines *engines);
struct prl_tts_conf prl_engines_tts_conf(struct prl_engines *engines);

// ---- engines_child.c ----

// Reads engine.isolate. INVALID with a line in `why`.
enum prl_err prl_engines_prepare_isolate(struct prl_engines *engines, char *why) PRL_MUST_USE;
// How an engine of `kind` is to run in a child process; NULL: on a thread.
const struct prl_lane_isolate *prl_engines_isolate(const struct prl_engines *engines,
                                                   const char *kind);

#endif
