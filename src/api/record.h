// record.h -- a conversation's recording: its session's sound, and what happened in it as lines of JSON.
//
// Sees the events of a session pass and writes a line for each that a listener wants beside the sound
// (docs/OPERATIONS.md, "Recordings"): who spoke when, the words of both sides, what of an answer was heard,
// where its time went. Keys, tokens, instructions, arguments and results of tools are in no line.
// Units:    `ms` of a line is the place in the sound at which it became known.
// Threads:  the loop thread. Memory: the recording (media/recorder.h).
// Errors:   create only, and the conversation goes on without; a line for which there is no memory is
//           dropped and counted.
#ifndef PRL_API_RECORD_H
#define PRL_API_RECORD_H

#include <stdbool.h>

#include "media/recorder.h"
#include "session/session.h"

struct prl_record;

// Begins to record the session, which is borrowed. `calls`: its sound goes both ways as RTP.
enum prl_err prl_record_create(struct prl_record **out, struct prl_recorder *recorder,
                               const char *conversation, struct prl_session *session,
                               bool calls) PRL_MUST_USE;
// Ends the recording; before the session is destroyed.
void prl_record_destroy(struct prl_record **record);
void prl_record_event(struct prl_record *record, const struct prl_session_event *event);

#endif
