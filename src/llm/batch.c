// batch.c -- see batch.h.
#include "llm/batch.h"

#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/cores.h"
#include "base/log.h"
#include "base/mem.h"
#include "llm/cache.h"
#include "llm/job.h"

enum {
    CHUNK_ALONE = 32,       // prompt tokens a step, nothing else to do
    CHUNK_GUEST = 16,       // the same, of a speculation or prefill
    CHUNK_BESIDE = 8,       // beside answers being written
    CHUNK_GUEST_BESIDE = 4, // a speculation's beside a committed answer
    CHUNK_CROWDED = 4,      // beside other lanes, so that the next step soon gets their cores
    GUEST_EVERY = 4,        // every how many steps guests take part beside committed work
    STEP_ENTRIES = 6,       // a step costs about as much as so many entries beside its own
};

struct stream {
    uint64_t id;
    struct prl_llm_job job;
};

// What the job of one stream puts into the step.
struct part {
    struct stream *stream;
    int from;   // first entry
    int count;  // entries
    bool draws; // the last entry's logits are wanted
};

struct prl_llm_batch {
    // Set once.
    const struct prl_llm_model_ops *ops;
    void *model;
    struct prl_llm_model_conf conf;
    prl_llm_batch_fn fn;
    void *arg;
    struct prl_cores *cores; // borrowed or NULL
    int threads_max;
    // Owned.
    struct prl_llm_cache *cache;
    struct stream **streams;
    size_t count;
    size_t capacity;
    // State.
    uint64_t order;
    uint64_t turn;
    struct prl_llm_batch_stats stats;
    struct prl_pace pace;
    // The step being built.
    struct prl_llm_entry entries[PRL_LLM_BATCH_MAX];
    int entry_count;
    struct part parts[PRL_LLM_SEQUENCES_MAX];
    int part_count;
};

enum prl_err prl_llm_batch_create(struct prl_llm_batch **out, const struct prl_llm_model_ops *ops,
                                  void *model, const struct prl_llm_model_conf *conf,
                                  prl_llm_batch_fn fn, void *arg)
{
    PRL_CHECK(out != NULL && ops != NULL && conf != NULL && fn != NULL);
    *out = NULL;
    struct prl_llm_batch *batch = prl_mem_zalloc(sizeof(*batch));
    if (!batch)
        return PRL_ERR_NOMEM;
    batch->ops = ops;
    batch->model = model;
    batch->conf = *conf;
    batch->fn = fn;
    batch->arg = arg;
    enum prl_err err = prl_llm_cache_create(&batch->cache, ops, model, conf);
    if (err) {
        prl_llm_batch_destroy(&batch);
        return err;
    }
    *out = batch;
    return PRL_OK;
}

void prl_llm_batch_destroy(struct prl_llm_batch **batch)
{
    PRL_CHECK(batch != NULL);
    if (!*batch)
        return;
    for (size_t i = 0; i < (*batch)->count; i++) {
        prl_llm_job_clear(&(*batch)->streams[i]->job);
        prl_mem_free((*batch)->streams[i]);
    }
    prl_mem_free((*batch)->streams);
    prl_llm_cache_destroy(&(*batch)->cache);
    prl_mem_free(*batch);
    *batch = NULL;
}

static struct stream *find(struct prl_llm_batch *batch, uint64_t id)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->streams[i]->id == id)
            return batch->streams[i];
    }
    return NULL;
}

enum prl_err prl_llm_batch_open(struct prl_llm_batch *batch, uint64_t id)
{
    PRL_CHECK(batch != NULL && id != 0);
    if (find(batch, id))
        return PRL_OK;
    if (batch->count == PRL_LLM_STREAMS_MAX)
        return PRL_ERR_LIMIT;
    if (batch->count == batch->capacity) {
        size_t capacity = batch->capacity ? batch->capacity * 2 : 8;
        void *streams = prl_mem_realloc(batch->streams, capacity * sizeof(struct stream *));
        if (!streams)
            return PRL_ERR_NOMEM;
        batch->streams = streams;
        batch->capacity = capacity;
    }
    struct stream *stream = prl_mem_zalloc(sizeof(*stream));
    if (!stream)
        return PRL_ERR_NOMEM;
    stream->id = id;
    prl_llm_job_clear(&stream->job);
    batch->streams[batch->count++] = stream;
    return PRL_OK;
}

// Gives the slot back and forgets the job, without an event.
static void end_job(struct prl_llm_batch *batch, struct stream *stream)
{
    if (stream->job.slot >= 0)
        prl_llm_cache_release(batch->cache, stream->job.slot);
    prl_llm_job_clear(&stream->job);
}

static void fail_job(struct prl_llm_batch *batch, struct stream *stream, const char *text)
{
    if (stream->job.slot >= 0)
        prl_llm_cache_release(batch->cache, stream->job.slot);
    prl_llm_job_fail(&stream->job, text);
}

void prl_llm_batch_close(struct prl_llm_batch *batch, uint64_t id)
{
    PRL_CHECK(batch != NULL);
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->streams[i]->id != id)
            continue;
        end_job(batch, batch->streams[i]);
        prl_llm_cache_disown(batch->cache, id);
        prl_mem_free(batch->streams[i]);
        batch->streams[i] = batch->streams[--batch->count];
        return;
    }
}

static void start_job(struct prl_llm_batch *batch, struct stream *stream,
                      const struct prl_llm_job *like, struct prl_llm_prompt *prompt)
{
    end_job(batch, stream);
    struct prl_llm_job *job = &stream->job;
    *job = *like;
    job->id = stream->id;
    job->slot = -1;
    job->fn = batch->fn;
    job->arg = batch->arg;
    job->order = ++batch->order;
    enum prl_err err =
        prl_llm_job_start(job, batch->ops, batch->model, prompt, batch->conf.context_tokens);
    if (err)
        prl_log(PRL_LOG_DEBUG, "llm", "prompt of stream %llu refused: %s",
                (unsigned long long)stream->id, prl_err_name(err));
}

void prl_llm_batch_take_prefill(struct prl_llm_batch *batch, uint64_t id, uint32_t generation,
                                struct prl_llm_prompt *prompt)
{
    PRL_CHECK(batch != NULL && prompt != NULL);
    struct stream *stream = find(batch, id);
    if (!stream || stream->job.kind == PRL_LLM_JOB_GENERATE) {
        prl_mem_free(prompt);
        return;
    }
    struct prl_llm_job like = {.kind = PRL_LLM_JOB_PREFILL, .generation = generation};
    start_job(batch, stream, &like, prompt);
}

void prl_llm_batch_take_generate(struct prl_llm_batch *batch, uint64_t id, uint32_t generation,
                                 struct prl_llm_prompt *prompt, const struct prl_llm_params *params,
                                 int64_t queued_at_us)
{
    PRL_CHECK(batch != NULL && prompt != NULL && params != NULL);
    struct stream *stream = find(batch, id);
    if (!stream) {
        prl_mem_free(prompt);
        return;
    }
    struct prl_llm_job like = {.kind = PRL_LLM_JOB_GENERATE,
                               .generation = generation,
                               .params = *params,
                               .queued_at_us = queued_at_us};
    start_job(batch, stream, &like, prompt);
}

void prl_llm_batch_commit(struct prl_llm_batch *batch, uint64_t id, uint32_t generation)
{
    struct stream *stream = find(batch, id);
    if (stream && stream->job.kind == PRL_LLM_JOB_GENERATE && stream->job.generation == generation)
        stream->job.params.committed = true;
}

void prl_llm_batch_cancel(struct prl_llm_batch *batch, uint64_t id, uint32_t generation)
{
    struct stream *stream = find(batch, id);
    if (stream && stream->job.kind != PRL_LLM_JOB_NONE &&
        (int32_t)(generation - stream->job.generation) >= 0)
        end_job(batch, stream);
}

// 0 committed answer, 1 speculation, 2 prefill, 3 nothing to do.
static int rank(const struct stream *stream)
{
    switch (stream->job.kind) {
    case PRL_LLM_JOB_GENERATE:
        return stream->job.params.committed ? 0 : 1;
    case PRL_LLM_JOB_PREFILL:
        return 2;
    case PRL_LLM_JOB_NONE:
        break;
    }
    return 3;
}

static bool in_step(const struct prl_llm_batch *batch, const struct stream *stream)
{
    for (int i = 0; i < batch->part_count; i++) {
        if (batch->parts[i].stream == stream)
            return true;
    }
    return false;
}

// Frees the slot of the least important job that is less important than `than`.
static bool push_aside(struct prl_llm_batch *batch, const struct stream *than)
{
    struct stream *victim = NULL;
    for (size_t i = 0; i < batch->count; i++) {
        struct stream *stream = batch->streams[i];
        if (stream->job.slot < 0 || rank(stream) <= rank(than) || in_step(batch, stream))
            continue;
        if (!victim || rank(stream) > rank(victim))
            victim = stream;
    }
    if (!victim)
        return false;
    struct prl_llm_job *job = &victim->job;
    if (job->decoding) {
        fail_job(batch, victim, "a committed answer needed the room");
    } else {
        prl_llm_cache_release(batch->cache, job->slot);
        job->slot = -1;
        job->matched = false;
    }
    return true;
}

// A slot for the job, brought to the beginning of its prompt. False: it has to wait.
static bool place_job(struct prl_llm_batch *batch, struct stream *stream)
{
    struct prl_llm_job *job = &stream->job;
    if (job->slot < 0) {
        job->slot =
            prl_llm_cache_acquire(batch->cache, stream->id, job->tokens.ids, job->tokens.count);
        if (job->slot < 0 && push_aside(batch, stream))
            job->slot =
                prl_llm_cache_acquire(batch->cache, stream->id, job->tokens.ids, job->tokens.count);
        if (job->slot < 0)
            return false;
    }
    if (job->matched)
        return true;
    // An answer needs the logits of the last token, so that one is always computed.
    int limit = job->tokens.count - (job->kind == PRL_LLM_JOB_GENERATE ? 1 : 0);
    int cached =
        prl_llm_cache_match(batch->cache, job->slot, job->tokens.ids, limit, batch->entry_count);
    job->matched = true;
    if (job->started_at_us == 0) { // not the second try
        job->cached = cached;
        job->started_at_us = prl_clock_now_us();
    }
    struct prl_llm_sampling sampling = {.temperature = job->params.temperature,
                                        .top_p = job->params.top_p,
                                        .seed = job->params.seed,
                                        .words_only = job->words_only};
    if (job->kind == PRL_LLM_JOB_GENERATE &&
        batch->ops->sampler(batch->model, job->slot, &sampling) != PRL_OK) {
        fail_job(batch, stream, "out of memory");
        return false;
    }
    return true;
}

static void add_entries(struct prl_llm_batch *batch, struct stream *stream, const int32_t *ids,
                        int count, bool draws)
{
    PRL_CHECK(batch->entry_count + count <= PRL_LLM_BATCH_MAX);
    PRL_CHECK(batch->part_count < PRL_LLM_SEQUENCES_MAX);
    int at = prl_llm_cache_len(batch->cache, stream->job.slot);
    batch->parts[batch->part_count++] =
        (struct part){.stream = stream, .from = batch->entry_count, .count = count, .draws = draws};
    for (int i = 0; i < count; i++)
        batch->entries[batch->entry_count++] =
            (struct prl_llm_entry){.token = ids[i],
                                   .sequence = stream->job.slot,
                                   .position = at + i,
                                   .logits = draws && i == count - 1};
}

// Every answer that is being written puts in its newest token.
static void add_answers(struct prl_llm_batch *batch, bool guests)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct stream *stream = batch->streams[i];
        if (!stream->job.decoding || (rank(stream) > 0 && !guests))
            continue;
        if (!prl_llm_cache_room(batch->cache, batch->entry_count + 1)) {
            prl_llm_cache_release(batch->cache, stream->job.slot);
            prl_llm_job_cut(&stream->job);
            continue;
        }
        add_entries(batch, stream, &stream->job.next, 1, true);
    }
}

static bool more_urgent(const struct stream *a, const struct stream *b)
{
    if (!b)
        return true;
    return rank(a) < rank(b) || (rank(a) == rank(b) && a->job.order < b->job.order);
}

// The prompt to go on with: the most important, then the oldest. `after`: only less urgent ones.
static struct stream *next_prompt(struct prl_llm_batch *batch, bool guests,
                                  const struct stream *after)
{
    struct stream *best = NULL;
    for (size_t i = 0; i < batch->count; i++) {
        struct stream *stream = batch->streams[i];
        if (stream->job.kind == PRL_LLM_JOB_NONE || stream->job.decoding ||
            (rank(stream) > 0 && !guests))
            continue;
        if (after && (stream == after || more_urgent(stream, after)))
            continue;
        if (more_urgent(stream, best))
            best = stream;
    }
    return best;
}

// Other lanes have half of the cores or more, for now.
static bool crowded(const struct prl_llm_batch *batch)
{
    return 2 * prl_cores_others(batch->cores) >= prl_cores_total(batch->cores);
}

static int chunk_of(const struct prl_llm_batch *batch, const struct stream *stream, bool urgent)
{
    bool guest = rank(stream) > 0;
    if (guest && urgent)
        return CHUNK_GUEST_BESIDE;
    if (batch->entry_count > 0)
        return CHUNK_BESIDE;
    if (crowded(batch))
        return CHUNK_CROWDED;
    return guest ? CHUNK_GUEST : CHUNK_ALONE;
}

// Returns false when the prompt cannot be worked on now.
static bool add_prompt(struct prl_llm_batch *batch, struct stream *stream, bool urgent)
{
    struct prl_llm_job *job = &stream->job;
    if (!place_job(batch, stream))
        return false;
    int at = prl_llm_cache_len(batch->cache, job->slot);
    int left = job->tokens.count - at;
    if (left == 0) { // a prefill that was all there
        end_job(batch, stream);
        return false;
    }
    int chunk = chunk_of(batch, stream, urgent);
    if (chunk > left)
        chunk = left;
    while (!prl_llm_cache_room(batch->cache, batch->entry_count + chunk)) {
        // Room is short only while others work; this job ends if it is alone.
        if (push_aside(batch, stream))
            continue;
        if (batch->entry_count == 0)
            fail_job(batch, stream, "the model's memory is full");
        return false;
    }
    bool draws = job->kind == PRL_LLM_JOB_GENERATE && chunk == left;
    add_entries(batch, stream, job->tokens.ids + at, chunk, draws);
    return true;
}

static void retry_job(struct prl_llm_batch *batch, struct stream *stream)
{
    struct prl_llm_job *job = &stream->job;
    prl_llm_cache_cut(batch->cache, job->slot, job->tokens.count - 1);
    job->decoding = false;
    job->matched = false;
    batch->stats.retries++;
}

static void draw(struct prl_llm_batch *batch, const struct part *part)
{
    struct stream *stream = part->stream;
    struct prl_llm_job *job = &stream->job;
    if (!job->decoding) {
        job->decoding = true;
        job->prefilled_at_us = prl_clock_now_us();
    }
    int32_t token = batch->ops->sample(batch->model, part->from + part->count - 1, job->slot);
    if (token < 0) {
        fail_job(batch, stream, "the model gave no token");
        return;
    }
    int slot = job->slot;
    switch (prl_llm_job_token(job, batch->ops, batch->model, token)) {
    case PRL_LLM_JOB_GOES_ON:
        break;
    case PRL_LLM_JOB_ENDED: // the job is cleared
        prl_llm_cache_release(batch->cache, slot);
        break;
    case PRL_LLM_JOB_RETRY:
        retry_job(batch, stream);
        break;
    }
}

static void take_results(struct prl_llm_batch *batch)
{
    for (int i = 0; i < batch->part_count; i++) {
        const struct part *part = &batch->parts[i];
        struct prl_llm_job *job = &part->stream->job;
        int32_t ids[PRL_LLM_BATCH_MAX];
        for (int k = 0; k < part->count; k++)
            ids[k] = batch->entries[part->from + k].token;
        prl_llm_cache_add(batch->cache, job->slot, ids, part->count);
        if (job->decoding)
            batch->stats.tokens_decoded++;
        else
            batch->stats.tokens_prefilled += (uint64_t)part->count;
    }
    for (int i = 0; i < batch->part_count; i++) {
        const struct part *part = &batch->parts[i];
        struct prl_llm_job *job = &part->stream->job;
        if (part->draws)
            draw(batch, part);
        else if (prl_llm_cache_len(batch->cache, job->slot) == job->tokens.count)
            end_job(batch, part->stream); // a prefill is complete
    }
}

// The model failed: what it remembers of these sequences is uncertain.
static void fail_step(struct prl_llm_batch *batch, enum prl_err err)
{
    prl_log(PRL_LOG_WARN, "llm", "the model failed on a batch of %d tokens: %s", batch->entry_count,
            prl_err_name(err));
    for (int i = 0; i < batch->part_count; i++) {
        struct stream *stream = batch->parts[i].stream;
        int slot = stream->job.slot;
        fail_job(batch, stream, "the model failed to compute");
        (void)batch->ops->keep(batch->model, slot, 0);
        prl_llm_cache_cut(batch->cache, slot, 0);
    }
}

static bool any_job(const struct prl_llm_batch *batch, bool committed)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (rank(batch->streams[i]) <= (committed ? 0 : 2))
            return true;
    }
    return false;
}

static void build_step(struct prl_llm_batch *batch, bool guests, bool urgent)
{
    batch->entry_count = 0;
    batch->part_count = 0;
    add_answers(batch, guests);
    struct stream *stream = next_prompt(batch, guests, NULL);
    // A prompt that has to wait for a slot lets the next one pass.
    for (size_t tries = 0; stream && tries <= batch->count; tries++) {
        const struct stream *waits = stream;
        bool gone = !add_prompt(batch, stream, urgent);
        if (!gone)
            break;
        stream = waits->job.kind == PRL_LLM_JOB_NONE ? next_prompt(batch, guests, NULL)
                                                     : next_prompt(batch, guests, waits);
    }
}

// One decode with as many threads as the other lanes leave.
static enum prl_err decode(struct prl_llm_batch *batch)
{
    if (!batch->cores || !batch->ops->threads)
        return batch->ops->decode(batch->model, batch->entries, batch->entry_count);
    struct prl_pace *pace = &batch->pace;
    batch->ops->threads(batch->model, prl_pace_begin(pace, batch->cores, batch->threads_max));
    enum prl_err err = batch->ops->decode(batch->model, batch->entries, batch->entry_count);
    prl_pace_end(pace, batch->cores, err ? 0 : STEP_ENTRIES + batch->entry_count);
    return err;
}

bool prl_llm_batch_step(struct prl_llm_batch *batch)
{
    PRL_CHECK(batch != NULL);
    bool urgent = any_job(batch, true);
    bool guests = !urgent || ++batch->turn % GUEST_EVERY == 0;
    build_step(batch, guests, urgent);
    if (batch->entry_count > 0) {
        batch->stats.steps++;
        enum prl_err err = decode(batch);
        if (err)
            fail_step(batch, err);
        else
            take_results(batch);
    }
    return any_job(batch, false);
}

void prl_llm_batch_share(struct prl_llm_batch *batch, struct prl_cores *cores, int threads_max)
{
    batch->cores = cores;
    batch->threads_max = threads_max;
}

struct prl_llm_batch_stats prl_llm_batch_stats(const struct prl_llm_batch *batch)
{
    return batch->stats;
}
