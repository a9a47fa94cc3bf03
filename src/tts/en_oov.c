// en_oov.c -- see en_oov.h.
#include "tts/en_oov.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/ort.h"

enum { WORD_MAX = 64, MAXLEN_LIMIT = 64 };

struct prl_en_oov {
    struct prl_ort_session *session; // owned
    struct prl_span in, out;         // code points, 4 bytes each; ids count from 1, 0 is the blank
    size_t len_max;                  // characters of one call
};

static bool alphabets_find(struct prl_en_oov *oov, const struct prl_table *table)
{
    oov->in = prl_table_find(table, PRL_TABLE_MISC, "oov_in", 6);
    oov->out = prl_table_find(table, PRL_TABLE_MISC, "oov_out", 7);
    struct prl_span max = prl_table_find(table, PRL_TABLE_MISC, "oov_max", 7);
    uint32_t len = 0;
    if (max.len == sizeof(len))
        memcpy(&len, max.data, sizeof(len));
    oov->len_max = len;
    return oov->in.data && oov->out.data && len > 0 && len <= MAXLEN_LIMIT;
}

enum prl_err prl_en_oov_create(struct prl_en_oov **out, struct prl_ort *ort, const char *model,
                               const struct prl_table *table, char *why, size_t why_size)
{
    PRL_CHECK(out != NULL && ort != NULL && model != NULL && table != NULL);
    *out = NULL;
    struct prl_en_oov *oov = prl_mem_zalloc(sizeof(*oov));
    if (!oov)
        return PRL_ERR_NOMEM;
    enum prl_err err = PRL_OK;
    if (!alphabets_find(oov, table)) {
        (void)snprintf(why, why_size, "English table without the alphabets of %s", model);
        err = PRL_ERR_INVALID;
    }
    struct prl_ort_conf conf = {.path = model, .threads = 1};
    if (!err)
        err = prl_ort_session_create(&oov->session, ort, &conf, why, why_size);
    if (err)
        prl_en_oov_destroy(&oov);
    *out = oov;
    return err;
}

void prl_en_oov_destroy(struct prl_en_oov **oov)
{
    PRL_CHECK(oov != NULL);
    if (!*oov)
        return;
    prl_ort_session_destroy(&(*oov)->session);
    prl_mem_free(*oov);
    *oov = NULL;
}

static uint32_t alphabet_at(struct prl_span alphabet, size_t index)
{
    uint32_t c = 0;
    if (4 * index + 4 <= alphabet.len)
        memcpy(&c, alphabet.data + 4 * index, sizeof(c));
    return c;
}

static int64_t alphabet_id(struct prl_span alphabet, uint32_t c)
{
    for (size_t i = 0; i < alphabet.len / 4; i++)
        if (alphabet_at(alphabet, i) == c)
            return (int64_t)i + 1;
    return 0;
}

static void output_collapse(const struct prl_en_oov *oov, const struct prl_ort_tensor *tensor,
                            struct prl_en_buf *out)
{
    size_t count = prl_ort_count(tensor);
    int64_t before = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t id = tensor->type == PRL_ORT_INT64 ? ((const int64_t *)tensor->data)[i]
                                                   : ((const int32_t *)tensor->data)[i];
        if (id != before && id > 0 && (size_t)id <= oov->out.len / 4)
            prl_en_buf_addc(out, alphabet_at(oov->out, (size_t)id - 1));
        before = id;
    }
}

// The runtime takes its inputs as void *, hence no const.
// NOLINTNEXTLINE(readability-non-const-parameter)
static bool piece_read(struct prl_en_oov *oov, int64_t *ids, size_t count, struct prl_en_buf *out)
{
    struct prl_ort_tensor input = {.name = prl_ort_session_input(oov->session, 0),
                                   .type = PRL_ORT_INT64,
                                   .rank = 2,
                                   .shape = {1, (int64_t)count},
                                   .data = ids};
    struct prl_ort_tensor output = {.name = prl_ort_session_output(oov->session, 0)};
    if (prl_ort_run(oov->session, &input, 1, &output, 1))
        return false;
    bool usable = output.type == PRL_ORT_INT64 || output.type == PRL_ORT_INT32;
    if (usable)
        output_collapse(oov, &output, out);
    prl_ort_release(oov->session, &output, 1);
    return usable;
}

bool prl_en_oov_read(struct prl_en_oov *oov, const char *word, size_t len, struct prl_en_buf *out)
{
    int64_t ids[WORD_MAX];
    size_t count = 0;
    for (size_t at = 0; at < len && count < WORD_MAX;) {
        uint32_t c;
        at += prl_utf8_decode(word + at, len - at, &c);
        int64_t id = alphabet_id(oov->in, c);
        if (id > 0)
            ids[count++] = id;
    }
    prl_en_buf_clear(out);
    for (size_t at = 0; at < count; at += oov->len_max) {
        size_t piece = count - at < oov->len_max ? count - at : oov->len_max;
        if (!piece_read(oov, ids + at, piece, out))
            return false;
    }
    return out->len > 0;
}
