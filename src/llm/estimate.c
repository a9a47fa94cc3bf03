// estimate.c -- see estimate.h.
#include "llm/estimate.h"

#include <stdint.h>
#include <string.h>

#include "base/str.h"

enum {
    QUARTERS = 4, // of a token: the unit of counting
    TOOL_TOKENS = 8,
    CALL_TOKENS = 8,
    LEARN_LEAST = 32, // a shorter prompt is mostly template
};
static const double ratio_min = 0.5;
static const double ratio_max = 2;
static const double step_down = 0.25;

static bool is_ideograph(uint32_t code)
{
    return (code >= 0x3040 && code <= 0x30FF) || (code >= 0x3400 && code <= 0x9FFF) ||
           (code >= 0xAC00 && code <= 0xD7A3) || (code >= 0x20000 && code <= 0x323AF);
}

size_t prl_llm_estimate_text(const char *text, size_t len)
{
    size_t quarters = 0;
    for (size_t at = 0; at < len;) {
        uint32_t code;
        at += prl_utf8_decode(text + at, len - at, &code);
        quarters += code < 0x80 ? 1 : is_ideograph(code) ? 3 : 2;
    }
    return (quarters + QUARTERS - 1) / QUARTERS;
}

static size_t count(const char *text)
{
    return text ? prl_llm_estimate_text(text, strlen(text)) : 0;
}

size_t prl_llm_estimate_prompt(const struct prl_llm_prompt *prompt)
{
    size_t tokens = 0;
    for (size_t i = 0; i < prompt->message_count; i++) {
        const struct prl_llm_message *message = &prompt->messages[i];
        tokens += PRL_LLM_ESTIMATE_MESSAGE + prl_llm_estimate_text(message->text, message->len) +
                  message->image_count * PRL_LLM_ESTIMATE_IMAGE;
        for (size_t k = 0; k < message->call_count; k++)
            tokens +=
                CALL_TOKENS + count(message->calls[k].name) + count(message->calls[k].arguments);
    }
    bool shown = prompt->tool_choice != PRL_LLM_TOOLS_NONE;
    for (size_t i = 0; shown && i < prompt->tool_count; i++) {
        const struct prl_llm_tool *tool = &prompt->tools[i];
        tokens +=
            TOOL_TOKENS + count(tool->name) + count(tool->description) + count(tool->parameters);
    }
    return tokens;
}

double prl_llm_estimate_learn(double believed, size_t estimated, int real)
{
    if (estimated < LEARN_LEAST || real <= 0)
        return believed;
    double now = (double)real / (double)estimated;
    now = now < ratio_min ? ratio_min : now > ratio_max ? ratio_max : now;
    return now > believed ? now : believed + (now - believed) * step_down;
}
