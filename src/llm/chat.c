// chat.c -- see chat.h.
#include "llm/chat.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"

// The model's file declares these two as ordinary added tokens, all others as control tokens.
static const char call_open[] = "<tool_call>";
static const char call_close[] = "</tool_call>";
static const char turn_open[] = "<|im_start|>";
static const char turn_close[] = "<|im_end|>";

struct writer {
    struct prl_chat *chat;
    int message;
    enum prl_err err;
};

static struct prl_chat_piece *new_piece(struct writer *to)
{
    struct prl_chat *chat = to->chat;
    if (chat->count == chat->capacity) {
        size_t capacity = chat->capacity ? chat->capacity * 2 : 64;
        if (capacity > PRL_CHAT_PIECES_MAX) {
            to->err = PRL_ERR_LIMIT;
            return NULL;
        }
        void *pieces = prl_mem_realloc(chat->pieces, capacity * sizeof(*chat->pieces));
        if (!pieces) {
            to->err = PRL_ERR_NOMEM;
            return NULL;
        }
        chat->pieces = pieces;
        chat->capacity = capacity;
    }
    return &chat->pieces[chat->count++];
}

static void put(struct writer *to, const char *text, size_t len, bool control)
{
    if (to->err || len == 0)
        return;
    struct prl_chat *chat = to->chat;
    size_t at = chat->text.len;
    to->err = prl_str_add(&chat->text, text, len);
    if (to->err)
        return;
    struct prl_chat_piece *last = chat->count > 0 ? &chat->pieces[chat->count - 1] : NULL;
    // Plain text of one message grows into one piece, so that it is tokenised as a whole.
    if (last && !control && !last->control && last->message == to->message) {
        last->len += len;
        return;
    }
    struct prl_chat_piece *piece = new_piece(to);
    if (piece)
        *piece = (struct prl_chat_piece){
            .at = at, .len = len, .message = to->message, .control = control};
}

static void put_text(struct writer *to, const char *text)
{
    put(to, text, strlen(text), false);
}

static void put_control(struct writer *to, const char *text)
{
    put(to, text, strlen(text), true);
}

// A string as JSON, with its quotes. Line separators and the like need no escape.
static void put_json_string(struct writer *to, const char *text)
{
    put_text(to, "\"");
    for (const char *p = text; *p; p++) {
        char escape[8] = {0};
        size_t run = strcspn(p, "\"\\\b\f\n\r\t\x01\x02\x03\x04\x05\x06\x07\x0b\x0e\x0f\x10\x11\x12"
                                "\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f");
        put(to, p, run, false);
        p += run;
        if (!*p)
            break;
        static const char hex[] = "0123456789abcdef";
        escape[0] = '\\';
        if (*p == '"' || *p == '\\') {
            escape[1] = *p;
        } else {
            escape[1] = 'u';
            escape[2] = '0';
            escape[3] = '0';
            escape[4] = hex[(unsigned char)*p >> 4];
            escape[5] = hex[(unsigned char)*p & 15];
        }
        put_text(to, escape);
    }
    put_text(to, "\"");
}

static void put_tool(struct writer *to, const struct prl_llm_tool *tool)
{
    put_text(to, "\n{\"type\": \"function\", \"function\": {\"name\": ");
    put_json_string(to, tool->name);
    if (tool->description) {
        put_text(to, ", \"description\": ");
        put_json_string(to, tool->description);
    }
    put_text(to, ", \"parameters\": ");
    put_text(to,
             tool->parameters ? tool->parameters : "{\"type\": \"object\", \"properties\": {}}");
    put_text(to, "}}");
}

// Tried on twelve questions in both languages, six of them to be called: see docs/MODELS.md. What
// counts: "know nothing about live facts" (else the models invent the weather), no empty pair of tags
// in a sentence (they copy it), and that the last sentence allows words.
static void put_tools(struct writer *to, const struct prl_llm_prompt *prompt)
{
    put_text(to, "# Tools\n\nYou may call these functions:\n<tools>");
    for (size_t i = 0; i < prompt->tool_count; i++)
        put_tool(to, &prompt->tools[i]);
    put_text(to, "\n</tools>\n\nYou know nothing about live facts. When a function can answer or "
                 "do what the user asks, never make it up: reply with only the call, a JSON object "
                 "with the function's name and arguments:\n");
    put_control(to, call_open);
    put_text(to, "\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n");
    put_control(to, call_close);
    put_text(to, "\nOtherwise answer in words.");
}

static bool shows_tools(const struct prl_llm_prompt *prompt)
{
    return prompt->tool_count > 0 && prompt->tool_choice != PRL_LLM_TOOLS_NONE;
}

static void open_turn(struct writer *to, const char *role)
{
    put_control(to, turn_open);
    put_text(to, role);
    put_text(to, "\n");
}

static void close_turn(struct writer *to)
{
    put_control(to, turn_close);
    put_text(to, "\n");
}

// The leading system messages and the tools make one system turn. Returns the messages used.
static size_t put_system(struct writer *to, const struct prl_llm_prompt *prompt)
{
    size_t n = 0;
    to->message = PRL_CHAT_HEAD;
    while (n < prompt->message_count && prompt->messages[n].role == PRL_LLM_SYSTEM)
        n++;
    if (n == 0 && !shows_tools(prompt))
        return 0;
    open_turn(to, "system");
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            put_text(to, "\n\n");
        put(to, prompt->messages[i].text, prompt->messages[i].len, false);
    }
    if (shows_tools(prompt)) {
        if (n > 0)
            put_text(to, "\n\n");
        put_tools(to, prompt);
    }
    close_turn(to);
    return n;
}

static void put_calls(struct writer *to, const struct prl_llm_message *message)
{
    for (size_t i = 0; i < message->call_count; i++) {
        const struct prl_llm_call *call = &message->calls[i];
        if (i > 0 || message->len > 0)
            put_text(to, "\n");
        put_control(to, call_open);
        put_text(to, "\n{\"name\": ");
        put_json_string(to, call->name);
        put_text(to, ", \"arguments\": ");
        put_text(to, call->arguments ? call->arguments : "{}");
        put_text(to, "}\n");
        put_control(to, call_close);
    }
}

// Results of tools come as a user's turn, several in a row as one.
static void put_tool_result(struct writer *to, const struct prl_llm_prompt *prompt, size_t i)
{
    const struct prl_llm_message *message = &prompt->messages[i];
    bool first = i == 0 || prompt->messages[i - 1].role != PRL_LLM_TOOL;
    bool last = i + 1 == prompt->message_count || prompt->messages[i + 1].role != PRL_LLM_TOOL;
    if (first)
        open_turn(to, "user");
    else
        put_text(to, "\n");
    put_text(to, "<tool_response>\n");
    put(to, message->text, message->len, false);
    put_text(to, "\n</tool_response>");
    if (last)
        close_turn(to);
}

static void put_message(struct writer *to, const struct prl_llm_prompt *prompt, size_t i)
{
    const struct prl_llm_message *message = &prompt->messages[i];
    static const char *const roles[] = {
        [PRL_LLM_SYSTEM] = "system", [PRL_LLM_USER] = "user", [PRL_LLM_ASSISTANT] = "assistant"};
    to->message = (int)i;
    if (message->role == PRL_LLM_TOOL) {
        put_tool_result(to, prompt, i);
        return;
    }
    open_turn(to, roles[message->role]);
    put(to, message->text, message->len, false);
    put_calls(to, message);
    if (!prompt->open || i + 1 < prompt->message_count)
        close_turn(to);
}

// Begins the model's turn. A forced call is begun for it.
static void put_answer(struct writer *to, const struct prl_llm_prompt *prompt, size_t *forced_at)
{
    to->message = PRL_CHAT_TAIL;
    open_turn(to, "assistant");
    if (prompt->tool_choice == PRL_LLM_TOOLS_REQUIRED ||
        prompt->tool_choice == PRL_LLM_TOOLS_NAMED) {
        put_control(to, call_open);
        *forced_at = to->chat->text.len;
        put_text(to, "\n{\"name\": ");
        if (prompt->tool_choice == PRL_LLM_TOOLS_NAMED) {
            put_json_string(to, prompt->tool_name);
            put_text(to, ", \"arguments\": ");
        }
    }
}

enum prl_err prl_chat_render(struct prl_chat *chat, const struct prl_llm_prompt *prompt,
                             bool answer, const char **forced)
{
    PRL_CHECK(chat != NULL && prompt != NULL && forced != NULL);
    memset(chat, 0, sizeof(*chat));
    prl_str_init(&chat->text, PRL_CHAT_BYTES_MAX);
    struct writer to = {.chat = chat};
    for (size_t i = put_system(&to, prompt); i < prompt->message_count; i++)
        put_message(&to, prompt, i);
    size_t forced_at = 0;
    if (answer && !prompt->open)
        put_answer(&to, prompt, &forced_at);
    if (to.err) {
        prl_chat_free(chat);
        return to.err;
    }
    *forced = forced_at > 0 ? chat->text.data + forced_at : NULL;
    return PRL_OK;
}

void prl_chat_free(struct prl_chat *chat)
{
    PRL_CHECK(chat != NULL);
    prl_str_free(&chat->text);
    prl_mem_free(chat->pieces);
    chat->pieces = NULL;
    chat->count = 0;
    chat->capacity = 0;
}
