// turn.h -- when a turn is over: what the model hears, what the words say and how long it has been quiet,
// in one rule. The surer the two are, the shorter the silence.
//
// Units:    milliseconds of silence since the last sample of speech; permille as in eot.h.
// Threads:  any. A pure function.
// Source:   thresholds from tests/bench/eot_accuracy.py, docs/TUNING.md, "End of turn".
#ifndef PRL_EOT_TURN_H
#define PRL_EOT_TURN_H

#include <stdint.h>

// Whoever decides has another limit (silence_max_ms of the floor).
#define PRL_EOT_NEVER_MS UINT32_MAX

// Silence after which the turn is over, or PRL_EOT_NEVER_MS: ask again later. `flags` are those of
// words.h for the transcript so far; `permille` is the newest answer of the model to sound that
// reaches into the same pause.
uint32_t prl_eot_silence_ms(uint32_t permille, uint32_t flags);

#endif
