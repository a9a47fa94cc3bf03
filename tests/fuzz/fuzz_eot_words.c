// fuzz_eot_words.c -- transcripts: any bytes; the first one chooses the language and where the text ends
// and an answer begins.
#include <stdlib.h>

#include "eot/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const LANGUAGES[] = {"zh", "en", "fr", NULL};
    if (size == 0)
        return 0;
    const char *text = (const char *)(data + 1);
    size_t len = size - 1, cut = data[0] / 4 < len ? data[0] / 4 : len;
    uint32_t flags = prl_eot_words(text, len, LANGUAGES[data[0] % 4]);
    if ((flags & PRL_EOT_OPEN_ENDED) && (flags & PRL_EOT_COMPLETE))
        abort();
    (void)prl_eot_echoes(text, cut, text + cut, len - cut);
    if (prl_eot_echoes(text, cut, "", 0))
        abort();
    return 0;
}
