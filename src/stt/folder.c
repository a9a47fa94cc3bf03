// folder.c -- see folder.h.
#include "stt/folder.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"

enum { ENTRIES_MAX = 1000, TAIL_SIZE = 64 * 1024 };

// Takes the file when it fits and is a better choice than what is there.
static void offer(char *slot, const char *dir, const char *name, const char *prefix)
{
    if (!prl_str_starts(name, prefix) || !prl_str_ends(name, ".onnx"))
        return;
    if (slot[0] && !strstr(name, "int8"))
        return;
    if (snprintf(slot, PRL_FOLDER_PATH_MAX, "%s/%s", dir, name) >= PRL_FOLDER_PATH_MAX)
        slot[0] = '\0';
}

static enum prl_err list_files(struct prl_folder *folder, const char *dir)
{
    DIR *list = opendir(dir);
    if (!list)
        return PRL_ERR_NOTFOUND;
    const struct dirent *entry;
    int count = 0;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): a DIR of our own
    while ((entry = readdir(list)) != NULL && count++ < ENTRIES_MAX) {
        offer(folder->model, dir, entry->d_name, "model");
        offer(folder->encoder, dir, entry->d_name, "encoder");
        offer(folder->decoder, dir, entry->d_name, "decoder");
        offer(folder->joiner, dir, entry->d_name, "joiner");
        if (strcmp(entry->d_name, "tokens.txt") == 0 &&
            snprintf(folder->tokens, sizeof(folder->tokens), "%s/tokens.txt", dir) >=
                (int)sizeof(folder->tokens))
            folder->tokens[0] = '\0';
    }
    (void)closedir(list);
    return count > ENTRIES_MAX ? PRL_ERR_LIMIT : PRL_OK;
}

// Whether the end of the file, where an ONNX model describes itself, holds the text.
static bool tail_says(const char *path, const char *text)
{
    FILE *file = fopen(path, "rbe");
    char *tail = prl_mem_alloc(TAIL_SIZE);
    bool found = false;
    if (file && tail && fseeko(file, 0, SEEK_END) == 0) {
        off_t size = ftello(file);
        off_t start = size > TAIL_SIZE ? size - TAIL_SIZE : 0;
        size_t got = fseeko(file, start, SEEK_SET) == 0 ? fread(tail, 1, TAIL_SIZE, file) : 0;
        found = memmem(tail, got, text, strlen(text)) != NULL;
    }
    prl_mem_free(tail);
    if (file)
        (void)fclose(file);
    return found;
}

static enum prl_err kind_of_single(struct prl_folder *folder, const char *dir)
{
    bool sense = tail_says(folder->model, "sense_voice");
    bool para = tail_says(folder->model, "paraformer");
    if (!sense && !para) {
        sense =
            strstr(dir, "sense-voice") || strstr(dir, "sensevoice") || strstr(dir, "SenseVoice");
        para = strstr(dir, "paraformer") || strstr(dir, "Paraformer");
    }
    folder->kind = sense ? PRL_FOLDER_SENSE_VOICE : PRL_FOLDER_PARAFORMER;
    return sense || para ? PRL_OK : PRL_ERR_INVALID;
}

static const char *find_kind(struct prl_folder *folder, const char *dir)
{
    if (!folder->tokens[0])
        return "no tokens.txt";
    if (folder->encoder[0] && folder->decoder[0]) {
        bool offline = tail_says(folder->encoder, "non-streaming");
        folder->kind = !folder->joiner[0] ? PRL_FOLDER_STREAMING_PARAFORMER
                       : offline          ? PRL_FOLDER_TRANSDUCER
                                          : PRL_FOLDER_STREAMING_TRANSDUCER;
        return NULL;
    }
    if (folder->encoder[0] || folder->decoder[0] || folder->joiner[0])
        return folder->encoder[0] ? "no decoder*.onnx" : "no encoder*.onnx";
    if (!folder->model[0])
        return "no model.onnx, model.int8.onnx or encoder*.onnx";
    if (kind_of_single(folder, dir) != PRL_OK)
        return "model.onnx is neither SenseVoice nor Paraformer (name the folder after its kind)";
    return NULL;
}

enum prl_err prl_folder_look(struct prl_folder *folder, const char *dir, char *why, size_t why_size)
{
    PRL_CHECK(folder != NULL && dir != NULL);
    *folder = (struct prl_folder){.kind = PRL_FOLDER_SENSE_VOICE};
    struct stat info;
    enum prl_err err = stat(dir, &info) == 0 && S_ISDIR(info.st_mode) ? PRL_OK : PRL_ERR_NOTFOUND;
    if (!err)
        err = list_files(folder, dir);
    if (err) {
        (void)snprintf(why, why_size, "%s: %s", dir,
                       err == PRL_ERR_LIMIT ? "more than 1,000 files" : "no such folder");
        return err;
    }
    const char *wrong = find_kind(folder, dir);
    if (!wrong)
        return PRL_OK;
    (void)snprintf(why, why_size, "%s is no speech model that we know: %s", dir, wrong);
    return PRL_ERR_INVALID;
}

const char *prl_folder_kind_name(enum prl_folder_kind kind)
{
    switch (kind) {
    case PRL_FOLDER_SENSE_VOICE:
        return "SenseVoice";
    case PRL_FOLDER_PARAFORMER:
        return "Paraformer";
    case PRL_FOLDER_STREAMING_PARAFORMER:
        return "streaming Paraformer";
    case PRL_FOLDER_TRANSDUCER:
        return "transducer";
    case PRL_FOLDER_STREAMING_TRANSDUCER:
        return "streaming transducer";
    }
    return "";
}
