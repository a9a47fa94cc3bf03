// test_talk.c -- a conversation and its channels: who gets which event, who is ended when, and how a
// client comes back.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/talks.h"
#include "base/clock.h"
#include "base/mem.h"
#include "tests/unit.h"
#include "tests/unit/world.h"

enum { SAID_MAX = 4 << 20, MINUTE_US = 60000000 };

#define SESSION(members) "{\"type\":\"session.update\",\"session\":{" members "}}"
#define RESUME           SESSION("\"parley\":{\"resume\":true}")

// One end of a channel.
struct ear {
    struct prl_talk_channel *channel;
    struct prl_str said;
    enum prl_err refuse; // what send answers
    int paused;          // asked to pause, less asked to go on
    int ended;
    int over;
    uint16_t code;
    char reason[80];
};

static enum prl_err hear(void *arg, const char *text, size_t len)
{
    struct ear *ear = arg;
    EXPECT(!ear->ended);
    if (ear->refuse)
        return ear->refuse;
    enum prl_err err = prl_str_add(&ear->said, text, len);
    return err ? err : prl_str_addc(&ear->said, '\n');
}

static void wait_for_room(void *arg, bool on)
{
    ((struct ear *)arg)->paused += on ? 1 : -1;
}

static void hear_end(void *arg, uint16_t code, const char *reason)
{
    struct ear *ear = arg;
    ear->ended++;
    ear->code = code;
    prl_str_copy(ear->reason, sizeof(ear->reason), reason);
}

static void hear_over(void *arg)
{
    ((struct ear *)arg)->over++;
}

static const struct prl_talk_ops ops = {hear, wait_for_room, hear_end, hear_over};

// The house: engines of the world, a table of talks, and ears.
struct house {
    struct world world;
    struct prl_talks *talks;
    struct ear ears[4];
    struct prl_credential maker;
};

static struct prl_talks_loops loops; // count 0: there is one loop

static enum prl_err open_house(struct house *house, size_t sessions_max, size_t frozen_max)
{
    memset(house, 0, sizeof(*house));
    for (size_t i = 0; i < 4; i++)
        prl_str_init(&house->ears[i].said, SAID_MAX);
    enum prl_err err = world_open(&house->world, PRL_API_GA);
    struct prl_talks_conf conf = {.engines = {.loop = house->world.loop,
                                              .stt = house->world.stt,
                                              .llm = house->world.llm,
                                              .tts = house->world.tts},
                                  .session = house->world.base,
                                  .loops = loops.count > 0 ? &loops : NULL,
                                  .loop = loops.count > 0 ? loops.count - 1 : 0,
                                  .sessions_max = sessions_max,
                                  .resume_us = MINUTE_US,
                                  .frozen_max = frozen_max};
    return err ? err : prl_talks_create(&house->talks, &conf);
}

static void close_house(struct house *house)
{
    for (size_t i = 0; i < 4; i++) {
        prl_talk_detach(&house->ears[i].channel, false, "closing");
        prl_str_free(&house->ears[i].said);
    }
    prl_talks_destroy(&house->talks);
    world_close(&house->world);
}

static struct prl_talk *open_talk(struct house *house, struct ear *ear)
{
    struct prl_talk *talk;
    struct prl_problem problem = {0};
    struct prl_talks_wish wish = {.maker = &house->maker, .model = "test"};
    if (prl_talks_open(house->talks, &wish, &talk, &problem) != PRL_OK)
        return NULL;
    if (prl_talk_attach(talk, &ear->channel, PRL_TALK_OWNER, &ops, ear) != PRL_OK) {
        prl_talks_drop(house->talks, &talk);
        return NULL;
    }
    prl_talk_greet(ear->channel);
    return talk;
}

static void say(struct ear *ear, const char *json)
{
    size_t len = strlen(json);
    prl_talk_input(ear->channel, json, len / 2, true, false); // in two pieces
    prl_talk_input(ear->channel, json + len / 2, len - len / 2, false, true);
}

static bool heard(const struct ear *ear, const char *part)
{
    return strstr(prl_str_text(&ear->said), part) != NULL;
}

static size_t times(const struct ear *ear, const char *part)
{
    size_t count = 0;
    for (const char *at = prl_str_text(&ear->said); (at = strstr(at, part)); at++)
        count++;
    return count;
}

// The last token that was said to it.
static bool token_of(const struct ear *ear, char token[PRL_TALK_TOKEN_SIZE])
{
    const char *last = NULL;
    for (const char *at = prl_str_text(&ear->said); (at = strstr(at, "\"token\":\"")); at++)
        last = at + strlen("\"token\":\"");
    token[0] = '\0';
    if (last)
        snprintf(token, PRL_TALK_TOKEN_SIZE, "%.*s", (int)strcspn(last, "\""), last);
    return last != NULL;
}

static enum prl_err come_back(struct house *house, const char *token, struct ear *ear)
{
    struct prl_talk *talk;
    struct prl_talks_return wish = {
        .token = token, .asker = &house->maker, .ops = &ops, .arg = ear};
    enum prl_err err = prl_talks_return(house->talks, &wish, &talk, &ear->channel);
    if (!err)
        prl_talk_greet(ear->channel);
    return err;
}

static struct prl_talks_stats stats_of(const struct house *house)
{
    struct prl_talks_stats stats;
    prl_talks_stats(house->talks, &stats);
    return stats;
}

PRL_TEST(talk_tells_everybody_and_errors_to_whom_they_concern)
{
    static struct house house;
    REQUIRE(open_house(&house, 10, 2) == PRL_OK);
    struct ear *owner = &house.ears[0];
    struct ear *observer = &house.ears[1];
    struct prl_talk *talk = open_talk(&house, owner);
    REQUIRE(talk != NULL);
    EXPECT(strncmp(prl_str_text(&owner->said), "{\"type\":\"session.created\"", 25) == 0);
    say(owner, SESSION("\"instructions\":\"Be a parrot.\""));
    EXPECT_OK(prl_talk_attach(talk, &observer->channel, PRL_TALK_OBSERVER, &ops, observer));
    prl_talk_greet(observer->channel);
    EXPECT_INT(times(owner, "session.created"), 1);
    EXPECT(strncmp(prl_str_text(&observer->said), "{\"type\":\"session.created\"", 25) == 0);
    EXPECT(heard(observer, "Be a parrot.")); // the settings of now
    say(observer, SESSION("\"instructions\":\"Be an owl.\""));
    EXPECT(heard(owner, "Be an owl.") && heard(observer, "Be an owl."));
    say(observer, "{\"type\":\"nonsense\",\"event_id\":\"mine\"}");
    EXPECT(heard(observer, "\"mine\"") && !heard(owner, "\"mine\""));
    say(owner, "{\"type\":\"nonsense\",\"event_id\":\"his\"}");
    EXPECT(heard(observer, "\"his\"") && heard(owner, "\"his\""));
    prl_talk_binary(owner->channel);
    EXPECT(heard(owner, "invalid_message_type"));
    // The token is the owner's alone, whoever asked for it.
    say(observer, RESUME);
    EXPECT(heard(owner, "parley.resume") && !heard(observer, "parley.resume"));
    prl_talk_detach(&observer->channel, false, "bye");
    say(owner, SESSION("\"instructions\":\"Be a cat.\""));
    EXPECT(!heard(observer, "Be a cat."));
    EXPECT_INT(observer->ended, 0);
    close_house(&house);
}

PRL_TEST(talk_has_room_for_so_many_observers)
{
    static struct house house;
    REQUIRE(open_house(&house, 10, 2) == PRL_OK);
    struct ear *owner = &house.ears[0];
    struct prl_talk *talk = open_talk(&house, owner);
    REQUIRE(talk != NULL);
    struct prl_talk_channel *channels[PRL_TALK_OBSERVERS_MAX];
    for (int i = 0; i < PRL_TALK_OBSERVERS_MAX; i++)
        EXPECT_OK(prl_talk_attach(talk, &channels[i], PRL_TALK_OBSERVER, &ops, &house.ears[1]));
    struct prl_talk_channel *more;
    EXPECT_INT(prl_talk_attach(talk, &more, PRL_TALK_OBSERVER, &ops, &house.ears[1]),
               PRL_ERR_LIMIT);
    EXPECT(more == NULL);
    EXPECT_INT(prl_talk_attach(talk, &more, PRL_TALK_OWNER, &ops, &house.ears[1]), PRL_ERR_LIMIT);
    // The owner goes: all are told, and the table is empty.
    prl_talk_detach(&owner->channel, true, "the call ended");
    EXPECT_INT(house.ears[1].ended, PRL_TALK_OBSERVERS_MAX);
    EXPECT_INT(house.ears[1].over, PRL_TALK_OBSERVERS_MAX);
    EXPECT_INT(house.ears[1].code, PRL_TALK_CLOSE_NORMAL);
    EXPECT_TEXT(house.ears[1].reason, "the call ended");
    EXPECT_INT(stats_of(&house).sessions, 0);
    for (int i = 0; i < PRL_TALK_OBSERVERS_MAX; i++) {
        prl_talk_input(channels[i], "{}", 2, true, true); // late, and of no effect
        prl_talk_detach(&channels[i], false, "bye");
    }
    close_house(&house);
}

PRL_TEST(talk_ends_the_channel_that_does_not_read_and_no_other)
{
    static struct house house;
    REQUIRE(open_house(&house, 10, 2) == PRL_OK);
    struct ear *owner = &house.ears[0];
    struct ear *observer = &house.ears[1];
    struct prl_talk *talk = open_talk(&house, owner);
    REQUIRE(talk != NULL);
    EXPECT_OK(prl_talk_attach(talk, &observer->channel, PRL_TALK_OBSERVER, &ops, observer));
    observer->refuse = PRL_ERR_CANCELED;
    say(owner, SESSION("\"instructions\":\"one\""));
    EXPECT_INT(observer->ended, 0);
    observer->refuse = PRL_ERR_FULL;
    say(owner, SESSION("\"instructions\":\"two\""));
    EXPECT_INT(observer->ended, 1);
    EXPECT_INT(observer->code, PRL_TALK_CLOSE_SLOW);
    observer->refuse = PRL_OK;
    say(owner, SESSION("\"instructions\":\"three\""));
    EXPECT(heard(owner, "three") && !owner->ended);
    say(observer, SESSION("\"instructions\":\"four\"")); // ended: not listened to
    EXPECT(!heard(owner, "four"));
    close_house(&house);
}

PRL_TEST(talk_waits_for_its_client_and_is_found_by_its_token)
{
    static struct house house;
    char token[PRL_TALK_TOKEN_SIZE];
    char next[PRL_TALK_TOKEN_SIZE];
    REQUIRE(open_house(&house, 10, 2) == PRL_OK);
    REQUIRE(world_ready(&house.world));
    struct ear *ear = &house.ears[0];
    struct prl_talk *talk = open_talk(&house, ear);
    REQUIRE(talk != NULL);
    char id[PRL_SESSION_ID_SIZE];
    prl_str_copy(id, sizeof(id), prl_talk_id(talk));
    say(ear, SESSION("\"instructions\":\"Be a parrot.\",\"parley\":{\"resume\":true}"));
    EXPECT(heard(ear, "\"resumed\":false") && heard(ear, "\"expires_in_s\":60"));
    say(ear, SESSION("\"instructions\":\"Be a bear.\""));
    EXPECT_INT(times(ear, "parley.resume"), 1); // one token at a time
    REQUIRE(token_of(ear, token));
    say(ear,
        "{\"type\":\"conversation.item.create\",\"item\":{\"id\":\"kept\",\"type\":\"message\","
        "\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"hello\"}]}}");
    say(ear, "{\"type\":\"response.create\"}"); // it is under way when the line breaks
    prl_talk_detach(&ear->channel, true, "lost");
    EXPECT_INT(stats_of(&house).sessions, 0);
    EXPECT_INT(stats_of(&house).frozen, 1);
    // Not with another token, and not with another credential.
    char wrong[PRL_TALK_TOKEN_SIZE];
    memcpy(wrong, token, sizeof(wrong));
    wrong[5] = (char)(wrong[5] == 'a' ? 'b' : 'a');
    struct ear *back = &house.ears[1];
    EXPECT_INT(come_back(&house, wrong, back), PRL_ERR_NOTFOUND);
    EXPECT_INT(come_back(&house, "", back), PRL_ERR_NOTFOUND);
    house.maker = (struct prl_credential){.kind = PRL_CREDENTIAL_KEY, .id = "x"};
    EXPECT_INT(come_back(&house, token, back), PRL_ERR_NOTFOUND);
    house.maker = (struct prl_credential){.kind = PRL_CREDENTIAL_ANYBODY};
    EXPECT_OK(come_back(&house, token, back));
    EXPECT(strncmp(prl_str_text(&back->said), "{\"type\":\"session.created\"", 25) == 0);
    EXPECT(heard(back, id) && heard(back, "Be a bear.") && heard(back, "\"resumed\":true"));
    REQUIRE(token_of(back, next));
    EXPECT(strcmp(next, token) != 0);
    EXPECT_INT(stats_of(&house).sessions, 1);
    EXPECT_INT(stats_of(&house).frozen, 0);
    // Single use; and the conversation is still there.
    EXPECT_INT(come_back(&house, token, &house.ears[2]), PRL_ERR_NOTFOUND);
    say(back, "{\"type\":\"conversation.item.retrieve\",\"item_id\":\"kept\"}");
    EXPECT(heard(back, "conversation.item.retrieved"));
    say(back, "{\"type\":\"response.create\"}");
    prl_str_clear(&house.world.said);
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (!heard(back, "response.done") && prl_clock_now_us() < end_us)
        prl_loop_turn(house.world.loop, 5000);
    EXPECT(heard(back, "response.done") && heard(back, "\"completed\""));
    close_house(&house);
}

PRL_TEST(talk_is_taken_over_while_the_old_connection_lives)
{
    static struct house house;
    char token[PRL_TALK_TOKEN_SIZE];
    REQUIRE(open_house(&house, 1, 2) == PRL_OK);
    struct ear *old = &house.ears[0];
    struct ear *back = &house.ears[1];
    struct ear *observer = &house.ears[2];
    struct prl_talk *talk = open_talk(&house, old);
    REQUIRE(talk != NULL);
    EXPECT_OK(prl_talk_attach(talk, &observer->channel, PRL_TALK_OBSERVER, &ops, observer));
    say(old, RESUME);
    REQUIRE(token_of(old, token));
    EXPECT_OK(come_back(&house, token, back)); // needs no second place
    EXPECT_INT(old->ended, 1);
    EXPECT_INT(old->over, 1);
    EXPECT_INT(old->code, PRL_TALK_CLOSE_RESUMED);
    EXPECT_INT(observer->code, PRL_TALK_CLOSE_NORMAL);
    EXPECT_INT(stats_of(&house).sessions, 1);
    prl_talk_detach(&old->channel, true, "late"); // changes nothing
    EXPECT_INT(stats_of(&house).sessions, 1);
    say(back, SESSION("\"instructions\":\"on\""));
    EXPECT(heard(back, "session.updated"));
    // Without the wish there is no waiting.
    say(back, SESSION("\"parley\":{\"resume\":false}"));
    prl_talk_detach(&back->channel, true, "lost");
    EXPECT_INT(stats_of(&house).frozen + stats_of(&house).sessions, 0);
    close_house(&house);
}

PRL_TEST(talks_keep_their_limits)
{
    static struct house house;
    char tokens[3][PRL_TALK_TOKEN_SIZE];
    REQUIRE(open_house(&house, 3, 2) == PRL_OK);
    for (size_t i = 0; i < 3; i++) {
        REQUIRE(open_talk(&house, &house.ears[i]) != NULL);
        say(&house.ears[i], RESUME);
        REQUIRE(token_of(&house.ears[i], tokens[i]));
    }
    EXPECT(prl_talks_full(house.talks));
    EXPECT(open_talk(&house, &house.ears[3]) == NULL);
    for (size_t i = 0; i < 3; i++)
        prl_talk_detach(&house.ears[i].channel, true, "lost");
    EXPECT_INT(stats_of(&house).frozen, 2);
    EXPECT_INT(stats_of(&house).sessions, 0);
    EXPECT_INT(come_back(&house, tokens[0], &house.ears[0]), PRL_ERR_NOTFOUND); // the oldest went
    EXPECT_OK(come_back(&house, tokens[2], &house.ears[2]));
    EXPECT(open_talk(&house, &house.ears[0]) != NULL);
    EXPECT(open_talk(&house, &house.ears[3]) != NULL);
    EXPECT_INT(come_back(&house, tokens[1], &house.ears[1]), PRL_ERR_LIMIT);
    prl_talk_detach(&house.ears[0].channel, false, "bye");
    EXPECT_OK(come_back(&house, tokens[1], &house.ears[1])); // the token was not spent
    EXPECT_INT(stats_of(&house).resumed, 2);
    close_house(&house);
}

PRL_TEST(talks_of_several_loops_have_one_limit)
{
    static struct house house;
    char token[PRL_TALK_TOKEN_SIZE];
    loops = (struct prl_talks_loops){.count = 3};
    REQUIRE(open_house(&house, 4, 2) == PRL_OK);
    EXPECT_INT(prl_talks_digit(house.talks), '2');
    loops.sessions[0] = 2; // the other loops'
    REQUIRE(open_talk(&house, &house.ears[0]) != NULL);
    REQUIRE(open_talk(&house, &house.ears[1]) != NULL);
    EXPECT_INT(loops.sessions[2], 2);
    EXPECT(prl_talks_full(house.talks));
    EXPECT(open_talk(&house, &house.ears[2]) == NULL);
    EXPECT_INT(loops.sessions[2], 2);
    // A client that is away has no place, and needs one to come back.
    say(&house.ears[0], RESUME);
    REQUIRE(token_of(&house.ears[0], token));
    EXPECT_INT(strlen(token), PRL_TALK_TOKEN_SIZE - 1);
    EXPECT_INT(prl_talks_digit_loop(token[0]), 2);
    prl_talk_detach(&house.ears[0].channel, true, "lost");
    EXPECT_INT(loops.sessions[2], 1);
    loops.sessions[1] = 1;
    EXPECT_INT(come_back(&house, token, &house.ears[3]), PRL_ERR_LIMIT);
    loops.sessions[1] = 0;
    EXPECT_OK(come_back(&house, token, &house.ears[3]));
    EXPECT_INT(loops.sessions[2], 2);
    EXPECT_INT(come_back(&house, token + 1, &house.ears[0]), PRL_ERR_NOTFOUND);
    close_house(&house);
    EXPECT_INT(loops.sessions[2], 0);
    EXPECT_INT(loops.sessions[0], 2);
    loops.count = 0;
}

PRL_TEST(talks_are_placed_in_turn)
{
    struct prl_talks_loops three = {.count = 3};
    size_t got[3] = {0};
    for (int i = 0; i < 9; i++)
        got[prl_talks_place(&three)]++;
    EXPECT(got[0] == 3 && got[1] == 3 && got[2] == 3);
    // A little more is no reason to leave one out, more than that is.
    three.sessions[1] = PRL_TALKS_UNEVEN_MAX;
    for (int i = 0; i < 9; i++)
        got[prl_talks_place(&three)]++;
    EXPECT_INT(got[1], 6);
    three.sessions[1]++;
    three.sessions[2] = 1;
    for (int i = 0; i < 9; i++)
        got[prl_talks_place(&three)]++;
    EXPECT_INT(got[1], 6);
    EXPECT_INT(got[0], 12);
    EXPECT_INT(prl_talks_digit_loop('a'), 10);
    EXPECT(prl_talks_digit_loop('\0') == SIZE_MAX && prl_talks_digit_loop('g') == SIZE_MAX);
}

PRL_TEST(talk_begins_with_the_settings_it_is_given)
{
    static struct house house;
    REQUIRE(open_house(&house, 3, 2) == PRL_OK);
    static const char good[] = "{\"model\":\"gpt-mini\",\"instructions\":\"Be an ant.\","
                               "\"parley\":{\"resume\":true}}";
    static const char bad[] = "{\"audio\":{\"output\":{\"speed\":9}}}";
    struct prl_json *root;
    struct prl_talk *talk;
    struct prl_problem problem = {0};
    REQUIRE(prl_json_parse(&root, good, strlen(good), NULL, 0) == PRL_OK);
    struct prl_talks_wish wish = {.maker = &house.maker, .model = "other", .session = root};
    EXPECT_OK(prl_talks_open(house.talks, &wish, &talk, &problem));
    prl_json_free(&root);
    REQUIRE(talk != NULL);
    struct ear *ear = &house.ears[0];
    EXPECT_OK(prl_talk_attach(talk, &ear->channel, PRL_TALK_OWNER, &ops, ear));
    prl_talk_greet(ear->channel);
    EXPECT(heard(ear, "gpt-mini") && heard(ear, "Be an ant.") && heard(ear, "parley.resume"));
    REQUIRE(prl_json_parse(&root, bad, strlen(bad), NULL, 0) == PRL_OK);
    wish.session = root;
    EXPECT_INT(prl_talks_open(house.talks, &wish, &talk, &problem), PRL_ERR_INVALID);
    EXPECT(talk == NULL);
    EXPECT_TEXT(problem.param, "session.audio.output.speed");
    prl_json_free(&root);
    close_house(&house);
}

// One second of silence and a commit, without a turn of the loop between them.
static void append_and_commit(struct ear *ear)
{
    enum { BASE64_BYTES = 64000 };
    static char json[BASE64_BYTES + 80];
    int at = snprintf(json, 60, "{\"type\":\"input_audio_buffer.append\",\"audio\":\"");
    memset(json + at, 'A', BASE64_BYTES);
    memcpy(json + at + BASE64_BYTES, "\"}", 3);
    say(ear, json);
    say(ear, "{\"type\":\"input_audio_buffer.commit\"}");
}

PRL_TEST(talk_commit_waits_for_the_sound_before_it)
{
    static struct house house;
    REQUIRE(open_house(&house, 2, 1) == PRL_OK);
    struct ear *ear = &house.ears[0];
    REQUIRE(open_talk(&house, ear) != NULL);
    say(ear, SESSION("\"audio\":{\"input\":{\"turn_detection\":null}}"));
    append_and_commit(ear);
    EXPECT_INT(ear->paused, 1);
    EXPECT(!heard(ear, "input_audio_buffer.committed"));
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (!heard(ear, "input_audio_buffer.committed") && prl_clock_now_us() < end_us)
        prl_loop_turn(house.world.loop, 5000);
    EXPECT_INT(ear->paused, 0);
    EXPECT_INT(times(ear, "input_audio_buffer.committed"), 1);
    // All of it was taken: there is nothing left to commit.
    say(ear, "{\"type\":\"input_audio_buffer.commit\"}");
    EXPECT(heard(ear, "input_audio_buffer_commit_empty"));
    // Who leaves while it waits takes it along.
    append_and_commit(ear);
    EXPECT_INT(ear->paused, 1);
    close_house(&house);
}

PRL_TEST_OOM(talk_whole_life)
{
    static struct house house;
    char token[PRL_TALK_TOKEN_SIZE];
    struct ear *ear = &house.ears[0];
    enum prl_err err = open_house(&house, 3, 2);
    if (!err && open_talk(&house, ear)) {
        say(ear, RESUME);
        if (token_of(ear, token)) {
            prl_talk_detach(&ear->channel, true, "lost");
            err = come_back(&house, token, &house.ears[1]);
            EXPECT(!err || prl_test_oom());
        }
    }
    EXPECT(!err || prl_test_oom());
    close_house(&house);
}
