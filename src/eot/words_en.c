// words_en.c -- see language.h: English. A word of a list begins with its space. Questions are left to the
// model, since recognisers put a question mark behind half of one ("How many sessions are in?").
#include "eot/language.h"

enum {
    SENTENCE_WORDS_FEW = 3, // "yes please" may be the beginning of more
    CLAUSE_WORDS_MAX = 8,   // a clause without a comma may be a whole sentence when it is longer
    QUESTION_WORDS_MAX = 4, // "how many conference tracks": no verb yet
};

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

// Last what recognisers make of "mm hmm" and of "okay".
static const char *const EN_BACKCHANNELS[] = {
    " mhm",    " mh",      " mm",        " mmm",   " hm",      " hmm",       " mm hmm",
    " mmhmm",  " uh huh",  " uh",        " huh",   " ah",      " aha",       " oh",
    " yeah",   " yep",     " yup",       " yes",   " okay",    " ok",        " right",
    " sure",   " alright", " all right", " i see", " got it",  " of course", " good",
    " great",  " cool",    " nice",      " wow",   " exactly", " true",      " indeed",
    " really", " amen",    " o",         " k",     " kay",     NULL};

static const char *const EN_TAKES[] = {
    " stop",   " wait",     " no",     " not",      " don't",   " hold",   " hey",    " what",
    " what's", " why",      " who",    " who's",    " where",   " when",   " which",  " how",
    " can",    " could",    " excuse", " sorry",    " pause",   " cancel", " quit",   " enough",
    " but",    " actually", " listen", " question", " next",    " again",  " repeat", " louder",
    " slower", " faster",   " quiet",  " quieter",  " silence", " hello",  " help",   " never",
    " please", " skip",     " back",   " shut",     " you",     " your",   " tell",   " let",
    " change", " switch",   NULL};

static bool begins_with_question(const struct prl_line *line)
{
    return prl_line_begins_with(line, EN_QUESTION_WORDS);
}

// "If the reader", "how many sessions", "so many great": the second clause, the verb, the noun is missing.
static bool is_half_english(const struct prl_line *line)
{
    bool asks = line->mark == PRL_SAID_ASK;
    if (!line->comma && !asks && line->words <= CLAUSE_WORDS_MAX &&
        prl_line_begins_with(line, EN_CLAUSES) && !prl_line_is_one_of(line, EN_CLAUSES_WHOLE))
        return true;
    if (prl_line_begins_with(line, EN_ASKS_OF) && line->words > 2 &&
        line->words <= QUESTION_WORDS_MAX && !prl_line_has_word(line, line->last, EN_AUXILIARIES))
        return true;
    size_t n = prl_line_ends_with(line, EN_SEEMS);
    if (n > 0)
        return !prl_line_before_ends_with(line, n, EN_BEFORE_SEEMS);
    n = prl_line_ends_with(line, EN_ADJECTIVES);
    return n > 0 && prl_line_before_ends_with(line, n, EN_DETERMINERS);
}

static bool is_open_english(const struct prl_line *line)
{
    static const char *const SO[] = {" so", NULL};
    bool asks = line->mark == PRL_SAID_ASK || begins_with_question(line);
    if (is_half_english(line))
        return true;
    size_t n = prl_line_ends_with(line, EN_OPEN);
    if (n > 0)
        return true;
    if (prl_line_ends_with(line, EN_PREPOSITIONS))
        return !asks;
    n = prl_line_ends_with(line, EN_SUBJECTS);
    if (n > 0)
        return !prl_line_before_ends_with(line, n, EN_BEFORE_SUBJECT);
    n = prl_line_ends_with(line, EN_COPULAS);
    if (n > 0)
        return !prl_line_before_ends_with(line, n, EN_PRONOUNS);
    n = prl_line_ends_with(line, SO);
    return n > 0 && !prl_line_before_ends_with(line, n, EN_SO_THINKS);
}

static bool asks_english(const struct prl_line *line)
{
    return line->words > 1 && begins_with_question(line);
}

static bool is_complete_english(const struct prl_line *line, bool only)
{
    return (line->words >= SENTENCE_WORDS_FEW && prl_line_ends_with(line, EN_DONE)) ||
           (only && prl_line_is_one_of(line, EN_ANSWERS));
}

static bool takes_english(const struct prl_line *line)
{
    return prl_line_has_word(line, 0, EN_TAKES);
}

const struct prl_eot_language prl_eot_english = {.asks = asks_english,
                                                 .open = is_open_english,
                                                 .complete = is_complete_english,
                                                 .takes = takes_english,
                                                 .backchannels = EN_BACKCHANNELS};
