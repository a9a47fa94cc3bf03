// link.c -- see link.h. A WebSocket client may not be destroyed from its own callbacks, so what is
// dropped is destroyed a turn later.
#include "engine/link.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/tls.h"
#include "net/wsc.h"

enum {
    MESSAGE_MAX = 4 << 20,
    GREETING_MAX = 64 << 10,
    CODE_NORMAL = 1000, // what a server that has waited long enough closes with
    CODE_GOING = 1001,
    CODE_LOST = 1006,
    QUEUE_MAX = 8 << 20, // two minutes of sound in base64 at 24 kHz
    KEY_MAX = 2048,
};

struct prl_link {
    struct prl_links *links; // borrowed
    struct prl_link *next;
    struct prl_wsc *wsc;            // owned
    struct prl_timer *timer;        // owned; the message that is due
    char *url, *bearer;             // owned
    const struct prl_link_ops *ops; // NULL: idle, or dead
    void *arg;
    int32_t connect_ms;
    bool dead;
    bool open;
    bool fresh;                  // nobody has had it
    enum prl_fetch_failure late; // what it is when nothing comes
    uint64_t idle_since;         // order of giving back
    struct prl_str greeting;     // what it was told last
    // Of a loan of a connection that was idle, until something comes.
    bool doubtful;
    struct prl_str said; // struct head and bytes, message by message
};

struct head {
    size_t len;
    bool binary;
};

struct prl_links {
    struct prl_links_conf conf;
    char *ca_file;             // owned
    struct prl_tls_ctx *trust; // owned; NULL until a wss:// needs it
    struct prl_timer *reaper;  // owned
    struct prl_link *first;
    size_t count;
    uint64_t gives;
};

// ---- ends ----

static void free_link(struct prl_link *link)
{
    prl_wsc_destroy(&link->wsc);
    prl_timer_destroy(&link->timer);
    if (link->bearer)
        explicit_bzero(link->bearer, strlen(link->bearer));
    prl_mem_free(link->bearer);
    prl_str_free(&link->greeting);
    prl_str_free(&link->said);
    prl_mem_free(link->url);
    prl_mem_free(link);
}

static void on_reap(void *arg)
{
    struct prl_links *links = arg;
    struct prl_link **at = &links->first;
    while (*at) {
        struct prl_link *link = *at;
        if (!link->dead) {
            at = &link->next;
            continue;
        }
        *at = link->next;
        links->count--;
        free_link(link);
    }
}

static void bury(struct prl_link *link)
{
    link->dead = true;
    link->ops = NULL;
    prl_timer_stop(link->timer);
    prl_timer_start(link->links->reaper, 0);
}

static void fail(struct prl_link *link, enum prl_fetch_failure failure, const char *why)
{
    const struct prl_link_ops *ops = link->ops;
    void *arg = link->arg;
    bury(link);
    if (ops)
        ops->failed(arg, failure, why);
}

static void on_late(void *arg)
{
    struct prl_link *link = arg;
    char why[80];
    snprintf(why, sizeof(why), "no answer in time (%s)", prl_fetch_failure_name(link->late));
    fail(link, link->late, why);
}

// It is known to live, or is too long ago.
static void trust(struct prl_link *link)
{
    link->doubtful = false;
    prl_str_free(&link->said);
}

// ---- what the connection tells ----

static void on_open(void *arg, const char *subprotocol)
{
    struct prl_link *link = arg;
    (void)subprotocol;
    link->open = true;
}

static void on_text(void *arg, const char *data, size_t len)
{
    struct prl_link *link = arg;
    trust(link);
    if (link->ops)
        link->ops->text(link->arg, data, len);
    else if (!link->fresh)
        bury(link); // nobody asked
}

static void on_binary(void *arg, const char *data, size_t len)
{
    struct prl_link *link = arg;
    trust(link);
    if (link->ops)
        link->ops->binary(link->arg, data, len);
    else if (!link->fresh)
        bury(link);
}

static enum prl_err connect_link(struct prl_link *link);

static enum prl_err say_again(struct prl_link *link)
{
    struct head head;
    enum prl_err err = PRL_OK;
    if (link->greeting.len > 0)
        err = prl_wsc_send_text(link->wsc, link->greeting.data, link->greeting.len);
    for (size_t at = 0; at < link->said.len && !err; at += sizeof(head) + head.len) {
        memcpy(&head, link->said.data + at, sizeof(head));
        const char *data = link->said.data + at + sizeof(head);
        err = head.binary ? prl_wsc_send_binary(link->wsc, data, head.len)
                          : prl_wsc_send_text(link->wsc, data, head.len);
    }
    return err;
}

// A connection that its server had closed while it was idle says so only when it is used.
static bool begin_anew(struct prl_link *link, uint16_t code)
{
    if (!link->doubtful || !link->ops ||
        (code != CODE_NORMAL && code != CODE_GOING && code != CODE_LOST))
        return false;
    link->open = link->doubtful = false;
    prl_wsc_destroy(&link->wsc); // allowed in on_close
    enum prl_err err = connect_link(link);
    if (!err)
        err = say_again(link);
    trust(link);
    return !err;
}

static void on_close(void *arg, uint16_t code, const char *reason)
{
    struct prl_link *link = arg;
    char why[160];
    if (link->dead || begin_anew(link, code))
        return;
    if (code == 0 && strncmp(reason, "HTTP ", 5) == 0) {
        snprintf(why, sizeof(why), "%.8s", reason); // its body may repeat the key
        fail(link, PRL_FETCH_STATUS, why);
    } else if (code == 0) {
        snprintf(why, sizeof(why), "%.100s", reason);
        fail(link, PRL_FETCH_CONNECT, why);
    } else {
        snprintf(why, sizeof(why), "the connection ended (%u)", code);
        fail(link, PRL_FETCH_CUT, why);
    }
}

static const struct prl_wsc_ops wsc_ops = {
    .on_open = on_open, .on_text = on_text, .on_close = on_close, .on_binary = on_binary};

// ---- life ----

enum prl_err prl_links_create(struct prl_links **out, const struct prl_links_conf *conf)
{
    PRL_CHECK(out != NULL && conf != NULL && conf->loop != NULL);
    struct prl_links *links = *out = prl_mem_zalloc(sizeof(*links));
    if (!links)
        return PRL_ERR_NOMEM;
    links->conf = *conf;
    links->ca_file = prl_mem_strdup(conf->ca_file);
    links->conf.ca_file = links->ca_file;
    enum prl_err err = conf->ca_file && !links->ca_file ? PRL_ERR_NOMEM : PRL_OK;
    if (!err)
        err = prl_timer_create(&links->reaper, conf->loop, "engine links", on_reap, links);
    if (err)
        prl_links_destroy(out);
    return err;
}

void prl_links_destroy(struct prl_links **links)
{
    PRL_CHECK(links != NULL);
    if (!*links)
        return;
    while ((*links)->first) {
        struct prl_link *link = (*links)->first;
        PRL_CHECK(link->ops == NULL);
        (*links)->first = link->next;
        free_link(link);
    }
    prl_timer_destroy(&(*links)->reaper);
    prl_tls_ctx_destroy(&(*links)->trust);
    prl_mem_free((*links)->ca_file);
    prl_mem_free(*links);
    *links = NULL;
}

size_t prl_links_count(const struct prl_links *links)
{
    size_t count = 0;
    for (const struct prl_link *link = links->first; link; link = link->next)
        count += !link->dead;
    return count;
}

static enum prl_err connect_link(struct prl_link *link)
{
    char value[KEY_MAX + 16];
    struct prl_http_header header = {"Authorization", value};
    if (strlen(link->bearer) >= KEY_MAX)
        return PRL_ERR_INVALID;
    snprintf(value, sizeof(value), "Bearer %s", link->bearer);
    struct prl_wsc_conf conf = {.url = link->url,
                                .headers = &header,
                                .header_count = link->bearer[0] ? 1 : 0,
                                .ca_file = link->links->conf.ca_file,
                                .insecure = link->links->conf.insecure,
                                .trust = &link->links->trust,
                                .message_size_max = MESSAGE_MAX,
                                .queue_size_max = QUEUE_MAX,
                                .connect_timeout_ms = link->connect_ms,
                                .ops = &wsc_ops,
                                .arg = link};
    enum prl_err err = prl_wsc_create(&link->wsc, link->links->conf.loop, &conf);
    explicit_bzero(value, sizeof(value));
    return err;
}

static enum prl_err make_link(struct prl_links *links, const struct prl_link_to *to,
                              struct prl_link **out)
{
    if (links->count >= PRL_LINKS_MAX)
        return PRL_ERR_LIMIT;
    struct prl_link *link = prl_mem_zalloc(sizeof(*link));
    if (!link)
        return PRL_ERR_NOMEM;
    link->links = links;
    link->url = prl_mem_strdup(to->url);
    link->bearer = prl_mem_strdup(to->bearer);
    link->connect_ms = to->connect_ms;
    prl_str_init(&link->greeting, GREETING_MAX);
    prl_str_init(&link->said, PRL_LINK_AGAIN_MAX);
    enum prl_err err = link->url && link->bearer ? PRL_OK : PRL_ERR_NOMEM;
    if (!err)
        err = prl_timer_create(&link->timer, links->conf.loop, "engine link", on_late, link);
    if (!err)
        err = connect_link(link);
    if (err) {
        free_link(link);
        return err;
    }
    link->next = links->first;
    links->first = link;
    links->count++;
    *out = link;
    return PRL_OK;
}

// One to this engine that nobody has.
static struct prl_link *find_idle(const struct prl_links *links, const struct prl_link_to *to)
{
    struct prl_link *link = links->first;
    while (link && (link->dead || link->ops || (!link->open && !link->fresh) ||
                    strcmp(link->url, to->url) != 0 || strcmp(link->bearer, to->bearer) != 0))
        link = link->next;
    return link;
}

enum prl_err prl_link_take(struct prl_links *links, const struct prl_link_to *to,
                           const struct prl_link_ops *ops, void *arg, struct prl_link **out)
{
    PRL_CHECK(links != NULL && to != NULL && ops != NULL && out != NULL);
    struct prl_link *link = find_idle(links, to);
    *out = NULL;
    bool idle = link != NULL;
    enum prl_err err = idle ? PRL_OK : make_link(links, to, &link);
    if (err)
        return err;
    link->doubtful = idle;
    link->ops = ops;
    link->arg = arg;
    link->fresh = false;
    *out = link;
    return PRL_OK;
}

static void note_said(struct prl_link *link, const void *data, size_t len, bool binary)
{
    struct head head = {.len = len, .binary = binary};
    if (!link->doubtful)
        return;
    enum prl_err err = prl_str_add(&link->said, (const char *)&head, sizeof(head));
    if (!err)
        err = prl_str_add(&link->said, data, len);
    if (err)
        trust(link); // too much to say it again
}

// A connection that is closing refuses; its on_close is yet to come and begins anew.
static enum prl_err said(struct prl_link *link, enum prl_err err)
{
    return err == PRL_ERR_CANCELED && link->doubtful ? PRL_OK : err;
}

enum prl_err prl_link_send_text(struct prl_link *link, const char *data, size_t len)
{
    note_said(link, data, len, false);
    return said(link, prl_wsc_send_text(link->wsc, data, len));
}

enum prl_err prl_link_send_binary(struct prl_link *link, const void *data, size_t len)
{
    note_said(link, data, len, true);
    return said(link, prl_wsc_send_binary(link->wsc, data, len));
}

enum prl_err prl_link_greet(struct prl_link *link, const char *data, size_t len)
{
    if (len == link->greeting.len && len > 0 && memcmp(data, link->greeting.data, len) == 0)
        return PRL_OK;
    prl_str_clear(&link->greeting);
    enum prl_err err = prl_str_add(&link->greeting, data, len);
    if (!err)
        err = said(link, prl_wsc_send_text(link->wsc, data, len));
    return err;
}

void prl_link_await(struct prl_link *link, int32_t ms, enum prl_fetch_failure failure)
{
    link->late = failure;
    if (ms > 0)
        prl_timer_start(link->timer, prl_clock_now_us() + ms * INT64_C(1000));
    else
        prl_timer_stop(link->timer);
}

// The idle one that was given back first goes when there are too many.
static void trim_idle(struct prl_links *links)
{
    struct prl_link *oldest = NULL;
    size_t idle = 0;
    for (struct prl_link *link = links->first; link; link = link->next) {
        if (link->dead || link->ops)
            continue;
        idle++;
        if (!oldest || link->idle_since < oldest->idle_since)
            oldest = link;
    }
    if (idle > PRL_LINKS_IDLE_MAX)
        bury(oldest);
}

bool prl_links_warm(struct prl_links *links, const struct prl_link_to *to)
{
    PRL_CHECK(links != NULL && to != NULL);
    struct prl_link *link = find_idle(links, to);
    if (link || make_link(links, to, &link) != PRL_OK)
        return false;
    link->fresh = true;
    link->idle_since = ++links->gives;
    trim_idle(links);
    return true;
}

void prl_link_give(struct prl_link **link)
{
    PRL_CHECK(link != NULL);
    struct prl_link *given = *link;
    *link = NULL;
    if (!given)
        return;
    prl_timer_stop(given->timer);
    trust(given);
    given->ops = NULL;
    given->idle_since = ++given->links->gives;
    trim_idle(given->links);
}

void prl_link_drop(struct prl_link **link)
{
    PRL_CHECK(link != NULL);
    struct prl_link *dropped = *link;
    *link = NULL;
    if (dropped)
        bury(dropped);
}
