// fuzz_stun.c -- STUN packets, and the ICE-lite agent that they drive. The input is a list of
// steps: one byte says what, the next how long its operand is.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "rtc/ice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// More steps than paths, so that the table overflows; each one costs three HMACs.
enum { PORTS = 24, RESTARTS = 4, STEPS_MAX = 24 };

static const struct prl_ice_credentials ours[RESTARTS] = {
    {"serverf0", "serverpasswordserverpas0"},
    {"serverf1", "serverpasswordserverpas1"},
    {"serverf2", "serverpasswordserverpas2"},
    {"serverf3", "serverpasswordserverpas3"},
};
static const char *const theirs[RESTARTS] = {"peer", "peer1", "peer2", "peer3"};

struct scene {
    struct prl_ice *ice;
    int64_t now_us;
    unsigned restarts;
};

static void check(bool holds)
{
    if (!holds)
        abort();
}

static struct prl_ice_path path_of(uint8_t byte)
{
    struct prl_ice_path path = {.tcp = (byte & 0x80) != 0};
    bool v6 = (byte & 0x40) != 0;
    check(prl_addr_parse(&path.remote, v6 ? "2001:db8::9" : "192.0.2.9",
                         (uint16_t)(1000 + byte % PORTS)));
    check(prl_addr_parse(&path.local, v6 ? "2001:db8::1" : "192.0.2.1", 8189));
    return path;
}

static void check_agent(const struct scene *scene)
{
    const struct prl_ice_path *selected = prl_ice_selected(scene->ice);
    enum prl_ice_state state = prl_ice_state(scene->ice, scene->now_us);
    check(!selected || prl_ice_verified(scene->ice, selected));
    check(selected || !prl_ice_may_send(scene->ice, scene->now_us));
    check(!prl_ice_may_send(scene->ice, scene->now_us) || state == PRL_ICE_LIVE);
    bool over = state == PRL_ICE_NEVER || state == PRL_ICE_EXPIRED;
    check(over == (scene->now_us >= prl_ice_deadline(scene->ice)));
}

static void give_packet(struct scene *scene, const uint8_t *packet, size_t size, uint8_t where)
{
    struct prl_stun stun;
    struct prl_stun reply;
    struct prl_ice_result result;
    char ufrag[PRL_ICE_TEXT_SIZE];
    if (prl_stun_parse(&stun, packet, size) != PRL_OK)
        return;
    (void)prl_stun_addressee(&stun, ufrag, sizeof(ufrag));
    struct prl_ice_path path = path_of(where);
    prl_ice_check(scene->ice, &stun, &path, scene->now_us, &result);
    check(result.reply_size <= size && result.reply_size <= sizeof(result.reply));
    for (size_t i = result.reply_size; i < sizeof(result.reply); i++)
        check(result.reply[i] == 0);
    if (result.reply_size == 0) {
        check(!result.verified && !result.selected && !result.restarted);
        return;
    }
    check(prl_stun_parse(&reply, result.reply, result.reply_size) == PRL_OK);
    check(reply.class == PRL_STUN_SUCCESS || reply.class == PRL_STUN_ERROR);
    check(memcmp(reply.transaction, stun.transaction, PRL_STUN_TRANSACTION_SIZE) == 0);
    if (reply.class == PRL_STUN_SUCCESS)
        check(prl_addr_equal(&reply.mapped, &path.remote) && prl_ice_verified(scene->ice, &path));
    if (result.evicted)
        check(!prl_ice_verified(scene->ice, &result.evicted_path));
}

// A check with a right password, flags and attributes as the operand says.
static void give_check(struct scene *scene, const uint8_t *operand, size_t size)
{
    static const uint8_t transaction[PRL_STUN_TRANSACTION_SIZE] = "fuzzed";
    uint8_t buf[512];
    struct prl_stun_build build;
    uint8_t flags = size > 0 ? operand[0] : 0;
    uint8_t where = size > 1 ? operand[1] : 0;
    size_t more = size > 2 ? (size - 2) & ~(size_t)3 : 0;
    unsigned who = (scene->restarts + (flags >> 6)) % RESTARTS;
    prl_stun_begin(&build, buf, sizeof(buf), PRL_STUN_REQUEST, transaction);
    prl_stun_add_username(&build, ours[who].ufrag, theirs[who]);
    if (flags & 1)
        prl_stun_add_use_candidate(&build);
    if (flags & 2)
        prl_stun_add_role(&build, flags & 4 ? PRL_STUN_CONTROLLED : PRL_STUN_CONTROLLING, 9);
    if (flags & 8)
        prl_stun_add_priority(&build, 9);
    memcpy(buf + build.size, operand + (size < 2 ? size : 2), more);
    build.size += more;
    size_t used = prl_stun_finish(&build, ours[who].password);
    check(used > 0);
    give_packet(scene, buf, used, where);
}

static void step(struct scene *scene, uint8_t what, const uint8_t *operand, size_t size)
{
    struct prl_ice_path path = path_of(size > 0 ? operand[0] : 0);
    switch (what % 6) {
    case 0:
        if (size > 0)
            give_packet(scene, operand + 1, size - 1, operand[0]);
        break;
    case 1:
        give_check(scene, operand, size);
        break;
    case 2:
        scene->now_us += size > 0 ? (int64_t)operand[0] * 250000 : 1;
        break;
    case 3:
        (void)prl_ice_heard(scene->ice, &path, scene->now_us);
        break;
    case 4:
        (void)prl_ice_forget(scene->ice, &path);
        check(!prl_ice_verified(scene->ice, &path));
        break;
    default:
        scene->restarts = (scene->restarts + 1) % RESTARTS;
        prl_ice_restart(scene->ice, &ours[scene->restarts], theirs[scene->restarts], scene->now_us);
        break;
    }
    check_agent(scene);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scene scene = {.now_us = 1000000};
    if (prl_ice_create(&scene.ice, &ours[0], theirs[0], scene.now_us) != PRL_OK)
        return 0;
    give_packet(&scene, data, size, 0);
    for (int i = 0; i < STEPS_MAX && size >= 2; i++) {
        size_t len = data[1] < size - 2 ? data[1] : size - 2;
        step(&scene, data[0], data + 2, len);
        data += 2 + len;
        size -= 2 + len;
    }
    prl_ice_destroy(&scene.ice);
    return 0;
}
