// top.c -- see top.h.
#include "server/top.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LABELS_MAX = 64, BUCKETS_MAX = 64, CELL_SIZE = 32 };

// ---- reading ----

static bool read_line(struct prl_top_sample *sample, const char *line, size_t len)
{
    const char *space = memchr(line, ' ', len);
    const char *brace = memchr(line, '{', len);
    const char *close = brace ? memchr(line, '}', len) : NULL;
    *sample = (struct prl_top_sample){.name = line, .labels = ""};
    if (brace && (!space || brace < space)) {
        if (!close)
            return false;
        sample->name_len = (size_t)(brace - line);
        sample->labels = brace + 1;
        sample->labels_len = (size_t)(close - brace - 1);
        space = memchr(close, ' ', len - (size_t)(close - line));
    } else {
        sample->name_len = space ? (size_t)(space - line) : 0;
    }
    if (!space || sample->name_len == 0)
        return false;
    char number[CELL_SIZE];
    size_t size = len - (size_t)(space + 1 - line);
    if (size == 0 || size >= sizeof(number))
        return false;
    memcpy(number, space + 1, size);
    number[size] = '\0';
    char *end;
    sample->value = strtod(number, &end);
    return end != number && *end == '\0';
}

void prl_top_read(struct prl_top_look *look, const char *text, size_t len)
{
    const char *end = text + len;
    look->count = 0;
    while (text < end && look->count < PRL_TOP_SAMPLES_MAX) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        size_t size = (size_t)((stop ? stop : end) - text);
        if (size > 0 && *text != '#')
            look->count += read_line(&look->samples[look->count], text, size);
        text += size + 1;
    }
}

static bool is(const struct prl_top_sample *sample, const char *name, size_t name_len,
               const char *label)
{
    return sample->name_len == name_len && memcmp(sample->name, name, name_len) == 0 &&
           (!*label || memmem(sample->labels, sample->labels_len, label, strlen(label)) != NULL);
}

bool prl_top_value(const struct prl_top_look *look, const char *name, const char *label,
                   double *value)
{
    for (size_t i = 0; look && i < look->count; i++)
        if (is(&look->samples[i], name, strlen(name), label)) {
            *value = look->samples[i].value;
            return true;
        }
    return false;
}

// ---- histograms ----

struct bucket {
    double bound; // seconds; HUGE_VAL: all
    double count; // of observations up to it
};

static double bound_of(const struct prl_top_sample *sample)
{
    static const char le[] = "le=\"";
    const char *at = memmem(sample->labels, sample->labels_len, le, sizeof(le) - 1);
    return at ? strtod(at + sizeof(le) - 1, NULL) : -1; // "+Inf" is infinity
}

static double earlier(const struct prl_top_look *before, const struct prl_top_sample *sample)
{
    for (size_t i = 0; before && i < before->count; i++) {
        const struct prl_top_sample *old = &before->samples[i];
        if (old->name_len == sample->name_len && old->labels_len == sample->labels_len &&
            memcmp(old->name, sample->name, sample->name_len) == 0 &&
            memcmp(old->labels, sample->labels, sample->labels_len) == 0)
            return old->value;
    }
    return 0;
}

static size_t read_buckets(const struct prl_top_look *before, const struct prl_top_look *now,
                           const char *name, const char *label, struct bucket *buckets)
{
    char full[128];
    int len = snprintf(full, sizeof(full), "%s_bucket", name);
    size_t count = 0;
    for (size_t i = 0; i < now->count && count < BUCKETS_MAX; i++) {
        const struct prl_top_sample *sample = &now->samples[i];
        if (is(sample, full, (size_t)len, label))
            buckets[count++] =
                (struct bucket){bound_of(sample), sample->value - earlier(before, sample)};
    }
    return count;
}

bool prl_top_quantile(const struct prl_top_look *before, const struct prl_top_look *now,
                      const char *name, const char *label, double share, double *seconds)
{
    struct bucket buckets[BUCKETS_MAX];
    size_t count = read_buckets(before, now, name, label, buckets);
    if (count < 2 || !(buckets[count - 1].count > 0))
        return false;
    double wanted = share * buckets[count - 1].count;
    struct bucket low = {0, 0};
    for (size_t i = 0; i + 1 < count; i++) {
        if (buckets[i].count >= wanted) {
            double inside = buckets[i].count - low.count;
            double part = inside > 0 ? (wanted - low.count) / inside : 1;
            *seconds = low.bound + part * (buckets[i].bound - low.bound);
            return true;
        }
        low = buckets[i];
    }
    *seconds = low.bound;
    return true;
}

// ---- the table ----

struct table {
    struct prl_str *out;
    const struct prl_top_look *before, *now;
    double span_s;
};

// What was counted since `before`, or so far.
static bool counted(const struct table *table, const char *name, const char *label, double *value)
{
    double old = 0;
    if (!prl_top_value(table->now, name, label, value))
        return false;
    (void)prl_top_value(table->before, name, label, &old);
    *value -= old;
    return true;
}

static void cell(const struct table *table, const char *title, bool known, double value,
                 const char *unit)
{
    char text[CELL_SIZE] = "-";
    if (known)
        snprintf(text, sizeof(text), "%.0f%s", value, unit);
    (void)prl_str_addf(table->out, "  %s %s", title, text);
}

static void gauge(const struct table *table, const char *title, const char *name, double scale,
                  const char *unit)
{
    double value = 0;
    bool known = prl_top_value(table->now, name, "", &value);
    cell(table, title, known, value * scale, unit);
}

static void counter(const struct table *table, const char *title, const char *name,
                    const char *label)
{
    double value = 0;
    bool known = counted(table, name, label, &value);
    cell(table, title, known, value, "");
}

static void line(const struct table *table, const char *title)
{
    (void)prl_str_addf(table->out, "\n%-14s", title);
}

static void add_ms(const struct table *table, bool known, double seconds)
{
    if (known)
        (void)prl_str_addf(table->out, "%8.0f", seconds * 1000);
    else
        (void)prl_str_addf(table->out, "%8s", "-");
}

static void stage(const struct table *table, const char *title, const char *name, const char *label)
{
    char full[160];
    double value = 0;
    snprintf(full, sizeof(full), "%s_count", name);
    bool known = counted(table, full, label, &value);
    (void)prl_str_addf(table->out, "\n  %-28s%8.0f", title, known ? value : 0);
    static const double shares[] = {0.5, 0.95};
    for (size_t i = 0; i < 2; i++) {
        known = prl_top_quantile(table->before, table->now, name, label, shares[i], &value);
        add_ms(table, known, value);
    }
}

// One row for each different text of labels under this name, in the order of /metrics.
static void rows(const struct table *table, const char *name,
                 void (*row)(const struct table *table, const char *labels))
{
    for (size_t i = 0; i < table->now->count; i++) {
        const struct prl_top_sample *sample = &table->now->samples[i];
        if (!is(sample, name, strlen(name), ""))
            continue;
        char labels[2 * LABELS_MAX];
        snprintf(labels, sizeof(labels), "%.*s", (int)sample->labels_len, sample->labels);
        row(table, labels);
    }
}

static void lane_row(const struct table *table, const char *labels)
{
    double waiting = 0;
    double busy = 0;
    double messages = 0;
    (void)prl_top_value(table->now, "parley_lane_waiting", labels, &waiting);
    (void)counted(table, "parley_lane_busy_seconds_total", labels, &busy);
    (void)counted(table, "parley_lane_messages_total", labels, &messages);
    (void)prl_str_addf(table->out, "\n  %-28s%8.0f%8.0f", labels, waiting, messages);
    if (table->before && table->span_s > 0)
        (void)prl_str_addf(table->out, "%7.0f%%", 100 * busy / table->span_s);
    else
        (void)prl_str_addf(table->out, "%7.1fs", busy);
}

static void engine_row(const struct table *table, const char *labels)
{
    double value = 0;
    stage(table, labels, "parley_engine_first_byte_seconds", labels);
    bool known = prl_top_value(table->now, "parley_engine_in_flight", labels, &value);
    (void)prl_str_addf(table->out, "%8.0f", known ? value : 0);
    known = prl_top_value(table->now, "parley_engine_breaker_open", labels, &value);
    (void)prl_str_adds(table->out, known && value > 0 ? "  open" : "");
}

static bool has(const struct table *table, const char *name)
{
    double value;
    return prl_top_value(table->now, name, "", &value);
}

static void write_counts(const struct table *table)
{
    line(table, "sessions");
    gauge(table, "now", "parley_sessions", 1, "");
    gauge(table, "calls", "parley_calls", 1, "");
    gauge(table, "away", "parley_sessions_frozen", 1, "");
    counter(table, "new", "parley_sessions_total", "");
    counter(table, "refused", "parley_sessions_refused_total", "");
    line(table, "loop");
    gauge(table, "load", "parley_loop_load", 100, "%");
    counter(table, "stalls", "parley_loop_stalls_total", "");
    gauge(table, "longest", "parley_loop_stall_seconds_max", 1000, " ms");
    gauge(table, "heap", "parley_heap_bytes", 1.0 / 1048576, " MiB");
    gauge(table, "memory", "process_resident_memory_bytes", 1.0 / 1048576, " MiB");
    line(table, "turns");
    counter(table, "answers", "parley_responses_total", "");
    counter(table, "spoken", "parley_answer_delay_seconds_count", "");
    counter(table, "empty", "parley_empty_turns_total", "");
    counter(table, "begun early: used", "parley_speculations_total", "used");
    counter(table, "dropped", "parley_speculations_total", "dropped");
    line(table, "interruptions");
    counter(table, "real", "parley_interruptions_total", "real");
    counter(table, "false", "parley_interruptions_total", "false");
    line(table, "errors");
    counter(table, "failed answers", "parley_responses_failed_total", "");
    counter(table, "slow readers", "parley_slow_readers_total", "");
    counter(table, "traces dropped", "parley_traces_dropped_total", "");
}

void prl_top_write(struct prl_str *out, const struct prl_top_look *before,
                   const struct prl_top_look *now, double span_s)
{
    struct table table = {out, before, now, span_s};
    if (before)
        (void)prl_str_addf(out, "counts of the last %.1f s", span_s);
    else
        (void)prl_str_adds(out, "counts since the start");
    write_counts(&table);
    (void)prl_str_addf(out, "\n\n  %-28s%8s%8s%8s", "stage, ms", "count", "p50", "p95");
    stage(&table, "end of speech to answer", "parley_answer_delay_seconds", "");
    stage(&table, "end of turn", "parley_eot_delay_seconds", "");
    stage(&table, "transcript", "parley_transcript_seconds", "");
    stage(&table, "first token", "parley_first_token_seconds", "");
    stage(&table, "first sound", "parley_first_sound_seconds", "");
    stage(&table, "interruption to silence", "parley_barge_in_seconds", "");
    stage(&table, "wait for a lane", "parley_lane_wait_seconds", "");
    if (has(&table, "parley_lane_waiting")) {
        (void)prl_str_addf(out, "\n\n  %-28s%8s%8s%8s", "lane", "waiting", "done", "busy");
        rows(&table, "parley_lane_waiting", lane_row);
    }
    if (has(&table, "parley_engine_in_flight")) {
        (void)prl_str_addf(out, "\n\n  %-28s%8s%8s%8s%8s", "engine elsewhere, first byte", "count",
                           "p50", "p95", "now");
        rows(&table, "parley_engine_in_flight", engine_row);
    }
    (void)prl_str_adds(out, "\n");
}
