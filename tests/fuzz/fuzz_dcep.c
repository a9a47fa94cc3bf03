// fuzz_dcep.c -- control messages; what was read must be written the same again.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "rtc/dcep.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t again[4096];
    enum prl_dcep_type type;
    struct prl_dcep_open open;
    size_t again_size = 0;
    if (size > sizeof(again) || prl_dcep_parse(data, size, &type, &open) != PRL_OK)
        return 0;
    if (type == PRL_DCEP_ACK) {
        prl_dcep_build_ack(again);
        again_size = PRL_DCEP_ACK_SIZE;
    } else {
        if (!prl_utf8_valid(open.label, open.label_len) ||
            prl_dcep_build_open(&open, again, sizeof(again), &again_size) != PRL_OK)
            abort();
        if (open.reliability == PRL_DCEP_RELIABLE) // a limit without meaning is not kept
            memcpy(again + 4, data + 4, 4);
    }
    if (again_size != size || memcmp(again, data, size) != 0)
        abort();
    return 0;
}
