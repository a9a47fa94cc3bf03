// turn.c -- see turn.h.
#include "eot/turn.h"

#include <stdbool.h>

#include "eot/words.h"

enum {
    DONE = 700, // permille from which the model says that the speaker is done
    SURE = 960,
    DONE_HAN = 915, // of Chinese the model is surer in mid-sentence, and no less at an end
    SURE_HAN = 987,
    VERY_SURE = 970,
    SILENCE_MS = 200,
    SILENCE_UNSURE_MS = 1100, // outlasts most pauses, and an answer that waits sounds within 1.2 s
    SILENCE_OPEN_MS = 1300,   // the words ask for more, the voice says that none comes
};

uint32_t prl_eot_silence_ms(uint32_t permille, uint32_t flags)
{
    if (flags & PRL_EOT_COMPLETE)
        return SILENCE_MS;
    if (flags & PRL_EOT_OPEN_ENDED)
        return permille >= VERY_SURE ? SILENCE_OPEN_MS : PRL_EOT_NEVER_MS;
    bool han = flags & PRL_EOT_HAN;
    if (permille >= (han ? SURE_HAN : SURE))
        return SILENCE_MS;
    return permille >= (han ? DONE_HAN : DONE) ? SILENCE_UNSURE_MS : PRL_EOT_NEVER_MS;
}
