// text_style.c -- is a number a quantity, a year, or a string of digits? By the words around it.
#include <string.h>

#include "tts/text_part.h"

static bool is_plain(const struct prl_text_number *n, size_t digits)
{
    return n->whole == digits && n->part == 0 && !n->comma;
}

// Is one of the space-separated words right before i, at most `gap` code points between?
static bool zh_before(const struct prl_text *t, size_t i, const char *const *words, size_t count)
{
    enum { LOOK_BACK = 8 };
    for (size_t back = 1; back <= LOOK_BACK && back <= i; back++) {
        uint32_t c = prl_text_at(t, i - back);
        if (c == ',' || c == 0x3002 || c == 0xFF0C || c == 0x3001 || c == '\n')
            return false;
        for (size_t k = 0; k < count; k++)
            if (prl_text_match(t, i - back, words[k]) > 0)
                return true;
    }
    return false;
}

static bool zh_identity(const struct prl_text *t, const struct prl_text_number *n, size_t tail)
{
    static const char *const BEFORE[] = {
        "电话", "電話", "手机",   "手機",   "拨打", "撥打", "致电", "热线", "熱線", "房间",
        "房間", "房号", "编号",   "編號",   "学号", "工号", "卡号", "账号", "帐号", "號碼",
        "号码", "尾号", "验证码", "驗證碼", "密码", "密碼", "邮编", "座机", "证号", "单号",
        "订单", "航班", "代码",   "转",     "轉",   "单元", "單元", "车牌", "门牌", "QQ",
        "波音", "空客", "报警",   "车次",   "分机", "打",   "拨"};
    static const char *const AFTER[] = {"房间", "房間", "室",     "房",    "号房",
                                        "號房", "航班", "次列车", "次航班"};
    if (n->whole < 3 || n->part > 0 || n->comma)
        return false;
    for (size_t k = 0; k < sizeof(AFTER) / sizeof(AFTER[0]); k++)
        if (prl_text_match(t, tail, AFTER[k]) > 0)
            return true;
    return !prl_text_measure_at(t, tail) &&
           zh_before(t, n->start, BEFORE, sizeof(BEFORE) / sizeof(BEFORE[0]));
}

static bool is_round(const struct prl_text_number *n)
{
    return n->whole > 3 && memcmp(n->d + n->whole - 3, "000", 3) == 0;
}

// Services that everybody knows by their digits, and model numbers ("RTX 4090").
static bool is_known_number(const struct prl_text *t, const struct prl_text_number *n, size_t tail)
{
    static const char *const KNOWN[] = {"12306", "10086", "10010", "12315", "12333", "95588",
                                        "95533", "12348", "985",   "211",   "996",   "618"};
    size_t last = prl_text_back_space(t, n->start);
    if (n->part > 0 || n->comma || prl_text_measure_at(t, tail))
        return false;
    if (n->whole == 4 && last != SIZE_MAX && last > 0 && last + 1 < n->start) {
        uint32_t c = prl_text_at(t, last);
        uint32_t before = prl_text_at(t, last - 1);
        return c >= 'A' && c <= 'Z' && before >= 'A' && before <= 'Z';
    }
    for (size_t k = 0; k < sizeof(KNOWN) / sizeof(KNOWN[0]); k++)
        if (strlen(KNOWN[k]) == n->whole && memcmp(n->d, KNOWN[k], n->whole) == 0)
            return true;
    return false;
}

static enum prl_text_style zh_style(const struct prl_text *t, const struct prl_text_number *n,
                                    size_t tail)
{
    unsigned value = prl_text_value(n);
    bool year_word = prl_text_match(t, tail, "年") > 0;
    if (is_plain(n, 4) && value >= 1001 && value < 3000 &&
        (year_word || (value >= 1900 && prl_text_match(t, tail, "学年") > 0)))
        return PRL_TEXT_YEAR;
    if (is_plain(n, 2) &&
        (prl_text_match(t, tail, "后") > 0 || prl_text_match(t, tail, "後") > 0) && value % 5 == 0)
        return PRL_TEXT_YEAR;
    if (is_plain(n, 2) && value >= 50 && year_word &&
        (prl_text_match(t, tail + 1, "出") > 0 || prl_text_match(t, tail + 1, "毕") > 0 ||
         prl_text_match(t, tail + 1, "生") > 0))
        return PRL_TEXT_YEAR;
    if (n->part > 0 || n->comma)
        return PRL_TEXT_CARDINAL;
    if (n->whole > 1 && n->d[0] == '0')
        return year_word ? PRL_TEXT_YEAR : PRL_TEXT_DIGITS;
    if (n->whole >= 9 && !is_round(n))
        return PRL_TEXT_DIGITS;
    return zh_identity(t, n, tail) || is_known_number(t, n, tail) ? PRL_TEXT_DIGITS
                                                                  : PRL_TEXT_CARDINAL;
}

// Does a counted noun follow ("2000 units")?
static bool plural_follows(const struct prl_text *t, size_t i)
{
    char word[PRL_TEXT_WORD_MAX];
    size_t after = prl_text_skip_space(t, i);
    size_t len = prl_text_word_here(t, after, word);
    if (len == 0 || after == i)
        return false;
    if (prl_text_in(word, " people men women children percent million billion thousand or more "))
        return true;
    return len > 3 && len < PRL_TEXT_WORD_MAX && word[len - 1] == 's' && word[len - 2] != 's' &&
           !prl_text_in(word, " this does always perhaps plus yes ");
}

// "the year is 2024": the word before the last is year.
static bool follows_year(const struct prl_text *t, size_t i)
{
    char word[PRL_TEXT_WORD_MAX];
    size_t last = prl_text_back_space(t, i);
    while (last != SIZE_MAX && last > 0 && prl_text_is_latin(prl_text_at(t, last)))
        last--;
    prl_text_word_before(t, last == SIZE_MAX ? 0 : last, word);
    return strcmp(word, "year") == 0;
}

static const char MONTH_WORDS[] = " january february march april may june july august september "
                                  "october november december ";

static bool is_year_en(const struct prl_text *t, const struct prl_text_number *n, size_t tail)
{
    unsigned value = prl_text_value(n);
    size_t end = 0;
    if (!is_plain(n, 4) || value < 1000 || value > 2099 || plural_follows(t, tail) ||
        prl_text_at(t, tail) == '%' || t->math ||
        (prl_text_at(t, prl_text_skip_space(t, tail)) | 32) == 'x' ||
        prl_text_unit_at(t, tail, &end) || prl_text_money_at(t, prl_text_skip_space(t, tail), &end))
        return false;
    char word[PRL_TEXT_WORD_MAX];
    size_t last = prl_text_back_space(t, n->start);
    bool comma = last != SIZE_MAX && prl_text_at(t, last) == ',';
    prl_text_word_before(t, comma ? last : n->start, word);
    if (comma && !prl_text_in(word, MONTH_WORDS))
        word[0] = '\0';
    if (prl_text_in(word, " is was ") && follows_year(t, n->start))
        return true;
    if (prl_text_in(word, MONTH_WORDS) ||
        prl_text_in(word, " of in since year until till during circa late early mid spring summer "
                          "autumn fall winter "))
        return true;
    uint32_t before = n->start > 0 ? prl_text_at(t, n->start - 1) : ' ';
    return value >= 1900 && before != '^' &&
           !prl_text_in(word, " is are equals about over under than nearly almost only exactly "
                              "costs total plus minus times approximately around roughly "
                              "sold has have number ");
}

static enum prl_text_style en_style(const struct prl_text *t, const struct prl_text_number *n,
                                    size_t tail)
{
    if (is_year_en(t, n, tail))
        return PRL_TEXT_YEAR;
    if (n->part > 0 || n->comma)
        return PRL_TEXT_CARDINAL;
    if (n->whole == 4 && !is_round(n) && is_known_number(t, n, tail))
        return PRL_TEXT_YEAR; // "forty ninety"
    if ((n->whole > 1 && n->d[0] == '0') || (n->whole >= 10 && !is_round(n)))
        return PRL_TEXT_DIGITS;
    char word[PRL_TEXT_WORD_MAX];
    prl_text_word_before(t, n->start, word);
    if (n->whole >= 3 &&
        prl_text_in(word, " room flight suite apartment apt gate call dial phone "))
        return PRL_TEXT_DIGITS;
    if (n->whole >= 4 && prl_text_in(word, " code pin password id zip order account serial "
                                           "extension ext postcode "))
        return PRL_TEXT_DIGITS;
    return PRL_TEXT_CARDINAL;
}

enum prl_text_style prl_text_style_of(const struct prl_text *t, const struct prl_text_number *n,
                                      size_t tail)
{
    return prl_text_lang_at(t, n->start) == PRL_TEXT_ZH ? zh_style(t, n, tail)
                                                        : en_style(t, n, tail);
}
