// fuzz_event.c -- client events against the reader of session objects and tools: every event either is
// taken or has a problem with a code and a sentence, and what is written back is JSON.
//   make fuzz T=event
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "api/session_object.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_back(const struct prl_api_session *object, enum prl_api_dialect dialect)
{
    struct prl_str text;
    struct prl_json_write json;
    prl_str_init(&text, 8 << 20);
    prl_json_write_init(&json, &text);
    prl_api_session_write(object, dialect, &json, NULL);
    struct prl_json *root;
    PRL_CHECK(text.err || prl_json_parse(&root, text.data, text.len, NULL, 0) == PRL_OK);
    if (!text.err)
        prl_json_free(&root);
    prl_str_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct prl_json *root;
    if (prl_json_parse(&root, (const char *)data, size, NULL, 0) != PRL_OK)
        return 0;
    struct prl_api_session object;
    struct prl_session_conf conf;
    prl_session_conf_init(&conf);
    if (prl_api_session_init(&object, "fuzz", &conf) == PRL_OK) {
        const struct prl_json *session = prl_json_get(root, "session");
        for (int i = 0; i < 2; i++) {
            struct prl_problem problem = {0};
            enum prl_err err =
                prl_api_session_update(&object, session ? session : root, i == 1, &problem);
            PRL_CHECK(!problem.code || problem.message[0]);
            if (!err) {
                write_back(&object, PRL_API_GA);
                write_back(&object, PRL_API_BETA);
                prl_api_session_conf(&object, &conf);
            }
        }
    }
    prl_api_session_free(&object);
    prl_json_free(&root);
    return 0;
}
