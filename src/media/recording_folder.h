// recording_folder.h -- the folder of recordings: their names, how much there may be, how long they stay.
//
// A recording is two files with one stem, "2026-11-22T14-03-09Z_ID" and .wav or .jsonl: in the order of
// their names they are in the order of time. Nothing else in the folder is ever looked at or removed.
// Units:    bytes, as the files' sizes say; microseconds since 1970.
// Threads:  any; may wait for the disk. Memory: none.
// Errors:   IO, errno says why.
#ifndef PRL_MEDIA_RECORDING_FOLDER_H
#define PRL_MEDIA_RECORDING_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    PRL_RECORDING_STEM_SIZE = 64,
    PRL_RECORDING_REMOVALS_MAX = 100 // recordings removed by one call
};

// Opens the folder, and makes it with mode 0700 where it is not there; its parent must be. *open_to_others
// says that others of this machine may read in it.
enum prl_err prl_recording_folder_open(int *out, const char *path,
                                       bool *open_to_others) PRL_MUST_USE;
// INVALID: an id of other characters than letters, digits, - and _, or too long.
enum prl_err prl_recording_folder_stem(char out[PRL_RECORDING_STEM_SIZE], int64_t wall_us,
                                       const char *id) PRL_MUST_USE;

struct prl_recording_folder_limits {
    uint64_t bytes_max;
    int64_t keep_us; // 0: as long as there is room
    // Those that are being written stay.
    bool (*busy)(void *arg, const char *stem);
    void *arg;
};

// Removes the oldest until `bytes_max` is kept, and all that were last written longer than keep_us before
// wall_us. *bytes: what is left; *removed: how many recordings went.
enum prl_err prl_recording_folder_tidy(int folder, const struct prl_recording_folder_limits *limits,
                                       int64_t wall_us, uint64_t *bytes,
                                       size_t *removed) PRL_MUST_USE;

#endif
