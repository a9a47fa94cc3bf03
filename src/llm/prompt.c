// prompt.c -- see prompt.h. A copy is laid out as: struct, messages, calls, tools, pointers to images and
// stops, then all text.
#include "llm/prompt.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"

// Where the parts of the block being written stand.
struct layout {
    struct prl_llm_message *messages;
    struct prl_llm_call *calls;
    struct prl_llm_tool *tools;
    const char **pointers; // to images and stops
    char *text;
};

static size_t text_size(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static enum prl_err check_message(const struct prl_llm_message *message, size_t *bytes)
{
    if (message->call_count > PRL_LLM_CALLS_MAX || message->len > PRL_LLM_PROMPT_BYTES_MAX)
        return PRL_ERR_LIMIT;
    if (message->call_count > 0 && message->role != PRL_LLM_ASSISTANT)
        return PRL_ERR_INVALID;
    if (message->image_count > PRL_LLM_IMAGES_MAX)
        return PRL_ERR_LIMIT;
    if (message->image_count > 0 && message->role != PRL_LLM_USER)
        return PRL_ERR_INVALID;
    for (size_t i = 0; i < message->image_count; i++)
        *bytes += text_size(message->images[i]);
    *bytes += message->len + 1 + text_size(message->tool_call_id);
    for (size_t i = 0; i < message->call_count; i++) {
        const struct prl_llm_call *call = &message->calls[i];
        if (!call->name || !call->name[0])
            return PRL_ERR_INVALID;
        *bytes += text_size(call->id) + text_size(call->name) + text_size(call->arguments);
    }
    return *bytes > PRL_LLM_PROMPT_BYTES_MAX ? PRL_ERR_LIMIT : PRL_OK;
}

static enum prl_err check_tools(const struct prl_llm_prompt *prompt, size_t *bytes)
{
    bool named = false;
    for (size_t i = 0; i < prompt->tool_count; i++) {
        const struct prl_llm_tool *tool = &prompt->tools[i];
        if (!tool->name || !tool->name[0])
            return PRL_ERR_INVALID;
        if (strlen(tool->name) > PRL_LLM_TOOL_NAME_BYTES_MAX)
            return PRL_ERR_LIMIT;
        *bytes +=
            text_size(tool->name) + text_size(tool->description) + text_size(tool->parameters);
        if (*bytes > PRL_LLM_PROMPT_BYTES_MAX)
            return PRL_ERR_LIMIT;
        named = named || (prompt->tool_name && strcmp(tool->name, prompt->tool_name) == 0);
    }
    if (prompt->tool_choice == PRL_LLM_TOOLS_NAMED && !named)
        return PRL_ERR_INVALID;
    if (prompt->tool_choice == PRL_LLM_TOOLS_REQUIRED && prompt->tool_count == 0)
        return PRL_ERR_INVALID;
    *bytes += text_size(prompt->tool_name);
    return PRL_OK;
}

// `pointers`: to images and stops.
static enum prl_err measure(const struct prl_llm_prompt *prompt, size_t *bytes, size_t *calls,
                            size_t *pointers)
{
    if (prompt->message_count > PRL_LLM_MESSAGES_MAX || prompt->tool_count > PRL_LLM_TOOLS_MAX)
        return PRL_ERR_LIMIT;
    if (prompt->message_count == 0)
        return PRL_ERR_INVALID;
    *bytes = 0;
    *calls = 0;
    *pointers = prompt->stop_count;
    for (size_t i = 0; i < prompt->message_count; i++) {
        enum prl_err err = check_message(&prompt->messages[i], bytes);
        if (err)
            return err;
        *calls += prompt->messages[i].call_count;
        *pointers += prompt->messages[i].image_count;
    }
    if (prompt->stop_count > PRL_LLM_STOPS_MAX)
        return PRL_ERR_LIMIT;
    for (size_t i = 0; i < prompt->stop_count; i++) {
        size_t size = text_size(prompt->stops[i]);
        if (size < 2 || size > PRL_LLM_STOP_BYTES_MAX)
            return PRL_ERR_INVALID;
        *bytes += size;
    }
    return check_tools(prompt, bytes);
}

enum prl_err prl_llm_prompt_check(const struct prl_llm_prompt *prompt)
{
    PRL_CHECK(prompt != NULL);
    size_t bytes;
    size_t calls;
    size_t pointers;
    return measure(prompt, &bytes, &calls, &pointers);
}

bool prl_llm_prompt_has_images(const struct prl_llm_prompt *prompt)
{
    for (size_t i = 0; i < prompt->message_count; i++)
        if (prompt->messages[i].image_count > 0)
            return true;
    return false;
}

static const char *put_bytes(struct layout *at, const char *text, size_t len)
{
    char *to = at->text;
    if (len > 0)
        memcpy(to, text, len);
    to[len] = '\0';
    at->text += len + 1;
    return to;
}

static const char *put_text(struct layout *at, const char *text)
{
    return text ? put_bytes(at, text, strlen(text)) : NULL;
}

static void put_message(struct layout *at, const struct prl_llm_message *from)
{
    struct prl_llm_message *to = at->messages++;
    *to = *from;
    to->text = put_bytes(at, from->text, from->len);
    to->tool_call_id = put_text(at, from->tool_call_id);
    to->images = from->image_count > 0 ? at->pointers : NULL;
    for (size_t i = 0; i < from->image_count; i++)
        *at->pointers++ = put_text(at, from->images[i]);
    to->calls = from->call_count > 0 ? at->calls : NULL;
    for (size_t i = 0; i < from->call_count; i++) {
        struct prl_llm_call *call = at->calls++;
        call->id = put_text(at, from->calls[i].id);
        call->name = put_text(at, from->calls[i].name);
        call->arguments = put_text(at, from->calls[i].arguments);
    }
}

static void put_tool(struct layout *at, const struct prl_llm_tool *from)
{
    struct prl_llm_tool *to = at->tools++;
    to->name = put_text(at, from->name);
    to->description = put_text(at, from->description);
    to->parameters = put_text(at, from->parameters);
}

enum prl_err prl_llm_prompt_copy(struct prl_llm_prompt **out, size_t *size,
                                 const struct prl_llm_prompt *prompt)
{
    PRL_CHECK(out != NULL && size != NULL && prompt != NULL);
    *out = NULL;
    *size = 0;
    size_t bytes;
    size_t calls;
    size_t pointers;
    enum prl_err err = measure(prompt, &bytes, &calls, &pointers);
    if (err)
        return err;
    size_t total =
        sizeof(struct prl_llm_prompt) + prompt->message_count * sizeof(struct prl_llm_message) +
        calls * sizeof(struct prl_llm_call) + prompt->tool_count * sizeof(struct prl_llm_tool) +
        pointers * sizeof(char *) + bytes;
    struct prl_llm_prompt *copy = prl_mem_alloc(total);
    if (!copy)
        return PRL_ERR_NOMEM;
    *copy = *prompt;
    struct layout at = {0};
    at.messages = (struct prl_llm_message *)(void *)(copy + 1);
    at.calls = (struct prl_llm_call *)(void *)(at.messages + prompt->message_count);
    at.tools = (struct prl_llm_tool *)(void *)(at.calls + calls);
    at.pointers = (const char **)(void *)(at.tools + prompt->tool_count);
    at.text = (char *)(void *)(at.pointers + pointers);
    copy->messages = at.messages;
    copy->tools = at.tools;
    for (size_t i = 0; i < prompt->message_count; i++)
        put_message(&at, &prompt->messages[i]);
    for (size_t i = 0; i < prompt->tool_count; i++)
        put_tool(&at, &prompt->tools[i]);
    copy->stops = at.pointers;
    for (size_t i = 0; i < prompt->stop_count; i++)
        *at.pointers++ = put_text(&at, prompt->stops[i]);
    copy->tool_name = put_text(&at, prompt->tool_name);
    PRL_CHECK(at.text == (char *)copy + total);
    *out = copy;
    *size = total;
    return PRL_OK;
}

// A block that has moved.
struct moved {
    char *block;
    size_t size;
    uint64_t base;
    bool good;
};

// Where `old`, which pointed to `bytes` bytes of the block, points now.
static void *move(struct moved *moved, const void *old, size_t bytes)
{
    uint64_t offset = (uint64_t)(uintptr_t)old - moved->base;
    if (!old)
        return NULL;
    if (offset > moved->size || bytes > moved->size - offset) {
        moved->good = false;
        return NULL;
    }
    return moved->block + offset;
}

static void *move_array(struct moved *moved, const void *old, size_t count, size_t size)
{
    char *to = move(moved, old, count * size);
    if (count > 0 && (!to || (size_t)(to - moved->block) % _Alignof(struct prl_llm_prompt) != 0))
        moved->good = false;
    return moved->good ? to : NULL;
}

static void move_text(struct moved *moved, const char **text)
{
    const char *to = move(moved, *text, 1);
    if (to && !memchr(to, '\0', (size_t)(moved->block + moved->size - to)))
        moved->good = false;
    *text = moved->good ? to : NULL;
}

static void move_texts(struct moved *moved, const char *const **texts, size_t count, size_t max)
{
    if (count > max)
        moved->good = false;
    const char **to = moved->good ? move_array(moved, *texts, count, sizeof(*to)) : NULL;
    *texts = to;
    for (size_t i = 0; moved->good && i < count; i++)
        move_text(moved, &to[i]);
}

// Whoever adds a pointer to these must move it here.
_Static_assert(sizeof(struct prl_llm_message) == 64, "move_message knows all of a message");
_Static_assert(sizeof(struct prl_llm_call) == 24, "and of a call");
_Static_assert(sizeof(struct prl_llm_tool) == 24, "rebase knows all of a tool");
_Static_assert(sizeof(struct prl_llm_prompt) == 72, "and of a prompt");

static void move_message(struct moved *moved, struct prl_llm_message *message)
{
    size_t count = message->call_count;
    message->text = move(moved, message->text, message->len + 1);
    move_text(moved, &message->tool_call_id);
    move_texts(moved, &message->images, message->image_count, PRL_LLM_IMAGES_MAX);
    if (count > PRL_LLM_CALLS_MAX)
        moved->good = false;
    struct prl_llm_call *calls =
        moved->good ? move_array(moved, message->calls, count, sizeof(*calls)) : NULL;
    message->calls = calls;
    for (size_t i = 0; moved->good && i < count; i++) {
        move_text(moved, &calls[i].id);
        move_text(moved, &calls[i].name);
        move_text(moved, &calls[i].arguments);
    }
}

enum prl_err prl_llm_prompt_rebase(void *block, size_t size, uint64_t base)
{
    struct prl_llm_prompt *prompt = block;
    struct moved moved = {.block = block, .size = size, .base = base, .good = true};
    if (!block || size < sizeof(*prompt) || prompt->message_count > PRL_LLM_MESSAGES_MAX ||
        prompt->tool_count > PRL_LLM_TOOLS_MAX)
        return PRL_ERR_INVALID;
    struct prl_llm_message *messages =
        move_array(&moved, prompt->messages, prompt->message_count, sizeof(*messages));
    struct prl_llm_tool *tools =
        move_array(&moved, prompt->tools, prompt->tool_count, sizeof(*tools));
    prompt->messages = messages;
    prompt->tools = tools;
    for (size_t i = 0; moved.good && i < prompt->message_count; i++)
        move_message(&moved, &messages[i]);
    for (size_t i = 0; moved.good && i < prompt->tool_count; i++) {
        move_text(&moved, &tools[i].name);
        move_text(&moved, &tools[i].description);
        move_text(&moved, &tools[i].parameters);
    }
    move_texts(&moved, &prompt->stops, prompt->stop_count, PRL_LLM_STOPS_MAX);
    move_text(&moved, &prompt->tool_name);
    return moved.good ? PRL_OK : PRL_ERR_INVALID;
}
