// cut.h -- cuts an answer into clauses while it is being written, the first one early.
//
// Pieces of a language model go in, clauses to be spoken come out. The first clause ends at the
// first natural break after a few words; later ones end at sentence ends; none is cut inside a
// number, time, address, abbreviation, bracket or code fence unless the maximum size forces it.
// Where a voice can say a part of a sentence as a part (prl_cut_parts), the first clause comes in
// parts while it is written: each at least as long as all before it, since speech is slower than
// the model, and with the beginning of the word or two ideographs behind it, which its sound depends on.
//
// Units:    bytes of UTF-8; a clause's range counts from the start of the answer. Laid end to end
//           the clauses are the answer, byte for byte; a clause never ends inside a code point
//           (malformed bytes count as one each).
// Threads:  one owner. Pure: the same pieces give the same clauses, however they are split; parts
//           depend on what there was when next was called.
// Memory:   one block of pending_max bytes, made in create.
// Errors:   FULL when a piece does not fit beside what is pending; nothing of it is taken. Take
//           clauses and push again. A piece of up to pending_max - clause_max bytes always fits once
//           next has said AGAIN.
#ifndef PRL_TTS_CUT_H
#define PRL_TTS_CUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

// Zeros are replaced by the defaults in brackets. A word is a Latin word or number, or 1.6
// ideographs (a Mandarin syllable takes about 0.6 of an English word's time).
struct prl_cut_conf {
    uint32_t first_words_min; // the first clause has so many words at a comma [3; ideographs: 4]
    uint32_t first_words_max; // …and is cut at the next gap between words after so many [12]
    uint32_t later_words_max; // later clauses are cut at a comma after so many words [24]
    uint32_t clause_max;      // bytes, 64..4096 [1024]; a clause never gets longer
    uint32_t pending_max;     // bytes, >= 2 * clause_max [4 * clause_max]
};

struct prl_cut_clause {
    const char *text; // in the cutter's block, valid until the next call of push, reset or destroy
    size_t len;       // > 0
    uint64_t start;   // of the answer
    uint64_t end;     // start + len
    size_t before;    // bytes in front of text that were given as parts of the same clause
    size_t behind;    // bytes that follow text and will be given later
    bool first;       // first clause of the answer
    bool code;        // begins inside a code fence or with its opening line
    bool part;        // the clause goes on
    bool last;        // finish was called and nothing is left
};

struct prl_cut;

enum prl_err prl_cut_create(struct prl_cut **out, const struct prl_cut_conf *conf) PRL_MUST_USE;
void prl_cut_destroy(struct prl_cut **cut);
// Forgets everything and starts a new answer.
void prl_cut_reset(struct prl_cut *cut);

// In which languages first clauses come in parts from now on: PRL_TTS_LANG_* of tts/backend.h; 0 at first.
void prl_cut_parts(struct prl_cut *cut, unsigned languages);

enum prl_err prl_cut_push(struct prl_cut *cut, const char *piece, size_t len) PRL_MUST_USE;
// No more pieces: what is pending comes out of next, to the last byte.
void prl_cut_finish(struct prl_cut *cut);
// OK and a clause, or AGAIN when none is ready.
enum prl_err prl_cut_next(struct prl_cut *cut, struct prl_cut_clause *clause) PRL_MUST_USE;

#endif
