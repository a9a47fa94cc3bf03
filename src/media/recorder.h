// recorder.h -- writes recordings of conversations: one thread, two files a conversation.
//
// STEM.wav is its sound (media/recording_file.h), STEM.jsonl what happened in it, one JSON object a line.
// Sound comes through the ring of each recording (media/recording.h), lines through one queue of all.
// Threads:  create and destroy on one thread; open, line and close on any, but those of one recording on
//           one; files are touched by the recorder's own thread alone, at nice 10.
// Memory:   a recording has 264 KiB on its way (recording.h) and 50 KiB to be written with;
//           PRL_RECORDER_LINES_MAX lines wait for all of them.
// Errors:   only create fails for the folder's sake. A file that cannot be made, a piece or a line that
//           cannot be written costs that and is counted (parley_recording_errors_total); the first of a row
//           is logged with its path, why, and what to do. A conversation never waits and never fails for it.
// Bounds:   a full ring, which is a disk that stands still for 3 s, leaves a gap: silence of its length, a
//           line, parley_recording_gaps_total. A full folder loses its oldest recordings; when those being
//           written fill it alone, nothing more is written until there is room.
#ifndef PRL_MEDIA_RECORDER_H
#define PRL_MEDIA_RECORDER_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "media/recording.h"

struct prl_recorder;

enum { PRL_RECORDER_LINES_MAX = 4096 };

struct prl_recorder_conf {
    const char *dir;    // made with mode 0700 where it is not there; borrowed
    int64_t limit_us;   // of one recording
    uint64_t bytes_max; // of the folder
    int64_t keep_us;    // a recording stays so long; 0: as long as there is room
};

// IO: the folder cannot be made or written to; logged.
enum prl_err prl_recorder_create(struct prl_recorder **out,
                                 const struct prl_recorder_conf *conf) PRL_MUST_USE;
// Every recording must be closed. Writes what is left of them, and ends.
void prl_recorder_destroy(struct prl_recorder **recorder);

// `id` names the conversation: letters, digits, - and _.
enum prl_err prl_recorder_open(struct prl_recorder *recorder, const char *id,
                               struct prl_recording **out) PRL_MUST_USE;
// Takes what the string holds, without its line feed, and clears it. A string with an error, and what finds
// the queue full, is dropped and counted.
void prl_recorder_take_line(struct prl_recorder *recorder, const struct prl_recording *recording,
                            struct prl_str *line);
// The recording is the recorder's now.
void prl_recorder_close(struct prl_recorder *recorder, struct prl_recording **recording);

#endif
