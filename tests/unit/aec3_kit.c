// aec3_kit.c -- see aec3_kit.h.
#include "tests/unit/aec3_kit.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "dsp/echo.h"
#include "tests/unit.h"

struct prl_echo_kit *aec3_kit(void)
{
    static const char module[] = "/../lib/libparley_aec3.so";
    struct prl_echo_kit *kit = NULL;
    char path[PATH_MAX + sizeof(module)];
    char why[300] = "";
    ssize_t len = readlink("/proc/self/exe", path, PATH_MAX - 1);
    if (len <= 0)
        return NULL;
    path[len] = '\0';
    memcpy(strrchr(path, '/'), module, sizeof(module));
    if (access(path, R_OK) != 0 || prl_echo_kit_create(&kit, path, why, sizeof(why)) != PRL_OK)
        return NULL;
    EXPECT(prl_test_oom() || !*why);
    return kit;
}
