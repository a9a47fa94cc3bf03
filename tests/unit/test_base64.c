// test_base64.c -- RFC 4648 §10 vectors, slices, and what is refused.
#include <string.h>

#include "base/base64.h"
#include "tests/unit.h"

static size_t decode_sliced(const char *text, size_t slice, uint8_t *out, enum prl_err *err)
{
    struct prl_base64 state = {0};
    size_t total = 0;
    size_t len = strlen(text);
    *err = PRL_OK;
    for (size_t at = 0; at < len && !*err; at += slice) {
        size_t got;
        *err = prl_base64_decode(&state, text + at, len - at < slice ? len - at : slice,
                                 out + total, &got);
        total += got;
    }
    size_t last = 0;
    if (!*err)
        *err = prl_base64_end(&state, out + total, &last);
    return total + last;
}

PRL_TEST(base64_knows_the_vectors_of_the_rfc)
{
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < 7; i++) {
        char text[16] = {0};
        prl_base64_encode(text, pairs[i][0], strlen(pairs[i][0]));
        EXPECT_TEXT(text, pairs[i][1]);
        for (size_t slice = 1; slice < 6; slice++) {
            uint8_t out[32] = {0};
            enum prl_err err;
            EXPECT_INT(decode_sliced(pairs[i][1], slice, out, &err), strlen(pairs[i][0]));
            EXPECT_OK(err);
            EXPECT(memcmp(out, pairs[i][0], strlen(pairs[i][0])) == 0);
        }
    }
}

PRL_TEST(base64_refuses_what_is_none)
{
    static const char *const bad[] = {"Zg=",    "Zg===", "Z",    "Zm9v=", "Zg==Zg==", "Zm 9v",
                                      "Zm9v\n", "=",     "====", "Z===",  "Zm8=a",    "\xFF\xFF"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint8_t out[32];
        enum prl_err err;
        decode_sliced(bad[i], 3, out, &err);
        if (err != PRL_ERR_INVALID)
            prl_test_failed(__FILE__, __LINE__, bad[i]);
    }
    uint8_t out[32];
    enum prl_err err;
    EXPECT_INT(decode_sliced("Zm8", 2, out, &err), 2); // unpadded
    EXPECT_OK(err);
}
