// trim.c -- see trim.h.
#include "llm/trim.h"

#include "base/check.h"

static size_t turn_end(const struct prl_llm_message *messages, size_t count, size_t at)
{
    size_t end = at + 1;
    // Two user messages in a row are one turn: the user went on after a pause.
    while (end < count && messages[end - 1].role == PRL_LLM_USER &&
           messages[end].role == PRL_LLM_USER)
        end++;
    while (end < count && messages[end].role != PRL_LLM_USER)
        end++;
    return end;
}

enum prl_err prl_llm_trim(const struct prl_llm_message *messages, const int *costs, size_t count,
                          int budget, size_t *first, size_t *dropped)
{
    PRL_CHECK(first != NULL && dropped != NULL);
    PRL_CHECK(count == 0 || (messages != NULL && costs != NULL));
    int64_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += costs[i];
    size_t start = 0;
    while (start < count && messages[start].role == PRL_LLM_SYSTEM)
        start++;
    size_t at = start;
    while (total > budget && at < count) {
        size_t end = turn_end(messages, count, at);
        if (end >= count)
            break;
        for (; at < end; at++)
            total -= costs[at];
    }
    *first = start;
    *dropped = at - start;
    return total > budget ? PRL_ERR_LIMIT : PRL_OK;
}
