// fuzz_openai.c -- lines as the events of a streamed chat answer. Thinking is never told, calls are
// objects with a name.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "llm/openai.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_piece(void *arg, const char *name, const char *text, size_t len)
{
    (void)arg;
    if (len == 0 || (name && (!name[0] || !memchr(text, '{', len))))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct prl_openai_reader *reader;
    if (prl_openai_reader_create(&reader, on_piece, NULL) != PRL_OK)
        return 0;
    const char *text = (const char *)data;
    for (size_t at = 0; at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t len = end ? (size_t)(end - (text + at)) : size - at;
        if (prl_openai_reader_push(reader, text + at, len) != PRL_OK)
            break;
        at += len + 1;
    }
    if (prl_openai_reader_end(reader) != PRL_OK && !prl_openai_reader_why(reader)[0])
        abort();
    prl_openai_reader_destroy(&reader);
    return 0;
}
