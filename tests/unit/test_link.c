// test_link.c -- connections to engines: lent, given back, reused, late, refused, cut, too many.
#include "engine/link.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tests/unit.h"
#include "tests/unit/ws_fake.h"

#define TO(to_url, key)                                                                            \
    (&(struct prl_link_to){.url = (to_url), .bearer = (key), .connect_ms = 100000})

struct bench {
    struct prl_loop *loop;
    struct ws_fake server;
    struct prl_links *links;
    struct prl_link *link;
    int texts, binaries, failed;
    enum prl_fetch_failure failure;
    char why[160], url[64];
    bool drop_in_text;
};

static void on_text(void *arg, const char *data, size_t len)
{
    struct bench *bench = arg;
    EXPECT_INT(len, strlen(data));
    bench->texts++;
    if (bench->drop_in_text)
        prl_link_drop(&bench->link);
}

static void on_binary(void *arg, const char *data, size_t len)
{
    struct bench *bench = arg;
    (void)data;
    (void)len;
    bench->binaries++;
}

static void on_failed(void *arg, enum prl_fetch_failure failure, const char *why)
{
    struct bench *bench = arg;
    bench->link = NULL;
    bench->failed++;
    bench->failure = failure;
    snprintf(bench->why, sizeof(bench->why), "%s", why);
}

static const struct prl_link_ops ops = {on_text, on_binary, on_failed};

static void echo(struct ws_fake *fake, struct prl_ws *ws, const char *text, size_t len)
{
    enum prl_err err = PRL_OK;
    if (text && strcmp(text, "twice") == 0)
        err = prl_ws_send_text(ws, text, len);
    if (text && strcmp(text, "leave") == 0)
        prl_ws_abort(ws);
    else if (text && strcmp(text, "hush") != 0)
        err = err ? err : prl_ws_send_text(ws, text, len);
    else if (!text)
        err = prl_ws_send_binary(ws, prl_str_text(&fake->message), len);
    if (err)
        prl_ws_abort(ws);
}

static enum prl_err open_bench(struct bench *bench)
{
    *bench = (struct bench){.server = {.fn = echo}};
    enum prl_err err = prl_loop_create(&bench->loop, NULL);
    if (!err)
        err = ws_fake_open(&bench->server, bench->loop);
    snprintf(bench->url, sizeof(bench->url), "ws://127.0.0.1:%u/ear", bench->server.port);
    struct prl_links_conf conf = {.loop = bench->loop};
    return err ? err : prl_links_create(&bench->links, &conf);
}

static void close_bench(struct bench *bench)
{
    prl_link_drop(&bench->link);
    prl_links_destroy(&bench->links);
    ws_fake_close(&bench->server);
    prl_loop_destroy(&bench->loop);
}

static enum prl_err take(struct bench *bench)
{
    return prl_link_take(bench->links, TO(bench->url, "the-key"), &ops, bench, &bench->link);
}

static bool wait_for(struct bench *bench, const int *count, int wanted)
{
    int64_t until = prl_clock_now_us() + (prl_test_oom() ? 200000 : PRL_TEST_WAIT_US);
    while (*count < wanted && prl_clock_now_us() < until && !(prl_test_oom() && bench->failed))
        prl_loop_turn(bench->loop, 20000);
    return *count >= wanted;
}

PRL_TEST(link_is_lent_again)
{
    static struct bench bench;
    REQUIRE(open_bench(&bench) == PRL_OK);
    EXPECT_OK(take(&bench));
    EXPECT_OK(prl_link_greet(bench.link, "hush", 4)); // before it is open
    EXPECT_OK(prl_link_send_text(bench.link, "hello", 5));
    EXPECT(wait_for(&bench, &bench.texts, 1));
    EXPECT_OK(prl_link_send_binary(bench.link, "\0\1\2", 3));
    EXPECT(wait_for(&bench, &bench.binaries, 1));
    EXPECT_TEXT(bench.server.key, "Bearer the-key");
    EXPECT_TEXT(bench.server.path, "/ear");
    prl_link_give(&bench.link);
    EXPECT(bench.link == NULL);
    EXPECT_OK(take(&bench));
    EXPECT_OK(prl_link_greet(bench.link, "hush", 4)); // it knows that
    EXPECT_OK(prl_link_send_text(bench.link, "hello", 5));
    EXPECT(wait_for(&bench, &bench.texts, 2));
    EXPECT_INT(bench.server.opened, 1);
    EXPECT_TEXT(prl_str_text(&bench.server.said), "hush\nhello\nhello\n");
    // While it is lent, another is opened.
    struct prl_link *other;
    EXPECT_OK(prl_link_take(bench.links, TO(bench.url, "the-key"), &ops, &bench, &other));
    EXPECT_OK(prl_link_send_text(other, "hello", 5));
    EXPECT(wait_for(&bench, &bench.texts, 3));
    EXPECT_INT(bench.server.opened, 2);
    prl_link_give(&other);
    EXPECT_INT(prl_links_count(bench.links), 2);
    // An idle one with another key is not for us.
    prl_link_give(&bench.link);
    EXPECT_OK(prl_link_take(bench.links, TO(bench.url, ""), &ops, &bench, &bench.link));
    EXPECT_OK(prl_link_send_text(bench.link, "hello", 5));
    EXPECT(wait_for(&bench, &bench.texts, 4));
    EXPECT_INT(bench.server.opened, 3);
    EXPECT_TEXT(bench.server.key, "");
    EXPECT_INT(bench.failed, 0);
    close_bench(&bench);
}

PRL_TEST(link_is_opened_before_it_is_needed)
{
    static struct bench bench;
    REQUIRE(open_bench(&bench) == PRL_OK);
    EXPECT(prl_links_warm(bench.links, TO(bench.url, "the-key")));
    EXPECT(!prl_links_warm(bench.links, TO(bench.url, "the-key"))); // it is on its way
    EXPECT_INT(prl_links_count(bench.links), 1);
    EXPECT(wait_for(&bench, &bench.server.opened, 1));
    EXPECT(!prl_links_warm(bench.links, TO(bench.url, "the-key")));
    EXPECT_OK(take(&bench));
    EXPECT_OK(prl_link_send_text(bench.link, "hello", 5));
    EXPECT(wait_for(&bench, &bench.texts, 1));
    EXPECT_INT(bench.server.opened, 1);
    // That one is lent: another is opened, and may be taken before it stands.
    struct prl_link *other;
    EXPECT(prl_links_warm(bench.links, TO(bench.url, "the-key")));
    EXPECT_OK(prl_link_take(bench.links, TO(bench.url, "the-key"), &ops, &bench, &other));
    EXPECT_INT(prl_links_count(bench.links), 2);
    EXPECT_OK(prl_link_send_text(other, "hello", 5));
    EXPECT(wait_for(&bench, &bench.texts, 2));
    EXPECT_INT(bench.server.opened, 2);
    prl_link_give(&other);
    // A key of another has no use for it; an address that is none is no harm.
    EXPECT(prl_links_warm(bench.links, TO(bench.url, "his-key")));
    EXPECT(!prl_links_warm(bench.links, TO("no address", "")));
    EXPECT_INT(bench.failed, 0);
    close_bench(&bench);
}

PRL_TEST(link_that_speaks_unasked_ends)
{
    static struct bench bench;
    REQUIRE(open_bench(&bench) == PRL_OK);
    EXPECT_OK(take(&bench));
    EXPECT_OK(prl_link_send_text(bench.link, "hello", 5));
    EXPECT(wait_for(&bench, &bench.texts, 1));
    EXPECT_OK(prl_link_send_text(bench.link, "late", 4));
    prl_link_give(&bench.link);
    EXPECT(wait_for(&bench, &bench.server.closed, 1));
    EXPECT_INT(bench.texts, 1);
    EXPECT_INT(prl_links_count(bench.links), 0);
    // Dropped from inside its own callback, with more on the way.
    bench.drop_in_text = true;
    EXPECT_OK(take(&bench));
    EXPECT_OK(prl_link_send_text(bench.link, "twice", 5));
    EXPECT(wait_for(&bench, &bench.server.closed, 2));
    EXPECT_INT(bench.texts, 2);
    EXPECT_INT(bench.failed, 0);
    close_bench(&bench);
}

PRL_TEST(link_failures_have_names)
{
    static struct bench bench;
    REQUIRE(open_bench(&bench) == PRL_OK);
    EXPECT_OK(take(&bench));
    EXPECT_OK(prl_link_send_text(bench.link, "leave", 5));
    EXPECT(wait_for(&bench, &bench.failed, 1));
    EXPECT_INT(bench.failure, PRL_FETCH_CUT);
    bench.server.refuse = 401;
    EXPECT_OK(take(&bench));
    EXPECT(wait_for(&bench, &bench.failed, 2));
    EXPECT_INT(bench.failure, PRL_FETCH_STATUS);
    EXPECT_TEXT(bench.why, "HTTP 401");
    bench.server.refuse = 0;
    EXPECT_OK(take(&bench));
    EXPECT_OK(prl_link_send_text(bench.link, "hush", 4));
    prl_link_await(bench.link, 5, PRL_FETCH_GAP);
    EXPECT(wait_for(&bench, &bench.failed, 3));
    EXPECT_INT(bench.failure, PRL_FETCH_GAP);
    EXPECT_OK(prl_link_take(bench.links, TO("ws://127.0.0.1:9/", ""), &ops, &bench, &bench.link));
    EXPECT(wait_for(&bench, &bench.failed, 4));
    EXPECT_INT(bench.failure, PRL_FETCH_CONNECT);
    EXPECT(prl_link_take(bench.links, TO("none of these", ""), &ops, &bench, &bench.link) ==
           PRL_ERR_INVALID);
    EXPECT(bench.link == NULL);
    close_bench(&bench);
}

// Closes each connection that is used for the second time, before it says anything.
static void close_used(struct ws_fake *fake, struct prl_ws *ws, const char *text, size_t len)
{
    struct bench *bench = fake->arg;
    if (bench->texts > 0 && bench->server.opened == 1)
        prl_ws_abort(ws);
    else
        echo(fake, ws, text, len);
}

PRL_TEST(link_that_died_idle_is_replaced)
{
    static struct bench bench;
    REQUIRE(open_bench(&bench) == PRL_OK);
    bench.server.fn = close_used;
    bench.server.arg = &bench;
    EXPECT_OK(take(&bench));
    EXPECT_OK(prl_link_greet(bench.link, "hush", 4));
    EXPECT_OK(prl_link_send_text(bench.link, "hello", 5));
    EXPECT(wait_for(&bench, &bench.texts, 1));
    prl_link_give(&bench.link);
    EXPECT_OK(take(&bench));
    EXPECT_OK(prl_link_greet(bench.link, "hush", 4));
    EXPECT_OK(prl_link_send_text(bench.link, "one", 3));
    EXPECT_OK(prl_link_send_binary(bench.link, "\0\1\2", 3));
    EXPECT(wait_for(&bench, &bench.binaries, 1));
    EXPECT(bench.texts == 2 && bench.failed == 0 && bench.server.opened == 2);
    EXPECT(strstr(prl_str_text(&bench.server.said), "one\nhush\none\n") != NULL);
    // Not what has been heard of, nor a new one, nor one that was told too much.
    bench.server.fn = echo;
    EXPECT_OK(prl_link_send_text(bench.link, "leave", 5));
    EXPECT(wait_for(&bench, &bench.failed, 1));
    EXPECT_OK(take(&bench));
    EXPECT_OK(prl_link_send_text(bench.link, "leave", 5));
    EXPECT(wait_for(&bench, &bench.failed, 2));
    static const char much[PRL_LINK_AGAIN_MAX];
    EXPECT_OK(take(&bench));
    EXPECT_OK(prl_link_send_text(bench.link, "hello", 5));
    EXPECT(wait_for(&bench, &bench.texts, 3));
    prl_link_give(&bench.link);
    EXPECT_OK(take(&bench));
    EXPECT_OK(prl_link_send_binary(bench.link, much, sizeof(much)));
    EXPECT_OK(prl_link_send_text(bench.link, "leave", 5));
    EXPECT(wait_for(&bench, &bench.failed, 3));
    EXPECT_INT(bench.failure, PRL_FETCH_CUT);
    close_bench(&bench);
}

PRL_TEST(link_idle_ones_are_few)
{
    static struct bench bench;
    struct prl_link *links[PRL_LINKS_IDLE_MAX + 3];
    int count = PRL_LINKS_IDLE_MAX + 3;
    REQUIRE(open_bench(&bench) == PRL_OK);
    for (int i = 0; i < count; i++) {
        EXPECT_OK(prl_link_take(bench.links, TO(bench.url, ""), &ops, &bench, &links[i]));
        EXPECT_OK(prl_link_send_text(links[i], "hello", 5));
    }
    EXPECT(wait_for(&bench, &bench.texts, count));
    for (int i = 0; i < count; i++)
        prl_link_give(&links[i]);
    EXPECT_INT(prl_links_count(bench.links), PRL_LINKS_IDLE_MAX);
    EXPECT(wait_for(&bench, &bench.server.closed, 3));
    close_bench(&bench);
}

PRL_TEST_OOM(link_without_memory)
{
    static struct bench bench;
    if (open_bench(&bench) == PRL_OK && take(&bench) == PRL_OK &&
        prl_link_send_text(bench.link, "hello", 5) == PRL_OK) {
        bool came = wait_for(&bench, &bench.texts, 1);
        EXPECT(came || prl_test_oom());
        prl_link_give(&bench.link);
    }
    close_bench(&bench);
}
