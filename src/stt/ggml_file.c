// ggml_file.c -- see ggml_file.h.
#include "stt/ggml_file.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

enum {
    MAGIC = 0x67676d6c, // "ggml"
    HEADER_COUNT = 12,  // magic and eleven sizes
    MELS_MAX = 256,
    FFT_MAX = 4096,
    TOKENS_MAX = 300000,
    TOKEN_BYTES_MAX = 4096,
    NAME_MAX_BYTES = 255,
    TENSORS_MAX = 4096,
    DIMENSIONS_MAX = 4,
};
static const uint64_t ELEMENTS_MAX = 1ULL << 33;

struct walk {
    prl_ggml_read_fn read;
    void *arg;
    uint64_t at;
    uint64_t size; // of the file
};

static bool take(struct walk *walk, void *out, size_t size)
{
    if (size > walk->size - walk->at || !walk->read(walk->arg, walk->at, out, size))
        return false;
    walk->at += size;
    return true;
}

static bool skip(struct walk *walk, uint64_t size)
{
    if (size > walk->size - walk->at)
        return false;
    walk->at += size;
    return true;
}

// Bytes of `count` elements of a ggml type, 0 for a type that Whisper files do not have.
static uint64_t type_bytes(int32_t type, uint64_t count)
{
    static const struct {
        int32_t type;
        uint32_t block; // elements
        uint32_t bytes; // of one block
    } TYPES[] = {{0, 1, 4},      {1, 1, 2},      {2, 32, 18},    {3, 32, 20},
                 {6, 32, 22},    {7, 32, 24},    {8, 32, 34},    {10, 256, 84},
                 {11, 256, 110}, {12, 256, 144}, {13, 256, 176}, {14, 256, 210}};
    for (size_t i = 0; i < sizeof(TYPES) / sizeof(*TYPES); i++) {
        if (TYPES[i].type == type)
            return count % TYPES[i].block ? 0 : count / TYPES[i].block * TYPES[i].bytes;
    }
    return 0;
}

// Sizes that whisper.cpp multiplies and allocates without looking.
static const char *check_header(struct walk *walk)
{
    static const int32_t MAX[HEADER_COUNT] = {0,    200000, 1500, 4096, 64,       64,
                                              4096, 4096,   64,   64,   MELS_MAX, 3000};
    int32_t header[HEADER_COUNT];
    if (!take(walk, header, sizeof(header)))
        return "cut short in its header";
    if (header[0] != MAGIC)
        return "not a ggml file";
    for (size_t i = 1; i < HEADER_COUNT; i++) {
        bool zero_allowed = i == HEADER_COUNT - 1; // the file type
        if (header[i] < (zero_allowed ? 0 : 1) || header[i] > MAX[i])
            return "impossible sizes in its header";
    }
    if (header[3] % header[4] != 0 || header[7] % header[8] != 0)
        return "impossible sizes in its header";
    return NULL;
}

static const char *check_tables(struct walk *walk)
{
    int32_t mel[2], tokens;
    if (!take(walk, mel, sizeof(mel)))
        return "cut short in its filters";
    if (mel[0] < 1 || mel[0] > MELS_MAX || mel[1] < 1 || mel[1] > FFT_MAX)
        return "impossible filters";
    if (!skip(walk, (uint64_t)mel[0] * (uint64_t)mel[1] * sizeof(float)))
        return "cut short in its filters";
    if (!take(walk, &tokens, sizeof(tokens)))
        return "cut short in its vocabulary";
    if (tokens < 1 || tokens > TOKENS_MAX)
        return "impossible vocabulary";
    for (int32_t i = 0; i < tokens; i++) {
        int32_t len;
        if (!take(walk, &len, sizeof(len)) || len < 0 || len > TOKEN_BYTES_MAX ||
            !skip(walk, (uint64_t)len))
            return "cut short in its vocabulary";
    }
    return NULL;
}

static const char *check_tensor(struct walk *walk)
{
    int32_t head[3], shape[DIMENSIONS_MAX];
    if (!take(walk, head, sizeof(head)))
        return "cut short between tensors";
    if (head[0] < 1 || head[0] > DIMENSIONS_MAX || head[1] < 1 || head[1] > NAME_MAX_BYTES)
        return "impossible tensor";
    uint64_t count = 1;
    if (!take(walk, shape, (size_t)head[0] * sizeof(*shape)))
        return "cut short between tensors";
    for (int32_t i = 0; i < head[0]; i++) {
        if (shape[i] < 1 || (count *= (uint64_t)shape[i]) > ELEMENTS_MAX)
            return "impossible tensor";
    }
    uint64_t bytes = type_bytes(head[2], count);
    if (bytes == 0)
        return "tensor of an unknown type";
    return skip(walk, (uint64_t)head[1]) && skip(walk, bytes) ? NULL : "cut short inside a tensor";
}

enum prl_err prl_ggml_check(prl_ggml_read_fn read, void *arg, uint64_t file_size, char *why,
                            size_t why_size)
{
    PRL_CHECK(read != NULL);
    struct walk walk = {.read = read, .arg = arg, .size = file_size};
    const char *wrong = check_header(&walk);
    if (!wrong)
        wrong = check_tables(&walk);
    size_t tensors = 0;
    while (!wrong && walk.at < walk.size)
        wrong = ++tensors > TENSORS_MAX ? "too many tensors" : check_tensor(&walk);
    if (!wrong && tensors == 0)
        wrong = "no tensors";
    if (!wrong)
        return PRL_OK;
    (void)snprintf(why, why_size, "%s (at byte %llu of %llu)", wrong, (unsigned long long)walk.at,
                   (unsigned long long)file_size);
    return PRL_ERR_INVALID;
}

static bool read_file(void *arg, uint64_t at, void *out, size_t size)
{
    FILE *file = arg;
    return fseeko(file, (off_t)at, SEEK_SET) == 0 && fread(out, 1, size, file) == size;
}

enum prl_err prl_ggml_file_check(const char *path, char *why, size_t why_size)
{
    FILE *file = fopen(path, "rbe");
    if (!file) {
        (void)snprintf(why, why_size, "cannot read %s", path);
        return PRL_ERR_NOTFOUND;
    }
    char wrong[128] = "";
    off_t size = fseeko(file, 0, SEEK_END) == 0 ? ftello(file) : -1;
    enum prl_err err = size < 0
                           ? PRL_ERR_IO
                           : prl_ggml_check(read_file, file, (uint64_t)size, wrong, sizeof(wrong));
    if (err)
        (void)snprintf(why, why_size, "%s: %s; fetch it again", path, wrong);
    (void)fclose(file);
    return err;
}
