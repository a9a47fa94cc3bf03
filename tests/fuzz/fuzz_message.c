// fuzz_message.c -- WebSocket messages in slices: whatever arrives, the rest of the text and the sound stay
// within their limits, and the slices do not change the result.
//   make fuzz T=message
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/message.h"
#include "base/check.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(struct prl_message *message, const char *text, size_t size, size_t slice)
{
    prl_message_init(message);
    for (size_t at = 0; at < size; at += slice)
        prl_message_add(message, text + at, size - at < slice ? size - at : slice);
    prl_message_end(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct prl_message whole;
    struct prl_message sliced;
    feed(&whole, (const char *)data, size, size + 1);
    feed(&sliced, (const char *)data, size, 3);
    PRL_CHECK(whole.err == sliced.err);
    if (!whole.err) {
        PRL_CHECK(whole.text.len == sliced.text.len && whole.audio.len == sliced.audio.len);
        PRL_CHECK(whole.text.len <= size);
        PRL_CHECK(memcmp(prl_str_text(&whole.text), prl_str_text(&sliced.text), whole.text.len) ==
                  0);
        PRL_CHECK(
            memcmp(prl_str_text(&whole.audio), prl_str_text(&sliced.audio), whole.audio.len) == 0);
        struct prl_json *root;
        if (prl_json_parse(&root, prl_str_text(&whole.text), whole.text.len, NULL, 0) == PRL_OK)
            prl_json_free(&root);
    }
    prl_message_reset(&whole);
    prl_message_reset(&sliced);
    return 0;
}
