// test_ws.c -- WebSocket frames, keys, and server connections over real loopback sockets.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/http.h"
#include "net/ws_frame.h"
#include "net/ws_key.h"
#include "tests/unit.h"
#include "tests/unit/local_http.h"

enum { TURN_US = 20000, PEER_MAX = 64 << 20 };

// ---- keys and frames ----

PRL_TEST(ws_key_of_the_rfc)
{
    char accept[PRL_WS_ACCEPT_SIZE];
    char key[PRL_WS_KEY_SIZE];
    EXPECT(prl_ws_key_accept("dGhlIHNhbXBsZSBub25jZQ==", accept)); // RFC 6455 §1.3
    EXPECT_TEXT(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    prl_ws_key_make((const uint8_t *)"the sample nonce", key);
    EXPECT_TEXT(key, "dGhlIHNhbXBsZSBub25jZQ==");
    EXPECT(!prl_ws_key_accept("", accept));
    EXPECT(!prl_ws_key_accept("dGhlIHNhbXBsZSBub25jZQ=", accept));
    EXPECT(!prl_ws_key_accept("dGhlIHNhbXBsZSBub25j=Q==", accept));
    EXPECT(!prl_ws_key_accept("dGhlIHNhbXBsZSBub25jZQ==dGhlIHNhbXBsZSBub25jZQ==", accept));
}

PRL_TEST(ws_sha1_vectors)
{
    static const struct {
        const char *text, *hex;
    } vectors[] = {
        {"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        {"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
    };
    uint8_t digest[20];
    char hex[41];
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        prl_sha1(vectors[i].text, strlen(vectors[i].text), digest);
        for (size_t b = 0; b < 20; b++)
            snprintf(hex + 2 * b, 3, "%02x", digest[b]);
        EXPECT_TEXT(hex, vectors[i].hex);
    }
}

static size_t put_frame(uint8_t *out, unsigned first_byte, const void *data, size_t len,
                        bool masked)
{
    static const uint8_t mask[4] = {1, 0x80, 0x55, 0xfe};
    size_t size = prl_ws_frame_header(out, 0, len, masked ? mask : NULL);
    out[0] = (uint8_t)first_byte;
    if (len > 0)
        memcpy(out + size, data, len);
    if (masked)
        prl_ws_frame_mask(out + size, len, mask, 0);
    return size + len;
}

// Feeds bytes in pieces of `step`; appends what comes to `text`; returns the close code of a fault.
static unsigned feed(struct prl_ws_reader *reader, uint8_t *data, size_t len, size_t step,
                     struct prl_str *text)
{
    struct prl_ws_event event;
    for (size_t at = 0; at < len;) {
        size_t piece = len - at < step ? len - at : step;
        size_t used;
        if (prl_ws_reader_next(reader, data + at, piece, &used, &event) != PRL_OK)
            return reader->close_code;
        at += used;
        if (event.kind == PRL_WS_EVENT_NONE)
            continue;
        static const char letters[] = "-dpoc";
        (void)prl_str_addf(text, "%s%c%.*s%s",
                           event.kind == PRL_WS_EVENT_DATA && !event.first ? "" : "<",
                           letters[event.kind], (int)event.len, event.data ? event.data : "",
                           event.kind == PRL_WS_EVENT_DATA && !event.last ? "" : ">");
    }
    return 0;
}

PRL_TEST(ws_reader_at_every_cut)
{
    for (size_t step = 1; step <= 40; step++) {
        uint8_t bytes[512];
        size_t len = put_frame(bytes, 0x01, "ab", 2, true); // text, unfinished
        len += put_frame(bytes + len, 0x89, "ping", 4, true);
        len += put_frame(bytes + len, 0x00, "\xe4\xbd", 2, true); // half a character
        len += put_frame(bytes + len, 0x80, "\xa0", 1, true);
        len += put_frame(bytes + len, 0x82, "", 0, true);
        len += put_frame(bytes + len, 0x8a, "", 0, true);
        len += put_frame(bytes + len, 0x88,
                         "\x03\xe8"
                         "bye",
                         5, true);
        struct prl_ws_reader reader;
        struct prl_str text;
        struct prl_ws_event event;
        size_t used;
        prl_str_init(&text, 4096);
        prl_ws_reader_init(&reader, true, 100);
        EXPECT_INT(feed(&reader, bytes, len, step, &text), 0);
        if (step == 40) // the pieces differ by cut; this one is whole frames
            EXPECT_TEXT(prl_str_text(&text), "<dab<pping>d\xe4\xbd"
                                             "d\xa0><d><o><cbye>");
        EXPECT_OK(prl_ws_reader_next(&reader, bytes, 0, &used, &event));
        EXPECT_INT(event.kind, PRL_WS_EVENT_NONE);
        prl_str_free(&text);
    }
}

PRL_TEST(ws_reader_refuses_hostile_frames)
{
    static const struct {
        unsigned code;
        size_t len;
        const char *bytes;
    } bad[] = {
        {1002, 6, "\xc1\x80\0\0\0\0"},       // reserved bit
        {1002, 2, "\x81\x01"},               // not masked
        {1002, 6, "\x83\x80\0\0\0\0"},       // unknown opcode
        {1002, 6, "\x8b\x80\0\0\0\0"},       // unknown control opcode
        {1002, 6, "\x80\x80\0\0\0\0"},       // continuation of nothing
        {1002, 6, "\x09\x80\0\0\0\0"},       // ping in parts
        {1002, 8, "\x89\xfe\0\x7e\0\0\0\0"}, // ping of 126
        {1002, 8, "\x81\xfe\0\x05\0\0\0\0"}, // length not in its shortest form
        {1002, 14, "\x81\xff\0\0\0\0\0\0\xff\xff\0\0\0\0"},
        {1002, 14, "\x81\xff\x80\0\0\0\0\0\0\0\0\0\0\0"}, // top bit
        {1009, 14, "\x81\xff\0\0\0\x7f\xff\xff\xff\xff\0\0\0\0"},
        {1009, 8, "\x81\xfe\x03\xe9\0\0\0\0"},          // 1,001 bytes
        {1002, 7, "\x88\x81\0\0\0\0\x03"},              // close code cut
        {1002, 8, "\x88\x82\0\0\0\0\x03\xed"},          // 1005 must not travel
        {1002, 8, "\x88\x82\0\0\0\0\x27\x0f"},          // 9999
        {1007, 10, "\x88\x84\0\0\0\0\x03\xe8\xff\xff"}, // reason no UTF-8
        {1007, 7, "\x81\x81\0\0\0\0\xff"},
        {1007, 7, "\x81\x81\0\0\0\0\xe4"},              // ends inside a character
        {1007, 8, "\x81\x82\0\0\0\0\xc0\x80"},          // overlong
        {1007, 9, "\x81\x83\0\0\0\0\xed\xa0\x80"},      // surrogate
        {1007, 10, "\x81\x84\0\0\0\0\xf4\x90\x80\x80"}, // above U+10FFFF
        {1002, 14,
         "\x01\x81\0\0\0\0"
         "a\x81\x81\0\0\0\0"
         "b"}, // a message inside a message
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        for (size_t step = 1; step <= 16; step += 15) {
            uint8_t bytes[64];
            struct prl_ws_reader reader;
            struct prl_str text;
            prl_str_init(&text, 4096);
            memcpy(bytes, bad[i].bytes, bad[i].len);
            prl_ws_reader_init(&reader, true, 1000);
            unsigned code = feed(&reader, bytes, bad[i].len, step, &text);
            if (code != bad[i].code)
                fprintf(stderr, "    frame %zu, step %zu\n", i, step);
            EXPECT_INT(code, bad[i].code);
            prl_str_free(&text);
        }
    struct prl_ws_reader client; // the other role refuses masked frames
    struct prl_str text;
    prl_str_init(&text, 4096);
    prl_ws_reader_init(&client, false, 1000);
    EXPECT_INT(feed(&client, (uint8_t[]){0x81, 0x80, 0, 0, 0, 0}, 6, 6, &text), 1002);
}

// ---- connections ----

struct fixture {
    struct prl_loop *loop;
    struct prl_http *http;
    uint16_t port;
    int opened, closed, drained;
    uint16_t code;
    struct prl_ws *ws;
    bool echo, pause;
    int slices;
    size_t slice_max, bytes;
    uint64_t sum;
    int messages;
};

static void on_open(void *arg, struct prl_ws *ws, const struct prl_http_request *request,
                    struct prl_ws_answer *answer)
{
    struct fixture *f = arg;
    const char *key = prl_http_header(request, "Authorization");
    char model[32] = "";
    char name[300];
    prl_http_query_value(request, "model", model, sizeof(model));
    if (key && strcmp(key, "Bearer wrong") == 0) {
        *answer = (struct prl_ws_answer){.status = 401, .body = "{\"error\":1}"};
        return;
    }
    for (size_t i = 0; prl_http_subprotocol(request, i, name, sizeof(name)); i++)
        if (strcmp(name, "realtime") == 0)
            answer->subprotocol = "realtime";
    f->opened++;
    f->ws = ws;
    prl_ws_set_owner(ws, f);
    if (model[0])
        EXPECT_OK(prl_ws_send_text(ws, model, strlen(model)));
}

static void on_text(void *owner, struct prl_ws *ws, const char *data, size_t len, bool first,
                    bool last)
{
    struct fixture *f = owner;
    EXPECT(prl_ws_owner(ws) == owner);
    f->messages += first;
    f->slices++;
    f->bytes += len;
    f->slice_max = len > f->slice_max ? len : f->slice_max;
    for (size_t i = 0; i < len; i++)
        f->sum += (uint8_t)data[i];
    if (f->pause)
        prl_ws_pause(ws);
    if (f->echo && len > 0)
        (void)!prl_ws_send_text(ws, data, len);
    (void)last;
}

static void on_drained(void *owner, struct prl_ws *ws)
{
    struct fixture *f = owner;
    EXPECT_INT(prl_ws_queued_bytes(ws), 0);
    f->drained++;
}

static void on_close(void *owner, struct prl_ws *ws, uint16_t code)
{
    struct fixture *f = owner;
    (void)ws;
    f->closed++;
    f->code = code;
    f->ws = NULL;
}

static const struct prl_ws_ops ops = {on_open, on_text, NULL, on_drained, on_close};

static enum prl_err set_up(struct fixture *f, const struct prl_http_conf *more)
{
    enum prl_err err = prl_loop_create(&f->loop, NULL);
    return err ? err
               : local_http_open(&f->http, f->loop, more,
                                 &(struct prl_ws_route){"/v1/realtime", &ops, f}, &f->port);
}

static void tear_down(struct fixture *f)
{
    prl_http_destroy(&f->http);
    prl_loop_destroy(&f->loop);
    EXPECT_INT(f->opened, f->closed);
}

struct peer {
    int fd;
    bool ended;
    bool deaf; // does not read
    struct prl_str text;
};

static void peer_receive(struct peer *peer)
{
    char bytes[65536];
    ssize_t got;
    while (!peer->deaf && !peer->ended &&
           (got = recv(peer->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) >= 0) {
        peer->ended = got == 0;
        (void)prl_str_add(&peer->text, bytes, (size_t)got);
    }
    if (!peer->deaf && !peer->ended && errno != EAGAIN)
        peer->ended = true;
}

static size_t peer_send(struct fixture *f, struct peer *peer, const void *data, size_t len)
{
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    size_t done = 0;
    while (done < len && prl_clock_now_us() < end_us) {
        ssize_t put =
            send(peer->fd, (const char *)data + done, len - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put > 0)
            done += (size_t)put;
        else if (errno != EAGAIN)
            break;
        prl_loop_turn(f->loop, 0);
        peer_receive(peer);
    }
    return done;
}

static bool has_bytes(const struct peer *peer, const char *part, size_t len)
{
    return peer->text.len >= len && memmem(peer->text.data, peer->text.len, part, len);
}

static bool peer_await(struct fixture *f, struct peer *peer, const char *part, size_t len)
{
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    for (;;) {
        peer_receive(peer);
        if (part ? has_bytes(peer, part, len) : peer->ended)
            return true;
        if (peer->ended || prl_clock_now_us() > end_us)
            return false;
        prl_test_pass_ms();
        prl_loop_turn(f->loop, TURN_US);
    }
}

static bool await_count(struct fixture *f, const int *count, int want)
{
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (*count < want && prl_clock_now_us() < end_us) {
        prl_test_pass_ms();
        prl_loop_turn(f->loop, TURN_US);
    }
    return *count >= want;
}

static bool peer_connect(struct fixture *f, struct peer *peer)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(f->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *peer = (struct peer){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    prl_str_init(&peer->text, PEER_MAX);
    return peer->fd >= 0 && connect(peer->fd, (struct sockaddr *)&to, sizeof(to)) == 0;
}

static void peer_close(struct peer *peer)
{
    if (peer->fd >= 0)
        close(peer->fd);
    peer->fd = -1;
    prl_str_free(&peer->text);
}

#define UPGRADE(path, more)                                                                        \
    "GET " path " HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\n"              \
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"                                          \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" more "\r\n"

static bool peer_open(struct fixture *f, struct peer *peer, const char *upgrade)
{
    return peer_connect(f, peer) && peer_send(f, peer, upgrade, strlen(upgrade)) &&
           peer_await(f, peer, "\r\n\r\n", 4) &&
           prl_str_starts(prl_str_text(&peer->text), "HTTP/1.1 101 ");
}

PRL_TEST(ws_handshake_with_long_subprotocols)
{
    struct fixture f = {.echo = true};
    struct peer peer;
    REQUIRE(set_up(&f, NULL) == PRL_OK);
    // Keys of 164 characters exist; lists of more than 127 bytes must work.
    static const char upgrade[] = UPGRADE(
        "/v1/realtime?model=gpt-realtime",
        "Sec-WebSocket-Protocol: realtime, openai-insecure-api-key."
        "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
        "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk\r\n"
        "Sec-WebSocket-Protocol: openai-beta.realtime-v1\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n");
    EXPECT(peer_open(&f, &peer, upgrade));
    EXPECT(
        strstr(prl_str_text(&peer.text), "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    EXPECT(strstr(prl_str_text(&peer.text), "Sec-WebSocket-Protocol: realtime\r\n"));
    EXPECT(!strstr(prl_str_text(&peer.text), "Extensions"));
    EXPECT(peer_await(&f, &peer, "\r\n\r\n\x81\x0cgpt-realtime", 18)); // sent from on_open
    uint8_t frame[64];
    size_t len = put_frame(frame, 0x81, "hello", 5, true);
    peer_send(&f, &peer, frame, len);
    EXPECT(peer_await(&f, &peer, "\x81\x05hello", 7));
    len = put_frame(frame, 0x89, "xyz", 3, true);
    peer_send(&f, &peer, frame, len);
    EXPECT(peer_await(&f, &peer, "\x8a\x03xyz", 5));
    len = put_frame(frame, 0x88, "\x03\xe8", 2, true);
    peer_send(&f, &peer, frame, len);
    EXPECT(peer_await(&f, &peer, NULL, 0));
    EXPECT(has_bytes(&peer, "\x88\x02\x03\xe8", 4));
    peer_close(&peer);
    EXPECT(await_count(&f, &f.closed, 1));
    EXPECT_INT(f.code, 1000);
    EXPECT(f.drained >= 1);
    tear_down(&f);
}

PRL_TEST(ws_handshake_is_refused_when_wrong)
{
    static const struct {
        const char *text, *status;
    } bad[] = {
        {UPGRADE("/v1/realtime", "Authorization: Bearer wrong\r\nConnection: close\r\n"), "401"},
        {UPGRADE("/v1/realtime", "Origin: http://evil.example\r\nConnection: close\r\n"), "403"},
        {UPGRADE("/v1/other", "Connection: close\r\n"), "404"},
        {"GET /v1/realtime HTTP/1.1\r\nHost: localhost\r\n\r\n", "426"},
        {"GET /v1/realtime HTTP/1.1\r\nHost: evil.example\r\nUpgrade: websocket\r\n\r\n", "421"},
        {"POST /v1/realtime HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\r\n", "400"},
        {"GET /v1/realtime HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: "
         "upgrade\r\n"
         "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
         "426"},
        {"GET /v1/realtime HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: "
         "upgrade\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n",
         "400"},
    };
    struct fixture f = {0};
    REQUIRE(set_up(&f, NULL) == PRL_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct peer peer;
        char line[32];
        char got[32];
        EXPECT(peer_connect(&f, &peer));
        peer_send(&f, &peer, bad[i].text, strlen(bad[i].text));
        EXPECT(peer_await(&f, &peer, NULL, 0));
        snprintf(line, sizeof(line), "HTTP/1.1 %s ", bad[i].status);
        snprintf(got, sizeof(got), "%.13s", prl_str_text(&peer.text));
        EXPECT_TEXT(got, line);
        if (i == 0)
            EXPECT(prl_str_ends(prl_str_text(&peer.text), "{\"error\":1}") &&
                   strstr(prl_str_text(&peer.text), "WWW-Authenticate: Bearer\r\n"));
        peer_close(&peer);
    }
    EXPECT_INT(f.opened, 0);
    tear_down(&f);
}

PRL_TEST(ws_takes_15_mib_in_slices)
{
    enum { SIZE = 15 << 20 };
    struct fixture f = {0};
    struct peer peer;
    REQUIRE(set_up(&f, NULL) == PRL_OK);
    uint8_t *frame = prl_mem_alloc(SIZE + 64);
    uint8_t *text = prl_mem_alloc(SIZE);
    REQUIRE(frame && text);
    uint64_t sum = 0;
    for (size_t i = 0; i < SIZE; i++) {
        text[i] = (uint8_t)('A' + (i * 7 + i / 1000) % 26);
        sum += text[i];
    }
    EXPECT(peer_open(&f, &peer, UPGRADE("/v1/realtime", "")));
    size_t len = put_frame(frame, 0x81, text, SIZE, true);
    EXPECT_INT(peer_send(&f, &peer, frame, len), len);
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (f.bytes < SIZE && prl_clock_now_us() < end_us)
        prl_loop_turn(f.loop, TURN_US);
    EXPECT_INT(f.bytes, SIZE);
    EXPECT_INT(f.messages, 1);
    EXPECT(f.sum == sum);
    EXPECT(f.slice_max <= 16384);
    EXPECT(f.slices >= SIZE / 16384);
    // One byte more than the limit is refused by its header, before its payload.
    len = put_frame(frame, 0x81, text, 100, true);
    static const uint8_t header[10] = {0x81, 0xff, 0, 0, 0, 0, 1, 0, 0, 1};
    memcpy(frame, header, sizeof(header));
    peer_send(&f, &peer, frame, len);
    EXPECT(peer_await(&f, &peer, "\x88\x02\x03\xf1", 4)); // 1009
    peer_close(&peer);
    EXPECT(await_count(&f, &f.closed, 1));
    EXPECT_INT(f.code, 1009);
    prl_mem_free(frame);
    prl_mem_free(text);
    tear_down(&f);
}

PRL_TEST(ws_pause_pushes_back_and_loses_nothing)
{
    enum { SIZE = 20000, COUNT = 400 };
    struct fixture f = {.pause = true};
    struct peer peer;
    static uint8_t frame[SIZE + 64];
    static uint8_t text[SIZE];
    memset(text, 'x', sizeof(text));
    REQUIRE(set_up(&f, NULL) == PRL_OK);
    EXPECT(peer_open(&f, &peer, UPGRADE("/v1/realtime", "")));
    size_t len = put_frame(frame, 0x81, text, SIZE, true);
    int sent = 0;
    size_t at = 0;
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    // Each callback pauses; nothing may be delivered until resume.
    while (f.bytes < (size_t)SIZE * COUNT && prl_clock_now_us() < end_us) {
        while (sent < COUNT) {
            ssize_t put = send(peer.fd, frame + at, len - at, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (put <= 0)
                break;
            at += (size_t)put;
            sent += at == len;
            at = at == len ? 0 : at;
        }
        int before = f.slices;
        prl_loop_turn(f.loop, 1000);
        prl_loop_turn(f.loop, 0);
        EXPECT(f.slices <= before + 1);
        if (f.ws)
            prl_ws_resume(f.ws);
    }
    EXPECT_INT(f.bytes, (int64_t)SIZE * COUNT);
    EXPECT_INT(f.messages, COUNT);
    peer_close(&peer);
    f.pause = false;
    if (f.ws)
        prl_ws_resume(f.ws);
    EXPECT(await_count(&f, &f.closed, 1));
    EXPECT_INT(f.code, 1006);
    tear_down(&f);
}

PRL_TEST(ws_never_reading_client_hits_the_bound)
{
    struct fixture f = {0};
    struct peer peer;
    struct prl_http_conf conf = {.ws_queue_size_max = 100000, .ws_close_timeout_ms = 50};
    static char text[20000];
    memset(text, 'y', sizeof(text));
    REQUIRE(set_up(&f, &conf) == PRL_OK);
    EXPECT(peer_open(&f, &peer, UPGRADE("/v1/realtime", "")));
    peer.deaf = true;
    enum prl_err err = PRL_OK;
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (!err && prl_clock_now_us() < end_us) {
        err = prl_ws_send_text(f.ws, text, sizeof(text));
        prl_loop_turn(f.loop, 0);
    }
    EXPECT_INT(err, PRL_ERR_FULL);
    EXPECT(prl_ws_queued_bytes(f.ws) <= 100000);
    prl_ws_close(f.ws, 1013, "the client reads too slowly");
    EXPECT_INT(prl_ws_send_text(f.ws, "x", 1), PRL_ERR_CANCELED);
    EXPECT(await_count(&f, &f.closed, 1));
    EXPECT_INT(f.code, 1013);
    peer_close(&peer);
    tear_down(&f);
}

PRL_TEST(ws_closes_hostile_clients)
{
    static const struct {
        size_t len;
        const char *bytes;
        const char *close;
    } bad[] = {
        {6, "\xc1\x80\0\0\0\0", "\x88\x02\x03\xea"},
        {2, "\x81\x00", "\x88\x02\x03\xea"},
        {7, "\x81\x81\0\0\0\0\xff", "\x88\x02\x03\xef"},
        {7, "\x82\x81\0\0\0\0\xff", "\x88\x23\x03\xeb"}, // binary: 1003 with a reason
    };
    struct fixture f = {0};
    REQUIRE(set_up(&f, NULL) == PRL_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct peer peer;
        EXPECT(peer_open(&f, &peer, UPGRADE("/v1/realtime", "")));
        peer_send(&f, &peer, bad[i].bytes, bad[i].len);
        EXPECT(peer_await(&f, &peer, bad[i].close, 4));
        // It goes on sending into the closing connection; the close frame still got through.
        char junk[10000];
        memset(junk, 0x81, sizeof(junk));
        peer_send(&f, &peer, junk, sizeof(junk));
        peer_close(&peer);
        EXPECT(await_count(&f, &f.closed, (int)i + 1));
    }
    tear_down(&f);
}

PRL_TEST(ws_keeps_alive_and_notices_the_vanished)
{
    struct fixture f = {0};
    struct peer peer;
    struct prl_http_conf conf = {.ws_ping_ms = 20, .ws_timeout_ms = 100};
    prl_clock_hold(prl_clock_now_us());
    REQUIRE(set_up(&f, &conf) == PRL_OK);
    EXPECT(peer_open(&f, &peer, UPGRADE("/v1/realtime", "")));
    EXPECT(peer_await(&f, &peer, "\x89\x00", 2));
    int64_t start_us = prl_clock_now_us();
    uint8_t pong[16];
    size_t len = put_frame(pong, 0x8a, "", 0, true);
    while (prl_clock_now_us() < start_us + 250000) { // answers: stays
        EXPECT_INT(peer_send(&f, &peer, pong, len), len);
        prl_test_pass_ms();
        prl_loop_turn(f.loop, 10000);
    }
    EXPECT_INT(f.closed, 0);
    EXPECT(await_count(&f, &f.closed, 1)); // silent: goes
    EXPECT_INT(f.code, 1006);
    prl_clock_hold(-1);
    peer_close(&peer);
    tear_down(&f);
}

PRL_TEST(ws_ends_by_abort_drain_and_destroy)
{
    struct fixture f = {0};
    struct peer peers[3];
    REQUIRE(set_up(&f, &(struct prl_http_conf){.ws_close_timeout_ms = 50}) == PRL_OK);
    EXPECT(peer_open(&f, &peers[0], UPGRADE("/v1/realtime", "")));
    prl_ws_abort(f.ws);
    EXPECT_INT(f.closed, 0); // never from inside the call
    EXPECT(await_count(&f, &f.closed, 1));
    EXPECT_INT(f.code, 1006);
    EXPECT(peer_open(&f, &peers[1], UPGRADE("/v1/realtime", "")));
    prl_http_drain(f.http);
    EXPECT(peer_await(&f, &peers[1], "\x88\x1a\x03\xe9the server is going away", 28));
    EXPECT(await_count(&f, &f.closed, 2));
    EXPECT_INT(f.code, 1001);
    for (int i = 0; i < 2; i++)
        peer_close(&peers[i]);
    tear_down(&f);

    struct fixture g = {0};
    REQUIRE(set_up(&g, NULL) == PRL_OK);
    EXPECT(peer_open(&g, &peers[2], UPGRADE("/v1/realtime", "")));
    prl_http_destroy(&g.http);
    EXPECT_INT(g.closed, 1);
    peer_close(&peers[2]);
    tear_down(&g);
}

PRL_TEST(ws_two_hundred_connections_leave_nothing)
{
    enum { COUNT = 200 };
    struct fixture f = {0};
    static struct peer peers[COUNT];
    struct prl_http_stats stats;
    REQUIRE(set_up(&f, NULL) == PRL_OK);
    int64_t blocks = 0;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++)
            EXPECT(peer_open(&f, &peers[i], UPGRADE("/v1/realtime", "")));
        prl_http_stats(f.http, &stats);
        EXPECT_INT(stats.websockets, COUNT);
        for (int i = 0; i < COUNT; i++)
            peer_close(&peers[i]);
        EXPECT(await_count(&f, &f.closed, COUNT * (round + 1)));
        prl_http_stats(f.http, &stats);
        EXPECT_INT(stats.connections, 0);
        for (int turn = 0; turn < 3; turn++) // libuv closes handles a turn later
            prl_loop_turn(f.loop, 0);
        if (round > 0)
            EXPECT_INT(prl_mem_live_count(), blocks);
        blocks = prl_mem_live_count();
    }
    tear_down(&f);
}

PRL_TEST_OOM(ws_whole_life)
{
    struct fixture f = {.echo = true};
    struct peer peer = {.fd = -1};
    uint8_t frames[128];
    if (set_up(&f, NULL) || !peer_connect(&f, &peer))
        goto done;
    static const char upgrade[] = UPGRADE("/v1/realtime", "");
    (void)!send(peer.fd, upgrade, sizeof(upgrade) - 1, MSG_NOSIGNAL);
    size_t len = put_frame(frames, 0x81, "hello", 5, true);
    len += put_frame(frames + len, 0x89, "ping", 4, true);
    (void)!send(peer.fd, frames, len, MSG_NOSIGNAL);
    len = put_frame(frames, 0x88, "\x03\xe8", 2, true);
    (void)!send(peer.fd, frames, len, MSG_NOSIGNAL);
    bool ended = peer_await(&f, &peer, NULL, 0);
    EXPECT(ended || prl_test_oom());
done:
    peer_close(&peer);
    tear_down(&f);
}
