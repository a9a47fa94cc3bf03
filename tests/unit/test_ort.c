// test_ort.c -- what is wrong with a library or model file is said in words. Computing needs the
// real library and is tested with the models (tests/bench).
#include <string.h>

#include "engine/ort.h"
#include "tests/unit.h"

PRL_TEST(ort_missing_library)
{
    struct prl_ort *ort;
    char why[PRL_ORT_WHY_SIZE] = "";
    EXPECT_INT(prl_ort_create(&ort, "/nowhere/libonnxruntime.so", why, sizeof(why)),
               PRL_ERR_NOTFOUND);
    EXPECT(ort == NULL);
    EXPECT_TEXT(why, "cannot read /nowhere/libonnxruntime.so");
    EXPECT_INT(prl_ort_create(&ort, "/nowhere", NULL, 0), PRL_ERR_NOTFOUND);
    prl_ort_destroy(&ort);
}

PRL_TEST(ort_file_that_is_no_library)
{
    struct prl_ort *ort;
    char why[32] = "";
    EXPECT_INT(prl_ort_create(&ort, "/etc/passwd", why, sizeof(why)), PRL_ERR_ENGINE);
    EXPECT(strncmp(why, "cannot load ", 12) == 0);
    EXPECT(strlen(why) < sizeof(why));
    EXPECT(ort == NULL);
}

PRL_TEST(ort_count_of_shapes)
{
    EXPECT_INT(prl_ort_count(&(struct prl_ort_tensor){.rank = 0}), 1);
    EXPECT_INT(prl_ort_count(&(struct prl_ort_tensor){.rank = 3, .shape = {2, 1, 128}}), 256);
    EXPECT_INT(prl_ort_count(&(struct prl_ort_tensor){.rank = 2, .shape = {0, 5}}), 0);
    EXPECT_INT(prl_ort_count(&(struct prl_ort_tensor){.rank = 2, .shape = {-1, 5}}), 0);
    EXPECT_INT(prl_ort_count(&(struct prl_ort_tensor){.rank = 2, .shape = {1 << 20, 1 << 20}}), 0);
    EXPECT_INT(prl_ort_count(&(struct prl_ort_tensor){.rank = 7}), 0);
}
