// test_frame4571.c -- framed datagrams: whole, cut anywhere, empty, too long.
#include <string.h>

#include "rtc/frame4571.h"
#include "tests/unit.h"

static const uint8_t stream[] = {0, 3, 'a', 'b', 'c', 0, 0, 0, 1, 'd', 0, 2, 'e'};

PRL_TEST(frame4571_whole_and_cut)
{
    for (size_t step = 1; step <= sizeof(stream); step++) {
        struct prl_frame4571 frame;
        prl_frame4571_init(&frame);
        char got[16] = "";
        size_t len = 0;
        size_t at = 0;
        enum prl_err err = PRL_OK;
        while (at < sizeof(stream)) {
            size_t piece = sizeof(stream) - at < step ? sizeof(stream) - at : step;
            struct prl_frame4571_packet packet;
            size_t used;
            err = prl_frame4571_next(&frame, stream + at, piece, &used, &packet);
            EXPECT(err == PRL_OK || (err == PRL_ERR_AGAIN && used == piece));
            for (size_t i = 0; i < packet.size && len + 2 < sizeof(got); i++)
                got[len++] = (char)packet.data[i];
            if (err == PRL_OK)
                got[len++] = '|';
            at += used;
        }
        EXPECT_TEXT(got, "abc|d|");
        EXPECT_INT(err, PRL_ERR_AGAIN);
        uint8_t rest[3] = {'f', 0, 9};
        size_t used;
        struct prl_frame4571_packet packet;
        EXPECT_OK(prl_frame4571_next(&frame, rest, sizeof(rest), &used, &packet));
        EXPECT_INT(used, 1);
        EXPECT(packet.size == 2 && memcmp(packet.data, "ef", 2) == 0);
    }
}

PRL_TEST(frame4571_length_is_bounded)
{
    struct prl_frame4571 frame;
    struct prl_frame4571_packet packet;
    uint8_t bytes[PRL_FRAME4571_HEAD + PRL_FRAME4571_MAX] = {0};
    size_t used;
    prl_frame4571_init(&frame);
    prl_frame4571_head(PRL_FRAME4571_MAX, bytes);
    EXPECT_OK(prl_frame4571_next(&frame, bytes, sizeof(bytes), &used, &packet));
    EXPECT_INT(packet.size, PRL_FRAME4571_MAX);
    EXPECT(packet.data == bytes + PRL_FRAME4571_HEAD); // not copied
    EXPECT_INT(used, sizeof(bytes));
    prl_frame4571_head(PRL_FRAME4571_MAX + 1, bytes);
    EXPECT_INT(prl_frame4571_next(&frame, bytes, sizeof(bytes), &used, &packet), PRL_ERR_INVALID);
    // Also when the length itself comes in two pieces.
    prl_frame4571_init(&frame);
    EXPECT_INT(prl_frame4571_next(&frame, bytes, 1, &used, &packet), PRL_ERR_AGAIN);
    EXPECT_INT(prl_frame4571_next(&frame, bytes + 1, 1, &used, &packet), PRL_ERR_INVALID);
    EXPECT_INT(prl_frame4571_next(&frame, bytes, 0, &used, &packet), PRL_ERR_AGAIN);
}
