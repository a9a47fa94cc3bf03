// seats.c -- see seats.h.
#include "base/seats.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"

enum {
    PAGE_BYTES = 4096,
    MAGIC = 0x53544c50,
    SERVER_LANES_MAX = 64, // more than a server has
    FD_MIN = 10,           // children's first descriptors are given by number
};

struct seat {
    _Alignas(64) atomic_int pid; // 0: nobody
    atomic_int busy;             // lanes that compute
};

// Shared. Only `magic` never changes.
struct page {
    uint32_t magic;
    struct seat seats[PRL_SEATS_MAX + 1];
};
_Static_assert(sizeof(struct page) <= PAGE_BYTES, "all seats are on the page");
_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "a lock would be of one process");

struct prl_seats {
    struct page *page; // mapped
    unsigned own;
    int fd;               // owned; -1: a child's
    atomic_uint reserved; // a bit each, of the server's children
};

static enum prl_err map_page(struct prl_seats *seats, int fd)
{
    void *at = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return PRL_ERR_IO;
    seats->page = at;
    return PRL_OK;
}

static void sit_down(struct prl_seats *seats)
{
    struct seat *seat = &seats->page->seats[seats->own];
    atomic_store(&seat->busy, 0);
    atomic_store(&seat->pid, (int)getpid());
}

static enum prl_err make_page(struct prl_seats *seats)
{
    int fd = memfd_create("parley-seats", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return PRL_ERR_IO;
    seats->fd = fcntl(fd, F_DUPFD_CLOEXEC, FD_MIN);
    (void)close(fd);
    if (seats->fd < 0 || ftruncate(seats->fd, PAGE_BYTES) != 0)
        return PRL_ERR_IO;
    enum prl_err err = map_page(seats, seats->fd);
    // A child that cuts the page would end the server by SIGBUS.
    if (!err && fcntl(seats->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        err = PRL_ERR_IO;
    return err;
}

enum prl_err prl_seats_create(struct prl_seats **out)
{
    PRL_CHECK(out != NULL);
    struct prl_seats *seats = *out = prl_mem_zalloc(sizeof(*seats));
    if (!seats)
        return PRL_ERR_NOMEM;
    seats->fd = -1;
    enum prl_err err = make_page(seats);
    if (err) {
        prl_seats_destroy(out);
        return err;
    }
    seats->page->magic = MAGIC;
    sit_down(seats);
    return PRL_OK;
}

enum prl_err prl_seats_join(struct prl_seats **out, int fd, unsigned seat)
{
    PRL_CHECK(out != NULL);
    struct stat stat;
    struct prl_seats *seats = *out = NULL;
    enum prl_err err = PRL_ERR_INVALID;
    if (seat >= 1 && seat <= PRL_SEATS_MAX && fstat(fd, &stat) == 0 && stat.st_size == PAGE_BYTES) {
        seats = prl_mem_zalloc(sizeof(*seats));
        err = seats ? PRL_OK : PRL_ERR_NOMEM;
    }
    if (!err) {
        *seats = (struct prl_seats){.own = seat, .fd = -1};
        err = map_page(seats, fd);
    }
    if (!err && seats->page->magic != MAGIC)
        err = PRL_ERR_INVALID;
    (void)close(fd);
    if (err) {
        prl_seats_destroy(&seats);
        return err;
    }
    sit_down(seats);
    *out = seats;
    return PRL_OK;
}

void prl_seats_destroy(struct prl_seats **seats)
{
    PRL_CHECK(seats != NULL);
    if (!*seats)
        return;
    if ((*seats)->page)
        (void)munmap((*seats)->page, PAGE_BYTES);
    if ((*seats)->fd >= 0)
        (void)close((*seats)->fd);
    prl_mem_free(*seats);
    *seats = NULL;
}

int prl_seats_fd(const struct prl_seats *seats)
{
    PRL_CHECK(seats->fd >= 0);
    return seats->fd;
}

unsigned prl_seats_reserve(struct prl_seats *seats)
{
    for (unsigned seat = 1; seat <= PRL_SEATS_MAX; seat++) {
        unsigned bit = 1U << seat;
        if (!(atomic_fetch_or(&seats->reserved, bit) & bit)) {
            prl_seats_vacate(seats, seat);
            return seat;
        }
    }
    return 0;
}

void prl_seats_vacate(struct prl_seats *seats, unsigned seat)
{
    PRL_CHECK(seat >= 1 && seat <= PRL_SEATS_MAX);
    atomic_store(&seats->page->seats[seat].pid, 0);
    atomic_store(&seats->page->seats[seat].busy, 0);
}

void prl_seats_release(struct prl_seats *seats, unsigned seat)
{
    prl_seats_vacate(seats, seat);
    (void)atomic_fetch_and(&seats->reserved, ~(1U << seat));
}

void prl_seats_add(struct prl_seats *seats, int more)
{
    (void)atomic_fetch_add_explicit(&seats->page->seats[seats->own].busy, more,
                                    memory_order_relaxed);
}

int prl_seats_others(const struct prl_seats *seats)
{
    int sum = 0;
    for (unsigned i = 0; i <= PRL_SEATS_MAX; i++) {
        int max = i == 0 ? SERVER_LANES_MAX : 1;
        int busy = atomic_load_explicit(&seats->page->seats[i].busy, memory_order_relaxed);
        if (i != seats->own && busy > 0)
            sum += busy < max ? busy : max;
    }
    return sum;
}

int64_t prl_seats_used_us(const struct prl_seats *seats, struct prl_seats_used *last)
{
    int64_t sum_us = 0;
    for (unsigned i = 0; i <= PRL_SEATS_MAX; i++) {
        int pid = atomic_load_explicit(&seats->page->seats[i].pid, memory_order_relaxed);
        int64_t now_us = i != seats->own && pid > 0 ? prl_clock_process_us(pid) : -1;
        // Whoever sits there for the first time has worked since its birth alone.
        int64_t before_us = last->pid[i] == pid ? last->us[i] : 0;
        if (now_us > before_us)
            sum_us += now_us - before_us;
        last->pid[i] = now_us < 0 ? 0 : pid;
        last->us[i] = now_us < 0 ? 0 : now_us;
    }
    return sum_us;
}
