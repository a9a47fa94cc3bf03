// recorder.c -- see recorder.h. The thread looks at all rings ten times a second: nobody has to wake it
// from where sound is made, which would cost a lock there.
#include "media/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "media/recording_file.h"
#include "media/recording_folder.h"

enum {
    LOOK_US = 100000,    // between two looks at the rings
    IDLE_US = 1000000,   // without a recording
    HEADER_US = 1000000, // see recording_file.h
    TIDY_US = 10000000,  // while something is written
    TIDY_IDLE_US = 60000000,
    ROW_US = 60000000, // failures closer than that are one row
    NICE = 10,
    STACK_SIZE = 256 << 10,
    NAME_SIZE = PRL_RECORDING_STEM_SIZE + 8,
    LINE_SIZE = 200
};

// A recording and its files.
struct seat {
    struct seat *next;
    struct prl_recording *recording; // owned once it is closed
    char stem[PRL_RECORDING_STEM_SIZE];
    // Of the recorder's thread.
    struct prl_recording_file *file; // NULL: it could not be made
    int lines;                       // descriptor, -1 likewise
    bool begun;
    bool ends; // everything of it that is still to come is on its way
    uint64_t gaps;
    int64_t header_us; // when the header is due
};

struct prl_recorder {
    // Set once.
    struct prl_recorder_conf conf;
    int folder;
    // Owned.
    struct prl_mailbox
        *mailbox; // lines; the id is the recording's address, compared and never followed
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t mutex;
    struct seat *fresh; // under the mutex
    // Of the thread.
    struct seat *seats;
    bool full;         // the folder is, with what is being written alone
    int64_t failed_us; // last, 0: never
    int64_t tidied_us; // when the folder was looked at, 0: never
    int16_t pcm[PRL_RECORDING_PIECE_MAX];
};

// ---- errors ----

static const char *advice(int why)
{
    switch (why) {
    case ENOSPC:
    case EDQUOT:
        return "make room there, lower recording.folder_mib, or set recording.dir to another disk";
    case EACCES:
    case EPERM:
    case EROFS:
        return "let the server's user write there, or set recording.dir to another folder";
    case EMFILE:
    case ENFILE:
        return "raise the limit of open files: each recording needs two";
    default:
        return "see what is wrong with that disk, or set recording.dir to another folder";
    }
}

static void failed(struct prl_recorder *recorder, const struct seat *seat, int why)
{
    char text[100] = "";
    prl_metrics_add(PRL_METRIC_RECORDING_ERRORS, 1);
    int64_t now_us = prl_clock_now_us();
    bool again = recorder->failed_us && now_us - recorder->failed_us < ROW_US;
    recorder->failed_us = now_us;
    if (again)
        return;
    prl_log(PRL_LOG_ERROR, "recording",
            "%s/%s.wav cannot be written: %s (%d); %s. The conversation goes on, its recording has "
            "silence there",
            recorder->conf.dir, seat->stem, strerror_r(why, text, sizeof(text)), why, advice(why));
}

// ---- the folder ----

static bool is_busy(void *arg, const char *stem)
{
    const struct prl_recorder *recorder = arg;
    for (const struct seat *seat = recorder->seats; seat; seat = seat->next)
        if (strcmp(seat->stem, stem) == 0)
            return true;
    return false;
}

static void tidy(struct prl_recorder *recorder)
{
    struct prl_recording_folder_limits limits = {.bytes_max = recorder->conf.bytes_max,
                                                 .keep_us = recorder->conf.keep_us,
                                                 .busy = is_busy,
                                                 .arg = recorder};
    uint64_t bytes = 0;
    size_t removed = 0;
    bool was_full = recorder->full;
    enum prl_err err =
        prl_recording_folder_tidy(recorder->folder, &limits, prl_clock_wall_us(), &bytes, &removed);
    recorder->tidied_us = prl_clock_now_us();
    prl_metrics_add(PRL_METRIC_RECORDINGS_REMOVED, removed);
    if (removed > 0)
        prl_log(PRL_LOG_INFO, "recording", "%zu of the oldest removed from %s", removed,
                recorder->conf.dir);
    if (err) {
        prl_metrics_add(PRL_METRIC_RECORDING_ERRORS, 1);
        return; // what cannot be listed cannot be written either, which is told there
    }
    recorder->full = bytes > recorder->conf.bytes_max;
    if (recorder->full && !was_full)
        prl_log(PRL_LOG_ERROR, "recording",
                "%s holds %" PRIu64 " MiB and may hold %" PRIu64
                ", all of recordings that are being written: they have silence from here on; raise "
                "recording.folder_mib",
                recorder->conf.dir, bytes >> 20, recorder->conf.bytes_max >> 20);
}

static void tidy_in_time(struct prl_recorder *recorder)
{
    int64_t since_us = prl_clock_now_us() - recorder->tidied_us;
    if (recorder->tidied_us == 0 || since_us > (recorder->seats ? TIDY_US : TIDY_IDLE_US))
        tidy(recorder);
}

// ---- one recording ----

static void write_line(struct prl_recorder *recorder, const struct seat *seat, const char *line,
                       size_t len)
{
    if (seat->lines < 0 || recorder->full)
        return;
    ssize_t done = write(seat->lines, line, len);
    if (done != (ssize_t)len)
        failed(recorder, seat, done < 0 ? errno : ENOSPC);
}

static void begin(struct prl_recorder *recorder, struct seat *seat)
{
    char name[NAME_SIZE];
    seat->begun = true;
    snprintf(name, sizeof(name), "%s.wav", seat->stem);
    if (prl_recording_file_create(&seat->file, recorder->folder, name) != PRL_OK) {
        failed(recorder, seat, errno);
        return;
    }
    snprintf(name, sizeof(name), "%s.jsonl", seat->stem);
    seat->lines = openat(recorder->folder, name,
                         O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (seat->lines < 0)
        failed(recorder, seat, errno);
    prl_metrics_add(PRL_METRIC_RECORDINGS, 1);
}

static void tell_gap(struct prl_recorder *recorder, struct seat *seat,
                     const struct prl_recording_piece *piece)
{
    bool user = piece->kind == PRL_RECORDING_USER_GAP;
    uint64_t per_ms = (user ? PRL_RECORDING_USER_HZ : PRL_RECORDING_HZ) / 1000;
    char line[LINE_SIZE];
    int len =
        snprintf(line, sizeof(line),
                 "{\"type\":\"gap\",\"ms\":%" PRIu64 ",\"end_ms\":%" PRIu64 ",\"track\":\"%s\"}\n",
                 piece->at / per_ms, (piece->at + piece->count) / per_ms, user ? "user" : "answer");
    seat->gaps++;
    prl_metrics_add(PRL_METRIC_RECORDING_GAPS, 1);
    write_line(recorder, seat, line, (size_t)len);
}

// All that its ring holds.
static void drain(struct prl_recorder *recorder, struct seat *seat)
{
    struct prl_recording_piece piece;
    while (prl_recording_take(seat->recording, &piece, recorder->pcm)) {
        if (piece.kind == PRL_RECORDING_USER_GAP || piece.kind == PRL_RECORDING_ANSWER_GAP) {
            tell_gap(recorder, seat, &piece);
            continue;
        }
        if (!seat->file || (recorder->full && piece.kind != PRL_RECORDING_CUT))
            continue;
        if (prl_recording_file_put(seat->file, &piece, recorder->pcm) != PRL_OK)
            failed(recorder, seat, errno);
    }
    int64_t now_us = prl_clock_now_us();
    if (!seat->file || now_us < seat->header_us)
        return;
    seat->header_us = now_us + HEADER_US;
    if (prl_recording_file_header(seat->file) != PRL_OK)
        failed(recorder, seat, errno);
}

static void end(struct prl_recorder *recorder, struct seat *seat)
{
    char line[LINE_SIZE];
    bool limited = false;
    uint64_t frames = prl_recording_end(seat->recording, &limited);
    int len = snprintf(line, sizeof(line),
                       "{\"type\":\"recording_ended\",\"ms\":%" PRIu64
                       ",\"reason\":\"%s\",\"gaps\":%" PRIu64 "}\n",
                       frames * 1000 / PRL_RECORDING_HZ, limited ? "limit" : "over", seat->gaps);
    write_line(recorder, seat, line, (size_t)len);
    if (seat->file && prl_recording_file_finish(seat->file, frames) != PRL_OK)
        failed(recorder, seat, errno);
    prl_log(PRL_LOG_INFO, "recording", "%s/%s.wav: %" PRIu64 " s", recorder->conf.dir, seat->stem,
            frames / PRL_RECORDING_HZ);
    prl_recording_file_destroy(&seat->file);
    if (seat->lines >= 0)
        close(seat->lines);
    prl_recording_destroy(&seat->recording);
    prl_mem_free(seat);
}

// ---- the thread ----

static void adopt(struct prl_recorder *recorder)
{
    pthread_mutex_lock(&recorder->mutex);
    struct seat *fresh = recorder->fresh;
    recorder->fresh = NULL;
    pthread_mutex_unlock(&recorder->mutex);
    while (fresh) {
        struct seat *seat = fresh;
        fresh = seat->next;
        seat->next = recorder->seats;
        recorder->seats = seat;
        begin(recorder, seat);
    }
}

static struct seat *seat_of(struct prl_recorder *recorder, uint64_t id)
{
    struct seat *seat = recorder->seats;
    while (seat && (uint64_t)(uintptr_t)seat->recording != id)
        seat = seat->next;
    return seat;
}

static void on_line(struct prl_recorder *recorder, const struct prl_msg *msg)
{
    struct seat *seat = seat_of(recorder, msg->id);
    if (!seat)
        adopt(recorder); // it was opened since
    seat = seat ? seat : seat_of(recorder, msg->id);
    if (seat)
        write_line(recorder, seat, msg->data, msg->size);
}

// The ends first, then the lines, then the sound: so what is written of a recording that has ended is all
// of it.
static void turn(struct prl_recorder *recorder, struct prl_msg *msg)
{
    adopt(recorder);
    for (struct seat *seat = recorder->seats; seat; seat = seat->next)
        seat->ends = prl_recording_closed(seat->recording);
    while (msg->data || prl_mailbox_take(recorder->mailbox, msg) == PRL_OK) {
        on_line(recorder, msg);
        prl_msg_free(msg);
    }
    for (struct seat **at = &recorder->seats; *at;) {
        struct seat *seat = *at;
        drain(recorder, seat);
        if (seat->ends) {
            *at = seat->next;
            end(recorder, seat);
        } else {
            at = &seat->next;
        }
    }
    tidy_in_time(recorder);
}

static void *run(void *arg)
{
    struct prl_recorder *recorder = arg;
    struct prl_msg msg = {0};
    // On Linux a thread id is a valid `who`: only this thread becomes nicer.
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
    enum prl_err err = PRL_OK;
    while (err != PRL_ERR_CANCELED) {
        err = prl_mailbox_wait(recorder->mailbox, &msg, recorder->seats ? LOOK_US : IDLE_US);
        turn(recorder, &msg);
    }
    return NULL;
}

// ---- life ----

static enum prl_err open_folder(struct prl_recorder *recorder)
{
    bool open_to_others = false;
    const char *dir = recorder->conf.dir;
    enum prl_err err = prl_recording_folder_open(&recorder->folder, dir, &open_to_others);
    char text[100] = "";
    if (err)
        prl_log(PRL_LOG_ERROR, "recording", "recording.dir: %s cannot be written: %s (%d); %s", dir,
                strerror_r(errno, text, sizeof(text)), errno, advice(errno));
    else if (open_to_others)
        prl_log(PRL_LOG_WARN, "recording",
                "others can look into %s: chmod 700 it, what people say is in there", dir);
    return err;
}

static enum prl_err start_thread(struct prl_recorder *recorder)
{
    pthread_attr_t attr;
    if (pthread_attr_init(&attr) != 0)
        return PRL_ERR_NOMEM;
    int why = pthread_attr_setstacksize(&attr, STACK_SIZE);
    why = why ? why : pthread_create(&recorder->thread, &attr, run, recorder);
    pthread_attr_destroy(&attr);
    recorder->has_thread = why == 0;
    if (recorder->has_thread)
        pthread_setname_np(recorder->thread, "recorder");
    return why == 0 ? PRL_OK : PRL_ERR_IO;
}

enum prl_err prl_recorder_create(struct prl_recorder **out, const struct prl_recorder_conf *conf)
{
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    struct prl_recorder *recorder = *out;
    recorder->conf = *conf;
    recorder->folder = -1;
    PRL_CHECK(pthread_mutex_init(&recorder->mutex, NULL) == 0);
    enum prl_err err = prl_mailbox_create(&recorder->mailbox, PRL_RECORDER_LINES_MAX);
    if (!err)
        err = open_folder(recorder);
    if (!err)
        err = start_thread(recorder);
    if (err) {
        prl_recorder_destroy(out);
        return err;
    }
    prl_log(PRL_LOG_INFO, "recording",
            "conversations are recorded in %s: at most %" PRIu64 " MiB, each %" PRId64 " min",
            conf->dir, conf->bytes_max >> 20, conf->limit_us / 60000000);
    return PRL_OK;
}

void prl_recorder_destroy(struct prl_recorder **recorder)
{
    if (!*recorder)
        return;
    struct prl_recorder *own = *recorder;
    if (own->mailbox)
        prl_mailbox_close(own->mailbox);
    if (own->has_thread)
        pthread_join(own->thread, NULL);
    PRL_CHECK(!own->seats && !own->fresh);
    prl_mailbox_destroy(&own->mailbox);
    if (own->folder >= 0)
        close(own->folder);
    pthread_mutex_destroy(&own->mutex);
    prl_mem_free(own);
    *recorder = NULL;
}

enum prl_err prl_recorder_open(struct prl_recorder *recorder, const char *id,
                               struct prl_recording **out)
{
    *out = NULL;
    struct seat *seat = prl_mem_zalloc(sizeof(*seat));
    if (!seat)
        return PRL_ERR_NOMEM;
    seat->lines = -1;
    enum prl_err err = prl_recording_folder_stem(seat->stem, prl_clock_wall_us(), id);
    if (!err)
        err = prl_recording_create(&seat->recording, prl_clock_now_us(), recorder->conf.limit_us);
    if (err) {
        prl_mem_free(seat);
        return err;
    }
    *out = seat->recording;
    pthread_mutex_lock(&recorder->mutex);
    seat->next = recorder->fresh;
    recorder->fresh = seat;
    pthread_mutex_unlock(&recorder->mutex);
    return PRL_OK;
}

void prl_recorder_take_line(struct prl_recorder *recorder, const struct prl_recording *recording,
                            struct prl_str *line)
{
    (void)prl_str_addc(line, '\n');
    struct prl_msg msg = {.id = (uint64_t)(uintptr_t)recording, .size = line->len};
    enum prl_err err = line->err;
    if (!err) {
        msg.data = prl_str_give(line);
        err = prl_mailbox_send(recorder->mailbox, &msg);
    }
    if (err) {
        prl_msg_free(&msg);
        prl_metrics_add(PRL_METRIC_RECORDING_ERRORS, 1);
    }
    prl_str_clear(line);
}

void prl_recorder_close(struct prl_recorder *recorder, struct prl_recording **recording)
{
    (void)recorder;
    if (*recording)
        prl_recording_close(*recording, prl_clock_now_us());
    *recording = NULL;
}
