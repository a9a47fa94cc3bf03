// fuzz_multipart.c -- multipart bodies: the first line of the input is the Content-Type. Every part lies
// within the body, and the parts lie one behind the other.
//   make fuzz T=multipart
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "api/multipart.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char type[256];
    const uint8_t *line = memchr(data, '\n', size);
    size_t len = line ? (size_t)(line - data) : 0;
    if (!line || len >= sizeof(type))
        return 0;
    memcpy(type, data, len);
    type[len] = '\0';
    struct prl_multipart form;
    char why[PRL_MULTIPART_WHY_SIZE];
    const char *body = (const char *)line + 1;
    const char *end = (const char *)data + size;
    enum prl_err err = prl_multipart_parse(&form, type, body, (size_t)(end - body), why);
    PRL_CHECK(!err == !why[0]);
    const char *at = body;
    for (size_t i = 0; i < form.count; i++) {
        const struct prl_multipart_part *part = &form.parts[i];
        PRL_CHECK(part->data >= at && part->data <= end &&
                  part->size <= (size_t)(end - part->data));
        at = part->data + part->size;
        PRL_CHECK(strlen(part->name) < sizeof(part->name));
    }
    (void)prl_multipart_find(&form, "sdp");
    return 0;
}
