// cmd_talk.c -- `parley talk`: a conversation in the terminal.
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_write.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/ring.h"
#include "client/caller.h"
#include "client/sound_card.h"
#include "media/resample.h"
#include "media/wav.h"
#include "net/loop.h"
#include "server/cmd.h"

enum { FILE_MAX = 64 << 20, SAMPLES_MAX = 600 * 48000, RING_SAMPLES = 1 << 20, JSON_MAX = 1 << 20 };

static const char usage[] =
    "usage: parley talk [options]\n"
    "Talks to a Realtime server through microphone and loudspeaker, or from a recording.\n"
    "\n"
    "  --url URL          default ws://127.0.0.1:8080/v1/realtime\n"
    "  --wav FILE         say this recording instead, and end when it is answered\n"
    "  --out FILE         write the answer's sound to this WAV file\n"
    "  --voice NAME       voice of the answer\n"
    "  --language CODE    language of the speaker; default: found out by the server\n"
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
    const char *url, *wav, *out, *voice, *language, *instructions;
    bool text, insecure, json, help;
    double timeout_s;
    // State.
    struct prl_loop *loop;
    struct prl_caller *talk;
    struct prl_sound_card *card;
    struct prl_ring *microphone, *speaker;
    int16_t *pcm; // 24 kHz
    size_t samples;
    int status;
};

static bool read_options(int argc, char **argv, struct talk_cmd *cmd)
{
    static const struct option list[] = {
        {"url", required_argument, NULL, 'u'},      {"wav", required_argument, NULL, 'w'},
        {"out", required_argument, NULL, 'o'},      {"voice", required_argument, NULL, 'v'},
        {"language", required_argument, NULL, 'l'}, {"instructions", required_argument, NULL, 'i'},
        {"text", no_argument, NULL, 't'},           {"timeout", required_argument, NULL, 'm'},
        {"insecure", no_argument, NULL, 'k'},       {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0}};
    int option;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread runs yet
    while ((option = getopt_long(argc, argv, "", list, NULL)) != -1)
        switch (option) {
        case 'u':
            cmd->url = optarg;
            break;
        case 'w':
            cmd->wav = optarg;
            break;
        case 'o':
            cmd->out = optarg;
            break;
        case 'v':
            cmd->voice = optarg;
            break;
        case 'l':
            cmd->language = optarg;
            break;
        case 'i':
            cmd->instructions = optarg;
            break;
        case 't':
            cmd->text = true;
            break;
        case 'm':
            if (!prl_str_to_double(optarg, &cmd->timeout_s) || cmd->timeout_s <= 0)
                return false;
            break;
        case 'k':
            cmd->insecure = true;
            break;
        case 'j':
            cmd->json = true;
            break;
        case 'h':
            cmd->help = true;
            break;
        default:
            return false;
        }
    return optind == argc;
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
    prl_loop_stop(cmd->loop);
}

// ---- files ----

static enum prl_err to_rate(struct talk_cmd *cmd, const int16_t *pcm, size_t count, uint32_t hz)
{
    struct prl_resample *resample;
    enum prl_err err = prl_resample_create(&resample, hz, PRL_CALLER_RATE_HZ);
    if (err)
        return err;
    size_t room =
        prl_resample_room(resample, count) + 2 * (size_t)prl_resample_delay(resample) + 64;
    cmd->pcm = prl_mem_array(room, sizeof(*cmd->pcm));
    if (cmd->pcm) {
        cmd->samples = prl_resample_process(resample, pcm, count, NULL, cmd->pcm, room);
        cmd->samples += prl_resample_drain(resample, cmd->pcm + cmd->samples, room - cmd->samples);
    }
    prl_resample_destroy(&resample);
    return cmd->pcm ? PRL_OK : PRL_ERR_NOMEM;
}

static enum prl_err read_wav(struct talk_cmd *cmd)
{
    FILE *file = fopen(cmd->wav, "re");
    if (!file)
        return PRL_ERR_NOTFOUND;
    uint8_t *data = prl_mem_alloc(FILE_MAX);
    size_t size = data ? fread(data, 1, FILE_MAX, file) : 0;
    fclose(file);
    struct prl_wav wav;
    int16_t *pcm = NULL;
    size_t count;
    enum prl_err err = data ? prl_wav_parse(&wav, data, size) : PRL_ERR_NOMEM;
    if (!err)
        err = prl_wav_decode(&wav, SAMPLES_MAX, &pcm, &count);
    if (!err)
        err = to_rate(cmd, pcm, count, wav.rate_hz);
    prl_mem_free(pcm);
    prl_mem_free(data);
    return err;
}

static int write_wav(const char *path, const struct prl_caller_result *result)
{
    FILE *file = fopen(path, "we");
    uint8_t header[PRL_WAV_HEADER_SIZE];
    prl_wav_header(header, PRL_CALLER_RATE_HZ, result->samples);
    bool ok = file && fwrite(header, 1, sizeof(header), file) == sizeof(header);
    if (ok && result->samples > 0)
        ok = fwrite(result->pcm, 2, result->samples, file) == result->samples;
    if (file && fclose(file) != 0)
        ok = false;
    if (!ok)
        fprintf(stderr, "parley talk: %s cannot be written\n", path);
    return ok ? 0 : 1;
}

static void print_json(const struct prl_caller_result *result)
{
    struct prl_str text;
    struct prl_json_write json;
    prl_str_init(&text, JSON_MAX);
    prl_json_write_init(&json, &text);
    prl_json_write_object(&json, NULL);
    prl_json_write_string(&json, "transcript", result->transcript);
    prl_json_write_string(&json, "answer", result->answer);
    prl_json_write_string(&json, "status", result->status);
    prl_json_write_int(&json, "turns", result->turns);
    prl_json_write_int(&json, "answer_ms", (int64_t)(result->samples * 1000 / PRL_CALLER_RATE_HZ));
    prl_json_write_int(&json, "first_byte_ms", result->first_byte_ms);
    prl_json_write_int(&json, "first_text_ms", result->first_text_ms);
    prl_json_write_raw(&json, "server", *result->server_latency ? result->server_latency : "null");
    prl_json_write_end_object(&json);
    puts(prl_str_text(&text));
    prl_str_free(&text);
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
        err = read_wav(cmd);
        if (err)
            fprintf(stderr, "parley talk: %s: %s\n", cmd->wav,
                    err == PRL_ERR_INVALID ? "not a WAV file that can be read" : prl_err_name(err));
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
    if (!read_options(argc, argv, &cmd) || cmd.help) {
        fputs(usage, cmd.help ? stdout : stderr);
        return cmd.help ? 0 : 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    prl_log_set_level(PRL_LOG_WARN);
    cmd.status = start(&cmd) != PRL_OK;
    if (!cmd.status) {
        prl_loop_run(cmd.loop);
        struct prl_caller_result result;
        prl_caller_result(cmd.talk, &result);
        if (cmd.out && write_wav(cmd.out, &result) != 0)
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
