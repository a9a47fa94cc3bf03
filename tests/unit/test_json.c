// test_json.c -- reading and writing JSON.
#include <string.h>

#include "base/json.h"
#include "base/json_write.h"
#include "tests/unit.h"

PRL_TEST(json_reads_every_type)
{
    static const char text[] = "{\"a\":1,\"b\":[true,null,2.5,\"x\\u0000y\"],\"c\":{\"d\":\"e\"}}";
    struct prl_json *root;
    REQUIRE(prl_json_parse(&root, text, strlen(text), NULL, 0) == PRL_OK);
    EXPECT_INT(prl_json_int(prl_json_get(root, "a"), 0), 1);
    const struct prl_json *list = prl_json_get(root, "b");
    EXPECT_INT(prl_json_count(list), 4);
    EXPECT(prl_json_bool(prl_json_at(list, 0), false));
    EXPECT_INT(prl_json_type(prl_json_at(list, 1)), PRL_JSON_NULL);
    EXPECT(prl_json_real(prl_json_at(list, 2), 0) > 2.4);
    EXPECT_INT(prl_json_string_len(prl_json_at(list, 3)), 3);
    EXPECT_TEXT(prl_json_string(prl_json_get(prl_json_get(root, "c"), "d"), ""), "e");
    EXPECT_TEXT(prl_json_string(prl_json_get(root, "none"), "fallback"), "fallback");
    void *cursor = NULL;
    const char *key;
    const struct prl_json *value;
    int members = 0;
    while (prl_json_next(root, &cursor, &key, &value))
        members++;
    EXPECT_INT(members, 3);
    struct prl_str dump;
    prl_str_init(&dump, 1000);
    EXPECT_OK(prl_json_dump(root, &dump));
    EXPECT_TEXT(prl_str_text(&dump), text);
    prl_str_free(&dump);
    prl_json_free(&root);
}

PRL_TEST(json_names_the_place_of_an_error)
{
    struct prl_json *root;
    char problem[100];
    EXPECT_INT(prl_json_parse(&root, "{\"a\":}", 6, problem, sizeof(problem)), PRL_ERR_INVALID);
    EXPECT(root == NULL);
    EXPECT(strstr(problem, "line 1 column 6") != NULL);
    EXPECT_INT(prl_json_parse(&root, "{\"a\":1,\"a\":2}", 13, problem, sizeof(problem)),
               PRL_ERR_INVALID);
    EXPECT_INT(prl_json_parse(&root, "", 0, problem, sizeof(problem)), PRL_ERR_INVALID);
}

PRL_TEST_OOM(json_reads_and_dumps)
{
    static const char text[] = "{\"a\":[1,2,{\"b\":\"some longer text\"}]}";
    struct prl_json *root;
    enum prl_err err = prl_json_parse(&root, text, strlen(text), NULL, 0);
    EXPECT(err == PRL_OK || err == PRL_ERR_NOMEM);
    if (err)
        return;
    struct prl_str dump;
    prl_str_init(&dump, 1000);
    err = prl_json_dump(root, &dump);
    EXPECT(err == PRL_OK || err == PRL_ERR_NOMEM);
    prl_str_free(&dump);
    prl_json_free(&root);
}

PRL_TEST(json_write_makes_valid_text_of_anything)
{
    struct prl_str out;
    prl_str_init(&out, 10000);
    struct prl_json_write json;
    prl_json_write_init(&json, &out);
    prl_json_write_object(&json, NULL);
    prl_json_write_string(&json, "text", "a\"b\\c\n\x01\xFF\xE4\xBD\xA0");
    prl_json_write_string(&json, "none", NULL);
    prl_json_write_array(&json, "list");
    prl_json_write_int(&json, NULL, -5);
    prl_json_write_real(&json, NULL, 0.5);
    prl_json_write_object(&json, NULL);
    prl_json_write_end_object(&json);
    prl_json_write_end_array(&json);
    prl_json_write_bool(&json, "yes", true);
    prl_json_write_base64(&json, "data", "foob", 4);
    prl_json_write_raw(&json, "raw", "[1]");
    prl_json_write_end_object(&json);
    EXPECT_TEXT(prl_str_text(&out),
                "{\"text\":\"a\\\"b\\\\c\\n\\u0001\xEF\xBF\xBD\xE4\xBD\xA0\",\"none\":null,"
                "\"list\":[-5,0.5,{}],\"yes\":true,\"data\":\"Zm9vYg==\",\"raw\":[1]}");
    struct prl_json *root;
    EXPECT_OK(prl_json_parse(&root, out.data, out.len, NULL, 0));
    prl_json_free(&root);
    prl_str_free(&out);
}
