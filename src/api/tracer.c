// tracer.c -- see tracer.h.
#include "api/tracer.h"

#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "net/fetch.h"
#include "net/lane.h"
#include "net/loop.h"

enum {
    FLUSH_US = 1000000,
    TURN_BYTES_MAX = 8192, // of eight spans in either form, with room to spare
    BODY_MAX = PRL_TRACER_BATCH_MAX * TURN_BYTES_MAX,
    FILE_QUEUE_MAX = 64,
    COLLECTOR_MS = 5000
};

// Of the lane's thread.
struct file {
    int fd;
    size_t bytes, bytes_max;
    bool begun; // it has an event
    bool full;  // told
};

struct prl_tracer {
    // Set once.
    struct prl_tracer_conf conf;
    // Owned.
    struct prl_timer *timer;
    struct prl_fetch *fetch;
    struct prl_fetch_request *request; // while a batch is sent
    struct prl_lane *lane;
    struct file file;
    struct prl_port *port; // turns of other loops; NULL: there are none
    // Borrowed.
    struct prl_port *joined; // of the tracer that this one joined; NULL: it works itself
    // State.
    size_t first, count; // of the queue
    size_t sending;      // turns of the batch
    bool failing;        // told
    struct prl_trace_turn queue[PRL_TRACER_QUEUE_MAX];
};

// ---- the file ----

static const char head[] = "[\n";
static const char tail[] = "\n]\n";
static const char comma[] = ",\n"; // before each event but the first

// NOLINTNEXTLINE(readability-non-const-parameter): prl_lane_ops say so
static enum prl_err file_start(void *ctx, char *error)
{
    (void)ctx;
    (void)error;
    return PRL_OK; // the file was made before the thread
}

// Behind the last event, over the end of the list; a cut write is written over by the next one.
static void file_message(void *ctx, struct prl_msg *msg)
{
    struct file *file = ctx;
    size_t end = sizeof(tail) - 1;
    size_t skip = file->begun ? 0 : sizeof(comma) - 1;
    size_t size = msg->size - skip;
    bool fits = file->bytes + size <= file->bytes_max;
    bool done = fits && pwrite(file->fd, (const char *)msg->data + skip, size,
                               (off_t)(file->bytes - end)) == (ssize_t)size;
    if (done)
        file->bytes += size - end;
    file->begun = file->begun || done;
    prl_metrics_add(PRL_METRIC_TRACES_DROPPED, !done);
    if (!done && !file->full)
        prl_log(PRL_LOG_WARN, "trace", "%s",
                fits ? "the file of traces cannot be written"
                     : "the file of traces has reached trace.chrome_bytes_max; further turns are "
                       "left out");
    file->full = !done;
}

static void file_stop(void *ctx)
{
    (void)ctx;
}

static const struct prl_lane_ops file_ops = {
    .start = file_start, .message = file_message, .stop = file_stop};

static enum prl_err open_file(struct prl_tracer *tracer)
{
    struct file *file = &tracer->file;
    file->bytes_max = tracer->conf.chrome_bytes_max;
    file->fd = open(tracer->conf.chrome_file, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    bool made =
        file->fd >= 0 && pwrite(file->fd, head, sizeof(head) - 1, 0) == (ssize_t)sizeof(head) - 1 &&
        pwrite(file->fd, tail, sizeof(tail) - 1, sizeof(head) - 1) == (ssize_t)sizeof(tail) - 1;
    file->bytes = sizeof(head) + sizeof(tail) - 2;
    if (!made) {
        prl_log(PRL_LOG_ERROR, "trace", "%s cannot be written", tracer->conf.chrome_file);
        return PRL_ERR_IO;
    }
    struct prl_lane_conf lane = {.name = "trace",
                                 .nice = 10,
                                 .queue_max = FILE_QUEUE_MAX,
                                 .ops = &file_ops,
                                 .ctx = file,
                                 .loop = tracer->conf.loop};
    return prl_lane_create(&tracer->lane, &lane);
}

static void to_file(struct prl_tracer *tracer, const struct prl_trace_turn *turn)
{
    struct prl_str text;
    prl_str_init(&text, TURN_BYTES_MAX);
    (void)prl_str_adds(&text, comma);
    prl_trace_write_chrome(&text, turn);
    (void)prl_str_adds(&text, tail);
    struct prl_msg msg = {.size = text.len};
    enum prl_err err = text.err;
    if (!err)
        msg.data = prl_str_give(&text);
    if (!err)
        err = prl_lane_send(tracer->lane, &msg);
    if (err) {
        prl_msg_free(&msg);
        prl_metrics_add(PRL_METRIC_TRACES_DROPPED, 1);
    }
    prl_str_free(&text);
}

// ---- the collector ----

static void drop_batch(struct prl_tracer *tracer, const char *why)
{
    prl_metrics_add(PRL_METRIC_TRACES_DROPPED, tracer->sending);
    if (!tracer->failing)
        prl_log(PRL_LOG_WARN, "trace", "the collector does not take traces, they are dropped: %s",
                why);
    tracer->failing = true;
    tracer->sending = 0;
}

static void start_flush(struct prl_tracer *tracer)
{
    int64_t wait_us = tracer->count < PRL_TRACER_BATCH_MAX ? FLUSH_US : 0;
    if (tracer->count > 0 && !tracer->request)
        prl_timer_start(tracer->timer, prl_clock_now_us() + wait_us);
}

static void on_end(void *arg, const struct prl_fetch_end *end)
{
    struct prl_tracer *tracer = arg;
    tracer->request = NULL;
    if (end->failure != PRL_FETCH_OK) {
        drop_batch(tracer, end->why);
    } else {
        if (tracer->failing)
            prl_log(PRL_LOG_INFO, "trace", "the collector takes traces again");
        tracer->failing = false;
        prl_metrics_add(PRL_METRIC_TRACES, tracer->sending);
        tracer->sending = 0;
    }
    start_flush(tracer);
}

static void on_data(void *arg, const char *data, size_t len)
{
    (void)arg; // what of a batch it did not take, it says in words for people
    (void)data;
    (void)len;
}

static enum prl_err send_batch(struct prl_tracer *tracer, const struct prl_str *body)
{
    static const struct prl_fetch_ops ops = {.on_data = on_data, .on_end = on_end};
    if (body->err)
        return body->err;
    struct prl_fetch_ask ask = {.method = "POST",
                                .url = tracer->conf.otlp_url,
                                .bearer = tracer->conf.key,
                                .content_type = "application/json",
                                .body = body->data,
                                .body_size = body->len,
                                .limits = {.connect_ms = COLLECTOR_MS,
                                           .first_byte_ms = COLLECTOR_MS,
                                           .gap_ms = COLLECTOR_MS,
                                           .total_ms = 2 * COLLECTOR_MS,
                                           .body_max = 1 << 20},
                                .ops = &ops,
                                .arg = tracer};
    return prl_fetch_start(tracer->fetch, &ask, &tracer->request);
}

static void on_flush(void *arg)
{
    struct prl_tracer *tracer = arg;
    if (tracer->request || tracer->count == 0)
        return;
    // Up to the queue's end; what lies at its beginning makes the next batch.
    size_t count = PRL_TRACER_QUEUE_MAX - tracer->first;
    count = count < tracer->count ? count : tracer->count;
    count = count < PRL_TRACER_BATCH_MAX ? count : PRL_TRACER_BATCH_MAX;
    struct prl_str body;
    prl_str_init(&body, BODY_MAX);
    prl_trace_write_otlp(&body, &tracer->queue[tracer->first], count, tracer->conf.version);
    tracer->first = (tracer->first + count) % PRL_TRACER_QUEUE_MAX;
    tracer->count -= count;
    tracer->sending = count;
    enum prl_err err = send_batch(tracer, &body);
    if (err)
        drop_batch(tracer, prl_err_name(err));
    prl_str_free(&body);
    start_flush(tracer);
}

static void to_queue(struct prl_tracer *tracer, const struct prl_trace_turn *turn)
{
    if (tracer->count == PRL_TRACER_QUEUE_MAX) {
        prl_metrics_add(PRL_METRIC_TRACES_DROPPED, 1);
        return;
    }
    tracer->queue[(tracer->first + tracer->count++) % PRL_TRACER_QUEUE_MAX] = *turn;
    if (tracer->count == 1)
        start_flush(tracer);
}

static void give(struct prl_tracer *tracer, const struct prl_trace_turn *turn)
{
    if (tracer->lane)
        to_file(tracer, turn);
    if (tracer->fetch)
        to_queue(tracer, turn);
}

static void on_turn(void *arg, struct prl_msg *msg)
{
    give(arg, msg->data);
}

static void to_first(struct prl_tracer *tracer, const struct prl_trace_turn *turn)
{
    struct prl_msg msg = {.data = prl_mem_dup(turn, sizeof(*turn)), .size = sizeof(*turn)};
    if (msg.data && prl_port_send(tracer->joined, &msg) == PRL_OK)
        return;
    prl_msg_free(&msg);
    prl_metrics_add(PRL_METRIC_TRACES_DROPPED, 1);
}

void prl_tracer_add(struct prl_tracer *tracer, const struct prl_trace_turn *turn)
{
    struct prl_trace_turn own = *turn;
    PRL_CHECK(getrandom(own.seed, sizeof(own.seed), 0) == (ssize_t)sizeof(own.seed));
    own.zero_wall_us = prl_clock_wall_us() - (prl_clock_now_us() - own.zero_us);
    if (tracer->joined)
        to_first(tracer, &own);
    else
        give(tracer, &own);
}

// ---- life ----

enum prl_err prl_tracer_create(struct prl_tracer **out, const struct prl_tracer_conf *conf)
{
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    struct prl_tracer *tracer = *out;
    tracer->conf = *conf;
    tracer->file.fd = -1;
    enum prl_err err = prl_timer_create(&tracer->timer, conf->loop, "traces", on_flush, tracer);
    struct prl_fetch_conf fetch = {
        .ca_file = conf->ca_file, .insecure = conf->insecure, .idle_max = 1};
    if (!err && conf->otlp_url[0])
        err = prl_fetch_create(&tracer->fetch, conf->loop, &fetch);
    if (!err && conf->chrome_file[0])
        err = open_file(tracer);
    if (err)
        prl_tracer_destroy(out);
    return err;
}

enum prl_err prl_tracer_join(struct prl_tracer **out, struct prl_tracer *first)
{
    *out = NULL;
    enum prl_err err = first->port ? PRL_OK
                                   : prl_port_open(&first->port, first->conf.loop,
                                                   PRL_TRACER_QUEUE_MAX, on_turn, first);
    if (err)
        return err;
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    (*out)->joined = first->port;
    (*out)->file.fd = -1;
    return PRL_OK;
}

void prl_tracer_destroy(struct prl_tracer **tracer)
{
    if (!*tracer)
        return;
    struct prl_tracer *own = *tracer;
    prl_port_destroy(&own->port);
    prl_lane_destroy(&own->lane);
    if (own->file.fd >= 0)
        close(own->file.fd);
    prl_fetch_destroy(&own->fetch);
    prl_timer_destroy(&own->timer);
    prl_mem_free(own);
    *tracer = NULL;
}
