// recording_file.c -- see recording_file.h. The file itself is where the two tracks meet: a channel is
// changed by reading its stretch, setting every second sample and writing it back. The page cache makes
// that two short system calls, and there is no window that a late or an early piece could miss.
#include "media/recording_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "media/resample.h"
#include "media/wav.h"

enum {
    CHANNELS = 2,
    LEFT = 0,
    RIGHT = 1,
    PIECE_FRAMES = PRL_RECORDING_PIECE_MAX * PRL_RECORDING_HZ / PRL_RECORDING_USER_HZ + 16
};

struct prl_recording_file {
    // Owned.
    int fd;
    struct prl_resample *up; // 16 to 24 kHz
    // State.
    uint64_t user_next;  // sample at 16 kHz that goes on without a gap
    uint64_t user_frame; // where its sound goes
    size_t user_skip;    // of the resampler's: made before there was sound
    uint64_t answer_end;
    uint64_t frames;    // of the file
    uint64_t announced; // by the header
    int16_t mono[PIECE_FRAMES];
    int16_t stereo[PIECE_FRAMES * CHANNELS];
};

enum prl_err prl_recording_file_create(struct prl_recording_file **out, int folder,
                                       const char *name)
{
    *out = prl_mem_zalloc(sizeof(**out));
    errno = ENOMEM;
    if (!*out)
        return PRL_ERR_NOMEM;
    struct prl_recording_file *file = *out;
    file->fd = -1;
    file->announced = UINT64_MAX;
    enum prl_err err = prl_resample_create(&file->up, PRL_RECORDING_USER_HZ, PRL_RECORDING_HZ);
    if (!err) {
        file->user_skip = prl_resample_delay(file->up);
        file->fd = openat(folder, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        err = file->fd >= 0 ? prl_recording_file_header(file) : PRL_ERR_IO;
    }
    if (err) {
        int why = errno;
        prl_recording_file_destroy(out);
        errno = why;
    }
    return err;
}

void prl_recording_file_destroy(struct prl_recording_file **file)
{
    if (!*file)
        return;
    if ((*file)->fd >= 0)
        close((*file)->fd);
    prl_resample_destroy(&(*file)->up);
    prl_mem_free(*file);
    *file = NULL;
}

static enum prl_err write_at(int fd, const void *data, size_t size, uint64_t at)
{
    const char *bytes = data;
    while (size > 0) {
        ssize_t done = pwrite(fd, bytes, size, (off_t)at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return PRL_ERR_IO;
        bytes += done;
        at += (uint64_t)done;
        size -= (size_t)done;
    }
    return PRL_OK;
}

static uint64_t byte_of(uint64_t frame)
{
    return PRL_WAV_HEADER_SIZE + frame * PRL_RECORDING_FRAME_BYTES;
}

// At most PIECE_FRAMES; `pcm` NULL is silence.
static enum prl_err set_channel(struct prl_recording_file *file, int channel, uint64_t frame,
                                const int16_t *pcm, size_t count)
{
    size_t size = count * PRL_RECORDING_FRAME_BYTES;
    PRL_CHECK(count <= PIECE_FRAMES);
    memset(file->stereo, 0, size);
    if (frame < file->frames) { // behind the end there is nothing to keep
        ssize_t got = pread(file->fd, file->stereo, size, (off_t)byte_of(frame));
        if (got < 0)
            return PRL_ERR_IO;
    }
    for (size_t i = 0; i < count; i++)
        file->stereo[i * CHANNELS + (size_t)channel] = (int16_t)(pcm ? pcm[i] : 0);
    enum prl_err err = write_at(file->fd, file->stereo, size, byte_of(frame));
    if (!err && frame + count > file->frames)
        file->frames = frame + count;
    return err;
}

static enum prl_err put_user(struct prl_recording_file *file,
                             const struct prl_recording_piece *piece, const int16_t *pcm)
{
    if (piece->at != file->user_next) {
        prl_resample_reset(file->up);
        file->user_frame = piece->at * PRL_RECORDING_HZ / PRL_RECORDING_USER_HZ;
        file->user_skip = prl_resample_delay(file->up);
    }
    file->user_next = piece->at + piece->count;
    size_t made = prl_resample_process(file->up, pcm, piece->count, NULL, file->mono, PIECE_FRAMES);
    size_t skip = made < file->user_skip ? made : file->user_skip;
    file->user_skip -= skip;
    uint64_t frame = file->user_frame;
    file->user_frame += made - skip;
    return set_channel(file, LEFT, frame, file->mono + skip, made - skip);
}

static enum prl_err cut_answer(struct prl_recording_file *file, uint64_t from)
{
    enum prl_err err = PRL_OK;
    for (uint64_t at = from; at < file->answer_end && !err; at += PIECE_FRAMES) {
        uint64_t count = file->answer_end - at;
        err = set_channel(file, RIGHT, at, NULL, count < PIECE_FRAMES ? count : PIECE_FRAMES);
    }
    if (!err && from < file->answer_end)
        file->answer_end = from;
    return err;
}

enum prl_err prl_recording_file_put(struct prl_recording_file *file,
                                    const struct prl_recording_piece *piece, const int16_t *pcm)
{
    PRL_CHECK(piece->count <= PRL_RECORDING_PIECE_MAX);
    if (piece->kind == PRL_RECORDING_USER)
        return put_user(file, piece, pcm);
    if (piece->kind == PRL_RECORDING_CUT)
        return cut_answer(file, piece->at);
    if (piece->kind != PRL_RECORDING_ANSWER)
        return PRL_OK;
    enum prl_err err = set_channel(file, RIGHT, piece->at, pcm, piece->count);
    if (!err && piece->at + piece->count > file->answer_end)
        file->answer_end = piece->at + piece->count;
    return err;
}

enum prl_err prl_recording_file_header(struct prl_recording_file *file)
{
    uint8_t head[PRL_WAV_HEADER_SIZE];
    if (file->announced == file->frames)
        return PRL_OK;
    prl_wav_header_of(head, PRL_RECORDING_HZ, CHANNELS, file->frames);
    enum prl_err err = write_at(file->fd, head, sizeof(head), 0);
    if (!err)
        file->announced = file->frames;
    return err;
}

enum prl_err prl_recording_file_finish(struct prl_recording_file *file, uint64_t frames)
{
    if (ftruncate(file->fd, (off_t)byte_of(frames)) != 0)
        return PRL_ERR_IO;
    file->frames = frames;
    return prl_recording_file_header(file);
}

uint64_t prl_recording_file_frames(const struct prl_recording_file *file)
{
    return file->frames;
}
