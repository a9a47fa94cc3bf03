// calibration.c -- see calibration.h. The file is small and rewritten whole.
#include "tts/calibration.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"

enum { LINE_SIZE = 512, PATH_SIZE = 1024, KEY_SIZE = 256, LINES_MAX = 8 };

#ifndef PRL_VERSION
#define PRL_VERSION "0"
#endif

// "THREADS VERSION CPU": what the figure depends on.
static void key_make(int threads, char key[KEY_SIZE])
{
    char line[LINE_SIZE], cpu[KEY_SIZE] = "unknown";
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file && fgets(line, sizeof(line), file)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon)
            continue;
        (void)prl_str_copy(cpu, sizeof(cpu), colon + 2);
        cpu[strcspn(cpu, "\n")] = '\0';
        break;
    }
    if (file)
        (void)fclose(file);
    (void)snprintf(key, KEY_SIZE, "%d %s %.180s", threads > 0 ? threads : 1, PRL_VERSION, cpu);
}

static bool path_make(const char *folder, char path[PATH_SIZE])
{
    int len = folder ? snprintf(path, PATH_SIZE, "%s/tts-calibration", folder) : -1;
    return len > 0 && len < PATH_SIZE;
}

// Is `line` of this key? It is cut at its figure's end if so.
static bool is_of(char *line, const char *key)
{
    line[strcspn(line, "\n")] = '\0';
    char *rest = strchr(line, ' ');
    if (!rest || strcmp(rest + 1, key) != 0)
        return false;
    *rest = '\0';
    return true;
}

double prl_calibration_read(const char *folder, int threads)
{
    char path[PATH_SIZE], key[KEY_SIZE], line[LINE_SIZE];
    if (!path_make(folder, path))
        return 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    key_make(threads, key);
    double rtf = 0;
    bool found = false;
    for (int i = 0; i < LINES_MAX && !found && fgets(line, sizeof(line), file); i++)
        found = is_of(line, key);
    (void)fclose(file);
    return found && prl_str_to_double(line, &rtf) && rtf > 0 && rtf < 1000 ? rtf : 0;
}

// What is known of other machines and numbers of threads, line by line.
static void read_others(const char *path, const char *key, struct prl_str *others)
{
    char line[LINE_SIZE];
    FILE *file = fopen(path, "re");
    for (int i = 1; file && i < LINES_MAX && fgets(line, sizeof(line), file);) {
        if (is_of(line, key))
            continue;
        (void)prl_str_addf(others, "%s\n", line);
        i++;
    }
    if (file)
        (void)fclose(file);
}

void prl_calibration_write(const char *folder, int threads, double rtf)
{
    char path[PATH_SIZE], key[KEY_SIZE];
    struct prl_str others;
    if (!path_make(folder, path))
        return;
    key_make(threads, key);
    prl_str_init(&others, (size_t)LINES_MAX * LINE_SIZE);
    read_others(path, key, &others);
    FILE *file = fopen(path, "we");
    bool written = file && fprintf(file, "%.4f %s\n%s", rtf, key, prl_str_text(&others)) > 0;
    if (file)
        written = fclose(file) == 0 && written;
    prl_str_free(&others);
    if (!written)
        prl_log(PRL_LOG_WARN, "tts", "%s cannot be written: the next start calibrates again", path);
}
