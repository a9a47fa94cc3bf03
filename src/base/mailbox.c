// mailbox.c -- see mailbox.h. A mutex and two conditions around a circular array: at a few thousand
// messages a second an uncontended lock costs less than a proof of a lock-free queue.
#include "base/mailbox.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"

enum { CAPACITY_MAX = 1 << 16 };

struct prl_mailbox {
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    pthread_cond_t drained;
    size_t capacity; // set once
    size_t first;    // index of the oldest message
    size_t count;    // waiting messages
    bool closed;
    struct prl_msg slots[];
};

static void init_cond(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    PRL_CHECK(pthread_cond_init(cond, &attr) == 0);
    pthread_condattr_destroy(&attr);
}

enum prl_err prl_mailbox_create(struct prl_mailbox **out, size_t capacity)
{
    PRL_CHECK(capacity >= 1 && capacity <= CAPACITY_MAX);
    *out = prl_mem_zalloc(sizeof(struct prl_mailbox) + capacity * sizeof(struct prl_msg));
    if (!*out)
        return PRL_ERR_NOMEM;
    struct prl_mailbox *mailbox = *out;
    mailbox->capacity = capacity;
    PRL_CHECK(pthread_mutex_init(&mailbox->mutex, NULL) == 0);
    init_cond(&mailbox->filled);
    init_cond(&mailbox->drained);
    return PRL_OK;
}

void prl_mailbox_destroy(struct prl_mailbox **mailbox)
{
    if (!*mailbox)
        return;
    struct prl_msg msg;
    while (prl_mailbox_take(*mailbox, &msg) == PRL_OK)
        prl_msg_free(&msg);
    pthread_cond_destroy(&(*mailbox)->filled);
    pthread_cond_destroy(&(*mailbox)->drained);
    pthread_mutex_destroy(&(*mailbox)->mutex);
    prl_mem_free(*mailbox);
    *mailbox = NULL;
}

// With the mutex held.
static enum prl_err put(struct prl_mailbox *mailbox, const struct prl_msg *msg, bool at_front)
{
    if (mailbox->closed)
        return PRL_ERR_CANCELED;
    if (mailbox->count == mailbox->capacity)
        return PRL_ERR_FULL;
    if (at_front)
        mailbox->first = (mailbox->first + mailbox->capacity - 1) % mailbox->capacity;
    size_t offset = at_front ? 0 : mailbox->count;
    mailbox->slots[(mailbox->first + offset) % mailbox->capacity] = *msg;
    mailbox->count++;
    pthread_cond_signal(&mailbox->filled);
    return PRL_OK;
}

enum prl_err prl_mailbox_send(struct prl_mailbox *mailbox, const struct prl_msg *msg)
{
    pthread_mutex_lock(&mailbox->mutex);
    enum prl_err err = put(mailbox, msg, false);
    pthread_mutex_unlock(&mailbox->mutex);
    return err;
}

enum prl_err prl_mailbox_send_first(struct prl_mailbox *mailbox, const struct prl_msg *msg)
{
    pthread_mutex_lock(&mailbox->mutex);
    enum prl_err err = put(mailbox, msg, true);
    pthread_mutex_unlock(&mailbox->mutex);
    return err;
}

static struct timespec deadline_after(int64_t timeout_us)
{
    int64_t at_us = prl_clock_now_us() + timeout_us;
    return (struct timespec){.tv_sec = at_us / 1000000, .tv_nsec = at_us % 1000000 * 1000};
}

enum prl_err prl_mailbox_send_wait(struct prl_mailbox *mailbox, const struct prl_msg *msg,
                                   int64_t timeout_us)
{
    struct timespec deadline = deadline_after(timeout_us);
    pthread_mutex_lock(&mailbox->mutex);
    enum prl_err err = put(mailbox, msg, false);
    while (err == PRL_ERR_FULL) {
        if (pthread_cond_timedwait(&mailbox->drained, &mailbox->mutex, &deadline) != 0) {
            err = put(mailbox, msg, false);
            err = err == PRL_ERR_FULL ? PRL_ERR_TIMEOUT : err;
            break;
        }
        err = put(mailbox, msg, false);
    }
    pthread_mutex_unlock(&mailbox->mutex);
    return err;
}

// With the mutex held.
static enum prl_err take(struct prl_mailbox *mailbox, struct prl_msg *msg)
{
    if (mailbox->count == 0)
        return mailbox->closed ? PRL_ERR_CANCELED : PRL_ERR_AGAIN;
    *msg = mailbox->slots[mailbox->first];
    mailbox->first = (mailbox->first + 1) % mailbox->capacity;
    mailbox->count--;
    pthread_cond_signal(&mailbox->drained);
    return PRL_OK;
}

enum prl_err prl_mailbox_take(struct prl_mailbox *mailbox, struct prl_msg *msg)
{
    pthread_mutex_lock(&mailbox->mutex);
    enum prl_err err = take(mailbox, msg);
    pthread_mutex_unlock(&mailbox->mutex);
    return err;
}

enum prl_err prl_mailbox_wait(struct prl_mailbox *mailbox, struct prl_msg *msg, int64_t timeout_us)
{
    struct timespec deadline = deadline_after(timeout_us < 0 ? 0 : timeout_us);
    pthread_mutex_lock(&mailbox->mutex);
    enum prl_err err = take(mailbox, msg);
    while (err == PRL_ERR_AGAIN) {
        int late = timeout_us < 0
                       ? pthread_cond_wait(&mailbox->filled, &mailbox->mutex)
                       : pthread_cond_timedwait(&mailbox->filled, &mailbox->mutex, &deadline);
        err = take(mailbox, msg);
        if (late && err == PRL_ERR_AGAIN)
            err = PRL_ERR_TIMEOUT;
    }
    pthread_mutex_unlock(&mailbox->mutex);
    return err;
}

void prl_mailbox_close(struct prl_mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->mutex);
    mailbox->closed = true;
    pthread_cond_broadcast(&mailbox->filled);
    pthread_cond_broadcast(&mailbox->drained);
    pthread_mutex_unlock(&mailbox->mutex);
}

size_t prl_mailbox_len(struct prl_mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->mutex);
    size_t count = mailbox->count;
    pthread_mutex_unlock(&mailbox->mutex);
    return count;
}

void prl_msg_free(struct prl_msg *msg)
{
    prl_mem_free(msg->data);
    *msg = (struct prl_msg){0};
}
