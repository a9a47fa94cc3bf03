// route.h -- which recogniser takes which language. Pure.
//
// English goes to Moonshine, every other language to Whisper; a model of the user's comes first
// for the languages that it is named for. An unknown language is found out by Whisper.
// Units: none. Threads: any. Memory: none. Errors: none; ENGINE_NONE says that nobody can.
#ifndef PRL_STT_ROUTE_H
#define PRL_STT_ROUTE_H

#include <stdbool.h>

#include "base/err.h"
#include "stt/stt.h"

enum prl_stt_engine {
    PRL_STT_ENGINE_MOONSHINE,
    PRL_STT_ENGINE_WHISPER,
    PRL_STT_ENGINE_USER,
    PRL_STT_ENGINE_NONE
};
enum { PRL_STT_ENGINE_COUNT = PRL_STT_ENGINE_NONE };

struct prl_stt_route {
    bool have[PRL_STT_ENGINE_COUNT]; // configured
    const char *user_languages;      // "zh,yue"; NULL: every language
};

// From what is configured; `user_languages` stays borrowed from `paths`.
struct prl_stt_route prl_stt_route_of(const struct prl_stt_paths *paths, bool have_ort);

// `language` is a code or "" for unknown. For an unknown language the answer is the engine that
// can tell (Whisper, or the user's), or the only one there is.
enum prl_stt_engine prl_stt_route_pick(const struct prl_stt_route *route, const char *language);

// Brings a client's language ("en-US", "ZH_cn", "cmn", "auto", "", NULL) to a code; "" for
// unknown. INVALID for what is no language tag.
enum prl_err prl_stt_language(const char *text, char code[PRL_STT_LANGUAGE_SIZE]) PRL_MUST_USE;

#endif
