// run.c -- runs the table of unit tests and replays the corpora of the fuzz targets.
//
//   unit-run [-l] [-f part] [-o] [-s seed] [-r count] [-j jobs]
//     -l list   -f only names that contain `part`   -o out-of-memory mode   -s seed
//     -r so many failed tests get a second try; they are named as unstable, and more of them fail
//     -j so many tests at a time, 1 to 16; what they say stands mixed then
// Each test is a child process: a crash or a hang is one failed test, not the end of the run.
// NOLINTBEGIN(concurrency-mt-unsafe): the runner has one thread.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tests/lane_child.h"
#include "tests/unit.h"

// A test is judged by CPU time; the wall limit only ends a deadlock, and leaves room for the waits of a
// busy machine (PRL_TEST_WAIT_US).
enum { CPU_LIMIT_S = 20, WALL_LIMIT_S = 300, OOM_RUNS_MAX = 20000, CORPUS_FILE_MAX = 1 << 22 };
enum { JOBS_MAX = 16 };

static int failures;
static int oom_mode;
static int oom_now;
static uint64_t random_state;
static char temp_dir[256];

void prl_test_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "    %s:%d: %s\n", file, line, what);
    failures++;
}

void prl_test_ints(const char *file, int line, const char *what, int64_t a, int64_t b)
{
    if (a == b)
        return;
    fprintf(stderr, "    %s:%d: %s: %" PRId64 " and %" PRId64 "\n", file, line, what, a, b);
    failures++;
}

void prl_test_text(const char *file, int line, const char *what, const char *a, const char *b)
{
    if (a && b ? strcmp(a, b) == 0 : a == b)
        return;
    fprintf(stderr, "    %s:%d: %s:\n      %s\n      %s\n", file, line, what, a ? a : "(null)",
            b ? b : "(null)");
    failures++;
}

bool prl_test_oom(void)
{
    return oom_now;
}

void prl_test_pass_ms(void)
{
    if (prl_clock_is_held())
        prl_clock_hold(prl_clock_now_us() + 1000);
}

uint32_t prl_test_random(void)
{
    // xorshift64*, Vigna 2016; any fixed generator will do.
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)(random_state * 0x2545F4914F6CDD1DULL >> 32);
}

const char *prl_test_dir(void)
{
    if (!temp_dir[0]) {
        const char *base = getenv("TMPDIR");
        snprintf(temp_dir, sizeof(temp_dir), "%s/parley-test-XXXXXX", base ? base : "/tmp");
        if (!mkdtemp(temp_dir)) {
            perror("mkdtemp");
            exit(1);
        }
    }
    return temp_dir;
}

static void remove_dir(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir)
        return;
    struct dirent *entry;
    char inner[1024];
    // Tests make flat folders or one level below; deeper ones stay behind for a look.
    while ((entry = readdir(dir))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
        if (unlink(inner) != 0)
            rmdir(inner);
    }
    closedir(dir);
    rmdir(path);
}

static int replay_file(const struct prl_test_entry *entry, const char *path)
{
    int fd = open(path, O_RDONLY);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0 || info.st_size > CORPUS_FILE_MAX) {
        fprintf(stderr, "    %s: %s\n", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return 1;
    }
    size_t size = (size_t)info.st_size;
    uint8_t *data = malloc(size ? size : 1);
    ssize_t got = read(fd, data, size);
    close(fd);
    if (got == (ssize_t)size)
        entry->fuzz(data, size);
    free(data);
    return got != (ssize_t)size;
}

static int replay(const struct prl_test_entry *entry)
{
    DIR *dir = opendir(entry->corpus);
    int files = 0;
    int bad = 0;
    struct dirent *item;
    while (dir && (item = readdir(dir))) {
        if (item->d_name[0] == '.')
            continue;
        char path[1024];
        snprintf(path, sizeof(path), "%s/%s", entry->corpus, item->d_name);
        bad += replay_file(entry, path);
        files++;
    }
    if (dir)
        closedir(dir);
    if (files == 0) {
        fprintf(stderr, "    no corpus in %s\n", entry->corpus);
        return 1;
    }
    return bad;
}

static void run_once(const struct prl_test_entry *entry)
{
    int64_t before = prl_mem_live_count();
    if (entry->run)
        entry->run();
    else
        failures += replay(entry);
    int64_t left = prl_mem_live_count() - before;
    if (left != 0) {
        fprintf(stderr, "    %" PRId64 " blocks were not given back\n", left);
        failures++;
    }
}

static void run_oom(const struct prl_test_entry *entry)
{
    uint64_t n = 1;
    for (; n < OOM_RUNS_MAX && failures == 0; n++) {
        oom_now = 1;
        prl_mem_fail_after(n);
        run_once(entry);
        int hit = prl_mem_fail_hit();
        prl_mem_fail_after(0);
        if (!hit)
            break;
    }
    if (failures)
        fprintf(stderr, "    with allocation %" PRIu64 " failing\n", n - 1);
    if (n == OOM_RUNS_MAX)
        failures++;
}

static int child(const struct prl_test_entry *entry, uint64_t seed)
{
    struct itimerval limit = {.it_value = {.tv_sec = oom_mode ? CPU_LIMIT_S * 6 : CPU_LIMIT_S}};
    setitimer(ITIMER_PROF, &limit, NULL);
    alarm(oom_mode ? WALL_LIMIT_S * 6 : WALL_LIMIT_S);
    random_state = seed * 2654435761u + 88172645463325252ULL;
    if (oom_mode)
        run_oom(entry);
    else
        run_once(entry);
    if (temp_dir[0])
        remove_dir(temp_dir);
    return failures > 0;
}

struct job {
    pid_t pid; // 0: free
    const struct prl_test_entry *entry;
    int64_t start_us;
    bool again; // its second try
};

struct totals {
    uint64_t seed;
    long tries; // left
    int passed, failed;
};

static void begin(struct job *job, const struct prl_test_entry *entry, uint64_t seed)
{
    fflush(stdout);
    *job = (struct job){.entry = entry, .start_us = prl_clock_now_us()};
    job->pid = fork();
    if (job->pid == 0)
        exit(child(entry, seed)); // not _exit: LeakSanitizer reports at exit
    if (job->pid < 0) {
        perror("fork");
        exit(1);
    }
}

static void tell_failure(const struct job *job, int status, uint64_t seed)
{
    printf("FAIL  %s (%" PRId64 " ms", job->entry->name,
           (prl_clock_now_us() - job->start_us) / 1000);
    if (WIFSIGNALED(status)) {
        int sig = WTERMSIG(status);
        printf(", %s", sig == SIGPROF || sig == SIGALRM ? "time limit" : strsignal(sig));
    }
    printf(", seed %" PRIu64 ")\n", seed);
}

// Waits for the end of any job. One that failed begins again while there are tries.
static void finish_one(struct job *jobs, long count, struct totals *totals)
{
    int status = 0;
    pid_t pid = wait(&status);
    struct job *job = jobs;
    while (job < jobs + count && job->pid != pid)
        job++;
    if (pid <= 0 || job == jobs + count)
        return;
    bool good = status == 0;
    if (!good)
        tell_failure(job, status, totals->seed);
    if (!good && !job->again && totals->tries > 0) {
        totals->tries--;
        begin(job, job->entry, totals->seed);
        job->again = true;
        return;
    }
    if (good && job->again)
        printf("UNSTABLE  %s passed at the second try\n", job->entry->name);
    totals->passed += good;
    totals->failed += !good;
    job->pid = 0;
}

static void run_all(const char *filter, long count, struct totals *totals)
{
    struct job jobs[JOBS_MAX] = {{.pid = 0}};
    long running = 0;
    for (size_t i = 0; i < prl_test_count || running > 0;) {
        const struct prl_test_entry *entry = i < prl_test_count ? &prl_test_table[i] : NULL;
        if (entry && (!strstr(entry->name, filter) || (oom_mode && !entry->oom))) {
            i++;
            continue;
        }
        struct job *job = jobs;
        while (job < jobs + count && job->pid)
            job++;
        if (entry && job < jobs + count) {
            begin(job, entry, totals->seed);
            i++;
        } else {
            finish_one(jobs, count, totals);
        }
        running = 0;
        for (long k = 0; k < count; k++)
            running += jobs[k].pid != 0;
    }
}

static void list_all(const char *filter)
{
    for (size_t i = 0; i < prl_test_count; i++)
        if (strstr(prl_test_table[i].name, filter) && (!oom_mode || prl_test_table[i].oom))
            printf("%s\n", prl_test_table[i].name);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "lane") == 0)
        prl_test_lane_child(argv[2]);
    const char *filter = "";
    bool list = false;
    struct totals totals = {.seed = 1};
    long jobs = 1;
    int option;
    while ((option = getopt(argc, argv, "lf:os:r:j:")) != -1)
        switch (option) {
        case 'l':
            list = true;
            break;
        case 'f':
            filter = optarg;
            break;
        case 'o':
            oom_mode = 1;
            break;
        case 's':
            totals.seed = strtoull(optarg, NULL, 10);
            break;
        case 'r':
            totals.tries = strtol(optarg, NULL, 10);
            break;
        case 'j':
            jobs = strtol(optarg, NULL, 10);
            break;
        default:
            return 2;
        }
    if (jobs < 1 || jobs > JOBS_MAX)
        return 2;
    if (list) {
        list_all(filter);
        return 0;
    }
    run_all(filter, jobs, &totals);
    printf("%d passed, %d failed\n", totals.passed, totals.failed);
    return totals.failed > 0 || totals.passed == 0;
}
// NOLINTEND(concurrency-mt-unsafe)
