// messages.c -- see messages.h. Texts are gathered in one growing block, so they are kept as offsets
// until the last one is in.
#include "session/messages.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/estimate.h"
#include "llm/persona.h"

enum { NO_TEXT = -1 };

struct draft {
    enum prl_llm_role role;
    size_t text, len;     // in `texts`
    ptrdiff_t tool_call;  // offset of the id, NO_TEXT: none
    size_t call, calls;   // range in `calls`
    size_t image, images; // range in `images`
};

struct call_draft {
    size_t id, name, arguments; // offsets
};

struct prl_messages {
    struct prl_str texts; // every text, each with its terminating zero
    struct draft *drafts;
    size_t count, capacity;
    struct call_draft *calls;
    size_t call_count, call_capacity;
    size_t *images; // offsets
    size_t image_count, image_capacity;
    const char **image_list;      // owned, made at the end, as is what follows
    struct prl_llm_message *list; // owned, made at the end
    struct prl_llm_call *call_list;
    struct prl_llm_prompt prompt;
};

// Makes room for one more element of an array.
static enum prl_err grow(void **array, size_t *capacity, size_t count, size_t size)
{
    if (count < *capacity)
        return PRL_OK;
    size_t more = *capacity ? *capacity * 2 : 16;
    void *grown = prl_mem_realloc(*array, more * size);
    if (!grown)
        return PRL_ERR_NOMEM;
    *array = grown;
    *capacity = more;
    return PRL_OK;
}

static enum prl_err add_text(struct prl_messages *messages, const char *text, size_t len,
                             size_t *at)
{
    *at = messages->texts.len;
    enum prl_err err = prl_str_add(&messages->texts, text, len);
    return err ? err : prl_str_addc(&messages->texts, '\0');
}

static enum prl_err add_draft(struct prl_messages *messages, enum prl_llm_role role,
                              const char *text, size_t len)
{
    struct draft draft = {.role = role,
                          .len = len,
                          .tool_call = NO_TEXT,
                          .call = messages->call_count,
                          .image = messages->image_count};
    enum prl_err err = add_text(messages, text, len, &draft.text);
    if (err)
        return err;
    void *array = messages->drafts;
    err = grow(&array, &messages->capacity, messages->count, sizeof(draft));
    messages->drafts = array;
    if (!err)
        messages->drafts[messages->count++] = draft;
    return err;
}

// Calls that follow each other, or the text before them, are one message of the assistant.
static enum prl_err add_call(struct prl_messages *messages, const char *id, const char *name,
                             const char *arguments)
{
    enum prl_err err = PRL_OK;
    if (messages->count == 0 || messages->drafts[messages->count - 1].role != PRL_LLM_ASSISTANT)
        err = add_draft(messages, PRL_LLM_ASSISTANT, "", 0);
    struct call_draft call = {0};
    if (!err)
        err = add_text(messages, id ? id : "", id ? strlen(id) : 0, &call.id);
    if (!err)
        err = add_text(messages, name, strlen(name), &call.name);
    const char *json = arguments && *arguments ? arguments : "{}";
    if (!err)
        err = add_text(messages, json, strlen(json), &call.arguments);
    void *array = messages->calls;
    if (!err)
        err = grow(&array, &messages->call_capacity, messages->call_count, sizeof(call));
    messages->calls = array;
    if (err)
        return err;
    messages->calls[messages->call_count++] = call;
    messages->drafts[messages->count - 1].calls++;
    return PRL_OK;
}

static enum prl_err add_tool_result(struct prl_messages *messages, const char *call_id,
                                    const char *text, size_t len)
{
    enum prl_err err = add_draft(messages, PRL_LLM_TOOL, text, len);
    size_t at = 0;
    if (!err && call_id)
        err = add_text(messages, call_id, strlen(call_id), &at);
    if (!err && call_id)
        messages->drafts[messages->count - 1].tool_call = (ptrdiff_t)at;
    return err;
}

// Belongs to the last message.
static enum prl_err add_image(struct prl_messages *messages, const char *url, size_t len)
{
    size_t at = 0;
    enum prl_err err = add_text(messages, url, len, &at);
    void *array = messages->images;
    if (!err)
        err = grow(&array, &messages->image_capacity, messages->image_count, sizeof(at));
    messages->images = array;
    if (err)
        return err;
    messages->images[messages->image_count++] = at;
    messages->drafts[messages->count - 1].images++;
    return PRL_OK;
}

static enum prl_err add_user(struct prl_messages *messages, const struct prl_item *item,
                             const char *text, size_t len)
{
    enum prl_err err = add_draft(messages, PRL_LLM_USER, text, len);
    for (uint32_t i = 0; i < prl_item_part_count(item) && !err; i++) {
        struct prl_history_part part = prl_item_part(item, i);
        if (part.image)
            err = add_image(messages, part.text, part.len);
    }
    return err;
}

static enum prl_err add_entry(struct prl_messages *messages, const struct prl_prompt_entry *entry)
{
    size_t len = prl_prompt_text(entry, NULL, 0);
    char *text = prl_mem_alloc(len + 1);
    if (!text)
        return PRL_ERR_NOMEM;
    prl_prompt_text(entry, text, len + 1);
    enum prl_err err = PRL_OK;
    switch (entry->kind) {
    case PRL_ITEM_SYSTEM:
        err = add_draft(messages, PRL_LLM_SYSTEM, text, len);
        break;
    case PRL_ITEM_USER:
        err = add_user(messages, entry->item, text, len);
        break;
    case PRL_ITEM_ASSISTANT:
        err = add_draft(messages, PRL_LLM_ASSISTANT, text, len);
        break;
    case PRL_ITEM_CALL:
        err = add_call(messages, entry->call_id, entry->name, text);
        break;
    case PRL_ITEM_OUTPUT:
        err = add_tool_result(messages, entry->call_id, text, len);
        break;
    }
    prl_mem_free(text);
    return err;
}

// What the prompt has besides the history.
static size_t tokens_beside(const struct prl_messages_conf *conf)
{
    const char *texts[] = {conf->system, conf->said};
    struct prl_llm_message messages[2];
    for (size_t i = 0; i < 2; i++)
        messages[i] =
            (struct prl_llm_message){.text = texts[i], .len = texts[i] ? strlen(texts[i]) : 0};
    const struct prl_llm_prompt prompt = {.messages = messages,
                                          .message_count = 2,
                                          .tools = conf->tools,
                                          .tool_count = conf->tool_count,
                                          .tool_choice = conf->tool_choice};
    return prl_llm_estimate_prompt(&prompt);
}

static enum prl_err add_history(struct prl_messages *messages, const struct prl_messages_conf *conf)
{
    struct prl_prompt_view view;
    struct prl_prompt_entry entry;
    struct prl_prompt_room room = {.bytes_max = conf->bytes_max, .from_id = conf->from_id};
    if (conf->tokens_max) {
        size_t others = tokens_beside(conf);
        room.tokens_max = conf->tokens_max > others ? conf->tokens_max - others : 1;
    }
    prl_prompt_begin(conf->history, &room, NULL, &view);
    enum prl_err err = PRL_OK;
    while (!err && prl_prompt_next(&view, &entry))
        err = add_entry(messages, &entry);
    return err;
}

static enum prl_err add_input(struct prl_messages *messages, const struct prl_messages_conf *conf)
{
    enum prl_err err = PRL_OK;
    for (size_t i = 0; i < conf->input_count && !err; i++) {
        const struct prl_llm_message *in = &conf->input[i];
        const char *text = in->text ? in->text : "";
        if (in->role == PRL_LLM_TOOL)
            err = add_tool_result(messages, in->tool_call_id, text, in->len);
        else if (in->len > 0 || in->call_count == 0)
            err = add_draft(messages, in->role, text, in->len);
        for (size_t k = 0; k < in->image_count && !err; k++)
            err = add_image(messages, in->images[k], strlen(in->images[k]));
        for (size_t k = 0; k < in->call_count && !err; k++)
            err = add_call(messages, in->calls[k].id, in->calls[k].name, in->calls[k].arguments);
    }
    return err;
}

// Date and time behind the last words of the user, when they ask for them. Words that still grow get
// none, so that what was computed of them serves for the whole.
static enum prl_err add_when(struct prl_messages *messages, const struct prl_messages_conf *conf)
{
    char note[PRL_LLM_PERSONA_WHEN_SIZE];
    size_t i = messages->count;
    while (i > 0 && messages->drafts[i - 1].role != PRL_LLM_USER)
        i--;
    if (i == 0 || conf->open)
        return PRL_OK;
    struct draft *draft = &messages->drafts[i - 1];
    size_t size = prl_llm_persona_when(prl_str_text(&messages->texts) + draft->text, draft->len,
                                       conf->wall_us, note);
    if (size == 0)
        return PRL_OK;
    // Both together once more, at the end of the block, which may move.
    char *words = prl_mem_alloc(draft->len + size);
    if (!words)
        return PRL_ERR_NOMEM;
    memcpy(words, prl_str_text(&messages->texts) + draft->text, draft->len);
    memcpy(words + draft->len, note, size);
    draft->len += size;
    enum prl_err err = add_text(messages, words, draft->len, &draft->text);
    prl_mem_free(words);
    return err;
}

// Offsets become pointers once nothing moves any more.
static enum prl_err finish(struct prl_messages *messages, const struct prl_messages_conf *conf)
{
    messages->list = prl_mem_array(messages->count, sizeof(*messages->list));
    messages->call_list = prl_mem_array(messages->call_count, sizeof(*messages->call_list));
    messages->image_list = prl_mem_array(messages->image_count, sizeof(*messages->image_list));
    if (!messages->list || !messages->call_list || !messages->image_list)
        return PRL_ERR_NOMEM;
    const char *texts = prl_str_text(&messages->texts);
    for (size_t i = 0; i < messages->image_count; i++)
        messages->image_list[i] = texts + messages->images[i];
    for (size_t i = 0; i < messages->call_count; i++) {
        const struct call_draft *call = &messages->calls[i];
        messages->call_list[i] =
            (struct prl_llm_call){texts + call->id, texts + call->name, texts + call->arguments};
    }
    for (size_t i = 0; i < messages->count; i++) {
        const struct draft *draft = &messages->drafts[i];
        messages->list[i] = (struct prl_llm_message){
            .role = draft->role,
            .text = texts + draft->text,
            .len = draft->len,
            .tool_call_id = draft->tool_call == NO_TEXT ? NULL : texts + draft->tool_call,
            .calls = draft->calls ? &messages->call_list[draft->call] : NULL,
            .call_count = draft->calls,
            .images = draft->images ? &messages->image_list[draft->image] : NULL,
            .image_count = draft->images,
        };
    }
    messages->prompt = (struct prl_llm_prompt){
        .messages = messages->list,
        .message_count = messages->count,
        .tools = conf->tools,
        .tool_count = conf->tool_count,
        .tool_choice = conf->tool_choice,
        .tool_name = conf->tool_name,
        .open = conf->open,
    };
    return PRL_OK;
}

enum prl_err prl_messages_create(struct prl_messages **out, const struct prl_messages_conf *conf)
{
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    prl_str_init(&(*out)->texts, (size_t)PRL_LLM_PROMPT_BYTES_MAX * 2);
    enum prl_err err = PRL_OK;
    if (conf->system && *conf->system)
        err = add_draft(*out, PRL_LLM_SYSTEM, conf->system, strlen(conf->system));
    if (!err && conf->input)
        err = add_input(*out, conf);
    else if (!err && conf->history)
        err = add_history(*out, conf);
    if (!err && conf->said && *conf->said)
        err = add_draft(*out, PRL_LLM_USER, conf->said, strlen(conf->said));
    if (!err)
        err = add_when(*out, conf);
    if (!err)
        err = finish(*out, conf);
    if (err)
        prl_messages_destroy(out);
    return err;
}

void prl_messages_destroy(struct prl_messages **messages)
{
    if (!*messages)
        return;
    prl_str_free(&(*messages)->texts);
    prl_mem_free((*messages)->drafts);
    prl_mem_free((*messages)->calls);
    prl_mem_free((*messages)->list);
    prl_mem_free((*messages)->call_list);
    prl_mem_free((*messages)->images);
    prl_mem_free((*messages)->image_list);
    prl_mem_free(*messages);
    *messages = NULL;
}

const struct prl_llm_prompt *prl_messages_prompt(const struct prl_messages *messages)
{
    return &messages->prompt;
}
