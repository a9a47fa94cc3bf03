// fetch.c -- see fetch.h. libcurl may not be re-entered from its own callbacks, and ours reach the
// owner, who may start and cancel as he likes. So while libcurl is on the stack (in_curl), a start
// only queues and a cancel only marks; settle() does both as soon as libcurl has returned.
#include "net/fetch.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/url.h"

enum {
    IDLE_MAX = 64,
    HEADERS_MAX = 16,
    HEADER_SIZE_MAX = 4096,
    ERROR_BODY_MAX = 2048,
    SAID_MAX = 160, // of an error's body, in its sentence
    CONNECT_MS = 2000,
    FIRST_BYTE_MS = 4000,
    GAP_MS = 4000,
    TOTAL_MS = 120000,
    RETRY_AFTER_S_MAX = 600,
    GRACE_US = 1000,
};
static const size_t body_max_default = (size_t)64 << 20;

struct prl_fetch_request {
    struct prl_fetch *fetch; // borrowed
    struct prl_fetch_request *next, *previous;
    // Set once.
    const struct prl_fetch_ops *ops;
    void *arg;
    struct prl_fetch_limits limits;
    char host[300]; // with the port, for sentences
    // Owned.
    CURL *easy;
    struct curl_slist *headers;
    void *body;
    char *bearer; // kept to be blotted out of what the server says
    struct prl_timer *timer;
    struct prl_str error_body;
    // State.
    bool added;   // libcurl has it
    bool waiting; // to be added by settle
    bool dead;    // cancelled while libcurl was on the stack
    bool head_told;
    bool again;       // tried a second time, on a connection of its own
    bool grace;       // its time is over; one more turn, so that what has arrived is read first
    unsigned status;  // of the answer, once the body begins
    size_t size;      // bytes of the body so far
    int64_t start_us; // of the request
    int64_t last_us;  // of the latest progress
    enum prl_fetch_failure failure;
    char error[CURL_ERROR_SIZE];
};

// What libcurl keeps for one of its descriptors.
struct socket {
    struct prl_fetch *fetch;
    int fd;
    struct prl_watch *watch;
};

struct prl_fetch {
    // Set once.
    struct prl_loop *loop;
    char *ca_file;
    bool insecure;
    // Owned.
    CURLM *multi;
    CURLSH *share;
    struct prl_timer *timer;
    struct prl_fetch_request *first;
    // State.
    unsigned in_curl;
    bool unsettled;
    struct prl_fetch_stats stats;
};

const char *prl_fetch_failure_name(enum prl_fetch_failure failure)
{
    static const char *const names[PRL_FETCH_FAILURES] = {
        "ok", "connect", "first_byte", "gap", "total", "status", "cut", "size", "memory"};
    PRL_CHECK(failure < PRL_FETCH_FAILURES);
    return names[failure];
}

enum prl_err prl_fetch_failure_err(enum prl_fetch_failure failure)
{
    bool late =
        failure == PRL_FETCH_FIRST_BYTE || failure == PRL_FETCH_GAP || failure == PRL_FETCH_TOTAL;
    return failure == PRL_FETCH_OK ? PRL_OK : late ? PRL_ERR_TIMEOUT : PRL_ERR_REMOTE;
}

// ---- a request's life ----

static void link_request(struct prl_fetch *fetch, struct prl_fetch_request *request)
{
    request->next = fetch->first;
    if (fetch->first)
        fetch->first->previous = request;
    fetch->first = request;
    fetch->stats.requests++;
}

static void unlink_request(struct prl_fetch_request *request)
{
    struct prl_fetch *fetch = request->fetch;
    if (request->next)
        request->next->previous = request->previous;
    if (request->previous)
        request->previous->next = request->next;
    else
        fetch->first = request->next;
    fetch->stats.requests--;
}

// Takes it from libcurl, which closes its connection or stream unless the answer is complete.
static void free_request(struct prl_fetch_request *request)
{
    struct prl_fetch *fetch = request->fetch;
    PRL_CHECK(fetch->in_curl == 0);
    unlink_request(request);
    if (request->added) {
        fetch->in_curl++; // it may tell us about sockets
        curl_multi_remove_handle(fetch->multi, request->easy);
        fetch->in_curl--;
    }
    curl_easy_cleanup(request->easy);
    curl_slist_free_all(request->headers);
    prl_timer_destroy(&request->timer);
    prl_str_free(&request->error_body);
    if (request->bearer)
        explicit_bzero(request->bearer, strlen(request->bearer));
    prl_mem_free(request->bearer);
    prl_mem_free(request->body);
    prl_mem_free(request);
}

// One line out of what a server said: no control bytes, not our key.
static void add_said(struct prl_str *why, const struct prl_fetch_request *request)
{
    char said[SAID_MAX + 1];
    const char *text = prl_str_text(&request->error_body);
    if (request->status == 401 || request->status == 403 ||
        (request->bearer && strstr(text, request->bearer)))
        text = ""; // such answers like to quote the key
    (void)prl_str_copy(said, sizeof(said), text);
    for (char *at = said; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = ' ';
    if (said[0])
        (void)prl_str_addf(why, ": %s", said);
}

static void write_why(const struct prl_fetch_request *request, struct prl_str *why)
{
    const struct prl_fetch_limits *limits = &request->limits;
    (void)prl_str_addf(why, "%.200s: ", request->host);
    switch (request->failure) {
    case PRL_FETCH_OK:
    case PRL_FETCH_FAILURES:
        prl_str_clear(why);
        break;
    case PRL_FETCH_CONNECT:
    case PRL_FETCH_CUT:
        (void)prl_str_addf(why, "%.150s", request->error);
        break;
    case PRL_FETCH_FIRST_BYTE:
        (void)prl_str_addf(why, "nothing came within %d ms", (int)limits->first_byte_ms);
        break;
    case PRL_FETCH_GAP:
        (void)prl_str_addf(why, "the answer stopped for %d ms", (int)limits->gap_ms);
        break;
    case PRL_FETCH_TOTAL:
        (void)prl_str_addf(why, "the answer took longer than %d ms", (int)limits->total_ms);
        break;
    case PRL_FETCH_STATUS:
        (void)prl_str_addf(why, "HTTP %u", request->status);
        add_said(why, request);
        break;
    case PRL_FETCH_SIZE:
        (void)prl_str_addf(why, "the answer is larger than %zu bytes", limits->body_max);
        break;
    case PRL_FETCH_MEMORY:
        (void)prl_str_adds(why, "out of memory");
        break;
    }
}

// Frees the request and tells its owner. Not while libcurl is on the stack.
static void finish(struct prl_fetch_request *request)
{
    curl_off_t retry_s = 0;
    curl_easy_getinfo(request->easy, CURLINFO_RETRY_AFTER, &retry_s);
    struct prl_str why;
    prl_str_init(&why, PRL_FETCH_WHY_SIZE);
    write_why(request, &why);
    struct prl_str body = request->error_body;
    request->error_body = (struct prl_str){0};
    struct prl_fetch_end end = {
        .failure = request->failure,
        .status = request->status,
        .retry_after_ms = retry_s > 0 && retry_s <= RETRY_AFTER_S_MAX ? (int32_t)retry_s * 1000 : 0,
        .why = prl_str_text(&why),
        .body = prl_str_text(&body)};
    const struct prl_fetch_ops *ops = request->ops;
    void *arg = request->arg;
    free_request(request);
    ops->on_end(arg, &end);
    prl_str_free(&why);
    prl_str_free(&body);
}

static enum prl_fetch_failure failure_of(const struct prl_fetch_request *request, CURLcode code)
{
    if (request->failure)
        return request->failure;
    if (code == CURLE_OK)
        return request->status / 100 == 2 ? PRL_FETCH_OK : PRL_FETCH_STATUS;
    if (code == CURLE_OUT_OF_MEMORY)
        return PRL_FETCH_MEMORY;
    curl_off_t stood_us = 0; // 0 until there was a connection, TLS included
    curl_easy_getinfo(request->easy, CURLINFO_PRETRANSFER_TIME_T, &stood_us);
    return stood_us == 0 ? PRL_FETCH_CONNECT : PRL_FETCH_CUT;
}

static void tell_head(struct prl_fetch_request *request)
{
    const char *type = NULL;
    request->head_told = true;
    curl_easy_getinfo(request->easy, CURLINFO_CONTENT_TYPE, &type);
    if (request->status / 100 == 2 && request->ops->on_head)
        request->ops->on_head(request->arg, request->status, type ? type : "");
}

static void read_status(struct prl_fetch_request *request)
{
    long status = 0;
    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    request->status = (unsigned)status;
}

// A server that said more than the length it had announced spoils the next answer on the same connection:
// what comes first is no HTTP. That request is asked once more on a new one.
static bool ask_again(struct prl_fetch_request *request, CURLcode code)
{
    long connects = 1;
    curl_easy_getinfo(request->easy, CURLINFO_NUM_CONNECTS, &connects);
    bool nonsense = code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_WEIRD_SERVER_REPLY;
    if (!nonsense || connects != 0 || request->again || request->failure || request->size > 0)
        return false;
    request->again = true;
    request->error[0] = '\0';
    request->fetch->in_curl++; // it may tell us about sockets
    curl_multi_remove_handle(request->fetch->multi, request->easy);
    request->fetch->in_curl--;
    curl_easy_setopt(request->easy, CURLOPT_FRESH_CONNECT, 1L);
    request->added = false;
    request->waiting = true;
    request->fetch->unsettled = true;
    return true;
}

// Requests that libcurl has done with.
static void drain(struct prl_fetch *fetch)
{
    CURLMsg *msg;
    int left;
    while ((msg = curl_multi_info_read(fetch->multi, &left))) {
        struct prl_fetch_request *request = NULL;
        if (msg->msg != CURLMSG_DONE)
            continue;
        CURLcode code = msg->data.result;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&request);
        PRL_CHECK(request != NULL);
        if (request->dead) {
            free_request(request);
            continue;
        }
        if (ask_again(request, code))
            continue;
        read_status(request);
        request->failure = failure_of(request, code);
        if (!request->error[0])
            snprintf(request->error, sizeof(request->error), "%s", curl_easy_strerror(code));
        finish(request);
    }
}

static void settle(struct prl_fetch *fetch)
{
    if (fetch->in_curl > 0)
        return;
    do {
        fetch->unsettled = false;
        struct prl_fetch_request *next;
        for (struct prl_fetch_request *at = fetch->first; at; at = next) {
            next = at->next;
            if (at->dead) {
                free_request(at);
            } else if (at->waiting) {
                at->waiting = false;
                fetch->in_curl++;
                at->added = curl_multi_add_handle(fetch->multi, at->easy) == CURLM_OK;
                fetch->in_curl--;
            }
        }
        if (!fetch->unsettled)
            drain(fetch);
    } while (fetch->unsettled);
}

// ---- libcurl's callbacks ----

static int64_t deadline_of(const struct prl_fetch_request *request, enum prl_fetch_failure *failure)
{
    const struct prl_fetch_limits *limits = &request->limits;
    int64_t total_us = request->start_us + (int64_t)limits->total_ms * 1000;
    bool begun = request->size > 0;
    int64_t wait_us = begun ? request->last_us + (int64_t)limits->gap_ms * 1000
                            : request->start_us + (int64_t)limits->first_byte_ms * 1000;
    *failure = total_us < wait_us ? PRL_FETCH_TOTAL : begun ? PRL_FETCH_GAP : PRL_FETCH_FIRST_BYTE;
    return total_us < wait_us ? total_us : wait_us;
}

// A request is given up before its end. libcurl (7.88) queues the reset of an HTTP/2 stream until the
// connection is used for something else, which may be never: one that nobody else uses is closed instead.
static void give_up(const struct prl_fetch_request *request)
{
    curl_easy_setopt(request->easy, CURLOPT_FORBID_REUSE, 1L);
}

static size_t take_bytes(struct prl_fetch_request *request, const char *data, size_t len)
{
    if (request->dead)
        return 0;
    if (!request->head_told) {
        read_status(request);
        tell_head(request);
    }
    request->last_us = prl_loop_now_us(request->fetch->loop);
    request->grace = false;
    request->size += len;
    if (request->dead || len == 0)
        return request->dead ? 0 : len;
    if (request->size == len) { // from now on another limit counts, which may be nearer
        enum prl_fetch_failure failure;
        prl_timer_start(request->timer, deadline_of(request, &failure));
    }
    if (request->status / 100 != 2) {
        size_t room = ERROR_BODY_MAX - request->error_body.len;
        (void)prl_str_add(&request->error_body, data, len < room ? len : room);
        if (request->size > ERROR_BODY_MAX)
            request->failure = PRL_FETCH_STATUS; // enough of it
        return request->failure ? 0 : len;
    }
    if (request->size > request->limits.body_max) {
        request->failure = PRL_FETCH_SIZE;
        return 0;
    }
    request->ops->on_data(request->arg, data, len);
    return request->dead ? 0 : len;
}

static size_t on_write(char *data, size_t one, size_t count, void *arg)
{
    struct prl_fetch_request *request = arg;
    size_t taken = take_bytes(request, data, one * count);
    if (taken < one * count)
        give_up(request);
    return taken;
}

static void run_curl(struct prl_fetch *fetch, curl_socket_t fd, int bits)
{
    int running;
    fetch->in_curl++;
    curl_multi_socket_action(fetch->multi, fd, bits, &running);
    fetch->in_curl--;
    settle(fetch);
}

static void on_watch(void *arg, unsigned events)
{
    struct socket *socket = arg;
    int bits = (events & PRL_WATCH_READ ? CURL_CSELECT_IN : 0) |
               (events & PRL_WATCH_WRITE ? CURL_CSELECT_OUT : 0) |
               (events & PRL_WATCH_ERROR ? CURL_CSELECT_ERR : 0);
    run_curl(socket->fetch, socket->fd, bits);
}

static void forget_socket(struct prl_fetch *fetch, struct socket *socket)
{
    if (!socket)
        return;
    curl_multi_assign(fetch->multi, socket->fd, NULL);
    prl_watch_destroy(&socket->watch);
    prl_mem_free(socket);
}

// A descriptor that cannot be watched (no memory, too many) is left alone: the request's limits end
// it. An error returned here would make libcurl fail every request.
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    struct prl_fetch *fetch = arg;
    struct socket *socket = known;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        forget_socket(fetch, socket);
        return 0;
    }
    if (!socket) {
        socket = prl_mem_zalloc(sizeof(*socket));
        if (!socket)
            return 0;
        *socket = (struct socket){.fetch = fetch, .fd = fd};
        if (prl_watch_create(&socket->watch, fetch->loop, fd, "fetch", on_watch, socket) !=
            PRL_OK) {
            prl_mem_free(socket);
            return 0;
        }
        fetch->stats.connections++;
        curl_multi_assign(fetch->multi, fd, socket);
    }
    unsigned events =
        (what & CURL_POLL_IN ? PRL_WATCH_READ : 0) | (what & CURL_POLL_OUT ? PRL_WATCH_WRITE : 0);
    enum prl_err err = prl_watch_set(socket->watch, events);
    (void)err;
    return 0;
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct prl_fetch *fetch = arg;
    (void)multi;
    if (timeout_ms < 0)
        prl_timer_stop(fetch->timer);
    else
        prl_timer_start(fetch->timer, prl_loop_now_us(fetch->loop) + timeout_ms * 1000);
    return 0;
}

static void on_timer(void *arg)
{
    run_curl(arg, CURL_SOCKET_TIMEOUT, 0);
}

// ---- limits ----

static void on_deadline(void *arg)
{
    struct prl_fetch_request *request = arg;
    struct prl_fetch *fetch = request->fetch;
    enum prl_fetch_failure failure;
    int64_t now_us = prl_loop_now_us(fetch->loop);
    int64_t deadline_us = deadline_of(request, &failure);
    if (now_us < deadline_us) {
        prl_timer_start(request->timer, deadline_us);
    } else if (!request->grace) {
        request->grace = true;
        prl_timer_start(request->timer, now_us + GRACE_US);
    } else {
        request->failure = failure;
        read_status(request);
        give_up(request);
        finish(request);
        settle(fetch);
    }
}

// ---- public ----

enum prl_err prl_fetch_create(struct prl_fetch **out, struct prl_loop *loop,
                              const struct prl_fetch_conf *conf)
{
    PRL_CHECK(out != NULL && loop != NULL);
    *out = NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return PRL_ERR_NOMEM;
    struct prl_fetch *fetch = prl_mem_zalloc(sizeof(*fetch));
    if (!fetch) {
        curl_global_cleanup();
        return PRL_ERR_NOMEM;
    }
    fetch->loop = loop;
    fetch->insecure = conf && conf->insecure;
    enum prl_err err = prl_timer_create(&fetch->timer, loop, "fetch", on_timer, fetch);
    if (!err && conf && conf->ca_file && conf->ca_file[0]) {
        fetch->ca_file = prl_mem_strdup(conf->ca_file);
        err = fetch->ca_file ? PRL_OK : PRL_ERR_NOMEM;
    }
    fetch->multi = curl_multi_init();
    fetch->share = curl_share_init();
    if (!err && (!fetch->multi || !fetch->share))
        err = PRL_ERR_NOMEM;
    if (err) {
        prl_fetch_destroy(&fetch);
        return err;
    }
    curl_multi_setopt(fetch->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(fetch->multi, CURLMOPT_SOCKETDATA, fetch);
    curl_multi_setopt(fetch->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(fetch->multi, CURLMOPT_TIMERDATA, fetch);
    curl_multi_setopt(fetch->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    curl_multi_setopt(fetch->multi, CURLMOPT_MAXCONNECTS,
                      (long)(conf && conf->idle_max ? conf->idle_max : IDLE_MAX));
    curl_share_setopt(fetch->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    *out = fetch;
    return PRL_OK;
}

void prl_fetch_destroy(struct prl_fetch **fetch)
{
    PRL_CHECK(fetch != NULL);
    struct prl_fetch *gone = *fetch;
    if (!gone)
        return;
    PRL_CHECK(gone->in_curl == 0);
    while (gone->first)
        free_request(gone->first);
    curl_multi_cleanup(gone->multi);
    curl_share_cleanup(gone->share);
    prl_timer_destroy(&gone->timer);
    prl_mem_free(gone->ca_file);
    prl_mem_free(gone);
    curl_global_cleanup();
    *fetch = NULL;
}

static enum prl_err add_header(struct prl_fetch_request *request, const char *name,
                               const char *value)
{
    char line[HEADER_SIZE_MAX];
    if (strpbrk(name, "\r\n:") || strpbrk(value, "\r\n"))
        return PRL_ERR_INVALID;
    int len = snprintf(line, sizeof(line), "%s: %s", name, value);
    if (len < 0 || len >= (int)sizeof(line))
        return PRL_ERR_INVALID;
    struct curl_slist *more = curl_slist_append(request->headers, line);
    explicit_bzero(line, (size_t)len);
    if (!more)
        return PRL_ERR_NOMEM;
    request->headers = more;
    return PRL_OK;
}

static enum prl_err add_headers(struct prl_fetch_request *request, const struct prl_fetch_ask *ask)
{
    if (ask->header_count > HEADERS_MAX)
        return PRL_ERR_INVALID;
    // No waiting for "100 Continue": a refusal is rare, a round trip is not.
    struct curl_slist *more = curl_slist_append(NULL, "Expect:");
    if (!more)
        return PRL_ERR_NOMEM;
    request->headers = more;
    enum prl_err err = PRL_OK;
    for (size_t i = 0; i < ask->header_count && !err; i++)
        err = add_header(request, ask->headers[i].name, ask->headers[i].value);
    if (!err && ask->content_type)
        err = add_header(request, "Content-Type", ask->content_type);
    if (err || !ask->bearer || !ask->bearer[0])
        return err;
    char value[HEADER_SIZE_MAX];
    request->bearer = prl_mem_strdup(ask->bearer);
    if (!request->bearer)
        return PRL_ERR_NOMEM;
    int len = snprintf(value, sizeof(value), "Bearer %s", ask->bearer);
    err = len > 0 && len < (int)sizeof(value) ? add_header(request, "Authorization", value)
                                              : PRL_ERR_INVALID;
    explicit_bzero(value, sizeof(value));
    return err;
}

static void set_transport(struct prl_fetch_request *request)
{
    CURL *easy = request->easy;
    const struct prl_fetch *fetch = request->fetch;
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_SHARE, fetch->share);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->limits.connect_ms);
    curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "parley");
    if (fetch->ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, fetch->ca_file);
    if (fetch->insecure) {
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

static enum prl_err set_ask(struct prl_fetch_request *request, const struct prl_fetch_ask *ask)
{
    CURL *easy = request->easy;
    set_transport(request);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->error);
    if (curl_easy_setopt(easy, CURLOPT_URL, ask->url) != CURLE_OK)
        return PRL_ERR_NOMEM;
    if (ask->body_size > 0) {
        request->body = prl_mem_dup(ask->body, ask->body_size);
        if (!request->body)
            return PRL_ERR_NOMEM;
    }
    if (strcmp(ask->method, "POST") == 0) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)ask->body_size);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body ? request->body : "");
    }
    enum prl_err err = add_headers(request, ask);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request->headers);
    return err;
}

static int32_t or_default(int32_t value, int32_t fallback)
{
    return value > 0 ? value : fallback;
}

static void set_limits(struct prl_fetch_request *request, const struct prl_fetch_limits *limits)
{
    request->limits = (struct prl_fetch_limits){
        .connect_ms = or_default(limits->connect_ms, CONNECT_MS),
        .first_byte_ms = or_default(limits->first_byte_ms, FIRST_BYTE_MS),
        .gap_ms = or_default(limits->gap_ms, GAP_MS),
        .total_ms = or_default(limits->total_ms, TOTAL_MS),
        .body_max = limits->body_max ? limits->body_max : body_max_default};
}

static enum prl_err prepare(struct prl_fetch_request *request, const struct prl_fetch_ask *ask,
                            const struct prl_url *url)
{
    const char *colon = strchr(url->host, ':') ? "]" : "";
    snprintf(request->host, sizeof(request->host), "%s%s%s:%u", colon[0] ? "[" : "", url->host,
             colon, url->port);
    request->ops = ask->ops;
    request->arg = ask->arg;
    request->start_us = prl_loop_now_us(request->fetch->loop);
    set_limits(request, &ask->limits);
    prl_str_init(&request->error_body, ERROR_BODY_MAX);
    enum prl_err err = prl_timer_create(&request->timer, request->fetch->loop, "fetch limit",
                                        on_deadline, request);
    if (err)
        return err;
    request->easy = curl_easy_init();
    return request->easy ? set_ask(request, ask) : PRL_ERR_NOMEM;
}

enum prl_err prl_fetch_start(struct prl_fetch *fetch, const struct prl_fetch_ask *ask,
                             struct prl_fetch_request **out)
{
    PRL_CHECK(fetch != NULL && ask != NULL && ask->ops != NULL && out != NULL);
    PRL_CHECK(ask->ops->on_data != NULL && ask->ops->on_end != NULL);
    prl_loop_check(fetch->loop);
    *out = NULL;
    struct prl_url url;
    if (!prl_url_parse(ask->url, &url) || (ask->url[0] | 0x20) != 'h')
        return PRL_ERR_INVALID;
    if (fetch->stats.requests >= PRL_FETCH_REQUESTS_MAX)
        return PRL_ERR_LIMIT;
    struct prl_fetch_request *request = prl_mem_zalloc(sizeof(*request));
    if (!request)
        return PRL_ERR_NOMEM;
    request->fetch = fetch;
    enum prl_err err = prepare(request, ask, &url);
    link_request(fetch, request);
    if (!err && fetch->in_curl > 0) {
        request->waiting = fetch->unsettled = true;
    } else if (!err) {
        fetch->in_curl++;
        request->added = curl_multi_add_handle(fetch->multi, request->easy) == CURLM_OK;
        fetch->in_curl--;
        err = request->added ? PRL_OK : PRL_ERR_NOMEM;
    }
    if (err && fetch->in_curl > 0) {
        request->dead = fetch->unsettled = true;
    } else if (err) {
        free_request(request);
    } else {
        enum prl_fetch_failure failure;
        prl_timer_start(request->timer, deadline_of(request, &failure));
        fetch->stats.started++;
        *out = request;
    }
    return err;
}

void prl_fetch_cancel(struct prl_fetch_request **request)
{
    PRL_CHECK(request != NULL);
    struct prl_fetch_request *gone = *request;
    *request = NULL;
    if (!gone)
        return;
    struct prl_fetch *fetch = gone->fetch;
    prl_loop_check(fetch->loop);
    give_up(gone);
    if (fetch->in_curl > 0)
        gone->dead = fetch->unsettled = true;
    else
        free_request(gone);
}

void prl_fetch_stats(const struct prl_fetch *fetch, struct prl_fetch_stats *stats)
{
    *stats = fetch->stats;
}
