// fuzz_upstream_event.c -- lines as events of an upstream server, to a session's upstream that waits
// for an answer and for a transcript. Words and sound are in order, and a job ends once.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "stt/stt.h"
#include "upstream/upstream_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    size_t bytes, told;
    uint64_t samples, reached;
    int ends, finals;
};

static void on_llm(void *arg, const struct prl_llm_event *event)
{
    struct seen *seen = arg;
    if (seen->ends)
        abort();
    if (event->kind == PRL_LLM_EVENT_TOKEN) {
        if (event->len == 0)
            abort();
        seen->bytes += event->len;
    }
    seen->samples += event->kind == PRL_LLM_EVENT_AUDIO ? event->samples : 0;
    for (size_t i = 0; i < event->word_count; i++) {
        const struct prl_llm_word *word = &event->words[i];
        if (word->byte_start < seen->told || word->byte_end > seen->bytes ||
            word->sample_start < seen->reached || word->sample_end < word->sample_start ||
            word->sample_end > seen->samples)
            abort();
        seen->told = word->byte_end;
        seen->reached = word->sample_end;
    }
    seen->ends += event->kind == PRL_LLM_EVENT_DONE || event->kind == PRL_LLM_EVENT_ERROR;
}

static void on_stt(void *arg, const struct prl_stt_event *event)
{
    struct seen *seen = arg;
    if (event->type == PRL_STT_PARTIAL || seen->finals++)
        abort();
}

static void feed(struct prl_upstream *up, const char *text, size_t len)
{
    struct prl_upstream_event event;
    struct prl_json *tree = NULL;
    if (prl_upstream_event_parse(&event, &tree, text, len) != PRL_OK)
        return;
    if (event.type == PRL_UPSTREAM_ERROR) {
        if (!prl_upstream_answer_error(up, &event))
            (void)prl_upstream_ear_error(up, &event);
    } else if (event.type >= PRL_UPSTREAM_COMMITTED &&
               event.type <= PRL_UPSTREAM_TRANSCRIPT_FAILED) {
        prl_upstream_ear_event(up, &event);
    } else if (event.type >= PRL_UPSTREAM_CREATED) {
        prl_upstream_answer_event(up, &event);
    }
    prl_json_free(&tree);
}

static void talk(struct prl_upstream *up, struct seen *seen, const char *text, size_t size)
{
    static const int16_t quiet[1600];
    struct prl_stt_stream_conf ear_conf = {.fn = on_stt, .arg = seen};
    struct prl_llm_stream_conf answer_conf = {on_llm, seen};
    struct prl_llm_message message = {.role = PRL_LLM_USER, .text = "hello", .len = 5};
    struct prl_llm_prompt prompt = {.messages = &message, .message_count = 1};
    struct prl_llm_params params = {.audio = true, .committed = true};
    struct prl_stt_stream *ear = NULL;
    struct prl_llm_stream *answer = NULL;
    if (prl_stt_open(prl_upstream_stt(up), &ear_conf, &ear) == PRL_OK &&
        prl_llm_open(prl_upstream_llm(up), &answer_conf, &answer) == PRL_OK) {
        prl_stt_begin(ear, 1); // connects to nowhere; what is said waits
        up->ready = true;
        if (prl_stt_push(ear, quiet, 1600) != PRL_OK ||
            prl_stt_decode(ear, 1, PRL_STT_WANT_FINAL) != PRL_OK ||  // "c1"
            prl_llm_generate(answer, 1, &prompt, &params) != PRL_OK) // "r2"
            abort();
        for (size_t at = 0; at < size;) {
            const char *end = memchr(text + at, '\n', size - at);
            size_t len = end ? (size_t)(end - (text + at)) : size - at;
            feed(up, text + at, len);
            at += len + 1;
        }
    }
    prl_llm_close(&answer);
    prl_stt_close(&ear);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct prl_loop *loop;
    struct prl_upstream_kit *kit;
    struct prl_upstream *up;
    struct seen seen = {0};
    if (prl_loop_create(&loop, NULL) != PRL_OK)
        return 0;
    struct prl_upstream_conf conf = {.loop = loop,
                                     .urls = "ws://127.0.0.1:9",
                                     .model = "m",
                                     .key = "",
                                     .transcription_model = "t",
                                     .voice = "",
                                     .connect_ms = 1000,
                                     .first_byte_ms = 1000,
                                     .gap_ms = 1000};
    if (prl_upstream_kit_create(&kit, &conf) == PRL_OK) {
        if (prl_upstream_create(&up, kit) == PRL_OK)
            talk(up, &seen, (const char *)data, size);
        prl_upstream_destroy(&up);
        prl_upstream_kit_destroy(&kit);
    }
    prl_loop_destroy(&loop);
    return 0;
}
