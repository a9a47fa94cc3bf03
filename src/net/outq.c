// outq.c -- see outq.h.
#include "net/outq.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"

struct prl_outq_block {
    struct prl_outq_block *next;
    const uint8_t *data; // own bytes below, or somebody's static ones
    size_t size;
    size_t done;
    uint8_t bytes[];
};

void prl_outq_init(struct prl_outq *queue, size_t limit)
{
    *queue = (struct prl_outq){.limit = limit};
}

void prl_outq_free(struct prl_outq *queue)
{
    while (queue->first) {
        struct prl_outq_block *next = queue->first->next;
        prl_mem_free(queue->first);
        queue->first = next;
    }
    queue->last = NULL;
    queue->bytes = 0;
}

static void append(struct prl_outq *queue, struct prl_outq_block *block)
{
    if (queue->last)
        queue->last->next = block;
    else
        queue->first = block;
    queue->last = block;
    queue->bytes += block->size;
}

enum prl_err prl_outq_push(struct prl_outq *queue, const struct prl_outq_piece pieces[3],
                           bool force, uint8_t **at)
{
    size_t size = pieces[0].size + pieces[1].size + pieces[2].size;
    if (!force && (size > queue->limit || queue->bytes > queue->limit - size))
        return PRL_ERR_FULL;
    if (size == 0)
        return PRL_OK;
    struct prl_outq_block *block = prl_mem_alloc(sizeof(*block) + size);
    if (!block)
        return PRL_ERR_NOMEM;
    *block = (struct prl_outq_block){.size = size};
    size_t fill = 0;
    for (size_t i = 0; i < 3; i++) {
        if (pieces[i].size == 0)
            continue;
        if (at)
            *at = block->bytes + fill;
        memcpy(block->bytes + fill, pieces[i].data, pieces[i].size);
        fill += pieces[i].size;
    }
    block->data = block->bytes;
    append(queue, block);
    return PRL_OK;
}

enum prl_err prl_outq_push_static(struct prl_outq *queue, const void *data, size_t size)
{
    if (size == 0)
        return PRL_OK;
    struct prl_outq_block *block = prl_mem_alloc(sizeof(*block));
    if (!block)
        return PRL_ERR_NOMEM;
    *block = (struct prl_outq_block){.data = data, .size = size};
    append(queue, block);
    return PRL_OK;
}

void prl_outq_append(struct prl_outq *queue, struct prl_outq *more)
{
    if (!more->first)
        return;
    if (queue->last)
        queue->last->next = more->first;
    else
        queue->first = more->first;
    queue->last = more->last;
    queue->bytes += more->bytes;
    prl_outq_init(more, more->limit);
}

bool prl_outq_peek(const struct prl_outq *queue, const uint8_t **data, size_t *size)
{
    if (!queue->first)
        return false;
    *data = queue->first->data + queue->first->done;
    *size = queue->first->size - queue->first->done;
    return true;
}

void prl_outq_consume(struct prl_outq *queue, size_t size)
{
    PRL_CHECK(size <= queue->bytes);
    queue->bytes -= size;
    while (size > 0) {
        struct prl_outq_block *block = queue->first;
        PRL_CHECK(block != NULL);
        size_t here = block->size - block->done < size ? block->size - block->done : size;
        block->done += here;
        size -= here;
        if (block->done < block->size)
            return;
        queue->first = block->next;
        if (!queue->first)
            queue->last = NULL;
        prl_mem_free(block);
    }
}
