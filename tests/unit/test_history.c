// test_history.c -- the chain of items, the bounds, and the words that were heard.
#include <stdio.h>
#include <string.h>

#include "session/history.h"
#include "tests/unit.h"

// Output samples of so many milliseconds.
#define MS(x) ((uint64_t)(x)*24)

static struct prl_history *create(uint32_t items_max, size_t bytes_max)
{
    struct prl_history *history = NULL;
    struct prl_history_conf conf;
    prl_history_conf_init(&conf);
    if (items_max > 0)
        conf.items_max = items_max;
    if (bytes_max > 0)
        conf.bytes_max = bytes_max;
    EXPECT_OK(prl_history_create(&history, &conf));
    return history;
}

static enum prl_err add(struct prl_history *history, const char *after, const char *id,
                        enum prl_item_kind kind)
{
    struct prl_item_new item = {.kind = kind, .status = PRL_ITEM_COMPLETED, .id = id};
    return prl_history_add(history, after, &item);
}

static void add_text(struct prl_history *history, const char *id, enum prl_item_kind kind,
                     const char *text)
{
    EXPECT_OK(add(history, NULL, id, kind));
    bool audio = kind == PRL_ITEM_ASSISTANT;
    EXPECT_OK(prl_history_add_part(history, id, audio, text, strlen(text)));
}

// Ids in order, "a b c"; also checks the chain of previous ids and the count.
static const char *chain(const struct prl_history *history)
{
    static char text[256]; // one test a process
    text[0] = '\0';
    size_t at = 0;
    uint32_t count = 0;
    const char *previous = NULL;
    for (const struct prl_item *item = prl_history_first(history); item;
         item = prl_history_next(item)) {
        EXPECT_TEXT(prl_item_previous_id(item), previous);
        previous = prl_item_id(item);
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", at ? " " : "", previous);
        count++;
    }
    EXPECT_INT(count, prl_history_count(history));
    return text;
}

PRL_TEST(history_keeps_one_chain)
{
    struct prl_history *history = create(0, 0);
    EXPECT_OK(add(history, NULL, "a", PRL_ITEM_USER));
    EXPECT_OK(add(history, NULL, "b", PRL_ITEM_ASSISTANT));
    EXPECT_OK(add(history, "a", "c", PRL_ITEM_USER));
    EXPECT_OK(add(history, "root", "d", PRL_ITEM_SYSTEM));
    EXPECT_OK(add(history, "b", "e", PRL_ITEM_USER));
    EXPECT_TEXT(chain(history), "d a c b e");
    EXPECT_INT(add(history, NULL, "c", PRL_ITEM_USER), PRL_ERR_INVALID);
    EXPECT_INT(add(history, NULL, "", PRL_ITEM_USER), PRL_ERR_INVALID);
    EXPECT_INT(add(history, "nobody", "f", PRL_ITEM_USER), PRL_ERR_NOTFOUND);
    char id[80];
    memset(id, 'x', sizeof(id));
    id[PRL_HISTORY_ID_MAX] = '\0';
    EXPECT_INT(add(history, NULL, id, PRL_ITEM_USER), PRL_ERR_INVALID);
    id[PRL_HISTORY_ID_MAX - 1] = '\0';
    EXPECT_OK(add(history, NULL, id, PRL_ITEM_USER));
    EXPECT_OK(prl_history_delete(history, id));
    EXPECT_OK(prl_history_delete(history, "a"));
    EXPECT_OK(prl_history_delete(history, "d"));
    EXPECT_OK(prl_history_delete(history, "e"));
    EXPECT_INT(prl_history_delete(history, "e"), PRL_ERR_NOTFOUND);
    EXPECT_TEXT(chain(history), "c b");
    EXPECT_TEXT(prl_item_id(prl_history_last(history)), "b");
    EXPECT(prl_history_find(history, "a") == NULL);
    EXPECT(prl_history_find(history, "b") != NULL);
    prl_history_destroy(&history);
    EXPECT(history == NULL);
    prl_history_destroy(&history);
}

PRL_TEST(history_items_carry_what_they_were_given)
{
    struct prl_history *history = create(0, 0);
    struct prl_item_new call = {.kind = PRL_ITEM_CALL,
                                .status = PRL_ITEM_IN_PROGRESS,
                                .id = "fc",
                                .call_id = "call_1",
                                .name = "weather"};
    EXPECT_OK(prl_history_add(history, NULL, &call));
    EXPECT_OK(prl_history_add_part(history, "fc", false, "{\"a\"", 4));
    EXPECT_OK(prl_history_append(history, "fc", 0, ":1}", 3));
    EXPECT_OK(prl_history_set_status(history, "fc", PRL_ITEM_COMPLETED));
    const struct prl_item *item = prl_history_find(history, "fc");
    EXPECT_TEXT(prl_item_call_id(item), "call_1");
    EXPECT_TEXT(prl_item_name(item), "weather");
    EXPECT_INT(prl_item_kind(item), PRL_ITEM_CALL);
    EXPECT_INT(prl_item_status(item), PRL_ITEM_COMPLETED);
    EXPECT_TEXT(prl_item_part(item, 0).text, "{\"a\":1}");
    EXPECT_OK(prl_history_set_text(history, "fc", 0, "{}", 2));
    EXPECT_TEXT(prl_item_part(item, 0).text, "{}");
    EXPECT_INT(prl_history_set_text(history, "fc", 1, "", 0), PRL_ERR_INVALID);
    EXPECT_INT(prl_history_append(history, "x", 0, "", 0), PRL_ERR_NOTFOUND);
    for (int i = 1; i < PRL_HISTORY_PARTS_MAX; i++)
        EXPECT_OK(prl_history_add_part(history, "fc", false, "p", 1));
    EXPECT_INT(prl_history_add_part(history, "fc", false, "p", 1), PRL_ERR_LIMIT);
    uint64_t applied;
    EXPECT_INT(prl_history_truncate(history, "fc", 0, 1, &applied), PRL_ERR_INVALID);
    prl_history_destroy(&history);
}

static void expect_heard(const char *text, const struct prl_history_mark *marks, size_t count,
                         uint64_t ms, const char *heard)
{
    size_t len = prl_history_words_heard(text, strlen(text), marks, count, MS(ms));
    char cut[200];
    snprintf(cut, sizeof(cut), "%.*s", (int)len, text);
    EXPECT_TEXT(cut, heard);
}

PRL_TEST(history_cut_falls_between_words)
{
    static const char TEXT[] = "Hello there, my friend.";
    // Words of 400 ms with 200 ms of silence behind the comma.
    static const struct prl_history_mark MARKS[] = {
        {0, 0},         {MS(400), 5},   {MS(400), 6},   {MS(800), 12},  {MS(1000), 12},
        {MS(1000), 13}, {MS(1200), 15}, {MS(1200), 16}, {MS(1600), 23},
    };
    size_t count = sizeof(MARKS) / sizeof(MARKS[0]);
    expect_heard(TEXT, MARKS, count, 0, "");
    expect_heard(TEXT, MARKS, count, 200, "");
    expect_heard(TEXT, MARKS, count, 201, "Hello");
    expect_heard(TEXT, MARKS, count, 560, "Hello");
    expect_heard(TEXT, MARKS, count, 620, "Hello there,");
    expect_heard(TEXT, MARKS, count, 1100, "Hello there,");
    expect_heard(TEXT, MARKS, count, 1110, "Hello there, my");
    expect_heard(TEXT, MARKS, count, 1600, TEXT);
}

PRL_TEST(history_cut_in_chinese_and_mixed_text)
{
    static const char TEXT[] = "你好，我是 Kokoro。再见";
    // 11 characters' worth of even speech: bytes go evenly from mark to mark.
    static const struct prl_history_mark MARKS[] = {
        {0, 0},         {MS(500), 6},   {MS(700), 9},   {MS(1200), 15},
        {MS(1200), 16}, {MS(1800), 22}, {MS(2000), 25}, {MS(2500), 31},
    };
    size_t count = sizeof(MARKS) / sizeof(MARKS[0]);
    expect_heard(TEXT, MARKS, count, 100, "");
    expect_heard(TEXT, MARKS, count, 130, "你");
    expect_heard(TEXT, MARKS, count, 400, "你好，");
    expect_heard(TEXT, MARKS, count, 1200, "你好，我是");
    expect_heard(TEXT, MARKS, count, 1490, "你好，我是");
    expect_heard(TEXT, MARKS, count, 1510, "你好，我是 Kokoro。");
    expect_heard(TEXT, MARKS, count, 2130, "你好，我是 Kokoro。再");
    expect_heard(TEXT, MARKS, count, 9999, TEXT);
    // Sound made for the first half only: the rest was never heard.
    expect_heard(TEXT, MARKS, 4, 9999, "你好，我是");
}

PRL_TEST(history_word_ends)
{
    static const char TEXT[] = "  \"Yes,\" 他说：“好” 3.5!";
    static const char *const ENDS[] = {"  \"Yes,\"", "  \"Yes,\" 他", "  \"Yes,\" 他说：",
                                       "  \"Yes,\" 他说：“好”", TEXT};
    size_t at = 0;
    for (size_t i = 0; i < sizeof(ENDS) / sizeof(ENDS[0]); i++) {
        at = prl_history_word_end(TEXT, strlen(TEXT), at);
        EXPECT_INT(at, strlen(ENDS[i]));
    }
    EXPECT_INT(prl_history_word_end("...", 3, 0), 3);
    EXPECT_INT(prl_history_word_end("", 0, 0), 0);
    EXPECT_INT(prl_history_word_end("\xFF\xFE", 2, 0), 2);
}

PRL_TEST(history_truncate_is_clamped_and_moves_both_ways)
{
    struct prl_history *history = create(0, 0);
    add_text(history, "u", PRL_ITEM_USER, "count");
    add_text(history, "a", PRL_ITEM_ASSISTANT, "one two three four");
    for (size_t i = 0; i <= 18; i++)
        EXPECT_OK(prl_history_mark(history, "a", MS(i * 100), i));
    EXPECT_OK(prl_history_sent(history, "a", MS(1000)));
    const struct prl_item *item = prl_history_find(history, "a");
    EXPECT(!prl_item_cut(item));
    EXPECT_INT(prl_item_heard_bytes(item, 0), 18);
    uint64_t applied = 0;
    EXPECT_OK(prl_history_truncate(history, "a", 0, MS(5000), &applied));
    EXPECT_INT(applied, MS(1000));
    EXPECT_INT(prl_item_heard_bytes(item, 0), 7); // 1000 ms is in "three", not half way
    EXPECT_OK(prl_history_truncate(history, "a", 0, 0, &applied));
    EXPECT_INT(prl_item_heard_bytes(item, 0), 0);
    EXPECT_OK(prl_history_truncate(history, "a", 0, MS(600), &applied));
    EXPECT_INT(prl_item_heard_bytes(item, 0), 7);
    EXPECT_INT(prl_item_cut_samples(item), MS(600));
    EXPECT_TEXT(prl_item_part(item, 0).text, "one two three four"); // the text is kept
    EXPECT_INT(prl_history_truncate(history, "u", 0, 0, &applied), PRL_ERR_INVALID);
    EXPECT_INT(prl_history_truncate(history, "a", 1, 0, &applied), PRL_ERR_INVALID);
    EXPECT_INT(prl_history_truncate(history, "x", 0, 0, &applied), PRL_ERR_NOTFOUND);
    prl_history_destroy(&history);
}

PRL_TEST(history_truncate_without_a_map_goes_by_share)
{
    struct prl_history *history = create(0, 0);
    add_text(history, "a", PRL_ITEM_ASSISTANT, "one two three four");
    EXPECT_OK(prl_history_sent(history, "a", MS(1800)));
    uint64_t applied = 0;
    EXPECT_OK(prl_history_truncate(history, "a", 0, MS(900), &applied));
    EXPECT_INT(prl_item_heard_bytes(prl_history_find(history, "a"), 0), 7);
    EXPECT_OK(prl_history_truncate(history, "a", 0, MS(1800), &applied));
    EXPECT_INT(prl_item_heard_bytes(prl_history_find(history, "a"), 0), 18);
    prl_history_destroy(&history);
}

static const char *prompt_in(const struct prl_history *history, const struct prl_prompt_room *room,
                             const char *open_id)
{
    static char text[512]; // one test a process
    text[0] = '\0';
    size_t at = 0;
    struct prl_prompt_view view;
    struct prl_prompt_entry entry;
    prl_prompt_begin(history, room, open_id, &view);
    while (prl_prompt_next(&view, &entry)) {
        char line[100];
        prl_prompt_text(&entry, line, sizeof(line));
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%d:%s", at ? "|" : "",
                               (int)entry.kind, line);
    }
    return text;
}

static const char *prompt(const struct prl_history *history, size_t bytes_max, const char *open_id)
{
    const struct prl_prompt_room room = {.bytes_max = bytes_max};
    return prompt_in(history, &room, open_id);
}

PRL_TEST(history_prompt_is_what_was_heard)
{
    struct prl_history *history = create(0, 0);
    EXPECT_TEXT(prompt(history, 1000, NULL), "");
    add_text(history, "s", PRL_ITEM_SYSTEM, "be kind");
    add_text(history, "u1", PRL_ITEM_USER, "hi");
    add_text(history, "a1", PRL_ITEM_ASSISTANT, "one two three");
    add_text(history, "u2", PRL_ITEM_USER, "");
    add_text(history, "u3", PRL_ITEM_USER, "more");
    struct prl_item_new open = {PRL_ITEM_ASSISTANT, PRL_ITEM_IN_PROGRESS, "a2", NULL, NULL};
    EXPECT_OK(prl_history_add(history, NULL, &open));
    EXPECT_OK(prl_history_add_part(history, "a2", true, "sure", 4));
    EXPECT_OK(prl_history_sent(history, "a1", 1300));
    EXPECT_TEXT(prompt(history, 1000, NULL), "0:be kind|1:hi|2:one two three|1:more");
    EXPECT_TEXT(prompt(history, 1000, "a2"), "0:be kind|1:hi|2:one two three|1:more|2:sure");
    uint64_t applied;
    EXPECT_OK(prl_history_truncate(history, "a1", 0, 700, &applied));
    EXPECT_TEXT(prompt(history, 1000, NULL), "0:be kind|1:hi|2:one two|1:more");
    EXPECT_OK(prl_history_truncate(history, "a1", 0, 0, &applied));
    EXPECT_TEXT(prompt(history, 1000, NULL), "0:be kind|1:hi|1:more");
    EXPECT_OK(prl_history_add_part(history, "u3", false, "and this", 8));
    EXPECT_TEXT(prompt(history, 1000, NULL), "0:be kind|1:hi|1:more\nand this");
    prl_history_destroy(&history);
}

PRL_TEST(history_prompt_drops_whole_turns)
{
    struct prl_history *history = create(0, 0);
    add_text(history, "g", PRL_ITEM_ASSISTANT, "welcome");
    add_text(history, "s", PRL_ITEM_SYSTEM, "sys");
    add_text(history, "u1", PRL_ITEM_USER, "aaaa");
    struct prl_item_new call = {PRL_ITEM_CALL, PRL_ITEM_COMPLETED, "c1", "call", "f"};
    EXPECT_OK(prl_history_add(history, NULL, &call));
    add_text(history, "u2", PRL_ITEM_USER, "bbbb");
    struct prl_item_new output = {PRL_ITEM_OUTPUT, PRL_ITEM_COMPLETED, "o1", "call", NULL};
    EXPECT_OK(prl_history_add(history, NULL, &output));
    EXPECT_OK(prl_history_add_part(history, "o1", false, "42", 2));
    add_text(history, "a2", PRL_ITEM_ASSISTANT, "cccc");
    EXPECT_TEXT(prompt(history, 100, NULL), "2:welcome|0:sys|1:aaaa|3:|1:bbbb|4:42|2:cccc");
    EXPECT_TEXT(prompt(history, 20, NULL), "0:sys|1:aaaa|3:|1:bbbb|4:42|2:cccc");
    // The result without its call goes too.
    EXPECT_TEXT(prompt(history, 15, NULL), "0:sys|1:bbbb|2:cccc");
    EXPECT_TEXT(prompt(history, 0, NULL), "0:sys|1:bbbb|2:cccc"); // the newest turn always
    prl_history_destroy(&history);
}

PRL_TEST(history_keeps_images_beside_the_words)
{
    static char large[PRL_HISTORY_IMAGE_MAX + 1];
    struct prl_history *history = create(0, 0);
    add_text(history, "u1", PRL_ITEM_USER, "look");
    EXPECT_OK(prl_history_add_image(history, "u1", "data:image/png;base64,AA==", 26));
    EXPECT_OK(add(history, NULL, "u2", PRL_ITEM_USER));
    EXPECT_OK(prl_history_add_image(history, "u2", "data:image/png;base64,BB==", 26));
    const struct prl_item *item = prl_history_find(history, "u1");
    EXPECT(prl_item_part(item, 1).image && !prl_item_part(item, 0).image);
    EXPECT_TEXT(prl_item_part(item, 1).text, "data:image/png;base64,AA==");
    EXPECT_INT(prl_item_heard_bytes(item, 1), 0);
    // They are no words and no bytes of the conversation; an image alone is shown.
    EXPECT_TEXT(prompt(history, 4, NULL), "1:look|1:");
    // But they are tokens.
    struct prl_prompt_room room = {.bytes_max = 1000, .tokens_max = 1500};
    EXPECT_TEXT(prompt_in(history, &room, NULL), "1:");
    memset(large, 'x', sizeof(large));
    EXPECT_INT(prl_history_add_image(history, "u1", large, sizeof(large)), PRL_ERR_LIMIT);
    EXPECT_INT(prl_history_add_image(history, "none", large, 10), PRL_ERR_NOTFOUND);
    prl_history_destroy(&history);
}

// Turns of 10 bytes, 3 tokens and 4 for the message, in a window that moves in steps.
static int moves_of_window(struct prl_prompt_room *room, int turns, size_t bytes_max,
                           size_t tokens_max)
{
    struct prl_history *history = create(0, 0);
    char id[16];
    char text[24];
    char last[512] = "";
    int moves = 0;
    add_text(history, "s", PRL_ITEM_SYSTEM, "sys");
    for (int i = 0; i < turns; i++) {
        snprintf(id, sizeof(id), "u%d", i);
        snprintf(text, sizeof(text), "turn %05d", i);
        add_text(history, id, PRL_ITEM_USER, text);
        const char *shown = prompt_in(history, room, NULL);
        EXPECT(strlen(shown) > 0 && strstr(shown, text) != NULL);
        moves += strncmp(shown, last, strlen(last)) != 0;
        snprintf(last, sizeof(last), "%s", shown);
        size_t count = 0;
        for (const char *at = shown; (at = strstr(at, "turn ")) != NULL; at++)
            count++;
        EXPECT(count * 10 + 3 <= bytes_max && (!tokens_max || count * 7 + 5 <= tokens_max));
    }
    prl_history_destroy(&history);
    return moves;
}

PRL_TEST(history_prompt_window_moves_in_steps)
{
    char from[PRL_HISTORY_ID_MAX] = "";
    struct prl_prompt_room room = {.bytes_max = 103, .from_id = from};
    EXPECT_INT(moves_of_window(&room, 10, 103, 0), 0);
    EXPECT_TEXT(from, "");                             // there is room for all
    EXPECT_INT(moves_of_window(&room, 40, 103, 0), 8); // at the 11th turn four go, and so on
    EXPECT(strcmp(from, "u30") >= 0);
    from[0] = '\0';
    room.bytes_max = 100000;
    room.tokens_max = 75; // ten turns
    EXPECT_INT(moves_of_window(&room, 40, 100000, 75), 8);
    // Without a memory each further turn moves it.
    room = (struct prl_prompt_room){.bytes_max = 103};
    EXPECT_INT(moves_of_window(&room, 40, 103, 0), 30);
}

PRL_TEST(history_prompt_window_outlives_its_first_turn)
{
    char from[PRL_HISTORY_ID_MAX] = "u2";
    struct prl_prompt_room room = {.bytes_max = 100, .from_id = from};
    struct prl_history *history = create(0, 0);
    add_text(history, "u1", PRL_ITEM_USER, "aaaa");
    add_text(history, "u2", PRL_ITEM_USER, "bbbb");
    add_text(history, "s", PRL_ITEM_SYSTEM, "sys");
    add_text(history, "u3", PRL_ITEM_USER, "cccc");
    EXPECT_TEXT(prompt_in(history, &room, NULL), "1:bbbb|0:sys|1:cccc");
    EXPECT_OK(prl_history_delete(history, "u2"));
    EXPECT_TEXT(prompt_in(history, &room, NULL), "1:aaaa|0:sys|1:cccc");
    prl_history_destroy(&history);
}

PRL_TEST(history_bounds_drop_the_oldest_turns)
{
    struct prl_history *history = create(5, 0);
    add_text(history, "s", PRL_ITEM_SYSTEM, "sys");
    add_text(history, "u1", PRL_ITEM_USER, "1");
    add_text(history, "a1", PRL_ITEM_ASSISTANT, "1");
    add_text(history, "u2", PRL_ITEM_USER, "2");
    add_text(history, "a2", PRL_ITEM_ASSISTANT, "2");
    add_text(history, "u3", PRL_ITEM_USER, "3");
    EXPECT_TEXT(chain(history), "s u2 a2 u3");
    EXPECT_INT(prl_history_dropped(history), 2);
    // The anchor of an insertion is never dropped under it.
    EXPECT_OK(add(history, "a2", "x", PRL_ITEM_USER));
    EXPECT_INT(add(history, "a2", "y", PRL_ITEM_USER), PRL_ERR_LIMIT);
    EXPECT_OK(prl_history_set_status(history, "u2", PRL_ITEM_IN_PROGRESS));
    EXPECT_INT(add(history, NULL, "y", PRL_ITEM_USER), PRL_ERR_LIMIT);
    EXPECT_TEXT(chain(history), "s u2 a2 x u3");
    prl_history_destroy(&history);

    history = create(0, 20000);
    char id[16];
    char text[2000];
    memset(text, 'x', sizeof(text));
    for (int i = 0; i < 50; i++) {
        snprintf(id, sizeof(id), "u%d", i);
        EXPECT_OK(add(history, NULL, id, PRL_ITEM_USER));
        EXPECT_OK(prl_history_add_part(history, id, false, text, sizeof(text)));
        EXPECT(prl_history_bytes(history) <= 20000);
    }
    EXPECT(prl_history_count(history) < 10 && prl_history_find(history, id) != NULL);
    EXPECT_INT(prl_history_append(history, id, 0, text, 20001), PRL_ERR_LIMIT);
    while (prl_history_count(history) > 0)
        EXPECT_OK(prl_history_delete(history, prl_item_id(prl_history_last(history))));
    EXPECT_INT(prl_history_bytes(history), 0); // the account balances
    prl_history_destroy(&history);
}

PRL_TEST_OOM(history_whole_life)
{
    struct prl_history *history = NULL;
    struct prl_history_conf conf;
    prl_history_conf_init(&conf);
    if (prl_history_create(&history, &conf) != PRL_OK)
        return;
    struct prl_item_new item = {PRL_ITEM_ASSISTANT, PRL_ITEM_COMPLETED, "a", NULL, NULL};
    enum prl_err err = prl_history_add(history, NULL, &item);
    if (err)
        goto done;
    err = prl_history_add_part(history, "a", true, "hello", 5);
    if (err)
        goto done;
    for (size_t i = 0; i < 200 && !err; i++)
        err = prl_history_mark(history, "a", i, i);
    if (err)
        goto done;
    err = prl_history_append(history, "a", 0, " you", 4);
    if (err)
        goto done;
    err = prl_history_set_text(history, "a", 0, "bye", 3);
done:
    EXPECT(err == PRL_OK || err == PRL_ERR_NOMEM);
    prl_history_destroy(&history);
}
