// stop.c -- see stop.h. What is held is always the longest end of the answer that begins one of the
// texts; it is shorter than the longest of them.
#include "llm/stop.h"

#include <string.h>

#include "base/check.h"

enum { OUT_MAX = 1 << 20 };

void prl_stop_init(struct prl_stop *stop, const char *const *texts, size_t count)
{
    PRL_CHECK(stop != NULL && count <= PRL_LLM_STOPS_MAX);
    *stop = (struct prl_stop){.texts = texts, .count = count};
    prl_str_init(&stop->out, OUT_MAX);
}

void prl_stop_free(struct prl_stop *stop)
{
    prl_str_free(&stop->out);
}

// Does one of the texts end where the held bytes end? Then only what is before it counts.
static bool find_text(struct prl_stop *stop)
{
    for (size_t i = 0; i < stop->count; i++) {
        size_t len = strlen(stop->texts[i]);
        if (len > stop->held_len ||
            memcmp(stop->held + stop->held_len - len, stop->texts[i], len) != 0)
            continue;
        stop->held_len -= len;
        return true;
    }
    return false;
}

// Do the held bytes from `at` on begin one of the texts?
static bool begins_text(const struct prl_stop *stop, size_t at)
{
    for (size_t i = 0; i < stop->count; i++)
        if (strncmp(stop->texts[i], stop->held + at, stop->held_len - at) == 0)
            return true;
    return false;
}

static enum prl_err take_byte(struct prl_stop *stop, char byte)
{
    stop->held[stop->held_len++] = byte; // shorter than the longest text: there is room
    stop->hit = find_text(stop);
    size_t out = stop->hit ? stop->held_len : 0;
    while (!stop->hit && out < stop->held_len && !begins_text(stop, out))
        out++;
    enum prl_err err = prl_str_add(&stop->out, stop->held, out);
    stop->held_len -= out;
    memmove(stop->held, stop->held + out, stop->held_len);
    return err;
}

enum prl_err prl_stop_push(struct prl_stop *stop, const char *text, size_t len, prl_stop_fn fn,
                           void *arg)
{
    enum prl_err err = PRL_OK;
    if (stop->count == 0 && len > 0)
        fn(arg, text, len);
    if (stop->count == 0)
        return PRL_OK;
    prl_str_clear(&stop->out);
    for (size_t i = 0; i < len && !stop->hit && !err; i++)
        err = take_byte(stop, text[i]);
    if (!err && stop->out.len > 0)
        fn(arg, prl_str_text(&stop->out), stop->out.len);
    return err;
}

void prl_stop_end(struct prl_stop *stop, prl_stop_fn fn, void *arg)
{
    if (stop->held_len > 0 && !stop->hit)
        fn(arg, stop->held, stop->held_len);
    stop->held_len = 0;
}
