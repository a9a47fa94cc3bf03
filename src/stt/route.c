// route.c -- see route.h.
#include "stt/route.h"

#include <string.h>

#include "base/check.h"
#include "base/str.h"

struct prl_stt_route prl_stt_route_of(const struct prl_stt_paths *paths, bool have_ort)
{
    struct prl_stt_route route = {.user_languages = paths->user_languages};
    route.have[PRL_STT_ENGINE_MOONSHINE] =
        have_ort && paths->moonshine_encoder && paths->moonshine_decoder && paths->moonshine_tokens;
    route.have[PRL_STT_ENGINE_WHISPER] = paths->whisper_module && paths->whisper_model;
    route.have[PRL_STT_ENGINE_USER] = paths->user_dir != NULL;
    return route;
}

// Whether "zh,yue" holds the code.
static bool list_has(const char *list, const char *code)
{
    size_t len = strlen(code);
    while (*list) {
        size_t item = strcspn(list, ", ");
        if (item == len && strncmp(list, code, len) == 0)
            return true;
        list += item;
        list += strspn(list, ", ");
    }
    return false;
}

enum prl_stt_engine prl_stt_route_pick(const struct prl_stt_route *route, const char *language)
{
    PRL_CHECK(route != NULL && language != NULL);
    const bool *have = route->have;
    bool known = language[0] != '\0';
    if (have[PRL_STT_ENGINE_USER] &&
        (!route->user_languages || (known && list_has(route->user_languages, language))))
        return PRL_STT_ENGINE_USER;
    if (have[PRL_STT_ENGINE_MOONSHINE] &&
        (strcmp(language, "en") == 0 || (!known && !have[PRL_STT_ENGINE_WHISPER])))
        return PRL_STT_ENGINE_MOONSHINE;
    if (have[PRL_STT_ENGINE_WHISPER])
        return PRL_STT_ENGINE_WHISPER;
    return PRL_STT_ENGINE_NONE;
}

enum prl_err prl_stt_language(const char *text, char code[PRL_STT_LANGUAGE_SIZE])
{
    code[0] = '\0';
    if (!text || !text[0] || strcmp(text, "auto") == 0)
        return PRL_OK;
    size_t len = strcspn(text, "-_");
    if (len < 2 || len > 3 || strlen(text) > 32)
        return PRL_ERR_INVALID;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if (c < 'a' || c > 'z') {
            code[0] = '\0';
            return PRL_ERR_INVALID;
        }
        code[i] = c;
        code[i + 1] = '\0';
    }
    if (strcmp(code, "cmn") == 0) // ISO 639-3 of Mandarin
        (void)prl_str_copy(code, PRL_STT_LANGUAGE_SIZE, "zh");
    return PRL_OK;
}
