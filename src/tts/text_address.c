// text_address.c -- web addresses, mail addresses, paths and file names: "example dot com".
//
// Of a web address only the host is said: the rest cannot be understood by ear.
#include <string.h>

#include "tts/text_part.h"

static bool is_mark(uint32_t c)
{
    return c && c < 0x80 && strchr("._-~/%?&=+#@:\\", (int)c) != NULL;
}

static bool is_part(uint32_t c)
{
    return prl_text_is_alnum(c) || is_mark(c);
}

static size_t find(const struct prl_text *t, size_t i, size_t end, const char *marks)
{
    while (i < end && !(prl_text_at(t, i) < 0x80 && strchr(marks, (int)prl_text_at(t, i))))
        i++;
    return i;
}

static size_t find_last(const struct prl_text *t, size_t i, size_t end, uint32_t c)
{
    for (size_t k = end; k > i; k--)
        if (prl_text_at(t, k - 1) == c)
            return k - 1;
    return end;
}

// Lower-cased letters and digits [i, end) into out; "" when it is too long.
static void copy_label(const struct prl_text *t, size_t i, size_t end, char out[12])
{
    out[0] = '\0';
    if (end - i >= 12)
        return;
    for (size_t k = i; k < end; k++)
        out[k - i] = (char)prl_text_at(t, k);
    out[end - i] = '\0';
    prl_text_lower(out);
}

static bool is_domain_end(const char *label)
{
    return prl_text_in(label,
                       " com org net io cn dev ai gov edu app co uk de jp info me tv fr eu us "
                       "ru in ca au hk tw sg xyz top tech cloud site online kr nl ");
}

static bool is_extension(const char *label)
{
    return prl_text_in(
        label,
        " txt md pdf doc docx xls xlsx ppt pptx csv json yaml yml toml xml html htm css js ts "
        "py c h cc cpp hpp rs go java sh bat exe zip gz tar rar png jpg jpeg gif svg wav mp3 "
        "mp4 mov avi flac ogg log ini conf cfg bin iso apk dmg deb rpm so dll jsx tsx vue php "
        "rb lua sql db onnx gguf lock mk ipynb tex bak tmp ");
}

// The last label of a domain or file name: short ones are spelled.
static void say_ending(struct prl_text *t, size_t i, size_t end)
{
    char label[12];
    copy_label(t, i, end, label);
    if (prl_text_in(label,
                    " com org net dev app info top zip log wav doc gif bin bat tar ini web mov "
                    "java conf tech cloud site online lock tex lua "))
        prl_text_say_latin(t, i, end);
    else if (end - i <= 3 && !prl_text_is_digit(prl_text_at(t, end - 1)))
        prl_text_spell(t, i, end);
    else
        prl_text_say_name(t, i, end);
}

struct speaker {
    bool each_digit; // of a mail or web address
    bool ending;     // the last label is a domain's or a file's
    bool marks;      // hyphens and underscores are said
};

static void say_mark(struct prl_text *t, size_t i, const struct speaker *how)
{
    static const struct {
        char mark;
        const char *en;
        const char *zh;
    } MARKS[] = {
        {'.', "dot", "点"},           {'/', "slash", "斜杠"}, {'\\', "backslash", "反斜杠"},
        {'@', "at", "艾特"},          {'+', "plus", "加"},    {'-', "dash", "杠"},
        {'_', "underscore", "下划线"}};
    uint32_t c = prl_text_at(t, i);
    for (size_t k = 0; k < sizeof(MARKS) / sizeof(MARKS[0]); k++)
        if ((uint32_t)MARKS[k].mark == c && (how->marks || (c != '-' && c != '_'))) {
            prl_text_from(t, i, i + 1);
            prl_text_say_in(t, i, MARKS[k].en, MARKS[k].zh);
        }
}

static void say_digits(struct prl_text *t, size_t i, size_t end)
{
    for (; i < end; i++) {
        struct prl_text_phrase p = {.len = 0};
        char digit = (char)prl_text_at(t, i);
        prl_text_digits(&p, &digit, 1, prl_text_lang_at(t, i), PRL_TEXT_DIGIT_ZERO);
        prl_text_say(t, p.s);
    }
}

static void say_parts(struct prl_text *t, size_t i, size_t end, struct speaker how)
{
    size_t last_dot = how.ending ? find_last(t, i, end, '.') : end;
    while (i < end && !t->err) {
        uint32_t c = prl_text_at(t, i);
        if (!prl_text_is_alnum(c)) {
            say_mark(t, i, &how);
            i++;
            continue;
        }
        size_t k = i;
        bool digits = prl_text_is_digit(c);
        while (k < end && prl_text_is_alnum(prl_text_at(t, k)) &&
               (!how.each_digit || prl_text_is_digit(prl_text_at(t, k)) == digits))
            k++;
        prl_text_from(t, i, k);
        if (i == last_dot + 1)
            say_ending(t, i, k);
        else if (how.each_digit && digits)
            say_digits(t, i, k);
        else
            prl_text_say_name(t, i, k);
        i = k;
    }
}

static const struct speaker WEB = {.each_digit = true, .ending = true, .marks = true};

static size_t read_url(struct prl_text *t, size_t i, size_t end)
{
    static const char *const SCHEMES[] = {"https://", "http://", "ftp://", "wss://", "ws://"};
    size_t host = i;
    for (size_t k = 0; k < sizeof(SCHEMES) / sizeof(SCHEMES[0]) && host == i; k++)
        host = i + prl_text_match(t, i, SCHEMES[k]);
    size_t www = prl_text_match(t, host, "www.");
    if (host + www == i)
        return i;
    host += www;
    size_t host_end = find(t, host, end, "/?#:");
    // What belongs to the address and is not said counts for its last label.
    say_parts(t, host, host_end, WEB);
    return end;
}

static size_t read_mail(struct prl_text *t, size_t i, size_t end)
{
    size_t at = find(t, i, end, "@");
    size_t start = i + prl_text_match(t, i, "mailto:");
    if (at <= start || at + 1 >= end || !prl_text_is_alnum(prl_text_at(t, at + 1)) ||
        find(t, at, end, ".") == end || find(t, start, at, "/:\\") < at)
        return i;
    say_parts(t, start, end, WEB);
    return end;
}

static size_t read_domain(struct prl_text *t, size_t i, size_t end)
{
    size_t host_end = find(t, i, end, "/?#:");
    size_t dot = find_last(t, i, host_end, '.');
    if (dot == host_end || dot == i || dot + 1 == host_end)
        return i;
    for (size_t k = i; k < host_end; k++) {
        uint32_t c = prl_text_at(t, k);
        if ((!prl_text_is_alnum(c) && c != '-' && c != '.') ||
            (c == '.' && prl_text_at(t, k + 1) == '.'))
            return i;
    }
    char label[12];
    copy_label(t, dot + 1, host_end, label);
    bool lower = prl_text_at(t, dot + 1) >= 'a';
    if (!is_domain_end(label) || !lower)
        return i;
    say_parts(t, i, host_end, WEB);
    return end;
}

static size_t read_path(struct prl_text *t, size_t i, size_t end)
{
    uint32_t c = prl_text_at(t, i);
    uint32_t next = prl_text_at(t, i + 1);
    bool rooted = c == '/' && prl_text_is_alnum(next);
    bool home = (c == '~' || c == '.') && next == '/' && prl_text_is_alnum(prl_text_at(t, i + 2));
    bool drive = prl_text_is_latin(c) && next == ':' && prl_text_at(t, i + 2) == '\\';
    size_t slash = find_last(t, i, end, drive ? '\\' : '/');
    size_t name = slash == end ? i : slash + 1;
    size_t dot = find_last(t, name, end, '.');
    char label[12] = "";
    if (dot < end && dot > name)
        copy_label(t, dot + 1, end, label);
    bool file = is_extension(label) && prl_text_is_alnum(prl_text_at(t, dot - 1));
    if (!rooted && !home && !drive && !file)
        return i;
    struct speaker how = {.ending = file};
    say_parts(t, home && c == '~' ? i + 1 : i, end, how);
    return end;
}

size_t prl_text_address(struct prl_text *t, size_t i)
{
    uint32_t c = prl_text_at(t, i);
    uint32_t before = i > 0 ? prl_text_at(t, i - 1) : 0;
    if (!(prl_text_is_alnum(c) || c == '/' || c == '.' || c == '~') || prl_text_is_alnum(before) ||
        before == '.' || before == '@' || before == '/' || before == '\\')
        return i;
    size_t end = i;
    bool special = false;
    while (is_part(prl_text_at(t, end))) {
        special = special || is_mark(prl_text_at(t, end));
        end++;
    }
    while (end > i && !prl_text_is_alnum(prl_text_at(t, end - 1)) && prl_text_at(t, end - 1) != '/')
        end--;
    if (!special || end <= i + 2)
        return i;
    size_t read = read_url(t, i, end);
    if (read == i)
        read = read_mail(t, i, end);
    if (read == i)
        read = read_domain(t, i, end);
    return read == i ? read_path(t, i, end) : read;
}
