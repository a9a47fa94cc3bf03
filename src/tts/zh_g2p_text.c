// zh_g2p_text.c -- see zh_g2p_text.h.
#include "tts/zh_g2p_text.h"

#include <stddef.h>

#include "base/check.h"

// Units [from, to), at most PRL_ZH_G2P_TEXT_MAX bytes.
static enum prl_err visit_slice(struct prl_zh_g2p *zh, const struct prl_text_out *text, size_t from,
                                size_t to, struct prl_zh_visitor *visitor)
{
    const struct prl_text_unit *units = text->units;
    uint32_t start = units[from].text_start;
    uint32_t end = units[to - 1].text_start + units[to - 1].text_len;
    struct prl_zh_out out;
    enum prl_err err = prl_zh_g2p_run(zh, text->text + start, end - start, visitor->rules, &out);
    if (err)
        return err;
    visitor->unknown += out.unknown;
    size_t source = from;
    for (size_t i = 0; i < out.count && !err; i++) {
        const struct prl_zh_unit *unit = &out.units[i];
        while (source + 1 < to && units[source + 1].text_start <= start + unit->start)
            source++;
        if (unit->kind == PRL_ZH_LATIN)
            visitor->unknown += unit->end - unit->start;
        else
            err = visitor->visit(visitor->arg, unit, &units[source]);
    }
    return err;
}

// As many units from `from` as fit, up to the last pause among them where there are more.
static size_t slice_end(const struct prl_text_unit *units, size_t from, size_t end)
{
    size_t to = from;
    size_t pause = from;
    while (to < end && units[to].text_start + units[to].text_len - units[from].text_start <=
                           PRL_ZH_G2P_TEXT_MAX) {
        if (units[to].kind == PRL_TEXT_PAUSE)
            pause = to + 1;
        to++;
    }
    return to < end && pause > from ? pause : to;
}

enum prl_err prl_zh_g2p_visit(struct prl_zh_g2p *zh, const struct prl_text_out *text,
                              const struct prl_text_segment *segment,
                              struct prl_zh_visitor *visitor)
{
    PRL_CHECK(zh && text && segment && visitor && visitor->visit);
    size_t from = segment->unit_start;
    size_t end = from + segment->unit_count;
    PRL_CHECK(end <= text->unit_count);
    enum prl_err err = PRL_OK;
    while (from < end && !err) {
        size_t to = slice_end(text->units, from, end);
        if (to == from) // one unit over the limit: text.h makes none
            return PRL_ERR_LIMIT;
        err = visit_slice(zh, text, from, to, visitor);
        from = to;
    }
    return err;
}
