// fuzz_transcript.c -- a recogniser's answers: the first byte says which form and how large the pieces are.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/str.h"
#include "stt/transcript.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct prl_transcript *transcript;
    struct prl_str text;
    const char *language = "";
    if (size < 1 || prl_transcript_create(&transcript, data[0] & 0x80) != PRL_OK)
        return 0;
    size_t step = 1 + data[0] % 64;
    enum prl_err err = PRL_OK;
    for (size_t at = 1; at < size; at += step)
        err = prl_transcript_push(transcript, (const char *)data + at,
                                  size - at < step ? size - at : step);
    prl_str_init(&text, PRL_TRANSCRIPT_MAX);
    enum prl_err end = prl_transcript_end(transcript, &text, &language);
    // What a consumer relies on: a reader that is dead stays dead, and says why.
    if ((err && !end) || (end && !prl_transcript_why(transcript)[0]))
        abort();
    prl_str_free(&text);
    prl_transcript_destroy(&transcript);
    return 0;
}
