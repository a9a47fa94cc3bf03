// log.h -- one line per event to stderr, written by a thread of its own.
//
// Threads:  any. A line is formatted by the caller and queued; when 1,024 lines wait, further ones
//           are dropped and counted, so a slow terminal never stalls a loop.
// Memory:   one heap block a line, freed by the writer. Before prl_log_start and after
//           prl_log_stop lines are written directly.
// Form:     2026-11-22T14:03:09.123Z warn  net: message (text) or one JSON object a line.
//           Secrets and transcripts are never passed in; callers see to that.
#ifndef PRL_BASE_LOG_H
#define PRL_BASE_LOG_H

#include <stdbool.h>

#include "base/err.h"

enum prl_log_level { PRL_LOG_ERROR, PRL_LOG_WARN, PRL_LOG_INFO, PRL_LOG_DEBUG, PRL_LOG_COUNT };

// `where` is the folder's name, e.g. "net". Lines longer than 2,000 bytes are cut.
void prl_log(enum prl_log_level level, const char *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void prl_log_set_level(enum prl_log_level level);
void prl_log_set_json(bool json);
// Names are error, warn, info, debug.
bool prl_log_level_parse(const char *name, enum prl_log_level *level);

enum prl_err prl_log_start(void) PRL_MUST_USE;
// Writes what is queued and joins the thread.
void prl_log_stop(void);

#endif
