// session_input.c -- the microphone's side of a session: sound in, voice found, utterances
// transcribed.
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "eot/eot.h"
#include "session/session_state.h"

enum {
    WAITING_MAX = PRL_SESSION_INPUT_S * PRL_SESSION_RATE_HZ,
    WAITING_LEAST = PRL_SESSION_RATE_HZ / 10, // 100 ms
    RING_SLACK_MS = 1000, // beside the prefix: onset to decision, and what overlap needs
    SAMPLES_PER_MS = PRL_SESSION_RATE_HZ / 1000,
    BURST_SAMPLES = 3200, // a live microphone may come in bursts of 200 ms
    PACE_US = 20000,
    US_PER_MS = 1000
};

static void on_input_due(void *arg);
static void on_voice(void *arg, const struct prl_gate_event *event);
static void on_stt(void *arg, const struct prl_stt_event *event);

// Room for the prefix and what comes before a decision, or for what the end-of-turn engine wants to
// hear.
static size_t ring_samples(const struct prl_session *session)
{
    const struct prl_floor_conf *conf = &session->conf.conf.floor;
    size_t least = ((size_t)conf->prefix_padding_ms + RING_SLACK_MS) * SAMPLES_PER_MS;
    bool asks = session->engines.eot && conf->turns == PRL_FLOOR_SEMANTIC_VAD;
    if (asks && least < PRL_EOT_SAMPLES_MAX)
        least = PRL_EOT_SAMPLES_MAX;
    return least;
}

static struct prl_gate_conf gate_conf(const struct prl_session *session)
{
    struct prl_gate_conf conf;
    prl_gate_conf_default(&conf);
    conf.threshold = session->conf.conf.vad_threshold;
    conf.prefix_padding_ms = (int32_t)session->conf.conf.floor.prefix_padding_ms;
    conf.silence_duration_ms = PRL_SESSION_GATE_SILENCE_MS;
    if (prl_gate_conf_check(&conf) != PRL_OK)
        prl_gate_conf_default(&conf);
    conf.silence_duration_ms = PRL_SESSION_GATE_SILENCE_MS;
    return conf;
}

enum prl_err prl_session_input_create(struct prl_session *session)
{
    session->waiting_size = WAITING_LEAST;
    session->waiting = prl_mem_array(session->waiting_size, sizeof(*session->waiting));
    session->ring_size = ring_samples(session);
    session->ring = prl_mem_array(session->ring_size, sizeof(*session->ring));
    if (!session->waiting || !session->ring)
        return PRL_ERR_NOMEM;
    enum prl_err err = prl_timer_create(&session->input_timer, session->engines.loop,
                                        "session input", on_input_due, session);
    if (!err && session->engines.vad) {
        struct prl_gate_conf conf = gate_conf(session);
        err = prl_vad_open(session->engines.vad, &conf, on_voice, session, &session->vad);
    }
    if (!err) {
        prl_session_front_configure(session);
        prl_session_lock_configure(session);
    }
    return err;
}

void prl_session_input_destroy(struct prl_session *session)
{
    for (size_t i = 0; i < PRL_SESSION_UTTERANCES_MAX; i++) {
        prl_mem_free(session->utterances[i].words);
        prl_stt_close(&session->streams[i]);
    }
    prl_vad_close(&session->vad);
    prl_session_front_destroy(session);
    prl_session_lock_destroy(session);
    prl_eot_close(&session->eot);
    prl_timer_destroy(&session->input_timer);
    prl_resample_destroy(&session->resample);
    prl_mem_free(session->waiting);
    prl_mem_free(session->ring);
}

uint64_t prl_session_ring_start(const struct prl_session *session)
{
    uint64_t held = session->input - session->ring_from;
    return held < session->ring_size ? session->ring_from : session->input - session->ring_size;
}

// The newest sound moves along; what was overwritten already cannot come back.
static void grow_ring(struct prl_session *session, size_t samples)
{
    int16_t *ring = prl_mem_array(samples, sizeof(*ring));
    if (!ring)
        return; // the old one stays: a shorter prefix, nothing worse
    uint64_t from = prl_session_ring_start(session);
    for (uint64_t at = from; at < session->input; at++)
        ring[at % samples] = session->ring[at % session->ring_size];
    prl_mem_free(session->ring);
    session->ring = ring;
    session->ring_size = samples;
    session->ring_from = from;
}

void prl_session_input_configure(struct prl_session *session)
{
    prl_session_front_configure(session);
    prl_session_lock_configure(session);
    if (session->vad) {
        struct prl_gate_conf conf = gate_conf(session);
        prl_vad_configure(session->vad, &conf);
    }
    if (ring_samples(session) > session->ring_size)
        grow_ring(session, ring_samples(session));
    for (size_t i = 0; i < PRL_SESSION_UTTERANCES_MAX; i++)
        if (session->streams[i]) {
            enum prl_err err = prl_stt_configure(session->streams[i], session->conf.conf.language,
                                                 session->conf.conf.transcribe_prompt);
            (void)err; // api checked the language; an unknown one keeps the old
        }
}

// ---- utterances ----

static struct prl_utterance *free_place(struct prl_session *session, size_t *index)
{
    for (size_t i = 0; i < PRL_SESSION_UTTERANCES_MAX; i++)
        if (!session->utterances[i].used) {
            *index = i;
            return &session->utterances[i];
        }
    return NULL;
}

static enum prl_err ready_stream(struct prl_session *session, size_t index)
{
    const struct prl_session_conf *conf = &session->conf.conf;
    // One identification a session: what was heard first is taken for the rest.
    const char *language = conf->language;
    if (prl_str_equal(language, "auto") && session->language[0])
        language = session->language;
    if (session->streams[index])
        return prl_stt_configure(session->streams[index], language, conf->transcribe_prompt);
    if (!session->engines.stt)
        return PRL_ERR_ENGINE;
    struct prl_stt_stream_conf stream = {.language = language,
                                         .prompt = conf->transcribe_prompt,
                                         .partials = true,
                                         .fn = on_stt,
                                         .arg = session};
    return prl_stt_open(session->engines.stt, &stream, &session->streams[index]);
}

// Begins to keep sound for an utterance; NULL when no recogniser can take it.
static struct prl_utterance *begin_utterance(struct prl_session *session, uint32_t id,
                                             uint64_t start)
{
    size_t index;
    struct prl_utterance *place = free_place(session, &index);
    if (!place)
        return NULL;
    *place = (struct prl_utterance){.id = id, .used = true, .start = start};
    prl_session_make_id(place->item_id, sizeof(place->item_id), "item_");
    if (ready_stream(session, index) == PRL_OK) {
        place->stt = session->streams[index];
        prl_stt_begin(place->stt, ++session->stt_generation);
    }
    return place;
}

void prl_session_drop_utterance(struct prl_session *session, struct prl_utterance *utterance)
{
    if (utterance->stt)
        prl_stt_clear(utterance->stt);
    if (session->open == utterance)
        session->open = NULL;
    prl_mem_free(utterance->words);
    *utterance = (struct prl_utterance){0};
}

static void push_sound(struct prl_session *session, const int16_t *pcm, size_t count)
{
    struct prl_utterance *open = session->open;
    if (!open || !open->stt)
        return;
    bool silent = session->vad && session->conf.conf.floor.turns != PRL_FLOOR_MANUAL &&
                  !prl_gate_is_on(prl_vad_gate(session->vad));
    enum prl_err err =
        silent ? prl_stt_push_silence(open->stt, pcm, count) : prl_stt_push(open->stt, pcm, count);
    (void)err; // LIMIT: the floor commits at utterance_max_ms, the same length
}

void prl_session_open_utterance(struct prl_session *session, uint32_t id, uint64_t start)
{
    if (session->open && session->open->id == 0) {
        session->open->id = id; // manual: its sound has been kept since it came
        return;
    }
    prl_session_warm(session);
    if (start < prl_session_ring_start(session))
        start = prl_session_ring_start(session);
    session->open = begin_utterance(session, id, start);
    if (!session->open || !session->open->stt)
        return;
    for (uint64_t at = start; at < session->input;) {
        size_t offset = (size_t)(at % session->ring_size);
        size_t count = session->ring_size - offset;
        if (count > session->input - at)
            count = (size_t)(session->input - at);
        enum prl_err err = prl_stt_push(session->open->stt, session->ring + offset, count);
        (void)err; // a ring is far below the limit
        at += count;
    }
}

void prl_session_transcribe(struct prl_session *session, const struct prl_floor_action *action,
                            enum prl_stt_want want)
{
    struct prl_utterance *utterance = prl_session_utterance(session, action->utterance);
    struct prl_floor_event failed = {.fact = PRL_FACT_ENGINE_FAILED,
                                     .stage = PRL_FLOOR_STAGE_STT,
                                     .generation = action->generation};
    if (!utterance || !utterance->stt) {
        prl_session_step(session, &failed);
        return;
    }
    memmove(&session->jobs[1], &session->jobs[0], sizeof(session->jobs) - sizeof(session->jobs[0]));
    session->jobs[0] =
        (struct prl_stt_job){++session->stt_generation, action->generation, action->utterance};
    if (prl_stt_decode(utterance->stt, session->stt_generation, want) != PRL_OK)
        prl_session_step(session, &failed);
}

// As the floor counts it.
static uint32_t margin_of(const struct prl_stt_event *event)
{
    enum { TENTHS = 10, MARGIN_MAX = 10000 };
    if (!event->margin.known)
        return 0;
    float tenths = event->margin.nats * TENTHS;
    return tenths < 1 ? 1 : tenths < MARGIN_MAX ? (uint32_t)tenths : MARGIN_MAX;
}

static void keep_words(struct prl_utterance *utterance, const struct prl_stt_event *event)
{
    char *words = prl_mem_strdup(event->text);
    if (!words)
        return; // the old words are better than none
    prl_mem_free(utterance->words);
    utterance->words = words;
    utterance->margin = margin_of(event);
    prl_str_copy(utterance->language, sizeof(utterance->language), event->language);
    utterance->seconds = (double)event->audio_ms / 1000.0;
}

// Are these the words that an answer was begun on while they were said?
static bool speculated_on(const struct prl_session *session, const struct prl_utterance *open,
                          const char *words)
{
    for (size_t i = 0; i < PRL_SESSION_WORKS_MAX; i++) {
        const struct prl_work *work = &session->works[i];
        if (work->generation && work->utterance == open->id && !work->visible && work->answer &&
            work->words)
            return prl_session_same_words(work->words, words);
    }
    return false;
}

static void on_partial(struct prl_session *session, const struct prl_stt_event *event)
{
    struct prl_utterance *open = session->open;
    if (!open || open->id == 0)
        return;
    uint32_t speaker = prl_session_lock_flags(session, open->id);
    if (speaker & PRL_FLOOR_OTHER)
        return; // the floor knows, and nobody else has to
    uint32_t flags = prl_session_turn_flags(session, event->text, event->language);
    // A decode that was asked for is told as a partial as well: that is not a second opinion.
    bool newer = (double)event->audio_ms / 1000.0 > open->seconds;
    if (newer && open->words && prl_session_same_words(open->words, event->text))
        flags |= PRL_FLOOR_STABLE;
    if (speculated_on(session, open, event->text))
        flags |= PRL_FLOOR_SAME;
    flags |= speaker;
    keep_words(open, event);
    if (session->conf.conf.partials)
        prl_session_tell(session, &(struct prl_session_event){.type = PRL_SESSION_PARTIAL,
                                                              .item_id = open->item_id,
                                                              .text = event->text,
                                                              .stable_bytes = event->stable_bytes});
    // The model reads the words that will not change while the user goes on.
    char *stable = prl_mem_strndup(event->text, event->stable_bytes);
    if (stable && event->stable_bytes > 0)
        prl_session_prefill(session, stable);
    prl_mem_free(stable);
    prl_session_step(session,
                     &(struct prl_floor_event){.fact = PRL_FACT_PARTIAL,
                                               .utterance = open->id,
                                               .sample = open->start +
                                                         (uint64_t)event->audio_ms * SAMPLES_PER_MS,
                                               .words = prl_session_count_words(event->text),
                                               .margin = margin_of(event),
                                               .flags = flags | PRL_FLOOR_FOLLOWED});
}

static void on_final(struct prl_session *session, const struct prl_stt_job *job,
                     const struct prl_stt_event *event)
{
    struct prl_floor_event fact = {.fact = PRL_FACT_STT_FINAL, .generation = job->floor};
    struct prl_utterance *utterance = prl_session_utterance(session, job->utterance);
    if (event->type == PRL_STT_ERROR) {
        fact.fact = PRL_FACT_ENGINE_FAILED;
        fact.stage = PRL_FLOOR_STAGE_STT;
        prl_session_step(session, &fact);
        return;
    }
    if (utterance)
        keep_words(utterance, event);
    bool silent = event->no_speech || prl_session_lock_refuses(session, job->utterance);
    if (event->language[0] && !silent)
        prl_str_copy(session->language, sizeof(session->language), event->language);
    struct prl_work *work = prl_session_work(session, job->floor);
    if (work && work->transcript)
        session->turn.stt_us = prl_clock_now_us();
    if (work) {
        if (work->answer && work->words && prl_session_same_words(work->words, event->text))
            fact.flags |= PRL_FLOOR_SAME;
        prl_mem_free(work->words);
        work->words = prl_mem_strdup(event->text);
        work->stt_us = prl_clock_now_us();
    }
    fact.words = silent ? 0 : prl_session_count_words(event->text);
    fact.margin = margin_of(event);
    fact.flags |= prl_session_turn_flags(session, event->text, event->language) |
                  prl_session_lock_flags(session, job->utterance);
    prl_session_step(session, &fact);
}

static void on_stt(void *arg, const struct prl_stt_event *event)
{
    struct prl_session *session = arg;
    if (event->type == PRL_STT_PARTIAL) {
        on_partial(session, event);
        return;
    }
    for (size_t i = 0; i < PRL_SESSION_JOBS_MAX; i++)
        if (session->jobs[i].stt == event->generation) {
            struct prl_stt_job job = session->jobs[i];
            session->jobs[i] = (struct prl_stt_job){0};
            on_final(session, &job, event);
            return;
        }
}

// ---- sound ----

static void on_voice(void *arg, const struct prl_gate_event *event)
{
    struct prl_session *session = arg;
    int64_t sample = event->sample + session->vad_base;
    struct prl_floor_event fact = {.fact = event->type == PRL_GATE_ON ? PRL_FACT_VOICE_ON
                                                                      : PRL_FACT_VOICE_OFF,
                                   .sample = sample > 0 ? (uint64_t)sample : 0};
    prl_session_step(session, &fact);
}

// At most one VAD window, so that every window is a fact of its own.
static void process_piece(struct prl_session *session, const int16_t *pcm, size_t count)
{
    bool manual = session->conf.conf.floor.turns == PRL_FLOOR_MANUAL;
    if (manual && !session->open)
        session->open = begin_utterance(session, 0, session->input);
    size_t at = (size_t)(session->input % session->ring_size);
    for (size_t i = 0; i < count; i++) {
        session->ring[at] = pcm[i];
        at = at + 1 < session->ring_size ? at + 1 : 0;
    }
    session->input += count;
    prl_session_record_user(session, pcm, count);
    push_sound(session, pcm, count);
    if (!manual && session->vad) {
        session->vad_base =
            (int64_t)session->input - (int64_t)count - prl_vad_position(session->vad);
        prl_vad_demand(session->vad, prl_session_echo_demands(session));
        enum prl_err err = prl_vad_push(session->vad, pcm, count);
        (void)err; // counted by the VAD; the floor sees silence
    }
    struct prl_floor_event fact = {.fact = PRL_FACT_INPUT};
    if (!manual && session->vad && prl_gate_is_on(prl_vad_gate(session->vad))) {
        // The windows in which the gate waits for silence are no voice.
        int64_t known = prl_gate_speech_end(prl_vad_gate(session->vad)) + session->vad_base;
        fact.sample = known > 0 ? (uint64_t)known : 0;
        bool follows = session->open && session->open->stt && prl_stt_follows(session->open->stt);
        fact.flags = follows ? PRL_FLOOR_FOLLOWED : 0;
    }
    prl_session_step(session, &fact);
    prl_session_lock_sound(session, pcm, count,
                           session->vad && prl_gate_is_on(prl_vad_gate(session->vad)));
}

// While an answer is due, sound is taken at the pace of real time: a client that sends a whole
// recording at once must not interrupt the answer with what it "says" later. A call is live by nature;
// its jitter buffer may catch up after an outage.
static size_t allowed_now(struct prl_session *session, int64_t now_us)
{
    if (session->rtp || session->hurry || !prl_session_busy(session)) {
        session->due_us = 0;
        return PRL_SESSION_TURN_SAMPLES;
    }
    if (session->due_us == 0) {
        session->due_us = now_us;
        session->due_input = session->input;
    }
    uint64_t until = session->due_input + BURST_SAMPLES +
                     (uint64_t)((now_us - session->due_us) * SAMPLES_PER_MS / US_PER_MS);
    if (until <= session->input)
        return 0;
    uint64_t room = until - session->input;
    return room < PRL_SESSION_TURN_SAMPLES ? (size_t)room : PRL_SESSION_TURN_SAMPLES;
}

static void on_input_due(void *arg)
{
    struct prl_session *session = arg;
    bool was_full = prl_session_input_room(session) < PRL_SESSION_TURN_SAMPLES * 3 / 2;
    size_t done = 0;
    bool short_of = false; // what waits is less than a frame of the front
    while (session->waiting_count > 0 && done < PRL_SESSION_TURN_SAMPLES) {
        if (allowed_now(session, prl_clock_now_us()) == 0)
            break;
        size_t count = PRL_VAD_WINDOW_SAMPLES - (size_t)(session->input % PRL_VAD_WINDOW_SAMPLES);
        if (count > session->waiting_count)
            count = session->waiting_count;
        if (count > session->waiting_size - session->waiting_first)
            count = session->waiting_size - session->waiting_first;
        count = prl_session_front_ready(session, count);
        short_of = count == 0;
        if (short_of)
            break;
        prl_session_front_taken(session, count);
        const int16_t *pcm = session->waiting + session->waiting_first;
        session->waiting_first = (session->waiting_first + count) % session->waiting_size;
        session->waiting_count -= count;
        done += count;
        process_piece(session, pcm, count);
    }
    if (session->waiting_count > 0 && !short_of)
        prl_timer_start(session->input_timer, prl_clock_now_us() + (done ? 0 : PACE_US));
    session->waiting_short = short_of;
    bool hurried = session->hurry && !prl_session_input_waits(session);
    if (hurried)
        session->hurry = false;
    if (((was_full && done > 0) || hurried) && session->room_fn)
        session->room_fn(session->room_arg);
}

bool prl_session_input_waits(const struct prl_session *session)
{
    // Echo control takes whole frames alone, so what is less is left for the next utterance.
    return session->waiting_count > 0 && !(session->waiting_short && session->echo);
}

void prl_session_input_hurry(struct prl_session *session)
{
    session->hurry = true;
    prl_timer_start(session->input_timer, prl_clock_now_us());
}

static void remember_arrival(struct prl_session *session, int64_t at_us, int64_t delay_us)
{
    if (session->arrival_count == PRL_SESSION_ARRIVALS_MAX) {
        // The older half goes; a speech end before it counts from the oldest time that is kept.
        size_t keep = PRL_SESSION_ARRIVALS_MAX / 2;
        memmove(session->arrivals, session->arrivals + keep, keep * sizeof(session->arrivals[0]));
        session->arrival_count = keep;
    }
    session->arrivals[session->arrival_count++] =
        (struct prl_arrival){session->received, at_us, delay_us};
}

struct prl_arrival prl_session_arrival(const struct prl_session *session, uint64_t sample)
{
    for (size_t i = 0; i < session->arrival_count; i++)
        if (session->arrivals[i].sample >= sample)
            return session->arrivals[i];
    return (struct prl_arrival){sample, prl_clock_now_us(), 0};
}

static enum prl_err ready_resampler(struct prl_session *session, uint32_t hz)
{
    if (session->resample && session->resample_hz == hz)
        return PRL_OK;
    prl_resample_destroy(&session->resample);
    session->resample_hz = hz;
    return prl_resample_create(&session->resample, hz, PRL_SESSION_RATE_HZ);
}

// Sound in real time never waits long; whoever sends faster gets the room for it once.
static enum prl_err grow_waiting(struct prl_session *session, size_t needed)
{
    size_t size = session->waiting_size;
    if (needed <= size)
        return PRL_OK;
    while (size < needed)
        size *= 2;
    size = size < WAITING_MAX ? size : WAITING_MAX;
    int16_t *waiting = prl_mem_array(size, sizeof(*waiting));
    if (!waiting)
        return PRL_ERR_NOMEM;
    for (size_t i = 0; i < session->waiting_count; i++)
        waiting[i] = session->waiting[(session->waiting_first + i) % session->waiting_size];
    prl_mem_free(session->waiting);
    session->waiting = waiting;
    session->waiting_size = size;
    session->waiting_first = 0;
    return PRL_OK;
}

enum prl_err prl_session_append(struct prl_session *session, const int16_t *pcm, size_t samples,
                                uint32_t hz)
{
    return prl_session_append_at(session, pcm, samples, hz, prl_clock_now_us(), false);
}

enum prl_err prl_session_append_at(struct prl_session *session, const int16_t *pcm, size_t samples,
                                   uint32_t hz, int64_t arrival_us, bool made_up)
{
    enum prl_err err = ready_resampler(session, hz);
    if (err)
        return err;
    if (!session->listens) {
        session->listens = true;
        prl_session_front_configure(session);
    }
    size_t needed = prl_resample_room(session->resample, samples) + session->waiting_count;
    if (needed > WAITING_MAX)
        return PRL_ERR_FULL;
    err = grow_waiting(session, needed);
    if (err)
        return err;
    if (session->conf.conf.floor.turns == PRL_FLOOR_MANUAL &&
        prl_floor_append_room(session->floor) < session->waiting_count + samples)
        return PRL_ERR_LIMIT;
    size_t used = 0;
    while (used < samples) {
        size_t at = (session->waiting_first + session->waiting_count) % session->waiting_size;
        size_t room = session->waiting_size - at;
        size_t taken = 0;
        size_t made = prl_resample_process(session->resample, pcm + used, samples - used, &taken,
                                           session->waiting + at, room);
        session->waiting_count += made;
        session->received += made;
        used += taken;
        if (taken == 0 && made == 0)
            break; // the library takes everything when there is room, and there is
    }
    session->waiting_short = false;
    int64_t delay_us = prl_clock_now_us() - arrival_us;
    remember_arrival(session, arrival_us, delay_us > 0 ? delay_us : 0);
    prl_session_echo_arrived(session, prl_clock_now_us(), made_up);
    if (!prl_timer_active(session->input_timer))
        prl_timer_start(session->input_timer, 0);
    return PRL_OK;
}

size_t prl_session_input_room(const struct prl_session *session)
{
    // At 24 kHz in, less what the resampler may round up.
    return (WAITING_MAX - session->waiting_count) / 2 * 3 > 96
               ? (WAITING_MAX - session->waiting_count) / 2 * 3 - 96
               : 0;
}

void prl_session_on_room(struct prl_session *session, void (*fn)(void *arg), void *arg)
{
    session->room_fn = fn;
    session->room_arg = arg;
}
