// calibration.c -- see calibration.h. The file is small and rewritten whole: one figure is kept, that
// of the machine that started last.
#include "tts/calibration.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"

enum { LINE_SIZE = 512, PATH_SIZE = 1024, KEY_SIZE = 256 };

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

double prl_calibration_read(const char *folder, int threads)
{
    char path[PATH_SIZE], key[KEY_SIZE], line[LINE_SIZE] = "";
    if (!path_make(folder, path))
        return 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    bool read = fgets(line, sizeof(line), file) != NULL;
    (void)fclose(file);
    key_make(threads, key);
    line[strcspn(line, "\n")] = '\0';
    char *rest = strchr(line, ' ');
    if (!read || !rest || strcmp(rest + 1, key) != 0)
        return 0;
    *rest = '\0';
    double rtf = 0;
    return prl_str_to_double(line, &rtf) && rtf > 0 && rtf < 1000 ? rtf : 0;
}

void prl_calibration_write(const char *folder, int threads, double rtf)
{
    char path[PATH_SIZE], key[KEY_SIZE];
    if (!path_make(folder, path))
        return;
    key_make(threads, key);
    FILE *file = fopen(path, "we");
    bool written = file && fprintf(file, "%.4f %s\n", rtf, key) > 0;
    if (file)
        written = fclose(file) == 0 && written;
    if (!written)
        prl_log(PRL_LOG_WARN, "tts", "%s cannot be written: the next start calibrates again", path);
}
