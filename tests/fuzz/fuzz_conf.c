// fuzz_conf.c -- YAML configuration files: any bytes give settings or one sentence that says why not.
//   make fuzz T=conf
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "base/conf.h"
#include "server/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 16384)
        return 0;
    struct prl_settings settings = {0};
    char why[PRL_CONF_WHY_SIZE] = "";
    if (prl_conf_defaults(prl_settings_table(), &settings) != PRL_OK)
        return 0;
    enum prl_err err =
        prl_conf_text(prl_settings_table(), &settings, (const char *)data, size, "fuzz.yaml", why);
    PRL_CHECK((err == PRL_OK) == (why[0] == '\0'));
    if (!err) {
        // What was read can be written and read again.
        struct prl_str page;
        prl_str_init(&page, 1 << 20);
        PRL_CHECK(prl_conf_yaml(prl_settings_table(), &settings, false, &page) == PRL_OK);
        PRL_CHECK(prl_conf_yaml(prl_settings_table(), &settings, true, &page) == PRL_OK);
        prl_str_free(&page);
    }
    prl_conf_free(prl_settings_table(), &settings);
    return 0;
}
