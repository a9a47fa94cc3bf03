// tracer.h -- where the traces of turns go: a collector over OTLP/HTTP, a file for Chrome's viewer.
//
// Turns wait in one bounded queue and leave in batches, one request at a time. The file is written by a
// thread of its own, because the loop may wait for no disk; after each turn it is whole JSON.
// Units:    bytes. Threads: the loop thread of each; the lane "trace" writes the file.
// Memory:   the queue, PRL_TRACER_QUEUE_MAX turns of about 250 bytes, and a batch being sent.
// Errors:   none reaches a conversation. A turn that finds the queue full, whose batch the collector does not
//           take, or for which the file has no room is dropped and counted (parley_traces_dropped_total);
//           the first of a row is logged.
#ifndef PRL_API_TRACER_H
#define PRL_API_TRACER_H

#include "api/trace.h"

struct prl_loop;
struct prl_tracer;

enum { PRL_TRACER_QUEUE_MAX = 512, PRL_TRACER_BATCH_MAX = 64 };

struct prl_tracer_conf { // texts are borrowed as long as the tracer lives
    struct prl_loop *loop;
    const char *otlp_url;    // "" for none
    const char *key;         // for Authorization: Bearer; NULL or "" for none
    const char *ca_file;     // as in net/fetch.h
    bool insecure;           //
    const char *chrome_file; // "" for none; what it held before is lost
    size_t chrome_bytes_max; // of the file
    const char *version;     // of the program
};

// Another loop's way to `first`: its turns go there by message, and are dropped and counted when
// PRL_TRACER_QUEUE_MAX wait. Before the loops run; destroyed on one thread after them, `first` last.
enum prl_err prl_tracer_join(struct prl_tracer **out, struct prl_tracer *first) PRL_MUST_USE;
// IO: the file cannot be made.
enum prl_err prl_tracer_create(struct prl_tracer **out,
                               const struct prl_tracer_conf *conf) PRL_MUST_USE;
// What has not been sent yet is dropped.
void prl_tracer_destroy(struct prl_tracer **tracer);
// A turn is over. Its seed is made here, its zero_wall_us from zero_us and the two clocks.
void prl_tracer_add(struct prl_tracer *tracer, const struct prl_trace_turn *turn);

#endif
