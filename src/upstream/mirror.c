// mirror.c -- see mirror.h.
#include "upstream/mirror.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum { TEXT_MAX = 1 << 20, WORDS_MAX = 8192, NOTE_MAX = 96 };

struct end {
    size_t byte;
    uint64_t sample;
};

struct entry {
    enum prl_mirror_kind kind;
    char id[PRL_MIRROR_ID_SIZE];
    char call_id[PRL_MIRROR_ID_SIZE];
    struct prl_str text; // owned
    struct end *ends;    // owned: of the words of an answer
    size_t end_count, end_capacity;
    size_t cut;  // bytes that it was truncated to
    bool is_cut; //
};

struct prl_mirror {
    struct entry *entries; // owned
    size_t count, capacity;
    uint32_t numbered; // ids that we gave
};

enum prl_err prl_mirror_create(struct prl_mirror **out)
{
    *out = prl_mem_zalloc(sizeof(**out));
    return *out ? PRL_OK : PRL_ERR_NOMEM;
}

static void drop_entry(struct entry *entry)
{
    prl_str_free(&entry->text);
    prl_mem_free(entry->ends);
}

void prl_mirror_clear(struct prl_mirror *mirror)
{
    for (size_t i = 0; i < mirror->count; i++)
        drop_entry(&mirror->entries[i]);
    mirror->count = 0;
}

void prl_mirror_destroy(struct prl_mirror **mirror)
{
    if (!*mirror)
        return;
    prl_mirror_clear(*mirror);
    prl_mem_free((*mirror)->entries);
    prl_mem_free(*mirror);
    *mirror = NULL;
}

size_t prl_mirror_count(const struct prl_mirror *mirror)
{
    return mirror->count;
}

static struct entry *find(struct prl_mirror *mirror, const char *id)
{
    for (size_t i = mirror->count; i > 0; i--)
        if (strcmp(mirror->entries[i - 1].id, id) == 0)
            return &mirror->entries[i - 1];
    return NULL;
}

// Takes a place at `index`; the later ones move.
static enum prl_err insert(struct prl_mirror *mirror, size_t index,
                           const struct prl_mirror_item *item)
{
    if (mirror->count == PRL_MIRROR_ITEMS_MAX)
        return PRL_ERR_LIMIT;
    if (mirror->count == mirror->capacity) {
        size_t capacity = mirror->capacity ? mirror->capacity * 2 : 16;
        struct entry *entries = prl_mem_realloc(mirror->entries, capacity * sizeof(*entries));
        if (!entries)
            return PRL_ERR_NOMEM;
        mirror->entries = entries;
        mirror->capacity = capacity;
    }
    struct entry made = {.kind = item->kind};
    prl_str_init(&made.text, TEXT_MAX);
    if (!prl_str_copy(made.id, sizeof(made.id), item->id) ||
        !prl_str_copy(made.call_id, sizeof(made.call_id), item->call_id ? item->call_id : ""))
        return PRL_ERR_INVALID;
    enum prl_err err = item->len ? prl_str_add(&made.text, item->text, item->len) : PRL_OK;
    if (err) {
        prl_str_free(&made.text);
        return err;
    }
    memmove(&mirror->entries[index + 1], &mirror->entries[index],
            (mirror->count - index) * sizeof(made));
    mirror->entries[index] = made;
    mirror->count++;
    return PRL_OK;
}

enum prl_err prl_mirror_add(struct prl_mirror *mirror, const struct prl_mirror_item *item)
{
    if (find(mirror, item->id))
        return PRL_OK;
    return insert(mirror, mirror->count, item);
}

enum prl_err prl_mirror_text(struct prl_mirror *mirror, const char *id, const char *text,
                             size_t len)
{
    struct entry *entry = find(mirror, id);
    if (!entry || len == 0)
        return PRL_OK;
    return prl_str_add(&entry->text, text, len);
}

enum prl_err prl_mirror_word(struct prl_mirror *mirror, const char *id, size_t byte_end,
                             uint64_t sample_end)
{
    struct entry *entry = find(mirror, id);
    if (!entry || entry->end_count == WORDS_MAX)
        return PRL_OK;
    if (entry->end_count == entry->end_capacity) {
        size_t capacity = entry->end_capacity ? entry->end_capacity * 2 : 32;
        struct end *ends = prl_mem_realloc(entry->ends, capacity * sizeof(*ends));
        if (!ends)
            return PRL_ERR_NOMEM;
        entry->ends = ends;
        entry->end_capacity = capacity;
    }
    entry->ends[entry->end_count++] = (struct end){byte_end, sample_end};
    return PRL_OK;
}

// ---- the prompt as items ----

static bool message_part(const struct prl_llm_message *message, size_t part,
                         struct prl_mirror_item *item)
{
    static const enum prl_mirror_kind kinds[] = {[PRL_LLM_SYSTEM] = PRL_MIRROR_SYSTEM,
                                                 [PRL_LLM_USER] = PRL_MIRROR_USER,
                                                 [PRL_LLM_ASSISTANT] = PRL_MIRROR_ASSISTANT,
                                                 [PRL_LLM_TOOL] = PRL_MIRROR_OUTPUT};
    if (part == 0) {
        *item = (struct prl_mirror_item){.kind = kinds[message->role],
                                         .id = "",
                                         .text = message->text ? message->text : "",
                                         .len = message->text ? message->len : 0,
                                         .call_id = message->tool_call_id};
        return item->len > 0 || message->role == PRL_LLM_TOOL;
    }
    const struct prl_llm_call *call = &message->calls[part - 1];
    const char *arguments = call->arguments ? call->arguments : "{}";
    *item = (struct prl_mirror_item){.kind = PRL_MIRROR_CALL,
                                     .id = "",
                                     .text = arguments,
                                     .len = strlen(arguments),
                                     .call_id = call->id,
                                     .name = call->name};
    return true;
}

bool prl_mirror_next(const struct prl_llm_prompt *prompt, struct prl_mirror_at *at,
                     struct prl_mirror_item *item)
{
    while (at->message < prompt->message_count) {
        const struct prl_llm_message *message = &prompt->messages[at->message];
        bool leading = at->message == 0 && message->role == PRL_LLM_SYSTEM;
        if (leading || at->part > message->call_count) {
            at->message++;
            at->part = 0;
            continue;
        }
        if (message_part(message, at->part++, item))
            return true;
    }
    return false;
}

// ---- sync ----

static size_t trimmed(const char *text, size_t len)
{
    while (len > 0 && strchr(" \n\r\t", text[len - 1]))
        len--;
    return len;
}

// Bytes before what prl_llm_persona_when puts behind words that ask for the time; all without one.
static size_t before_note(const char *text, size_t len)
{
    static const char *const notes[] = {" (It is now ", "\xEF\xBC\x88\xE7\x8E\xB0\xE5\x9C\xA8"
                                                        "\xE6\x98\xAF"}; // （现在是
    for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
        size_t size = strlen(notes[i]);
        size_t first = len > NOTE_MAX ? len - NOTE_MAX : 0;
        for (size_t at = first; at + size <= len; at++)
            if (memcmp(text + at, notes[i], size) == 0)
                return at;
    }
    return len;
}

static bool same(const struct entry *entry, const struct prl_mirror_item *item)
{
    const char *text = prl_str_text(&entry->text);
    size_t have = trimmed(text, entry->text.len);
    size_t want = trimmed(item->text, item->len);
    if (entry->kind != item->kind)
        return false;
    switch (entry->kind) {
    case PRL_MIRROR_SYSTEM:
    case PRL_MIRROR_USER:
        return have > 0 && have == want && memcmp(text, item->text, have) == 0;
    case PRL_MIRROR_ASSISTANT: // perhaps cut
        return want > 0 && want <= have && memcmp(text, item->text, want) == 0;
    case PRL_MIRROR_CALL:
    case PRL_MIRROR_OUTPUT:
        return prl_str_equal(entry->call_id, item->call_id ? item->call_id : "");
    }
    return false;
}

static uint64_t samples_of(const struct entry *entry, size_t bytes)
{
    uint64_t samples = 0;
    for (size_t i = 0; i < entry->end_count && entry->ends[i].byte <= bytes; i++)
        samples = entry->ends[i].sample;
    return samples;
}

static void erase(struct prl_mirror *mirror, size_t index)
{
    drop_entry(&mirror->entries[index]);
    mirror->count--;
    memmove(&mirror->entries[index], &mirror->entries[index + 1],
            (mirror->count - index) * sizeof(mirror->entries[0]));
}

// What is at `index` and not wanted goes, up to `end`.
static enum prl_err remove_until(struct prl_mirror *mirror, size_t index, size_t end,
                                 const struct prl_mirror_ops *ops, void *arg)
{
    enum prl_err err = PRL_OK;
    for (; end > index && !err; end--) {
        err = ops->remove(arg, mirror->entries[index].id);
        erase(mirror, index);
    }
    return err;
}

static enum prl_err keep(struct prl_mirror *mirror, size_t index,
                         const struct prl_mirror_item *item, const struct prl_mirror_ops *ops,
                         void *arg)
{
    struct entry *entry = &mirror->entries[index];
    size_t want = trimmed(item->text, item->len);
    if (entry->kind != PRL_MIRROR_ASSISTANT ||
        want == trimmed(prl_str_text(&entry->text), entry->text.len))
        return PRL_OK;
    if (entry->end_count == 0 || (entry->is_cut && entry->cut == want))
        return PRL_OK; // text has no place in time
    entry->is_cut = true;
    entry->cut = want;
    return ops->truncate(arg, entry->id, samples_of(entry, want));
}

static enum prl_err create(struct prl_mirror *mirror, size_t index,
                           const struct prl_mirror_item *item, const struct prl_mirror_ops *ops,
                           void *arg)
{
    char id[32];
    snprintf(id, sizeof(id), "item_parley%u", ++mirror->numbered);
    struct prl_mirror_item made = *item;
    made.id = id;
    const char *after = index > 0 ? mirror->entries[index - 1].id : "root";
    enum prl_err err = ops->create(arg, after, &made);
    return err ? err : insert(mirror, index, &made);
}

enum prl_err prl_mirror_sync(struct prl_mirror *mirror, const struct prl_llm_prompt *prompt,
                             const struct prl_mirror_ops *ops, void *arg,
                             struct prl_mirror_rest *rest)
{
    struct prl_mirror_at at = {0};
    struct prl_mirror_item item;
    enum prl_err err = PRL_OK;
    size_t index = 0;
    *rest = (struct prl_mirror_rest){"", 0};
    while (!err && prl_mirror_next(prompt, &at, &item)) {
        if (item.kind == PRL_MIRROR_USER) { // the note is told apart from what was said
            size_t said = before_note(item.text, item.len);
            *rest = (struct prl_mirror_rest){item.text + said, item.len - said};
            item.len = said;
        }
        size_t found = index;
        while (found < mirror->count && !same(&mirror->entries[found], &item))
            found++;
        if (found == mirror->count) {
            err = create(mirror, index, &item, ops, arg);
        } else {
            err = remove_until(mirror, index, found, ops, arg);
            if (!err)
                err = keep(mirror, index, &item, ops, arg);
        }
        index++;
    }
    return err ? err : remove_until(mirror, index, mirror->count, ops, arg);
}
