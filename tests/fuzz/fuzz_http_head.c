// fuzz_http_head.c -- request and response heads, their targets and queries.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/http_head.h"
#include "net/http_route.h"
#include "net/origin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_head(const struct prl_http_head *head)
{
    char element[64];
    uint64_t length;
    size_t total = 0;
    for (size_t i = 0; i < head->field_count; i++) {
        total += strlen(head->fields[i].name) + strlen(head->fields[i].value);
        (void)prl_http_head_has_token(head, head->fields[i].name, "upgrade");
        (void)prl_http_head_element(head, head->fields[i].name, i % 3, element, sizeof(element));
        struct prl_origin_name name;
        (void)prl_origin_parse_host(head->fields[i].value, &name);
    }
    (void)prl_http_head_length(head, &length);
    if (total > 65536)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 65536)
        return 0;
    struct prl_http_head head;
    char *copy = prl_mem_dup(data + 1, size - 1);
    if (!copy)
        return 0;
    size_t end = prl_http_head_end(copy, size - 1, 0);
    bool request = data[0] & 1;
    if (end > 0 && request && prl_http_head_parse_request(&head, copy, end) == PRL_OK) {
        char value[32];
        const char *rest;
        size_t rest_len;
        use_head(&head);
        char *question = strchr(head.target, '?');
        if (question) {
            *question = '\0';
            (void)prl_http_query_find(question + 1, "model", value, sizeof(value));
        }
        if (prl_http_path_decode(head.target) && head.target[0] != '/')
            abort();
        (void)prl_http_path_match("/v1/:id/*", head.target, &rest, &rest_len);
    } else if (end > 0 && !request && prl_http_head_parse_response(&head, copy, end) == PRL_OK) {
        use_head(&head);
    }
    prl_mem_free(copy);
    return 0;
}
