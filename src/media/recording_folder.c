// recording_folder.c -- see recording_folder.h. Nothing is remembered between two calls: the folder is the
// truth, also about what others removed from it.
#include "media/recording_folder.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

enum { TIME_LEN = 20, WALL_SIZE = 25, SECOND_US = 1000000 };

static const char form[] = "0000-00-00T00-00-00Z_";
static const char *const endings[] = {".wav", ".jsonl"};

enum prl_err prl_recording_folder_open(int *out, const char *path, bool *open_to_others)
{
    struct stat info;
    *out = -1;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return PRL_ERR_IO;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return PRL_ERR_IO;
    if (fstat(fd, &info) != 0 || faccessat(fd, ".", W_OK | X_OK, 0) != 0) {
        int why = errno;
        close(fd);
        errno = why;
        return PRL_ERR_IO;
    }
    *open_to_others = (info.st_mode & 077) != 0;
    *out = fd;
    return PRL_OK;
}

enum prl_err prl_recording_folder_stem(char out[PRL_RECORDING_STEM_SIZE], int64_t wall_us,
                                       const char *id)
{
    char wall[WALL_SIZE];
    for (const char *at = id; *at; at++)
        if (!isalnum((unsigned char)*at) && *at != '-' && *at != '_')
            return PRL_ERR_INVALID;
    prl_clock_wall_text(wall_us, wall, sizeof(wall));
    wall[13] = wall[16] = '-'; // no colons: file systems of others dislike them
    int len = snprintf(out, PRL_RECORDING_STEM_SIZE, "%.19sZ_%s", wall, id);
    return len < PRL_RECORDING_STEM_SIZE && *id ? PRL_OK : PRL_ERR_INVALID;
}

// The stem of a recording's file; false: it is another one.
static bool stem_of(char out[PRL_RECORDING_STEM_SIZE], const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < sizeof(form) - 1; i++)
        if (form[i] == '0' ? !isdigit((unsigned char)name[i]) : name[i] != form[i])
            return false;
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        size_t stem = len - strlen(endings[i]);
        if (len <= sizeof(form) - 1 + strlen(endings[i]) || strcmp(name + stem, endings[i]) != 0 ||
            stem >= PRL_RECORDING_STEM_SIZE)
            continue;
        memcpy(out, name, stem);
        out[stem] = '\0';
        return true;
    }
    return false;
}

struct look {
    uint64_t bytes;
    char oldest[PRL_RECORDING_STEM_SIZE]; // that may go; "" for none
    bool outlived;                        // it is older than it may be
};

static void look_at(struct look *look, const struct prl_recording_folder_limits *limits,
                    int64_t wall_us, const char *stem, const struct stat *info)
{
    look->bytes += (uint64_t)info->st_size;
    if (look->oldest[0] && strcmp(stem, look->oldest) >= 0)
        return;
    if (limits->busy && limits->busy(limits->arg, stem))
        return;
    int64_t age_us = wall_us - (int64_t)info->st_mtime * SECOND_US;
    look->outlived = limits->keep_us > 0 && age_us > limits->keep_us;
    memcpy(look->oldest, stem, strlen(stem) + 1);
}

static enum prl_err look_around(int folder, const struct prl_recording_folder_limits *limits,
                                int64_t wall_us, struct look *look)
{
    *look = (struct look){0};
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); // its own place in the list
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return PRL_ERR_IO;
    }
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) { // NOLINT(concurrency-mt-unsafe): a list of our own
        char stem[PRL_RECORDING_STEM_SIZE];
        struct stat info;
        if (stem_of(stem, entry->d_name) &&
            fstatat(folder, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(info.st_mode))
            look_at(look, limits, wall_us, stem, &info);
    }
    closedir(dir);
    return PRL_OK;
}

static enum prl_err remove_both(int folder, const char *stem)
{
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        char name[PRL_RECORDING_STEM_SIZE + 8];
        snprintf(name, sizeof(name), "%s%s", stem, endings[i]);
        if (unlinkat(folder, name, 0) != 0 && errno != ENOENT)
            return PRL_ERR_IO;
    }
    return PRL_OK;
}

enum prl_err prl_recording_folder_tidy(int folder, const struct prl_recording_folder_limits *limits,
                                       int64_t wall_us, uint64_t *bytes, size_t *removed)
{
    struct look look;
    *removed = 0;
    enum prl_err err = look_around(folder, limits, wall_us, &look);
    while (!err && look.oldest[0] && (look.outlived || look.bytes > limits->bytes_max) &&
           *removed < PRL_RECORDING_REMOVALS_MAX) {
        err = remove_both(folder, look.oldest);
        if (!err) {
            ++*removed;
            err = look_around(folder, limits, wall_us, &look);
        }
    }
    *bytes = look.bytes;
    return err;
}
