// builtin.c -- the list of voice backends in this program.
#include "tts/backend.h"

const struct prl_tts_ops *const prl_tts_builtin[] = {&prl_tts_hibari, &prl_tts_kokoro,
                                                     &prl_tts_fastspeech2, &prl_tts_espeak, NULL};
