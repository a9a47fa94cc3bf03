// words.h -- what the words of a transcript say about the turn: is the speaker done, asking, or only
// showing that he listens?
//
// A pure core for Chinese and English, mixed text included; it needs no punctuation and trusts no
// full stop, because recognisers put one behind every text. Of other languages only the signs
// (question mark, trailing comma or dots) are read.
// Units:    bytes of UTF-8; malformed bytes are no letters. Only the last 1 KiB of a text is read.
// Threads:  any. Memory: none. Errors: none; a text that says nothing gives 0.
// Source:   the lists are our own; docs/TUNING.md has what they decide on recordings.
#ifndef PRL_EOT_WORDS_H
#define PRL_EOT_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum prl_eot_flag {
    PRL_EOT_OPEN_ENDED =
        1, // more must come: "and", 然后, half a telephone number, a trailing comma
    PRL_EOT_COMPLETE = 2,    // nothing need come: a question that 吗 ends, a short answer, thanks
    PRL_EOT_BACKCHANNEL = 4, // one to three tokens that only show listening: mhm, 嗯嗯, okay
    PRL_EOT_QUESTION = 8,    // the last sentence asks something
    PRL_EOT_TAKES = 16,      // a word in it takes the floor: stop, wait, what, 等, 什么, 你 ...
    PRL_EOT_HAN = 32         // the last sentence is Chinese, or partly
};

// Set of enum prl_eot_flag; OPEN_ENDED and COMPLETE never together. `language` is a code like "zh"
// or "en-US"; NULL, "" and "auto" let each word's script decide.
uint32_t prl_eot_words(const char *text, size_t len, const char *language);

// True when `text`, or nearly all of it, repeats words of `answer` in their order: our own voice that
// came back. Needs two words (three characters of Chinese). What asks to stop (等, 停, 不, "stop",
// "wait", "no") must be the answer's own word, and is never an echo in a text of up to four words.
// Reads the last 64 words of the text and the last 1,024 of the answer, or at least half of them.
bool prl_eot_echoes(const char *text, size_t len, const char *answer, size_t answer_len);

#endif
