// simplify.c -- see simplify.h. The only file that knows OpenCC.
#include "stt/simplify.h"

#include <opencc.h>

#include "base/check.h"
#include "base/mem.h"

struct prl_simplify {
    opencc_t opencc; // owned
};

enum prl_err prl_simplify_create(struct prl_simplify **out)
{
    PRL_CHECK(out != NULL);
    struct prl_simplify *simplify = prl_mem_zalloc(sizeof(*simplify));
    *out = simplify;
    if (!simplify)
        return PRL_ERR_NOMEM;
    simplify->opencc = opencc_open("t2s.json");
    if (simplify->opencc != (opencc_t)-1) // NOLINT(performance-no-int-to-ptr): OpenCC's error value
        return PRL_OK;
    prl_mem_free(simplify);
    *out = NULL;
    return PRL_ERR_ENGINE;
}

void prl_simplify_destroy(struct prl_simplify **simplify)
{
    PRL_CHECK(simplify != NULL);
    if (!*simplify)
        return;
    (void)opencc_close((*simplify)->opencc);
    prl_mem_free(*simplify);
    *simplify = NULL;
}

enum prl_err prl_simplify_text(struct prl_simplify *simplify, struct prl_str *text)
{
    PRL_CHECK(simplify != NULL && text != NULL);
    if (text->len == 0)
        return PRL_OK;
    char *simple = opencc_convert_utf8(simplify->opencc, text->data, text->len);
    if (!simple)
        return PRL_ERR_ENGINE;
    prl_str_clear(text);
    enum prl_err err = prl_str_adds(text, simple);
    opencc_convert_utf8_free(simple);
    return err;
}
