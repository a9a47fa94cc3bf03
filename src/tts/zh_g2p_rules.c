// zh_g2p_rules.c -- see zh_g2p_rules.h.
#include "tts/zh_g2p_rules.h"

#include <uchar.h>

// A reading of a character that is a word of its own, or begins a word that no dictionary knows.
// The first rule that fits decides. NULL: anything, even nothing.
struct reading_rule {
    uint32_t character;
    int tone;
    const char *syllable;
    const char16_t *before; // the character before is one of these; u"" there is some
    const char16_t *after;  // the same for the one after
};

static const struct reading_rule READINGS[] = {
    {u'得', 3, "dei", u"我你您他她它们咱就还也总都可又便才必谁", u""},
    {u'得', 5, "de", u"", NULL},
    {u'还', 2, "huan", NULL, u"书钱款债账贷清给"},
    {u'长', 3, "zhang", NULL, u"得出高胖大成满着"},
    {u'长', 2, "chang", NULL, NULL},
    {u'只', 1, "zhi", u"一二三四五六七八九十两几百千万每这那整半双", NULL},
    {u'为', 2, "wei", u"称视定设选评列变转当誉尊封译改化约均名", NULL},
    {u'为', 2, "wei", NULL, u"中主首准例止由"},
    {u'教', 1, "jiao", NULL, u"我你您他她它们咱大孩学人书会别"},
    {u'倒', 3, "dao", u"摔跌推打病绊滑醉昏跪卧撞吹晕", NULL},
    {u'倒', 3, "dao", NULL, u"了下在闭塌霉"},
    {u'干', 1, "gan", u"很太口嘴晒擦吹烘晾风真", NULL},
    {u'切', 1, "qie", NULL, NULL},
    {u'种', 3, "zhong", u"一二三四五六七八九十这那几各每某此两多", NULL},
    {u'种', 4, "zhong", NULL, u"树花菜地田草瓜豆了着下庄粮"},
    {u'数', 3, "shu", NULL, u"一了着不"},
    {u'背', 1, "bei", NULL, u"着起上包"},
    {u'调', 2, "tiao", u"请帮把", NULL},
    {u'调', 2, "tiao", NULL, u"一整低高大小成好亮暗慢快"},
    {u'曾', 1, "zeng", NULL, u"先女老国"},
    {u'量', 2, "liang", NULL, u"一了体身血尺"},
    {u'弹', 2, "tan", NULL, u"钢琴吉奏唱了着"},
    {u'行', 2, "xing", u"一二三四五六七八九十几两每这那第本同", u"人"},
    {u'行', 2, "hang", u"二三四五六七八九十几两每那第本同", NULL},
    {u'重', 2, "chong", NULL, u"做写来试发启建读算画"},
    {u'着', 2, "zhao", u"不得", NULL}, // only after 不 or 得 as a word: 够得着
    {u'了', 3, "liao", u"不得", NULL}, // … not 取得了
    {u'系', 4, "ji", NULL, u"好上紧着鞋领安"},
    {u'削', 1, "xiao", NULL, NULL},
    {u'处', 3, "chu", NULL, u"在于"},
    {u'佛', 2, "fo", NULL, NULL},
    {u'塞', 1, "sai", NULL, u"满进了住"},
    {u'落', 4, "la", u"丢", u"在了"},
    {u'里', 5, "li", u"", NULL},
    {u'嗯', 4, "en", NULL, NULL},
    {u'著', 5, "zhe", u"看听说想走坐站拿笑等跟带穿戴", NULL},
};

// 地 after an adverb is a particle, unless what comes before or after makes it the ground.
static const char16_t NOT_ADVERB[] = u"片块亩处寸的该此本当各某宝圣";
static const char16_t GROUND[] =
    u"上下里面方区图球铁势理位点板带段址毯震主狱心平很是有的在和与及都也就";

// Words whose last syllable is neutral in ordinary speech.
static const char16_t NEUTRAL[][3] = {
    u"东西", u"衣服", u"喜欢", u"头发", u"先生", u"事情", u"这里", u"那里", u"哪里", u"晚上",
    u"早上", u"时候", u"知道", u"认识", u"明白", u"清楚", u"漂亮", u"舒服", u"麻烦", u"意思",
    u"消息", u"休息", u"名字", u"学生", u"护士", u"大夫", u"力气", u"窗户", u"耳朵", u"眼睛",
    u"嘴巴", u"月亮", u"葡萄", u"豆腐", u"哥哥", u"姐姐", u"弟弟", u"妹妹", u"爷爷", u"奶奶",
    u"妈妈", u"爸爸", u"谢谢", u"星星", u"看看", u"告诉", u"打听", u"商量", u"收拾", u"打扮",
    u"咳嗽", u"聪明", u"老实", u"客气", u"热闹", u"凉快", u"暖和", u"干净", u"厉害", u"朋友",
    u"便宜", u"胳膊", u"脑袋", u"屁股", u"钥匙", u"玻璃", u"萝卜", u"蘑菇", u"骆驼", u"狐狸",
    u"亲戚", u"丈夫", u"太太", u"姑娘", u"叔叔", u"舅舅", u"师傅", u"老婆", u"孙女", u"媳妇",
    u"多少", u"怎么", u"什么", u"那么", u"这么", u"我们", u"你们", u"他们", u"她们", u"它们",
    u"咱们", u"人们", u"除了", u"为了", u"觉得", u"记得", u"显得", u"值得", u"懒得", u"免得",
    u"省得", u"算了", u"罢了", u"好了", u"试试", u"想想", u"听听", u"说说", u"走走", u"尝尝",
    u"坐坐", u"等等", u"聊聊", u"问问", u"找找", u"比方", u"部分", u"成分", u"本事", u"差事",
    u"故事", u"行李", u"规矩", u"粮食", u"石榴", u"首饰", u"算盘", u"笑话", u"心思", u"学问",
    u"招呼", u"折腾", u"主意", u"状元", u"琢磨", u"佩服", u"应酬", u"糊涂", u"马虎", u"迷糊",
    u"啰嗦", u"结实", u"机灵", u"别扭", u"大方", u"精神", u"委屈", u"稀罕", u"新鲜", u"扎实",
    u"踏实", u"自在", u"耽误", u"答应", u"动弹", u"对付", u"凑合", u"打量", u"打算", u"点心",
    u"灯笼", u"风筝", u"高粱", u"功夫", u"官司", u"棺材", u"和尚", u"核桃", u"喇嘛", u"篱笆",
    u"棉花", u"苗条", u"模糊", u"牌楼", u"苤蓝", u"枇杷", u"琵琶", u"勤快", u"清静", u"人家",
    u"扫帚", u"牲口", u"生意", u"使唤", u"世故", u"似的", u"舌头", u"少爷", u"神仙", u"疏忽",
    u"思量", u"岁数", u"挑剔", u"跳蚤", u"妥当", u"吓唬", u"相声", u"媒人", u"月饼", u"在乎",
    u"早晨", u"作坊", u"皇上", u"身上", u"桌上", u"路上", u"家里", u"心里", u"屋里", u"手里",
};

// Words where 儿 is a child and a syllable of its own.
static const char16_t CHILD[] = u"女婴幼孤健少胎宠男血育生能侄弃患产托小";

static bool is_among(const char16_t *set, uint16_t character)
{
    for (; *set; set++)
        if (*set == character)
            return true;
    return false;
}

// Does a rule's side accept the neighbour at `at`, which may lie outside the run?
static bool side_fits(const struct prl_zh_run *run, const char16_t *set, size_t at)
{
    if (!set)
        return true;
    if (at >= run->count)
        return false;
    return !set[0] || is_among(set, run->chars[at]);
}

static void set_code(const struct prl_zh_run *run, size_t at, const char *syllable, int tone)
{
    uint16_t code = prl_zh_table_code(run->table, syllable, tone);
    if (code != PRL_ZH_NO_CODE)
        run->codes[at] = code;
}

static bool is_dictionary_word(const struct prl_zh_run *run, size_t at, size_t len)
{
    struct prl_zh_walk walk;
    prl_zh_table_begin(run->table, &walk);
    for (size_t i = 0; i < len; i++)
        if (!prl_zh_table_step(run->table, &walk, run->chars[at + i]))
            return false;
    return prl_zh_table_freq(run->table, &walk) > 0 || prl_zh_table_phrase(run->table, &walk);
}

static bool is_particle_di(const struct prl_zh_run *run, size_t at, size_t before_len)
{
    return before_len >= 2 && at + 1 < run->count && !is_among(NOT_ADVERB, run->chars[at - 1]) &&
           !is_among(GROUND, run->chars[at + 1]);
}

static void read_single(const struct prl_zh_run *run, size_t at, size_t before_len)
{
    if (run->chars[at] == u'地') {
        if (is_particle_di(run, at, before_len))
            set_code(run, at, "de", 5);
        return;
    }
    for (size_t i = 0; i < sizeof(READINGS) / sizeof(READINGS[0]); i++) {
        const struct reading_rule *rule = &READINGS[i];
        if (before_len > 1 && (rule->character == u'着' || rule->character == u'了'))
            continue;
        // at - 1 wraps at the start of the run and is then outside.
        if (rule->character == run->chars[at] && side_fits(run, rule->before, at - 1) &&
            side_fits(run, rule->after, at + 1)) {
            set_code(run, at, rule->syllable, rule->tone);
            return;
        }
    }
}

static bool is_neutral(const uint16_t *chars)
{
    for (size_t i = 0; i < sizeof(NEUTRAL) / sizeof(NEUTRAL[0]); i++)
        if (NEUTRAL[i][0] == chars[0] && NEUTRAL[i][1] == chars[1])
            return true;
    return false;
}

static void neutralise(const struct prl_zh_run *run, size_t at, size_t len)
{
    if (len != 2 || run->codes[at + 1] == PRL_ZH_NO_CODE)
        return;
    if (is_neutral(run->chars + at))
        run->codes[at + 1] = prl_zh_with_tone(run->codes[at + 1], 5);
}

// A word that no dictionary has was guessed from its characters: each of them may need a rule, unless
// it makes a known pair with its neighbour.
static void read_guessed(const struct prl_zh_run *run, size_t at, size_t len)
{
    for (size_t i = 1; i < len; i++) {
        bool paired = is_dictionary_word(run, at + i - 1, 2) ||
                      (i + 1 < len && is_dictionary_word(run, at + i, 2));
        if (!paired)
            read_single(run, at + i, 1);
    }
}

void prl_zh_rules_readings(const struct prl_zh_run *run)
{
    size_t at = 0;
    size_t before_len = 0;
    for (size_t word = 0; word < run->word_count; word++) {
        size_t len = run->lengths[word];
        bool known = len > 1 && is_dictionary_word(run, at, len);
        if (!known && (len == 1 || !is_dictionary_word(run, at, 2)))
            read_single(run, at, before_len);
        if (!known)
            read_guessed(run, at, len);
        neutralise(run, at, len);
        size_t last = at + len - 1;
        if (len >= 2 && run->chars[last] == u'儿' && !is_among(CHILD, run->chars[last - 1])) {
            set_code(run, last, "er", 5);
            run->erhua[last] = true;
        }
        at += len;
        before_len = len;
    }
}

static const char16_t DIGITS[] = u"零〇一二三四五六七八九";
static const char16_t ORDINALS[] = u"月号楼级班";       // 一月, 一号: a number, not a count
static const char16_t POINTERS[] = u"这那每另某任有哪"; // 这一天: 一 goes with what follows

static int next_tone(const struct prl_zh_run *run, size_t at)
{
    if (at + 1 >= run->count || run->codes[at + 1] == PRL_ZH_NO_CODE)
        return 0;
    return prl_zh_tone(run->codes[at + 1]);
}

static bool is_between_twins(const struct prl_zh_run *run, size_t at)
{
    return at > 0 && at + 1 < run->count && run->chars[at - 1] == run->chars[at + 1];
}

// Tone of 一 at `at`; `ends_word` when it is the last of a longer word.
static int yi_tone(const struct prl_zh_run *run, size_t at, bool ends_word)
{
    uint16_t before = at > 0 ? run->chars[at - 1] : 0;
    uint16_t after = at + 1 < run->count ? run->chars[at + 1] : 0;
    int tone = next_tone(run, at);
    if (!tone || before == u'第' || before == u'十' || is_among(DIGITS, before) ||
        is_among(DIGITS, after) || is_among(ORDINALS, after) || (before && after == u'十'))
        return 1;
    if (is_between_twins(run, at))
        return 5;
    if (ends_word && !is_among(POINTERS, before))
        return 1;
    return tone == 4 || after == u'个' ? 2 : 4;
}

static int bu_tone(const struct prl_zh_run *run, size_t at)
{
    if (is_between_twins(run, at) || prl_zh_tone(run->codes[at]) == 5)
        return 5;
    return next_tone(run, at) == 4 ? 2 : 4;
}

void prl_zh_rules_yi_bu(const struct prl_zh_run *run)
{
    size_t at = 0;
    for (size_t word = 0; word < run->word_count; word++) {
        size_t len = run->lengths[word];
        bool known = is_dictionary_word(run, at, len);
        for (size_t i = at; i < at + len; i++) {
            if (run->chars[i] == u'一')
                set_code(run, i, "yi", yi_tone(run, i, known && len > 1 && i + 1 == at + len));
            else if (run->chars[i] == u'不' && run->codes[i] != PRL_ZH_NO_CODE)
                set_code(run, i, "bu", bu_tone(run, i));
        }
        at += len;
    }
}

static bool is_third(const struct prl_zh_run *run, size_t at)
{
    return run->codes[at] != PRL_ZH_NO_CODE && prl_zh_tone(run->codes[at]) == 3;
}

static void raise(const struct prl_zh_run *run, size_t at)
{
    run->codes[at] = prl_zh_with_tone(run->codes[at], 2);
}

// 展览馆 is 2+1 (2 2 3), 纸老虎 is 1+2 (3 2 3).
static void raise_in_word(const struct prl_zh_run *run, size_t at, size_t len)
{
    if (len == 3 && is_third(run, at) && is_third(run, at + 1) && is_third(run, at + 2)) {
        if (is_dictionary_word(run, at, 2) || !is_dictionary_word(run, at + 1, 2))
            raise(run, at);
        raise(run, at + 1);
        return;
    }
    // In pairs from the left; a raised syllable is no longer a third tone for the one before it.
    for (size_t i = at; i + 1 < at + len; i++)
        if (is_third(run, i) && is_third(run, i + 1) && !(len == 4 && i == at + 1))
            raise(run, i);
}

void prl_zh_rules_third_tone(const struct prl_zh_run *run)
{
    size_t at = 0;
    for (size_t word = 0; word < run->word_count; word++) {
        raise_in_word(run, at, run->lengths[word]);
        at += run->lengths[word];
    }
    // Between neighbours of at most three syllables together, from the right: 我很好 is 3 2 3.
    size_t end = run->count;
    for (size_t word = run->word_count; word-- > 1;) {
        size_t len = run->lengths[word];
        size_t start = end - len;
        if (len + run->lengths[word - 1] <= 3 && is_third(run, start - 1) && is_third(run, start))
            raise(run, start - 1);
        end = start;
    }
}
