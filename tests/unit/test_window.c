// test_window.c -- packets by their numbers: order, wraps, doubles, lateness, new beginnings, bounds.
#include "media/window.h"

#include <string.h>

#include "tests/unit.h"

static struct prl_window *window;
static uint64_t discarded, lost;
static size_t bytes; // of a payload

static enum prl_window_fate put(uint16_t seq, uint32_t timestamp, bool fresh)
{
    struct prl_window_place place = prl_window_place(window, seq, timestamp, fresh);
    if (place.fate == PRL_WINDOW_FITS) {
        struct prl_window_packet *kept = prl_window_keep(window, &place, bytes, &discarded, &lost);
        kept->samples = 320;
        memset(kept->payload, (uint8_t)seq, bytes);
    }
    return place.fate;
}

static bool make(void)
{
    discarded = lost = 0;
    bytes = 160;
    return prl_window_create(&window, 48000, 16000) == PRL_OK;
}

PRL_TEST(window_orders_across_the_wraps)
{
    REQUIRE(make());
    EXPECT(prl_window_first(window) == NULL);
    static const uint16_t order[] = {65534, 0, 65535, 1};
    static const int64_t media[] = {0, 640, 320, 960};
    uint32_t base = UINT32_MAX - 959;
    for (size_t i = 0; i < 4; i++)
        EXPECT_INT(put(order[i], base + (uint32_t)media[i] * 3, true), PRL_WINDOW_FITS);
    EXPECT_INT(put(0, base + 1920, true), PRL_WINDOW_DUPLICATE);
    EXPECT_INT(prl_window_count(window), 4);
    int64_t first = prl_window_first(window)->at;
    for (int64_t i = 0; i < 4; i++) {
        EXPECT_INT(prl_window_first(window)->at - first, i * 320);
        EXPECT_INT(prl_window_first(window)->seq, prl_window_next(window));
        EXPECT(prl_window_step(window));
    }
    EXPECT(!prl_window_step(window)); // number 2 has not come
    EXPECT_INT(put(1, base, false), PRL_WINDOW_DUPLICATE);
    EXPECT_INT(put(2, base, false), PRL_WINDOW_LATE);
    EXPECT_INT(put(2, base, false), PRL_WINDOW_DUPLICATE);
    prl_window_destroy(&window);
    EXPECT(window == NULL);
}

PRL_TEST(window_begins_earlier_while_fresh)
{
    REQUIRE(make());
    EXPECT_INT(put(10, 9600, true), PRL_WINDOW_FITS);
    EXPECT_INT(put(8, 7680, true), PRL_WINDOW_FITS);
    EXPECT_INT(prl_window_first(window)->at, 2560);
    prl_window_start(window, prl_window_first(window)->seq);
    EXPECT_INT(put(7, 6720, false), PRL_WINDOW_LATE);
    prl_window_start(window, prl_window_next(window) + 2);
    EXPECT_INT(prl_window_first(window)->at, 3200);
    EXPECT_INT(prl_window_count(window), 1);
    prl_window_destroy(&window);
}

PRL_TEST(window_pushes_the_oldest_out)
{
    REQUIRE(make());
    for (uint16_t i = 0; i < 100; i++)
        if (i != 20)
            EXPECT_INT(put(i, i * 960U, false), PRL_WINDOW_FITS);
    EXPECT_INT(prl_window_count(window), PRL_WINDOW_PACKETS);
    EXPECT_INT(discarded, 35);
    EXPECT_INT(lost, 1);
    EXPECT_INT(prl_window_first(window)->at, 36 * 320);
    EXPECT_INT(put(2000, 0, false), PRL_WINDOW_FITS); // far ahead, but believed
    EXPECT_INT(prl_window_count(window), 1);
    prl_window_destroy(&window);
}

PRL_TEST(window_believes_a_wild_number_with_its_successor)
{
    REQUIRE(make());
    EXPECT_INT(put(5, 0, false), PRL_WINDOW_FITS);
    EXPECT_INT(put(30000, 0, false), PRL_WINDOW_WILD);
    EXPECT_INT(put(6, 960, false), PRL_WINDOW_FITS);
    EXPECT_INT(put(30001, 0, false), PRL_WINDOW_WILD); // the proof was broken by number 6
    struct prl_window_place place = prl_window_place(window, 30002, 77, false);
    EXPECT(place.anew);
    EXPECT_INT(place.fate, PRL_WINDOW_FITS);
    EXPECT_INT(prl_window_count(window), 0);
    prl_window_destroy(&window);
}

PRL_TEST(window_holds_against_random_numbers)
{
    REQUIRE(make());
    for (int i = 0; i < 100000; i++) {
        uint16_t seq = (uint16_t)prl_test_random();
        if (i % 3)
            seq = (uint16_t)(prl_window_next(window) + prl_test_random() % 200 - 50);
        (void)put(seq, prl_test_random(), prl_test_random() % 8 == 0);
        if (prl_test_random() % 4 == 0)
            (void)prl_window_step(window);
        const struct prl_window_packet *first = prl_window_first(window);
        EXPECT(prl_window_count(window) <= PRL_WINDOW_PACKETS);
        EXPECT((first != NULL) == (prl_window_count(window) > 0));
        EXPECT(!first || (first->seq >= prl_window_next(window) &&
                          first->seq < prl_window_next(window) + PRL_WINDOW_PACKETS));
    }
    prl_window_destroy(&window);
}

PRL_TEST_OOM(window_create)
{
    if (make())
        EXPECT_INT(put(1, 1, true), PRL_WINDOW_FITS);
    prl_window_destroy(&window);
}

// All bytes of the waiting packets are theirs; returns how many packets there are.
static size_t check_payloads(void)
{
    size_t found = 0;
    for (; prl_window_count(window) > 0; prl_window_step(window)) {
        const struct prl_window_packet *first = prl_window_first(window);
        if (first->seq != prl_window_next(window))
            continue;
        for (size_t i = 0; i < first->size; i++)
            EXPECT_INT(first->payload[i], (uint8_t)first->seq);
        found++;
    }
    return found;
}

PRL_TEST(window_keeps_as_many_long_packets_as_it_has_bytes)
{
    REQUIRE(make());
    bytes = PRL_WINDOW_SIZE_MAX;
    for (uint16_t i = 0; i < 60; i++)
        EXPECT_INT(put(i, i * 960U, false), PRL_WINDOW_FITS);
    EXPECT_INT(prl_window_count(window), PRL_WINDOW_BYTES / PRL_WINDOW_SIZE_MAX);
    EXPECT_INT(discarded, 60 - PRL_WINDOW_BYTES / PRL_WINDOW_SIZE_MAX);
    EXPECT_INT(check_payloads(), PRL_WINDOW_BYTES / PRL_WINDOW_SIZE_MAX);
    prl_window_destroy(&window);
    // Speech at 96 kb/s still fills every number.
    REQUIRE(make());
    bytes = 240;
    for (uint16_t i = 0; i < 500; i++)
        EXPECT_INT(put(i, i * 960U, false), PRL_WINDOW_FITS);
    EXPECT_INT(check_payloads(), PRL_WINDOW_PACKETS);
    prl_window_destroy(&window);
    // Any lengths, in almost any order.
    REQUIRE(make());
    for (uint16_t i = 0; i < 2000; i++) {
        bytes = prl_test_random() % (PRL_WINDOW_SIZE_MAX + 1);
        (void)put((uint16_t)(i ^ (prl_test_random() & 3)), i * 960U, false);
    }
    (void)check_payloads();
    prl_window_destroy(&window);
}
