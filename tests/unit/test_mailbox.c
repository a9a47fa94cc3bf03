// test_mailbox.c -- bounded messages between threads.
#include <pthread.h>

#include "base/mailbox.h"
#include "base/mem.h"
#include "tests/unit.h"

PRL_TEST(mailbox_keeps_order_and_refuses_when_full)
{
    struct prl_mailbox *box;
    REQUIRE(prl_mailbox_create(&box, 2) == PRL_OK);
    EXPECT_OK(prl_mailbox_send(box, &(struct prl_msg){.type = 1}));
    EXPECT_OK(prl_mailbox_send_first(box, &(struct prl_msg){.type = 2}));
    EXPECT_INT(prl_mailbox_send(box, &(struct prl_msg){.type = 3}), PRL_ERR_FULL);
    EXPECT_INT(prl_mailbox_send_wait(box, &(struct prl_msg){.type = 3}, 1000), PRL_ERR_TIMEOUT);
    struct prl_msg msg;
    EXPECT_OK(prl_mailbox_take(box, &msg));
    EXPECT_INT(msg.type, 2);
    EXPECT_OK(prl_mailbox_take(box, &msg));
    EXPECT_INT(msg.type, 1);
    EXPECT_INT(prl_mailbox_take(box, &msg), PRL_ERR_AGAIN);
    EXPECT_INT(prl_mailbox_wait(box, &msg, 1000), PRL_ERR_TIMEOUT);
    prl_mailbox_destroy(&box);
}

PRL_TEST(mailbox_frees_what_nobody_took)
{
    struct prl_mailbox *box;
    REQUIRE(prl_mailbox_create(&box, 4) == PRL_OK);
    EXPECT_OK(prl_mailbox_send(box, &(struct prl_msg){.data = prl_mem_alloc(100), .size = 100}));
    prl_mailbox_close(box);
    EXPECT_INT(prl_mailbox_send(box, &(struct prl_msg){.type = 1}), PRL_ERR_CANCELED);
    prl_mailbox_destroy(&box);
    EXPECT(box == NULL);
}

enum { SENDERS = 4, EACH = 5000 };

static void *send_many(void *arg)
{
    for (int i = 0; i < EACH; i++)
        EXPECT_OK(prl_mailbox_send_wait(arg, &(struct prl_msg){.value = {i}}, 20000000));
    return NULL;
}

PRL_TEST(mailbox_loses_nothing_between_threads)
{
    struct prl_mailbox *box;
    REQUIRE(prl_mailbox_create(&box, 16) == PRL_OK);
    pthread_t threads[SENDERS];
    for (int i = 0; i < SENDERS; i++)
        EXPECT(pthread_create(&threads[i], NULL, send_many, box) == 0);
    int64_t sum = 0;
    struct prl_msg msg;
    for (int i = 0; i < SENDERS * EACH; i++) {
        EXPECT_OK(prl_mailbox_wait(box, &msg, -1));
        sum += msg.value[0];
    }
    EXPECT_INT(sum, (int64_t)SENDERS * EACH * (EACH - 1) / 2);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    prl_mailbox_destroy(&box);
}
