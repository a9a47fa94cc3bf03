// cmd_tts.c -- `parley tts`: text in, WAV out. Runs the same front, lane and voices as the server.
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/ort.h"
#include "net/loop.h"
#include "server/cmd.h"
#include "server/cmd_args.h"
#include "server/cmd_output.h"
#include "tts/cut.h"
#include "tts/en_g2p.h"
#include "tts/files.h"
#include "tts/text.h"
#include "tts/tts.h"
#include "tts/voices.h"

enum { INPUT_BYTES_MAX = 4 << 20, SOUND_BYTES_MAX = 1 << 30, JSON_BYTES_MAX = 64 << 20 };
enum { PIECE_BYTES = 1024 }; // put into the cutter at once

static const char usage[] =
    "usage: parley tts [options] [WORDS...]\n"
    "Speaks WORDS, or standard input, and writes a WAV file (24 kHz, 16 bit) to standard output.\n"
    "\n"
    "  --voice NAME     a voice (see --voices); default alloy\n"
    "  --lang CODE      en or zh: of what the text leaves open, such as 14:30; default en\n"
    "  --speed S        0.25 to 1.5, default 1\n"
    "  --out FILE       writes the sound there\n"
    "  --json           one JSON object a clause on standard output: text, words with their "
    "times,\n"
    "                   engine, milliseconds of work; the sound only goes to --out\n"
    "  --quality Q      auto, fast (hibari for English) or best (Kokoro)\n"
    "  --fast-zh        FastSpeech2 for Chinese (voice for non-commercial use)\n"
    "  --parts          gets the text word by word, as an answer is written, and begins to speak\n"
    "                   before the first sentence is whole\n"
    "  --threads N      default 1\n"
    "  --phonemes       prints what the English voices (with a British --voice: those) would say "
    "of\n"
    "                   each line, and ends: text as it is, numbers and signs not put into words\n"
    "  --spoken         prints the spoken form of each line and ends; needs no model\n"
    "  --voices         lists the voices and ends\n"
    "  --help\n";

struct options {
    const char *voice;
    const char *out;
    double speed;
    int threads;
    enum prl_text_lang lang;
    enum prl_tts_quality quality;
    bool fast_zh;
    bool parts;
    bool json;
    bool phonemes;
    bool list;
    bool spoken;
};

struct run {
    const struct options *options;
    struct prl_loop *loop;
    struct prl_tts *tts;
    struct prl_tts_stream *stream;
    struct prl_cut *cut;
    struct prl_str input;
    size_t input_at;
    bool finished;        // all of the input is in the cutter
    struct prl_str sound; // samples
    struct prl_str words; // JSON of the clause's marks
    uint32_t clause_id;   // of the next one
    char *clause;         // owned: the text being spoken
    size_t clause_len;
    uint64_t unknown;
    int64_t work_us;
    int status;
};

static void give_up(struct run *run, const char *why)
{
    (void)fprintf(stderr, "parley tts: %s\n", why);
    run->status = 1;
    prl_loop_stop(run->loop);
}

static void clause_print(struct run *run, const struct prl_tts_event *event)
{
    struct prl_cmd_json line;
    struct prl_json_write *json = prl_cmd_json_begin(&line);
    prl_json_write_bytes(json, "text", run->clause, run->clause_len);
    prl_json_write_string(json, "engine", event->engine);
    prl_json_write_real(json, "seconds", (double)event->sample_start / PRL_TTS_RATE_HZ);
    prl_json_write_real(json, "first_ms", (double)event->first_us / 1e3);
    prl_json_write_real(json, "work_ms", (double)event->work_us / 1e3);
    prl_json_write_int(json, "unknown", event->unknown);
    prl_str_addc(&run->words, ']');
    prl_json_write_raw(json, "words", prl_str_text(&run->words));
    prl_cmd_json_end(&line);
}

// Bytes that the cutter gets next: a word with the space before it or an ideograph, or as much as it takes.
static size_t piece_len(const struct run *run)
{
    const char *text = run->input.data + run->input_at;
    size_t left = run->input.len - run->input_at;
    if (!run->options->parts)
        return left < PIECE_BYTES ? left : PIECE_BYTES;
    size_t len = 1;
    while (len < left && len < PIECE_BYTES && text[len] != ' ' && (uint8_t)text[len] < 0xC0)
        len++;
    return len < left ? len : left;
}

static void say_next(struct run *run)
{
    struct prl_cut_clause clause;
    prl_cut_parts(run->cut, run->options->parts ? prl_tts_says_parts(run->stream) : 0);
    for (;;) {
        size_t left = run->input.len - run->input_at;
        if (prl_cut_next(run->cut, &clause) == PRL_OK)
            break;
        if (left == 0 && run->finished) {
            prl_loop_stop(run->loop);
            return;
        }
        size_t piece = piece_len(run);
        if (piece > 0 && prl_cut_push(run->cut, run->input.data + run->input_at, piece)) {
            give_up(run, "the text cannot be cut into clauses");
            return;
        }
        run->input_at += piece;
        if (run->input_at == run->input.len && !run->finished) {
            prl_cut_finish(run->cut);
            run->finished = true;
        }
    }
    prl_mem_free(run->clause);
    run->clause = prl_mem_strndup(clause.text, clause.len);
    run->clause_len = clause.len;
    prl_str_clear(&run->words);
    prl_str_addc(&run->words, '[');
    struct prl_tts_part part = {.text = clause.text - clause.before,
                                .len = clause.before + clause.len + clause.behind,
                                .from = clause.before,
                                .to = clause.before + clause.len};
    if (!run->clause || prl_tts_say_part(run->stream, 1, run->clause_id++, &part))
        give_up(run, "a clause cannot be queued");
}

static void audio_keep(struct run *run, const struct prl_tts_event *event)
{
    prl_str_add(&run->sound, (const char *)event->pcm, event->samples * sizeof(*event->pcm));
    for (size_t i = 0; i < event->mark_count; i++) {
        const struct prl_tts_mark *mark = &event->marks[i];
        struct prl_json_write json;
        if (run->words.len > 1)
            prl_str_addc(&run->words, ',');
        prl_json_write_init(&json, &run->words);
        prl_json_write_object(&json, NULL);
        if (mark->source_end <= run->clause_len && mark->source_start <= mark->source_end)
            prl_json_write_bytes(&json, "word", run->clause + mark->source_start,
                                 mark->source_end - mark->source_start);
        prl_json_write_int(&json, "byte", mark->source_start);
        prl_json_write_real(&json, "start", (double)mark->sample_start / PRL_TTS_RATE_HZ);
        prl_json_write_real(&json, "end", (double)mark->sample_end / PRL_TTS_RATE_HZ);
        prl_json_write_end_object(&json);
    }
}

static void on_event(void *arg, const struct prl_tts_event *event)
{
    struct run *run = arg;
    switch (event->type) {
    case PRL_TTS_AUDIO:
        audio_keep(run, event);
        break;
    case PRL_TTS_CLAUSE_DONE:
        run->work_us += event->work_us;
        run->unknown += event->unknown;
        if (run->options->json)
            clause_print(run, event);
        say_next(run);
        break;
    case PRL_TTS_ERROR:
        give_up(run, event->why);
        break;
    }
}

static void on_ready(void *arg)
{
    struct run *run = arg;
    struct prl_tts_stream_conf conf = {.voice = run->options->voice,
                                       .language = run->options->lang,
                                       .speed = (float)run->options->speed,
                                       .fn = on_event,
                                       .arg = run};
    if (prl_tts_open(run->tts, &conf, &run->stream))
        give_up(run, "no such voice (--voices lists them), or a speed outside 0.25 to 1.5");
    else
        say_next(run);
}

static void on_error(void *arg, const char *why)
{
    give_up(arg, why);
}

static bool read_input(struct run *run, int argc, char **argv)
{
    enum prl_err err = prl_cmd_words(argc, argv, &run->input);
    if (err || run->input.len == 0)
        (void)fprintf(stderr, "parley tts: %s\n",
                      err == PRL_ERR_LIMIT ? "more than 4 MiB of text" : "no text");
    return !err && run->input.len > 0;
}

static int read_options(int *argc, char **argv, struct options *options)
{
    static const char *const languages[] = {"en", "zh", NULL};
    static const char *const qualities[] = {"auto", "fast", "best", NULL};
    int language = 0;
    int quality = 0;
    *options = (struct options){.speed = 1, .threads = 1};
    const struct prl_cmd_option list[] = {
        {"voice", .text = &options->voice},
        {"lang", .choice = &language, .choices = languages},
        {"speed", .real = &options->speed, .low = 0.25, .high = 1.5},
        {"out", .text = &options->out},
        {"quality", .choice = &quality, .choices = qualities},
        {"threads", .integer = &options->threads, .low = 1, .high = 64},
        {"fast-zh", .flag = &options->fast_zh},
        {"parts", .flag = &options->parts},
        {"json", .flag = &options->json},
        {"phonemes", .flag = &options->phonemes},
        {"spoken", .flag = &options->spoken},
        {"voices", .flag = &options->list},
        {NULL}};
    int status = prl_cmd_options(argc, argv, list, usage);
    options->lang = language == 1 ? PRL_TEXT_ZH : PRL_TEXT_EN;
    options->quality = (enum prl_tts_quality)quality;
    if (status < 0 && options->voice && !prl_voice_find(options->voice)) {
        (void)fprintf(stderr, "parley tts: no voice \"%s\"; --voices lists them\n", options->voice);
        status = 2;
    }
    return status;
}

static int voices_print(void)
{
    const struct prl_voice *voice;
    for (size_t i = 0; (voice = prl_voice_at(i)) != NULL; i++)
        (void)printf("%-12s %c %s  en: %-11s zh: %s%s\n", voice->name, voice->gender, voice->accent,
                     voice->hibari ? "heart" : voice->kokoro_en, voice->kokoro_zh,
                     voice->realtime ? "  (Realtime API)" : "");
    return 0;
}

static void run_speech(struct run *run)
{
    const struct options *options = run->options;
    struct prl_tts_files *files = prl_mem_zalloc(sizeof(*files));
    run->status = 1;
    if (!files || prl_cut_create(&run->cut, &(struct prl_cut_conf){.clause_max = 0}) ||
        prl_loop_create(&run->loop, NULL)) {
        (void)fprintf(stderr, "parley tts: out of memory\n");
        prl_mem_free(files);
        return;
    }
    prl_tts_files_find(files);
    if (files->why[0])
        prl_log(PRL_LOG_WARN, "tts", "%s", files->why);
    struct prl_tts_conf conf = {.loop = run->loop,
                                .paths = files->paths,
                                .fast_zh = options->fast_zh,
                                .quality = options->quality,
                                .cache_dir = files->cache[0] ? files->cache : NULL,
                                .threads = options->threads,
                                .on_ready = on_ready,
                                .on_error = on_error,
                                .arg = run};
    enum prl_err err = prl_tts_create(&run->tts, &conf);
    prl_mem_free(files);
    if (err) {
        (void)fprintf(stderr, "parley tts: %s\n", prl_err_name(err));
        return;
    }
    run->status = 0;
    prl_loop_run(run->loop);
}

// One spoken line for each line of input; a line is one clause.
static int spoken_print(struct run *run)
{
    struct prl_text *text = NULL;
    int status = prl_text_create(&text, PRL_TEXT_CLAUSE_MAX) ? 1 : 0;
    const char *line = prl_str_text(&run->input);
    const char *end = line + run->input.len;
    while (status == 0 && line < end) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t len = (size_t)((stop ? stop : end) - line);
        struct prl_text_out out;
        if (prl_text_speakable(text, NULL, run->options->lang, line, len, &out) == PRL_OK) {
            (void)printf("%s\n", out.text);
        } else {
            (void)fprintf(stderr, "parley tts: a line is longer than %d bytes\n",
                          PRL_TEXT_CLAUSE_MAX);
            status = 1;
        }
        line += len + 1;
    }
    prl_text_destroy(&text);
    return status;
}

// One line of phonemes a line of text. The network for unknown words is used when it is there.
static bool lines_phonemize(struct prl_en_g2p *g2p, const struct prl_str *text)
{
    uint64_t unknown = 0;
    for (size_t at = 0; at < text->len;) {
        const char *end = memchr(text->data + at, '\n', text->len - at);
        size_t len = end ? (size_t)(end - text->data) - at : text->len - at;
        struct prl_en_phonemes out;
        if (prl_en_g2p_read(g2p, text->data + at, len, &out)) {
            (void)fprintf(stderr, "parley tts: a line of more than %d bytes\n",
                          PRL_EN_G2P_TEXT_MAX);
            return false;
        }
        (void)puts(out.text);
        unknown += out.unknown;
        at += len + 1;
    }
    if (unknown > 0)
        (void)fprintf(stderr, "parley tts: %llu characters have no sound\n",
                      (unsigned long long)unknown);
    return true;
}

static int phonemes_print(struct run *run)
{
    struct prl_tts_files *files = prl_mem_zalloc(sizeof(*files));
    struct prl_ort *ort = NULL;
    struct prl_en_g2p *g2p = NULL;
    char why[PRL_EN_G2P_WHY_SIZE] = "out of memory";
    bool good = files != NULL;
    if (good) {
        prl_tts_files_find(files);
        if (files->paths.ort_library &&
            prl_ort_create(&ort, files->paths.ort_library, why, sizeof(why)))
            (void)fprintf(stderr, "parley tts: %s\n", why);
        const struct prl_voice *voice = prl_voice_find(run->options->voice);
        bool british = voice && strcmp(voice->accent, "en-GB") == 0;
        const struct prl_tts_paths *paths = &files->paths;
        struct prl_en_g2p_conf conf = {.tables = british ? paths->en_tables_gb : paths->en_tables,
                                       .ort = ort,
                                       .oov = british ? paths->en_oov_gb : paths->en_oov};
        good = prl_en_g2p_create(&g2p, &conf, why, sizeof(why)) == PRL_OK;
        if (!good)
            (void)fprintf(stderr, "parley tts: %s\n", why);
    }
    good = good && lines_phonemize(g2p, &run->input);
    prl_en_g2p_destroy(&g2p);
    prl_ort_destroy(&ort);
    prl_mem_free(files);
    return good ? 0 : 1;
}

static int sound_make(struct run *run)
{
    run_speech(run);
    prl_tts_close(&run->stream);
    prl_tts_destroy(&run->tts);
    prl_loop_destroy(&run->loop);
    prl_cut_destroy(&run->cut);
    if (run->status == 0 && run->sound.err) {
        (void)fprintf(stderr, "parley tts: more than 1 GiB of sound\n");
        run->status = 1;
    }
    bool wanted = run->options->out || !run->options->json;
    if (run->status == 0 && wanted &&
        !prl_cmd_sound_write("tts", run->options->out, PRL_TTS_RATE_HZ,
                             (const int16_t *)(const void *)prl_str_text(&run->sound),
                             run->sound.len / sizeof(int16_t)))
        run->status = 1;
    if (run->unknown > 0)
        (void)fprintf(stderr, "parley tts: %llu characters have no sound\n",
                      (unsigned long long)run->unknown);
    return run->status;
}

int prl_cmd_tts(int argc, char **argv)
{
    struct options options;
    int status = read_options(&argc, argv, &options);
    if (status >= 0)
        return status;
    if (options.list)
        return voices_print();
    struct run run = {.options = &options};
    prl_str_init(&run.input, INPUT_BYTES_MAX);
    prl_str_init(&run.sound, SOUND_BYTES_MAX);
    prl_str_init(&run.words, JSON_BYTES_MAX);
    status = 2;
    if (read_input(&run, argc, argv))
        status = options.spoken     ? spoken_print(&run)
                 : options.phonemes ? phonemes_print(&run)
                                    : sound_make(&run);
    prl_mem_free(run.clause);
    prl_str_free(&run.input);
    prl_str_free(&run.sound);
    prl_str_free(&run.words);
    return status;
}
