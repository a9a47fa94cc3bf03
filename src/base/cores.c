// cores.c -- see cores.h.
#include "base/cores.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"

enum {
    TOTAL_MAX = 256,
    SHY_US_MIN = 1000000, // the first retreat; doubled as long as coming back fails
    SHY_US_MAX = 30000000,
    LOOK_US = 250000,        // between two looks at the system, whose clock ticks each 10 ms
    FOREIGN_HUNDREDTHS = 35, // less of a core than this is no reason to leave it
};
static const double SLOWER = 1.1;      // than one thread: somebody else wants the core
static const double UNIT_WEIGHT = 0.2; // of the newest figure

struct prl_cores {
    int total;
    atomic_int busy;         // lanes that compute
    atomic_uint entered;     // times that one began
    atomic_int foreign;      // hundredths of a core that others use
    bool fixed;              // foreign was set
    atomic_flag looking;     // one lane at a time reads the system's figures; it owns what follows
    int64_t looked_us;       // 0: never
    double busy_us, self_us; // of the whole system and of this process, then
};

enum prl_err prl_cores_create(struct prl_cores **out, int total)
{
    PRL_CHECK(out && total >= 0);
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    cpu_set_t set;
    if (total == 0)
        total = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    (*out)->total = total < 1 ? 1 : total > TOTAL_MAX ? TOTAL_MAX : total;
    atomic_init(&(*out)->busy, 0);
    atomic_init(&(*out)->entered, 0);
    atomic_init(&(*out)->foreign, 0);
    atomic_flag_clear(&(*out)->looking);
    return PRL_OK;
}

void prl_cores_destroy(struct prl_cores **cores)
{
    prl_mem_free(*cores);
    *cores = NULL;
}

int prl_cores_total(const struct prl_cores *cores)
{
    return cores ? cores->total : 1;
}

void prl_cores_enter(struct prl_cores *cores)
{
    if (!cores)
        return;
    atomic_fetch_add_explicit(&cores->entered, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&cores->busy, 1, memory_order_relaxed);
}

void prl_cores_leave(struct prl_cores *cores)
{
    if (cores)
        PRL_CHECK(atomic_fetch_sub_explicit(&cores->busy, 1, memory_order_relaxed) > 0);
}

// Time that all cores have worked since the start, also for other machines on the same iron.
static bool read_system(double *busy_us)
{
    enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, FIELDS };
    unsigned long long ticks[FIELDS] = {0};
    FILE *file = fopen("/proc/stat", "re");
    if (!file)
        return false;
    // NOLINTNEXTLINE(cert-err34-c): the kernel writes numbers
    int got = fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &ticks[USER],
                     &ticks[NICE], &ticks[SYSTEM], &ticks[IDLE], &ticks[IOWAIT], &ticks[IRQ],
                     &ticks[SOFTIRQ], &ticks[STEAL]);
    (void)fclose(file);
    double sum = 0;
    for (int i = 0; i < FIELDS; i++)
        sum += i == IDLE || i == IOWAIT ? 0 : (double)ticks[i];
    *busy_us = sum * 1e6 / (double)sysconf(_SC_CLK_TCK);
    return got == FIELDS;
}

static double read_self(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage))
        return 0;
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void look(struct prl_cores *cores)
{
    int64_t now_us = prl_clock_now_us();
    double busy_us;
    if (now_us - cores->looked_us < LOOK_US || !read_system(&busy_us))
        return;
    double self_us = read_self();
    double others_us = busy_us - cores->busy_us - (self_us - cores->self_us);
    double hundredths = 100 * others_us / (double)(now_us - cores->looked_us);
    if (cores->looked_us > 0)
        atomic_store_explicit(&cores->foreign, hundredths > 0 ? (int)hundredths : 0,
                              memory_order_relaxed);
    cores->looked_us = now_us;
    cores->busy_us = busy_us;
    cores->self_us = self_us;
}

void prl_cores_set_foreign(struct prl_cores *cores, int hundredths)
{
    cores->fixed = hundredths >= 0;
    atomic_store_explicit(&cores->foreign, hundredths < 0 ? 0 : hundredths, memory_order_relaxed);
}

int prl_cores_others(const struct prl_cores *cores)
{
    int others = cores ? atomic_load_explicit(&cores->busy, memory_order_relaxed) - 1 : 0;
    return others > 0 ? others : 0;
}

int prl_cores_share(struct prl_cores *cores, int max)
{
    if (!cores)
        return 1;
    if (!cores->fixed &&
        !atomic_flag_test_and_set_explicit(&cores->looking, memory_order_acquire)) {
        look(cores);
        atomic_flag_clear_explicit(&cores->looking, memory_order_release);
    }
    int foreign = atomic_load_explicit(&cores->foreign, memory_order_relaxed);
    int share = cores->total - prl_cores_others(cores) - (foreign + 99 - FOREIGN_HUNDREDTHS) / 100;
    if (max > 0 && share > max)
        share = max;
    return share > 1 ? share : 1;
}

static unsigned entered(struct prl_cores *cores)
{
    return cores ? atomic_load_explicit(&cores->entered, memory_order_relaxed) : 0;
}

int prl_pace_begin(struct prl_pace *pace, struct prl_cores *cores, int max)
{
    int share = prl_cores_share(cores, max);
    pace->entered = entered(cores);
    pace->began_us = prl_clock_now_us();
    pace->threads = pace->unit_us > 0 && pace->began_us >= pace->shy_until_us ? share : 1;
    return pace->threads;
}

void prl_pace_end(struct prl_pace *pace, struct prl_cores *cores, double units)
{
    if (units <= 0 || pace->entered != entered(cores))
        return;
    int64_t now_us = prl_clock_now_us();
    double unit_us = (double)(now_us - pace->began_us) / units;
    if (pace->threads <= 1) {
        pace->unit_us =
            pace->unit_us > 0 ? pace->unit_us + UNIT_WEIGHT * (unit_us - pace->unit_us) : unit_us;
    } else if (unit_us > pace->unit_us * SLOWER) {
        pace->shy_us = pace->shy_us ? pace->shy_us * 2 : SHY_US_MIN;
        if (pace->shy_us > SHY_US_MAX)
            pace->shy_us = SHY_US_MAX;
        pace->shy_until_us = now_us + pace->shy_us;
    } else {
        pace->shy_us = 0;
    }
}
