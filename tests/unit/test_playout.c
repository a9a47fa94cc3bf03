// test_playout.c -- the output clock: pacing, what was heard, pauses, gaps.
#include "media/playout.h"
#include "tests/unit.h"

static const int64_t MS = 1000; // in microseconds
static const uint64_t PER_MS = PRL_PLAYOUT_HZ / 1000;

static struct prl_playout *create(uint32_t lead_ms, uint32_t delay_ms)
{
    struct prl_playout *playout = NULL;
    struct prl_playout_conf conf;
    prl_playout_conf_init(&conf);
    EXPECT_INT(conf.lead_ms, 400);
    conf.lead_ms = lead_ms;
    conf.delay_ms = delay_ms;
    EXPECT_OK(prl_playout_create(&playout, &conf));
    prl_playout_start(playout, 7, 0);
    return playout;
}

static int64_t heard_ms(struct prl_playout *playout, int64_t at_ms)
{
    return (int64_t)(prl_playout_heard_samples(playout, at_ms * MS) / PER_MS);
}

static int64_t room_ms(struct prl_playout *playout, int64_t at_ms)
{
    return (int64_t)(prl_playout_room(playout, at_ms * MS) / PER_MS);
}

static void send_ms(struct prl_playout *playout, uint64_t ms, int64_t at_ms)
{
    prl_playout_sent(playout, ms * PER_MS, at_ms * MS);
}

PRL_TEST(playout_holds_until_released)
{
    struct prl_playout *playout = create(400, 0);
    EXPECT_INT(prl_playout_generation(playout), 7);
    EXPECT_INT(room_ms(playout, 10), 0);
    EXPECT(prl_playout_room_at_us(playout, 1, 10 * MS) == INT64_MAX);
    prl_playout_release(playout, 50 * MS);
    EXPECT_INT(room_ms(playout, 50), 400);
    prl_playout_destroy(&playout);
    EXPECT(playout == NULL);
}

PRL_TEST(playout_paces_to_real_time_plus_lead)
{
    struct prl_playout *playout = create(400, 0);
    prl_playout_release(playout, 0);
    send_ms(playout, 400, 0);
    EXPECT_INT(room_ms(playout, 0), 0);
    EXPECT_INT(prl_playout_room_at_us(playout, 20 * PER_MS, 0), 20 * MS);
    EXPECT_INT(room_ms(playout, 100), 100);
    send_ms(playout, 100, 100);
    EXPECT_INT(heard_ms(playout, 250), 250);
    // Nothing more comes: room ends at the lead, what is heard at what was sent.
    EXPECT_INT(room_ms(playout, 5000), 400);
    EXPECT_INT(heard_ms(playout, 5000), 500);
    EXPECT(prl_playout_drained(playout, 5000 * MS));
    EXPECT_INT(prl_playout_underruns(playout), 0); // the end is no underrun
    send_ms(playout, 100, 5100);
    EXPECT_INT(prl_playout_underruns(playout), 1);
    EXPECT_INT(prl_playout_gap_us(playout), 4600 * MS);
    EXPECT_INT(heard_ms(playout, 5150), 550);
    EXPECT_INT(prl_playout_drained_at_us(playout, 5150 * MS), 5200 * MS);
    prl_playout_destroy(&playout);
}

PRL_TEST(playout_pause_stops_sending_but_what_was_sent_is_heard)
{
    struct prl_playout *playout = create(400, 0);
    prl_playout_release(playout, 0);
    send_ms(playout, 400, 0);
    prl_playout_pause(playout, 100 * MS);
    EXPECT_INT(room_ms(playout, 300), 0);
    EXPECT_INT(heard_ms(playout, 300), 300);
    EXPECT_INT(heard_ms(playout, 900), 400);
    prl_playout_release(playout, 900 * MS);
    EXPECT_INT(room_ms(playout, 900), 400);
    send_ms(playout, 400, 900);
    EXPECT_INT(heard_ms(playout, 1000), 500);
    prl_playout_destroy(&playout);
}

PRL_TEST(playout_cut_fixes_what_was_heard)
{
    struct prl_playout *playout = create(400, 0);
    prl_playout_release(playout, 0);
    send_ms(playout, 400, 0);
    EXPECT_INT(prl_playout_stop(playout, true, 123 * MS), 123 * PER_MS);
    EXPECT_INT(heard_ms(playout, 2000), 123);
    EXPECT_INT(room_ms(playout, 2000), 0);
    prl_playout_release(playout, 2000 * MS);
    EXPECT_INT(room_ms(playout, 2000), 0);
    send_ms(playout, 100, 2000);
    EXPECT_INT(prl_playout_sent_samples(playout), 400 * PER_MS);
    prl_playout_destroy(&playout);

    playout = create(400, 0);
    prl_playout_release(playout, 0);
    send_ms(playout, 400, 0);
    EXPECT_INT(prl_playout_stop(playout, false, 123 * MS), 400 * PER_MS);
    EXPECT_INT(heard_ms(playout, 2000), 400);
    prl_playout_destroy(&playout);
}

PRL_TEST(playout_delay_of_webrtc)
{
    struct prl_playout *playout = create(20, 80);
    prl_playout_release(playout, 0);
    for (int at = 0; at < 1000; at += 20) {
        EXPECT(room_ms(playout, at) >= 20);
        send_ms(playout, 20, at);
        EXPECT_INT(heard_ms(playout, at), at < 80 ? 0 : at - 80);
    }
    prl_playout_set_delay(playout, 180, 980 * MS); // never goes back
    EXPECT_INT(heard_ms(playout, 1000), 900);
    EXPECT_INT(heard_ms(playout, 1100), 920);
    EXPECT_INT(heard_ms(playout, 2000), 1000);
    EXPECT_INT(prl_playout_underruns(playout), 0);
    prl_playout_destroy(&playout);
}

PRL_TEST(playout_new_generation_starts_at_zero)
{
    struct prl_playout *playout = create(400, 0);
    prl_playout_release(playout, 0);
    send_ms(playout, 300, 0);
    prl_playout_start(playout, 8, 100 * MS);
    EXPECT_INT(heard_ms(playout, 500), 0);
    EXPECT_INT(prl_playout_sent_samples(playout), 0);
    EXPECT_INT(room_ms(playout, 500), 0);
    prl_playout_set_lead(playout, 100, 500 * MS);
    prl_playout_release(playout, 400 * MS); // time that goes back stands still
    EXPECT_INT(room_ms(playout, 500), 100);
    prl_playout_destroy(&playout);
}

PRL_TEST(playout_random_never_goes_back)
{
    for (int round = 0; round < 200; round++) {
        struct prl_playout *playout = create(prl_test_random() % 600, prl_test_random() % 300);
        int64_t now_us = 0;
        uint64_t heard = 0;
        for (int i = 0; i < 100; i++) {
            now_us += prl_test_random() % 60000;
            switch (prl_test_random() % 6) {
            case 0:
                prl_playout_pause(playout, now_us);
                break;
            case 1:
                prl_playout_release(playout, now_us);
                break;
            case 2:
                prl_playout_set_delay(playout, prl_test_random() % 400, now_us);
                break;
            default:
                prl_playout_sent(playout, prl_playout_room(playout, now_us), now_us);
                EXPECT_INT(prl_playout_room(playout, now_us), 0);
            }
            uint64_t next = prl_playout_heard_samples(playout, now_us);
            EXPECT(next >= heard && next <= prl_playout_sent_samples(playout));
            heard = next;
        }
        EXPECT_INT(prl_playout_heard_samples(playout, now_us + 20000000),
                   prl_playout_sent_samples(playout));
        prl_playout_destroy(&playout);
    }
}

PRL_TEST(playout_fades)
{
    int16_t pcm[480];
    for (int i = 0; i < 480; i++)
        pcm[i] = 10000;
    prl_playout_fade(pcm, 480, 0, true);
    EXPECT_INT(pcm[0], 10000);
    EXPECT_INT(pcm[120], 5000);
    EXPECT_INT(pcm[240], 0);
    EXPECT_INT(pcm[479], 0);
    for (int i = 0; i < 480; i++)
        pcm[i] = -10000;
    prl_playout_fade(pcm, 100, 120, false);
    EXPECT_INT(pcm[0], -5000);
    EXPECT_INT(pcm[200], -10000);
}

PRL_TEST_OOM(playout_create)
{
    struct prl_playout *playout;
    struct prl_playout_conf conf = {.lead_ms = 400};
    enum prl_err err = prl_playout_create(&playout, &conf);
    EXPECT((err == PRL_OK) == (playout != NULL));
    prl_playout_destroy(&playout);
}

// 20 ms leave at each tick; the listener hears them 100 ms later.
static void pass_ms(struct prl_playout *playout, int64_t from_ms, int64_t until_ms)
{
    for (int64_t at = from_ms; at < until_ms; at += 20)
        prl_playout_passed(playout, 20 * PER_MS, at * MS);
}

PRL_TEST(playout_relayed_hears_what_was_passed_on)
{
    struct prl_playout *playout = create(60, 100);
    prl_playout_set_relayed(playout, true, 0);
    prl_playout_release(playout, 0);
    EXPECT_INT(room_ms(playout, 0), 60);
    send_ms(playout, 60, 0);
    // Nobody has passed anything on: time alone changes nothing.
    EXPECT_INT(room_ms(playout, 500), 0);
    EXPECT_INT(heard_ms(playout, 500), 0);
    EXPECT(prl_playout_room_at_us(playout, 1, 500 * MS) == INT64_MAX);
    prl_playout_passed(playout, 20 * PER_MS, 1000 * MS);
    EXPECT_INT(room_ms(playout, 1000), 20);
    EXPECT_INT(heard_ms(playout, 1100), 0);
    EXPECT_INT(heard_ms(playout, 1110), 10);
    EXPECT_INT(heard_ms(playout, 1300), 20); // the gap is heard as one
    prl_playout_passed(playout, 20 * PER_MS, 1300 * MS);
    EXPECT_INT(heard_ms(playout, 1399), 20);
    EXPECT_INT(heard_ms(playout, 1405), 25);
    EXPECT(!prl_playout_drained(playout, 2000 * MS));
    EXPECT(prl_playout_drained_at_us(playout, 2000 * MS) > 2000 * MS);
    prl_playout_passed(playout, 1000 * PER_MS, 2000 * MS); // more than waits
    EXPECT_INT(heard_ms(playout, 3000), 60);
    EXPECT(prl_playout_drained(playout, 3000 * MS));
    EXPECT_INT(prl_playout_underruns(playout), 0);
    prl_playout_destroy(&playout);
}

// What a late loop passes on in one go has its own times, and so is heard one after the other.
PRL_TEST(playout_relayed_hears_a_burst_in_order)
{
    struct prl_playout *playout = create(100, 100);
    prl_playout_set_relayed(playout, true, 0);
    prl_playout_release(playout, 0);
    send_ms(playout, 100, 0);
    EXPECT_INT(heard_ms(playout, 90), 0); // the clock stands at 90
    pass_ms(playout, 0, 100);
    EXPECT_INT(heard_ms(playout, 130), 30);
    EXPECT_INT(heard_ms(playout, 195), 95);
    EXPECT(prl_playout_drained(playout, 200 * MS));
    prl_playout_destroy(&playout);
}

PRL_TEST(playout_relayed_cuts_at_the_listener)
{
    struct prl_playout *playout = create(60, 100);
    prl_playout_set_relayed(playout, true, 0);
    prl_playout_release(playout, 0);
    send_ms(playout, 5000, 0);
    pass_ms(playout, 0, 3000); // more frames than are remembered
    EXPECT_INT(heard_ms(playout, 2995), 2895);
    prl_playout_set_delay(playout, 300, 2995 * MS); // what was heard stays heard
    EXPECT_INT(heard_ms(playout, 2995), 2895);
    prl_playout_set_delay(playout, 100, 2995 * MS);
    EXPECT_INT(prl_playout_stop(playout, true, 3000 * MS), 2900 * PER_MS);
    prl_playout_passed(playout, 20 * PER_MS, 3000 * MS); // the fade counts for nothing
    EXPECT_INT(heard_ms(playout, 9000), 2900);
    // The next answer is relayed as well, until that ends in its middle.
    prl_playout_start(playout, 8, 9000 * MS);
    prl_playout_release(playout, 9000 * MS);
    send_ms(playout, 100, 9000);
    EXPECT_INT(heard_ms(playout, 9500), 0);
    prl_playout_set_relayed(playout, false, 9500 * MS);
    EXPECT_INT(heard_ms(playout, 9550), 50);
    prl_playout_destroy(&playout);
}
