// Tests of rtc/ice: which paths are verified, which is selected, and for how long. A small
// controlling agent stands on the other side.
#include <string.h>

#include "base/mem.h"
#include "rtc/ice.h"
#include "tests/unit.h"

static const int64_t S = 1000000;

static const struct prl_ice_credentials ours = {"serverfr", "serverpasswordserverpass"};
static const struct prl_ice_credentials newer = {"serverf2", "serverpasswordserverpas2"};

struct check {
    const struct prl_ice_credentials *to;
    const char *from;
    const char *password; // NULL: the right one
    bool nominate, v6, controlled, no_fingerprint, bare;
    unsigned unknown; // count of attributes that nobody knows
    enum prl_stun_class class;
};

struct scene {
    struct prl_ice *ice;
    struct prl_ice_result result;
    size_t request_size;
    int64_t now_us;
};

static struct prl_ice_path path_of(unsigned port, bool v6, bool tcp)
{
    struct prl_ice_path path = {.tcp = tcp};
    EXPECT(prl_addr_parse(&path.remote, v6 ? "2001:db8::9" : "192.0.2.9", (uint16_t)port));
    EXPECT(prl_addr_parse(&path.local, v6 ? "2001:db8::1" : "192.0.2.1", 8189));
    return path;
}

static bool begin(struct scene *scene)
{
    memset(scene, 0, sizeof(*scene));
    scene->now_us = 100 * S;
    return prl_ice_create(&scene->ice, &ours, "peer", scene->now_us) == PRL_OK;
}

static void end(struct scene *scene)
{
    prl_ice_destroy(&scene->ice);
    EXPECT(scene->ice == NULL);
}

static size_t build_check(uint8_t *buf, size_t size, const struct check *check)
{
    static const uint8_t transaction[PRL_STUN_TRANSACTION_SIZE] = "0123456789a";
    struct prl_stun_build build;
    const struct prl_ice_credentials *to = check->to ? check->to : &ours;
    prl_stun_begin(&build, buf, size, check->class, transaction);
    prl_stun_add_username(&build, to->ufrag, check->from ? check->from : "peer");
    if (!check->bare) {
        prl_stun_add_priority(&build, 1);
        prl_stun_add_role(&build, check->controlled ? PRL_STUN_CONTROLLED : PRL_STUN_CONTROLLING,
                          7);
    }
    if (check->nominate)
        prl_stun_add_use_candidate(&build);
    for (unsigned i = 0; i < check->unknown; i++, build.size += 4) {
        buf[build.size] = 0x7f;
        buf[build.size + 1] = (uint8_t)i;
    }
    size_t used = prl_stun_finish(&build, check->password ? check->password : to->password);
    if (check->no_fingerprint) {
        used -= 8;
        buf[3] = (uint8_t)(used - PRL_STUN_HEADER_SIZE);
    }
    return used;
}

// Sends a check over the path with this port and returns whether it was answered.
static bool send_check(struct scene *scene, unsigned port, const struct check *check)
{
    uint8_t buf[512];
    struct prl_stun stun;
    struct prl_ice_path path = path_of(port, check->v6, false);
    scene->request_size = build_check(buf, sizeof(buf), check);
    EXPECT_OK(prl_stun_parse(&stun, buf, scene->request_size));
    prl_ice_check(scene->ice, &stun, &path, scene->now_us, &scene->result);
    const struct prl_ice_result *result = &scene->result;
    EXPECT(result->reply_size <= scene->request_size);
    for (size_t i = result->reply_size; i < sizeof(result->reply); i++)
        EXPECT_INT(result->reply[i], 0);
    return result->reply_size > 0;
}

static unsigned selected_port(const struct scene *scene)
{
    const struct prl_ice_path *path = prl_ice_selected(scene->ice);
    return path ? prl_addr_port(&path->remote) : 0;
}

PRL_TEST(a_good_check_verifies_selects_and_is_answered)
{
    struct scene scene;
    REQUIRE(begin(&scene));
    struct prl_ice_path path = path_of(5000, false, false);
    EXPECT(!prl_ice_verified(scene.ice, &path));
    EXPECT(!prl_ice_may_send(scene.ice, scene.now_us));
    EXPECT(send_check(&scene, 5000, &(struct check){0}));
    EXPECT(scene.result.verified && scene.result.selected && !scene.result.restarted);
    EXPECT(prl_ice_verified(scene.ice, &path));
    EXPECT(prl_ice_may_send(scene.ice, scene.now_us));
    EXPECT_INT(prl_ice_state(scene.ice, scene.now_us), PRL_ICE_LIVE);
    struct prl_stun reply;
    EXPECT_OK(prl_stun_parse(&reply, scene.result.reply, scene.result.reply_size));
    EXPECT_INT(reply.class, PRL_STUN_SUCCESS);
    EXPECT(reply.has_mapped && prl_addr_equal(&reply.mapped, &path.remote));
    EXPECT(reply.fingerprint && prl_stun_authentic(&reply, ours.password));
    // The same again changes nothing more.
    EXPECT(send_check(&scene, 5000, &(struct check){0}));
    EXPECT(!scene.result.verified && !scene.result.selected);
    // Another protocol or another address of ours is another path.
    path.tcp = true;
    EXPECT(!prl_ice_verified(scene.ice, &path));
    path = path_of(5000, false, false);
    prl_addr_set_port(&path.local, 1);
    EXPECT(!prl_ice_verified(scene.ice, &path));
    end(&scene);
}

PRL_TEST(over_ipv6_the_answer_is_not_larger_either)
{
    struct scene scene;
    REQUIRE(begin(&scene));
    EXPECT(send_check(&scene, 5000, &(struct check){.v6 = true}));
    // The smallest request over IPv6 is smaller than its answer: none, and nothing is verified.
    EXPECT(!send_check(&scene, 5001, &(struct check){.v6 = true, .bare = true}));
    EXPECT(scene.request_size < 76);
    EXPECT(!scene.result.verified);
    EXPECT(send_check(&scene, 5002, &(struct check){.bare = true}));
    end(&scene);
}

PRL_TEST(strangers_get_no_answer)
{
    static const struct prl_ice_credentials unknown = {"somebody", "serverpasswordserverpass"};
    static const struct check bad[] = {
        {.to = &unknown},
        {.from = "other"},
        {.password = "wrongwrongwrongwrongwrong"},
        {.no_fingerprint = true},
        {.class = PRL_STUN_INDICATION},
        {.class = PRL_STUN_SUCCESS},
        {.class = PRL_STUN_ERROR},
    };
    struct scene scene;
    REQUIRE(begin(&scene));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        EXPECT(!send_check(&scene, 5000, &bad[i]));
        EXPECT(!scene.result.verified && !scene.result.selected);
    }
    EXPECT_INT(prl_ice_state(scene.ice, scene.now_us), PRL_ICE_WAITING);
    end(&scene);
}

PRL_TEST(a_peer_that_wants_to_be_controlled_is_told)
{
    struct scene scene;
    struct prl_stun reply;
    REQUIRE(begin(&scene));
    EXPECT(send_check(&scene, 5000, &(struct check){.controlled = true}));
    EXPECT(!scene.result.verified);
    EXPECT_OK(prl_stun_parse(&reply, scene.result.reply, scene.result.reply_size));
    EXPECT_INT(reply.class, PRL_STUN_ERROR);
    EXPECT_INT(reply.error_code, 487);
    EXPECT(prl_stun_authentic(&reply, ours.password));
    end(&scene);
}

PRL_TEST(unknown_attributes_are_named_in_the_error)
{
    struct scene scene;
    struct prl_stun reply;
    REQUIRE(begin(&scene));
    for (unsigned count = 1; count < 12; count++) {
        EXPECT(send_check(&scene, 5000, &(struct check){.unknown = count, .nominate = true}));
        EXPECT(!scene.result.verified);
        EXPECT_OK(prl_stun_parse(&reply, scene.result.reply, scene.result.reply_size));
        EXPECT_INT(reply.error_code, 420);
    }
    end(&scene);
}

PRL_TEST(the_selected_path_moves_on_nomination_only)
{
    struct scene scene;
    REQUIRE(begin(&scene));
    EXPECT(send_check(&scene, 5000, &(struct check){0}));
    // Two interfaces check in turn, as clients do before they choose: the first one stays.
    for (int i = 0; i < 50; i++) {
        scene.now_us += S / 10;
        EXPECT(send_check(&scene, i % 2 ? 5000 : 5001, &(struct check){0}));
        EXPECT(!scene.result.selected);
        EXPECT_INT(selected_port(&scene), 5000);
    }
    EXPECT(send_check(&scene, 5001, &(struct check){.nominate = true}));
    EXPECT(scene.result.selected && !scene.result.verified);
    EXPECT_INT(selected_port(&scene), 5001);
    EXPECT(send_check(&scene, 5000, &(struct check){0}));
    EXPECT_INT(selected_port(&scene), 5001);
    EXPECT(send_check(&scene, 5000, &(struct check){.nominate = true}));
    EXPECT_INT(selected_port(&scene), 5000);
    end(&scene);
}

PRL_TEST(after_a_rebinding_checks_that_do_not_nominate_are_followed)
{
    struct scene scene;
    REQUIRE(begin(&scene));
    EXPECT(send_check(&scene, 5000, &(struct check){.nominate = true}));
    scene.now_us += PRL_ICE_QUIET_US - 1;
    EXPECT(send_check(&scene, 5001, &(struct check){0}));
    EXPECT_INT(selected_port(&scene), 5000);
    scene.now_us += 1;
    EXPECT(send_check(&scene, 5001, &(struct check){0}));
    EXPECT(scene.result.selected);
    EXPECT_INT(selected_port(&scene), 5001);
    end(&scene);
}

PRL_TEST(after_a_rebinding_media_over_a_verified_path_is_followed)
{
    struct scene scene;
    REQUIRE(begin(&scene));
    struct prl_ice_path old = path_of(5000, false, false);
    struct prl_ice_path new = path_of(5001, false, false);
    EXPECT(send_check(&scene, 5000, &(struct check){.nominate = true}));
    scene.now_us += S;
    EXPECT(!prl_ice_heard(scene.ice, &old, scene.now_us));
    EXPECT(!prl_ice_heard(scene.ice, &new, scene.now_us)); // not verified
    EXPECT(send_check(&scene, 5001, &(struct check){0}));
    scene.now_us += PRL_ICE_QUIET_US - 1;
    EXPECT(!prl_ice_heard(scene.ice, &new, scene.now_us));
    scene.now_us += 1;
    EXPECT(prl_ice_heard(scene.ice, &new, scene.now_us));
    EXPECT_INT(selected_port(&scene), 5001);
    EXPECT(!prl_ice_heard(scene.ice, &new, scene.now_us));
    // A path whose last check is old is not taken up again by media.
    scene.now_us += PRL_ICE_CONSENT_US;
    EXPECT(!prl_ice_heard(scene.ice, &old, scene.now_us));
    end(&scene);
}

PRL_TEST(an_offer_that_never_connects_is_given_up)
{
    struct scene scene;
    REQUIRE(begin(&scene));
    EXPECT_INT(prl_ice_deadline(scene.ice), scene.now_us + PRL_ICE_CONNECT_US);
    EXPECT_INT(prl_ice_state(scene.ice, scene.now_us + PRL_ICE_CONNECT_US - 1), PRL_ICE_WAITING);
    EXPECT_INT(prl_ice_state(scene.ice, scene.now_us + PRL_ICE_CONNECT_US), PRL_ICE_NEVER);
    end(&scene);
}

PRL_TEST(consent_ends_after_thirty_seconds_of_silence)
{
    struct scene scene;
    REQUIRE(begin(&scene));
    EXPECT(send_check(&scene, 5000, &(struct check){.nominate = true}));
    for (int i = 0; i < 20; i++) {
        scene.now_us += 5 * S;
        EXPECT_INT(prl_ice_state(scene.ice, scene.now_us), PRL_ICE_LIVE);
        EXPECT(send_check(&scene, 5000, &(struct check){0}));
    }
    // Authenticated media counts: pion sends no checks while packets flow.
    struct prl_ice_path path = path_of(5000, false, false);
    for (int i = 0; i < 100; i++) {
        scene.now_us += S;
        EXPECT(!prl_ice_heard(scene.ice, &path, scene.now_us));
        EXPECT(prl_ice_may_send(scene.ice, scene.now_us));
    }
    // Other paths do not, neither their checks nor their media.
    struct prl_ice_path other = path_of(5001, false, false);
    EXPECT_INT(prl_ice_deadline(scene.ice), scene.now_us + PRL_ICE_CONSENT_US);
    int64_t last_us = scene.now_us;
    (void)prl_ice_heard(scene.ice, &other, scene.now_us);
    for (; scene.now_us < last_us + 2 * S; scene.now_us += S)
        EXPECT(send_check(&scene, 5001, &(struct check){0}));
    EXPECT(prl_ice_may_send(scene.ice, last_us + PRL_ICE_CONSENT_US - 1));
    EXPECT(!prl_ice_may_send(scene.ice, last_us + PRL_ICE_CONSENT_US));
    EXPECT_INT(prl_ice_state(scene.ice, last_us + PRL_ICE_CONSENT_US), PRL_ICE_EXPIRED);
    end(&scene);
}

PRL_TEST(a_restart_takes_over_with_its_first_check)
{
    struct scene scene;
    REQUIRE(begin(&scene));
    EXPECT(send_check(&scene, 5000, &(struct check){.nominate = true}));
    scene.now_us += S;
    prl_ice_restart(scene.ice, &newer, "peer2", scene.now_us);
    EXPECT_TEXT(prl_ice_local(scene.ice)->ufrag, "serverf2");
    EXPECT_TEXT(prl_ice_remote_ufrag(scene.ice), "peer2");
    EXPECT_TEXT(prl_ice_old_ufrag(scene.ice), "serverfr");
    EXPECT(send_check(&scene, 5000, &(struct check){0})); // the old ones still hold
    EXPECT(!scene.result.restarted);
    EXPECT(!send_check(&scene, 5001, &(struct check){.to = &newer})); // old name of the peer
    EXPECT(send_check(&scene, 5001, &(struct check){.to = &newer, .from = "peer2"}));
    EXPECT(scene.result.restarted && scene.result.verified);
    EXPECT_INT(selected_port(&scene), 5000); // until it is nominated
    EXPECT(prl_ice_old_ufrag(scene.ice) == NULL);
    EXPECT(!send_check(&scene, 5000, &(struct check){0}));
    EXPECT(
        send_check(&scene, 5001, &(struct check){.to = &newer, .from = "peer2", .nominate = true}));
    EXPECT(!scene.result.restarted);
    EXPECT_INT(selected_port(&scene), 5001);
    // SRTP that was under way on the old path is still let in.
    struct prl_ice_path old = path_of(5000, false, false);
    EXPECT(prl_ice_verified(scene.ice, &old));
    end(&scene);
}

PRL_TEST(a_second_restart_replaces_the_first)
{
    static const struct prl_ice_credentials third = {"serverf3", "serverpasswordserverpas3"};
    struct scene scene;
    REQUIRE(begin(&scene));
    EXPECT(send_check(&scene, 5000, &(struct check){0}));
    prl_ice_restart(scene.ice, &newer, "peer2", scene.now_us);
    prl_ice_restart(scene.ice, &third, "peer3", scene.now_us);
    EXPECT_TEXT(prl_ice_old_ufrag(scene.ice), "serverfr");
    EXPECT(!send_check(&scene, 5000, &(struct check){.to = &newer, .from = "peer2"}));
    EXPECT(send_check(&scene, 5000, &(struct check){0}));
    EXPECT(send_check(&scene, 5000, &(struct check){.to = &third, .from = "peer3"}));
    EXPECT(scene.result.restarted);
    end(&scene);
}

PRL_TEST(a_restart_late_in_a_blackout_gets_its_ten_seconds)
{
    struct scene scene;
    REQUIRE(begin(&scene));
    EXPECT(send_check(&scene, 5000, &(struct check){0}));
    scene.now_us += 29 * S;
    prl_ice_restart(scene.ice, &newer, "peer2", scene.now_us);
    scene.now_us += 9 * S;
    EXPECT(!prl_ice_may_send(scene.ice, scene.now_us));
    EXPECT_INT(prl_ice_state(scene.ice, scene.now_us), PRL_ICE_LIVE);
    EXPECT_INT(prl_ice_state(scene.ice, scene.now_us + S), PRL_ICE_EXPIRED);
    EXPECT(send_check(&scene, 6000, &(struct check){.to = &newer, .from = "peer2"}));
    EXPECT_INT(selected_port(&scene), 6000); // the old path was quiet
    EXPECT(prl_ice_may_send(scene.ice, scene.now_us));
    EXPECT_INT(prl_ice_state(scene.ice, scene.now_us + S), PRL_ICE_LIVE);
    end(&scene);
}

PRL_TEST(the_table_of_paths_is_bounded)
{
    struct scene scene;
    REQUIRE(begin(&scene));
    EXPECT(send_check(&scene, 5000, &(struct check){.nominate = true}));
    for (unsigned i = 1; i < 100; i++) {
        scene.now_us += 1000;
        EXPECT(send_check(&scene, 5000 + i, &(struct check){0}));
        EXPECT(scene.result.verified);
        EXPECT_INT(scene.result.evicted, i >= PRL_ICE_PATHS_MAX);
        if (scene.result.evicted) {
            EXPECT_INT(prl_addr_port(&scene.result.evicted_path.remote),
                       5001 + i - PRL_ICE_PATHS_MAX);
            EXPECT(!prl_ice_verified(scene.ice, &scene.result.evicted_path));
        }
        EXPECT_INT(selected_port(&scene), 5000);
    }
    struct prl_ice_path path = path_of(5000, false, false);
    EXPECT(prl_ice_verified(scene.ice, &path));
    end(&scene);
}

PRL_TEST(a_forgotten_path_leaves_the_one_heard_last)
{
    struct scene scene;
    REQUIRE(begin(&scene));
    struct prl_ice_path paths[3];
    for (unsigned i = 0; i < 3; i++) {
        paths[i] = path_of(5000 + i, false, false);
        scene.now_us += 1000;
        EXPECT(send_check(&scene, 5000 + i, &(struct check){.nominate = i == 2}));
    }
    (void)prl_ice_heard(scene.ice, &paths[0], scene.now_us + 1000);
    EXPECT(prl_ice_forget(scene.ice, &paths[2]));
    EXPECT_INT(selected_port(&scene), 5000);
    EXPECT(!prl_ice_forget(scene.ice, &paths[1]));
    EXPECT(!prl_ice_forget(scene.ice, &paths[1]));
    EXPECT_INT(selected_port(&scene), 5000);
    EXPECT(prl_ice_forget(scene.ice, &paths[0]));
    EXPECT(prl_ice_selected(scene.ice) == NULL);
    EXPECT(!prl_ice_may_send(scene.ice, scene.now_us));
    EXPECT_INT(prl_ice_state(scene.ice, scene.now_us), PRL_ICE_LIVE); // it may come back
    EXPECT(send_check(&scene, 5003, &(struct check){0}));
    EXPECT_INT(selected_port(&scene), 5003);
    end(&scene);
}

PRL_TEST(credentials_are_ice_characters)
{
    uint8_t random[PRL_ICE_RANDOM_SIZE];
    struct prl_ice_credentials made;
    for (size_t i = 0; i < sizeof(random); i++)
        random[i] = (uint8_t)(i * 37);
    prl_ice_make_credentials(&made, random);
    EXPECT_INT(strlen(made.ufrag), PRL_ICE_UFRAG_LEN);
    EXPECT_INT(strlen(made.password), PRL_ICE_PASSWORD_LEN);
    random[PRL_ICE_RANDOM_SIZE - 1] ^= 1;
    struct prl_ice_credentials other;
    prl_ice_make_credentials(&other, random);
    EXPECT_TEXT(other.ufrag, made.ufrag);
    EXPECT(strcmp(other.password, made.password) != 0);
}

PRL_TEST_OOM(ice_create)
{
    struct prl_ice *ice;
    enum prl_err err = prl_ice_create(&ice, &ours, "peer", 0);
    EXPECT((err == PRL_OK) == (ice != NULL));
    prl_ice_destroy(&ice);
}
