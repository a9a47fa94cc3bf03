// test_cache.c -- llm/cache: which tokens stay in the model's memory, and for whom.
#include "llm/cache.h"

#include <string.h>

#include "tests/unit.h"
#include "tests/unit/llm_fake.h"

struct world {
    struct fake_llm fake;
    struct prl_llm_cache *cache;
};

static bool open_world(struct world *world, int sequences, int cells)
{
    memset(world, 0, sizeof(*world));
    world->fake.conf =
        (struct prl_llm_model_conf){.context_tokens = 256, .cells = cells, .sequences = sequences};
    return prl_llm_cache_create(&world->cache, &fake_llm_ops, &world->fake, &world->fake.conf) ==
           PRL_OK;
}

// Brings a slot to the prompt as the batch does, and returns how many tokens were there already.
static int compute(struct world *world, int slot, const int32_t *ids, int count)
{
    int have = prl_llm_cache_match(world->cache, slot, ids, count, 0);
    struct prl_llm_entry entries[256];
    for (int i = have; i < count; i++)
        entries[i - have] =
            (struct prl_llm_entry){.token = ids[i], .sequence = slot, .position = i};
    if (count > have) {
        EXPECT_OK(fake_llm_ops.decode(&world->fake, entries, count - have));
        prl_llm_cache_add(world->cache, slot, ids + have, count - have);
    }
    EXPECT_INT(world->fake.count[slot], count);
    EXPECT(memcmp(world->fake.ids[slot], ids, (size_t)count * sizeof(*ids)) == 0);
    EXPECT(!world->fake.wrong);
    return have;
}

static void fill(int32_t *ids, int count, int from)
{
    for (int i = 0; i < count; i++)
        ids[i] = from + i;
}

PRL_TEST(cache_keeps_the_common_beginning)
{
    struct world world;
    REQUIRE(open_world(&world, 2, 1000));
    int32_t ids[100];
    fill(ids, 100, 0);
    int slot = prl_llm_cache_acquire(world.cache, 7, ids, 50);
    EXPECT_INT(compute(&world, slot, ids, 50), 0);
    EXPECT_INT(compute(&world, slot, ids, 80), 50);
    prl_llm_cache_release(world.cache, slot);
    ids[40] = 9999;
    EXPECT_INT(prl_llm_cache_acquire(world.cache, 7, ids, 80), slot);
    EXPECT_INT(compute(&world, slot, ids, 80), 40);
    EXPECT_INT(prl_llm_cache_stats(world.cache).evictions, 0);
    prl_llm_cache_destroy(&world.cache);
}

PRL_TEST(cache_copies_a_shared_beginning)
{
    struct world world;
    REQUIRE(open_world(&world, 3, 1000));
    int32_t ids[100];
    fill(ids, 100, 0);
    int a = prl_llm_cache_acquire(world.cache, 1, ids, 60);
    (void)compute(&world, a, ids, 60);
    int32_t other[100];
    fill(other, 100, 0);
    other[45] = -5;
    int b = prl_llm_cache_acquire(world.cache, 2, other, 60);
    EXPECT(a != b);
    EXPECT_INT(compute(&world, b, other, 60), 45);
    EXPECT_INT(world.fake.copies, 1);
    // Less than 16 common tokens are not worth a copy.
    fill(other, 100, 0);
    other[10] = -5;
    int c = prl_llm_cache_acquire(world.cache, 3, other, 60);
    EXPECT_INT(compute(&world, c, other, 60), 0);
    // A stream that closed leaves its tokens to one that begins alike.
    prl_llm_cache_disown(world.cache, 1);
    EXPECT_INT(prl_llm_cache_acquire(world.cache, 4, ids, 60), a);
    EXPECT_INT(compute(&world, a, ids, 60), 60);
    prl_llm_cache_destroy(&world.cache);
}

PRL_TEST(cache_evicts_the_longest_idle)
{
    struct world world;
    REQUIRE(open_world(&world, 2, 1000));
    int32_t ids[40];
    fill(ids, 40, 0);
    int32_t others[40];
    fill(others, 40, 500);
    int a = prl_llm_cache_acquire(world.cache, 1, ids, 40);
    int b = prl_llm_cache_acquire(world.cache, 2, others, 40);
    EXPECT_INT(prl_llm_cache_acquire(world.cache, 3, ids, 40), -1); // all busy
    prl_llm_cache_release(world.cache, b);
    prl_llm_cache_release(world.cache, a);
    EXPECT_INT(prl_llm_cache_acquire(world.cache, 3, ids, 40), b);
    EXPECT_INT(prl_llm_cache_acquire(world.cache, 1, ids, 40), a);
    prl_llm_cache_release(world.cache, a);
    EXPECT_INT(prl_llm_cache_acquire(world.cache, 2, others, 40), a);
    EXPECT_INT(prl_llm_cache_stats(world.cache).evictions, 2);
    prl_llm_cache_destroy(&world.cache);
}

PRL_TEST(cache_room_forgets_idle_slots_only)
{
    struct world world;
    REQUIRE(open_world(&world, 2, 100));
    int32_t ids[90];
    fill(ids, 90, 0);
    int a = prl_llm_cache_acquire(world.cache, 1, ids, 60);
    (void)compute(&world, a, ids, 60);
    EXPECT(prl_llm_cache_room(world.cache, 40));
    EXPECT(!prl_llm_cache_room(world.cache, 41)); // busy
    prl_llm_cache_release(world.cache, a);
    EXPECT(prl_llm_cache_room(world.cache, 41));
    EXPECT_INT(prl_llm_cache_len(world.cache, a), 0);
    EXPECT_INT(world.fake.count[a], 0);
    EXPECT(!prl_llm_cache_room(world.cache, 101));
    prl_llm_cache_destroy(&world.cache);
}

PRL_TEST_OOM(cache_memory)
{
    struct world world;
    if (open_world(&world, 4, 1000))
        prl_llm_cache_destroy(&world.cache);
    else
        EXPECT(world.cache == NULL && prl_test_oom());
}
