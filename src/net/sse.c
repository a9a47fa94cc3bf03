// sse.c -- see sse.h. Lines end with LF, CR LF or CR; a CR at the end of a push waits for its LF.
#include "net/sse.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"

enum { EVENT_SIZE_MAX = 1 << 20, NAME_SIZE_MAX = 256 };

struct prl_sse {
    prl_sse_fn fn;
    void *arg;
    struct prl_str line;
    struct prl_str data;
    struct prl_str event;
    struct prl_str id;
    bool has_data;
    bool skip_lf; // the last byte was CR
    bool started; // past the byte order mark
    enum prl_err dead;
};

enum prl_err prl_sse_create(struct prl_sse **out, size_t event_size_max, prl_sse_fn fn, void *arg)
{
    PRL_CHECK(fn != NULL);
    struct prl_sse *sse = *out = prl_mem_zalloc(sizeof(*sse));
    if (!sse)
        return PRL_ERR_NOMEM;
    size_t limit = event_size_max ? event_size_max : EVENT_SIZE_MAX;
    sse->fn = fn;
    sse->arg = arg;
    prl_str_init(&sse->line, limit);
    prl_str_init(&sse->data, limit);
    prl_str_init(&sse->event, NAME_SIZE_MAX);
    prl_str_init(&sse->id, NAME_SIZE_MAX);
    return PRL_OK;
}

void prl_sse_reset(struct prl_sse *sse)
{
    prl_str_free(&sse->line);
    prl_str_free(&sse->data);
    prl_str_free(&sse->event);
    prl_str_free(&sse->id);
    sse->has_data = sse->skip_lf = sse->started = false;
    sse->dead = PRL_OK;
}

void prl_sse_destroy(struct prl_sse **sse)
{
    if (!*sse)
        return;
    prl_sse_reset(*sse);
    prl_mem_free(*sse);
    *sse = NULL;
}

static void dispatch(struct prl_sse *sse)
{
    if (sse->has_data) {
        struct prl_sse_event event = {.event =
                                          sse->event.len ? prl_str_text(&sse->event) : "message",
                                      .data = prl_str_text(&sse->data),
                                      .data_len = sse->data.len,
                                      .id = prl_str_text(&sse->id)};
        sse->fn(sse->arg, &event);
    }
    prl_str_clear(&sse->data);
    prl_str_clear(&sse->event);
    sse->has_data = false;
}

static bool is_field(const char *line, size_t len, const char *name)
{
    return len == strlen(name) && memcmp(line, name, len) == 0;
}

static enum prl_err set_text(struct prl_str *text, const char *value, size_t len)
{
    prl_str_clear(text);
    return prl_str_add(text, value, len);
}

static enum prl_err take_field(struct prl_sse *sse, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    size_t name_len = colon ? (size_t)(colon - line) : len;
    const char *value = colon ? colon + 1 : line + len;
    size_t value_len = (size_t)(line + len - value);
    if (value_len > 0 && *value == ' ') {
        value++;
        value_len--;
    }
    if (is_field(line, name_len, "data")) {
        enum prl_err err = sse->has_data ? prl_str_addc(&sse->data, '\n') : PRL_OK;
        sse->has_data = true;
        return err ? err : prl_str_add(&sse->data, value, value_len);
    }
    if (is_field(line, name_len, "event"))
        return set_text(&sse->event, value, value_len);
    if (is_field(line, name_len, "id") && !memchr(value, '\0', value_len))
        return set_text(&sse->id, value, value_len);
    return PRL_OK; // "retry", comments, unknown fields
}

static enum prl_err end_line(struct prl_sse *sse)
{
    static const char mark[] = "\xef\xbb\xbf";
    if (!sse->started && sse->line.len >= 3 && memcmp(sse->line.data, mark, 3) == 0)
        prl_str_drop(&sse->line, 3);
    sse->started = true;
    enum prl_err err = PRL_OK;
    if (sse->line.len == 0)
        dispatch(sse);
    else
        err = take_field(sse, sse->line.data, sse->line.len);
    prl_str_clear(&sse->line);
    return err;
}

enum prl_err prl_sse_push(struct prl_sse *sse, const char *data, size_t len)
{
    size_t at = 0;
    while (at < len && !sse->dead) {
        if (sse->skip_lf && data[at] == '\n') {
            sse->skip_lf = false;
            at++;
            continue;
        }
        sse->skip_lf = false;
        size_t count = 0;
        while (at + count < len && data[at + count] != '\n' && data[at + count] != '\r')
            count++;
        sse->dead = prl_str_add(&sse->line, data + at, count);
        at += count;
        if (sse->dead || at == len)
            break;
        sse->skip_lf = data[at++] == '\r';
        sse->dead = end_line(sse);
    }
    return sse->dead;
}
