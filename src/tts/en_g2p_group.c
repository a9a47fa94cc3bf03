// en_g2p_group.c -- see en_g2p_state.h: what a group of pieces sounds like. The longest stretch that
// the lexicon knows wins; a group with a piece that no rule knows is read as a whole by the network.
#include <string.h>

#include "tts/en_chars.h"
#include "tts/en_g2p_state.h"

enum { WINDOW_MAX = 8 }; // pieces tried as one word: more are never one
static const char junk[] = "',-._‘’/";
const char prl_en_pauses[] = ";:,.!?—…";
const char prl_en_quotes[] = "\"“”";

// The phonemes of a piece, as a copy that can be changed.
static void phonemes_get(const struct prl_en_g2p *g2p, const struct prl_en_sub *sub,
                         struct prl_en_buf *out)
{
    prl_en_buf_set(out, prl_str_text(&g2p->phon) + sub->phon_start, sub->phon_len);
}

void prl_en_phonemes_set(struct prl_en_g2p *g2p, struct prl_en_sub *sub, const char *data,
                         size_t len)
{
    sub->phon_start = g2p->phon.len;
    sub->phon_len = prl_str_add(&g2p->phon, data, len) ? 0 : len; // the error is kept in phon.err
    sub->known = true;
}

bool prl_en_all_in(const char *text, size_t len, const char *set)
{
    for (size_t at = 0; at < len;) {
        uint32_t c;
        at += prl_utf8_decode(text + at, len - at, &c);
        if (!prl_en_in(c, set))
            return false;
    }
    return true;
}

// Several pieces as one word.
struct merged {
    struct prl_en_buf text;
    const char *tag; // of the heaviest piece: capitals count double
};

static size_t case_weight(const struct prl_en_sub *sub)
{
    size_t weight = 0;
    for (size_t at = 0; at < sub->len;) {
        uint32_t c;
        at += prl_utf8_decode(sub->text + at, sub->len - at, &c);
        weight += c == prl_en_lower(c) ? 1 : 2;
    }
    return weight;
}

static void subs_merge(const struct prl_en_sub *subs, size_t count, struct merged *out)
{
    size_t best = 0;
    prl_en_buf_clear(&out->text);
    for (size_t i = 0; i < count; i++) {
        prl_en_buf_add(&out->text, subs[i].text, subs[i].len);
        size_t weight = case_weight(&subs[i]);
        if (i == 0 || weight > best) {
            best = weight;
            out->tag = subs[i].tag;
        }
    }
}

static void context_move(struct prl_en_context *context, const char *phonemes, size_t phonemes_len,
                         const struct prl_en_buf *word, const char *tag)
{
    for (size_t at = 0; at < phonemes_len;) {
        uint32_t c;
        at += prl_utf8_decode(phonemes + at, phonemes_len - at, &c);
        bool pause = prl_en_in(c, prl_en_pauses), vowel = prl_en_is_vowel(c);
        if (!pause && !vowel && !prl_en_is_consonant(c))
            continue;
        context->next = pause   ? PRL_EN_NEXT_PAUSE
                        : vowel ? PRL_EN_NEXT_VOWEL
                                : PRL_EN_NEXT_CONSONANT;
        break;
    }
    context->to =
        prl_en_buf_equals(word, "to") || prl_en_buf_equals(word, "To") ||
        (prl_en_buf_equals(word, "TO") && (strcmp(tag, "TO") == 0 || strcmp(tag, "IN") == 0));
}

static const char *sign_read(uint32_t c)
{
    static const struct {
        const char *sign, *phonemes;
    } signs[] = {{"/", "slˈæʃ"},   {"=", "ˈikwᵊlz"},  {"+", "plˈʌs"},    {"&", "ænd"},
                 {"@", "æt"},      {"%", "pəɹsˈɛnt"}, {"#", "hˈæʃ"},     {"*", "ˈæstəɹˌɪsk"},
                 {"~", "tˈɪldə"},  {"^", "kˈɛɹət"},   {"<", "lˈɛs ðən"}, {">", "ɡɹˈATəɹ ðən"},
                 {"$", "dˈɑləɹz"}, {"£", "pˈWndz"},   {"€", "jˈʊɹOz"},   {"—", "—"}};
    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
        if (prl_en_in(c, signs[i].sign))
            return signs[i].phonemes;
    return "";
}

static bool is_silent(uint32_t c)
{
    return prl_en_in(c, junk) || prl_en_in(c, prl_en_pauses) || prl_en_in(c, prl_en_quotes) ||
           prl_en_in(c, "()[]{}|") || prl_en_is_space(c);
}

static void letters_read(struct prl_en_g2p *g2p, const char *text, size_t len,
                         struct prl_en_buf *out)
{
    prl_en_buf_clear(out);
    if (g2p->oov && prl_en_oov_read(g2p->oov, text, len, out))
        return;
    if (!prl_en_lexicon_spell(g2p->table, text, len, out)) {
        prl_en_buf_clear(out);
        g2p->unknown++;
    }
}

enum run_kind { RUN_LETTERS, RUN_DIGITS, RUN_SIGNS };

static enum run_kind kind_of(uint32_t c)
{
    if (prl_en_is_letter(c))
        return RUN_LETTERS;
    return prl_en_is_digit(c) ? RUN_DIGITS : RUN_SIGNS;
}

// Length of the run of one kind at `at`: letters with inner apostrophes, digits with inner , and .
static size_t run_of(const char *text, size_t len, size_t at, enum run_kind *kind)
{
    size_t end = at;
    for (size_t i = at; i < len;) {
        uint32_t c, next = 0;
        size_t bytes = prl_utf8_decode(text + i, len - i, &c);
        enum run_kind here = kind_of(c);
        if (i == at)
            *kind = here;
        (void)prl_utf8_decode(text + i + bytes, len - i - bytes, &next);
        bool inner = (*kind == RUN_LETTERS && prl_en_in(c, "'’") && kind_of(next) == RUN_LETTERS) ||
                     (*kind == RUN_DIGITS && prl_en_in(c, ",.") && kind_of(next) == RUN_DIGITS);
        if (here != *kind && !inner)
            break;
        i += bytes;
        end = i;
    }
    return end - at;
}

// A word that no rule knows: letters by the network, digits one by one, signs by name.
static void unknown_read(struct prl_en_g2p *g2p, const struct prl_en_buf *word,
                         struct prl_en_buf *out)
{
    prl_en_buf_clear(out);
    for (size_t at = 0; at < word->len;) {
        struct prl_en_buf piece;
        enum run_kind kind = RUN_SIGNS;
        size_t len = run_of(word->text, word->len, at, &kind);
        const char *text = word->text + at;
        prl_en_buf_clear(&piece);
        at += len;
        switch (kind) {
        case RUN_LETTERS:
            letters_read(g2p, text, len, &piece);
            break;
        case RUN_DIGITS:
            prl_en_lexicon_digits(g2p->table, text, len, &piece);
            break;
        case RUN_SIGNS:
            for (size_t i = 0; i < len;) {
                uint32_t c;
                i += prl_utf8_decode(text + i, len - i, &c);
                const char *phonemes = sign_read(c);
                g2p->unknown += phonemes[0] || is_silent(c) ? 0 : 1;
                prl_en_buf_adds(&piece, phonemes);
            }
            break;
        }
        if (piece.len > 0 && out->len > 0)
            prl_en_buf_addc(out, ' ');
        prl_en_buf_add(out, piece.text, piece.len);
    }
}

static bool any_known(const struct prl_en_sub *subs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (subs[i].known)
            return true;
    return false;
}

// Tries the longest stretches of a group first, ending at its right end. False when a piece is left
// that no rule knows.
static bool stretches_read(struct prl_en_g2p *g2p, struct prl_en_sub *subs, size_t count,
                           struct prl_en_context *context)
{
    size_t left = 0, right = count;
    while (left < right) {
        struct merged word = {.tag = ""};
        struct prl_en_buf phonemes = {.len = 0};
        bool read = false;
        if (right - left <= WINDOW_MAX && !any_known(subs + left, right - left)) {
            subs_merge(subs + left, right - left, &word);
            read = prl_en_lexicon_read(g2p->table, word.text.text, word.text.len, word.tag, context,
                                       &phonemes);
        }
        if (read) {
            prl_en_phonemes_set(g2p, &subs[left], phonemes.text, phonemes.len);
            for (size_t i = left + 1; i < right; i++)
                prl_en_phonemes_set(g2p, &subs[i], "", 0);
            context_move(context, phonemes.text, phonemes.len, &word.text, word.tag);
            right = left;
            left = 0;
        } else if (left + 1 < right) {
            left++;
        } else {
            right--;
            // The reference gives the whole group to the network for a quotation mark in it.
            if (!subs[right].known && !prl_en_all_in(subs[right].text, subs[right].len, junk) &&
                !prl_en_all_in(subs[right].text, subs[right].len, prl_en_quotes))
                return false;
            if (!subs[right].known)
                prl_en_phonemes_set(g2p, &subs[right], "", 0);
            left = 0;
        }
    }
    return true;
}

// Do the pieces' characters mix letters, digits and signs, so that spaces go between?
static bool kinds_mix(const struct prl_en_sub *subs, size_t count)
{
    unsigned kinds = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t at = 0; at < subs[i].len;) {
            uint32_t c;
            at += prl_utf8_decode(subs[i].text + at, subs[i].len - at, &c);
            if (c == '/')
                return true;
            if (!prl_en_in(c, junk))
                kinds |= 1u << kind_of(c);
        }
    return (kinds & (kinds - 1)) != 0;
}

struct heft {
    bool primary;
    int weight;
    size_t index;
};

static bool heft_less(const struct heft *a, const struct heft *b)
{
    if (a->primary != b->primary)
        return b->primary;
    if (a->weight != b->weight)
        return a->weight < b->weight;
    return a->index < b->index;
}

static void sub_weaken(struct prl_en_g2p *g2p, struct prl_en_sub *sub)
{
    struct prl_en_buf phonemes;
    phonemes_get(g2p, sub, &phonemes);
    prl_en_stress(&phonemes, PRL_EN_STRESS_WEAKER);
    prl_en_phonemes_set(g2p, sub, phonemes.text, phonemes.len);
}

// In a compound the lighter half of the pieces loses its primary stress.
static void compound_stress(struct prl_en_g2p *g2p, struct prl_en_sub *subs, size_t count)
{
    struct heft hefts[PRL_EN_SUBS_MAX];
    size_t n = 0, primaries = 0;
    for (size_t i = 0; i < count; i++) {
        struct prl_en_buf phonemes;
        if (subs[i].phon_len == 0)
            continue;
        phonemes_get(g2p, &subs[i], &phonemes);
        struct heft heft = {prl_en_buf_has(&phonemes, "ˈ"), prl_en_stress_weight(&phonemes), i};
        primaries += heft.primary ? 1 : 0;
        size_t at = n++;
        for (; at > 0 && heft_less(&heft, &hefts[at - 1]); at--)
            hefts[at] = hefts[at - 1];
        hefts[at] = heft;
    }
    if (n == 2) {
        size_t first = hefts[0].index < hefts[1].index ? hefts[0].index : hefts[1].index;
        size_t second = hefts[0].index + hefts[1].index - first;
        uint32_t c;
        if (prl_utf8_decode(subs[first].text, subs[first].len, &c) == subs[first].len) {
            sub_weaken(g2p, &subs[second]);
            return;
        }
    }
    if (n < 2 || primaries <= (n + 1) / 2)
        return;
    for (size_t i = 0; i < n / 2; i++)
        sub_weaken(g2p, &subs[hefts[i].index]);
}

static void group_resolve(struct prl_en_g2p *g2p, struct prl_en_sub *subs, size_t count)
{
    bool mixed = kinds_mix(subs, count);
    for (size_t i = 0; i < count; i++) {
        struct prl_en_sub *sub = &subs[i];
        if (sub->known)
            sub->gap = i > 0 && mixed;
        else if (i + 1 == count && prl_en_all_in(sub->text, sub->len, prl_en_pauses))
            prl_en_phonemes_set(g2p, sub, sub->text, sub->len);
        else
            prl_en_phonemes_set(g2p, sub, "", 0);
    }
    if (!mixed)
        compound_stress(g2p, subs, count);
}

void prl_en_group_read(struct prl_en_g2p *g2p, const struct prl_en_group *group,
                       struct prl_en_context *context)
{
    struct prl_en_sub *subs = &g2p->subs[group->first];
    struct merged word = {.tag = ""};
    struct prl_en_buf phonemes;
    if (group->count > 1) {
        if (stretches_read(g2p, subs, group->count, context)) {
            group_resolve(g2p, subs, group->count);
            return;
        }
        subs_merge(subs, group->count, &word);
        unknown_read(g2p, &word.text, &phonemes);
        prl_en_phonemes_set(g2p, &subs[0], phonemes.text, phonemes.len);
        for (size_t i = 1; i < group->count; i++)
            prl_en_phonemes_set(g2p, &subs[i], "", 0);
        return;
    }
    subs_merge(subs, 1, &word);
    if (!subs->known) {
        if (!prl_en_lexicon_read(g2p->table, word.text.text, word.text.len, word.tag, context,
                                 &phonemes))
            unknown_read(g2p, &word.text, &phonemes);
        prl_en_phonemes_set(g2p, subs, phonemes.text, phonemes.len);
    }
    phonemes_get(g2p, subs, &phonemes);
    context_move(context, phonemes.text, phonemes.len, &word.text, word.tag);
}
