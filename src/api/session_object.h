// session_object.h -- the protocol's session object: read from session.update (both shapes), written in
// full, and turned into what session/ wants.
//
// Both vocabularies are read always; which one is written is the connection's dialect.
// Threads:  the session's.
// Memory:   the object owns its texts; update works on a copy and replaces it only when all is well.
// Errors:   a prl_problem that names the field; NOMEM.
// Source:   Realtime GA and beta session shapes (docs/PROTOCOL.md).
#ifndef PRL_API_SESSION_OBJECT_H
#define PRL_API_SESSION_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "api/problem.h"
#include "base/json_write.h"
#include "session/session.h"

enum prl_api_format { PRL_API_PCM, PRL_API_PCMU, PRL_API_PCMA, PRL_API_FORMATS };
enum prl_api_dialect { PRL_API_GA, PRL_API_BETA };
enum prl_api_turns { PRL_API_TURNS_NONE, PRL_API_TURNS_SERVER, PRL_API_TURNS_SEMANTIC };

enum {
    PRL_API_INSTRUCTIONS_MAX = 64 << 10,
    PRL_API_TOOLS_MAX = PRL_LLM_TOOLS_MAX,
    PRL_API_STYLE_SIZE = 512
};

// Tools as declared: parsed, and as JSON text for echoing.
struct prl_api_tools {
    char *json;                // owned array text, or NULL
    struct prl_llm_tool *list; // owned; texts point into `texts`
    size_t count;
    char *texts;       // owned
    char *choice_json; // owned, what tool_choice was, or NULL for "auto"
    enum prl_llm_tool_choice choice;
    char *choice_name; // owned, or NULL
};

struct prl_api_session {
    char id[PRL_SESSION_ID_SIZE];
    char model[128];
    char *instructions; // owned, never NULL
    char voice[64];
    double speed;
    enum prl_api_format input_format, output_format;
    int64_t max_output_tokens; // 0: inf
    double temperature;        // beta only; negative: not set
    struct prl_api_tools tools;
    char transcribe_model[64];
    char language[16];
    char *transcribe_prompt; // owned or NULL
    char noise_reduction[16];
    enum prl_api_turns turns;
    double threshold;
    int64_t prefix_padding_ms, silence_duration_ms, idle_timeout_ms;
    char eagerness[8];
    bool create_response, interrupt_response;
    bool transcription_only;        // session type "transcription"
    bool audio;                     // output_modalities
    bool transcribe;                // transcripts are reported
    char *tracing_json;             // owned, echoed
    char *truncation_json;          // owned, echoed
    char *include_json;             // owned, echoed
    char *prompt_json;              // owned, echoed
    bool partials, latency;         // our extension: session.parley {partials, latency, resume}
    bool resume;                    // the client wants to be able to come back after a drop
    char style[PRL_API_STYLE_SIZE]; // session.parley.voice_instructions
    int echo_control; // session.parley.echo_control: 1, 0, or -1 when it was not given
    int gain_control; // session.parley.gain_control, the same
    int speaker_lock; // session.parley.speaker_lock, the same
};

// A new session as the server's configuration `base` has it; NOMEM.
enum prl_err prl_api_session_init(struct prl_api_session *object, const char *model,
                                  const struct prl_session_conf *base) PRL_MUST_USE;
// The problem of a voice that nobody has; true when there is one of that name.
bool prl_api_voice_known(const char *voice, const char *param, struct prl_problem *problem);
void prl_api_session_free(struct prl_api_session *object);

// Applies `update` (the member `session` of the event). `voiced`: the voice may no longer change.
// On a problem (problem->code set) or NOMEM the object stays as it was.
enum prl_err prl_api_session_update(struct prl_api_session *object, const struct prl_json *update,
                                    bool voiced, struct prl_problem *problem) PRL_MUST_USE;

// Tools and tool_choice of a session or of a response.create.
enum prl_err prl_api_tools_read(struct prl_api_tools *tools,
                                const struct prl_fields *fields) PRL_MUST_USE;
void prl_api_tools_free(struct prl_api_tools *tools);

// Writes the full effective object under `key`.
void prl_api_session_write(const struct prl_api_session *object, enum prl_api_dialect dialect,
                           struct prl_json_write *json, const char *key);
// The same without the braces: the caller adds members of its own.
void prl_api_session_write_members(const struct prl_api_session *object,
                                   enum prl_api_dialect dialect, struct prl_json_write *json);
void prl_api_format_write(enum prl_api_format format, struct prl_json_write *json, const char *key);

// Overlays the object on the server's defaults; texts are borrowed from the object.
void prl_api_session_conf(const struct prl_api_session *object, struct prl_session_conf *conf);

#endif
