// words.c -- see words.h. The text becomes one line: every sentence begins with '\n', every word or
// number with a space, Chinese characters stand close. Then a rule is a list of endings. A rule that
// wrongly says "more must come" costs seconds and one that wrongly says "done" interrupts, so that
// what can be either (this is *that*, 我要*那个*) is left to the model. So are English questions, since
// recognisers put a question mark behind half of one ("How many sessions are in?").
#include "eot/words.h"

#include <string.h>

#include "base/str.h"
#include "eot/said.h"

enum {
    READ_MAX = 1024,         // bytes of the text's end that are read
    LINE_MAX = 2 * READ_MAX, // a word costs one byte more than its letters
    SENTENCE_WORDS_FEW = 3,  // "yes please" may be the beginning of more
    DIGITS_MOBILE = 11,      // of a Chinese mobile number, which begins with 1
    CLAUSE_WORDS_MAX = 8,    // a clause without a comma may be a whole sentence when it is longer
    CLAUSE_HAN_MAX = 12,
    QUESTION_WORDS_MAX = 4,  // "how many conference tracks": no verb yet
    DIGITS_DICTATED_MIN = 6, // so many digits in a row are a number being dictated
    BACKCHANNEL_TOKENS = 3,
    HAN_SIZE = 3, // bytes of a common Chinese character
    COMMAND_HAN_MAX = 3,
};

struct line {
    char text[LINE_MAX];
    size_t len;
    size_t last;             // where the last sentence begins
    size_t words;            // of the last sentence; a Chinese character counts
    size_t sentences;        // with words in them
    enum prl_said_kind mark; // behind the last word; WORD: none
    bool whole;              // the text was read from its beginning
    bool comma;              // somewhere in the last sentence
    bool han;                // Chinese characters in the last sentence
    bool foreign;            // kana or hangul: Chinese characters are not Chinese
};

typedef const char *const *list;

// ---- Chinese ----

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

static const char *const ZH_BACKCHANNELS[] = {
    "嗯",     "恩",   "唔",   "哦",   "噢",   "喔",     "啊",     "哎",   "诶",
    "欸",     "呵呵", "哈哈", "对",   "对的", "对啊",   "对呀",   "對",   "是",
    "是的",   "是啊", "是呀", "好",   "好的", "好啊",   "好吧",   "好呀", "行",
    "行吧",   "行啊", "没错", "嗯哼", "明白", "明白了", "知道了", "了解", "原来如此",
    "这样啊", "真的", "哇",   "哈",   NULL};

// ---- English; a word begins with its space ----

static const char *const EN_OPEN[] = {" and",
                                      " or",
                                      " but",
                                      " because",
                                      " cause",
                                      " if",
                                      " unless",
                                      " until",
                                      " while",
                                      " although",
                                      " whereas",
                                      " than",
                                      " the",
                                      " a",
                                      " an",
                                      " my",
                                      " your",
                                      " our",
                                      " their",
                                      " its",
                                      " every",
                                      " um",
                                      " umm",
                                      " uh",
                                      " uhm",
                                      " er",
                                      " erm",
                                      " such as",
                                      " i mean",
                                      " you know",
                                      " and then",
                                      " or maybe",
                                      " let me see",
                                      " let me think",
                                      " which",
                                      " whose",
                                      " mr",
                                      " mrs",
                                      " dr",
                                      " i'm",
                                      " it's",
                                      " there's",
                                      " we're",
                                      " they're",
                                      " you're",
                                      " i've",
                                      " i'll",
                                      " we'll",
                                      " what's",
                                      " who's",
                                      " where's",
                                      " let's",
                                      " i'd",
                                      " could you",
                                      " can you",
                                      " would you",
                                      " will you",
                                      " i want",
                                      " i'd like",
                                      " i would like",
                                      " i need",
                                      " give me",
                                      " tell me",
                                      " show me",
                                      " how about",
                                      " what about",
                                      " kind of",
                                      " sort of",
                                      " for example",
                                      " for instance",
                                      " as well as",
                                      " in order",
                                      " instead of",
                                      " because of",
                                      " due to",
                                      " number is",
                                      " name is",
                                      " address is",
                                      " problem is",
                                      " thing is",
                                      " question is",
                                      " point is",
                                      " i was wondering",
                                      " i wonder",
                                      " first of all",
                                      " two questions",
                                      " two things",
                                      " a few questions",
                                      " a couple of questions",
                                      " some questions",
                                      " a question",
                                      " for one thing",
                                      " on the other hand",
                                      " the fact that",
                                      " very",
                                      " say that",
                                      " think that",
                                      " know that",
                                      " said that",
                                      " means that",
                                      " so that",
                                      " hope that",
                                      " sure that",
                                      " whether",
                                      " became",
                                      " becomes",
                                      " seems like",
                                      " looks like",
                                      " sounds like",
                                      " feels like",
                                      " interested in",
                                      " various",
                                      " particularly",
                                      " especially",
                                      " extremely",
                                      NULL};
// Linking verbs want to be told what it is that something seems, but for "so it seems".
static const char *const EN_SEEMS[] = {" it seems",   " he seems",  " she seems",   " this seems",
                                       " that seems", " they seem", " there seems", NULL};
static const char *const EN_BEFORE_SEEMS[] = {" so", " as", " than", " what", " how", NULL};
// An article or the like and an adjective: the noun is still to come.
static const char *const EN_ADJECTIVES[] = {
    " great",     " new",       " old",         " big",       " small",      " large",
    " different", " entire",    " main",        " certain",   " special",    " important",
    " similar",   " beautiful", " interesting", " wonderful", " additional", NULL};
static const char *const EN_DETERMINERS[] = {" a",     " an",    " the",  " many",  " several",
                                             " some",  " my",    " your", " our",   " his",
                                             " their", " these", " two",  " three", NULL};
// A clause that begins so wants another, unless a comma stands in it.
static const char *const EN_CLAUSES[] = {" if",       " unless",   " although",   " whenever",
                                         " while",    " when i",   " when you",   " when we",
                                         " when he",  " when she", " when it",    " when they",
                                         " when the", " when my",  " as soon as", NULL};
static const char *const EN_CLAUSES_WHOLE[] = {
    " if you like", " if you want", " if you say so", " if so",
    " if not",      " if possible", " if you can",    NULL};
// These ask about a noun, and then the verb is still to come.
static const char *const EN_ASKS_OF[] = {" how many", " how much", " what kind of", " what sort of",
                                         NULL};
static const char *const EN_AUXILIARIES[] = {
    " is",  " are",   " am",    " was",  " were",  " do",     " does",
    " did", " can",   " could", " will", " would", " should", " shall",
    " may", " might", " must",  " have", " has",   " had",    NULL};
// Open unless it is asked (where are you from?) or said before the particle of a verb (come in).
static const char *const EN_PREPOSITIONS[] = {
    " of",      " to",      " for",     " with",   " at",      " from",  " by",
    " into",    " onto",    " between", " during", " without", " about", " until",
    " towards", " against", " among",   " per",    NULL};
// Subjects that want a verb, unless one stands before them (am I, than he).
static const char *const EN_SUBJECTS[] = {" i", " he", " she", " we", " they", NULL};
static const char *const EN_BEFORE_SUBJECT[] = {
    " am",  " are",   " is",     " was",   " were", " do",    " does", " did",
    " can", " could", " should", " would", " will", " shall", " may",  " have",
    " has", " had",   " than",   " as",    " and",  " not",   NULL};
static const char *const EN_COPULAS[] = {" is", " are", " was", " were", NULL};
static const char *const EN_PRONOUNS[] = {" it",    " he",    " she",   " they",  " i",    " we",
                                          " you",   " this",  " that",  " there", " what", " who",
                                          " which", " these", " those", NULL};
static const char *const EN_SO_THINKS[] = {" think", " hope", " guess", " believe", " suppose",
                                           " said",  " say",  " even",  " do",      " or",
                                           " if",    " told", NULL};

static const char *const EN_QUESTION_WORDS[] = {
    " what",    " what's", " who",      " who's", " whose", " which", " where",  " where's",
    " when",    " why",    " how",      " how's", " is",    " are",   " am",     " was",
    " were",    " do",     " does",     " did",   " can",   " could", " would",  " will",
    " should",  " shall",  " may",      " have",  " has",   " isn't", " aren't", " don't",
    " doesn't", " can't",  " couldn't", " won't", NULL};

static const char *const EN_ANSWERS[] = {" yes",          " yeah",
                                         " yep",          " yup",
                                         " no",           " nope",
                                         " okay",         " ok",
                                         " sure",         " right",
                                         " correct",      " exactly",
                                         " absolutely",   " of course",
                                         " not really",   " no thanks",
                                         " thanks",       " thank you",
                                         " no thank you", " i don't know",
                                         " that's it",    " that's all",
                                         " never mind",   " nevermind",
                                         " bye",          " bye bye",
                                         " goodbye",      " good night",
                                         " see you",      " stop",
                                         " cancel",       " go ahead",
                                         " hello",        " hi",
                                         " hey",          " good morning",
                                         " that's right", " sounds good",
                                         " got it",       " all right",
                                         " alright",      " nothing",
                                         " yes please",   " no problem",
                                         " continue",     " go on",
                                         " me too",       " maybe",
                                         " definitely",   " great",
                                         " perfect",      " i agree",
                                         " not yet",      " yes i do",
                                         " yes i am",     " no i don't",
                                         " good evening", NULL};
static const char *const EN_DONE[] = {
    " thanks",  " thank you",  " thank you very much", " thanks a lot", " bye", " goodbye",
    " see you", " that's all", " that's it",           " please",       NULL};

static const char *const EN_BACKCHANNELS[] = {
    " mhm",     " mh",     " mm",        " mmm",    " hm",    " hmm",  " mm hmm",  " mmhmm",
    " uh huh",  " uh",     " huh",       " ah",     " aha",   " oh",   " yeah",    " yep",
    " yup",     " yes",    " okay",      " ok",     " right", " sure", " alright", " all right",
    " i see",   " got it", " of course", " good",   " great", " cool", " nice",    " wow",
    " exactly", " true",   " indeed",    " really", NULL};

// ---- what takes the floor, in both languages ----

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
static const char *const EN_TAKES[] = {
    " stop",   " wait",     " no",     " not",      " don't",   " hold",   " hey",    " what",
    " what's", " why",      " who",    " who's",    " where",   " when",   " which",  " how",
    " can",    " could",    " excuse", " sorry",    " pause",   " cancel", " quit",   " enough",
    " but",    " actually", " listen", " question", " next",    " again",  " repeat", " louder",
    " slower", " faster",   " quiet",  " quieter",  " silence", " hello",  " help",   " never",
    " please", " skip",     " back",   " shut",     " you",     " your",   " tell",   " let",
    " change", " switch",   NULL};

// ---- the line ----

static void put(struct line *line, char c, const char *text, size_t len)
{
    if (line->len + len + 2 > sizeof(line->text))
        return;
    if (c)
        line->text[line->len++] = c;
    memcpy(line->text + line->len, text, len);
    line->len += len;
}

static void put_token(struct line *line, const struct prl_said_token *token, bool *ended)
{
    if (token->len == 0) {
        line->mark = token->kind;
        line->comma |= token->kind == PRL_SAID_COMMA;
        *ended |= token->kind == PRL_SAID_STOP || token->kind == PRL_SAID_ASK;
        return;
    }
    if (*ended) {
        line->last = line->len;
        line->words = 0;
        line->comma = false;
        line->han = false;
        line->sentences++;
        put(line, '\n', "", 0);
    }
    *ended = false;
    line->mark = PRL_SAID_WORD;
    line->words++;
    line->han |= token->kind == PRL_SAID_HAN;
    line->foreign |= token->kind == PRL_SAID_FOREIGN;
    bool close = token->kind == PRL_SAID_HAN || token->kind == PRL_SAID_FOREIGN;
    put(line, close ? '\0' : ' ', token->text, token->len);
}

static void read_line(struct line *line, const char *text, size_t len)
{
    *line = (struct line){.mark = PRL_SAID_WORD, .whole = len <= READ_MAX};
    size_t at = 0;
    if (!line->whole) {
        at = len - READ_MAX;
        while (at < len && ((unsigned char)text[at] & 0xC0) == 0x80)
            at++;
    }
    struct prl_said_token token;
    bool ended = true;
    while (prl_said_next(text, len, &at, &token))
        put_token(line, &token, &ended);
    line->text[line->len] = '\0';
}

// ---- endings ----

// Length and index of the longest entry that `text` ends with, 0 for none.
static size_t ending_index(const char *text, size_t len, list entries, size_t *index)
{
    size_t longest = 0;
    for (size_t i = 0; entries[i]; i++) {
        size_t n = strlen(entries[i]);
        if (n > len || n <= longest || memcmp(text + len - n, entries[i], n) != 0)
            continue;
        longest = n;
        *index = i;
    }
    return longest;
}

static size_t ending(const char *text, size_t len, list entries)
{
    size_t index;
    return ending_index(text, len, entries, &index);
}

// Of the last sentence, whose first byte is the '\n'.
static size_t ends_with(const struct line *line, list entries)
{
    return ending(line->text + line->last, line->len - line->last, entries);
}

// The same for what stands before its last `less` bytes.
static bool before_ends_with(const struct line *line, size_t less, list entries)
{
    return ending(line->text + line->last, line->len - line->last - less, entries) > 0;
}

// The last sentence is one of the entries and nothing else.
static bool is_one_of(const struct line *line, list entries)
{
    size_t n = ends_with(line, entries);
    return n > 0 && n + 1 == line->len - line->last;
}

static bool contains_any(const struct line *line, list entries)
{
    for (; *entries; entries++)
        if (strstr(line->text + line->last, *entries))
            return true;
    return false;
}

// From `from` on one of the English entries stands as whole words.
static bool has_word(const struct line *line, size_t from, list entries)
{
    for (; *entries; entries++) {
        size_t n = strlen(*entries);
        for (const char *at = strstr(line->text + from, *entries); at;
             at = strstr(at + 1, *entries))
            if (at[n] == ' ' || at[n] == '\n' || at[n] == '\0')
                return true;
    }
    return false;
}

// The last sentence begins with one of the entries; English ones as whole words.
static bool begins_with(const struct line *line, list entries)
{
    for (; *entries; entries++) {
        const char *text = line->text + line->last + 1;
        size_t n = strlen(*entries);
        bool letters = **entries == ' ';
        if (strncmp(text, *entries, n) == 0 && (!letters || text[n] == ' ' || text[n] == '\0'))
            return true;
    }
    return false;
}

static bool begins_with_question(const struct line *line)
{
    return begins_with(line, EN_QUESTION_WORDS);
}

// ---- numbers being dictated ----

static const char *const NUMBER_WORDS[] = {" zero",  " oh",   " o",    " one", " two",
                                           " three", " four", " five", " six", " seven",
                                           " eight", " nine", NULL};
static const char *const NUMBER_HAN[] = {"零", "〇", "一", "二", "三", "四", "五",
                                         "六", "七", "八", "九", "幺", NULL};
static const char *const TELEPHONE[] = {"电话",        "手机",  " phone",       " cell",
                                        " call me at", " dial", " reach me at", NULL};

// The digits at the end of the last sentence.
struct digits {
    size_t count;
    int first, second; // -1: none
    bool words, han;   // some are spelled: "five", 五
};

// Of the digit that `text` ends with: its bytes, 0 when there is none.
static size_t last_digit(const char *text, size_t len, struct digits *digits)
{
    static const int WORD_VALUES[] = {0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    static const int HAN_VALUES[] = {0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1};
    size_t n, index;
    int value;
    if ((n = ending_index(text, len, NUMBER_WORDS, &index)) > 0) {
        value = WORD_VALUES[index];
        digits->words = true;
    } else if ((n = ending_index(text, len, NUMBER_HAN, &index)) > 0) {
        value = HAN_VALUES[index];
        digits->han = true;
    } else if (text[len - 1] >= '0' && text[len - 1] <= '9') {
        value = text[len - 1] - '0';
        n = text[len - 2] == ' ' ? 2 : 1;
    } else {
        return 0;
    }
    digits->second = digits->first;
    digits->first = value;
    digits->count++;
    return n;
}

static bool is_half_a_number(const struct line *line)
{
    struct digits digits = {.first = -1, .second = -1};
    size_t len = line->len - line->last;
    while (len > 1) {
        size_t n = last_digit(line->text + line->last, len, &digits);
        if (n == 0)
            break;
        len -= n;
    }
    bool telephone = digits.count > 0 && contains_any(line, TELEPHONE);
    bool many = digits.count >= DIGITS_DICTATED_MIN;
    if (digits.first == 1 && digits.second >= 3 &&
        (telephone || many || (digits.han && digits.count >= 3)))
        return digits.count < DIGITS_MOBILE;
    if (digits.count == 7 || digits.count == 10 || digits.count == 11)
        return false;
    if (!digits.words && (digits.count == 8 || digits.count == 12))
        return false; // a Chinese landline, alone and with its area
    return digits.count <= 12 && (many || telephone);
}

// ---- rules ----

static bool is_open_chinese(const struct line *line)
{
    static const char *const DE[] = {"的", NULL}, *const SHI[] = {"是", NULL};
    if (is_one_of(line, ZH_ANSWERS))
        return false;
    if (ends_with(line, ZH_HESITATES))
        return true;
    size_t filler = ends_with(line, ZH_FILLER);
    if (filler > 0 && !before_ends_with(line, filler, ZH_TAKES_OBJECT))
        return true;
    if (ends_with(line, DE))
        return !ends_with(line, ZH_DE_ENDS) && !contains_any(line, ZH_DE_WHOLE);
    if (ends_with(line, ZH_WANTS_MORE) && line->words > 1)
        return !ends_with(line, ZH_WANTS_NOTHING);
    if (ends_with(line, ZH_OPEN))
        return !ends_with(line, ZH_OPEN_ENDS);
    if (!line->comma && line->words <= CLAUSE_HAN_MAX && begins_with(line, ZH_CLAUSES) &&
        !contains_any(line, ZH_SECOND_CLAUSE))
        return true;
    size_t shi = ends_with(line, SHI);
    return shi > 0 && line->words > 1 && !before_ends_with(line, shi, ZH_SHI_ENDS);
}

// "If the reader", "how many sessions", "so many great": the second clause, the verb, the noun is missing.
static bool is_half_english(const struct line *line)
{
    bool asks = line->mark == PRL_SAID_ASK;
    if (!line->comma && !asks && line->words <= CLAUSE_WORDS_MAX && begins_with(line, EN_CLAUSES) &&
        !is_one_of(line, EN_CLAUSES_WHOLE))
        return true;
    if (begins_with(line, EN_ASKS_OF) && line->words > 2 && line->words <= QUESTION_WORDS_MAX &&
        !has_word(line, line->last, EN_AUXILIARIES))
        return true;
    size_t n = ends_with(line, EN_SEEMS);
    if (n > 0)
        return !before_ends_with(line, n, EN_BEFORE_SEEMS);
    n = ends_with(line, EN_ADJECTIVES);
    return n > 0 && before_ends_with(line, n, EN_DETERMINERS);
}

static bool is_open_english(const struct line *line)
{
    static const char *const SO[] = {" so", NULL};
    bool asks = line->mark == PRL_SAID_ASK || begins_with_question(line);
    if (is_half_english(line))
        return true;
    size_t n = ends_with(line, EN_OPEN);
    if (n > 0)
        return true;
    if (ends_with(line, EN_PREPOSITIONS))
        return !asks;
    n = ends_with(line, EN_SUBJECTS);
    if (n > 0)
        return !before_ends_with(line, n, EN_BEFORE_SUBJECT);
    n = ends_with(line, EN_COPULAS);
    if (n > 0)
        return !before_ends_with(line, n, EN_PRONOUNS);
    n = ends_with(line, SO);
    return n > 0 && !before_ends_with(line, n, EN_SO_THINKS);
}

static uint32_t judge_turn(const struct line *line, bool chinese, bool english, bool listens)
{
    bool asks_en = english && line->words > 1 && begins_with_question(line);
    bool asks = line->mark == PRL_SAID_ASK || asks_en || (chinese && ends_with(line, ZH_ASKS) > 0);
    uint32_t flags = asks ? PRL_EOT_QUESTION : 0;
    bool open = line->mark == PRL_SAID_COMMA || line->mark == PRL_SAID_DOTS;
    open |= english && is_half_a_number(line);
    open |= chinese && !listens && line->mark != PRL_SAID_ASK && is_open_chinese(line);
    open |= english && !listens && is_open_english(line);
    if (open)
        return flags | PRL_EOT_OPEN_ENDED;
    bool only = line->whole && line->sentences == 1;
    bool complete = false;
    if (chinese)
        complete = ends_with(line, ZH_ASKS_DONE) || ends_with(line, ZH_DONE) ||
                   (only && is_one_of(line, ZH_ANSWERS));
    if (english)
        complete |= (line->words >= SENTENCE_WORDS_FEW && ends_with(line, EN_DONE)) ||
                    (only && is_one_of(line, EN_ANSWERS));
    return flags | (complete ? PRL_EOT_COMPLETE : 0);
}

// The longest entry that `text` begins with.
static size_t beginning(const char *text, list entries)
{
    size_t longest = 0;
    for (; *entries; entries++) {
        size_t n = strlen(*entries);
        if (n > longest && strncmp(text, *entries, n) == 0 &&
            (**entries != ' ' || (text[n] != '\'' && !(text[n] >= 'a' && text[n] <= 'z'))))
            longest = n;
    }
    return longest;
}

static bool is_backchannel(const struct line *line, bool chinese, bool english)
{
    size_t at = 0, count = 0, previous = 0;
    while (line->whole && at < line->len) {
        if (line->text[at] == '\n') {
            at++;
            continue;
        }
        size_t n = english ? beginning(line->text + at, EN_BACKCHANNELS) : 0;
        if (n == 0 && chinese)
            n = beginning(line->text + at, ZH_BACKCHANNELS);
        if (n == 0)
            return false;
        // 嗯嗯嗯嗯 and "yeah yeah yeah yeah" are one.
        bool again =
            at >= n && previous == n && memcmp(line->text + at - n, line->text + at, n) == 0;
        count += !again;
        previous = n;
        at += n;
    }
    return count >= 1 && count <= BACKCHANNEL_TOKENS;
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
static bool is_misheard_command(const struct line *line)
{
    char said[COMMAND_HAN_MAX * HAN_SIZE + 1];
    size_t len = line->len - 1; // behind the '\n'
    if (!line->whole || line->sentences != 1 || len > sizeof(said) - 1 || len % HAN_SIZE != 0)
        return false;
    for (size_t at = 0; at < len; at += HAN_SIZE)
        memcpy(said + at, sound_of(line->text + 1 + at), HAN_SIZE);
    said[len] = '\0';
    for (list entry = ZH_COMMANDS; *entry; entry++)
        if (strcmp(said, *entry) == 0)
            return true;
    return false;
}

static bool takes_floor(const struct line *line, bool chinese, bool english)
{
    if (chinese && is_misheard_command(line))
        return true;
    for (list entry = ZH_TAKES; chinese && *entry; entry++)
        if (strstr(line->text, *entry))
            return true;
    return english && has_word(line, 0, EN_TAKES);
}

// "M. H. M.", "M. E. Chum": a recogniser spells out a hum.
static bool is_hum(const char *text, size_t len)
{
    bool hums = len > 1 && (text[0] | 32) == 'm' && text[1] == '.';
    if (hums)
        return true;
    for (size_t i = 0; i < len; i++) {
        char c = (char)(text[i] | 32);
        if (((unsigned char)text[i] & 0x80) || (c >= 'a' && c <= 'z' && c != 'm' && c != 'h'))
            return false;
        hums |= c == 'm';
    }
    return hums;
}

static bool is_language(const char *language, const char *code)
{
    if (!language || !language[0] || strcmp(language, "auto") == 0)
        return true;
    size_t n = strlen(code);
    return strncmp(language, code, n) == 0 && (language[n] == '\0' || language[n] == '-');
}

uint32_t prl_eot_words(const char *text, size_t len, const char *language)
{
    struct line line;
    read_line(&line, text, len);
    if (line.sentences == 0)
        return 0;
    // Whoever speaks one of the two mixes in the other.
    bool known = is_language(language, "zh") || is_language(language, "en") ||
                 is_language(language, "yue") || is_language(language, "cmn");
    bool chinese = known && !line.foreign;
    bool listens = is_backchannel(&line, chinese, known) || (known && is_hum(text, len));
    uint32_t flags = judge_turn(&line, chinese, known, listens);
    flags |= listens ? PRL_EOT_BACKCHANNEL : 0;
    flags |= chinese && line.han ? PRL_EOT_HAN : 0;
    return flags | (takes_floor(&line, chinese, known) ? PRL_EOT_TAKES : 0);
}
