// test_recorder.c -- media/recorder: the thread that writes recordings, and what becomes of them when the
// disk does not want them.
#include "media/recorder.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "media/wav.h"
#include "tests/unit.h"

enum { FILE_MAX = 8 << 20, WRITERS = 4 };
static const int64_t MS = 1000;
static const size_t USER_MS = 16; // samples
static const size_t OUT_MS = 24;

static int16_t sound[48000];
static char dir[300];
static uint64_t base[PRL_METRIC_COUNT];

static uint64_t count_of(enum prl_metric metric)
{
    return prl_metrics_value(metric) - base[metric];
}

static enum prl_err begin(struct prl_recorder **recorder, uint64_t bytes_max)
{
    for (int i = 0; i < PRL_METRIC_COUNT; i++)
        base[i] = prl_metrics_value((enum prl_metric)i);
    for (size_t i = 0; i < sizeof(sound) / sizeof(sound[0]); i++)
        sound[i] = (int16_t)(1000 + i % 1000);
    snprintf(dir, sizeof(dir), "%s/rec", prl_test_dir());
    struct prl_recorder_conf conf = {
        .dir = dir, .limit_us = INT64_C(600000000), .bytes_max = bytes_max};
    return prl_recorder_create(recorder, &conf);
}

// The text of the only file whose name ends so; the caller frees it. NULL: none, or several.
static char *read_only(const char *ending, size_t *size)
{
    char path[700] = "";
    int found = 0;
    DIR *list = opendir(dir);
    const struct dirent *entry;
    while (list && (entry = readdir(list)) != NULL) // NOLINT(concurrency-mt-unsafe): one of our own
        if (prl_str_ends(entry->d_name, ending)) {
            snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
            found++;
        }
    if (list)
        closedir(list);
    FILE *in = found == 1 ? fopen(path, "rb") : NULL;
    char *text = in ? prl_mem_alloc(FILE_MAX) : NULL;
    *size = text ? fread(text, 1, FILE_MAX - 1, in) : 0;
    if (text)
        text[*size] = '\0';
    if (in)
        fclose(in);
    return text;
}

static void tell(struct prl_recorder *recorder, const struct prl_recording *recording,
                 const char *text)
{
    struct prl_str line;
    prl_str_init(&line, 1000);
    (void)prl_str_adds(&line, text);
    prl_recorder_take_line(recorder, recording, &line);
    EXPECT_INT(line.len, 0);
    prl_str_free(&line);
}

PRL_TEST(recorder_writes_both_files)
{
    struct prl_recorder *recorder;
    struct prl_recording *recording;
    REQUIRE(begin(&recorder, 1 << 30) == PRL_OK);
    REQUIRE(prl_recorder_open(recorder, "sess_1", &recording) == PRL_OK);
    int64_t now_us = prl_clock_now_us();
    int64_t start_us = now_us - prl_recording_ms(recording, now_us) * MS;
    tell(recorder, recording, "{\"type\":\"first\"}");
    prl_recording_user(recording, sound, 1000 * USER_MS, 0, start_us + 1000 * MS);
    prl_recording_answer(recording, sound, 1000 * OUT_MS, start_us + 1000 * MS, 0);
    tell(recorder, recording, "{\"type\":\"second\"}");
    prl_recording_close(recording, start_us + 1500 * MS);
    prl_recorder_destroy(&recorder); // all of it is there now
    size_t size = 0;
    char *text = read_only(".wav", &size);
    struct prl_wav wav;
    REQUIRE(text && prl_wav_parse(&wav, (const uint8_t *)text, size) == PRL_OK);
    EXPECT_INT(wav.channels, 2);
    size_t end = wav.frame_count;
    EXPECT(end >= 1499 * OUT_MS && end <= 1502 * OUT_MS); // the start is known to a millisecond
    const int16_t *pcm = (const int16_t *)(const void *)wav.data;
    size_t first = 0;
    while (first < end && pcm[2 * first + 1] == 0)
        first++;
    EXPECT(first >= 999 * OUT_MS && first <= 1001 * OUT_MS);
    for (size_t i = first; i < end; i++)
        EXPECT_INT(pcm[2 * i + 1], sound[i - first]);
    EXPECT(pcm[500 * OUT_MS * 2] != 0);
    EXPECT_INT(pcm[1200 * OUT_MS * 2], 0);
    prl_mem_free(text);
    text = read_only(".jsonl", &size);
    REQUIRE(text);
    const char *second =
        "{\"type\":\"first\"}\n{\"type\":\"second\"}\n{\"type\":\"recording_ended\"";
    EXPECT(prl_str_starts(text, second));
    EXPECT(strstr(text, "\"reason\":\"over\",\"gaps\":0}\n") != NULL);
    prl_mem_free(text);
    EXPECT_INT(count_of(PRL_METRIC_RECORDINGS), 1);
    EXPECT_INT(count_of(PRL_METRIC_RECORDING_ERRORS), 0);
}

// More than the ring holds at once: whatever the writer had time for, places stay true.
PRL_TEST(recorder_keeps_time_when_sound_is_lost)
{
    struct prl_recorder *recorder;
    struct prl_recording *recording;
    const size_t seconds = 60;
    REQUIRE(begin(&recorder, 1 << 30) == PRL_OK);
    REQUIRE(prl_recorder_open(recorder, "sess_1", &recording) == PRL_OK);
    int64_t start_us = prl_clock_now_us();
    for (size_t i = 0; i < seconds; i++)
        prl_recording_answer(recording, sound, 1000 * OUT_MS, start_us + (int64_t)i * 1000 * MS, 0);
    prl_recording_close(recording, start_us + (int64_t)seconds * 1000 * MS);
    prl_recorder_destroy(&recorder);
    size_t size = 0;
    char *text = read_only(".wav", &size);
    struct prl_wav wav;
    REQUIRE(text && prl_wav_parse(&wav, (const uint8_t *)text, size) == PRL_OK);
    EXPECT(wav.frame_count >= seconds * 1000 * OUT_MS);
    const int16_t *pcm = (const int16_t *)(const void *)wav.data;
    size_t first = 0, kept = 0;
    while (first < wav.frame_count && pcm[2 * first + 1] == 0)
        first++;
    for (size_t i = first; i < wav.frame_count; i++) {
        int16_t answer = pcm[2 * i + 1];
        EXPECT(answer == 0 || answer == sound[(i - first) % (1000 * OUT_MS)]);
        kept += answer != 0;
    }
    prl_mem_free(text);
    EXPECT(kept >= PRL_RECORDING_RING_SAMPLES - 10000);
    uint64_t gaps = count_of(PRL_METRIC_RECORDING_GAPS);
    EXPECT((kept < seconds * 1000 * OUT_MS) == (gaps > 0));
    text = read_only(".jsonl", &size);
    char expected[64];
    snprintf(expected, sizeof(expected), "\"gaps\":%d}", (int)gaps);
    EXPECT(text && strstr(text, expected) != NULL);
    prl_mem_free(text);
}

PRL_TEST(recorder_goes_on_without_room_on_disk)
{
    struct prl_recorder *recorder;
    struct prl_recording *recording;
    (void)signal(SIGXFSZ, SIG_IGN);
    REQUIRE(begin(&recorder, 1 << 30) == PRL_OK);
    struct rlimit old, small;
    REQUIRE(getrlimit(RLIMIT_FSIZE, &old) == 0);
    small = old;
    small.rlim_cur = 10000;
    REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
    REQUIRE(prl_recorder_open(recorder, "sess_1", &recording) == PRL_OK);
    int64_t start_us = prl_clock_now_us();
    tell(recorder, recording, "{}");
    prl_recording_answer(recording, sound, 2000 * OUT_MS, start_us - 100000 * MS, 0); // at 0
    prl_recording_close(recording, start_us + 2000 * MS);
    prl_recorder_destroy(&recorder);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &old) == 0);
    size_t size = 0;
    char *text = read_only(".wav", &size);
    struct prl_wav wav;
    REQUIRE(text && prl_wav_parse(&wav, (const uint8_t *)text, size) == PRL_OK);
    EXPECT(wav.frame_count > 0 && wav.frame_count < 2500);
    prl_mem_free(text);
    EXPECT(count_of(PRL_METRIC_RECORDING_ERRORS) > 0);
}

PRL_TEST(recorder_without_its_folder)
{
    struct prl_recorder *recorder;
    struct prl_recording *recording;
    REQUIRE(begin(&recorder, 1 << 30) == PRL_OK);
    REQUIRE(rmdir(dir) == 0);
    REQUIRE(prl_recorder_open(recorder, "sess_1", &recording) == PRL_OK);
    tell(recorder, recording, "{}");
    prl_recording_answer(recording, sound, 2000, prl_clock_now_us(), 0);
    prl_recorder_close(recorder, &recording);
    EXPECT(!recording);
    prl_recorder_close(recorder, &recording); // nothing
    prl_recorder_destroy(&recorder);
    EXPECT(count_of(PRL_METRIC_RECORDING_ERRORS) > 0);
    EXPECT_INT(count_of(PRL_METRIC_RECORDINGS), 0);
}

PRL_TEST(recorder_needs_a_folder)
{
    struct prl_recorder *recorder;
    char none[400];
    snprintf(none, sizeof(none), "%s/none/rec", prl_test_dir());
    struct prl_recorder_conf conf = {.dir = none, .limit_us = 1000, .bytes_max = 1};
    EXPECT_INT(prl_recorder_create(&recorder, &conf), PRL_ERR_IO);
    EXPECT(!recorder);
    prl_recorder_destroy(&recorder);
}

PRL_TEST(recorder_refuses_names)
{
    struct prl_recorder *recorder;
    struct prl_recording *recording;
    REQUIRE(begin(&recorder, 1 << 30) == PRL_OK);
    EXPECT_INT(prl_recorder_open(recorder, "../../etc/x", &recording), PRL_ERR_INVALID);
    EXPECT(!recording);
    prl_recorder_destroy(&recorder);
}

// The newest stay; one that is being written does in any case.
PRL_TEST(recorder_removes_the_oldest)
{
    struct prl_recorder *recorder;
    struct prl_recording *recording;
    char path[500];
    snprintf(path, sizeof(path), "%s/rec", prl_test_dir());
    REQUIRE(mkdir(path, 0700) == 0);
    snprintf(path, sizeof(path), "%s/rec/2020-01-01T00-00-00Z_sess_old.wav", prl_test_dir());
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    REQUIRE(fd >= 0 && ftruncate(fd, (1 << 20) + 1) == 0);
    close(fd);
    REQUIRE(begin(&recorder, 1 << 20) == PRL_OK);
    REQUIRE(prl_recorder_open(recorder, "sess_1", &recording) == PRL_OK);
    prl_recording_answer(recording, sound, 24000, prl_clock_now_us(), 0);
    tell(recorder, recording, "{}");
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (count_of(PRL_METRIC_RECORDINGS_REMOVED) == 0 && prl_clock_now_us() < end_us)
        sched_yield();
    prl_recorder_close(recorder, &recording);
    prl_recorder_destroy(&recorder);
    EXPECT(access(path, F_OK) != 0);
    EXPECT_INT(count_of(PRL_METRIC_RECORDINGS_REMOVED), 1);
    size_t size = 0;
    char *text = read_only(".wav", &size);
    EXPECT(text != NULL);
    prl_mem_free(text);
}

// Conversations of several loops, each opening and closing its own.
static void *talk(void *arg)
{
    struct prl_recorder *recorder = arg;
    for (int i = 0; i < 20; i++) {
        struct prl_recording *recording;
        char id[32];
        snprintf(id, sizeof(id), "sess_%d_%lx", i, (unsigned long)pthread_self());
        if (prl_recorder_open(recorder, id, &recording) != PRL_OK)
            return NULL;
        int64_t now_us = prl_clock_now_us();
        for (int64_t piece = 0; piece < 30; piece++) {
            prl_recording_user(recording, sound, 512, 0, now_us + piece * 32 * MS);
            prl_recording_answer(recording, sound, 768, now_us + piece * 32 * MS, 0);
            tell(recorder, recording, "{}");
        }
        prl_recorder_close(recorder, &recording);
    }
    return NULL;
}

PRL_TEST(recorder_serves_several_threads)
{
    struct prl_recorder *recorder;
    pthread_t threads[WRITERS];
    REQUIRE(begin(&recorder, 1 << 30) == PRL_OK);
    for (int i = 0; i < WRITERS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, talk, recorder) == 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    prl_recorder_destroy(&recorder);
    EXPECT_INT(count_of(PRL_METRIC_RECORDINGS), WRITERS * 20);
}

PRL_TEST_OOM(recorder_memory)
{
    struct prl_recorder *recorder;
    struct prl_recording *recording = NULL;
    enum prl_err err = begin(&recorder, 1 << 30);
    if (!err)
        err = prl_recorder_open(recorder, "sess_1", &recording);
    if (recording) {
        tell(recorder, recording, "{}");
        prl_recording_answer(recording, sound, 2400, prl_clock_now_us(), 0);
        prl_recorder_close(recorder, &recording);
    }
    EXPECT(err == PRL_OK || (err == PRL_ERR_NOMEM && prl_test_oom()));
    prl_recorder_destroy(&recorder);
}
