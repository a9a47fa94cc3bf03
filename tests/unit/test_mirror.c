// test_mirror.c -- the conversation upstream is made to be ours.
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "tests/unit.h"
#include "upstream/mirror.h"

static enum prl_err on_remove(void *arg, const char *id)
{
    return prl_str_addf(arg, "-%s ", id);
}

static enum prl_err on_truncate(void *arg, const char *id, uint64_t samples)
{
    return prl_str_addf(arg, "<%s@%u ", id, (unsigned)samples);
}

static enum prl_err on_create(void *arg, const char *after, const struct prl_mirror_item *item)
{
    return prl_str_addf(arg, "+%s:%d:%.*s>%s ", item->id, (int)item->kind, (int)item->len,
                        item->text, after);
}

static const struct prl_mirror_ops ops = {on_remove, on_truncate, on_create};

#define TEXT(role_, words)                                                                         \
    {                                                                                              \
        .role = (role_), .text = (words), .len = sizeof(words) - 1                                 \
    }

static void sync(struct prl_mirror *mirror, const struct prl_llm_message *messages, size_t count,
                 const char *expected)
{
    struct prl_str said;
    struct prl_mirror_rest rest;
    struct prl_llm_prompt prompt = {.messages = messages, .message_count = count};
    prl_str_init(&said, 4096);
    EXPECT_OK(prl_mirror_sync(mirror, &prompt, &ops, &said, &rest));
    EXPECT_TEXT(prl_str_text(&said), expected);
    prl_str_clear(&said);
    EXPECT_OK(
        prl_mirror_sync(mirror, &prompt, &ops, &said, &rest)); // and then there is nothing to do
    EXPECT_TEXT(prl_str_text(&said), "");
    prl_str_free(&said);
}

static void add(struct prl_mirror *mirror, enum prl_mirror_kind kind, const char *id,
                const char *text)
{
    struct prl_mirror_item item = {
        .kind = kind, .id = id, .text = text, .len = strlen(text), .call_id = "call_1"};
    EXPECT_OK(prl_mirror_add(mirror, &item));
}

PRL_TEST(mirror_keeps_what_is_the_same)
{
    struct prl_mirror *mirror;
    REQUIRE(prl_mirror_create(&mirror) == PRL_OK);
    const struct prl_llm_message said[] = {TEXT(PRL_LLM_SYSTEM, "be"), TEXT(PRL_LLM_USER, "hello"),
                                           TEXT(PRL_LLM_ASSISTANT, "Hi there.")};
    add(mirror, PRL_MIRROR_USER, "u1", "");
    EXPECT_OK(prl_mirror_text(mirror, "u1", "hello ", 6));
    add(mirror, PRL_MIRROR_ASSISTANT, "a1", "Hi there. ");
    add(mirror, PRL_MIRROR_ASSISTANT, "a1", "twice"); // changes nothing
    sync(mirror, said, 3, "");
    EXPECT_OK(prl_mirror_text(mirror, "nobody", "x", 1));
    prl_mirror_destroy(&mirror);
}

PRL_TEST(mirror_replays_after_a_loss)
{
    struct prl_mirror *mirror;
    REQUIRE(prl_mirror_create(&mirror) == PRL_OK);
    const struct prl_llm_call call = {"call_1", "light", "{}"};
    const struct prl_llm_message said[] = {
        TEXT(PRL_LLM_SYSTEM, "be"),
        TEXT(PRL_LLM_USER, "hello"),
        {.role = PRL_LLM_ASSISTANT, .text = "Hi.", .len = 3, .calls = &call, .call_count = 1},
        {.role = PRL_LLM_TOOL, .text = "done", .len = 4, .tool_call_id = "call_1"},
        TEXT(PRL_LLM_SYSTEM, "note"),
        TEXT(PRL_LLM_USER, "and now?")};
    add(mirror, PRL_MIRROR_USER, "u2", "and now?"); // the newest came with its sound
    sync(mirror, said, 6,
         "+item_parley1:1:hello>root +item_parley2:2:Hi.>item_parley1 "
         "+item_parley3:3:{}>item_parley2 +item_parley4:4:done>item_parley3 "
         "+item_parley5:0:note>item_parley4 ");
    EXPECT_INT(prl_mirror_count(mirror), 6);
    prl_mirror_clear(mirror);
    sync(mirror, said, 2, "+item_parley6:1:hello>root ");
    prl_mirror_destroy(&mirror);
}

PRL_TEST(mirror_cuts_what_was_not_heard)
{
    struct prl_mirror *mirror;
    REQUIRE(prl_mirror_create(&mirror) == PRL_OK);
    add(mirror, PRL_MIRROR_USER, "u1", "hello");
    add(mirror, PRL_MIRROR_ASSISTANT, "a1", "One two three");
    EXPECT_OK(prl_mirror_word(mirror, "a1", 3, 100));
    EXPECT_OK(prl_mirror_word(mirror, "a1", 7, 250));
    EXPECT_OK(prl_mirror_word(mirror, "a1", 13, 400));
    add(mirror, PRL_MIRROR_USER, "u2", "stop");
    const struct prl_llm_message cut[] = {TEXT(PRL_LLM_USER, "hello"),
                                          TEXT(PRL_LLM_ASSISTANT, "One two"),
                                          TEXT(PRL_LLM_USER, "stop")};
    sync(mirror, cut, 3, "<a1@250 ");
    const struct prl_llm_message less[] = {
        TEXT(PRL_LLM_USER, "hello"), TEXT(PRL_LLM_ASSISTANT, "One"), TEXT(PRL_LLM_USER, "stop")};
    sync(mirror, less, 3, "<a1@100 "); // the client moved the cut
    const struct prl_llm_message none[] = {TEXT(PRL_LLM_USER, "hello"), TEXT(PRL_LLM_USER, "stop")};
    sync(mirror, none, 2, "-a1 "); // nothing of it was heard, and "stop" keeps its sound
    prl_mirror_destroy(&mirror);
}

PRL_TEST(mirror_hands_back_a_note)
{
    struct prl_mirror *mirror;
    struct prl_mirror_rest rest;
    struct prl_str said;
    REQUIRE(prl_mirror_create(&mirror) == PRL_OK);
    prl_str_init(&said, 4096);
    add(mirror, PRL_MIRROR_USER, "u1", "what time is it");
    const struct prl_llm_message noted[] = {
        TEXT(PRL_LLM_USER, "what time is it (It is now noon.)")};
    struct prl_llm_prompt prompt = {.messages = noted, .message_count = 1};
    EXPECT_OK(prl_mirror_sync(mirror, &prompt, &ops, &said, &rest));
    EXPECT_TEXT(prl_str_text(&said), "");
    EXPECT(rest.len == 18 && memcmp(rest.text, " (It is now noon.)", 18) == 0);
    const struct prl_llm_message other[] = {TEXT(PRL_LLM_USER, "what time is it not")};
    sync(mirror, other, 1, "+item_parley1:1:what time is it not>root -u1 ");
    prl_str_free(&said);
    prl_mirror_destroy(&mirror);
}

PRL_TEST(mirror_refuses_long_ids)
{
    struct prl_mirror *mirror;
    char id[200];
    memset(id, 'x', sizeof(id));
    id[199] = '\0';
    REQUIRE(prl_mirror_create(&mirror) == PRL_OK);
    struct prl_mirror_item item = {.kind = PRL_MIRROR_USER, .id = id, .text = ""};
    EXPECT_INT(prl_mirror_add(mirror, &item), PRL_ERR_INVALID);
    for (int i = 0; i < PRL_MIRROR_ITEMS_MAX; i++) {
        snprintf(id, sizeof(id), "i%d", i);
        if (prl_mirror_add(mirror, &item) != PRL_OK)
            EXPECT(false);
    }
    EXPECT_INT(prl_mirror_add(mirror, &(struct prl_mirror_item){.id = "more", .text = ""}),
               PRL_ERR_LIMIT);
    prl_mirror_destroy(&mirror);
}

PRL_TEST_OOM(mirror_whole_life)
{
    struct prl_mirror *mirror;
    struct prl_mirror_rest rest;
    struct prl_str said;
    prl_str_init(&said, 4096);
    if (prl_mirror_create(&mirror) != PRL_OK)
        return;
    struct prl_mirror_item item = {
        .kind = PRL_MIRROR_ASSISTANT, .id = "a", .text = "x y", .len = 3};
    const struct prl_llm_message said_[] = {TEXT(PRL_LLM_USER, "hello"),
                                            TEXT(PRL_LLM_ASSISTANT, "x")};
    struct prl_llm_prompt prompt = {.messages = said_, .message_count = 2};
    enum prl_err err = prl_mirror_add(mirror, &item);
    if (!err)
        err = prl_mirror_word(mirror, "a", 1, 10);
    if (!err)
        err = prl_mirror_sync(mirror, &prompt, &ops, &said, &rest);
    EXPECT(!err || err == PRL_ERR_NOMEM);
    prl_mirror_destroy(&mirror);
    prl_str_free(&said);
}
