// test_call.c -- calls over a real HTTP socket and a real rtc on loopback, with a browser's offer that
// never connects: made, found, refused, hung up, come back to, ended by their talk.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/call.h"
#include "api/mint.h"
#include "api/reply.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/http.h"
#include "rtc/rtc.h"
#include "tests/unit.h"
#include "tests/unit/world.h"

enum { REPLY_MAX = 1 << 20, OFFER_MAX = 32 << 10, MINUTE_US = 60000000 };

struct desk {
    struct world world;
    struct prl_auth *auth;
    struct prl_secrets *secrets;
    struct prl_talks *talks;
    struct prl_rtc *rtc;
    struct prl_calls *calls;
    struct prl_mint mint;
    struct prl_http *http;
    uint16_t port;
    char offer[OFFER_MAX];
    struct prl_str reply; // the last one, head and body
    struct prl_str said;  // to the observer
    int ended;
    char reason[80];
};

static enum prl_err hear(void *arg, const char *text, size_t len)
{
    struct desk *desk = arg;
    return prl_str_add(&desk->said, text, len);
}

static void hear_end(void *arg, uint16_t code, const char *reason)
{
    struct desk *desk = arg;
    (void)code;
    desk->ended++;
    prl_str_copy(desk->reason, sizeof(desk->reason), reason);
}

static const struct prl_talk_ops observer_ops = {.send = hear, .end = hear_end};

static bool read_offer(struct desk *desk)
{
    FILE *file = fopen("tests/data/offers/chromium-audio-data.sdp", "re");
    size_t size = file ? fread(desk->offer, 1, OFFER_MAX - 1, file) : 0;
    if (file)
        fclose(file);
    desk->offer[size] = '\0';
    return size > 0;
}

static enum prl_err open_api(struct desk *desk, size_t sessions_max, int64_t life_us)
{
    char why[PRL_AUTH_WHY_SIZE];
    struct prl_talks_conf talks = {.engines = {.loop = desk->world.loop,
                                               .stt = desk->world.stt,
                                               .llm = desk->world.llm,
                                               .tts = desk->world.tts},
                                   .session = desk->world.base,
                                   .sessions_max = sessions_max,
                                   .session_max_us = life_us,
                                   .resume_us = MINUTE_US};
    struct prl_rtc_conf rtc = {
        .addresses = {"127.0.0.1"}, .address_count = 1, .local_only = true, .peers_max = 20};
    enum prl_err err = prl_auth_create(&desk->auth, "the-one-key", NULL, why);
    if (!err)
        err = prl_secrets_create(&desk->secrets, &(struct prl_secrets_conf){0});
    if (!err)
        err = prl_talks_create(&desk->talks, &talks);
    if (!err)
        err = prl_rtc_create(&desk->rtc, desk->world.loop, &rtc);
    struct prl_calls_conf calls = {.loop = desk->world.loop,
                                   .rtc = desk->rtc,
                                   .talks = desk->talks,
                                   .auth = desk->auth,
                                   .secrets = desk->secrets};
    return err ? err : prl_calls_create(&desk->calls, &calls);
}

static enum prl_err open_desk(struct desk *desk, size_t sessions_max, int64_t life_us)
{
    static const struct prl_http_listen listen = {"127.0.0.1", 0, false};
    struct prl_http_conf http = {.listens = &listen, .listen_count = 1};
    struct prl_http_bound bound = {.port = 0};
    memset(desk, 0, sizeof(*desk));
    prl_str_init(&desk->reply, REPLY_MAX);
    prl_str_init(&desk->said, REPLY_MAX);
    EXPECT(read_offer(desk));
    enum prl_err err = world_open(&desk->world, PRL_API_GA);
    if (!err)
        err = open_api(desk, sessions_max, life_us);
    if (!err)
        err = prl_http_create(&desk->http, desk->world.loop, &http);
    if (!err)
        err = prl_calls_route(desk->calls, desk->http);
    desk->mint = (struct prl_mint){desk->auth, desk->secrets, &desk->world.base};
    if (!err)
        err = prl_mint_route(&desk->mint, desk->http);
    if (!err)
        err = prl_http_bound(desk->http, 0, &bound);
    desk->port = bound.port;
    return err;
}

static void close_desk(struct desk *desk)
{
    prl_http_destroy(&desk->http);
    prl_calls_destroy(&desk->calls);
    prl_talks_destroy(&desk->talks);
    prl_rtc_destroy(&desk->rtc);
    prl_secrets_destroy(&desk->secrets);
    prl_auth_destroy(&desk->auth);
    world_close(&desk->world);
    prl_str_free(&desk->reply);
    prl_str_free(&desk->said);
}

// Sends a POST and waits for the end of the connection; returns the status.
static int post(struct desk *desk, const char *path, const char *headers, const char *body)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(desk->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char head[1024];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int len = snprintf(head, sizeof(head),
                       "POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                       "Content-Length: %zu\r\n%s\r\n",
                       path, strlen(body), headers);
    prl_str_clear(&desk->reply);
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 ||
        send(fd, head, (size_t)len, MSG_NOSIGNAL) != len ||
        send(fd, body, strlen(body), MSG_NOSIGNAL) != (ssize_t)strlen(body)) {
        close(fd);
        return 0;
    }
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    ssize_t got = -1;
    while (got != 0 && prl_clock_now_us() < end_us) {
        char bytes[4096];
        prl_loop_turn(desk->world.loop, 2000);
        got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (got > 0)
            (void)prl_str_add(&desk->reply, bytes, (size_t)got);
    }
    close(fd);
    int status = 0;
    // NOLINTNEXTLINE(cert-err34-c): our own server's three digits
    return sscanf(prl_str_text(&desk->reply), "HTTP/1.1 %d", &status) == 1 ? status : 0;
}

#define KEY "Authorization: Bearer the-one-key\r\n"
#define SDP "Content-Type: application/sdp\r\n"

static bool replied(const struct desk *desk, const char *part)
{
    return strstr(prl_str_text(&desk->reply), part) != NULL;
}

// The id in the Location of the last reply.
static void id_of(const struct desk *desk, char id[PRL_SESSION_ID_SIZE])
{
    const char *at = strstr(prl_str_text(&desk->reply), "rtc_");
    id[0] = '\0';
    if (at)
        snprintf(id, PRL_SESSION_ID_SIZE, "%.24s", at);
}

static size_t sessions(const struct desk *desk)
{
    struct prl_talks_stats stats;
    prl_talks_stats(desk->talks, &stats);
    return stats.sessions;
}

static const struct prl_credential *key(void)
{
    static struct prl_credential credential = {.kind = PRL_CREDENTIAL_KEY};
    EXPECT(prl_hash_bytes("the-one-key", 11, credential.id) == PRL_OK || prl_test_oom());
    return &credential;
}

PRL_TEST(call_is_made_found_and_hung_up)
{
    static struct desk desk;
    char id[PRL_SESSION_ID_SIZE];
    char path[80];
    struct prl_talk *talk;
    struct prl_talk_channel *observer;
    REQUIRE(open_desk(&desk, 3, 0) == PRL_OK);
    EXPECT_INT(post(&desk, "/v1/realtime/calls?model=m", KEY SDP, desk.offer), 201);
    EXPECT(replied(&desk, "Content-Type: application/sdp\r\n") &&
           replied(&desk, "\r\n\r\nv=0\r\n"));
    id_of(&desk, id);
    EXPECT_INT(strlen(id), 24);
    EXPECT_INT(prl_calls_count(desk.calls), 1);
    EXPECT_INT(sessions(&desk), 1);
    struct prl_credential other = {.kind = PRL_CREDENTIAL_KEY, .id = "x"};
    EXPECT_INT(prl_calls_talk(desk.calls, "rtc_", key(), &talk), PRL_ERR_NOTFOUND);
    EXPECT_INT(prl_calls_talk(desk.calls, id, &other, &talk), PRL_ERR_INVALID);
    REQUIRE(prl_calls_talk(desk.calls, id, key(), &talk) == PRL_OK);
    EXPECT_OK(prl_talk_attach(talk, &observer, PRL_TALK_OBSERVER, &observer_ops, &desk));
    prl_talk_greet(observer);
    EXPECT(strstr(prl_str_text(&desk.said), "session.created") != NULL);
    snprintf(path, sizeof(path), "/v1/realtime/calls/%s/hangup", id);
    EXPECT_INT(post(&desk, path, "", ""), 401);
    EXPECT_INT(post(&desk, path, KEY, ""), 200);
    EXPECT_INT(desk.ended, 1);
    EXPECT_TEXT(desk.reason, "the call ended: hung up");
    EXPECT_INT(post(&desk, path, KEY, ""), 404);
    EXPECT_INT(prl_calls_count(desk.calls), 0);
    EXPECT_INT(sessions(&desk), 0);
    prl_talk_detach(&observer, false, "bye");
    close_desk(&desk);
}

PRL_TEST(call_is_refused_with_a_reason)
{
    static struct desk desk;
    char form[512];
    REQUIRE(open_desk(&desk, 2, 0) == PRL_OK);
    EXPECT_INT(post(&desk, "/v1/realtime/calls", SDP, desk.offer), 401);
    EXPECT_INT(post(&desk, "/v1/realtime/calls", KEY SDP, "hello"), 400);
    EXPECT(replied(&desk, "\"invalid_sdp\"") && replied(&desk, "\"param\":\"sdp\""));
    EXPECT_INT(post(&desk, "/v1/realtime", KEY, "hello"), 415);
    static const char type[] = KEY "Content-Type: multipart/form-data; boundary=x\r\n";
    EXPECT_INT(post(&desk, "/v1/realtime/calls", type, "nothing"), 400);
    EXPECT(replied(&desk, "invalid_multipart"));
    snprintf(form, sizeof(form),
             "--x\r\nContent-Disposition: form-data; name=session\r\n\r\n{}\r\n--x--");
    EXPECT_INT(post(&desk, "/v1/realtime/calls", type, form), 400);
    EXPECT(replied(&desk, "missing_required_parameter"));
    EXPECT_INT(post(&desk, "/v1/realtime/calls", KEY SDP "Parley-Resume: 00\r\n", desk.offer), 404);
    EXPECT(replied(&desk, "resume_token_invalid"));
    EXPECT_INT(post(&desk, "/v1/realtime/calls/rtc_x", KEY SDP, desk.offer), 404);
    EXPECT_INT(prl_calls_count(desk.calls), 0);
    EXPECT_INT(sessions(&desk), 0);
    // Full: said before the offer is looked at.
    EXPECT_INT(post(&desk, "/v1/realtime/calls", KEY SDP, desk.offer), 201);
    EXPECT_INT(post(&desk, "/v1/realtime/calls", KEY SDP, desk.offer), 201);
    EXPECT_INT(post(&desk, "/v1/realtime/calls", KEY SDP, "hello"), 429);
    EXPECT(replied(&desk, "too_many_sessions"));
    close_desk(&desk); // with two calls
}

PRL_TEST(call_of_a_secret_has_its_settings)
{
    static struct desk desk;
    char id[PRL_SESSION_ID_SIZE];
    char headers[200];
    struct prl_talk *talk;
    struct prl_talk_channel *observer;
    REQUIRE(open_desk(&desk, 3, 0) == PRL_OK);
    EXPECT_INT(post(&desk, "/v1/realtime/client_secrets", KEY,
                    "{\"session\":{\"instructions\":\"Be a goose.\"}}"),
               200);
    const char *at = strstr(prl_str_text(&desk.reply), "ek_");
    REQUIRE(at != NULL);
    snprintf(headers, sizeof(headers), "Authorization: Bearer %.51s\r\n" SDP, at);
    EXPECT_INT(post(&desk, "/v1/realtime/calls", headers, desk.offer), 201);
    id_of(&desk, id);
    EXPECT_INT(post(&desk, "/v1/realtime/client_secrets", headers, ""), 401);
    // The key that made the secret may watch.
    REQUIRE(prl_calls_talk(desk.calls, id, key(), &talk) == PRL_OK);
    EXPECT_OK(prl_talk_attach(talk, &observer, PRL_TALK_OBSERVER, &observer_ops, &desk));
    prl_talk_greet(observer);
    EXPECT(strstr(prl_str_text(&desk.said), "Be a goose.") != NULL);
    // More than is kept for a channel that does not open: nobody minds.
    static char big[60000];
    int len =
        snprintf(big, sizeof(big), "{\"type\":\"session.update\",\"session\":{\"instructions\":\"");
    memset(big + len, 'a', 50000);
    snprintf(big + len + 50000, sizeof(big) - (size_t)len - 50000, "\"}}");
    for (int i = 0; i < 8; i++)
        prl_talk_input(observer, big, strlen(big), true, true);
    EXPECT_INT(prl_calls_count(desk.calls), 1);
    prl_talk_detach(&observer, false, "bye");
    close_desk(&desk);
}

PRL_TEST(call_ends_with_the_life_of_its_session)
{
    static struct desk desk;
    REQUIRE(open_desk(&desk, 3, 20000) == PRL_OK);
    EXPECT_INT(post(&desk, "/v1/realtime/calls", KEY SDP, desk.offer), 201);
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (prl_calls_count(desk.calls) > 0 && prl_clock_now_us() < end_us)
        prl_loop_turn(desk.world.loop, 5000);
    EXPECT_INT(prl_calls_count(desk.calls), 0);
    EXPECT_INT(sessions(&desk), 0);
    close_desk(&desk);
}

PRL_TEST_OOM(call_whole_life)
{
    static struct desk desk;
    char id[PRL_SESSION_ID_SIZE];
    char path[80];
    enum prl_err err = open_desk(&desk, 3, 0);
    if (!err) {
        int status = post(&desk, "/v1/realtime/calls", KEY SDP, desk.offer);
        EXPECT(status == 201 || prl_test_oom());
        id_of(&desk, id);
        snprintf(path, sizeof(path), "/v1/realtime/calls/%s/hangup", id);
        status = post(&desk, path, KEY, "");
        EXPECT(status == 200 || prl_test_oom());
        EXPECT(status != 200 || sessions(&desk) == 0);
    }
    EXPECT(!err || prl_test_oom());
    close_desk(&desk);
}
