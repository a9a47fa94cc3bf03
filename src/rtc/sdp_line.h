// sdp_line.h -- lines and words of a session description, for sdp.c and sdp_media.c only.
//
// Threads:  pure functions.
// Memory:   no allocation; a slice points into the description.
// Errors:   a failure is written once into `why`, with its line; INVALID.
// Source:   RFC 8866 §5.
#ifndef PRL_RTC_SDP_LINE_H
#define PRL_RTC_SDP_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct prl_sdp_slice {
    const char *at;
    size_t len;
};

// Lines that end in LF or CRLF, the last one perhaps in nothing; empty ones are skipped.
struct prl_sdp_lines {
    const char *at;
    const char *end;
    unsigned number;           // of the line that was read last, from 1
    struct prl_sdp_slice line; // the same, without its end
};

enum prl_err prl_sdp_wrong(char *why, unsigned number, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// False at the end.
bool prl_sdp_next(struct prl_sdp_lines *lines);
// "a=name:value": the value without spaces around it. False: another line.
bool prl_sdp_attribute(struct prl_sdp_slice line, const char *name, struct prl_sdp_slice *value);
// "a=name".
bool prl_sdp_flag(struct prl_sdp_slice line, const char *name);
// Cuts the next word off at spaces; false when there is none.
bool prl_sdp_word(struct prl_sdp_slice *rest, struct prl_sdp_slice *word);
// Cuts up to `mark`, or all.
struct prl_sdp_slice prl_sdp_until(struct prl_sdp_slice *rest, char mark);
bool prl_sdp_is(struct prl_sdp_slice slice, const char *text);       // without regard to case
bool prl_sdp_is_exact(struct prl_sdp_slice slice, const char *text); // with
// Decimal digits only, and not above `max`.
bool prl_sdp_number(struct prl_sdp_slice slice, uint64_t max, uint64_t *value);
// Copies visible ASCII (0x21..0x7e) with a zero; false when it is empty, does not fit or holds
// others.
bool prl_sdp_copy(struct prl_sdp_slice slice, char *out, size_t size);

#endif
