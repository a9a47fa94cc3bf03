// sim_main.c -- plays every talk of tests/sim/*.dlg, then random ones.
//
//   sim-run [-n count] [-s seed] [-v] [FILE.dlg …]
//     -n random talks (500)   -s first seed (1); with -n 1 that one is replayed   -v every step
//     FILE only these talks
// A failing random talk is shrunk and printed as a file that can be kept. Ends with
// "N passed, N failed".
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/sim/sim.h"

enum { REPLAY_EVERY = 50, COVERAGE_FROM = 20000, FAILURES_SHOWN = 5, PATHS_MAX = 256 };

static const char FOLDER[] = "tests/sim";

struct totals {
    uint64_t passed;
    uint64_t failed;
    int64_t virtual_us;
    uint64_t visits[PRL_FACT_COUNT][PRL_FLOOR_USERS][PRL_FLOOR_ANSWERS];
    struct prl_floor_stats stats;
};

static void add_up(struct totals *totals, const struct sim_result *result)
{
    totals->virtual_us += result->virtual_us;
    for (int fact = 0; fact < PRL_FACT_COUNT; fact++)
        for (int user = 0; user < PRL_FLOOR_USERS; user++)
            for (int answer = 0; answer < PRL_FLOOR_ANSWERS; answer++)
                totals->visits[fact][user][answer] += result->visits[fact][user][answer];
    totals->stats.speculations_used += result->stats.speculations_used;
    totals->stats.speculations_dropped += result->stats.speculations_dropped;
    totals->stats.interruptions_real += result->stats.interruptions_real;
    totals->stats.interruptions_false += result->stats.interruptions_false;
    totals->stats.empty_turns += result->stats.empty_turns;
    totals->stats.late += result->stats.late;
}

static bool still_fails(const struct sim_scenario *scenario, struct sim_result *result)
{
    sim_run(scenario, result, NULL);
    return result->failed;
}

// Leaves out whatever is not needed for a failure, until nothing more can go.
static void shrink(struct sim_scenario *scenario, struct sim_result *result)
{
    bool smaller = true;
    while (smaller) {
        smaller = false;
        for (uint32_t i = 0; i < scenario->op_count; i++) {
            struct sim_scenario less = *scenario;
            memmove(&less.ops[i], &less.ops[i + 1], (less.op_count - i - 1) * sizeof(less.ops[0]));
            less.op_count--;
            if (less.op_count == 0 || !still_fails(&less, result))
                continue;
            *scenario = less;
            smaller = true;
            i--;
        }
        for (int i = 0; i < 2 * SIM_FATES; i++) {
            struct sim_scenario less = *scenario;
            uint8_t *fate = i < SIM_FATES ? &less.stt_fates[i] : &less.answer_fates[i - SIM_FATES];
            if (*fate == SIM_WELL)
                continue;
            *fate = SIM_WELL;
            if (!still_fails(&less, result))
                continue;
            *scenario = less;
            smaller = true;
        }
    }
    (void)still_fails(scenario, result);
}

static void play_random(struct totals *totals, uint64_t seed, bool verbose)
{
    struct sim_scenario scenario;
    static struct sim_result result; // large; one thread
    static struct sim_result again;
    sim_random(&scenario, seed);
    sim_run(&scenario, &result, verbose ? stdout : NULL);
    if (!result.failed && seed % REPLAY_EVERY == 0) {
        sim_run(&scenario, &again, NULL);
        if (again.hash != result.hash) {
            result.failed = true;
            (void)prl_str_copy(result.error, sizeof(result.error), "the replay differs");
        }
    }
    add_up(totals, &result);
    if (!result.failed) {
        totals->passed++;
        return;
    }
    if (totals->failed++ >= FAILURES_SHOWN)
        return;
    printf("FAIL  seed %" PRIu64 ": %s\n", seed, result.error);
    shrink(&scenario, &result);
    printf("shrunk: %s\n", result.error);
    sim_write(&scenario, stdout);
}

static void play_file(struct totals *totals, const char *path, bool verbose)
{
    struct sim_scenario scenario;
    static struct sim_result result; // large; one thread
    char error[300];
    if (!sim_read(&scenario, path, error, sizeof(error))) {
        printf("FAIL  %s\n", error);
        totals->failed++;
        return;
    }
    sim_run(&scenario, &result, verbose ? stdout : NULL);
    add_up(totals, &result);
    if (result.failed) {
        printf("FAIL  %s (%s): %s\n", path, scenario.name, result.error);
        totals->failed++;
    } else {
        totals->passed++;
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void play_folder(struct totals *totals, bool verbose)
{
    char *paths[PATHS_MAX];
    size_t count = 0;
    DIR *dir = opendir(FOLDER);
    struct dirent *entry;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
    while (dir && (entry = readdir(dir)) && count < PATHS_MAX) {
        if (!prl_str_ends(entry->d_name, ".dlg"))
            continue;
        char path[400];
        snprintf(path, sizeof(path), "%s/%s", FOLDER, entry->d_name);
        paths[count] = prl_mem_strdup(path);
        count += paths[count] != NULL;
    }
    if (dir)
        closedir(dir);
    qsort(paths, count, sizeof(paths[0]), by_name);
    for (size_t i = 0; i < count; i++) {
        play_file(totals, paths[i], verbose);
        prl_mem_free(paths[i]);
    }
    if (count == 0) {
        printf("FAIL  no talks in %s\n", FOLDER);
        totals->failed++;
    }
}

// How many pairs of cell and fact were seen; every possible one must be in a long run.
static void report_coverage(struct totals *totals, bool all)
{
    unsigned possible = 0;
    unsigned visited = 0;
    for (int fact = 0; fact < PRL_FACT_COUNT; fact++)
        for (int user = 0; user < PRL_FLOOR_USERS; user++)
            for (int answer = 0; answer < PRL_FLOOR_ANSWERS; answer++) {
                if (!prl_floor_possible((enum prl_floor_fact)fact, (enum prl_floor_user)user,
                                        (enum prl_floor_answer)answer))
                    continue;
                possible++;
                visited += totals->visits[fact][user][answer] > 0;
                if (all && totals->visits[fact][user][answer] == 0) {
                    printf("FAIL  never visited: %s in user %d, answer %d\n", SIM_FACTS[fact], user,
                           answer);
                    totals->failed++;
                }
            }
    printf("pairs of cell and fact: %u of %u visited\n", visited, possible);
}

static void report(struct totals *totals, uint64_t talks, int64_t took_us, bool all)
{
    report_coverage(totals, all);
    const struct prl_floor_stats *stats = &totals->stats;
    double seconds = (double)(took_us > 0 ? took_us : 1) / 1e6;
    printf("%" PRIu64 " talks of %.1f hours in %.1f s: %.0f talks a second\n", talks,
           (double)totals->virtual_us / 3.6e9, seconds, (double)talks / seconds);
    printf("speculations %" PRIu64 " used, %" PRIu64 " dropped; interruptions %" PRIu64
           " real, %" PRIu64 " false; %" PRIu64 " empty turns; %" PRIu64 " late messages\n",
           stats->speculations_used, stats->speculations_dropped, stats->interruptions_real,
           stats->interruptions_false, stats->empty_turns, stats->late);
}

int main(int argc, char **argv)
{
    static struct totals totals; // large; one thread
    int64_t count = 500;
    int64_t seed = 1;
    bool verbose = false;
    int files = 0;
    int64_t begin_us = prl_clock_now_us();
    for (int i = 1; i < argc; i++) {
        int64_t *number = strcmp(argv[i], "-n") == 0 ? &count : &seed;
        bool option = strcmp(argv[i], "-n") == 0 || strcmp(argv[i], "-s") == 0;
        if (strcmp(argv[i], "-v") == 0) {
            verbose = true;
        } else if (option && i + 1 < argc && prl_str_to_int(argv[i + 1], number)) {
            i++;
        } else if (argv[i][0] == '-') {
            fprintf(stderr, "usage: sim-run [-n count] [-s seed] [-v] [FILE.dlg ...]\n");
            return 2;
        } else {
            play_file(&totals, argv[i], verbose);
            files++;
        }
    }
    if (files == 0) {
        printf("random talks from seed %" PRId64 " on\n", seed);
        if (count != 1)
            play_folder(&totals, false);
        for (int64_t i = 0; i < count; i++)
            play_random(&totals, (uint64_t)(seed + i), verbose);
        uint64_t talks = totals.passed + totals.failed;
        report(&totals, talks, prl_clock_now_us() - begin_us, count >= COVERAGE_FROM);
    }
    if (prl_mem_live_count() != 0) {
        printf("FAIL  %" PRId64 " blocks were not given back\n", prl_mem_live_count());
        totals.failed++;
    }
    printf("%" PRIu64 " passed, %" PRIu64 " failed\n", totals.passed, totals.failed);
    return totals.failed > 0;
}
