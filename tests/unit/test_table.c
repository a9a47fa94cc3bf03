// test_table.c -- the table of names and paths against a plain list, at its bound, and when short of
// memory.
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "rtc/table.h"
#include "tests/unit.h"

enum { NAMES = 200, STEPS = 2000 };

PRL_TEST(table_does_what_a_list_does)
{
    struct prl_table *table;
    bool there[NAMES] = {false};
    int objects[NAMES + STEPS]; // only their addresses matter
    void *values[NAMES] = {NULL};
    size_t count = 0;
    REQUIRE(prl_table_create(&table, NAMES / 2) == PRL_OK);
    for (int step = 0; step < STEPS; step++) {
        size_t i = prl_test_random() % NAMES;
        char name[16];
        snprintf(name, sizeof(name), "name%zu", i);
        struct prl_table_key key = prl_table_name_key(name);
        void *value = NULL;
        EXPECT(prl_table_get(table, &key, &value) == there[i]);
        EXPECT(!there[i] || value == values[i]);
        if (prl_test_random() % 2) {
            enum prl_err err = prl_table_set(table, &key, &objects[step]);
            EXPECT_INT(err, there[i] || count < NAMES / 2 ? PRL_OK : PRL_ERR_FULL);
            count += err == PRL_OK && !there[i];
            there[i] = there[i] || err == PRL_OK;
            values[i] = err == PRL_OK ? &objects[step] : values[i];
        } else {
            prl_table_remove(table, &key, &objects[STEPS + i]); // somebody else's
            prl_table_remove(table, &key, values[i]);
            count -= there[i];
            there[i] = false;
        }
        EXPECT_INT(prl_table_count(table), count);
    }
    prl_table_destroy(&table);
    EXPECT(table == NULL);
}

static struct prl_ice_path path_of(const char *remote, uint16_t port, const char *local, bool tcp)
{
    struct prl_ice_path path = {.tcp = tcp};
    EXPECT(prl_addr_parse(&path.remote, remote, port));
    EXPECT(prl_addr_parse(&path.local, local, 8189));
    return path;
}

PRL_TEST(table_tells_paths_apart)
{
    const struct prl_ice_path paths[] = {
        path_of("192.0.2.1", 1000, "198.51.100.1", false),
        path_of("192.0.2.1", 1001, "198.51.100.1", false),
        path_of("192.0.2.2", 1000, "198.51.100.1", false),
        path_of("192.0.2.1", 1000, "198.51.100.2", false),
        path_of("192.0.2.1", 1000, "198.51.100.1", true),
        path_of("2001:db8::1", 1000, "2001:db8::2", false),
        path_of("2001:db8::3", 1000, "2001:db8::2", false),
        path_of("c000:201::", 1000, "c633:6401::", false), // the first one's bytes
    };
    enum { COUNT = sizeof(paths) / sizeof(paths[0]) };
    int objects[COUNT];
    struct prl_table *table;
    REQUIRE(prl_table_create(&table, COUNT) == PRL_OK);
    for (size_t i = 0; i < COUNT; i++) {
        struct prl_table_key key = prl_table_path_key(&paths[i]);
        EXPECT_OK(prl_table_set(table, &key, &objects[i]));
    }
    EXPECT_INT(prl_table_count(table), COUNT);
    struct prl_ice_path mapped = path_of("::ffff:192.0.2.1", 1000, "198.51.100.1", false);
    struct prl_table_key key = prl_table_path_key(&mapped);
    void *value = NULL;
    EXPECT(prl_table_get(table, &key, &value) && value == &objects[0]);
    prl_table_destroy(&table);
}

PRL_TEST_OOM(table_create)
{
    struct prl_table *table;
    EXPECT((prl_table_create(&table, 10) == PRL_OK) == (table != NULL));
    prl_table_destroy(&table);
}
