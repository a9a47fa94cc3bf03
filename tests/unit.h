// unit.h -- what a unit test includes. A test is a function written as
//
//     PRL_TEST(ring_refuses_when_full) { EXPECT(...); }
//
// and is found by its macro (tools/testtable.py), run in a child process of its own, with a time
// limit and a check that every block of base/mem.h was given back.
//
//     PRL_TEST_OOM(session_whole_life) { ... }
//
// is run once as it is and, with -o, again and again while the 1st, 2nd, 3rd … allocation fails,
// until one run passes without a failure being hit. It must end cleanly whatever fails: guard each
// step with `if (err) goto done;`, and EXPECT only what holds for every outcome.
#ifndef PRL_TESTS_UNIT_H
#define PRL_TESTS_UNIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PRL_TEST(name)                                                                             \
    void test_##name(void);                                                                        \
    void test_##name(void)
#define PRL_TEST_OOM(name)                                                                         \
    void test_oom_##name(void);                                                                    \
    void test_oom_##name(void)

// Failures are counted and printed; the test goes on.
void prl_test_failed(const char *file, int line, const char *what);
void prl_test_ints(const char *file, int line, const char *what, int64_t a, int64_t b);
void prl_test_text(const char *file, int line, const char *what, const char *a, const char *b);

#define EXPECT(x)         ((x) ? (void)0 : prl_test_failed(__FILE__, __LINE__, #x))
#define EXPECT_OK(x)      EXPECT((x) == PRL_OK)
#define EXPECT_INT(a, b)  prl_test_ints(__FILE__, __LINE__, #a " == " #b, (int64_t)(a), (int64_t)(b))
#define EXPECT_TEXT(a, b) prl_test_text(__FILE__, __LINE__, #a " == " #b, (a), (b))
// For set-up that everything after it needs: ends the test at once.
#define REQUIRE(x)                                                                                 \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            prl_test_failed(__FILE__, __LINE__, "required: " #x);                                  \
            return;                                                                                \
        }                                                                                          \
    } while (0)

// True while an allocation failure is being provoked (-o).
bool prl_test_oom(void);
// Longest wait for what must come: generous, because a busy machine may leave a test a fiftieth of a
// core, and reached only when the test fails. While an allocation fails it may never come.
#define PRL_TEST_WAIT_US (prl_test_oom() ? 3000000 : 120000000)
// A millisecond passes on a clock that is held (prl_clock_hold), else nothing happens. Called once a
// turn of a loop, what has arrived is always read before the time for it is over.
void prl_test_pass_ms(void);
// Seeded random numbers (-s), the same in every run with the same seed.
uint32_t prl_test_random(void);
// A temporary folder of this test's own, removed by the runner afterwards; valid until it ends.
const char *prl_test_dir(void);

// Written by tools/testtable.py.
struct prl_test_entry {
    const char *name;
    void (*run)(void);                             // a test, or NULL
    int (*fuzz)(const uint8_t *data, size_t size); // a fuzz target, or NULL
    const char *corpus;                            // folder that the fuzz target replays
    bool oom;
};
extern const struct prl_test_entry prl_test_table[];
extern const size_t prl_test_count;

#endif
