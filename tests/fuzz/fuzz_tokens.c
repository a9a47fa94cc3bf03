// fuzz_tokens.c -- any bytes as a recogniser's token file.
#include <stddef.h>
#include <stdint.h>

#include "stt/tokens.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct prl_tokens *tokens;
    char why[128];
    if (prl_tokens_parse(&tokens, "fuzz", (const char *)data, size, why, sizeof(why)))
        return 0;
    volatile char sink = 0;
    for (int64_t i = -1; i <= (int64_t)prl_tokens_count(tokens); i++) {
        size_t len;
        const char *text = prl_tokens_text(tokens, i, &len);
        for (size_t j = 0; j < len; j++)
            sink = text[j];
    }
    (void)sink;
    prl_tokens_destroy(&tokens);
    return 0;
}
