// fuzz_wav.c -- the WAV reader against bytes from anywhere.
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "media/wav.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct prl_wav wav;
    if (prl_wav_parse(&wav, data, size) != PRL_OK)
        return 0;
    int16_t *pcm;
    size_t count;
    if (prl_wav_decode(&wav, 1 << 20, &pcm, &count) == PRL_OK)
        prl_mem_free(pcm);
    uint8_t header[PRL_WAV_HEADER_SIZE];
    prl_wav_header(header, wav.rate_hz, wav.frame_count);
    return 0;
}
