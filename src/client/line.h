// line.h -- one conversation of the load client, over whatever transport: what it is told and tells.
//
// A transport is one file with one const table (ws_line.c, rtc_line.c).
// Units:    microseconds of prl_clock_now_us.
// Threads:  the loop thread. Memory: the line owns its talker and its connection.
// Errors:   what goes wrong is in the result; `done` comes once in any case, unless the line is
//           destroyed before.
#ifndef PRL_CLIENT_LINE_H
#define PRL_CLIENT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "client/talker.h"

struct prl_loop;
struct prl_line_group; // what the lines of one load share; the transport's

enum { PRL_LINE_WHY_SIZE = 200 };

enum prl_line_outcome {
    PRL_LINE_OPEN,     // not over yet
    PRL_LINE_FINISHED, // all turns were said
    PRL_LINE_REFUSED,  // HTTP 429
    PRL_LINE_BROKEN,   // anything else; `why` says what
};

struct prl_line_result {
    enum prl_line_outcome outcome;
    char why[PRL_LINE_WHY_SIZE];
    int64_t connect_us; // create -> connected, or refused
    uint32_t errors;    // error events, responses that failed or were cancelled
    struct prl_talker_result talk;
    // Only with packets.
    uint64_t packets;         // of the answers
    uint64_t lost;            // sequence numbers that never came
    const int32_t *pacing_us; // of each packet but the first of a spurt: how much later than its
    size_t pacing_count;      // timestamp says, the spurt's earliest packet being on time
};

struct prl_line_conf {
    struct prl_line_group *group;
    struct prl_talker_conf talker;
    bool semantic; // turns by semantic_vad instead of server_vad
    // Connected: the talker speaks from now on. Then, once, the end. Neither may destroy the line.
    void (*opened)(void *arg);
    void (*done)(void *arg);
    void *arg;
};

struct prl_line_group_conf {
    struct prl_loop *loop;
    const char *url;   // http://host:port
    const char *key;   // or NULL
    uint32_t chunk_ms; // of sound in one message of a WebSocket
};

struct prl_line_ops {
    const char *name; // "websocket"
    enum prl_err (*open_group)(struct prl_line_group **out, const struct prl_line_group_conf *conf);
    void (*close_group)(struct prl_line_group **group); // after its last line
    // `*out` belongs to the caller.
    enum prl_err (*create)(void **out, const struct prl_line_conf *conf);
    void (*destroy)(void **line); // at once, without `done`
    // Hangs up; `done` follows.
    void (*end)(void *line);
    void (*result)(const void *line, struct prl_line_result *result); // valid as long as the line
};

extern const struct prl_line_ops prl_ws_line;
extern const struct prl_line_ops prl_rtc_line;

#endif
