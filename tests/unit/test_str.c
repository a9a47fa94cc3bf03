// test_str.c -- growing strings with a maximum, and UTF-8.
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "tests/unit.h"

PRL_TEST(str_grows_and_formats)
{
    struct prl_str str;
    prl_str_init(&str, 1000);
    EXPECT_TEXT(prl_str_text(&str), "");
    EXPECT_OK(prl_str_adds(&str, "a"));
    EXPECT_OK(prl_str_addf(&str, "%d-%s", 42, "x"));
    EXPECT_OK(prl_str_addc(&str, '!'));
    EXPECT_TEXT(prl_str_text(&str), "a42-x!");
    prl_str_drop(&str, 3);
    EXPECT_TEXT(prl_str_text(&str), "-x!");
    char *given = prl_str_give(&str);
    EXPECT_TEXT(given, "-x!");
    EXPECT_INT(str.len, 0);
    prl_mem_free(given);
}

PRL_TEST(str_keeps_its_contents_at_the_limit)
{
    struct prl_str str;
    prl_str_init(&str, 5);
    EXPECT_OK(prl_str_adds(&str, "12345"));
    EXPECT_INT(prl_str_addc(&str, '6'), PRL_ERR_LIMIT);
    EXPECT_INT(str.err, PRL_ERR_LIMIT);
    EXPECT_TEXT(prl_str_text(&str), "12345");
    prl_str_clear(&str);
    EXPECT_INT(str.err, PRL_OK);
    prl_str_free(&str);
}

PRL_TEST_OOM(str_grows)
{
    struct prl_str str;
    prl_str_init(&str, 100000);
    for (int i = 0; i < 500 && !str.err; i++)
        (void)prl_str_adds(&str, "0123456789");
    EXPECT(str.err == PRL_OK || str.err == PRL_ERR_NOMEM);
    prl_str_free(&str);
}

PRL_TEST(utf8_round_trips_every_code_point)
{
    for (uint32_t code = 1; code <= 0x10FFFF; code++) {
        if (code >= 0xD800 && code <= 0xDFFF)
            continue;
        char bytes[4];
        uint32_t back = 0;
        size_t len = prl_utf8_encode(code, bytes);
        if (prl_utf8_decode(bytes, len, &back) != len || back != code)
            EXPECT_INT(back, code);
    }
}

PRL_TEST(utf8_refuses_what_is_malformed)
{
    EXPECT(prl_utf8_valid("\xE4\xBD\xA0", 3));
    EXPECT(prl_utf8_valid("\xEF\xBF\xBD", 3));
    EXPECT(!prl_utf8_valid("\xC0\x80", 2));
    EXPECT(!prl_utf8_valid("\xED\xA0\x80", 3));
    EXPECT(!prl_utf8_valid("\xF4\x90\x80\x80", 4));
    EXPECT(!prl_utf8_valid("\xE4\xBD", 2));
    EXPECT(!prl_utf8_valid("\xFF", 1));
}

PRL_TEST(utf8_whole_leaves_a_cut_sequence_out)
{
    EXPECT_INT(prl_utf8_whole("a\xE4\xBD\xA0", 4), 4);
    EXPECT_INT(prl_utf8_whole("a\xE4\xBD", 3), 1);
    EXPECT_INT(prl_utf8_whole("a\xE4", 2), 1);
    EXPECT_INT(prl_utf8_whole("abc", 3), 3);
    EXPECT_INT(prl_utf8_whole("", 0), 0);
    EXPECT_INT(prl_utf8_whole("\x80\x80", 2), 2);
}

PRL_TEST(str_converts_whole_numbers_only)
{
    int64_t number = 0;
    double real = 0;
    EXPECT(prl_str_to_int("-12", &number) && number == -12);
    EXPECT(!prl_str_to_int("12x", &number));
    EXPECT(!prl_str_to_int("", &number));
    EXPECT(!prl_str_to_int("99999999999999999999", &number));
    EXPECT(prl_str_to_double("0.5", &real) && real > 0.49 && real < 0.51);
    EXPECT(!prl_str_to_double("nan", &real));
    EXPECT(!prl_str_to_double("inf", &real));
}

PRL_TEST(str_copy_cuts_between_code_points)
{
    char small[5];
    EXPECT(!prl_str_copy(small, sizeof(small), "ab\xE4\xBD\xA0"));
    EXPECT_TEXT(small, "ab");
    EXPECT(prl_str_copy(small, sizeof(small), "abcd"));
    EXPECT_TEXT(small, "abcd");
}
