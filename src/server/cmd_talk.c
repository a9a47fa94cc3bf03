// cmd_talk.c -- `parley talk`: a conversation in the terminal.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/ring.h"
#include "client/caller.h"
#include "client/sound_card.h"
#include "net/loop.h"
#include "server/cmd.h"
#include "server/cmd_args.h"
#include "server/cmd_output.h"
#include "server/cmd_sound.h"

enum { RING_SAMPLES = 1 << 20 };

static const char usage[] =
    "usage: parley talk [options]\n"
    "Talks to a Realtime server through microphone and loudspeaker, or from a recording.\n"
    "\n"
    "  --url URL          default ws://127.0.0.1:8080/v1/realtime\n"
    "  --wav FILE         say this recording instead, and end when it is answered\n"
    "  --out FILE         write the answer's sound to this WAV file\n"
    "  --voice NAME       voice of the answer\n"
    "  --language CODE    language of the speaker; default: found out by the server\n"
    "  --turns MODE       server_vad or semantic_vad: what ends a turn; default: the server's\n"
    "  --instructions T   who the assistant is\n"
    "  --text             answers as text only\n"
    "  --timeout SECONDS  longest wait for the end of the answer (default 60)\n"
    "  --insecure         take any TLS certificate\n"
    "  --json             one JSON object at the end: transcript, answer, latency\n"
    "  --help\n"
    "\n"
    "The API key is taken from PARLEY_API_KEY or OPENAI_API_KEY.\n";

struct talk_cmd {
    // Options.
    const char *url, *wav, *out, *voice, *language, *turns, *instructions;
    bool text, insecure, json;
    double timeout_s;
    // State.
    struct prl_loop *loop;
    struct prl_caller *talk;
    struct prl_sound_card *card;
    struct prl_ring *microphone, *speaker;
    int16_t *pcm; // 24 kHz
    size_t samples;
    int interrupted;
    int status;
};

static int read_options(int *argc, char **argv, struct talk_cmd *cmd)
{
    const struct prl_cmd_option list[] = {
        {"url", .text = &cmd->url},
        {"wav", .text = &cmd->wav},
        {"out", .text = &cmd->out},
        {"voice", .text = &cmd->voice},
        {"language", .text = &cmd->language},
        {"turns", .text = &cmd->turns},
        {"instructions", .text = &cmd->instructions},
        {"text", .flag = &cmd->text},
        {"timeout", .real = &cmd->timeout_s, .low = 0.001, .high = 86400},
        {"insecure", .flag = &cmd->insecure},
        {"json", .flag = &cmd->json},
        {NULL}};
    int status = prl_cmd_options(argc, argv, list, usage);
    if (status < 0 && *argc > 1) {
        fprintf(stderr, "parley talk: what is \"%s\" for?\n\n%s", argv[1], usage);
        status = 2;
    }
    return status;
}

static void on_line(void *arg, const char *kind, const char *text)
{
    const struct talk_cmd *cmd = arg;
    fprintf(cmd->json ? stderr : stdout, "%s: %s\n", kind, text);
    fflush(stdout);
}

static void on_done(void *arg, const char *why)
{
    struct talk_cmd *cmd = arg;
    if (why) {
        fprintf(stderr, "parley talk: %s\n", why);
        cmd->status = 1;
    }
    prl_loop_stop(cmd->loop);
}

static void on_signal(void *arg, int number)
{
    (void)number;
    struct talk_cmd *cmd = arg;
    if (cmd->interrupted++ == 0 && cmd->talk)
        prl_caller_end(cmd->talk); // politely; the second time at once
    else
        prl_loop_stop(cmd->loop);
}

static void print_json(const struct prl_caller_result *result)
{
    struct prl_cmd_json line;
    struct prl_json_write *json = prl_cmd_json_begin(&line);
    prl_json_write_string(json, "transcript", result->transcript);
    prl_json_write_string(json, "answer", result->answer);
    prl_json_write_string(json, "status", result->status);
    prl_json_write_int(json, "turns", result->turns);
    prl_json_write_int(json, "answer_ms", (int64_t)(result->samples * 1000 / PRL_CALLER_RATE_HZ));
    prl_json_write_int(json, "first_byte_ms", result->first_byte_ms);
    prl_json_write_int(json, "first_text_ms", result->first_text_ms);
    prl_json_write_raw(json, "server", *result->server_latency ? result->server_latency : "null");
    prl_cmd_json_end(&line);
}

// ---- run ----

static enum prl_err open_card(struct talk_cmd *cmd)
{
    char why[200] = "";
    enum prl_err err = prl_ring_create(&cmd->microphone, RING_SAMPLES / 8);
    if (!err)
        err = prl_ring_create(&cmd->speaker, RING_SAMPLES);
    if (!err)
        err = prl_sound_card_create(&cmd->card, PRL_CALLER_RATE_HZ, cmd->microphone, cmd->speaker,
                                    why, sizeof(why));
    if (err)
        fprintf(stderr, "parley talk: %s\n", *why ? why : prl_err_name(err));
    return err;
}

static enum prl_err start(struct talk_cmd *cmd)
{
    enum prl_err err = PRL_OK;
    if (cmd->wav) {
        char why[PRL_CMD_SOUND_WHY_SIZE];
        err = prl_cmd_sound_read(cmd->wav, 0, PRL_CALLER_RATE_HZ, &cmd->pcm, &cmd->samples, why);
        if (err)
            fprintf(stderr, "parley talk: %s\n", why);
    } else {
        err = open_card(cmd);
    }
    if (!err)
        err = prl_loop_create(&cmd->loop, NULL);
    if (!err)
        err = prl_loop_on_signal(cmd->loop, on_signal, cmd);
    if (err)
        return err;
    // NOLINTBEGIN(concurrency-mt-unsafe): nobody changes the environment
    const char *key = getenv("PARLEY_API_KEY");
    if (!key)
        key = getenv("OPENAI_API_KEY");
    // NOLINTEND(concurrency-mt-unsafe)
    struct prl_caller_conf conf = {.loop = cmd->loop,
                                   .url = cmd->url,
                                   .key = key,
                                   .insecure = cmd->insecure,
                                   .pcm = cmd->pcm,
                                   .samples = cmd->samples,
                                   .microphone = cmd->microphone,
                                   .speaker = cmd->speaker,
                                   .voice = cmd->voice,
                                   .language = cmd->language,
                                   .turns = cmd->turns,
                                   .instructions = cmd->instructions,
                                   .text = cmd->text,
                                   .timeout_us = (int64_t)(cmd->timeout_s * 1e6),
                                   .line = on_line,
                                   .done = on_done,
                                   .arg = cmd};
    err = prl_caller_create(&cmd->talk, &conf);
    if (err)
        fprintf(stderr, "parley talk: %s: %s\n", cmd->url,
                err == PRL_ERR_INVALID ? "not a ws:// or wss:// address" : prl_err_name(err));
    return err;
}

int prl_cmd_talk(int argc, char **argv)
{
    struct talk_cmd cmd = {.url = "ws://127.0.0.1:8080/v1/realtime", .timeout_s = 60};
    int status = read_options(&argc, argv, &cmd);
    if (status >= 0)
        return status;
    (void)signal(SIGPIPE, SIG_IGN);
    prl_log_set_level(PRL_LOG_WARN);
    cmd.status = start(&cmd) != PRL_OK;
    if (!cmd.status) {
        prl_loop_run(cmd.loop);
        struct prl_caller_result result;
        prl_caller_result(cmd.talk, &result);
        if (cmd.out &&
            !prl_cmd_sound_write("talk", cmd.out, PRL_CALLER_RATE_HZ, result.pcm, result.samples))
            cmd.status = 1;
        if (cmd.json)
            print_json(&result);
    }
    prl_sound_card_destroy(&cmd.card);
    prl_caller_destroy(&cmd.talk);
    prl_loop_destroy(&cmd.loop);
    prl_ring_destroy(&cmd.microphone);
    prl_ring_destroy(&cmd.speaker);
    prl_mem_free(cmd.pcm);
    return cmd.status;
}
