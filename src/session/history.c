// history.c -- see history.h. A doubly linked list of items, searched from its end, because what
// is asked for is nearly always recent, and the count is bounded.
#include "session/history.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"

enum { MARKS_FIRST = 64, MARKS_MAX = 65536 };

struct part {
    struct prl_str text;
    bool audio, image;
};

struct prl_item {
    struct prl_history *history; // borrowed
    struct prl_item *previous;
    struct prl_item *next;
    enum prl_item_kind kind;
    enum prl_item_status status;
    char id[PRL_HISTORY_ID_MAX];
    char call_id[PRL_HISTORY_ID_MAX];
    char name[PRL_HISTORY_NAME_MAX];
    struct part *parts; // owned
    uint32_t part_count;
    struct prl_history_mark *marks; // owned
    uint32_t mark_count;
    uint32_t mark_capacity;
    uint64_t sent; // output samples
    uint64_t cut_at;
    bool cut;
};

struct prl_history {
    struct prl_history_conf conf;
    struct prl_item *first; // owned, and the chain behind it
    struct prl_item *last;
    uint32_t count;
    size_t bytes;
    uint64_t dropped;
};

void prl_history_conf_init(struct prl_history_conf *conf)
{
    *conf = (struct prl_history_conf){
        .items_max = 1000,
        .bytes_max = (size_t)2 << 20,
        .item_text_max = (size_t)64 << 10,
    };
}

enum prl_err prl_history_create(struct prl_history **out, const struct prl_history_conf *conf)
{
    PRL_CHECK(out != NULL && conf != NULL && conf->items_max > 0);
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    (*out)->conf = *conf;
    return PRL_OK;
}

static size_t item_bytes(const struct prl_item *item)
{
    size_t bytes = sizeof(*item) + item->mark_count * sizeof(*item->marks);
    for (uint32_t i = 0; i < item->part_count; i++)
        bytes += sizeof(item->parts[i]) + item->parts[i].text.len;
    return bytes;
}

static void free_item(struct prl_item *item)
{
    for (uint32_t i = 0; i < item->part_count; i++)
        prl_str_free(&item->parts[i].text);
    prl_mem_free(item->parts);
    prl_mem_free(item->marks);
    prl_mem_free(item);
}

void prl_history_destroy(struct prl_history **history)
{
    if (!*history)
        return;
    struct prl_item *item = (*history)->first;
    while (item) {
        struct prl_item *next = item->next;
        free_item(item);
        item = next;
    }
    prl_mem_free(*history);
    *history = NULL;
}

static struct prl_item *find(const struct prl_history *history, const char *id)
{
    if (!id)
        return NULL;
    struct prl_item *item = history->last;
    while (item && strcmp(item->id, id) != 0)
        item = item->previous;
    return item;
}

static void unlink_item(struct prl_history *history, struct prl_item *item)
{
    if (item->previous)
        item->previous->next = item->next;
    else
        history->first = item->next;
    if (item->next)
        item->next->previous = item->previous;
    else
        history->last = item->previous;
    history->count--;
    history->bytes -= item_bytes(item);
    free_item(item);
}

// The first item that belongs to a turn, from `item` on.
static struct prl_item *skip_system(struct prl_item *item)
{
    while (item && item->kind == PRL_ITEM_SYSTEM)
        item = item->next;
    return item;
}

// Drops the oldest whole turn. False when there is only one, or when somebody works on it.
static bool drop_turn(struct prl_history *history, const struct prl_item *keep)
{
    struct prl_item *from = skip_system(history->first);
    struct prl_item *end = from ? skip_system(from->next) : NULL;
    while (end && end->kind != PRL_ITEM_USER)
        end = skip_system(end->next);
    if (!end)
        return false;
    for (const struct prl_item *item = from; item != end; item = item->next)
        if (item == keep || item->status == PRL_ITEM_IN_PROGRESS)
            return false;
    while (from != end) {
        struct prl_item *next = from->next;
        if (from->kind != PRL_ITEM_SYSTEM) {
            unlink_item(history, from);
            history->dropped++;
        }
        from = next;
    }
    return true;
}

static enum prl_err make_room(struct prl_history *history, uint32_t items, size_t bytes,
                              const struct prl_item *keep)
{
    const struct prl_history_conf *conf = &history->conf;
    if (bytes > conf->bytes_max)
        return PRL_ERR_LIMIT;
    while (history->count + items > conf->items_max || history->bytes + bytes > conf->bytes_max)
        if (!drop_turn(history, keep))
            return PRL_ERR_LIMIT;
    return PRL_OK;
}

static void link_item(struct prl_history *history, struct prl_item *item, struct prl_item *after)
{
    item->previous = after;
    item->next = after ? after->next : history->first;
    if (item->previous)
        item->previous->next = item;
    else
        history->first = item;
    if (item->next)
        item->next->previous = item;
    else
        history->last = item;
    history->count++;
    history->bytes += item_bytes(item);
}

enum prl_err prl_history_add(struct prl_history *history, const char *after_id,
                             const struct prl_item_new *item)
{
    if (!item->id || item->id[0] == '\0' || find(history, item->id))
        return PRL_ERR_INVALID;
    struct prl_item *made = prl_mem_zalloc(sizeof(*made));
    if (!made)
        return PRL_ERR_NOMEM;
    made->history = history;
    made->kind = item->kind;
    made->status = item->status;
    enum prl_err err = PRL_ERR_INVALID;
    if (!prl_str_copy(made->id, sizeof(made->id), item->id) ||
        !prl_str_copy(made->call_id, sizeof(made->call_id), item->call_id ? item->call_id : "") ||
        !prl_str_copy(made->name, sizeof(made->name), item->name ? item->name : ""))
        goto fail;
    bool front = after_id && strcmp(after_id, "root") == 0;
    err = PRL_ERR_NOTFOUND;
    const struct prl_item *wanted = after_id && !front ? find(history, after_id) : NULL;
    if (after_id && !front && !wanted)
        goto fail;
    err = make_room(history, 1, item_bytes(made), wanted);
    if (err)
        goto fail;
    struct prl_item *after = after_id ? NULL : history->last;
    if (wanted)
        after = find(history, after_id);
    link_item(history, made, after);
    return PRL_OK;
fail:
    free_item(made);
    return err;
}

static enum prl_err add_part(struct prl_history *history, const char *id, struct part kind,
                             const char *text, size_t len)
{
    struct prl_item *item = find(history, id);
    if (!item)
        return PRL_ERR_NOTFOUND;
    if (item->part_count == PRL_HISTORY_PARTS_MAX)
        return PRL_ERR_LIMIT;
    enum prl_err err = make_room(history, 0, sizeof(struct part) + len, item);
    if (err)
        return err;
    struct part *parts = prl_mem_realloc(item->parts, (item->part_count + 1) * sizeof(*parts));
    if (!parts)
        return PRL_ERR_NOMEM;
    item->parts = parts;
    struct part *part = &parts[item->part_count];
    *part = kind;
    prl_str_init(&part->text, kind.image ? PRL_HISTORY_IMAGE_MAX : history->conf.item_text_max);
    err = len > 0 ? prl_str_add(&part->text, text, len) : PRL_OK;
    if (err) {
        prl_str_free(&part->text);
        return err;
    }
    item->part_count++;
    history->bytes += sizeof(*part) + len;
    return PRL_OK;
}

enum prl_err prl_history_add_part(struct prl_history *history, const char *id, bool audio,
                                  const char *text, size_t len)
{
    return add_part(history, id, (struct part){.audio = audio}, text, len);
}

enum prl_err prl_history_add_image(struct prl_history *history, const char *id, const char *url,
                                   size_t len)
{
    return add_part(history, id, (struct part){.image = true}, url, len);
}

static enum prl_err find_part(struct prl_history *history, const char *id, uint32_t index,
                              struct prl_item **item)
{
    *item = find(history, id);
    if (!*item)
        return PRL_ERR_NOTFOUND;
    return index < (*item)->part_count ? PRL_OK : PRL_ERR_INVALID;
}

enum prl_err prl_history_append(struct prl_history *history, const char *id, uint32_t index,
                                const char *text, size_t len)
{
    struct prl_item *item;
    enum prl_err err = find_part(history, id, index, &item);
    if (err || len == 0)
        return err;
    err = make_room(history, 0, len, item);
    if (err)
        return err;
    err = prl_str_add(&item->parts[index].text, text, len);
    if (!err)
        history->bytes += len;
    return err;
}

enum prl_err prl_history_set_text(struct prl_history *history, const char *id, uint32_t index,
                                  const char *text, size_t len)
{
    struct prl_item *item;
    enum prl_err err = find_part(history, id, index, &item);
    if (err)
        return err;
    err = make_room(history, 0, len, item);
    if (err)
        return err;
    struct prl_str fresh;
    prl_str_init(&fresh, history->conf.item_text_max);
    err = len > 0 ? prl_str_add(&fresh, text, len) : PRL_OK;
    if (err) {
        prl_str_free(&fresh);
        return err;
    }
    history->bytes -= item_bytes(item);
    prl_str_free(&item->parts[index].text);
    item->parts[index].text = fresh;
    item->mark_count = 0;
    history->bytes += item_bytes(item);
    return PRL_OK;
}

enum prl_err prl_history_set_status(struct prl_history *history, const char *id,
                                    enum prl_item_status status)
{
    struct prl_item *item = find(history, id);
    if (!item)
        return PRL_ERR_NOTFOUND;
    item->status = status;
    return PRL_OK;
}

enum prl_err prl_history_delete(struct prl_history *history, const char *id)
{
    struct prl_item *item = find(history, id);
    if (!item)
        return PRL_ERR_NOTFOUND;
    unlink_item(history, item);
    return PRL_OK;
}

enum prl_err prl_history_mark(struct prl_history *history, const char *id, uint64_t sample,
                              size_t byte)
{
    struct prl_item *item = find(history, id);
    if (!item)
        return PRL_ERR_NOTFOUND;
    if (item->mark_count == MARKS_MAX)
        return PRL_ERR_LIMIT;
    struct prl_history_mark mark = {.sample = sample, .byte = byte};
    if (item->mark_count > 0) {
        const struct prl_history_mark *last = &item->marks[item->mark_count - 1];
        mark.sample = sample > last->sample ? sample : last->sample;
        mark.byte = byte > last->byte ? byte : last->byte;
        if (mark.sample == last->sample && mark.byte == last->byte)
            return PRL_OK;
    }
    enum prl_err err = make_room(history, 0, sizeof(mark), item);
    if (err)
        return err;
    if (item->mark_count == item->mark_capacity) {
        uint32_t capacity = item->mark_capacity ? item->mark_capacity * 2 : MARKS_FIRST;
        struct prl_history_mark *marks = prl_mem_realloc(item->marks, capacity * sizeof(*marks));
        if (!marks)
            return PRL_ERR_NOMEM;
        item->marks = marks;
        item->mark_capacity = capacity;
    }
    item->marks[item->mark_count++] = mark;
    history->bytes += sizeof(mark);
    return PRL_OK;
}

enum prl_err prl_history_sent(struct prl_history *history, const char *id, uint64_t samples)
{
    struct prl_item *item = find(history, id);
    if (!item)
        return PRL_ERR_NOTFOUND;
    if (samples > item->sent)
        item->sent = samples;
    return PRL_OK;
}

enum prl_err prl_history_truncate(struct prl_history *history, const char *id,
                                  uint32_t content_index, uint64_t samples, uint64_t *applied)
{
    struct prl_item *item;
    enum prl_err err = find_part(history, id, content_index, &item);
    if (err)
        return err;
    if (item->kind != PRL_ITEM_ASSISTANT || !item->parts[content_index].audio)
        return PRL_ERR_INVALID;
    item->cut = true;
    item->cut_at = samples < item->sent ? samples : item->sent;
    *applied = item->cut_at;
    return PRL_OK;
}

const struct prl_item *prl_history_find(const struct prl_history *history, const char *id)
{
    return find(history, id);
}

const struct prl_item *prl_history_first(const struct prl_history *history)
{
    return history->first;
}

const struct prl_item *prl_history_last(const struct prl_history *history)
{
    return history->last;
}

const struct prl_item *prl_history_next(const struct prl_item *item)
{
    return item->next;
}

uint32_t prl_history_count(const struct prl_history *history)
{
    return history->count;
}

size_t prl_history_bytes(const struct prl_history *history)
{
    return history->bytes;
}

uint64_t prl_history_dropped(const struct prl_history *history)
{
    return history->dropped;
}

const char *prl_item_id(const struct prl_item *item)
{
    return item->id;
}

const char *prl_item_previous_id(const struct prl_item *item)
{
    return item->previous ? item->previous->id : NULL;
}

enum prl_item_kind prl_item_kind(const struct prl_item *item)
{
    return item->kind;
}

enum prl_item_status prl_item_status(const struct prl_item *item)
{
    return item->status;
}

const char *prl_item_call_id(const struct prl_item *item)
{
    return item->call_id;
}

const char *prl_item_name(const struct prl_item *item)
{
    return item->name;
}

uint32_t prl_item_part_count(const struct prl_item *item)
{
    return item->part_count;
}

struct prl_history_part prl_item_part(const struct prl_item *item, uint32_t index)
{
    PRL_CHECK(index < item->part_count);
    const struct part *part = &item->parts[index];
    return (struct prl_history_part){
        .text = prl_str_text(&part->text),
        .len = part->text.len,
        .audio = part->audio,
        .image = part->image,
    };
}

bool prl_item_cut(const struct prl_item *item)
{
    return item->cut;
}

uint64_t prl_item_cut_samples(const struct prl_item *item)
{
    return item->cut ? item->cut_at : item->sent;
}

uint64_t prl_item_sent_samples(const struct prl_item *item)
{
    return item->sent;
}

size_t prl_item_heard_bytes(const struct prl_item *item, uint32_t index)
{
    struct prl_history_part part = prl_item_part(item, index);
    if (part.image)
        return 0;
    if (!item->cut || !part.audio)
        return part.len;
    if (item->mark_count > 0)
        return prl_history_words_heard(part.text, part.len, item->marks, item->mark_count,
                                       item->cut_at);
    // No map: the voice is taken to move evenly through what was sent.
    struct prl_history_mark whole = {.sample = item->sent, .byte = part.len};
    return prl_history_words_heard(part.text, part.len, &whole, 1, item->cut_at);
}
