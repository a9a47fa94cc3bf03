// test_recording.c -- media/recording, recording_file, recording_folder: where a recording's sound lies, what
// a full ring leaves, and what is on disk.
#include "media/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "media/recording_file.h"
#include "media/recording_folder.h"
#include "media/wav.h"
#include "tests/unit.h"

enum { WINDOW = 512 };
static const int64_t MS = 1000;
static const int64_t SECOND = 1000000;
static const int64_t START = 77000000;
static const size_t USER_MS = 16; // samples
static const size_t OUT_MS = 24;
static const int64_t hour_us = 3600 * INT64_C(1000000);

static int16_t sound[1 << 17];
static int16_t taken[PRL_RECORDING_PIECE_MAX];

static void make_sound(void)
{
    for (size_t i = 0; i < sizeof(sound) / sizeof(sound[0]); i++)
        sound[i] = (int16_t)(1 + i % 30000);
}

static void user(struct prl_recording *recording, int64_t at_ms, size_t count, size_t waiting)
{
    prl_recording_user(recording, sound, count, waiting, START + at_ms * MS);
}

// Takes the next piece and says what it is; UINT32_MAX: nothing.
static uint32_t take(struct prl_recording *recording, struct prl_recording_piece *piece)
{
    *piece = (struct prl_recording_piece){0};
    return prl_recording_take(recording, piece, taken) ? piece->kind : UINT32_MAX;
}

static void expect(struct prl_recording *recording, uint32_t kind, uint64_t at, uint64_t count)
{
    struct prl_recording_piece piece;
    EXPECT_INT(take(recording, &piece), kind);
    EXPECT_INT(piece.at, at);
    EXPECT_INT(piece.count, count);
}

// ---- the clock ----

PRL_TEST(recording_user_is_continuous)
{
    struct prl_recording *recording;
    REQUIRE(prl_recording_create(&recording, START, hour_us) == PRL_OK);
    // Windows of 32 ms out of messages of 100 ms that come a little early and late.
    static const int64_t late_ms[] = {0, 60, -20, 110, 0, 30};
    uint64_t at = 0;
    for (int i = 0; i < 6; i++)
        for (size_t rest = 100 * USER_MS; rest > 0;) {
            size_t count = rest < WINDOW ? rest : WINDOW;
            rest -= count;
            user(recording, 100 * (int64_t)(i + 1) + late_ms[i], count, rest);
            expect(recording, PRL_RECORDING_USER, at, count);
            at += count;
        }
    EXPECT_INT(prl_recording_ms(recording, START + 700 * MS), 700);
    prl_recording_destroy(&recording);
}

PRL_TEST(recording_user_has_gaps)
{
    struct prl_recording *recording;
    REQUIRE(prl_recording_create(&recording, START, hour_us) == PRL_OK);
    // The first sound, of 100 ms, has come after 3 s: it was said from 2.9 s on.
    user(recording, 3000, WINDOW, 100 * USER_MS - WINDOW);
    expect(recording, PRL_RECORDING_USER, 2900 * USER_MS, WINDOW);
    user(recording, 3000, 100 * USER_MS - WINDOW, 0);
    expect(recording, PRL_RECORDING_USER, 2900 * USER_MS + WINDOW, 100 * USER_MS - WINDOW);
    // A pause that is shorter than the slack is none.
    user(recording, 3300, 100 * USER_MS, 0);
    expect(recording, PRL_RECORDING_USER, 3000 * USER_MS, 100 * USER_MS);
    user(recording, 5000, 100 * USER_MS, 0);
    expect(recording, PRL_RECORDING_USER, 4900 * USER_MS, 100 * USER_MS);
    // A clock that goes back changes nothing.
    user(recording, -50, 10, 0);
    expect(recording, PRL_RECORDING_USER, 5000 * USER_MS, 10);
    prl_recording_destroy(&recording);
}

PRL_TEST(recording_follows_a_client_that_is_too_fast)
{
    struct prl_recording *recording;
    struct prl_recording_piece piece;
    REQUIRE(prl_recording_create(&recording, START, hour_us) == PRL_OK);
    user(recording, 100, 3000 * USER_MS, 0); // 3 s of sound after 0.1 s
    for (uint64_t at = 0; at < 3000 * USER_MS; at += piece.count) {
        EXPECT_INT(take(recording, &piece), PRL_RECORDING_USER);
        EXPECT_INT(piece.at, at);
        REQUIRE(piece.count > 0);
    }
    // So it is 2.75 s, and what answers now lies there.
    EXPECT_INT(prl_recording_ms(recording, START + 100 * MS), 3000 - PRL_RECORDING_SLACK_MS);
    prl_recording_answer(recording, sound, 240, START + 600 * MS, 0);
    expect(recording, PRL_RECORDING_ANSWER, (3500 - PRL_RECORDING_SLACK_MS) * OUT_MS, 240);
    prl_recording_cut(recording, START + 605 * MS);
    expect(recording, PRL_RECORDING_CUT, (3505 - PRL_RECORDING_SLACK_MS) * OUT_MS, 0);
    prl_recording_destroy(&recording);
}

PRL_TEST(recording_answer_lies_where_it_is_heard)
{
    struct prl_recording *recording;
    struct prl_recording_piece piece;
    REQUIRE(prl_recording_create(&recording, START, hour_us) == PRL_OK);
    prl_recording_answer(recording, sound, 100 * OUT_MS, START + 1000 * MS, 80 * MS);
    expect(recording, PRL_RECORDING_ANSWER, 1080 * OUT_MS, 100 * OUT_MS);
    EXPECT(memcmp(taken, sound, 100 * OUT_MS * sizeof(int16_t)) == 0);
    // Without a gap in the sending there is none in the ear, with rounding and with another delay.
    prl_recording_answer(recording, sound, 100 * OUT_MS, START + 1100 * MS + 3, 130 * MS);
    expect(recording, PRL_RECORDING_ANSWER, 1180 * OUT_MS, 100 * OUT_MS);
    // A pause.
    prl_recording_answer(recording, sound, 20 * OUT_MS, START + 1500 * MS, 130 * MS);
    expect(recording, PRL_RECORDING_ANSWER, 1630 * OUT_MS, 20 * OUT_MS);
    // Sound that would lie over what sounds already waits for its end.
    prl_recording_answer(recording, sound, 20 * OUT_MS, START + 1530 * MS, 0);
    expect(recording, PRL_RECORDING_ANSWER, 1650 * OUT_MS, 20 * OUT_MS);
    prl_recording_cut(recording, START + 1655 * MS);
    expect(recording, PRL_RECORDING_CUT, 1655 * OUT_MS, 0);
    prl_recording_cut(recording, START + 1660 * MS); // nothing sounds
    EXPECT_INT(take(recording, &piece), UINT32_MAX);
    // The next answer begins at the cut at the earliest.
    prl_recording_answer(recording, sound, 20 * OUT_MS, START + 1600 * MS, 0);
    expect(recording, PRL_RECORDING_ANSWER, 1655 * OUT_MS, 20 * OUT_MS);
    prl_recording_destroy(&recording);
}

PRL_TEST(recording_ends_at_its_limit)
{
    struct prl_recording *recording;
    struct prl_recording_piece piece;
    bool limited = false;
    REQUIRE(prl_recording_create(&recording, START, SECOND) == PRL_OK);
    EXPECT(!prl_recording_over(recording, START + 999 * MS));
    EXPECT(prl_recording_over(recording, START + 1000 * MS));
    user(recording, 1050, 100 * USER_MS, 0);
    expect(recording, PRL_RECORDING_USER, 950 * USER_MS, 50 * USER_MS);
    prl_recording_answer(recording, sound, 100 * OUT_MS, START + 2000 * MS, 0);
    EXPECT(!prl_recording_closed(recording));
    prl_recording_close(recording, START + 3000 * MS);
    EXPECT(prl_recording_closed(recording));
    EXPECT_INT(take(recording, &piece), UINT32_MAX);
    EXPECT_INT(prl_recording_end(recording, &limited), 1000 * OUT_MS);
    EXPECT(limited);
    prl_recording_destroy(&recording);
}

PRL_TEST(recording_ends_with_the_longer_track)
{
    struct prl_recording *recording;
    bool limited = true;
    REQUIRE(prl_recording_create(&recording, START, hour_us) == PRL_OK);
    user(recording, 1000, 100 * USER_MS, 0);
    expect(recording, PRL_RECORDING_USER, 900 * USER_MS, 100 * USER_MS);
    prl_recording_answer(recording, sound, 500 * OUT_MS, START + 1100 * MS, 0);
    for (uint64_t at = 1100 * OUT_MS; at < 1600 * OUT_MS; at += PRL_RECORDING_PIECE_MAX)
        expect(recording, PRL_RECORDING_ANSWER, at, PRL_RECORDING_PIECE_MAX);
    prl_recording_close(recording, START + 1200 * MS); // what would sound later never did
    expect(recording, PRL_RECORDING_CUT, 1200 * OUT_MS, 0);
    EXPECT_INT(prl_recording_end(recording, &limited), 1200 * OUT_MS);
    EXPECT(!limited);
    prl_recording_destroy(&recording);
}

// ---- a full ring ----

PRL_TEST(recording_full_ring_leaves_gaps)
{
    struct prl_recording *recording;
    struct prl_recording_piece piece;
    REQUIRE(prl_recording_create(&recording, START, hour_us) == PRL_OK);
    uint64_t kept = 0;
    int64_t ms = 0;
    for (; ms < 20000; ms += 100) // nobody takes anything
        user(recording, ms + 100, 100 * USER_MS, 0);
    prl_recording_answer(recording, sound, 2400, START + ms * MS, 0);
    prl_recording_answer(recording, sound, 2400, START + ms * MS + 100 * MS, 0);
    prl_recording_cut(recording, START + ms * MS + 150 * MS); // what was lost behind it is no gap
    while (take(recording, &piece) == PRL_RECORDING_USER) {
        EXPECT_INT(piece.at, kept);
        kept += piece.count;
    }
    EXPECT(kept > 64000 && kept < 320000);
    // Then what was owed and could be told: here the cut fitted into what a piece did not.
    EXPECT_INT(piece.kind, PRL_RECORDING_USER_GAP);
    EXPECT_INT(piece.at, kept);
    EXPECT_INT(piece.count, 20000 * USER_MS - kept);
    expect(recording, PRL_RECORDING_ANSWER_GAP, 20000 * OUT_MS, 3600);
    expect(recording, PRL_RECORDING_CUT, (20000 + 150) * OUT_MS, 0);
    EXPECT_INT(take(recording, &piece), UINT32_MAX);
    user(recording, ms + 100, 100 * USER_MS, 0);
    expect(recording, PRL_RECORDING_USER, 20000 * USER_MS, 100 * USER_MS);
    EXPECT_INT(take(recording, &piece), UINT32_MAX);
    prl_recording_destroy(&recording);
}

PRL_TEST(recording_tells_at_its_end_what_it_owes)
{
    struct prl_recording *recording;
    struct prl_recording_piece piece;
    REQUIRE(prl_recording_create(&recording, START, hour_us) == PRL_OK);
    prl_recording_answer(recording, sound, 100000, START, 0);
    for (int64_t ms = 0; ms < 5000; ms += 100)
        user(recording, ms + 100, 100 * USER_MS, 0);
    prl_recording_close(recording, START + 2000 * MS);
    uint32_t kinds[8] = {0};
    uint64_t cut_at = 0;
    while (take(recording, &piece) != UINT32_MAX) {
        REQUIRE(piece.kind < 8);
        kinds[piece.kind]++;
        if (piece.kind == PRL_RECORDING_CUT)
            cut_at = piece.at;
    }
    EXPECT_INT(kinds[PRL_RECORDING_CUT], 1);
    EXPECT_INT(cut_at, 2000 * OUT_MS);
    EXPECT_INT(kinds[PRL_RECORDING_USER_GAP], 1);
    EXPECT_INT(kinds[PRL_RECORDING_ANSWER_GAP], 0);
    EXPECT_INT(take(recording, &piece), UINT32_MAX);
    prl_recording_destroy(&recording);
}

// Whatever comes in whatever order: places of a track never go back but for a cut, and sound and gaps
// together are all that was said.
PRL_TEST(recording_random)
{
    struct prl_recording *recording;
    struct prl_recording_piece piece;
    uint64_t said = 0, told = 0, user_end = 0, answer_end = 0;
    int64_t now_us = START, sent_us = START;
    REQUIRE(prl_recording_create(&recording, START, hour_us) == PRL_OK);
    for (int i = 0; i < 20000; i++) {
        size_t count = prl_test_random() % 6000;
        uint32_t what = prl_test_random() % 100;
        now_us += (int64_t)(prl_test_random() % 120000) - 20000;
        if (what < 45) {
            prl_recording_user(recording, sound, count, prl_test_random() % 40000, now_us);
            said += count;
        } else if (what < 80) {
            sent_us = what < 60 ? sent_us + 20000 : now_us + (int64_t)(prl_test_random() % 400000);
            prl_recording_answer(recording, sound, count, sent_us, prl_test_random() % 300000);
            said += count;
        } else if (what < 85) {
            prl_recording_cut(recording, now_us);
        }
        while (what > 90 && take(recording, &piece) != UINT32_MAX) {
            bool of_user = piece.kind == PRL_RECORDING_USER || piece.kind == PRL_RECORDING_USER_GAP;
            uint64_t *end = of_user ? &user_end : &answer_end;
            bool cut = piece.kind == PRL_RECORDING_CUT;
            bool lost =
                piece.kind >= PRL_RECORDING_USER_GAP; // a gap may hold a cut, and lie before it
            EXPECT(cut || lost || piece.at >= *end);
            if (cut || piece.at + piece.count > *end)
                *end = piece.at + piece.count;
            told += lost ? 0 : piece.count;
        }
    }
    EXPECT(told > 0 && told <= said);
    prl_recording_close(recording, now_us);
    while (take(recording, &piece) != UINT32_MAX)
        continue;
    prl_recording_destroy(&recording);
}

PRL_TEST_OOM(recording_memory)
{
    struct prl_recording *recording;
    enum prl_err err = prl_recording_create(&recording, START, hour_us);
    EXPECT(err == PRL_OK || (err == PRL_ERR_NOMEM && prl_test_oom() && !recording));
    prl_recording_destroy(&recording);
}

// ---- on disk ----

static int open_dir(void)
{
    return open(prl_test_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

// The file's frames; *count how many. The caller frees it.
static int16_t *read_stereo(const char *name, size_t *count)
{
    char path[400];
    snprintf(path, sizeof(path), "%s/%s", prl_test_dir(), name);
    FILE *in = fopen(path, "rb");
    if (!in)
        return NULL;
    size_t size_max = 4 << 20;
    uint8_t *bytes = prl_mem_alloc(size_max);
    size_t size = bytes ? fread(bytes, 1, size_max, in) : 0;
    fclose(in);
    struct prl_wav wav;
    int16_t *out = NULL;
    if (size > 0 && prl_wav_parse(&wav, bytes, size) == PRL_OK && wav.channels == 2 &&
        wav.rate_hz == PRL_RECORDING_HZ && wav.format == 1) {
        *count = wav.frame_count;
        out = prl_mem_dup(wav.data, wav.frame_count * 4 + 4);
    }
    prl_mem_free(bytes);
    return out;
}

static enum prl_err put(struct prl_recording_file *file, uint32_t kind, uint64_t at, uint32_t count)
{
    struct prl_recording_piece piece = {.at = at, .count = count, .kind = kind};
    return prl_recording_file_put(file, &piece, sound);
}

PRL_TEST(recording_file_has_two_tracks)
{
    struct prl_recording_file *file;
    int folder = open_dir();
    size_t count = 0;
    make_sound();
    REQUIRE(prl_recording_file_create(&file, folder, "a.wav") == PRL_OK);
    int16_t *pcm = read_stereo("a.wav", &count); // whole from the beginning
    EXPECT(pcm != NULL);
    EXPECT_INT(count, 0);
    prl_mem_free(pcm);
    // The answer lies ahead, the user comes after it; then the answer is cut in its middle.
    EXPECT_OK(put(file, PRL_RECORDING_ANSWER, 1000, 2000));
    EXPECT_OK(put(file, PRL_RECORDING_ANSWER, 3000, 2400));
    EXPECT_OK(put(file, PRL_RECORDING_USER, 800, 1600));
    EXPECT_OK(put(file, PRL_RECORDING_CUT, 2500, 0));
    EXPECT_OK(put(file, PRL_RECORDING_USER_GAP, 2400, 99));
    EXPECT_INT(prl_recording_file_frames(file), 5400);
    EXPECT_OK(prl_recording_file_header(file));
    pcm = read_stereo("a.wav", &count);
    REQUIRE(pcm);
    EXPECT_INT(count, 5400);
    for (size_t i = 0; i < count; i++) {
        int16_t answer = (int16_t)(i >= 1000 && i < 2500 ? sound[i - 1000] : 0);
        EXPECT_INT(pcm[2 * i + 1], answer);
        bool spoken = i >= 1260 && i < 3520; // away from the filter's edges
        double expected = 1 + ((double)i - 1200) / 1.5;
        if (spoken)
            EXPECT(fabs(pcm[2 * i] - expected) < 60);
        if (i < 1190 || i > 3620)
            EXPECT_INT(pcm[2 * i], 0);
    }
    prl_mem_free(pcm);
    EXPECT_OK(prl_recording_file_finish(file, 8000));
    prl_recording_file_destroy(&file);
    pcm = read_stereo("a.wav", &count);
    EXPECT_INT(count, 8000);
    REQUIRE(pcm);
    EXPECT_INT(pcm[15999], 0);
    prl_mem_free(pcm);
    EXPECT_INT(prl_recording_file_create(&file, folder, "a.wav"), PRL_ERR_IO); // it is there
    EXPECT_INT(errno, EEXIST);
    close(folder);
}

PRL_TEST(recording_file_is_private_and_cut_to_its_end)
{
    struct prl_recording_file *file;
    struct stat info;
    int folder = open_dir();
    size_t count = 0;
    umask(0);
    make_sound();
    REQUIRE(prl_recording_file_create(&file, folder, "b.wav") == PRL_OK);
    EXPECT_OK(put(file, PRL_RECORDING_ANSWER, 0, 2400));
    EXPECT_OK(prl_recording_file_finish(file, 100));
    REQUIRE(fstatat(folder, "b.wav", &info, 0) == 0);
    EXPECT_INT(info.st_mode & 0777, 0600);
    int16_t *pcm = read_stereo("b.wav", &count);
    EXPECT_INT(count, 100);
    prl_mem_free(pcm);
    prl_recording_file_destroy(&file);
    close(folder);
}

PRL_TEST(recording_file_without_room)
{
    struct prl_recording_file *file;
    int folder = open_dir();
    size_t count = 0;
    make_sound();
    (void)signal(SIGXFSZ, SIG_IGN);
    struct rlimit old, small;
    REQUIRE(getrlimit(RLIMIT_FSIZE, &old) == 0);
    small = old;
    small.rlim_cur = 6000;
    REQUIRE(prl_recording_file_create(&file, folder, "c.wav") == PRL_OK);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
    EXPECT_OK(put(file, PRL_RECORDING_ANSWER, 0, 1000));
    EXPECT_INT(put(file, PRL_RECORDING_ANSWER, 1000, 2000), PRL_ERR_IO);
    EXPECT_INT(errno, EFBIG);
    EXPECT_INT(put(file, PRL_RECORDING_USER, 5000, 1600), PRL_ERR_IO);
    EXPECT_OK(prl_recording_file_header(file));
    REQUIRE(setrlimit(RLIMIT_FSIZE, &old) == 0);
    EXPECT_OK(put(file, PRL_RECORDING_ANSWER, 4000, 100)); // there is room again
    EXPECT_OK(prl_recording_file_finish(file, 4100));
    prl_recording_file_destroy(&file);
    int16_t *pcm = read_stereo("c.wav", &count);
    REQUIRE(pcm);
    EXPECT_INT(count, 4100);
    EXPECT_INT(pcm[1999], sound[999]);
    EXPECT_INT(pcm[7001], 0);
    EXPECT_INT(pcm[8199], sound[99]);
    prl_mem_free(pcm);
    close(folder);
}

PRL_TEST_OOM(recording_file_memory)
{
    struct prl_recording_file *file;
    int folder = open_dir();
    enum prl_err err = prl_recording_file_create(&file, folder, "m.wav");
    EXPECT(err == PRL_OK || (err == PRL_ERR_NOMEM && prl_test_oom() && !file));
    prl_recording_file_destroy(&file);
    unlinkat(folder, "m.wav", 0);
    close(folder);
}

// ---- the folder ----

static void make_file(int folder, const char *name, size_t size)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    EXPECT(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
    close(fd);
}

static bool is_there(int folder, const char *name)
{
    return faccessat(folder, name, F_OK, 0) == 0;
}

static bool busy(void *arg, const char *stem)
{
    return strcmp(stem, arg) == 0;
}

PRL_TEST(recording_folder_names)
{
    char stem[PRL_RECORDING_STEM_SIZE];
    EXPECT_OK(prl_recording_folder_stem(stem, INT64_C(1763820189123456), "sess_aB-9"));
    EXPECT_TEXT(stem, "2025-11-22T14-03-09Z_sess_aB-9");
    EXPECT_INT(prl_recording_folder_stem(stem, 0, "../x"), PRL_ERR_INVALID);
    EXPECT_INT(prl_recording_folder_stem(stem, 0, "a.b"), PRL_ERR_INVALID);
    EXPECT_INT(prl_recording_folder_stem(stem, 0, ""), PRL_ERR_INVALID);
    EXPECT_INT(prl_recording_folder_stem(stem, 0, "0123456789012345678901234567890123456789xyz"),
               PRL_ERR_INVALID);
}

PRL_TEST(recording_folder_is_made)
{
    char path[400], below[450];
    struct stat info;
    bool open_to_others = true;
    int fd;
    umask(0);
    snprintf(path, sizeof(path), "%s/new", prl_test_dir());
    snprintf(below, sizeof(below), "%s/none/below", prl_test_dir());
    REQUIRE(prl_recording_folder_open(&fd, path, &open_to_others) == PRL_OK);
    EXPECT(!open_to_others);
    EXPECT(fstat(fd, &info) == 0 && (info.st_mode & 0777) == 0700);
    close(fd);
    EXPECT(chmod(path, 0755) == 0);
    REQUIRE(prl_recording_folder_open(&fd, path, &open_to_others) == PRL_OK);
    EXPECT(open_to_others);
    make_file(fd, "file", 1);
    close(fd);
    EXPECT_INT(prl_recording_folder_open(&fd, below, &open_to_others), PRL_ERR_IO);
    EXPECT_INT(errno, ENOENT);
    snprintf(below, sizeof(below), "%s/file", path);
    EXPECT_INT(prl_recording_folder_open(&fd, below, &open_to_others), PRL_ERR_IO);
    EXPECT_INT(errno, ENOTDIR);
}

PRL_TEST(recording_folder_loses_the_oldest)
{
    static const char *const stems[] = {"2025-11-20T14-03-09Z_sess_a",
                                        "2025-11-21T14-03-09Z_sess_b",
                                        "2025-11-22T14-03-09Z_sess_c"};
    static const char *const others[] = {"2025-01-01T00-00-00Z_x.txt", "notes.wav",
                                         "2025-01-01T00:00:00Z_x.wav", "2025-01-01T00-00-00Z_.wav"};
    struct prl_recording_folder_limits limits = {.bytes_max = 3300, .busy = busy};
    char name[100];
    uint64_t bytes = 0;
    size_t removed = 9;
    int folder = open_dir();
    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof(name), "%s.wav", stems[i]);
        make_file(folder, name, 1000);
        snprintf(name, sizeof(name), "%s.jsonl", stems[i]);
        make_file(folder, name, 100);
    }
    for (size_t i = 0; i < 4; i++)
        make_file(folder, others[i], 100000);
    char writing[100] = "";
    limits.arg = writing;
    EXPECT_OK(prl_recording_folder_tidy(folder, &limits, 0, &bytes, &removed));
    EXPECT_INT(removed, 0);
    EXPECT_INT(bytes, 3300);
    limits.bytes_max = 3299;
    snprintf(writing, sizeof(writing), "%s", stems[0]); // the oldest is being written
    EXPECT_OK(prl_recording_folder_tidy(folder, &limits, 0, &bytes, &removed));
    EXPECT_INT(removed, 1);
    EXPECT_INT(bytes, 2200);
    EXPECT(is_there(folder, "2025-11-20T14-03-09Z_sess_a.wav"));
    EXPECT(!is_there(folder, "2025-11-21T14-03-09Z_sess_b.wav"));
    EXPECT(!is_there(folder, "2025-11-21T14-03-09Z_sess_b.jsonl"));
    limits.bytes_max = 1; // more than can be had
    EXPECT_OK(prl_recording_folder_tidy(folder, &limits, 0, &bytes, &removed));
    EXPECT_INT(removed, 1);
    EXPECT_INT(bytes, 1100);
    for (size_t i = 0; i < 4; i++)
        EXPECT(is_there(folder, others[i]));
    close(folder);
}

PRL_TEST(recording_folder_forgets_with_time)
{
    struct prl_recording_folder_limits limits = {.bytes_max = 1 << 20, .keep_us = hour_us};
    uint64_t bytes = 0;
    size_t removed = 0;
    struct stat info;
    int folder = open_dir();
    make_file(folder, "2025-11-20T14-03-09Z_a.wav", 10);
    make_file(folder, "2025-11-20T14-03-09Z_a.jsonl", 10);
    REQUIRE(fstatat(folder, "2025-11-20T14-03-09Z_a.wav", &info, 0) == 0);
    int64_t written_us = (int64_t)info.st_mtime * 1000000;
    EXPECT_OK(prl_recording_folder_tidy(folder, &limits, written_us + hour_us - 9000000, &bytes,
                                        &removed));
    EXPECT_INT(removed, 0);
    EXPECT_OK(prl_recording_folder_tidy(folder, &limits, written_us + hour_us + 9000000, &bytes,
                                        &removed));
    EXPECT_INT(removed, 1);
    EXPECT_INT(bytes, 0);
    close(folder);
    EXPECT_INT(prl_recording_folder_tidy(-1, &limits, 0, &bytes, &removed), PRL_ERR_IO);
}
