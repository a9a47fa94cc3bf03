// near.c -- see near.h. One order at a time leaves nothing to be undone by an abort but that one.
#include "stt/near.h"

#include "base/check.h"
#include "base/mem.h"
#include "net/lane_child.h"
#include "net/share.h"
#include "stt/timeline.h"

enum {
    LANE_NICE = 10,
    QUEUE_MAX = 4, // one order is under way at a time, of all fronts
};

struct prl_stt_near {
    // Set once.
    const struct prl_stt_near_ops *ops;
    void *arg;
    bool joined; // another front owns worker, share and lane
    unsigned front;
    // Owned.
    struct prl_port *port;
    struct prl_stt_worker *worker;
    struct prl_share *share;
    struct prl_lane *lane;
    // State.
    uint64_t orders; // sent so far
    uint64_t order;  // under way; 0: nothing
};

static const struct prl_stt_backend_ops *const BACKENDS[PRL_STT_ENGINE_COUNT] = {
    [PRL_STT_ENGINE_MOONSHINE] = &prl_stt_moonshine,
    [PRL_STT_ENGINE_WHISPER] = &prl_stt_whisper,
    [PRL_STT_ENGINE_USER] = &prl_stt_user,
};

const struct prl_stt_backend_ops *const *prl_stt_near_backends(const struct prl_stt_conf *conf)
{
    return conf->backends ? conf->backends : BACKENDS;
}

// ---- what the lane says ----

static void take_reply(struct prl_stt_near *near, const struct prl_msg *msg)
{
    PRL_CHECK(near->order == msg->id);
    near->order = 0;
    prl_share_end(near->share, near->front);
    struct prl_stt_reply nothing = {.err = (enum prl_err)msg->value[0], .engine = ""};
    near->ops->reply(near->arg, msg->data ? msg->data : &nothing);
}

static void on_message(void *arg, struct prl_msg *msg)
{
    struct prl_stt_near *near = arg;
    if (msg->type == PRL_SHARE_TURN) {
        prl_share_turn(near->share, near->front);
        near->ops->turn(near->arg);
        prl_share_pass(near->share, near->front);
    } else if (msg->type == PRL_SHARE_STARTED) {
        near->ops->started(near->arg, (enum prl_err)msg->value[0], msg->data);
    } else {
        take_reply(near, msg);
    }
}

static void on_started(void *arg, enum prl_err err, const char *error)
{
    struct prl_stt_near *near = arg;
    prl_share_started(near->share, err, error);
    near->ops->started(near->arg, err, error);
}

// ---- orders ----

static uint64_t next_order(const struct prl_stt_near *near)
{
    return prl_share_id(near->front, near->orders + 1);
}

bool prl_stt_near_begin(struct prl_stt_near *near, unsigned rank)
{
    uint64_t in_the_way;
    struct prl_share_wish wish = {.front = near->front,
                                  .rank = rank,
                                  .order = next_order(near),
                                  .urgent = rank == PRL_RANK_FINAL};
    bool mine = prl_share_begin(near->share, &wish, &in_the_way);
    if (in_the_way)
        prl_stt_worker_abort(near->worker, in_the_way);
    return mine;
}

enum prl_err prl_stt_near_send(struct prl_stt_near *near, struct prl_stt_order *order, size_t size)
{
    PRL_CHECK(near->order == 0);
    struct prl_msg msg = {.id = next_order(near), .data = order, .size = size};
    enum prl_err err = prl_lane_send(near->lane, &msg);
    if (err) {
        prl_mem_free(order);
        prl_stt_near_end(near);
        return err;
    }
    near->orders++;
    near->order = msg.id;
    return PRL_OK;
}

void prl_stt_near_end(struct prl_stt_near *near)
{
    prl_share_end(near->share, near->front);
}

void prl_stt_near_abort(struct prl_stt_near *near)
{
    PRL_CHECK(near->order != 0);
    prl_stt_worker_abort(near->worker, near->order);
}

// ---- start and end ----

static struct prl_stt_worker_conf worker_conf(const struct prl_stt_conf *conf, const char *language,
                                              struct prl_share *share)
{
    return (struct prl_stt_worker_conf){
        .paths = &conf->paths,
        .backends = prl_stt_near_backends(conf),
        .route = prl_stt_route_of(&conf->paths, conf->ort != NULL || conf->backends != NULL),
        .ort = conf->ort,
        .language = language,
        .traditional = conf->traditional,
        .threads = conf->threads,
        .cores = conf->cores,
        .share = share,
    };
}

static struct prl_lane_conf lane_conf(const struct prl_stt_conf *conf,
                                      struct prl_stt_worker *worker)
{
    return (struct prl_lane_conf){
        .name = "stt",
        .nice = LANE_NICE,
        .queue_max = QUEUE_MAX,
        .ops = &prl_stt_lane_ops,
        .ctx = worker,
        .cores = conf->cores,
    };
}

enum prl_err prl_stt_near_serve(const struct prl_stt_conf *conf, struct prl_lane_child *child)
{
    char language[PRL_STT_LANGUAGE_SIZE];
    struct prl_stt_worker *worker = NULL;
    enum prl_err err = prl_stt_language(conf->language, language);
    struct prl_stt_worker_conf own = worker_conf(conf, language, prl_lane_child_share(child));
    if (!err)
        err = prl_stt_worker_create(&worker, &own); // as long as the process
    struct prl_lane_conf lane = lane_conf(conf, worker);
    return err ? err : prl_lane_child_run(child, &lane, &prl_stt_lane_wire);
}

static enum prl_err join_lane(struct prl_stt_near *near, const struct prl_stt_near *owner)
{
    near->joined = true;
    near->worker = owner->worker;
    near->share = owner->share;
    near->lane = owner->lane;
    return prl_share_join(near->share, near->port, &near->front);
}

static enum prl_err start_lane(struct prl_stt_near *near, const struct prl_stt_conf *conf,
                               const char *language)
{
    enum prl_err err = prl_share_create(&near->share, near->port);
    if (err)
        return err;
    struct prl_stt_worker_conf worker = worker_conf(conf, language, near->share);
    err = prl_stt_worker_create(&near->worker, &worker);
    if (err)
        return err;
    struct prl_lane_conf lane = lane_conf(conf, near->worker);
    lane.loop = conf->loop;
    lane.started = on_started;
    lane.started_arg = near;
    lane.isolate = conf->isolate;
    lane.wire = &prl_stt_lane_wire;
    err = prl_lane_create(&near->lane, &lane);
    if (!err && conf->isolate)
        prl_stt_worker_pass_on(near->worker, near->lane);
    return err;
}

enum prl_err prl_stt_near_create(struct prl_stt_near **out, const struct prl_stt_conf *conf,
                                 const char *language, const struct prl_stt_near *share,
                                 const struct prl_stt_near_ops *ops, void *arg)
{
    struct prl_stt_near *near = prl_mem_zalloc(sizeof(*near));
    *out = near;
    if (!near)
        return PRL_ERR_NOMEM;
    near->ops = ops;
    near->arg = arg;
    enum prl_err err = prl_port_open(&near->port, conf->loop, QUEUE_MAX, on_message, near);
    if (!err)
        err = share ? join_lane(near, share) : start_lane(near, conf, language);
    if (err)
        prl_stt_near_destroy(out);
    return err;
}

static void end_lane(struct prl_stt_near *near)
{
    if (near->order)
        prl_stt_near_abort(near);
    if (near->share)
        prl_share_close(near->share);
    prl_lane_destroy(&near->lane);
    prl_stt_worker_destroy(&near->worker);
    prl_share_destroy(&near->share);
}

void prl_stt_near_destroy(struct prl_stt_near **near)
{
    PRL_CHECK(near != NULL);
    if (!*near)
        return;
    if (!(*near)->joined)
        end_lane(*near);
    prl_port_destroy(&(*near)->port);
    prl_mem_free(*near);
    *near = NULL;
}

const struct prl_stt_route *prl_stt_near_route(const struct prl_stt_near *near)
{
    return prl_stt_worker_route(near->worker);
}
