// cmd_lane.c -- `parley lane KIND`: the child process in which engine.isolate runs an engine.
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/lane_child.h"
#include "server/cmd.h"
#include "server/engines.h"
#include "server/settings.h"

enum { PAIRS_MAX = 512 };

static const char usage[] =
    "usage: parley lane stt|llm|tts|eot\n"
    "Started by `parley serve` when engine.isolate says so; it does nothing on its own.\n";

static bool is_kind(const char *kind)
{
    return strcmp(kind, "stt") == 0 || strcmp(kind, "llm") == 0 || strcmp(kind, "tts") == 0 ||
           strcmp(kind, "eot") == 0;
}

// The settings that the parent has, as "key=value" texts.
static enum prl_err read_settings(struct prl_lane_child *child, struct prl_settings *settings,
                                  char *why)
{
    char *data;
    size_t size;
    const char *pairs[PAIRS_MAX];
    size_t count = 0;
    enum prl_err err = prl_lane_child_hello(child, &data, &size);
    if (err)
        return err;
    for (size_t at = 0; at < size && count < PAIRS_MAX; at += strlen(data + at) + 1)
        pairs[count++] = data + at;
    err = prl_settings_load(settings, NULL, pairs, count, why);
    prl_mem_free(data);
    return err;
}

static enum prl_err serve(const char *kind)
{
    struct prl_lane_child *child;
    struct prl_settings settings;
    char why[PRL_ENGINES_WHY_SIZE] = "";
    enum prl_err err = prl_lane_child_create(&child, PRL_LANE_FD);
    if (!err)
        err = read_settings(child, &settings, why);
    if (err)
        return err;
    prl_log_set_level((enum prl_log_level)settings.log_level);
    prl_log_set_json(settings.log_json);
    err = prl_engines_serve(kind, &settings, child, why);
    if (err)
        prl_lane_child_fail(child, err, why[0] ? why : prl_err_name(err));
    return err;
}

int prl_cmd_lane(int argc, char **argv)
{
    if (argc != 2 || !is_kind(argv[1])) {
        fputs(usage, stderr);
        return 2;
    }
    // The parent ends it, whoever asks the group to go; and a parent that is gone has no use for it.
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    enum prl_err err = serve(argv[1]);
    // The engine may be in a step that nobody waits for: no end but this one.
    _exit(err != PRL_OK);
}
