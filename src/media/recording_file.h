// recording_file.h -- a recording on disk: a stereo WAV, the user left and the answer right.
//
// Pieces are written where they belong, each into its own channel; what was never written is silence.
// The file is a whole WAV file from its first byte on: its header says every second anew how long it is,
// so whatever ends the program costs the last second at most, and that is still there behind the length.
// Units:    samples as in recording.h; bytes.
// Threads:  one, which may wait for the disk.
// Memory:   all in create: 30 KiB and a resampler.
// Errors:   IO, errno says why. The file stays as it is, the next call may go better.
#ifndef PRL_MEDIA_RECORDING_FILE_H
#define PRL_MEDIA_RECORDING_FILE_H

#include <stdint.h>

#include "base/err.h"
#include "media/recording.h"

struct prl_recording_file;

enum { PRL_RECORDING_FRAME_BYTES = 4 };

// Makes `name` in the folder, mode 0600; it must not be there.
enum prl_err prl_recording_file_create(struct prl_recording_file **out, int folder,
                                       const char *name) PRL_MUST_USE;
// Closes it as it is.
void prl_recording_file_destroy(struct prl_recording_file **file);

// A piece with sound, or a cut.
enum prl_err prl_recording_file_put(struct prl_recording_file *file,
                                    const struct prl_recording_piece *piece,
                                    const int16_t *pcm) PRL_MUST_USE;
// Says in the header how long it is by now.
enum prl_err prl_recording_file_header(struct prl_recording_file *file) PRL_MUST_USE;
// It is `frames` long, silent at its end where it was shorter.
enum prl_err prl_recording_file_finish(struct prl_recording_file *file,
                                       uint64_t frames) PRL_MUST_USE;
uint64_t prl_recording_file_frames(const struct prl_recording_file *file);

#endif
