// test_dtls.c -- two ends of DTLS talk to each other over a network of virtual time.
#include <string.h>

#include "base/mem.h"
#include "rtc/dtls.h"
#include "tests/unit.h"
#include "tests/unit/virtual_wall.h"

enum { FLIGHT_US = 30000, WIRE_MAX = 64, START_US = 1000000000 };

struct datagram {
    int to;
    int64_t due_us; // 0: free
    size_t size;
    uint8_t data[PRL_DTLS_MTU];
};

struct end {
    struct prl_dtls_cert *cert;
    struct prl_dtls *dtls;
    size_t got; // bytes of data
    uint8_t last[PRL_DTLS_DATA_MAX];
    size_t last_size;
};

struct pair {
    struct end ends[2]; // client, server
    int64_t now_us;
    unsigned loss;       // of 100
    unsigned drop_to[2]; // this many datagrams to an end are lost first
    size_t sent, longest;
    struct datagram wire[WIRE_MAX];
};

static void on_data(void *arg, const uint8_t *data, size_t size)
{
    struct end *end = arg;
    end->got += size;
    end->last_size = size < sizeof(end->last) ? size : sizeof(end->last);
    memcpy(end->last, data, end->last_size);
}

static bool make_end(struct pair *pair, int index, const uint8_t *fingerprint)
{
    struct end *end = &pair->ends[index];
    uint8_t list[1][PRL_DTLS_FINGERPRINT_SIZE];
    memcpy(list[0], fingerprint, sizeof(list[0]));
    struct prl_dtls_conf conf = {.cert = end->cert,
                                 .client = index == 0,
                                 .fingerprints = (const uint8_t(*)[PRL_DTLS_FINGERPRINT_SIZE])list,
                                 .fingerprint_count = 1,
                                 .on_data = on_data,
                                 .arg = end};
    return prl_dtls_create(&end->dtls, &conf) == PRL_OK;
}

static void close_pair(struct pair *pair)
{
    for (int i = 0; i < 2; i++) {
        prl_dtls_destroy(&pair->ends[i].dtls);
        prl_dtls_cert_destroy(&pair->ends[i].cert);
    }
    prl_test_wall(0);
}

// `wrong`: the end that expects somebody else; -1 for none.
static bool open_pair(struct pair *pair, int wrong)
{
    memset(pair, 0, sizeof(*pair));
    pair->now_us = START_US;
    prl_test_wall(pair->now_us);
    for (int i = 0; i < 2; i++)
        if (prl_dtls_cert_create(&pair->ends[i].cert) != PRL_OK)
            return false;
    for (int i = 0; i < 2; i++) {
        int other = i == wrong ? i : 1 - i;
        if (!make_end(pair, i, prl_dtls_cert_fingerprint(pair->ends[other].cert)))
            return false;
    }
    prl_dtls_start(pair->ends[1].dtls, pair->now_us);
    prl_dtls_start(pair->ends[0].dtls, pair->now_us);
    return true;
}

static void carry(struct pair *pair, int from)
{
    uint8_t data[PRL_DTLS_MTU];
    size_t size;
    while ((size = prl_dtls_output(pair->ends[from].dtls, data)) > 0) {
        int to = 1 - from;
        pair->sent++;
        pair->longest = size > pair->longest ? size : pair->longest;
        if (pair->drop_to[to] > 0) {
            pair->drop_to[to]--;
            continue;
        }
        if (prl_test_random() % 100 < pair->loss)
            continue;
        for (size_t i = 0; i < WIRE_MAX; i++)
            if (pair->wire[i].due_us == 0) {
                pair->wire[i] = (struct datagram){
                    .to = to, .due_us = pair->now_us + FLIGHT_US + (int64_t)i, .size = size};
                memcpy(pair->wire[i].data, data, size);
                break;
            }
    }
}

// The next thing that happens; false when nothing ever will.
static bool step(struct pair *pair)
{
    struct datagram *next = NULL;
    int64_t when = INT64_MAX;
    carry(pair, 0);
    carry(pair, 1);
    for (size_t i = 0; i < WIRE_MAX; i++)
        if (pair->wire[i].due_us != 0 && pair->wire[i].due_us < when) {
            next = &pair->wire[i];
            when = next->due_us;
        }
    for (int i = 0; i < 2; i++)
        if (prl_dtls_deadline(pair->ends[i].dtls) < when) {
            when = prl_dtls_deadline(pair->ends[i].dtls);
            next = NULL;
        }
    if (when == INT64_MAX)
        return false;
    pair->now_us = when > pair->now_us ? when : pair->now_us;
    prl_test_wall(pair->now_us);
    if (next) {
        next->due_us = 0;
        prl_dtls_input(pair->ends[next->to].dtls, next->data, next->size, pair->now_us);
        return true;
    }
    for (int i = 0; i < 2; i++)
        prl_dtls_timeout(pair->ends[i].dtls, pair->now_us);
    return true;
}

static void settle(struct pair *pair, int64_t limit_us)
{
    while (pair->now_us < START_US + limit_us && step(pair))
        ;
}

static bool both(const struct pair *pair, enum prl_dtls_state state)
{
    return prl_dtls_state(pair->ends[0].dtls) == state &&
           prl_dtls_state(pair->ends[1].dtls) == state;
}

PRL_TEST(keys_and_data)
{
    struct pair pair;
    REQUIRE(open_pair(&pair, -1));
    settle(&pair, 10000000);
    EXPECT(both(&pair, PRL_DTLS_CONNECTED));
    EXPECT_INT(pair.now_us - START_US, 4 * FLIGHT_US); // two round trips: no HelloVerifyRequest
    EXPECT(pair.longest <= PRL_DTLS_MTU);
    struct prl_srtp_keys a;
    struct prl_srtp_keys b;
    EXPECT_OK(prl_dtls_keys(pair.ends[0].dtls, &a));
    EXPECT_OK(prl_dtls_keys(pair.ends[1].dtls, &b));
    EXPECT_INT(a.profile, PRL_SRTP_AEAD_AES_128_GCM);
    EXPECT(memcmp(a.send_key, b.receive_key, 16) == 0);
    EXPECT(memcmp(b.send_key, a.receive_key, 16) == 0);
    EXPECT(memcmp(a.send_salt, b.receive_salt, 14) == 0);
    EXPECT(memcmp(b.send_salt, a.receive_salt, 14) == 0);
    EXPECT(memcmp(a.send_key, a.receive_key, 16) != 0);

    uint8_t data[PRL_DTLS_DATA_MAX + 1];
    memset(data, 7, sizeof(data));
    EXPECT_INT(prl_dtls_send(pair.ends[0].dtls, data, sizeof(data)), PRL_ERR_INVALID);
    EXPECT_INT(prl_dtls_send(pair.ends[0].dtls, data, 0), PRL_ERR_INVALID);
    EXPECT_OK(prl_dtls_send(pair.ends[0].dtls, data, PRL_DTLS_DATA_MAX));
    EXPECT_OK(prl_dtls_send(pair.ends[1].dtls, data, 1));
    settle(&pair, 20000000);
    EXPECT_INT(pair.ends[1].got, PRL_DTLS_DATA_MAX);
    EXPECT_INT(pair.ends[0].got, 1);
    EXPECT(memcmp(pair.ends[1].last, data, PRL_DTLS_DATA_MAX) == 0);
    EXPECT(pair.longest <= PRL_DTLS_MTU);

    prl_dtls_close(pair.ends[0].dtls);
    settle(&pair, 30000000);
    EXPECT(both(&pair, PRL_DTLS_CLOSED));
    EXPECT_INT(prl_dtls_send(pair.ends[1].dtls, data, 1), PRL_ERR_AGAIN);
    EXPECT_INT(prl_dtls_keys(pair.ends[1].dtls, &b), PRL_ERR_INVALID);
    close_pair(&pair);
}

PRL_TEST(each_lost_flight_is_repeated)
{
    // To the server: ClientHello, then Certificate to Finished; to the client: ServerHello to Done,
    // then Finished, for which only the client's repetition can ask again.
    static const unsigned lost[][2] = {{0, 1}, {0, 2}, {1, 0}, {2, 0}, {1, 1}, {2, 2}, {3, 3}};
    for (size_t i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
        struct pair pair;
        REQUIRE(open_pair(&pair, -1));
        pair.drop_to[0] = lost[i][0];
        pair.drop_to[1] = lost[i][1];
        settle(&pair, 10000000);
        EXPECT(both(&pair, PRL_DTLS_CONNECTED));
        struct prl_dtls_stats stats[2];
        prl_dtls_stats(pair.ends[0].dtls, &stats[0]);
        prl_dtls_stats(pair.ends[1].dtls, &stats[1]);
        EXPECT(stats[0].retransmits + stats[1].retransmits > 0);
        EXPECT_INT(prl_dtls_deadline(pair.ends[0].dtls), INT64_MAX);
        close_pair(&pair);
    }
    // The last flight alone: let three flights pass, then lose one.
    struct pair pair;
    REQUIRE(open_pair(&pair, -1));
    while (prl_dtls_state(pair.ends[1].dtls) == PRL_DTLS_HANDSHAKE && step(&pair))
        ;
    EXPECT_INT(prl_dtls_state(pair.ends[0].dtls), PRL_DTLS_HANDSHAKE);
    pair.drop_to[0] = 1;
    settle(&pair, 10000000);
    EXPECT(both(&pair, PRL_DTLS_CONNECTED));
    close_pair(&pair);
}

PRL_TEST(lossy_network)
{
    int64_t total_us = 0;
    int connected = 0;
    for (int i = 0; i < 40; i++) {
        struct pair pair;
        REQUIRE(open_pair(&pair, -1));
        pair.loss = 30;
        settle(&pair, 20000000);
        EXPECT(pair.sent < 100);
        if (both(&pair, PRL_DTLS_CONNECTED)) {
            connected++;
            total_us += pair.now_us - START_US;
        }
        close_pair(&pair);
    }
    // A question or its answer is lost half of the time: ten times in a row in 1 of 1,000 handshakes,
    // 2 of 640 with other seeds.
    EXPECT(connected >= 38);
    EXPECT(connected > 0 && total_us / connected < 2000000);
}

PRL_TEST(silence_gives_up)
{
    struct pair pair;
    REQUIRE(open_pair(&pair, -1));
    pair.loss = 100;
    settle(&pair, 100000000);
    EXPECT_INT(prl_dtls_state(pair.ends[0].dtls), PRL_DTLS_FAILED);
    EXPECT_INT(prl_dtls_state(pair.ends[1].dtls), PRL_DTLS_HANDSHAKE);
    EXPECT(prl_dtls_why(pair.ends[0].dtls)[0] != '\0');
    EXPECT(pair.sent <= 14);
    close_pair(&pair);
}

PRL_TEST(fingerprint_mismatch)
{
    for (int wrong = 0; wrong < 2; wrong++) {
        struct pair pair;
        REQUIRE(open_pair(&pair, wrong));
        settle(&pair, 60000000);
        EXPECT_INT(prl_dtls_state(pair.ends[wrong].dtls), PRL_DTLS_FAILED);
        EXPECT_TEXT(prl_dtls_why(pair.ends[wrong].dtls),
                    "the certificate does not have the fingerprint of the SDP");
        EXPECT_INT(prl_dtls_state(pair.ends[1 - wrong].dtls), PRL_DTLS_FAILED);
        struct prl_srtp_keys keys;
        EXPECT_INT(prl_dtls_keys(pair.ends[wrong].dtls, &keys), PRL_ERR_INVALID);
        EXPECT_INT(pair.ends[0].got + pair.ends[1].got, 0);
        close_pair(&pair);
    }
}

PRL_TEST(any_of_several_fingerprints)
{
    struct pair pair;
    REQUIRE(open_pair(&pair, -1));
    prl_dtls_destroy(&pair.ends[1].dtls);
    uint8_t list[PRL_DTLS_FINGERPRINTS_MAX][PRL_DTLS_FINGERPRINT_SIZE] = {{1}, {2}, {3}};
    memcpy(list[3], prl_dtls_cert_fingerprint(pair.ends[0].cert), sizeof(list[3]));
    struct prl_dtls_conf conf = {.cert = pair.ends[1].cert,
                                 .fingerprints = (const uint8_t(*)[PRL_DTLS_FINGERPRINT_SIZE])list,
                                 .fingerprint_count = PRL_DTLS_FINGERPRINTS_MAX,
                                 .on_data = on_data,
                                 .arg = &pair.ends[1]};
    REQUIRE(prl_dtls_create(&pair.ends[1].dtls, &conf) == PRL_OK);
    prl_dtls_start(pair.ends[1].dtls, pair.now_us);
    settle(&pair, 10000000);
    EXPECT(both(&pair, PRL_DTLS_CONNECTED));
    close_pair(&pair);
}

PRL_TEST(garbage_does_not_end_an_association)
{
    struct pair pair;
    struct pair other;
    REQUIRE(open_pair(&other, -1));
    uint8_t hello[PRL_DTLS_MTU];
    size_t hello_size = prl_dtls_output(other.ends[0].dtls, hello);
    close_pair(&other);
    REQUIRE(hello_size > 0);
    REQUIRE(open_pair(&pair, -1));
    // In every moment of the handshake and for a while after it: a stranger's ClientHello, noise, and
    // noise that looks like records of both epochs.
    for (int i = 0; i < 200; i++) {
        uint8_t noise[64];
        if (i < 190 && !step(&pair) && i < 3)
            break;
        for (size_t k = 0; k < sizeof(noise); k++)
            noise[k] = (uint8_t)prl_test_random();
        struct prl_dtls *server = pair.ends[1].dtls;
        bool connected = both(&pair, PRL_DTLS_CONNECTED);
        prl_dtls_input(server, hello, hello_size, pair.now_us);
        prl_dtls_input(server, noise, sizeof(noise), pair.now_us);
        uint8_t head[13] = {(uint8_t)(20 + i % 4), 254, 253, 0, 1, 0, 0, 0, 0, 1, 0, 0, 51};
        memcpy(noise, head, sizeof(head));
        if (connected || i % 4 == 3)
            prl_dtls_input(server, noise, sizeof(noise), pair.now_us);
        noise[4] = 0;
        if (connected)
            prl_dtls_input(server, noise, sizeof(noise), pair.now_us);
        uint8_t alert[15] = {21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40};
        if (connected)
            prl_dtls_input(server, alert, sizeof(alert), pair.now_us);
    }
    EXPECT(both(&pair, PRL_DTLS_CONNECTED));
    EXPECT_OK(prl_dtls_send(pair.ends[0].dtls, hello, 100));
    settle(&pair, 60000000);
    EXPECT_INT(pair.ends[1].got, 100);
    EXPECT(both(&pair, PRL_DTLS_CONNECTED));
    close_pair(&pair);
}

PRL_TEST(early_records_are_bounded)
{
    struct pair pair;
    REQUIRE(open_pair(&pair, -1));
    step(&pair); // the server has the ClientHello
    struct prl_dtls *server = pair.ends[1].dtls;
    uint8_t record[63] = {23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 0, 0, 50};
    for (unsigned i = 0; i < 100; i++) {
        record[10] = (uint8_t)i;
        prl_dtls_input(server, record, sizeof(record), pair.now_us);
    }
    struct prl_dtls_stats stats;
    prl_dtls_stats(server, &stats);
    EXPECT_INT(stats.implausible, 100 - PRL_DTLS_AHEAD_MAX);
    EXPECT_INT(prl_dtls_state(server), PRL_DTLS_HANDSHAKE);
    close_pair(&pair);
}

PRL_TEST(full_queue_refuses_data)
{
    struct pair pair;
    REQUIRE(open_pair(&pair, -1));
    settle(&pair, 10000000);
    uint8_t data[PRL_DTLS_DATA_MAX] = {0};
    int sent = 0;
    while (prl_dtls_send(pair.ends[0].dtls, data, sizeof(data)) == PRL_OK)
        sent++;
    EXPECT_INT(sent, PRL_DTLS_OUTPUT_MAX / (PRL_DTLS_MTU + 2));
    EXPECT_INT(prl_dtls_send(pair.ends[0].dtls, data, 1), PRL_ERR_FULL);
    settle(&pair, 20000000);
    EXPECT_OK(prl_dtls_send(pair.ends[0].dtls, data, 1));
    EXPECT_INT(pair.ends[1].got, (size_t)sent * sizeof(data));
    struct prl_dtls_stats stats;
    prl_dtls_stats(pair.ends[0].dtls, &stats);
    EXPECT_INT(stats.output_lost, 0);
    close_pair(&pair);
}

PRL_TEST_OOM(create_fails_cleanly)
{
    struct pair pair;
    if (open_pair(&pair, -1)) {
        settle(&pair, 10000000);
        EXPECT(both(&pair, PRL_DTLS_CONNECTED));
    }
    close_pair(&pair);
}
