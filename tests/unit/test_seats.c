// test_seats.c -- the page that a server and its children share: counts, the dead, and the damaged.
#include "base/seats.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/unit.h"

static struct prl_seats *join(const struct prl_seats *server, unsigned seat)
{
    struct prl_seats *child;
    return prl_seats_join(&child, dup(prl_seats_fd(server)), seat) == PRL_OK ? child : NULL;
}

PRL_TEST_OOM(seats_are_counted)
{
    struct prl_seats *server, *one, *two;
    if (prl_seats_create(&server)) {
        EXPECT(prl_test_oom() && server == NULL);
        return;
    }
    EXPECT(prl_seats_fd(server) >= 10);
    unsigned first = prl_seats_reserve(server), second = prl_seats_reserve(server);
    EXPECT(first != 0 && second != 0 && first != second);
    one = join(server, first);
    two = join(server, second);
    if (one && two) {
        EXPECT_INT(prl_seats_others(server), 0);
        prl_seats_add(one, 1);
        prl_seats_add(server, 3);
        EXPECT_INT(prl_seats_others(server), 1);
        EXPECT_INT(prl_seats_others(one), 3);
        EXPECT_INT(prl_seats_others(two), 4);
        prl_seats_add(one, -1);
        prl_seats_add(server, -2);
        EXPECT_INT(prl_seats_others(two), 1);
        // It dies while it computes; who sits there next begins anew.
        prl_seats_add(one, 1);
        prl_seats_destroy(&one);
        EXPECT_INT(prl_seats_others(server), 1);
        prl_seats_vacate(server, first);
        EXPECT_INT(prl_seats_others(server), 0);
        one = join(server, first);
        EXPECT_INT(prl_seats_others(server), 0);
    } else {
        EXPECT(prl_test_oom());
    }
    if (one)
        prl_seats_destroy(&one);
    if (two)
        prl_seats_destroy(&two);
    prl_seats_destroy(&server);
    EXPECT(server == NULL);
    prl_seats_destroy(&server);
}

PRL_TEST(seats_are_so_many)
{
    struct prl_seats *server;
    REQUIRE(prl_seats_create(&server) == PRL_OK);
    for (unsigned i = 1; i <= PRL_SEATS_MAX; i++)
        EXPECT_INT(prl_seats_reserve(server), i);
    EXPECT_INT(prl_seats_reserve(server), 0);
    prl_seats_release(server, 7);
    EXPECT_INT(prl_seats_reserve(server), 7);
    EXPECT(join(server, 0) == NULL && join(server, PRL_SEATS_MAX + 1) == NULL);
    prl_seats_destroy(&server);
}

PRL_TEST(seats_of_a_damaged_child_are_worth_one_lane)
{
    struct prl_seats *server;
    REQUIRE(prl_seats_create(&server) == PRL_OK);
    unsigned seat = prl_seats_reserve(server);
    struct prl_seats *child = join(server, seat);
    REQUIRE(child != NULL);
    prl_seats_add(child, 1000000);
    EXPECT_INT(prl_seats_others(server), 1);
    prl_seats_add(child, -3000000);
    EXPECT_INT(prl_seats_others(server), 0);
    // All of the page is noise: counts stay in their bounds, and the server can neither lose the page nor be stopped.
    int fd = prl_seats_fd(server);
    EXPECT(ftruncate(fd, 0) != 0 && ftruncate(fd, 1 << 20) != 0);
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    REQUIRE(page != MAP_FAILED);
    struct prl_seats_used used = {{0}, {0}};
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 4096; i += 4) {
            uint32_t word = round == 0 ? INT_MAX : round == 1 ? UINT32_MAX : prl_test_random();
            memcpy(page + i, &word, sizeof(word));
        }
        int others = prl_seats_others(server);
        EXPECT(others >= 0 && others <= PRL_SEATS_MAX);
        EXPECT(prl_seats_used_us(server, &used) >= 0);
        prl_seats_add(server, 1);
    }
    EXPECT(join(server, seat) == NULL); // what is no page of ours
    (void)munmap(page, 4096);
    prl_seats_destroy(&child);
    prl_seats_destroy(&server);
}

PRL_TEST(seats_refuse_what_is_no_page)
{
    struct prl_seats *child;
    EXPECT_INT(prl_seats_join(&child, -1, 1), PRL_ERR_INVALID);
    EXPECT_INT(prl_seats_join(&child, open("/dev/null", O_RDWR | O_CLOEXEC), 1), PRL_ERR_INVALID);
    int fd = memfd_create("other", MFD_CLOEXEC);
    REQUIRE(fd >= 0 && ftruncate(fd, 4096) == 0);
    EXPECT_INT(prl_seats_join(&child, fd, 1), PRL_ERR_INVALID);
    EXPECT(child == NULL);
}

PRL_TEST(seats_know_what_the_others_use)
{
    struct prl_seats *server;
    struct prl_seats_used used = {{0}, {0}};
    REQUIRE(prl_seats_create(&server) == PRL_OK);
    unsigned seat = prl_seats_reserve(server);
    struct prl_seats *child = join(server, seat); // this process again
    REQUIRE(child != NULL);
    int64_t all_us = prl_seats_used_us(server, &used);
    EXPECT(all_us > 0 && all_us <= prl_clock_process_us((int)getpid()));
    int64_t start_us = prl_clock_thread_us();
    while (prl_clock_thread_us() - start_us < 20000) {
    }
    int64_t more_us = prl_seats_used_us(server, &used);
    EXPECT(more_us >= 20000 && more_us <= prl_clock_process_us((int)getpid()));
    prl_seats_vacate(server, seat);
    EXPECT_INT(prl_seats_used_us(server, &used), 0);
    EXPECT_INT(prl_clock_process_us(INT_MAX), -1);
    prl_seats_destroy(&child);
    prl_seats_destroy(&server);
}
