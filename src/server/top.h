// top.h -- what /metrics says, as a table for a terminal: the pure half of `parley top`.
//
// Units:    as /metrics has them: seconds, bytes. Threads: one owner. Memory: what is written goes to the
//           caller's string; samples point into the caller's text.
// Errors:   a line that is no sample is passed over; what is missing shows as "-".
#ifndef PRL_SERVER_TOP_H
#define PRL_SERVER_TOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum { PRL_TOP_SAMPLES_MAX = 2048 };

struct prl_top_sample {
    const char *name;   // up to a brace or space
    const char *labels; // behind the brace; "" for none
    size_t name_len, labels_len;
    double value;
};

// One look at /metrics. Samples beyond the maximum are passed over.
struct prl_top_look {
    size_t count;
    struct prl_top_sample samples[PRL_TOP_SAMPLES_MAX];
};

void prl_top_read(struct prl_top_look *look, const char *text, size_t len);

// The first sample of this name whose labels hold `label` (e.g. "lane=\"stt\"", "" for any).
bool prl_top_value(const struct prl_top_look *look, const char *name, const char *label,
                   double *value);
// Of a histogram's observations between two looks (`before` NULL: of all so far) the bound that `share` of
// them do not exceed, by a straight line inside a bucket. False: there were none. What lies beyond the
// last bound counts as that bound.
bool prl_top_quantile(const struct prl_top_look *before, const struct prl_top_look *now,
                      const char *name, const char *label, double share, double *seconds);

// The table. `before` NULL: totals so far instead of what happened in `span_s`.
void prl_top_write(struct prl_str *out, const struct prl_top_look *before,
                   const struct prl_top_look *now, double span_s);

#endif
