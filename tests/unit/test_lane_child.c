// test_lane_child.c -- what a child process takes for its parent's first word; the rest of it is in
// test_lane_process.c, which has one.
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/lane_child.h"
#include "tests/unit.h"

static enum prl_err hear(const void *bytes, size_t size, char **data, size_t *got)
{
    struct prl_lane_child *child;
    int pair[2];
    *data = NULL;
    *got = 0;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return PRL_ERR_IO;
    bool written = write(pair[0], bytes, size) == (ssize_t)size;
    (void)close(pair[0]);
    EXPECT(written);
    enum prl_err err = prl_lane_child_create(&child, pair[1]);
    if (err)
        return err;
    EXPECT(prl_lane_child_loop(child) != NULL && prl_lane_child_share(child) != NULL);
    err = prl_lane_child_hello(child, data, got);
    prl_lane_child_destroy(&child);
    return err;
}

PRL_TEST_OOM(lane_child_hears_hello)
{
    struct {
        struct prl_lane_frame frame;
        char text[8];
    } first = {{.magic = PRL_LANE_FRAME_MAGIC, .kind = PRL_LANE_HELLO, .size = 8}, "a=1\0b=2"};
    char *data;
    size_t size;
    enum prl_err err = hear(&first, sizeof(first), &data, &size);
    EXPECT(!err == (data != NULL));
    if (data)
        EXPECT(size == 8 && memcmp(data, "a=1\0b=2\0", 9) == 0);
    prl_mem_free(data);
}

PRL_TEST(lane_child_refuses_what_is_no_hello)
{
    struct {
        struct prl_lane_frame frame;
        char text[8];
    } first = {{.magic = PRL_LANE_FRAME_MAGIC, .kind = PRL_LANE_MESSAGE, .size = 8}, "a=1\0b=2"};
    char *data;
    size_t size;
    EXPECT_INT(hear(&first, sizeof(first), &data, &size), PRL_ERR_INVALID);
    first.frame.kind = PRL_LANE_HELLO;
    EXPECT_INT(hear(&first, sizeof(first) - 1, &data, &size), PRL_ERR_IO);
    EXPECT_INT(hear(&first, 10, &data, &size), PRL_ERR_IO);
    EXPECT_INT(hear(&first, 0, &data, &size), PRL_ERR_IO);
    first.frame.size = UINT64_MAX;
    EXPECT_INT(hear(&first, sizeof(first), &data, &size), PRL_ERR_INVALID);
    first.frame.magic = 0;
    EXPECT_INT(hear(&first, sizeof(first), &data, &size), PRL_ERR_INVALID);
    EXPECT(data == NULL && size == 0);
}

PRL_TEST(lane_child_destroy_takes_nothing)
{
    struct prl_lane_child *child = NULL;
    prl_lane_child_destroy(&child);
    EXPECT(child == NULL);
}
