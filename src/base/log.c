// log.c -- see log.h. The writer is the one process-wide object outside server/: a log that had to
// be passed to every function would be in every signature, and it holds no behaviour.
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "base/str.h"

enum { LINE_MAX_BYTES = 2000, QUEUE_MAX = 1024 };

static struct {
    atomic_int level;
    atomic_bool json;
    atomic_bool running;
    atomic_llong dropped;
    struct prl_mailbox *queue;
    pthread_t thread;
} writer = {.level = PRL_LOG_INFO};

static const char *const level_names[PRL_LOG_COUNT] = {"error", "warn", "info", "debug"};

bool prl_log_level_parse(const char *name, enum prl_log_level *level)
{
    for (int i = 0; i < PRL_LOG_COUNT; i++)
        if (strcmp(name, level_names[i]) == 0) {
            *level = (enum prl_log_level)i;
            return true;
        }
    return false;
}

void prl_log_set_level(enum prl_log_level level)
{
    atomic_store(&writer.level, (int)level);
}

void prl_log_set_json(bool json)
{
    atomic_store(&writer.json, json);
}

static void add_json_text(struct prl_str *line, const char *text)
{
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\')
            prl_str_addf(line, "\\%c", byte);
        else if (byte < 0x20)
            prl_str_addf(line, "\\u%04x", byte);
        else
            prl_str_addc(line, (char)byte);
    }
}

// One log event is one line: control bytes in foreign text must not forge another.
static void flatten(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7F)
            *text = ' ';
}

static void write_line(const char *line)
{
    fputs(line, stderr);
    fputc('\n', stderr);
}

void prl_log(enum prl_log_level level, const char *where, const char *format, ...)
{
    if ((int)level > atomic_load_explicit(&writer.level, memory_order_relaxed))
        return;
    char text[LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    flatten(text);
    text[prl_utf8_whole(text, strlen(text))] = '\0';

    char when[32];
    prl_clock_wall_text(prl_clock_wall_us(), when, sizeof(when));
    struct prl_str line;
    prl_str_init(&line, LINE_MAX_BYTES * 6 + 200);
    if (atomic_load(&writer.json)) {
        prl_str_addf(&line, "{\"time\":\"%s\",\"level\":\"%s\",\"where\":\"%s\",\"message\":\"",
                     when, level_names[level], where);
        add_json_text(&line, text);
        prl_str_adds(&line, "\"}");
    } else {
        prl_str_addf(&line, "%s %-5s %s: %s", when, level_names[level], where, text);
    }
    if (line.err) {
        atomic_fetch_add(&writer.dropped, 1);
        prl_str_free(&line);
        return;
    }
    if (!atomic_load(&writer.running)) {
        write_line(line.data);
        prl_str_free(&line);
        return;
    }
    struct prl_msg msg = {.data = prl_str_give(&line)};
    if (prl_mailbox_send(writer.queue, &msg) != PRL_OK) {
        atomic_fetch_add(&writer.dropped, 1);
        prl_msg_free(&msg);
    }
}

static void *run_writer(void *arg)
{
    (void)arg;
    struct prl_msg msg;
    while (prl_mailbox_wait(writer.queue, &msg, -1) == PRL_OK) {
        write_line(msg.data);
        prl_msg_free(&msg);
        long long dropped = atomic_exchange(&writer.dropped, 0);
        if (dropped > 0)
            fprintf(stderr, "log: %lld lines dropped, more than %d were waiting\n", dropped,
                    QUEUE_MAX);
    }
    fflush(stderr);
    return NULL;
}

enum prl_err prl_log_start(void)
{
    PRL_CHECK(!atomic_load(&writer.running));
    enum prl_err err = prl_mailbox_create(&writer.queue, QUEUE_MAX);
    if (err)
        return err;
    if (pthread_create(&writer.thread, NULL, run_writer, NULL) != 0) {
        prl_mailbox_destroy(&writer.queue);
        return PRL_ERR_IO;
    }
    atomic_store(&writer.running, true);
    return PRL_OK;
}

void prl_log_stop(void)
{
    if (!atomic_exchange(&writer.running, false))
        return;
    prl_mailbox_close(writer.queue);
    pthread_join(writer.thread, NULL);
    prl_mailbox_destroy(&writer.queue);
}
