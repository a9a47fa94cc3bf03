// seats.h -- a page that a server and its child processes share: how many lanes of each compute now.
//
// Each process writes its own seat and reads the others'. A child that is killed while it computes cannot
// tidy up: its server does, when it has seen it die.
// Units:    lanes; microseconds of CPU time.
// Threads:  any, without a lock.
// Memory:   one page of a memfd, sealed against growing and cutting; a small block for each who maps it.
// Errors:   IO: the system gives no page; INVALID: a descriptor or seat that is none.
// Bounds:   PRL_SEATS_MAX children; further ones have no seat. What a damaged child writes is worth one
//           lane at most.
// Source:   memfd_create(2), fcntl(2) on seals.
#ifndef PRL_BASE_SEATS_H
#define PRL_BASE_SEATS_H

#include <stdint.h>

#include "base/err.h"

struct prl_seats;

enum { PRL_SEATS_MAX = 15 }; // beside the server's own, which is seat 0

// What each of the others had used when it was looked at last. Zeroed at first.
struct prl_seats_used {
    int pid[PRL_SEATS_MAX + 1];
    int64_t us[PRL_SEATS_MAX + 1];
};

// The server's.
enum prl_err prl_seats_create(struct prl_seats **out) PRL_MUST_USE;
// A child's, by what it has inherited of prl_seats_fd. `fd` is closed in any case.
enum prl_err prl_seats_join(struct prl_seats **out, int fd, unsigned seat) PRL_MUST_USE;
void prl_seats_destroy(struct prl_seats **seats);

// The server's alone: what children inherit (above 9, closed on exec); a seat for a child to come, 0: all
// are taken; nobody sits there (any more), whatever it held; a seat that no child will have.
int prl_seats_fd(const struct prl_seats *seats);
unsigned prl_seats_reserve(struct prl_seats *seats);
void prl_seats_vacate(struct prl_seats *seats, unsigned seat);
void prl_seats_release(struct prl_seats *seats, unsigned seat);

// So many more lanes of this process compute.
void prl_seats_add(struct prl_seats *seats, int more);
// Lanes of the other processes that compute.
int prl_seats_others(const struct prl_seats *seats);
// CPU time that the others have used since `last` was written, which it is anew.
int64_t prl_seats_used_us(const struct prl_seats *seats, struct prl_seats_used *last);

#endif
