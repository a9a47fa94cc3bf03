// echo_scenes.c -- a loudspeaker beside the microphone: does the server interrupt itself, and can it still be
// interrupted?
//
//     echo-scenes --talk A.wav,B.wav [--person C.wav,…] [--noise N.wav] [--room R.wav] [--delay 200]
//                 [--seconds 600] [--echo-db 0] [--noise-db -25] [--kit aec3|speexdsp|off] [--turns semantic]
//                 [--list 1] [--first 8] [--jitter 20 [--loss 2]] [--clip 6] [--write PREFIX]
//
// A real session with the real voice detector, floor and echo control, in virtual time; the engines are
// scripted, and the voice "reads" the --talk recordings. The client plays what it gets half of --delay
// after it left; its microphone hears that through the room, with noise, and with a person who begins to
// speak in the middle of an answer every 12 s, from second --first on; the other half of --delay later it
// arrives. With --jitter the client is a call's: Opus packets, for six seconds of twelve so much late (mean,
// ms), and lost (percent). Levels are against the person's. One line of JSON is printed, with --list before
// it one for each person and each self-interruption. With --write (not with --jitter) nothing interrupts the
// server, and what loudspeaker and microphone had and what was made of it is written to
// PREFIX-loudspeaker.wav, PREFIX-microphone.wav and PREFIX-cleaned.wav, on one clock (tests/bench/aecmos.py).
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "dsp/echo.h"
#include "engine/models.h"
#include "engine/ort.h"
#include "llm/llm.h"
#include "media/resample.h"
#include "media/wav.h"
#include "net/loop.h"
#include "session/session.h"
#include "stt/backend.h"
#include "stt/route.h"
#include "stt/stt.h"
#include "tests/bench/scene.h"
#include "tests/bench/scene_call.h"
#include "tests/bench/scene_clean.h"
#include "tests/unit/llm_fake.h"
#include "tts/tts.h"
#include "vad/vad.h"

enum {
    HZ = 16000,
    STEP_MS = 20,
    STEP = HZ / 1000 * STEP_MS,
    ROOM_TAPS = 3200,
    FILES_MAX = 64,
    PERSON_FIRST_S = 8, // the canceller has learnt its room
    PERSON_EVERY = 12 * HZ,
    NOTICED_MS = 500,
    NOTICED = NOTICED_MS * HZ / 1000,
    NEVER_MS = 99999,
    TWO_S = 2 * HZ,
    TURNS = 4,
    LOW = 60 * HZ / 1000, // the client has so little that it could run dry in this step
    LOW_WIDE = 40 * PRL_TTS_RATE_HZ / 1000, // the same of a leg
    WAITS_AMID_MAX = 200,
    WAITS_MAX = 2000,
    HEAR_TURNS = 50
};
static const double LEVEL = 1600.0; // of the person: -26 dB of full scale

struct options {
    const char *talk, *person, *noise, *room, *kit, *module, *write;
    int delay_ms, seconds, first_s, jitter_ms, loss_percent;
    double echo_db, noise_db;
    const char *clip_db;
    bool semantic, list;
};

static struct scene {
    struct options options;
    struct scene_sound talk; // at 24 kHz: what the voice reads
    struct scene_sound persons_of[FILES_MAX];
    size_t person_count;
    struct scene_sound noise;
    float room[ROOM_TAPS];
    float clip; // what the loudspeaker cannot reach; 0: it is a good one
    // The engines.
    struct prl_loop *loop;
    struct prl_ort *ort;
    struct prl_vad *vad;
    struct prl_stt *stt;
    struct prl_llm *llm;
    struct prl_tts *tts;
    struct prl_echo_kit *kit;
    struct fake_llm fake;
    struct prl_session *session;
    struct scene_call *call; // with --jitter
    struct prl_resample *down;
    int loaded;
    // The world.
    int64_t start_us;
    float *played;       // what the loudspeaker plays, by sample of the world
    size_t length;       // of the world
    size_t played_end;   //
    size_t now;          // sample of the world
    uint64_t sound_out;  // that the session gave
    size_t answer_since; // when the present answer began to sound, 0: none sounds
    size_t person_next;
    size_t person_from, person_to; // the person speaks
    size_t person_index;
    bool person_waits;                 // for the answer to stop
    double person_energy, echo_energy; // in the time in which the person should be noticed
    int16_t *mic, *clean;              // with --write
    uint64_t cleaned;                  // samples of it
    // What came of it.
    int answers, gaps, persons, noticed, late, self_interruptions, false_starts;
    int64_t latency_ms[1000];
} s;

// ---- sounds ----

static size_t read_list(const char *list, uint32_t hz, struct scene_sound *sounds)
{
    char names[FILES_MAX * 200];
    char *rest = NULL;
    size_t count = 0;
    (void)snprintf(names, sizeof(names), "%s", list ? list : "");
    for (char *name = strtok_r(names, ",", &rest); name && count < FILES_MAX;
         name = strtok_r(NULL, ",", &rest))
        sounds[count++] = scene_read(name, hz);
    return count;
}

static void read_sounds(void)
{
    static struct scene_sound talks[FILES_MAX];
    size_t count = read_list(s.options.talk, PRL_TTS_RATE_HZ, talks);
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += talks[i].count;
    s.talk.pcm = prl_mem_array(total + 1, sizeof(int16_t));
    for (size_t i = 0; i < count && s.talk.pcm; i++) {
        scene_trim(&talks[i]);
        scene_set_level(&talks[i], LEVEL);
        memcpy(s.talk.pcm + s.talk.count, talks[i].pcm, talks[i].count * sizeof(int16_t));
        s.talk.count += talks[i].count;
    }
    s.person_count = read_list(s.options.person, HZ, s.persons_of);
    for (size_t i = 0; i < s.person_count; i++) {
        scene_set_level(&s.persons_of[i], LEVEL);
        scene_trim(&s.persons_of[i]);
    }
    if (s.options.noise) {
        s.noise = scene_read(s.options.noise, HZ);
        scene_set_level(&s.noise, LEVEL * pow(10.0, s.options.noise_db / 20.0));
    }
    s.room[0] = 1.0F;
    if (s.options.clip_db)
        s.clip = (float)(LEVEL * pow(10.0, strtod(s.options.clip_db, NULL) / 20.0));
    if (s.options.room) {
        struct scene_sound room = scene_read(s.options.room, HZ);
        size_t first = 0; // the direct sound
        for (size_t i = 0; i < room.count; i++)
            if (abs(room.pcm[i]) > abs(room.pcm[first]))
                first = i;
        for (size_t i = 0; i < ROOM_TAPS; i++)
            s.room[i] = first + i < room.count ? (float)room.pcm[first + i] : 0.0F;
    }
    float energy = 0.0F;
    for (size_t i = 0; i < ROOM_TAPS; i++)
        energy += s.room[i] * s.room[i];
    for (size_t i = 0; i < ROOM_TAPS; i++)
        s.room[i] *= (float)pow(10.0, s.options.echo_db / 20.0) / sqrtf(energy);
}

// ---- scripted engines ----

static void close_ear(void **ctx)
{
    prl_mem_free(*ctx);
    *ctx = NULL;
}

static enum prl_err open_ear(void **ctx, const struct prl_stt_open_conf *conf, char *why,
                             size_t why_size)
{
    (void)conf;
    if (why_size > 0)
        why[0] = '\0';
    *ctx = prl_mem_zalloc(1);
    return *ctx ? PRL_OK : PRL_ERR_NOMEM;
}

static enum prl_err hear(void *ctx, const struct prl_stt_job *job, struct prl_stt_answer *answer)
{
    (void)ctx;
    (void)job;
    answer->complete = true;
    answer->mean_log_prob = -0.1F;
    memcpy(answer->language, "en", 3);
    return prl_str_adds(&answer->text, "please tell me another story");
}

static const char *why_ear(const void *ctx)
{
    (void)ctx;
    return "no reason";
}

static const struct prl_stt_backend_ops EAR = {
    .name = "ear", .open = open_ear, .close = close_ear, .decode = hear, .why = why_ear};
static const struct prl_stt_backend_ops *const ears[PRL_STT_ENGINE_COUNT] = {&EAR, &EAR, &EAR};
static const struct fake_reply replies[] = {
    {NULL,
     "Once upon a time there was a small boat that sailed far over the sea. It met a whale who "
     "knew the way to the island of glass. They went there together in the light of the moon. "
     "Nobody had seen the island for a hundred years, and nobody had missed it. The boat was "
     "glad all the same. It stayed for the winter and learned to sing."}};

static void on_loaded(void *arg)
{
    (void)arg;
    s.loaded++;
}

static void on_failed(void *arg, const char *why)
{
    (void)arg;
    (void)fprintf(stderr, "echo-scenes: %s\n", why);
    _Exit(1);
}

static void on_llm(void *arg, enum prl_llm_state state, const char *text)
{
    if (state == PRL_LLM_READY)
        on_loaded(arg);
    else
        on_failed(arg, text);
}

// ---- the session and its client ----

// The person was noticed so many ms after the onset, or not at all.
static void settle_person(int64_t ms)
{
    s.latency_ms[s.noticed + s.late] = ms;
    s.noticed += ms <= NOTICED_MS;
    s.late += ms > NOTICED_MS;
    s.person_waits = false;
    if (s.options.list)
        (void)printf("{\"person\": %zu, \"at_s\": %.2f, \"ms\": %lld, \"over_echo_db\": %.1f}\n",
                     s.person_index, (double)s.person_from / HZ, (long long)ms,
                     10.0 * log10((s.person_energy + 1.0) / (s.echo_energy + 1.0)));
}

// The client, when it has heard that the answer is over.
static void fall_silent(void)
{
    size_t at = s.now + (size_t)(s.options.delay_ms / 2 * HZ / 1000);
    for (size_t i = at; i < s.played_end && i < s.length; i++)
        s.played[i] = 0.0F;
    if (s.played_end > at)
        s.played_end = at;
}

static void on_answer_end(const struct prl_session_response_view *view)
{
    s.answer_since = 0;
    if (view->status != PRL_RESPONSE_CANCELLED)
        return;
    if (!s.call) // a call's client is sent nothing more
        fall_silent();
    if (s.person_waits) {
        settle_person(((int64_t)s.now - (int64_t)s.person_from) * 1000 / HZ);
    } else if (s.now > s.person_to + HZ) {
        s.self_interruptions++;
        if (s.options.list)
            (void)printf("{\"self_at_s\": %.2f}\n", (double)s.now / HZ);
    }
}

static void play(const int16_t *pcm, size_t samples, size_t at)
{
    for (size_t i = 0; i < samples && at + i < s.length; i++)
        s.played[at + i] = s.clip > 0.0F ? s.clip * tanhf((float)pcm[i] / s.clip) : (float)pcm[i];
    s.played_end = at + samples;
}

// Sound of a call, which its client plays by time.
static void play_at(const int16_t *pcm, size_t samples, int64_t at_us)
{
    play(pcm, samples,
         (size_t)((at_us - s.start_us) * (HZ / 1000) / 1000) +
             (size_t)(s.options.delay_ms / 2 * HZ / 1000));
}

static void on_sound(const struct prl_session_event *event)
{
    s.sound_out += event->samples;
    size_t at = s.now + (size_t)(s.options.delay_ms / 2 * HZ / 1000);
    if (!s.call) {
        int16_t pcm[4096];
        size_t made = prl_resample_process(s.down, event->pcm, event->samples, NULL, pcm, 4096);
        s.gaps += s.answer_since && at > s.played_end;
        play(pcm, made, at > s.played_end ? at : s.played_end);
    }
    if (!s.answer_since) {
        s.answer_since = s.now;
        s.answers++;
    }
}

static void on_session(void *arg, const struct prl_session_event *event)
{
    (void)arg;
    if (s.call)
        prl_leg_on_session(scene_call_leg(s.call), event);
    switch ((int)event->type) {
    case PRL_SESSION_OUTPUT_AUDIO:
        on_sound(event);
        break;
    case PRL_SESSION_SPEECH_STARTED:
        if (s.person_to + HZ < s.now)
            s.false_starts++;
        break;
    case PRL_SESSION_RESPONSE_DONE:
        on_answer_end(event->response);
        break;
    default:
        break;
    }
}

static bool start(void)
{
    char path[PRL_MODELS_PATH_MAX];
    char why[600] = "";
    struct prl_stt_conf stt = {.loop = NULL,
                               .paths = {.moonshine_encoder = "e",
                                         .moonshine_decoder = "d",
                                         .moonshine_tokens = "t",
                                         .whisper_module = "m",
                                         .whisper_model = "w"},
                               .language = "en",
                               .backends = ears,
                               .on_ready = on_loaded,
                               .on_error = on_failed};
    struct prl_llm_conf llm = {
        .context_tokens = 4096, .ops = &fake_llm_ops, .ops_arg = &s.fake, .on_state = on_llm};
    struct prl_tts_conf tts = {.quality = PRL_TTS_QUALITY_FAST,
                               .backends = scene_mouths(&s.talk),
                               .on_ready = on_loaded,
                               .on_error = on_failed};
    s.fake.replies = replies;
    enum prl_err err = prl_loop_create(&s.loop, NULL);
    stt.loop = llm.loop = tts.loop = s.loop;
    if (!err)
        err = prl_models_path("onnxruntime", path);
    if (!err)
        err = prl_ort_create(&s.ort, path, why, sizeof(why));
    if (!err)
        err = prl_models_path("silero-vad", path);
    if (!err)
        err = prl_vad_create(&s.vad, s.ort, path, why, sizeof(why));
    if (!err)
        err = prl_stt_create(&s.stt, &stt);
    if (!err)
        err = prl_llm_create(&s.llm, &llm);
    if (!err)
        err = prl_tts_create(&s.tts, &tts);
    bool speex = strcmp(s.options.kit, "speexdsp") == 0;
    if (!err)
        err = prl_echo_kit_create(&s.kit, speex ? NULL : s.options.module, why, sizeof(why));
    if (!err && !speex && *why)
        err = PRL_ERR_NOTFOUND;
    if (!err)
        err = prl_resample_create(&s.down, PRL_TTS_RATE_HZ, HZ);
    while (!err && s.loaded < 3)
        prl_loop_turn(s.loop, 10000);
    if (err)
        (void)fprintf(stderr, "echo-scenes: cannot start: %s %s\n", prl_err_name(err),
                      *why ? why : path);
    return !err;
}

static bool open_session(void)
{
    struct prl_session_engines engines = {
        .loop = s.loop, .vad = s.vad, .stt = s.stt, .llm = s.llm, .tts = s.tts, .echo = s.kit};
    struct prl_session_conf conf;
    prl_session_conf_init(&conf);
    conf.language = "en";
    conf.echo_mode = strcmp(s.options.kit, "off") == 0 ? PRL_SESSION_ECHO_OFF : PRL_SESSION_ECHO_ON;
    conf.floor.turns = s.options.semantic ? PRL_FLOOR_SEMANTIC_VAD : PRL_FLOOR_SERVER_VAD;
    conf.floor.interrupt_response = !s.options.write;
    struct scene_call_conf call = {.loop = s.loop,
                                   .jitter_ms = s.options.jitter_ms,
                                   .loss_percent = s.options.loss_percent,
                                   .play = play_at};
    if (prl_session_create(&s.session, &engines, &conf, on_session, NULL) != PRL_OK)
        return false;
    call.session = s.session;
    return s.options.jitter_ms < 0 || scene_call_create(&s.call, &call) == PRL_OK;
}

// ---- the microphone ----

// STEP samples that arrive at sample `at` of the world.
static void record(size_t at, int16_t *mic)
{
    float sum[STEP] = {0};
    size_t up = (size_t)((s.options.delay_ms - s.options.delay_ms / 2) * HZ / 1000);
    if (at > up + ROOM_TAPS)
        for (size_t k = 0; k < ROOM_TAPS; k++) {
            const float *played = s.played + at - up - k;
            float tap = s.room[k];
            for (size_t i = 0; i < STEP; i++)
                sum[i] += tap * played[i];
        }
    for (size_t i = 0; i < STEP; i++) {
        float value = sum[i];
        if (s.noise.count)
            value += (float)s.noise.pcm[(at + i) % s.noise.count];
        float person = 0.0F;
        if (at + i >= s.person_from && at + i < s.person_to)
            person = (float)s.persons_of[s.person_index].pcm[at + i - s.person_from];
        value += person;
        if (at < s.person_from + NOTICED) {
            s.person_energy += (double)person * (double)person;
            s.echo_energy += (double)sum[i] * (double)sum[i];
        }
        mic[i] = (int16_t)lrintf(fmaxf(-32768.0F, fminf(32767.0F, value)));
    }
}

static void move_person(void)
{
    if (s.person_waits && s.now > s.person_to + HZ)
        settle_person(NEVER_MS);
    bool amid = s.answer_since && s.now > s.answer_since + TWO_S;
    if (s.person_count == 0 || !amid || s.now < s.person_next || s.now < s.person_to + TWO_S)
        return;
    s.person_index = (size_t)s.persons % s.person_count;
    s.persons++;
    s.person_from = s.now;
    s.person_to = s.now + s.persons_of[s.person_index].count;
    s.person_waits = true;
    s.person_energy = s.echo_energy = 0.0;
    s.person_next = s.now + PERSON_EVERY;
}

// ---- what is written ----

// What the session has processed by now, from its ring.
static void keep(const int16_t *mic)
{
    if (!s.mic)
        return;
    memcpy(s.mic + s.now, mic, STEP * sizeof(*mic));
    s.cleaned = scene_clean(s.session, s.clean, s.cleaned);
}

static bool write_sound(const char *name, const int16_t *pcm)
{
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s-%s.wav", s.options.write, name);
    uint8_t head[PRL_WAV_HEADER_SIZE];
    prl_wav_header(head, HZ, s.length);
    FILE *file = fopen(path, "wb");
    bool good = file && fwrite(head, 1, sizeof(head), file) == sizeof(head) &&
                fwrite(pcm, sizeof(*pcm), s.length, file) == s.length;
    if (file && fclose(file) != 0)
        good = false;
    if (!good)
        (void)fprintf(stderr, "echo-scenes: cannot write %s\n", path);
    return good;
}

// The loudspeaker on the clock of the microphone.
static bool write_sounds(void)
{
    if (!s.mic)
        return true;
    size_t up = (size_t)((s.options.delay_ms - s.options.delay_ms / 2) * HZ / 1000);
    bool good = write_sound("microphone", s.mic) && write_sound("cleaned", s.clean);
    for (size_t i = 0; i < s.length; i++)
        s.mic[i] = i < up ? 0 : (int16_t)lrintf(s.played[i - up]);
    return good && write_sound("loudspeaker", s.mic);
}

// ---- the run ----

// As if somebody had typed.
static void ask(void)
{
    static const struct prl_item_new item = {.kind = PRL_ITEM_USER, .status = PRL_ITEM_COMPLETED};
    static const struct prl_history_part part = {.text = "please tell me a story", .len = 22};
    struct prl_session_response wish = {.audio = -1, .max_output_tokens = -1, .tool_choice = -1};
    prl_session_add_item(s.session, NULL, &item, &part, 1, NULL);
    prl_session_respond(s.session, &wish, NULL);
}

// The lanes run in real time: while an answer is due, virtual time waits for it.
static bool runs_dry(void)
{
    if (s.call) {
        struct prl_leg_stats stats;
        prl_leg_stats(scene_call_leg(s.call), &stats);
        return stats.queued_samples < LOW_WIDE;
    }
    size_t ahead = (size_t)(s.options.delay_ms / 2 * HZ / 1000) + LOW;
    return s.played_end < s.now + (s.answer_since ? ahead : 0);
}

static void settle(void)
{
    uint64_t before = s.sound_out;
    for (int i = 0; i < TURNS; i++)
        prl_loop_turn(s.loop, 0);
    int waits = s.answer_since ? WAITS_AMID_MAX : WAITS_MAX;
    for (int i = 0; i < waits && prl_session_busy(s.session) && s.sound_out == before && runs_dry();
         i++)
        prl_loop_turn(s.loop, 1000);
}

// A held clock says nothing about when a timer is to be looked at again: libuv does so each millisecond. What
// has come is heard before more time passes, and a call's step is taken.
static void hear_out(void)
{
    struct prl_leg_stats stats = {0};
    uint64_t taken = 0;
    for (int i = 0; i < HEAR_TURNS; i++) {
        if (s.call)
            prl_leg_stats(scene_call_leg(s.call), &stats);
        taken = i == 0 ? stats.in.samples : taken;
        bool waits = s.call && taken > 0 && stats.in.samples == taken;
        if (!waits && !prl_session_input_waits(s.session))
            break;
        prl_loop_turn(s.loop, 1000);
    }
}

static void run(void)
{
    int16_t mic[STEP];
    size_t quiet = 0;
    for (s.now = 0; s.now + STEP <= s.length; s.now += STEP) {
        prl_clock_hold(s.start_us + (int64_t)(s.now * 1000 / (HZ / 1000)));
        settle();
        move_person();
        record(s.now, mic);
        if (s.call)
            scene_call_speak(s.call, mic);
        else if (prl_session_append(s.session, mic, STEP, HZ) != PRL_OK)
            (void)fprintf(stderr, "echo-scenes: the session takes no sound\n");
        hear_out();
        settle();
        keep(mic);
        bool idle = !prl_session_busy(s.session) && s.now > s.person_to + HZ;
        quiet = idle ? quiet + STEP : 0;
        if (quiet > HZ) {
            ask();
            quiet = 0;
        }
    }
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void report(int64_t cpu_us)
{
    struct prl_leg_stats leg = {0};
    if (s.call)
        prl_leg_stats(scene_call_leg(s.call), &leg);
    int count = s.noticed + s.late;
    qsort(s.latency_ms, (size_t)count, sizeof(s.latency_ms[0]), by_size);
    (void)printf(
        "{\"kit\": \"%s\", \"delay_ms\": %d, \"seconds\": %d, \"echo_db\": %.0f, \"answers\": %d, "
        "\"gaps\": %d, "
        "\"self_interruptions\": %d, \"false_starts\": %d, \"persons\": %d, \"noticed\": %d, "
        "\"median_ms\": %lld, \"p95_ms\": %lld, \"bent_ms\": %llu, \"made_up_ms\": %llu, "
        "\"cpu_s\": %.1f}\n",
        s.options.kit, s.options.delay_ms, s.options.seconds, s.options.echo_db, s.answers,
        s.call ? (int)leg.underruns : s.gaps, s.self_interruptions, s.false_starts, count,
        s.noticed, (long long)(count ? s.latency_ms[count / 2] : -1),
        (long long)(count ? s.latency_ms[count * 95 / 100] : -1),
        (unsigned long long)(leg.in.added + leg.in.removed) * 1000 / HZ,
        (unsigned long long)leg.in.concealed * 1000 / HZ, (double)cpu_us / 1e6);
}

static void stop(void)
{
    scene_call_destroy(&s.call);
    prl_session_destroy(&s.session);
    prl_stt_destroy(&s.stt);
    prl_llm_destroy(&s.llm);
    prl_tts_destroy(&s.tts);
    prl_vad_destroy(&s.vad);
    prl_ort_destroy(&s.ort);
    prl_echo_kit_destroy(&s.kit);
    prl_resample_destroy(&s.down);
    prl_loop_destroy(&s.loop);
    for (size_t i = 0; i < s.person_count; i++)
        prl_mem_free(s.persons_of[i].pcm);
    prl_mem_free(s.noise.pcm);
    prl_mem_free(s.talk.pcm);
    prl_mem_free(s.played);
    prl_mem_free(s.mic);
    prl_mem_free(s.clean);
}

static bool read_options(int argc, char **argv)
{
    s.options = (struct options){.kit = "aec3",
                                 .module = "build/release/lib/libparley_aec3.so",
                                 .delay_ms = 200,
                                 .seconds = 600,
                                 .first_s = PERSON_FIRST_S,
                                 .jitter_ms = -1,
                                 .noise_db = -25.0};
    for (int i = 1; i < argc; i += 2) {
        const char *name = argv[i];
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(name, "--talk") == 0)
            s.options.talk = value;
        else if (strcmp(name, "--person") == 0)
            s.options.person = value;
        else if (strcmp(name, "--noise") == 0)
            s.options.noise = value;
        else if (strcmp(name, "--room") == 0)
            s.options.room = value;
        else if (strcmp(name, "--kit") == 0)
            s.options.kit = value;
        else if (strcmp(name, "--module") == 0)
            s.options.module = value;
        else if (strcmp(name, "--delay") == 0)
            s.options.delay_ms = (int)strtol(value, NULL, 10);
        else if (strcmp(name, "--first") == 0)
            s.options.first_s = (int)strtol(value, NULL, 10);
        else if (strcmp(name, "--jitter") == 0)
            s.options.jitter_ms = (int)strtol(value, NULL, 10);
        else if (strcmp(name, "--loss") == 0)
            s.options.loss_percent = (int)strtol(value, NULL, 10);
        else if (strcmp(name, "--seconds") == 0)
            s.options.seconds = (int)strtol(value, NULL, 10);
        else if (strcmp(name, "--echo-db") == 0)
            s.options.echo_db = strtod(value, NULL);
        else if (strcmp(name, "--noise-db") == 0)
            s.options.noise_db = strtod(value, NULL);
        else if (strcmp(name, "--clip") == 0)
            s.options.clip_db = value;
        else if (strcmp(name, "--list") == 0)
            s.options.list = strcmp(value, "0") != 0;
        else if (strcmp(name, "--turns") == 0)
            s.options.semantic = strcmp(value, "semantic") == 0;
        else if (strcmp(name, "--write") == 0)
            s.options.write = value;
        else
            return false;
    }
    return s.options.talk && s.options.seconds > 0 && s.options.delay_ms >= 0;
}

int main(int argc, char **argv)
{
    if (!read_options(argc, argv)) {
        (void)fprintf(stderr, "usage: see the head of tests/bench/echo_scenes.c\n");
        return 2;
    }
    read_sounds();
    s.length = (size_t)s.options.seconds * HZ;
    s.played = prl_mem_array(s.length, sizeof(*s.played));
    if (s.options.write) {
        s.mic = prl_mem_zalloc(s.length * sizeof(*s.mic));
        s.clean = prl_mem_zalloc(s.length * sizeof(*s.clean));
        if (!s.mic || !s.clean)
            return 1;
    }
    if (!s.played || s.talk.count < SCENE_UNIT || !start())
        return 1;
    s.person_next = (size_t)s.options.first_s * HZ;
    s.start_us = prl_clock_now_us();
    prl_clock_hold(s.start_us);
    int64_t cpu_us = prl_clock_thread_us();
    if (!open_session())
        return 1;
    run();
    report(prl_clock_thread_us() - cpu_us);
    prl_clock_hold(-1);
    bool written = write_sounds();
    stop();
    return written ? 0 : 1;
}
