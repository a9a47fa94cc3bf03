// en_buf.c -- see en_buf.h.
#include "tts/en_buf.h"

#include <string.h>

#include "base/str.h"
#include "tts/en_chars.h"

static const char primary[] = "ˈ";
static const char secondary[] = "ˌ";

void prl_en_buf_clear(struct prl_en_buf *buf)
{
    buf->len = 0;
    buf->text[0] = '\0';
}

void prl_en_buf_add(struct prl_en_buf *buf, const char *data, size_t len)
{
    size_t room = PRL_EN_BUF_MAX - 1 - buf->len;
    if (len > room)
        len = prl_utf8_whole(data, room);
    if (len > 0)
        memcpy(buf->text + buf->len, data, len);
    buf->len += len;
    buf->text[buf->len] = '\0';
}

void prl_en_buf_adds(struct prl_en_buf *buf, const char *text)
{
    prl_en_buf_add(buf, text, strlen(text));
}

void prl_en_buf_addc(struct prl_en_buf *buf, uint32_t code_point)
{
    char bytes[4];
    prl_en_buf_add(buf, bytes, prl_utf8_encode(code_point, bytes));
}

void prl_en_buf_set(struct prl_en_buf *buf, const char *data, size_t len)
{
    prl_en_buf_clear(buf);
    prl_en_buf_add(buf, data, len);
}

bool prl_en_buf_equals(const struct prl_en_buf *buf, const char *text)
{
    return strlen(text) == buf->len && memcmp(buf->text, text, buf->len) == 0;
}

bool prl_en_buf_has(const struct prl_en_buf *buf, const char *part)
{
    return memmem(buf->text, buf->len, part, strlen(part)) != NULL;
}

static size_t last_start(const char *text, size_t len)
{
    while (len > 0 && ((unsigned char)text[len - 1] & 0xc0) == 0x80)
        len--;
    return len > 0 ? len - 1 : 0;
}

uint32_t prl_en_buf_last(const struct prl_en_buf *buf, uint32_t *before)
{
    uint32_t last = 0;
    *before = 0;
    if (buf->len == 0)
        return 0;
    size_t at = last_start(buf->text, buf->len);
    (void)prl_utf8_decode(buf->text + at, buf->len - at, &last);
    if (at > 0) {
        size_t earlier = last_start(buf->text, at);
        (void)prl_utf8_decode(buf->text + earlier, at - earlier, before);
    }
    return last;
}

void prl_en_buf_pop(struct prl_en_buf *buf)
{
    buf->len = last_start(buf->text, buf->len);
    buf->text[buf->len] = '\0';
}

void prl_en_buf_replace(struct prl_en_buf *buf, const char *from, const char *to)
{
    if (!prl_en_buf_has(buf, from))
        return;
    struct prl_en_buf old = *buf;
    size_t len = strlen(from);
    prl_en_buf_clear(buf);
    for (size_t at = 0; at < old.len;) {
        if (old.len - at >= len && memcmp(old.text + at, from, len) == 0) {
            prl_en_buf_adds(buf, to);
            at += len;
        } else {
            prl_en_buf_add(buf, old.text + at, 1);
            at++;
        }
    }
}

// Puts `mark` before the first vowel; a reading without one stays as it is.
static void vowel_mark(struct prl_en_buf *phonemes, const char *mark)
{
    for (size_t at = 0; at < phonemes->len;) {
        uint32_t c;
        size_t bytes = prl_utf8_decode(phonemes->text + at, phonemes->len - at, &c);
        if (prl_en_is_vowel(c)) {
            struct prl_en_buf old = *phonemes;
            prl_en_buf_set(phonemes, old.text, at);
            prl_en_buf_adds(phonemes, mark);
            prl_en_buf_add(phonemes, old.text + at, old.len - at);
            return;
        }
        at += bytes;
    }
}

void prl_en_stress(struct prl_en_buf *phonemes, int stress)
{
    if (stress == PRL_EN_STRESS_NONE)
        return;
    bool has_primary = prl_en_buf_has(phonemes, primary);
    bool has_secondary = prl_en_buf_has(phonemes, secondary);
    if (stress < PRL_EN_STRESS_WEAK) {
        prl_en_buf_replace(phonemes, primary, "");
        prl_en_buf_replace(phonemes, secondary, "");
    } else if (stress == PRL_EN_STRESS_WEAK || (stress <= 0 && has_primary)) {
        prl_en_buf_replace(phonemes, secondary, "");
        prl_en_buf_replace(phonemes, primary, secondary);
    } else if (stress >= 0 && stress <= 2 && !has_primary && !has_secondary) {
        vowel_mark(phonemes, secondary);
    } else if (stress >= 2 && !has_primary && has_secondary) {
        prl_en_buf_replace(phonemes, secondary, primary);
    } else if (stress > 2 && !has_primary && !has_secondary) {
        vowel_mark(phonemes, primary);
    }
}

int prl_en_stress_weight(const struct prl_en_buf *phonemes)
{
    int weight = 0;
    for (size_t at = 0; at < phonemes->len;) {
        uint32_t c;
        at += prl_utf8_decode(phonemes->text + at, phonemes->len - at, &c);
        weight += prl_en_in(c, "AIOQWYʤʧ") ? 2 : 1;
    }
    return weight;
}
