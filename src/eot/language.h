// language.h -- what words.h asks of a language: a table each for Chinese and English.
//
// A rule is a list of endings. One that wrongly says "more must come" costs seconds and one that wrongly
// says "done" interrupts, so that what can be either (this is *that*, 我要*那个*) is left to the model.
// Threads:  any. Memory: none. Errors: none.
#ifndef PRL_EOT_LANGUAGE_H
#define PRL_EOT_LANGUAGE_H

#include <stdbool.h>

#include "eot/line.h"

struct prl_eot_language {
    // Of the last sentence: it asks something by its words; more must come; nothing need come. `only`:
    // there is no other sentence.
    bool (*asks)(const struct prl_line *line);
    bool (*open)(const struct prl_line *line);
    bool (*complete)(const struct prl_line *line, bool only);
    // A word anywhere takes the floor.
    bool (*takes)(const struct prl_line *line);
    prl_line_list backchannels;
};

extern const struct prl_eot_language prl_eot_chinese, prl_eot_english;

#endif
