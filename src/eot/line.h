// line.h -- a transcript as one line whose endings can be compared with lists.
//
// Every sentence begins with '\n', every word or number with a space, Chinese characters stand close: so an
// entry of a list that begins with a space is a whole word. Inside of words.h.
// Units:    bytes of UTF-8. Threads: any. Memory: none. Errors: none.
#ifndef PRL_EOT_LINE_H
#define PRL_EOT_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "eot/said.h"

enum {
    PRL_LINE_READ_MAX = 1024,             // bytes of the text's end that are read
    PRL_LINE_SIZE = 2 * PRL_LINE_READ_MAX // a word costs one byte more than its letters
};

struct prl_line {
    char text[PRL_LINE_SIZE];
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

// Ends with NULL.
typedef const char *const *prl_line_list;

void prl_line_read(struct prl_line *line, const char *text, size_t len);

// Length and index of the longest entry that `text` ends with, 0 for none.
size_t prl_line_ending(const char *text, size_t len, prl_line_list entries, size_t *index);
// The same of the last sentence, whose first byte is the '\n'.
size_t prl_line_ends_with(const struct prl_line *line, prl_line_list entries);
// What stands before its last `less` bytes ends with an entry.
bool prl_line_before_ends_with(const struct prl_line *line, size_t less, prl_line_list entries);
// The last sentence is one of the entries and nothing else.
bool prl_line_is_one_of(const struct prl_line *line, prl_line_list entries);
// The last sentence has one of the entries in it.
bool prl_line_contains_any(const struct prl_line *line, prl_line_list entries);
// From `from` on one of the entries stands as whole words.
bool prl_line_has_word(const struct prl_line *line, size_t from, prl_line_list entries);
// The last sentence begins with one of the entries; those that begin with a space as whole words.
bool prl_line_begins_with(const struct prl_line *line, prl_line_list entries);

#endif
