// test_ice_agent.c -- client/ice_agent against the lite agent of the server, and against strangers.
#include "client/ice_agent.h"

#include <string.h>

#include "base/mem.h"
#include "tests/unit.h"

struct world {
    struct prl_ice_agent *agent;
    struct prl_ice *lite;
    struct prl_ice_credentials local, remote;
    struct prl_sdp_candidate candidates[3];
    union prl_sockaddr own;
    int64_t now_us;
    int checks, nominations;
    union prl_sockaddr last;
};

static enum prl_err open_world(struct world *world, size_t candidates)
{
    uint8_t random[PRL_ICE_RANDOM_SIZE] = {1, 2, 3};
    memset(world, 0, sizeof(*world));
    world->now_us = 1000000;
    prl_ice_make_credentials(&world->local, random);
    random[0] = 9;
    prl_ice_make_credentials(&world->remote, random);
    static const char *const texts[] = {"192.0.2.1", "192.0.2.2", "192.0.2.3"};
    for (size_t i = 0; i < 3; i++)
        EXPECT(prl_addr_parse(&world->candidates[i].address, texts[i], 8189));
    EXPECT(prl_addr_parse(&world->own, "198.51.100.7", 4000));
    struct prl_ice_agent_conf conf = {.local = &world->local,
                                      .remote = &world->remote,
                                      .candidates = world->candidates,
                                      .candidate_count = candidates,
                                      .random = 0x1122334455667788,
                                      .now_us = world->now_us};
    enum prl_err err = prl_ice_agent_create(&world->agent, &conf);
    if (!err)
        err = prl_ice_create(&world->lite, &world->remote, world->local.ufrag, world->now_us);
    return err;
}

static void close_world(struct world *world)
{
    prl_ice_agent_destroy(&world->agent);
    prl_ice_destroy(&world->lite);
}

// One check leaves; the lite agent at `reachable` answers it. Returns whether there was one.
static bool step(struct world *world, size_t reachable)
{
    uint8_t check[PRL_STUN_SIZE_MAX];
    struct prl_stun stun;
    struct prl_ice_result result;
    size_t size = prl_ice_agent_output(world->agent, world->now_us, check, &world->last);
    if (size == 0)
        return false;
    world->checks++;
    EXPECT_OK(prl_stun_parse(&stun, check, size));
    EXPECT(stun.role == PRL_STUN_CONTROLLING && stun.has_priority && stun.fingerprint);
    world->nominations += stun.use_candidate;
    if (reachable >= 3 || !prl_addr_equal(&world->last, &world->candidates[reachable].address))
        return true;
    struct prl_ice_path path = {.remote = world->own, .local = world->last};
    prl_ice_check(world->lite, &stun, &path, world->now_us, &result);
    EXPECT(result.reply_size > 0);
    if (prl_stun_parse(&stun, result.reply, result.reply_size) == PRL_OK)
        prl_ice_agent_input(world->agent, &stun, &world->last, world->now_us);
    return true;
}

// Time passes from deadline to deadline.
static void run(struct world *world, size_t reachable, int64_t span_us)
{
    int64_t end_us = world->now_us + span_us;
    while (world->now_us < end_us && prl_ice_agent_state(world->agent) != PRL_ICE_AGENT_FAILED) {
        while (step(world, reachable))
            continue;
        int64_t due_us = prl_ice_agent_deadline(world->agent);
        EXPECT(due_us > world->now_us); // it never spins
        world->now_us = due_us < end_us ? due_us : end_us;
    }
}

PRL_TEST(ice_agent_finds_the_candidate_that_answers)
{
    struct world world;
    REQUIRE(open_world(&world, 3) == PRL_OK);
    EXPECT(prl_ice_agent_selected(world.agent) == NULL);
    run(&world, 2, 1000000);
    EXPECT(prl_ice_agent_state(world.agent) == PRL_ICE_AGENT_LIVE);
    REQUIRE(prl_ice_agent_selected(world.agent) != NULL);
    EXPECT(prl_addr_equal(prl_ice_agent_selected(world.agent), &world.candidates[2].address));
    EXPECT_INT(world.checks, 4);      // each once, and the good one again
    EXPECT_INT(world.nominations, 1); // that says so
    EXPECT(prl_ice_may_send(world.lite, world.now_us));
    // Consent: a check each five seconds keeps both sides alive.
    run(&world, 2, 60000000);
    EXPECT(prl_ice_agent_state(world.agent) == PRL_ICE_AGENT_LIVE);
    EXPECT_INT(world.checks, 4 + 12);
    EXPECT(prl_ice_may_send(world.lite, world.now_us));
    close_world(&world);
}

PRL_TEST(ice_agent_paces_and_gives_up)
{
    struct world world;
    REQUIRE(open_world(&world, 3) == PRL_OK);
    EXPECT(step(&world, 3));
    EXPECT(!step(&world, 3)); // 50 ms apart
    world.now_us += PRL_ICE_AGENT_PACE_US;
    EXPECT(step(&world, 3));
    run(&world, 3, 60000000);
    EXPECT(prl_ice_agent_state(world.agent) == PRL_ICE_AGENT_FAILED);
    EXPECT(world.checks >= 3 * 5 && world.checks <= 3 * 9); // 0.5, 1, 2, 4, 8, 8 … s
    EXPECT(prl_ice_agent_deadline(world.agent) == INT64_MAX);
    EXPECT(!step(&world, 0));
    close_world(&world);
}

PRL_TEST(ice_agent_notices_that_consent_is_gone)
{
    struct world world;
    REQUIRE(open_world(&world, 1) == PRL_OK);
    run(&world, 0, 1000000);
    EXPECT(prl_ice_agent_state(world.agent) == PRL_ICE_AGENT_LIVE);
    run(&world, 3, 20000000);
    EXPECT(prl_ice_agent_state(world.agent) == PRL_ICE_AGENT_LIVE);
    run(&world, 3, 20000000);
    EXPECT(prl_ice_agent_state(world.agent) == PRL_ICE_AGENT_FAILED);
    close_world(&world);
}

PRL_TEST(ice_agent_believes_only_answers_to_its_own_checks)
{
    struct world world;
    REQUIRE(open_world(&world, 1) == PRL_OK);
    uint8_t check[PRL_STUN_SIZE_MAX];
    uint8_t out[PRL_STUN_SIZE_MAX];
    union prl_sockaddr to;
    size_t size = prl_ice_agent_output(world.agent, world.now_us, check, &to);
    struct prl_stun asked;
    REQUIRE(prl_stun_parse(&asked, check, size) == PRL_OK);
    // Wrong password, wrong transaction, wrong address, a request: nothing is selected of it.
    static const uint8_t foreign[PRL_STUN_TRANSACTION_SIZE] = "nobodyasked";
    for (int attempt = 0; attempt < 4; attempt++) {
        struct prl_stun_build build;
        struct prl_stun stun;
        prl_stun_begin(&build, out, sizeof(out), attempt == 3 ? PRL_STUN_REQUEST : PRL_STUN_SUCCESS,
                       attempt == 1 ? foreign : asked.transaction);
        prl_stun_add_mapped(&build, &world.own);
        size = prl_stun_finish(&build, attempt == 0 ? "wrong" : world.remote.password);
        REQUIRE(prl_stun_parse(&stun, out, size) == PRL_OK);
        prl_ice_agent_input(world.agent, &stun, attempt == 2 ? &world.own : &to, world.now_us);
        EXPECT_INT(prl_ice_agent_output(world.agent, world.now_us, check, &to), 0);
    }
    run(&world, 0, 2000000);
    EXPECT(prl_ice_agent_state(world.agent) == PRL_ICE_AGENT_LIVE);
    close_world(&world);
}

PRL_TEST_OOM(ice_agent_whole_life)
{
    struct world world;
    if (open_world(&world, 2) == PRL_OK)
        run(&world, 0, 1000000);
    close_world(&world);
    // Nothing that can be used.
    struct prl_sdp_candidate stream = {.tcp = true};
    struct prl_ice_agent_conf conf = {.local = &world.local,
                                      .remote = &world.remote,
                                      .candidates = &stream,
                                      .candidate_count = 1};
    enum prl_err err = prl_ice_agent_create(&world.agent, &conf);
    EXPECT(err == PRL_ERR_INVALID || (prl_test_oom() && err == PRL_ERR_NOMEM));
    EXPECT(world.agent == NULL);
}
