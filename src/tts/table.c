// table.c -- see table.h. A section is an array of key offsets, an array of value offsets (each with
// one more behind the last) and the bytes; a lookup is a binary search over the mapped file.
#include "tts/table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"

enum { MAGIC_SIZE = 8, HEAD_SIZE = MAGIC_SIZE + 8 + 8 * PRL_TABLE_SECTIONS, FLAG_BRITISH = 1 };
enum { FILE_SIZE_MAX = 64 << 20 };
static const char magic[] = "PRLEN01\n";

struct map {
    size_t offset; // of the key offsets
    size_t count;
};

struct prl_table {
    // set once
    const char *data; // mapped
    size_t size;
    bool british;
    struct map maps[PRL_TABLE_SECTIONS];
};

static uint32_t word_at(const struct prl_table *table, size_t offset)
{
    uint32_t value;
    memcpy(&value, table->data + offset, sizeof(value));
    return value;
}

// Offsets must grow and stay in the file; keys must be sorted only for lookups to succeed.
static bool map_valid(const struct prl_table *table, const struct map *map)
{
    size_t heads = (map->count + 1) * 8;
    if (map->offset % 4 != 0 || map->count > table->size / 8 || map->offset > table->size ||
        heads > table->size - map->offset)
        return false;
    uint32_t before = 0;
    for (size_t i = 0; i < 2 * (map->count + 1); i++) {
        uint32_t at = word_at(table, map->offset + 4 * i);
        if (at < before || at > table->size)
            return false;
        before = at;
    }
    return true;
}

static bool head_read(struct prl_table *table)
{
    if (table->size < HEAD_SIZE || memcmp(table->data, magic, MAGIC_SIZE) != 0 ||
        word_at(table, MAGIC_SIZE) != table->size)
        return false;
    table->british = (word_at(table, MAGIC_SIZE + 4) & FLAG_BRITISH) != 0;
    for (size_t i = 0; i < PRL_TABLE_SECTIONS; i++) {
        struct map *map = &table->maps[i];
        map->offset = word_at(table, MAGIC_SIZE + 8 + 8 * i);
        map->count = word_at(table, MAGIC_SIZE + 12 + 8 * i);
        if (!map_valid(table, map))
            return false;
    }
    return true;
}

// Maps the file at table->data; the descriptor may be closed afterwards.
static enum prl_err file_map(struct prl_table *table, int fd)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return PRL_ERR_IO;
    if (info.st_size < HEAD_SIZE || info.st_size > FILE_SIZE_MAX)
        return PRL_ERR_INVALID;
    void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return PRL_ERR_IO;
    table->data = data;
    table->size = (size_t)info.st_size;
    return head_read(table) ? PRL_OK : PRL_ERR_INVALID;
}

enum prl_err prl_table_open(struct prl_table **out, const char *path, char *why, size_t why_size)
{
    PRL_CHECK(out != NULL && path != NULL && why != NULL);
    *out = NULL;
    struct prl_table *table = prl_mem_zalloc(sizeof(*table));
    if (!table)
        return PRL_ERR_NOMEM;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        (void)snprintf(why, why_size, "%s: cannot be read (run set-up again)", path);
        prl_table_close(&table);
        return PRL_ERR_NOTFOUND;
    }
    enum prl_err err = file_map(table, fd);
    (void)close(fd);
    if (err) {
        (void)snprintf(why, why_size, "%s: not a table of this version (run set-up again)", path);
        prl_table_close(&table);
        return err;
    }
    *out = table;
    return PRL_OK;
}

void prl_table_close(struct prl_table **table)
{
    PRL_CHECK(table != NULL);
    if (!*table)
        return;
    if ((*table)->data) {
        void *mapped;
        memcpy(&mapped, &(*table)->data, sizeof(mapped));
        (void)munmap(mapped, (*table)->size);
    }
    prl_mem_free(*table);
    *table = NULL;
}

bool prl_table_british(const struct prl_table *table)
{
    return table->british;
}

struct prl_span prl_table_find(const struct prl_table *table, enum prl_table_section section,
                               const char *key, size_t key_len)
{
    const struct map *map = &table->maps[section];
    size_t low = 0, high = map->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint32_t start = word_at(table, map->offset + 4 * middle);
        size_t len = word_at(table, map->offset + 4 * middle + 4) - start;
        int order = memcmp(key, table->data + start, key_len < len ? key_len : len);
        if (order == 0 && key_len == len) {
            size_t values = map->offset + 4 * (map->count + 1 + middle);
            uint32_t at = word_at(table, values);
            return (struct prl_span){table->data + at, word_at(table, values + 4) - at};
        }
        if (order < 0 || (order == 0 && key_len < len))
            high = middle;
        else
            low = middle + 1;
    }
    return (struct prl_span){NULL, 0};
}
