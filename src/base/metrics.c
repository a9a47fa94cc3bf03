// metrics.c -- see metrics.h.
#include "base/metrics.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum kind { COUNTER, HISTOGRAM, FINE };
enum { BUCKETS = 16, TEXTS_MAX = 16 };

// Upper bounds in microseconds: fine where people notice (200, 500, 800 ms), or where packets do.
static const uint32_t coarse_us[BUCKETS] = {10000,   25000,   50000,   100000, 150000, 200000,
                                            300000,  400000,  500000,  650000, 800000, 1000000,
                                            1500000, 2000000, 4000000, 8000000};
static const uint32_t fine_us[BUCKETS] = {500,   1000,   1500,   2000,  3000,  4000,
                                          5000,  7000,   10000,  15000, 20000, 40000,
                                          60000, 100000, 200000, 500000};

static const struct {
    enum kind kind;
    const char *name;
    const char *help;
} infos[PRL_METRIC_COUNT] = {
#define PRL_METRIC_INFO(id, kind, name, help) {kind, name, help},
    PRL_METRICS(PRL_METRIC_INFO)
#undef PRL_METRIC_INFO
};

// Process-wide by nature: what they count is the process.
static struct {
    atomic_ullong count;
    atomic_ullong sum_us;
    atomic_ullong buckets[BUCKETS];
} values[PRL_METRIC_COUNT];

static const uint32_t *bounds_us(int metric)
{
    return infos[metric].kind == FINE ? fine_us : coarse_us;
}

void prl_metrics_add(enum prl_metric metric, uint64_t count)
{
    PRL_DCHECK((unsigned)metric < PRL_METRIC_COUNT);
    atomic_fetch_add_explicit(&values[metric].count, count, memory_order_relaxed);
}

void prl_metrics_observe(enum prl_metric metric, int64_t us)
{
    PRL_DCHECK((unsigned)metric < PRL_METRIC_COUNT);
    if (us < 0)
        return;
    prl_metrics_add(metric, 1);
    atomic_fetch_add_explicit(&values[metric].sum_us, (uint64_t)us, memory_order_relaxed);
    for (int i = 0; i < BUCKETS; i++)
        if (us <= (int64_t)bounds_us(metric)[i])
            atomic_fetch_add_explicit(&values[metric].buckets[i], 1, memory_order_relaxed);
}

uint64_t prl_metrics_value(enum prl_metric metric)
{
    return atomic_load_explicit(&values[metric].count, memory_order_relaxed);
}

// ---- lanes ----

struct prl_metrics_lane {
    char name[16];
    atomic_llong waiting, messages, busy_us;
};

static struct prl_metrics_lane lanes[PRL_METRICS_LANES_MAX];
static atomic_int lane_count;                                  // whose names stand
static pthread_mutex_t lane_mutex = PTHREAD_MUTEX_INITIALIZER; // held while a name is added

struct prl_metrics_lane *prl_metrics_lane(const char *name)
{
    struct prl_metrics_lane *found = NULL;
    pthread_mutex_lock(&lane_mutex);
    int count = atomic_load(&lane_count);
    for (int i = 0; i < count && !found; i++)
        if (strcmp(lanes[i].name, name) == 0)
            found = &lanes[i];
    if (!found && count < PRL_METRICS_LANES_MAX) {
        found = &lanes[count];
        strncat(found->name, name, sizeof(found->name) - 1);
        atomic_store(&lane_count, count + 1);
    }
    pthread_mutex_unlock(&lane_mutex);
    return found;
}

void prl_metrics_lane_queued(struct prl_metrics_lane *lane, int64_t count)
{
    if (lane)
        atomic_fetch_add_explicit(&lane->waiting, count, memory_order_relaxed);
}

void prl_metrics_lane_worked(struct prl_metrics_lane *lane, uint64_t messages, int64_t busy_us)
{
    if (!lane)
        return;
    atomic_fetch_add_explicit(&lane->messages, (long long)messages, memory_order_relaxed);
    atomic_fetch_add_explicit(&lane->busy_us, busy_us, memory_order_relaxed);
}

static void render_lanes(struct prl_str *out)
{
    int count = atomic_load(&lane_count);
    if (count == 0)
        return;
    (void)prl_str_adds(out, "# HELP parley_lane_waiting Messages that wait for an engine's thread\n"
                            "# TYPE parley_lane_waiting gauge\n");
    for (int i = 0; i < count; i++)
        (void)prl_str_addf(out, "parley_lane_waiting{lane=\"%s\"} %lld\n", lanes[i].name,
                           atomic_load(&lanes[i].waiting));
    (void)prl_str_adds(out, "# HELP parley_lane_messages_total Messages that it has handled\n"
                            "# TYPE parley_lane_messages_total counter\n");
    for (int i = 0; i < count; i++)
        (void)prl_str_addf(out, "parley_lane_messages_total{lane=\"%s\"} %lld\n", lanes[i].name,
                           atomic_load(&lanes[i].messages));
    (void)prl_str_adds(out, "# HELP parley_lane_busy_seconds_total Time that it worked\n"
                            "# TYPE parley_lane_busy_seconds_total counter\n");
    for (int i = 0; i < count; i++)
        (void)prl_str_addf(out, "parley_lane_busy_seconds_total{lane=\"%s\"} %.6f\n", lanes[i].name,
                           (double)atomic_load(&lanes[i].busy_us) / 1e6);
}

static void render_histogram(struct prl_str *out, int i, unsigned long long count)
{
    for (int b = 0; b < BUCKETS; b++)
        (void)prl_str_addf(out, "%s_bucket{le=\"%g\"} %llu\n", infos[i].name, bounds_us(i)[b] / 1e6,
                           (unsigned long long)atomic_load(&values[i].buckets[b]));
    (void)prl_str_addf(out, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.6f\n%s_count %llu\n",
                       infos[i].name, count, infos[i].name,
                       (double)atomic_load(&values[i].sum_us) / 1e6, infos[i].name, count);
}

enum prl_err prl_metrics_render(struct prl_str *out)
{
    for (int i = 0; i < PRL_METRIC_COUNT; i++) {
        unsigned long long count = atomic_load(&values[i].count);
        bool histogram = infos[i].kind != COUNTER;
        int family = (int)strcspn(infos[i].name, "{");
        if (i == 0 || strncmp(infos[i - 1].name, infos[i].name, (size_t)family) != 0)
            (void)prl_str_addf(out, "# HELP %.*s %s\n# TYPE %.*s %s\n", family, infos[i].name,
                               infos[i].help, family, infos[i].name,
                               histogram ? "histogram" : "counter");
        if (histogram)
            render_histogram(out, i, count);
        else
            (void)prl_str_addf(out, "%s %llu\n", infos[i].name, count);
    }
    render_lanes(out);
    return out->err;
}

enum prl_err prl_metrics_render_one(struct prl_str *out, const char *kind, const char *name,
                                    const char *help, double value)
{
    return prl_str_addf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", name, help, name, kind, name,
                        value);
}

// ---- several loops ----

// The value behind the last space of a line of `len` bytes, and where it begins.
static double line_value(const char *line, size_t len, size_t *at)
{
    *at = len;
    while (*at > 0 && line[*at - 1] != ' ')
        --*at;
    return strtod(line + *at, NULL); // ends at the line's end
}

static size_t line_len(const char *at)
{
    return strcspn(at, "\n");
}

// One line of all; `at` are the texts, of which those that differ become NULL.
static void merge_line(struct prl_str *out, const char **at, size_t count)
{
    static const char loop_prefix[] = "parley_loop_";
    size_t len = line_len(at[0]);
    size_t name;
    double value = line_value(at[0], len, &name);
    bool greatest = prl_str_starts(at[0], loop_prefix);
    bool comment = at[0][0] == '#' || name == 0;
    for (size_t i = 1; i < count; i++) {
        size_t more_len = at[i] ? line_len(at[i]) : 0;
        size_t more_name = 0;
        double more = at[i] ? line_value(at[i], more_len, &more_name) : 0;
        if (!at[i] || more_name != name || memcmp(at[i], at[0], name) != 0) {
            at[i] = NULL;
            continue;
        }
        if (!greatest)
            value += more;
        else if (more > value)
            value = more;
        at[i] += more_len + (at[i][more_len] == '\n');
    }
    if (comment)
        (void)prl_str_add(out, at[0], len);
    else
        (void)prl_str_addf(out, "%.*s%.15g", (int)name, at[0], value);
    (void)prl_str_addc(out, '\n');
    at[0] += len + (at[0][len] == '\n');
}

enum prl_err prl_metrics_merge(struct prl_str *out, const char *const *texts, size_t count)
{
    const char *at[TEXTS_MAX];
    PRL_CHECK(count >= 1 && count <= TEXTS_MAX);
    for (size_t i = 0; i < count; i++)
        at[i] = texts[i];
    while (*at[0])
        merge_line(out, at, count);
    return out->err;
}
