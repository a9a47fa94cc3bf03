// ear.c -- see ear.h.
#include "stt/ear.h"

#include "base/check.h"
#include "base/mem.h"

struct prl_ear {
    // Set once.
    struct prl_ear_conf conf; // what comes from prl_live passes through here
    // Owned.
    struct prl_live *live; // NULL: nobody listens
    // State.
    int engine;
    size_t start; // where its sound begins
    size_t told;  // and ends, as far as it has it
    size_t asked; // as far as it was asked for its text
};

static void on_words(void *arg, const char *text)
{
    struct prl_ear *ear = arg;
    ear->conf.ops->words(ear->conf.arg, text);
}

static void on_answer(void *arg, const char *text, int64_t work_us)
{
    struct prl_ear *ear = arg;
    ear->conf.ops->answer(ear->conf.arg, text, work_us);
}

static void on_failed(void *arg, enum prl_err err, const char *why)
{
    struct prl_ear *ear = arg;
    ear->live = NULL;
    ear->conf.ops->failed(ear->conf.arg, err, why);
}

static const struct prl_live_ops OPS = {on_words, on_answer, on_failed};

enum prl_err prl_ear_create(struct prl_ear **out, const struct prl_ear_conf *conf)
{
    struct prl_ear *ear = prl_mem_zalloc(sizeof(*ear));
    *out = ear;
    if (!ear)
        return PRL_ERR_NOMEM;
    ear->conf = *conf;
    return PRL_OK;
}

void prl_ear_destroy(struct prl_ear **ear)
{
    PRL_CHECK(ear != NULL);
    if (!*ear)
        return;
    prl_ear_close(*ear);
    prl_mem_free(*ear);
    *ear = NULL;
}

bool prl_ear_is_open(const struct prl_ear *ear)
{
    return ear->live != NULL;
}

bool prl_ear_fits(const struct prl_ear *ear, const struct prl_timeline_work *work)
{
    return ear->live && work->kind == PRL_WORK_TAIL && ear->start == work->start &&
           ear->told <= work->end && ear->asked < work->end;
}

size_t prl_ear_start(const struct prl_ear *ear)
{
    return ear->start;
}

int prl_ear_engine(const struct prl_ear *ear)
{
    return ear->engine;
}

enum prl_err prl_ear_open(struct prl_ear *ear, const struct prl_ear_listener *listener,
                          size_t start)
{
    PRL_CHECK(!ear->live);
    struct prl_live_conf conf = {.pool = ear->conf.pool,
                                 .engine = listener->engine,
                                 .language = listener->language,
                                 .prompt = listener->prompt,
                                 .ops = &OPS,
                                 .arg = ear};
    ear->engine = listener->engine;
    ear->start = ear->told = ear->asked = start;
    return prl_live_open(&conf, &ear->live);
}

static enum prl_err feed(struct prl_ear *ear, size_t end)
{
    size_t from = ear->told;
    if (end <= from)
        return PRL_OK;
    ear->told = end;
    return prl_live_feed(ear->live, prl_timeline_pcm(ear->conf.timeline) + from, end - from);
}

void prl_ear_tell(struct prl_ear *ear, size_t end)
{
    if (feed(ear, end) != PRL_OK)
        prl_ear_close(ear);
}

enum prl_err prl_ear_ask(struct prl_ear *ear, const struct prl_ear_listener *listener,
                         const struct prl_timeline_work *work)
{
    enum prl_err err = PRL_OK;
    if (!prl_ear_fits(ear, work)) {
        prl_ear_close(ear);
        err = prl_ear_open(ear, listener, work->start);
    }
    if (!err)
        err = feed(ear, work->end);
    if (!err)
        err = prl_live_commit(ear->live);
    if (err)
        prl_ear_close(ear);
    else
        ear->asked = work->end;
    return err;
}

void prl_ear_close(struct prl_ear *ear)
{
    prl_live_close(&ear->live);
}
