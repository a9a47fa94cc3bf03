// cmd_llm.c -- `parley llm`: one prompt to the embedded language model, the answer on stdout as it
// comes. Runs the same front, lane and backend as the server.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/models.h"
#include "llm/llm.h"
#include "llm/persona.h"
#include "net/loop.h"
#include "server/cmd.h"
#include "server/cmd_args.h"

enum { PROMPT_BYTES_MAX = 1 << 20 };

static const char usage[] =
    "usage: parley llm [options] [WORDS...]\n"
    "Answers WORDS, or standard input, with the embedded language model.\n"
    "\n"
    "  --model NAME|FILE   a name of models.lock or a GGUF file (default qwen2.5-coder-1.5b;\n"
    "                      `small` is qwen2.5-coder-0.5b)\n"
    "  --system TEXT       the system text, in place of our voice assistant's\n"
    "  --language CODE     language of the assistant: auto, en, zh, ...\n"
    "  --tools FILE        JSON array of functions: name, description, parameters\n"
    "  --tool-choice WHAT  auto, none, required, or a tool's name\n"
    "  --turns             each line of the input is a turn of one talk\n"
    "  --max-tokens N      most tokens of an answer (default 512)\n"
    "  --temperature T     0 (default here): always the likeliest word; up to 2\n"
    "  --seed N            of the draw, with a temperature above 0\n"
    "  --threads N         default 1\n"
    "  --context N         tokens of context, default 4096\n"
    "  --json              one JSON object an answer, with usage and timings\n"
    "  --probe FILE        loads the model file and says whether it can be used\n"
    "  --verbose           the engine's own log on standard error\n"
    "  --help\n";

struct options {
    const char *model;
    const char *system;
    const char *language;
    const char *tool_choice;
    const char *tools; // file
    int max_tokens;
    int threads;
    int context;
    double temperature;
    int seed;
    bool turns;
    bool json;
    bool probe;
    bool verbose;
};

// The talk so far and what comes back.
struct run {
    const struct options *options;
    struct prl_loop *loop;
    struct prl_llm *llm;
    struct prl_llm_stream *stream;
    struct prl_llm_message *messages; // their texts are owned too, in `texts`
    char **texts;
    size_t message_count;
    size_t message_capacity;
    struct prl_json *tool_tree;
    struct prl_llm_tool *tools; // borrow from the tree and from `parameters`
    char **parameters;          // owned
    size_t tool_count;
    char *input;         // all of it
    char *next;          // the rest, NULL at the end
    struct prl_str text; // of the answer
    struct prl_str calls;
    uint32_t generation;
    int64_t load_from_us;
    int64_t load_us;
    int status;
};

static int read_options(int *argc, char **argv, struct options *options)
{
    const char *probe = NULL;
    *options = (struct options){.model = "qwen2.5-coder-1.5b", .max_tokens = 512};
    const struct prl_cmd_option list[] = {
        {"model", .text = &options->model},
        {"probe", .text = &probe},
        {"system", .text = &options->system},
        {"language", .text = &options->language},
        {"tools", .text = &options->tools},
        {"tool-choice", .text = &options->tool_choice},
        {"turns", .flag = &options->turns},
        {"max-tokens", .integer = &options->max_tokens, .low = 1,
         .high = PRL_LLM_OUTPUT_TOKENS_MAX},
        {"temperature", .real = &options->temperature, .high = 2},
        {"seed", .integer = &options->seed, .high = INT32_MAX},
        {"threads", .integer = &options->threads, .low = 1, .high = 64},
        {"context", .integer = &options->context, .low = 512, .high = 32768},
        {"json", .flag = &options->json},
        {"verbose", .flag = &options->verbose},
        {NULL}};
    int status = prl_cmd_options(argc, argv, list, usage);
    if (strcmp(options->model, "small") == 0)
        options->model = "qwen2.5-coder-0.5b";
    options->probe = probe != NULL;
    if (probe)
        options->model = probe;
    return status;
}

static void complain(const char *what, const char *why)
{
    (void)fprintf(stderr, "parley llm: %s: %s\n", what, why);
}

static bool read_all(int fd, struct prl_str *out)
{
    char buf[4096];
    ssize_t n;
    while ((n = read(fd, buf, sizeof(buf))) != 0) {
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0 && prl_str_add(out, buf, (size_t)n))
            return false;
    }
    return true;
}

// Both the Realtime form (flat) and the chat form ({"type": "function", "function": {...}}).
static bool add_tool(struct run *run, const struct prl_json *item)
{
    const struct prl_json *inner = prl_json_get(item, "function");
    const struct prl_json *tool = inner ? inner : item;
    struct prl_llm_tool *to = &run->tools[run->tool_count];
    to->name = prl_json_string(prl_json_get(tool, "name"), NULL);
    to->description = prl_json_string(prl_json_get(tool, "description"), NULL);
    const struct prl_json *parameters = prl_json_get(tool, "parameters");
    struct prl_str text;
    prl_str_init(&text, PROMPT_BYTES_MAX);
    bool good = to->name && (!parameters || prl_json_dump(parameters, &text) == PRL_OK);
    run->parameters[run->tool_count] = good && parameters ? prl_str_give(&text) : NULL;
    to->parameters = run->parameters[run->tool_count];
    prl_str_free(&text);
    run->tool_count += good ? 1 : 0;
    return good;
}

static bool parse_tools(struct run *run, const char *text, size_t len)
{
    char why[256];
    const char *file = run->options->tools;
    if (prl_json_parse(&run->tool_tree, text, len, why, sizeof(why))) {
        complain(file, why);
        return false;
    }
    size_t count = prl_json_count(run->tool_tree);
    bool good =
        prl_json_type(run->tool_tree) == PRL_JSON_ARRAY && count > 0 && count <= PRL_LLM_TOOLS_MAX;
    run->tools = good ? prl_mem_array(count, sizeof(*run->tools)) : NULL;
    run->parameters = good ? prl_mem_array(count, sizeof(*run->parameters)) : NULL;
    good = run->tools != NULL && run->parameters != NULL;
    for (size_t i = 0; good && i < count; i++)
        good = add_tool(run, prl_json_at(run->tool_tree, i));
    if (!good)
        complain(file, "wanted: a list of functions with name, description and parameters");
    return good;
}

static bool read_tools(struct run *run)
{
    const char *file = run->options->tools;
    if (!file)
        return true;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    struct prl_str text;
    prl_str_init(&text, PROMPT_BYTES_MAX);
    bool good = fd >= 0 && read_all(fd, &text);
    if (fd >= 0)
        (void)close(fd);
    if (good)
        good = parse_tools(run, prl_str_text(&text), text.len);
    else
        complain(file, "cannot be read, or is longer than 1 MiB");
    prl_str_free(&text);
    return good;
}

static bool add_message(struct run *run, enum prl_llm_role role, const char *text, size_t len)
{
    if (run->message_count == run->message_capacity) {
        size_t capacity = run->message_capacity ? run->message_capacity * 2 : 16;
        void *messages = prl_mem_realloc(run->messages, capacity * sizeof(*run->messages));
        if (!messages)
            return false;
        run->messages = messages;
        void *texts = prl_mem_realloc(run->texts, capacity * sizeof(*run->texts));
        if (!texts)
            return false;
        run->texts = texts;
        run->message_capacity = capacity;
    }
    char *copy = prl_mem_strndup(text, len);
    if (!copy)
        return false;
    run->texts[run->message_count] = copy;
    run->messages[run->message_count++] =
        (struct prl_llm_message){.role = role, .text = copy, .len = len};
    return true;
}

static void give_up(struct run *run, const char *why)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "parley llm: %s\n", why);
    run->status = 1;
    prl_loop_stop(run->loop);
}

static void set_tool_choice(const struct options *options, struct prl_llm_prompt *prompt)
{
    const char *choice = options->tool_choice ? options->tool_choice : "auto";
    if (strcmp(choice, "none") == 0) {
        prompt->tool_choice = PRL_LLM_TOOLS_NONE;
    } else if (strcmp(choice, "required") == 0) {
        prompt->tool_choice = PRL_LLM_TOOLS_REQUIRED;
    } else if (strcmp(choice, "auto") != 0) {
        prompt->tool_choice = PRL_LLM_TOOLS_NAMED;
        prompt->tool_name = choice;
    }
}

static void ask(struct run *run)
{
    struct prl_llm_prompt prompt = {.messages = run->messages,
                                    .message_count = run->message_count,
                                    .tools = run->tools,
                                    .tool_count = run->tool_count};
    set_tool_choice(run->options, &prompt);
    struct prl_llm_params params = {.max_output_tokens = run->options->max_tokens,
                                    .temperature = run->options->temperature,
                                    .seed = run->options->seed,
                                    .committed = true};
    enum prl_err err = prl_llm_generate(run->stream, ++run->generation, &prompt, &params);
    if (err)
        give_up(run, err == PRL_ERR_INVALID ? "the prompt or the tool choice makes no sense"
                                            : prl_err_name(err));
}

// Takes the next turn from the input and asks. Without one the talk is over.
static void next_turn(struct run *run)
{
    char *line = run->next;
    if (run->options->turns) {
        while (line && (*line == '\n' || *line == '\r'))
            line++;
        if (line && !*line)
            line = NULL;
    }
    if (!line) {
        prl_loop_stop(run->loop);
        return;
    }
    size_t len = run->options->turns ? strcspn(line, "\r\n") : strlen(line);
    run->next = run->options->turns && line[len] ? line + len : NULL;
    prl_str_clear(&run->text);
    prl_str_clear(&run->calls);
    char note[PRL_LLM_PERSONA_WHEN_SIZE];
    size_t more =
        run->options->system ? 0 : prl_llm_persona_when(line, len, prl_clock_wall_us(), note);
    prl_str_add(&run->text, line, len);
    prl_str_add(&run->text, note, more);
    bool added =
        !run->text.err && add_message(run, PRL_LLM_USER, prl_str_text(&run->text), run->text.len);
    prl_str_clear(&run->text);
    if (!added)
        give_up(run, "out of memory");
    else
        ask(run);
}

static void add_json_string(struct prl_str *out, const char *text, size_t len)
{
    prl_str_addc(out, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            prl_str_addf(out, "\\%c", c);
        else if (c < 0x20)
            prl_str_addf(out, "\\u%04x", c);
        else
            prl_str_addc(out, (char)c);
    }
    prl_str_addc(out, '"');
}

static void print_json(struct run *run, const struct prl_llm_event *event)
{
    static const char *const reasons[] = {"stop", "length", "tool", "context"};
    struct prl_str out;
    prl_str_init(&out, PROMPT_BYTES_MAX);
    prl_str_adds(&out, "{\"text\": ");
    add_json_string(&out, prl_str_text(&run->text), run->text.len);
    prl_str_addf(&out, ", \"calls\": [%s], \"reason\": \"%s\"", prl_str_text(&run->calls),
                 reasons[event->reason]);
    prl_str_addf(&out,
                 ", \"input_tokens\": %d, \"cached_tokens\": %d, \"output_tokens\": %d, "
                 "\"dropped_messages\": %d",
                 event->usage.input_tokens, event->usage.cached_tokens, event->usage.output_tokens,
                 event->usage.dropped_messages);
    double decode_s = (double)event->timings.decode_us / 1e6;
    double rate = decode_s > 0 ? (event->usage.output_tokens - 1) / decode_s : 0;
    prl_str_addf(&out,
                 ", \"load_ms\": %.0f, \"queued_ms\": %.1f, \"prefill_ms\": %.1f, "
                 "\"first_token_ms\": %.1f, \"decode_ms\": %.1f, \"tokens_per_s\": %.1f}\n",
                 (double)run->load_us / 1e3, (double)event->timings.queued_us / 1e3,
                 (double)event->timings.prefill_us / 1e3,
                 (double)event->timings.first_token_us / 1e3, decode_s * 1e3, rate);
    (void)fputs(prl_str_text(&out), stdout);
    prl_str_free(&out);
}

static void on_done(struct run *run, const struct prl_llm_event *event)
{
    if (run->options->json)
        print_json(run, event);
    else
        (void)putchar('\n');
    (void)fflush(stdout);
    if (!add_message(run, PRL_LLM_ASSISTANT, prl_str_text(&run->text), run->text.len))
        give_up(run, "out of memory");
    else
        next_turn(run);
}

static void on_call(struct run *run, const struct prl_llm_event *event)
{
    if (!run->options->json) {
        (void)printf("%s[%s ", run->text.len > 0 ? "\n" : "", event->name);
        return;
    }
    if (run->calls.len > 0)
        prl_str_adds(&run->calls, ", ");
    prl_str_addf(&run->calls,
                 "{\"name\": \"%s\", \"call_id\": \"%s\", \"arguments\": ", event->name,
                 event->call_id);
}

static void on_event(void *arg, const struct prl_llm_event *event)
{
    struct run *run = arg;
    switch (event->kind) {
    case PRL_LLM_EVENT_TOKEN:
        prl_str_add(&run->text, event->text, event->len);
        if (!run->options->json) {
            (void)fwrite(event->text, 1, event->len, stdout);
            (void)fflush(stdout);
        }
        break;
    case PRL_LLM_EVENT_TOOL_BEGIN:
        on_call(run, event);
        break;
    case PRL_LLM_EVENT_TOOL_ARGS:
        if (run->options->json)
            prl_str_add(&run->calls, event->text, event->len);
        else
            (void)printf("%s", event->text);
        break;
    case PRL_LLM_EVENT_TOOL_END:
        if (run->options->json)
            prl_str_adds(&run->calls, "}");
        else
            (void)printf("]");
        break;
    case PRL_LLM_EVENT_AUDIO:
        break;
    case PRL_LLM_EVENT_DONE:
        on_done(run, event);
        break;
    case PRL_LLM_EVENT_ERROR:
        give_up(run, event->text);
        break;
    }
}

static void on_state(void *arg, enum prl_llm_state state, const char *text)
{
    struct run *run = arg;
    if (state == PRL_LLM_FAILED) {
        give_up(run, text);
        return;
    }
    run->load_us = prl_clock_now_us() - run->load_from_us;
    if (run->options->verbose || run->options->probe)
        (void)fprintf(stderr, "%s, loaded in %.2f s\n", text, (double)run->load_us / 1e6);
    if (run->options->probe)
        prl_loop_stop(run->loop);
    else
        next_turn(run);
}

static bool read_input(struct run *run, int argc, char **argv)
{
    struct prl_str input;
    prl_str_init(&input, PROMPT_BYTES_MAX);
    bool good = prl_cmd_words(argc, argv, &input) == PRL_OK;
    while (!run->options->turns && input.len > 0 && input.data[input.len - 1] == '\n')
        input.data[--input.len] = 0;
    good = good && !input.err && input.len > 0 && prl_utf8_valid(input.data, input.len);
    if (!good)
        complain("the input",
                 input.err ? "is longer than 1 MiB" : "has no words, or is no valid UTF-8");
    run->input = good ? prl_str_give(&input) : NULL;
    run->next = run->input;
    prl_str_free(&input);
    return good;
}

static bool add_system(struct run *run)
{
    if (run->options->system)
        return add_message(run, PRL_LLM_SYSTEM, run->options->system, strlen(run->options->system));
    struct prl_llm_persona persona = {.language = run->options->language,
                                      .wall_us = prl_clock_wall_us()};
    char *text;
    if (prl_llm_persona_text(&text, &persona))
        return false;
    bool good = add_message(run, PRL_LLM_SYSTEM, text, strlen(text));
    prl_mem_free(text);
    return good;
}

static enum prl_err start(struct run *run, const char *path)
{
    char self[] = "/proc/self/exe";
    struct prl_llm_conf conf = {.loop = run->loop,
                                .model_path = path,
                                .child_program = run->options->probe ? NULL : self,
                                // A name of models.lock, not a path of the user's.
                                .model_known = strchr(run->options->model, '/') == NULL,
                                .threads = run->options->threads,
                                .context_tokens = run->options->context,
                                .sequences = 1,
                                .cells = run->options->context,
                                .on_state = on_state,
                                .arg = run};
    run->load_from_us = prl_clock_now_us();
    enum prl_err err = prl_llm_create(&run->llm, &conf);
    if (err)
        return err;
    struct prl_llm_stream_conf stream = {.fn = on_event, .arg = run};
    return prl_llm_open(run->llm, &stream, &run->stream);
}

static void run_talk(struct run *run, int argc, char **argv)
{
    char path[PRL_MODELS_PATH_MAX];
    run->status = 1;
    if (!run->options->probe && (!read_tools(run) || !read_input(run, argc, argv))) {
        run->status = 2;
        return;
    }
    if (run->options->probe)
        (void)snprintf(path, sizeof(path), "%s", run->options->model);
    else if (prl_models_path(run->options->model, path)) {
        (void)fprintf(stderr, "parley llm: %s\n", path);
        return;
    }
    if (!add_system(run) || prl_loop_create(&run->loop, NULL) || start(run, path)) {
        (void)fprintf(stderr, "parley llm: out of memory\n");
        return;
    }
    run->status = 0;
    prl_loop_run(run->loop);
}

int prl_cmd_llm(int argc, char **argv)
{
    struct options options;
    int status = read_options(&argc, argv, &options);
    if (status >= 0)
        return status;
    if (options.verbose)
        prl_log_set_level(PRL_LOG_DEBUG);
    struct run run = {.options = &options};
    prl_str_init(&run.text, PROMPT_BYTES_MAX);
    prl_str_init(&run.calls, PROMPT_BYTES_MAX);
    run_talk(&run, argc, argv);
    prl_llm_close(&run.stream);
    prl_llm_destroy(&run.llm);
    prl_loop_destroy(&run.loop);
    for (size_t i = 0; i < run.message_count; i++)
        prl_mem_free(run.texts[i]);
    prl_mem_free(run.texts);
    prl_mem_free(run.messages);
    prl_mem_free(run.input);
    prl_str_free(&run.text);
    prl_str_free(&run.calls);
    for (size_t i = 0; i < run.tool_count; i++)
        prl_mem_free(run.parameters[i]);
    prl_mem_free(run.parameters);
    prl_mem_free(run.tools);
    prl_json_free(&run.tool_tree);
    return run.status;
}
