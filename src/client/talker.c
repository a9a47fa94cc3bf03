// talker.c -- see talker.h.
#include "client/talker.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "media/chirp.h"

enum { GAP_US = 100000 };
enum state { PAUSE, SAYING, WAITING, LISTENING, DONE };

struct prl_talker {
    // Set once.
    struct prl_talker_conf conf;
    size_t slice; // samples of an answer that are looked at in one go
    // State.
    enum state state;
    uint32_t turn;         // turns over
    int64_t speak_us;      // when the next utterance may begin; 0: not known yet
    size_t said;           // samples of the utterance
    bool speech_over;      // its last sample of speech was said…
    int64_t speech_end_us; // …and captured then
    int64_t turn_end_us;   // what ended the turn for the server; 0: it has not said
    int64_t waited_us;     // negative: it has not said
    int64_t play_us;       // when the next sample that arrives is played
    struct prl_chirp_finder finder;
    struct prl_talker_result result;
    int64_t figures[]; // conf.turns of each kind
};

enum prl_err prl_talker_create(struct prl_talker **out, const struct prl_talker_conf *conf)
{
    PRL_CHECK(conf->turns >= 1 && conf->turns <= PRL_TALKER_TURNS_MAX && conf->samples > 0 &&
              conf->speech_end > 0 && conf->speech_end <= conf->samples);
    *out = prl_mem_zalloc(sizeof(**out) + sizeof((*out)->figures[0]) * 3 * conf->turns);
    if (!*out)
        return PRL_ERR_NOMEM;
    (*out)->conf = *conf;
    (*out)->slice = conf->hear_hz / 50;
    (*out)->result.delay_us = (*out)->figures;
    (*out)->result.after_us = (*out)->figures + conf->turns;
    (*out)->result.waited_us = (*out)->figures + (size_t)2 * conf->turns;
    prl_chirp_finder_init(&(*out)->finder, conf->hear_hz);
    return PRL_OK;
}

void prl_talker_destroy(struct prl_talker **talker)
{
    prl_mem_free(*talker);
    *talker = NULL;
}

static int64_t span_us(uint64_t samples, uint32_t rate_hz)
{
    return (int64_t)(samples * 1000000 / rate_hz);
}

static void end_turn(struct prl_talker *talker, int64_t now_us)
{
    int64_t quiet_us = talker->play_us > now_us ? talker->play_us : now_us;
    talker->turn++;
    talker->speak_us = quiet_us + (int64_t)talker->conf.pause_ms * 1000;
    talker->state = talker->turn == talker->conf.turns ? DONE : PAUSE;
    talker->speech_over = false;
}

static void begin_utterance(struct prl_talker *talker)
{
    talker->state = SAYING;
    talker->said = 0;
    talker->turn_end_us = 0;
    talker->waited_us = -1;
    talker->speech_over = false;
}

// One sample of the microphone.
static int16_t say_sample(struct prl_talker *talker, int64_t now_us)
{
    if (talker->state == PAUSE && now_us >= talker->speak_us)
        begin_utterance(talker);
    if (talker->state == DONE || talker->state == PAUSE || talker->said == talker->conf.samples)
        return 0;
    int16_t sample = talker->conf.pcm[talker->said++];
    if (talker->said == talker->conf.speech_end) {
        talker->speech_over = true;
        talker->speech_end_us = now_us;
        if (talker->state == SAYING)
            talker->state = WAITING;
    }
    return sample;
}

bool prl_talker_say(struct prl_talker *talker, int64_t start_us, int16_t *pcm, size_t n)
{
    if (talker->speak_us == 0)
        talker->speak_us = start_us + (int64_t)talker->conf.lead_ms * 1000;
    bool silent = true;
    for (size_t i = 0; i < n; i++) {
        pcm[i] = say_sample(talker, start_us + span_us(i, talker->conf.say_hz));
        silent = silent && pcm[i] == 0;
    }
    int64_t end_us = start_us + span_us(n, talker->conf.say_hz);
    if (talker->state == WAITING &&
        end_us > talker->speech_end_us + (int64_t)talker->conf.patience_ms * 1000) {
        talker->result.unanswered++;
        end_turn(talker, end_us);
    }
    return silent;
}

// The first audible sample of something was played at `at_us`.
static void begin_answer(struct prl_talker *talker, bool marked, int64_t at_us)
{
    if (talker->state == SAYING && !talker->speech_over)
        talker->result.early++;
    if (talker->state != WAITING)
        return;
    talker->state = LISTENING;
    talker->result.marked += marked;
    uint32_t turn = talker->result.turns++;
    talker->figures[turn] = at_us - talker->speech_end_us;
    talker->figures[talker->conf.turns + turn] =
        talker->turn_end_us ? at_us - talker->turn_end_us : -1;
    talker->figures[2 * talker->conf.turns + turn] = talker->waited_us;
}

void prl_talker_hear(struct prl_talker *talker, const int16_t *pcm, size_t n, bool fresh,
                     int64_t arrival_us)
{
    uint32_t rate_hz = talker->conf.hear_hz;
    // A packet that is a little late leaves no gap that counts as quiet.
    if (fresh || arrival_us > talker->play_us + GAP_US)
        prl_chirp_gap(&talker->finder);
    if (fresh || arrival_us > talker->play_us)
        talker->play_us = arrival_us;
    while (n > 0) {
        size_t count = n < talker->slice ? n : talker->slice;
        struct prl_chirp_onset onset;
        bool found = prl_chirp_find(&talker->finder, pcm, count, &onset);
        pcm += count;
        n -= count;
        talker->play_us += span_us(count, rate_hz);
        if (found)
            begin_answer(talker, onset.marked,
                         talker->play_us - span_us(talker->finder.samples - onset.sample, rate_hz));
    }
}

void prl_talker_turn_end(struct prl_talker *talker, int64_t end_us)
{
    talker->turn_end_us = end_us;
}

void prl_talker_waited(struct prl_talker *talker, int64_t waited_us)
{
    talker->waited_us = waited_us;
    if (talker->state == LISTENING) // its sound came first
        talker->figures[2 * talker->conf.turns + talker->result.turns - 1] = waited_us;
}

// The number behind `"key":`; negative: there is none.
static int64_t find_ms(const char *event, const char *key)
{
    const char *at = strstr(event, key);
    at = at ? at + strlen(key) : "";
    return *at >= '0' && *at <= '9' ? strtoll(at, NULL, 10) : -1;
}

void prl_talker_event(struct prl_talker *talker, const char *event, int64_t start_us)
{
    static const char stopped[] = "{\"type\":\"input_audio_buffer.speech_stopped\"";
    static const char latency[] = "{\"type\":\"parley.response.latency\"";
    int64_t end_ms = -1;
    int64_t waited_ms = -1;
    if (strncmp(event, stopped, sizeof(stopped) - 1) == 0)
        end_ms = find_ms(event, "\"audio_end_ms\":");
    else if (strncmp(event, latency, sizeof(latency) - 1) == 0)
        waited_ms = find_ms(event, "\"eot_delay_ms\":");
    if (end_ms >= 0)
        prl_talker_turn_end(talker, start_us + end_ms * 1000);
    if (waited_ms >= 0)
        prl_talker_waited(talker, waited_ms * 1000);
}

void prl_talker_answered(struct prl_talker *talker, int64_t now_us)
{
    if (talker->state == LISTENING)
        end_turn(talker, now_us);
}

bool prl_talker_done(const struct prl_talker *talker)
{
    return talker->state == DONE;
}

void prl_talker_result(const struct prl_talker *talker, struct prl_talker_result *result)
{
    *result = talker->result;
}
