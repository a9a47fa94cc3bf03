// scene_ear.c -- see scene_ear.h.
#include "tests/bench/scene_ear.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "stt/backend.h"
#include "stt/route.h"

enum { HEARD_MAX = 12 };
enum { IDLE, WORKS, WAITS };

static double pace;
static _Atomic int state;
static _Atomic int64_t due_us;
static _Atomic int heard_count;
static struct scene_heard heard_list[HEARD_MAX];

typedef enum prl_err decode_fn(void *ctx, const struct prl_stt_job *job,
                               struct prl_stt_answer *answer);

static void keep(const struct prl_stt_job *job, const struct prl_stt_answer *answer, int64_t at_us,
                 int64_t work_us)
{
    int index = atomic_load(&heard_count);
    if (index == HEARD_MAX)
        return;
    struct scene_heard *heard = &heard_list[index];
    *heard = (struct scene_heard){.at_us = at_us,
                                  .work_us = work_us,
                                  .samples = job->samples,
                                  .log_prob = answer->mean_log_prob,
                                  .margin = answer->margin};
    (void)snprintf(heard->text, sizeof(heard->text), "%s", prl_str_text(&answer->text));
    atomic_store(&heard_count, index + 1);
}

static enum prl_err hear(decode_fn *decode, void *ctx, const struct prl_stt_job *job,
                         struct prl_stt_answer *answer)
{
    if (!prl_clock_is_held())
        return decode(ctx, job, answer);
    atomic_store(&state, WORKS);
    int64_t from_us = prl_clock_now_us();
    int64_t work_us = -prl_clock_thread_us();
    enum prl_err err = decode(ctx, job, answer);
    work_us += prl_clock_thread_us();
    int64_t until_us = from_us + (int64_t)((double)work_us * pace);
    if (!err)
        keep(job, answer, until_us, work_us);
    atomic_store(&due_us, until_us);
    atomic_store(&state, WAITS);
    while (prl_clock_is_held() && prl_clock_now_us() < until_us && !job->stop(job->stop_arg))
        (void)sched_yield();
    atomic_store(&state, IDLE);
    return job->stop(job->stop_arg) ? PRL_ERR_CANCELED : err;
}

static enum prl_err hear_moonshine(void *ctx, const struct prl_stt_job *job,
                                   struct prl_stt_answer *answer)
{
    return hear(prl_stt_moonshine.decode, ctx, job, answer);
}

static enum prl_err hear_whisper(void *ctx, const struct prl_stt_job *job,
                                 struct prl_stt_answer *answer)
{
    return hear(prl_stt_whisper.decode, ctx, job, answer);
}

const struct prl_stt_backend_ops *const *scene_ears(double slow)
{
    static struct prl_stt_backend_ops moonshine, whisper;
    static const struct prl_stt_backend_ops *const ears[PRL_STT_ENGINE_COUNT] = {
        [PRL_STT_ENGINE_MOONSHINE] = &moonshine,
        [PRL_STT_ENGINE_WHISPER] = &whisper,
        [PRL_STT_ENGINE_USER] = &prl_stt_user,
    };
    pace = slow;
    moonshine = prl_stt_moonshine;
    moonshine.decode = hear_moonshine;
    whisper = prl_stt_whisper;
    whisper.decode = hear_whisper;
    return ears;
}

bool scene_ears_work(size_t backlog)
{
    switch (atomic_load(&state)) {
    case WORKS:
        return true;
    case WAITS:
        return atomic_load(&due_us) <= prl_clock_now_us();
    default:
        return backlog > 0;
    }
}

const struct scene_heard *scene_heard_at(int index)
{
    return index < atomic_load(&heard_count) ? &heard_list[index] : NULL;
}

void scene_heard_forget(void)
{
    atomic_store(&heard_count, 0);
}
