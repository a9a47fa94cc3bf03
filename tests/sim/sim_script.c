// sim_script.c -- a scenario as text, to be read by people and to be replayed.
//
//   name A question and its answer
//   set turns server_vad            any key of struct prl_floor_conf, lead_ms, delay_ms, partial_ms
//   set lock_ms 2500                the speaker lock; speaker_known on: it knows the person from the start
//   engine stt 120                  ms; llm, tts, eot, speaker; words, speed (permille), eot_permille
//   engine answer_fate 1 hangs      the second answer; stt_fate likewise
//   0 ms user: speech 1200 ms, 5 words [backchannel|open|complete|echo] [takes|han|other]
//   900 ms user: cancel             commit clear create cancel truncate output_clear update stall
//                                   gone back
//   expect 1700 ms commit           within two VAD windows
//   expect never cancel · expect 2 times commit · expect order started commit start
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "tests/sim/sim.h"

enum { TOKENS_MAX = 12, LINE_MAX = 300 };

const char *const SIM_ACTS[PRL_ACT_COUNT] = {
    [PRL_ACT_OPEN_UTTERANCE] = "open",
    [PRL_ACT_SPEECH_STARTED] = "started",
    [PRL_ACT_DISCARD_UTTERANCE] = "discard",
    [PRL_ACT_COMMIT_UTTERANCE] = "commit",
    [PRL_ACT_TRANSCRIBE] = "transcribe",
    [PRL_ACT_TRANSCRIBED] = "transcribed",
    [PRL_ACT_EMPTY_UTTERANCE] = "empty",
    [PRL_ACT_TRANSCRIPT_FAILED] = "transcript_failed",
    [PRL_ACT_ASK_EOT] = "ask_eot",
    [PRL_ACT_JUDGE] = "judge",
    [PRL_ACT_CLEARED] = "cleared",
    [PRL_ACT_IDLE_TIMEOUT] = "idle_timeout",
    [PRL_ACT_SPECULATE] = "speculate",
    [PRL_ACT_DROP_SPECULATION] = "drop",
    [PRL_ACT_GENERATE] = "generate",
    [PRL_ACT_START_RESPONSE] = "start",
    [PRL_ACT_RELEASE] = "release",
    [PRL_ACT_HOLD] = "hold",
    [PRL_ACT_PAUSE] = "pause",
    [PRL_ACT_RESUME] = "resume",
    [PRL_ACT_CANCEL] = "cancel",
    [PRL_ACT_REPLACE] = "replace",
    [PRL_ACT_END_AT] = "end_at",
    [PRL_ACT_FINISH] = "finish",
    [PRL_ACT_PLAYED] = "played",
    [PRL_ACT_ANTICIPATE] = "anticipate",
    [PRL_ACT_CONFIRM] = "confirm",
    [PRL_ACT_FILLER] = "filler",
    [PRL_ACT_REFUSE] = "refuse",
};

const char *const SIM_FACTS[PRL_FACT_COUNT] = {
    [PRL_FACT_INPUT] = "INPUT",
    [PRL_FACT_VOICE_ON] = "VOICE_ON",
    [PRL_FACT_VOICE_OFF] = "VOICE_OFF",
    [PRL_FACT_PARTIAL] = "PARTIAL",
    [PRL_FACT_STT_FINAL] = "STT_FINAL",
    [PRL_FACT_EOT] = "EOT",
    [PRL_FACT_ANSWER_TEXT] = "ANSWER_TEXT",
    [PRL_FACT_ANSWER_AUDIO] = "ANSWER_AUDIO",
    [PRL_FACT_ANSWER_DONE] = "ANSWER_DONE",
    [PRL_FACT_TOOL_CALL] = "TOOL_CALL",
    [PRL_FACT_ENGINE_FAILED] = "ENGINE_FAILED",
    [PRL_FACT_HEARD] = "HEARD",
    [PRL_FACT_COMMIT] = "COMMIT",
    [PRL_FACT_CLEAR] = "CLEAR",
    [PRL_FACT_CREATE] = "CREATE",
    [PRL_FACT_CANCEL] = "CANCEL",
    [PRL_FACT_TRUNCATE] = "TRUNCATE",
    [PRL_FACT_OUTPUT_CLEAR] = "OUTPUT_CLEAR",
    [PRL_FACT_UPDATE] = "UPDATE",
    [PRL_FACT_DEADLINE] = "DEADLINE",
    [PRL_FACT_GONE] = "GONE",
    [PRL_FACT_BACK] = "BACK",
};

static const char *const OPS[SIM_OP_KINDS] = {
    [SIM_SPEECH] = "speech",     [SIM_STALL] = "stall",   [SIM_COMMIT] = "commit",
    [SIM_CLEAR] = "clear",       [SIM_CREATE] = "create", [SIM_CANCEL] = "cancel",
    [SIM_TRUNCATE] = "truncate", [SIM_UPDATE] = "update", [SIM_OUTPUT_CLEAR] = "output_clear",
    [SIM_GONE] = "gone",         [SIM_BACK] = "back",
};
static const char *const FATES[SIM_FATE_KINDS] = {
    [SIM_WELL] = "well",         [SIM_FAILS] = "fails", [SIM_FAILS_LATE] = "fails_late",
    [SIM_HANGS] = "hangs",       [SIM_TOOL] = "tool",   [SIM_TEXT_ONLY] = "text_only",
    [SIM_QUESTION] = "question",
};
static const char *const TURNS[] = {"none", "server_vad", "semantic_vad"};

struct number {
    const char *name;
    size_t offset; // of a uint32_t in struct sim_scenario
};

#define CONF(field)                                                                                \
    {                                                                                              \
#field, offsetof(struct sim_scenario, conf.field)                                          \
    }
#define SCENARIO(field)                                                                            \
    {                                                                                              \
#field, offsetof(struct sim_scenario, field)                                               \
    }

static const struct number NUMBERS[] = {
    CONF(prefix_padding_ms),
    CONF(silence_duration_ms),
    CONF(silence_min_ms),
    CONF(silence_max_ms),
    CONF(probe_ms),
    CONF(speculations_max),
    CONF(interrupt_min_ms),
    CONF(interrupt_max_ms),
    CONF(interrupt_unjudged_ms),
    CONF(resume_ms),
    CONF(verdict_max_ms),
    CONF(input_stall_ms),
    CONF(utterance_max_ms),
    CONF(commit_min_ms),
    CONF(idle_timeout_ms),
    CONF(engine_first_byte_ms),
    CONF(apology_max_ms),
    CONF(filler_after_ms),
    SCENARIO(lead_ms),
    SCENARIO(delay_ms),
    SCENARIO(partial_ms),
    SCENARIO(words),
    SCENARIO(speed_permille),
    SCENARIO(eot_permille),
    SCENARIO(lock_ms),
};
static const struct number SWITCHES[] = {
    CONF(create_response), CONF(interrupt_response), CONF(eot_available),
    CONF(speculate_early), CONF(resume_allowed),     SCENARIO(speaker_known),
};
static const struct number TIMES[] = {
    {"stt", offsetof(struct sim_scenario, stt_ms)},
    {"llm", offsetof(struct sim_scenario, llm_ms)},
    {"tts", offsetof(struct sim_scenario, tts_ms)},
    {"eot", offsetof(struct sim_scenario, eot_ms)},
    {"speaker", offsetof(struct sim_scenario, speaker_ms)},
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static int index_of(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (names[i] && strcmp(names[i], name) == 0)
            return (int)i;
    return -1;
}

static void *find_number(struct sim_scenario *scenario, const struct number *list, size_t count,
                         const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].name, name) == 0)
            return (char *)scenario + list[i].offset;
    return NULL;
}

static size_t split(char *line, char **tokens)
{
    size_t count = 0;
    char *at = line;
    while (*at && *at != '#' && count < TOKENS_MAX) {
        at += strspn(at, " \t,:\r\n");
        if (!*at || *at == '#')
            break;
        tokens[count++] = at;
        at += strcspn(at, " \t,:\r\n#");
        if (*at == '#')
            *at = '\0';
        else if (*at)
            *at++ = '\0';
    }
    return count;
}

static bool read_set(struct sim_scenario *scenario, const char *name, const char *value)
{
    int64_t number = 0;
    if (strcmp(name, "turns") == 0) {
        int turns = index_of(TURNS, COUNT(TURNS), value);
        if (turns >= 0)
            scenario->conf.turns = (enum prl_floor_turns)turns;
        return turns >= 0;
    }
    bool *flag = find_number(scenario, SWITCHES, COUNT(SWITCHES), name);
    if (flag) {
        *flag = strcmp(value, "on") == 0;
        return *flag || strcmp(value, "off") == 0;
    }
    if (!prl_str_to_int(value, &number) || number < 0)
        return false;
    if (strcmp(name, "seed") == 0) {
        scenario->seed = (uint64_t)number;
        return true;
    }
    int64_t *time = find_number(scenario, TIMES, COUNT(TIMES), name);
    if (time) {
        *time = number;
        return true;
    }
    uint32_t *field = find_number(scenario, NUMBERS, COUNT(NUMBERS), name);
    if (field)
        *field = (uint32_t)number;
    return field != NULL;
}

static bool read_fate(struct sim_scenario *scenario, char **tokens)
{
    int64_t index = 0;
    int fate = index_of(FATES, COUNT(FATES), tokens[3]);
    if (fate < 0 || !prl_str_to_int(tokens[2], &index) || index < 0 || index >= SIM_FATES)
        return false;
    bool stt = strcmp(tokens[1], "stt_fate") == 0;
    (stt ? scenario->stt_fates : scenario->answer_fates)[index] = (uint8_t)fate;
    return stt || strcmp(tokens[1], "answer_fate") == 0;
}

// N ms user: KIND [N [ms] [N words]] [backchannel|open]
static bool read_op(struct sim_scenario *scenario, char **tokens, size_t count)
{
    if (scenario->op_count == SIM_OPS_MAX || count < 4)
        return false;
    struct sim_op *op = &scenario->ops[scenario->op_count];
    *op = (struct sim_op){0};
    int kind = index_of(OPS, COUNT(OPS), tokens[3]);
    if (kind < 0 || !prl_str_to_int(tokens[0], &op->at_ms) || op->at_ms < 0)
        return false;
    op->kind = (enum sim_op_kind)kind;
    for (size_t i = 4; i < count; i++) {
        int64_t number = 0;
        if (strcmp(tokens[i], "backchannel") == 0)
            op->flags |= PRL_FLOOR_BACKCHANNEL;
        else if (strcmp(tokens[i], "open") == 0)
            op->flags |= PRL_FLOOR_OPEN_ENDED;
        else if (strcmp(tokens[i], "complete") == 0)
            op->flags |= PRL_FLOOR_COMPLETE;
        else if (strcmp(tokens[i], "echo") == 0)
            op->flags |= PRL_FLOOR_ECHO;
        else if (strcmp(tokens[i], "han") == 0)
            op->flags |= PRL_FLOOR_HAN;
        else if (strcmp(tokens[i], "takes") == 0)
            op->flags |= PRL_FLOOR_TAKES;
        else if (strcmp(tokens[i], "other") == 0)
            op->flags |= PRL_FLOOR_OTHER;
        else if (!prl_str_to_int(tokens[i], &number) || number < 0 || number > 1000000)
            return false;
        else if (op->kind == SIM_UPDATE)
            op->flags = (uint32_t)number;
        else if (i + 1 < count && strncmp(tokens[i + 1], "word", 4) == 0)
            op->words = (uint32_t)number;
        else if (i + 1 < count && strcmp(tokens[i + 1], "margin") == 0)
            op->margin = (uint32_t)number;
        else
            op->ms = number;
        bool unit = i + 1 < count &&
                    (strcmp(tokens[i + 1], "ms") == 0 || strcmp(tokens[i + 1], "margin") == 0 ||
                     strncmp(tokens[i + 1], "word", 4) == 0);
        i += unit;
    }
    scenario->op_count++;
    return true;
}

static bool read_expect(struct sim_scenario *scenario, char **tokens, size_t count)
{
    if (scenario->expect_count == SIM_EXPECT_MAX || count < 3)
        return false;
    struct sim_expect *expect = &scenario->expects[scenario->expect_count++];
    *expect = (struct sim_expect){0};
    size_t first = 3;
    int64_t number = 0;
    if (strcmp(tokens[1], "never") == 0) {
        expect->kind = SIM_NEVER;
        first = 2;
    } else if (strcmp(tokens[1], "order") == 0) {
        expect->kind = SIM_ORDER;
        first = 2;
    } else if (!prl_str_to_int(tokens[1], &number)) {
        return false;
    } else if (strcmp(tokens[2], "times") == 0) {
        expect->kind = SIM_COUNT;
        expect->count = (uint32_t)number;
    } else {
        expect->kind = SIM_AT;
        expect->at_ms = number;
    }
    for (size_t i = first; i < count && expect->act_count < COUNT(expect->acts); i++) {
        int act = index_of(SIM_ACTS, PRL_ACT_COUNT, tokens[i]);
        if (act < 0)
            return false;
        expect->acts[expect->act_count++] = (enum prl_floor_act)act;
    }
    return expect->act_count > 0;
}

static bool read_line(struct sim_scenario *scenario, char *line)
{
    char *tokens[TOKENS_MAX];
    if (strncmp(line, "name ", 5) == 0) {
        line[strcspn(line, "\r\n")] = '\0';
        (void)prl_str_copy(scenario->name, sizeof(scenario->name), line + 5);
        return true;
    }
    size_t count = split(line, tokens);
    if (count == 0)
        return true;
    if (count == 3 && (strcmp(tokens[0], "set") == 0 || strcmp(tokens[0], "engine") == 0))
        return read_set(scenario, tokens[1], tokens[2]);
    if (count == 4 && strcmp(tokens[0], "engine") == 0)
        return read_fate(scenario, tokens);
    if (strcmp(tokens[0], "expect") == 0)
        return read_expect(scenario, tokens, count);
    return count >= 4 && strcmp(tokens[2], "user") == 0 && read_op(scenario, tokens, count);
}

bool sim_read(struct sim_scenario *scenario, const char *path, char *error, size_t size)
{
    memset(scenario, 0, sizeof(*scenario));
    prl_floor_conf_init(&scenario->conf);
    scenario->lead_ms = 400;
    scenario->stt_ms = 120;
    scenario->llm_ms = 150;
    scenario->tts_ms = 90;
    scenario->eot_ms = 60;
    scenario->speaker_ms = 40;
    scenario->eot_permille = 965;
    scenario->words = 10;
    scenario->speed_permille = 300;
    FILE *file = fopen(path, "re");
    if (!file) {
        snprintf(error, size, "%s: cannot be opened", path);
        return false;
    }
    char line[LINE_MAX];
    int number = 0;
    bool good = true;
    while (good && fgets(line, sizeof(line), file)) {
        number++;
        good = read_line(scenario, line);
    }
    fclose(file);
    if (!good)
        snprintf(error, size, "%s:%d: not understood", path, number);
    return good;
}

static void write_number(const struct sim_scenario *scenario, const struct number *number,
                         FILE *out)
{
    uint32_t value;
    memcpy(&value, (const char *)scenario + number->offset, sizeof(value));
    fprintf(out, "set %s %u\n", number->name, value);
}

void sim_write(const struct sim_scenario *scenario, FILE *out)
{
    fprintf(out, "name %s\nset seed %" PRIu64 "\nset turns %s\n", scenario->name, scenario->seed,
            TURNS[scenario->conf.turns]);
    for (size_t i = 0; i < COUNT(SWITCHES); i++)
        fprintf(out, "set %s %s\n", SWITCHES[i].name,
                *((const char *)scenario + SWITCHES[i].offset) ? "on" : "off");
    for (size_t i = 0; i < COUNT(NUMBERS); i++)
        write_number(scenario, &NUMBERS[i], out);
    for (size_t i = 0; i < COUNT(TIMES); i++) {
        int64_t value;
        memcpy(&value, (const char *)scenario + TIMES[i].offset, sizeof(value));
        fprintf(out, "engine %s %" PRId64 "\n", TIMES[i].name, value);
    }
    for (size_t i = 0; i < SIM_FATES; i++) {
        if (scenario->stt_fates[i] != SIM_WELL)
            fprintf(out, "engine stt_fate %zu %s\n", i, FATES[scenario->stt_fates[i]]);
        if (scenario->answer_fates[i] != SIM_WELL)
            fprintf(out, "engine answer_fate %zu %s\n", i, FATES[scenario->answer_fates[i]]);
    }
    for (uint32_t i = 0; i < scenario->op_count; i++) {
        const struct sim_op *op = &scenario->ops[i];
        fprintf(out, "%" PRId64 " ms user: %s", op->at_ms, OPS[op->kind]);
        if (op->ms > 0)
            fprintf(out, " %" PRId64 " ms", op->ms);
        if (op->words > 0)
            fprintf(out, ", %u words", op->words);
        if (op->margin > 0)
            fprintf(out, " %u margin", op->margin);
        if (op->kind == SIM_UPDATE)
            fprintf(out, " %u", op->flags);
        else if (op->flags & PRL_FLOOR_BACKCHANNEL)
            fprintf(out, " backchannel");
        else if (op->flags & PRL_FLOOR_OPEN_ENDED)
            fprintf(out, " open");
        else if (op->flags & PRL_FLOOR_COMPLETE)
            fprintf(out, " complete");
        else if (op->flags & PRL_FLOOR_ECHO)
            fprintf(out, " echo");
        if (op->kind == SIM_SPEECH && (op->flags & PRL_FLOOR_HAN))
            fprintf(out, " han");
        if (op->kind == SIM_SPEECH && (op->flags & PRL_FLOOR_TAKES))
            fprintf(out, " takes");
        if (op->kind == SIM_SPEECH && (op->flags & PRL_FLOOR_OTHER))
            fprintf(out, " other");
        fprintf(out, "\n");
    }
}
