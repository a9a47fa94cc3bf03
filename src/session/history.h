// history.h -- the conversation: items in one chain, and of each answer only what was heard.
//
// Units:    output samples at 24 kHz; text positions in bytes of UTF-8, always on whole words.
// Threads:  one owner.
// Memory:   items own copies of ids and text. Pointers from find, first, next and the text
//           functions are valid until the next call that changes the history.
// Errors:   NOMEM; LIMIT when a bound is reached and nothing more may be dropped; NOTFOUND for an
//           unknown item; INVALID for a bad request (the caller knows which field).
// Source:   rule 8 of the floor: a cut is a number, the full text and its sample map are kept.
#ifndef PRL_SESSION_HISTORY_H
#define PRL_SESSION_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    PRL_HISTORY_ID_MAX = 64,   // bytes of an item id or call id, with the terminating zero
    PRL_HISTORY_NAME_MAX = 65, // bytes of a function's name, with the terminating zero
    PRL_HISTORY_PARTS_MAX = 16,
    PRL_HISTORY_IMAGE_MAX = 1 << 20 // bytes of an image's data URL
};

enum prl_item_kind {
    PRL_ITEM_SYSTEM,
    PRL_ITEM_USER,
    PRL_ITEM_ASSISTANT,
    PRL_ITEM_CALL,  // function_call: text of part 0 is the arguments
    PRL_ITEM_OUTPUT // function_call_output: text of part 0 is the output
};

enum prl_item_status { PRL_ITEM_IN_PROGRESS, PRL_ITEM_COMPLETED, PRL_ITEM_INCOMPLETE };

struct prl_history_conf {
    uint32_t items_max;   // items kept; [1000]
    size_t bytes_max;     // text and marks of all items; [2 MiB]
    size_t item_text_max; // text of one part; [64 KiB]
};

// A part of an item: text, sound with its transcript as text, or an image with its data URL.
struct prl_history_part {
    const char *text; // zero-terminated, never NULL
    size_t len;
    bool audio;
    bool image;
};

struct prl_item_new {
    enum prl_item_kind kind;
    enum prl_item_status status;
    const char *id;      // 1..63 bytes, unique; the caller makes one up when the client did not
    const char *call_id; // CALL and OUTPUT, else NULL
    const char *name;    // CALL, else NULL
};

struct prl_history;
struct prl_item;

void prl_history_conf_init(struct prl_history_conf *conf);
enum prl_err prl_history_create(struct prl_history **out,
                                const struct prl_history_conf *conf) PRL_MUST_USE;
void prl_history_destroy(struct prl_history **history);

// Adds behind the item `after_id`; NULL means at the end, "root" at the front. INVALID: the id is
// taken (look with find first), empty or too long. NOTFOUND: no such after_id. At the bound the
// oldest whole turn goes (never system items, never one in progress).
enum prl_err prl_history_add(struct prl_history *history, const char *after_id,
                             const struct prl_item_new *item) PRL_MUST_USE;
enum prl_err prl_history_add_part(struct prl_history *history, const char *id, bool audio,
                                  const char *text, size_t len) PRL_MUST_USE;
// LIMIT: more than PRL_HISTORY_IMAGE_MAX.
enum prl_err prl_history_add_image(struct prl_history *history, const char *id, const char *url,
                                   size_t len) PRL_MUST_USE;
// Appends to the text of part `index` (assistant text as it is made; a transcript).
enum prl_err prl_history_append(struct prl_history *history, const char *id, uint32_t index,
                                const char *text, size_t len) PRL_MUST_USE;
// Replaces the text of part `index` (a transcript that came in one piece). Clears marks.
enum prl_err prl_history_set_text(struct prl_history *history, const char *id, uint32_t index,
                                  const char *text, size_t len) PRL_MUST_USE;
enum prl_err prl_history_set_status(struct prl_history *history, const char *id,
                                    enum prl_item_status status) PRL_MUST_USE;
enum prl_err prl_history_delete(struct prl_history *history, const char *id) PRL_MUST_USE;

// The sample map of an assistant's audio part: at `sample` the voice has reached byte `byte` of
// the text. Give one mark at the begin and one at the end of each word, or fewer: between marks
// the voice moves evenly. Both numbers never go back (a smaller one counts as the last one).
enum prl_err prl_history_mark(struct prl_history *history, const char *id, uint64_t sample,
                              size_t byte) PRL_MUST_USE;
// How much of the item's sound was sent so far; never goes back.
enum prl_err prl_history_sent(struct prl_history *history, const char *id,
                              uint64_t samples) PRL_MUST_USE;
// Cuts (either way: a later call moves the cut) at `samples` heard, clamped to what was sent;
// *applied says where. INVALID when the item is no assistant item with sound or when
// content_index is not its audio part.
enum prl_err prl_history_truncate(struct prl_history *history, const char *id,
                                  uint32_t content_index, uint64_t samples,
                                  uint64_t *applied) PRL_MUST_USE;

const struct prl_item *prl_history_find(const struct prl_history *history, const char *id);
const struct prl_item *prl_history_first(const struct prl_history *history);
const struct prl_item *prl_history_last(const struct prl_history *history);
const struct prl_item *prl_history_next(const struct prl_item *item);
uint32_t prl_history_count(const struct prl_history *history);
size_t prl_history_bytes(const struct prl_history *history);
uint64_t prl_history_dropped(const struct prl_history *history); // items that the bounds cost

const char *prl_item_id(const struct prl_item *item);
// Id of the item before it; NULL for the first.
const char *prl_item_previous_id(const struct prl_item *item);
enum prl_item_kind prl_item_kind(const struct prl_item *item);
enum prl_item_status prl_item_status(const struct prl_item *item);
const char *prl_item_call_id(const struct prl_item *item); // "" when it has none
const char *prl_item_name(const struct prl_item *item);    // "" when it has none
uint32_t prl_item_part_count(const struct prl_item *item);
// Part `index` (less than part_count) with its full text.
struct prl_history_part prl_item_part(const struct prl_item *item, uint32_t index);
bool prl_item_cut(const struct prl_item *item);             // was it truncated
uint64_t prl_item_cut_samples(const struct prl_item *item); // where; its sent sound when not
uint64_t prl_item_sent_samples(const struct prl_item *item);
// Bytes of part `index` that count as said: all, or the words of which more than half was heard; of an
// image none.
size_t prl_item_heard_bytes(const struct prl_item *item, uint32_t index);

// Bytes of `text` up to the end of the last word of which more than half lies before `samples`,
// by a map of marks. For tests and
// for whoever keeps a map elsewhere.
struct prl_history_mark {
    uint64_t sample;
    size_t byte;
};
size_t prl_history_words_heard(const char *text, size_t len, const struct prl_history_mark *marks,
                               size_t mark_count, uint64_t samples);
// End (exclusive) of the word that begins at or behind `from`; `len` when there is none. English
// words end at spaces, Chinese characters are words; marks like 。 and ! belong to the word before.
size_t prl_history_word_end(const char *text, size_t len, size_t from);

// What the language model is shown: every item that is not empty as it was heard, system items
// always, then as many whole turns from the end as have room (the newest turn always). A turn begins
// with a user item. With `from_id` the first turn shown stays the first until there is no room for
// what follows it; then as many turns go as leave a quarter of the room free. So the beginning of the
// prompt is the same for several turns, which is what prompt caches want. Items in progress are left out, except those of `open_id` (NULL:
// none). Fill the iterator with begin, then call next until it returns false.
struct prl_prompt_room {
    size_t bytes_max;
    size_t tokens_max; // by llm/estimate.h; 0: no such limit
    char *from_id; // PRL_HISTORY_ID_MAX bytes, "" at first, kept by the caller; NULL: every turn
                   // anew
};
struct prl_prompt_view {
    const struct prl_history *history;
    const struct prl_item *at;
    const struct prl_item *from; // first item that is no system item and still shown
    const char *open_id;
    bool reached;
};
struct prl_prompt_entry {
    enum prl_item_kind kind;
    const struct prl_item *item;
    const char *call_id;
    const char *name;
};
void prl_prompt_begin(const struct prl_history *history, const struct prl_prompt_room *room,
                      const char *open_id, struct prl_prompt_view *view);
bool prl_prompt_next(struct prl_prompt_view *view, struct prl_prompt_entry *entry);
// The text of an entry, parts joined by a line feed, cut to what was heard; returns its full
// length and writes at most `size` bytes with a terminating zero (size 0: nothing).
size_t prl_prompt_text(const struct prl_prompt_entry *entry, char *out, size_t size);

#endif
