// words_zh.c -- see language.h: Chinese.
#include <string.h>

#include "eot/language.h"

enum {
    CLAUSE_HAN_MAX = 12, // a clause without a comma may be a whole sentence when it is longer
    HAN_SIZE = 3,        // bytes of a common Chinese character
    COMMAND_HAN_MAX = 3,
};

static const char *const ZH_OPEN[] = {
    "然后", "接着", "因为", "由于", "但是", "可是", "不过", "而且", "并且", "或者", "以及",
    "还有就是", "如果", "假如", "要是", "要不是", "虽然", "尽管", "即使", "只要", "只有", "除非",
    "就是", "就是说", "也就是说", "所以", "因此", "比如", "比如说", "例如", "譬如", "包括", "为了",
    "关于", "对于", "至于", "根据", "按照", "通过", "除了", "另外", "首先", "其次", "再就是", "和",
    "跟", "与", "及", "把", "被", "而", "且", "若", "从", "呃", "额", "我想想", "让我想想",
    "我觉得", "我认为", "我希望", "我想问", "我想问一下", "我想要", "请问", "请问一下", "问一下",
    "有没有", "能不能", "可不可以", "是不是", "要不要", "会不会", "两个问题", "两件事", "几个问题",
    "一个问题", "个问题", "第一个是", "一个是", "一是", "的时候", "之前我", "什么的话", "的话",
    "那么", "甚至", "尤其是", "特别是", "不仅", "不但", "无论", "不管", "既然", "万一", "何况",
    "况且", "随着", "由", "我的意思是", "你的意思是", "问题是", "原因是", "还是说", "或",
    // What wants a noun, a verb or an adjective behind it.
    "每个", "每一个", "每种", "任何", "所有", "各种", "各个", "某个", "某种", "整个", "许多", "向",
    "往", "让", "给", "替", "将", "很", "非常", "比较", "更", "更加", "越来越", "最", "太", "正在",
    "已经", "曾经", "能够", "帮我", "请你", "成为", "作为", "使得", "显得", "似乎", "仿佛", "好像",
    "据说", "哪怕", "就算", "与其", "宁可", "以便", "以免", "免得", "从而", "因而", "于是", "一边",
    "一方面", "不光", "不只", "于", "包含", "以及其他", "和其他", NULL};
// Of these, what is said that way at an end.
static const char *const ZH_OPEN_ENDS[] = {"不给", "还给", "交给", "不让", "方向", "来往", "以往",
                                           "前往", "即将", "麻将", "大将", "代替", "不太", NULL};
// The same for 在, 比 and 得.
static const char *const ZH_WANTS_MORE[] = {"在", "比", "得", NULL};
static const char *const ZH_WANTS_NOTHING[] = {
    "我在", "你在", "您在", "他在", "她在", "它在", "不在", "还在", "都在", "也在",
    "人在", "实在", "现在", "存在", "内在", "外在", "潜在", "所在", "自在", "好在",
    "何在", "健在", "对比", "相比", "之比", "占比", "记得", "值得", "不得", "懂得",
    "晓得", "舍得", "难得", "认得", "心得", "所得", NULL};
// A clause that begins so wants another, unless one of the signs of that stands in it.
static const char *const ZH_CLAUSES[] = {"如果", "假如", "要是", "倘若", "若要", "若是",
                                         "虽然", "尽管", "既然", "每当", "只要", "除非",
                                         "当我", "当你", "当他", "当她", NULL};
static const char *const ZH_SECOND_CLAUSE[] = {"就", "那", "都",   "也",   "还",   "才",   "则",
                                               "但", "会", "可以", "应该", "怎么", "什么", "吗",
                                               "呢", "吧", "请",   "再",   "了",   NULL};

// 那个, 这个 and 那 only fill time when nothing is said with them; 嗯 behind other words always does.
static const char *const ZH_FILLER[] = {"那个", "这个", "那", NULL};
static const char *const ZH_HESITATES[] = {"嗯", "恩", "呃", "额", NULL};
// Behind these, 那个 is what is wanted.
static const char *const ZH_TAKES_OBJECT[] = {"要", "是", "买", "选", "欢", "用", "给", "看", "找",
                                              "拿", "换", "点", "吃", "喝", "穿", "在", "有", "的",
                                              "对", "懂", "会", "说", "讲", "放", "开", "关", NULL};

// 的 that ends a sentence: an answer, a certainty, 是…的, or a thing that is wanted.
static const char *const ZH_DE_ENDS[] = {
    "好的",   "是的",   "对的",   "真的",   "会的",   "可以的", "行的",   "有的",   "没的",
    "要的",   "知道的", "没事的", "不错的", "够的",   "一样的", "来的",   "去的",   "能的",
    "应该的", "应当的", "必须的", "当然的", "怎么的", "似的",   "别的",   "目的",   "什么的",
    "不会的", "没有的", "谢谢的", "开心的", "高兴的", "挺好的", "蛮好的", "还好的", "说的",
    "做的",   "买的",   "写的",   "见的",   NULL};
static const char *const ZH_DE_WHOLE[] = {"是",   "要", "挺", "蛮",   "很", "怪",
                                          "喜欢", "买", "换", "有点", NULL};

// Behind one of these, 是 is not "A is …" but a verdict.
static const char *const ZH_SHI_ENDS[] = {"不", "就", "也", "都", "可", "倒", "还",
                                          "正", "真", "总", "算", "老", "于", "但",
                                          "要", "只", "或", "凡", NULL};

static const char *const ZH_ASKS[] = {
    "吗",       "怎么样",   "怎样",     "怎么办",   "怎么回事", "怎么了", "怎么走", "怎么做",
    "多少",     "多少钱",   "几点",     "几点了",   "几号",     "几岁",   "几个",   "是什么",
    "什么意思", "哪里",     "哪儿",     "哪个",     "是谁",     "谁啊",   "为什么", "多久",
    "多大",     "多远",     "多长",     "多高",     "多长时间", "什么呢", "好不好", "行不行",
    "对不对",   "可不可以", "能不能",   "是不是",   "要不要",   "有没有", "如何",   "干嘛",
    "干什么",   "做什么",   "什么",     "什么样",   "哪些",     "哪一个", "没有吗", "怎么呢",
    "谁呢",     "呢",       "什么时候", "什么地方", "行吗",     NULL};
// Of these, the ones behind which a sentence seldom goes on.
static const char *const ZH_ASKS_DONE[] = {
    "吗",     "怎么样", "怎么办", "怎么回事", "怎么了",   "怎么走",   "多少钱", "几点",
    "几点了", "几号",   "几岁",   "是什么",   "什么意思", "在哪里",   "在哪儿", "是谁",
    "多久",   "多大",   "多远",   "好不好",   "行不行",   "对不对",   "如何呢", "多长时间",
    "什么呢", "怎么呢", "谁呢",   "为什么呢", "怎么办呢", "干什么呢", NULL};

static const char *const ZH_ANSWERS[] = {
    "好",     "好的",   "好啊",   "好吧",   "好呀",   "行",     "行啊",     "行吧",   "可以",
    "可以的", "可以啊", "没问题", "对",     "对的",   "对啊",   "对呀",     "是",     "是的",
    "是啊",   "不",     "不是",   "不是的", "不用",   "不用了", "不要",     "不要了", "不行",
    "不对",   "没有",   "没有了", "没了",   "有",     "有的",   "要",       "要的",   "嗯",
    "嗯嗯",   "恩",     "知道了", "明白了", "懂了",   "了解",   "了解了",   "谢谢",   "再见",
    "拜拜",   "你好",   "您好",   "算了",   "停",     "停下",   "停止",     "别说了", "好了",
    "就这样", "没事",   "没事了", "不知道", "不清楚", "当然",   "当然可以", "没关系", "不客气",
    "早上好", "晚上好", "晚安",   "可以了", "够了",   "继续",   "对不起",   NULL};
static const char *const ZH_DONE[] = {"谢谢", "谢谢你",   "谢谢您", "谢谢啦", "谢谢了",
                                      "多谢", "再见",     "拜拜",   "回头见", "明天见",
                                      "晚安", "就这样吧", "就这些", "吧",     NULL};

// Last what Whisper makes of 哦，这样啊, of 知道了 and of 明白了.
static const char *const ZH_BACKCHANNELS[] = {
    "嗯",     "恩",     "唔",     "哦",     "噢",     "喔",     "啊",     "哎",     "诶",
    "欸",     "呵呵",   "哈哈",   "对",     "对的",   "对啊",   "对呀",   "對",     "是",
    "是的",   "是啊",   "是呀",   "好",     "好的",   "好啊",   "好吧",   "好呀",   "行",
    "行吧",   "行啊",   "没错",   "嗯哼",   "明白",   "明白了", "知道了", "了解",   "原来如此",
    "这样啊", "真的",   "哇",     "哈",     "真的吗", "是吗",   "这样",   "这样吗", "是这样",
    "可以",   "可以的", "懂了",   "收到",   "当然",   "厉害",   "不错",   "有道理", "我这样啊",
    "吃到了", "直到了", "指导了", "面白了", NULL};

// A recogniser hears 听 for 停. Of two characters or more where one is in other words as well.
static const char *const ZH_TAKES[] = {
    "等",   "停",   "听",   "不",   "别",   "慢",   "快点", "够",   "闭嘴", "安静", "什么",
    "怎么", "为什", "谁",   "哪",   "几",   "多少", "吗",   "但是", "可是", "你",   "您",
    "喂",   "问",   "错",   "重复", "再说", "换",   "算了", "请",   "帮我", "我要", "我想",
    "取消", "退出", "继续", "下一", "上一", "大声", "小声", NULL};
// Commands of a syllable or two come out as other characters that sound like them. Only where they are
// all that was said. 天, which 停 becomes as well, is also what a hum becomes.
static const struct {
    const char *character, *heard; // what was said, and what was written for it
} ZH_SOUNDS[] = {{"不", "部布步簿捕怖埠"},
                 {"对", "队隊兑堆對"},
                 {"停", "听聽庭厅挺廷亭婷艇"},
                 {"等", "灯登邓瞪"},
                 {"别", "憋鳖瘪"}};
static const char *const ZH_COMMANDS[] = {"停",   "停停",   "停下", "停一下", "不",
                                          "不不", "不对",   "不行", "等",     "等等",
                                          "等下", "等一下", "别说", "别说了", NULL};

static bool is_open_chinese(const struct prl_line *line)
{
    static const char *const DE[] = {"的", NULL}, *const SHI[] = {"是", NULL};
    if (line->mark == PRL_SAID_ASK || prl_line_is_one_of(line, ZH_ANSWERS))
        return false;
    if (prl_line_ends_with(line, ZH_HESITATES))
        return true;
    size_t filler = prl_line_ends_with(line, ZH_FILLER);
    if (filler > 0 && !prl_line_before_ends_with(line, filler, ZH_TAKES_OBJECT))
        return true;
    if (prl_line_ends_with(line, DE))
        return !prl_line_ends_with(line, ZH_DE_ENDS) && !prl_line_contains_any(line, ZH_DE_WHOLE);
    if (prl_line_ends_with(line, ZH_WANTS_MORE) && line->words > 1)
        return !prl_line_ends_with(line, ZH_WANTS_NOTHING);
    if (prl_line_ends_with(line, ZH_OPEN))
        return !prl_line_ends_with(line, ZH_OPEN_ENDS);
    if (!line->comma && line->words <= CLAUSE_HAN_MAX && prl_line_begins_with(line, ZH_CLAUSES) &&
        !prl_line_contains_any(line, ZH_SECOND_CLAUSE))
        return true;
    size_t shi = prl_line_ends_with(line, SHI);
    return shi > 0 && line->words > 1 && !prl_line_before_ends_with(line, shi, ZH_SHI_ENDS);
}

static bool asks_chinese(const struct prl_line *line)
{
    return prl_line_ends_with(line, ZH_ASKS) > 0;
}

static bool is_complete_chinese(const struct prl_line *line, bool only)
{
    return prl_line_ends_with(line, ZH_ASKS_DONE) || prl_line_ends_with(line, ZH_DONE) ||
           (only && prl_line_is_one_of(line, ZH_ANSWERS));
}

// The character that was said where `at` was written.
static const char *sound_of(const char *at)
{
    for (size_t i = 0; i < sizeof(ZH_SOUNDS) / sizeof(*ZH_SOUNDS); i++) {
        const char *found = ZH_SOUNDS[i].heard;
        for (; *found; found += HAN_SIZE)
            if (memcmp(found, at, HAN_SIZE) == 0)
                return ZH_SOUNDS[i].character;
    }
    return at;
}

// All that was said sounds like a command.
static bool is_misheard_command(const struct prl_line *line)
{
    char said[COMMAND_HAN_MAX * HAN_SIZE + 1];
    size_t len = line->len - 1; // behind the '\n'
    if (!line->whole || line->sentences != 1 || len > sizeof(said) - 1 || len % HAN_SIZE != 0)
        return false;
    for (size_t at = 0; at < len; at += HAN_SIZE)
        memcpy(said + at, sound_of(line->text + 1 + at), HAN_SIZE);
    said[len] = '\0';
    for (prl_line_list entry = ZH_COMMANDS; *entry; entry++)
        if (strcmp(said, *entry) == 0)
            return true;
    return false;
}

static bool takes_chinese(const struct prl_line *line)
{
    if (is_misheard_command(line))
        return true;
    for (prl_line_list entry = ZH_TAKES; *entry; entry++)
        if (strstr(line->text, *entry))
            return true;
    return false;
}

const struct prl_eot_language prl_eot_chinese = {.asks = asks_chinese,
                                                 .open = is_open_chinese,
                                                 .complete = is_complete_chinese,
                                                 .takes = takes_chinese,
                                                 .backchannels = ZH_BACKCHANNELS};
