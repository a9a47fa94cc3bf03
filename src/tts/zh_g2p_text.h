// zh_g2p_text.h -- walks over the syllables of a Chinese segment of a spoken form, with their sources.
//
// Threads:  one owner of the front end.
// Memory:   nothing of its own.
// Errors:   what the visitor returns; LIMIT and what prl_zh_g2p_run says.
#ifndef PRL_TTS_ZH_G2P_TEXT_H
#define PRL_TTS_ZH_G2P_TEXT_H

#include <stdint.h>

#include "base/err.h"
#include "tts/text.h"
#include "tts/zh_g2p.h"

// One syllable or pause and the unit of the spoken form that it comes from.
typedef enum prl_err (*prl_zh_visit_fn)(void *arg, const struct prl_zh_unit *unit,
                                        const struct prl_text_unit *source);

struct prl_zh_visitor {
    prl_zh_visit_fn visit;
    void *arg;
    unsigned rules;   // PRL_ZH_*
    uint32_t unknown; // grows by the characters without a sound; they are not visited
};

// Long segments are read in slices that end at pauses. Latin letters, which a Chinese segment does
// not hold, count as unknown.
enum prl_err prl_zh_g2p_visit(struct prl_zh_g2p *zh, const struct prl_text_out *text,
                              const struct prl_text_segment *segment,
                              struct prl_zh_visitor *visitor) PRL_MUST_USE;

#endif
