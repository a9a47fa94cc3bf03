// load.c -- see load.h.
#include "client/load.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/loop.h"

struct slot {
    struct prl_load *load;
    void *line; // owned
    bool open, over;
};

struct prl_load {
    struct prl_load_conf conf;
    struct prl_line_group *group; // owned
    struct prl_timer *timer;      // owned: the next session connects
    uint32_t started, opened, over;
    bool ending, told_open, told_first;
    struct prl_load_report report; // its arrays are owned
    struct slot slots[];
};

static void tell_open(struct prl_load *load)
{
    if (load->told_open || load->started < load->conf.sessions)
        return;
    uint32_t waiting = 0;
    for (uint32_t i = 0; i < load->started; i++)
        waiting += !load->slots[i].open && !load->slots[i].over;
    if (waiting > 0)
        return;
    load->told_open = true;
    load->conf.all_open(load->conf.arg);
}

static void on_opened(void *arg)
{
    struct slot *slot = arg;
    slot->open = true;
    slot->load->opened++;
    tell_open(slot->load);
}

static void on_done(void *arg)
{
    struct slot *slot = arg;
    struct prl_load *load = slot->load;
    slot->over = true;
    load->over++;
    tell_open(load);
    if (slot->open && !load->told_first) {
        load->told_first = true;
        load->conf.first_done(load->conf.arg);
    }
    if (load->over == load->started && (load->started == load->conf.sessions || load->ending)) {
        prl_timer_stop(load->timer);
        load->conf.done(load->conf.arg);
    }
}

static void on_connect_due(void *arg)
{
    struct prl_load *load = arg;
    if (load->started == load->conf.sessions)
        return;
    uint32_t index = load->started;
    struct slot *slot = &load->slots[index];
    struct prl_line_conf line = {.group = load->group,
                                 .talker = load->conf.talker,
                                 .semantic = load->conf.semantic,
                                 .opened = on_opened,
                                 .done = on_done,
                                 .arg = slot};
    // Spread evenly over the period in whatever order they connect, and behind the last connection.
    uint64_t period_ms = load->conf.period_ms;
    uint64_t rest_ms = (uint64_t)load->conf.connect_ms * (load->conf.sessions - 1 - index);
    line.talker.lead_ms += (uint32_t)(rest_ms + (uint64_t)index * 7919 % load->conf.sessions *
                                                    period_ms / load->conf.sessions);
    load->started++;
    if (load->started < load->conf.sessions)
        prl_timer_start(load->timer, prl_clock_now_us() + (int64_t)load->conf.connect_ms * 1000);
    enum prl_err err = load->conf.transport->create(&slot->line, &line);
    if (err) {
        (void)prl_str_copy(load->report.why, sizeof(load->report.why), prl_err_name(err));
        on_done(slot);
    }
}

enum prl_err prl_load_create(struct prl_load **out, const struct prl_load_conf *conf)
{
    PRL_CHECK(conf->sessions >= 1 && conf->sessions <= PRL_LOAD_SESSIONS_MAX);
    struct prl_load *load = prl_mem_zalloc(sizeof(*load) + conf->sessions * sizeof(load->slots[0]));
    *out = load;
    if (!load)
        return PRL_ERR_NOMEM;
    load->conf = *conf;
    for (uint32_t i = 0; i < conf->sessions; i++)
        load->slots[i].load = load;
    enum prl_err err = conf->transport->open_group(&load->group, &conf->group);
    if (!err)
        err = prl_timer_create(&load->timer, conf->group.loop, "load", on_connect_due, load);
    if (err)
        prl_load_destroy(out);
    else
        prl_timer_start(load->timer, 0);
    return err;
}

static void free_figures(struct prl_load_report *report)
{
    prl_mem_free(report->delay.us);
    prl_mem_free(report->after.us);
    prl_mem_free(report->own.us);
    prl_mem_free(report->connect.us);
    prl_mem_free(report->refuse.us);
    prl_mem_free(report->pacing.us);
}

void prl_load_destroy(struct prl_load **load)
{
    if (!*load)
        return;
    for (uint32_t i = 0; i < (*load)->started; i++)
        (*load)->conf.transport->destroy(&(*load)->slots[i].line);
    (*load)->conf.transport->close_group(&(*load)->group);
    prl_timer_destroy(&(*load)->timer);
    free_figures(&(*load)->report);
    prl_mem_free(*load);
    *load = NULL;
}

void prl_load_end(struct prl_load *load)
{
    if (load->ending)
        return;
    load->ending = true;
    prl_timer_stop(load->timer);
    if (load->over == load->started) {
        load->conf.done(load->conf.arg);
        return;
    }
    for (uint32_t i = 0; i < load->started; i++)
        if (!load->slots[i].over)
            load->conf.transport->end(load->slots[i].line);
}

uint32_t prl_load_open_count(const struct prl_load *load)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < load->started; i++)
        count += load->slots[i].open && !load->slots[i].over;
    return count;
}

uint64_t prl_load_turns(const struct prl_load *load)
{
    uint64_t turns = 0;
    for (uint32_t i = 0; i < load->started; i++) {
        struct prl_line_result result;
        if (!load->slots[i].line)
            continue;
        load->conf.transport->result(load->slots[i].line, &result);
        turns += result.talk.turns;
    }
    return turns;
}

// ---- report ----

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void add_turn(struct prl_load *load, const struct prl_talker_result *talk, uint32_t turn)
{
    struct prl_load_report *report = &load->report;
    report->delay.us[report->delay.count++] = talk->delay_us[turn];
    int64_t after_us = talk->after_us[turn];
    if (after_us < 0)
        return;
    report->after.us[report->after.count++] = after_us;
    int64_t engines_us = load->conf.engines_us;
    int64_t waited_us = load->conf.silence_us ? load->conf.silence_us : talk->waited_us[turn];
    if (engines_us == 0 || waited_us < 0)
        return;
    int64_t rest_us = engines_us > waited_us ? engines_us - waited_us : 0;
    report->own.us[report->own.count++] = after_us - rest_us;
}

static void add_line(struct prl_load *load, const struct prl_line_result *line, bool open)
{
    struct prl_load_report *report = &load->report;
    report->connected += open;
    report->finished += line->outcome == PRL_LINE_FINISHED;
    report->refused += line->outcome == PRL_LINE_REFUSED;
    report->broken += line->outcome == PRL_LINE_BROKEN;
    report->marked += line->talk.marked;
    report->unanswered += line->talk.unanswered;
    report->early += line->talk.early;
    report->errors += line->errors;
    report->packets += line->packets;
    report->lost += line->lost;
    struct prl_load_figures *figures = open ? &report->connect : &report->refuse;
    if (open || line->outcome == PRL_LINE_REFUSED)
        figures->us[figures->count++] = line->connect_us;
    for (uint32_t i = 0; i < line->talk.turns; i++)
        add_turn(load, &line->talk, i);
    for (size_t i = 0; i < line->pacing_count; i++)
        report->pacing.us[report->pacing.count++] = line->pacing_us[i];
    if (!report->why[0] && line->why[0] && line->outcome != PRL_LINE_REFUSED)
        (void)prl_str_copy(report->why, sizeof(report->why), line->why);
}

static enum prl_err make_room(struct prl_load *load)
{
    struct prl_load_report *report = &load->report;
    size_t packets = 0;
    for (uint32_t i = 0; i < load->started; i++) {
        struct prl_line_result line;
        if (!load->slots[i].line)
            continue;
        load->conf.transport->result(load->slots[i].line, &line);
        packets += line.pacing_count;
    }
    free_figures(report);
    char why[PRL_LINE_WHY_SIZE];
    memcpy(why, report->why, sizeof(why));
    *report = (struct prl_load_report){.sessions = load->conf.sessions};
    memcpy(report->why, why, sizeof(why));
    size_t sessions = load->conf.sessions;
    report->delay.us = prl_mem_array(sessions * load->conf.talker.turns, sizeof(int64_t));
    report->after.us = prl_mem_array(sessions * load->conf.talker.turns, sizeof(int64_t));
    report->own.us = prl_mem_array(sessions * load->conf.talker.turns, sizeof(int64_t));
    report->connect.us = prl_mem_array(sessions, sizeof(int64_t));
    report->refuse.us = prl_mem_array(sessions, sizeof(int64_t));
    report->pacing.us = prl_mem_array(packets + 1, sizeof(int64_t));
    bool whole = report->delay.us && report->after.us && report->own.us && report->connect.us &&
                 report->refuse.us && report->pacing.us;
    return whole ? PRL_OK : PRL_ERR_NOMEM;
}

enum prl_err prl_load_report(struct prl_load *load, struct prl_load_report *out)
{
    struct prl_load_report *report = &load->report;
    enum prl_err err = make_room(load);
    if (err)
        return err;
    for (uint32_t i = 0; i < load->started; i++) {
        struct prl_line_result line;
        if (load->slots[i].line) {
            load->conf.transport->result(load->slots[i].line, &line);
            add_line(load, &line, load->slots[i].open);
        } else {
            report->broken++;
        }
    }
    report->turns = report->delay.count;
    struct prl_load_figures *all[] = {&report->delay,   &report->after,  &report->own,
                                      &report->connect, &report->refuse, &report->pacing};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        qsort(all[i]->us, all[i]->count, sizeof(int64_t), compare);
    *out = *report;
    return PRL_OK;
}

int64_t prl_load_quantile(const struct prl_load_figures *figures, double share)
{
    if (figures->count == 0)
        return 0;
    double rank = ceil(share * (double)figures->count);
    size_t index = rank < 1 ? 0 : (size_t)rank - 1;
    return figures->us[index < figures->count ? index : figures->count - 1];
}
