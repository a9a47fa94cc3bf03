// Tests of api/session_object.h: where a new session's values come from, and which voices it takes.
#include <string.h>

#include "api/session_object.h"
#include "tests/unit.h"

static struct prl_session_conf server_conf(void)
{
    struct prl_session_conf conf;
    prl_session_conf_init(&conf);
    conf.instructions = "Be brief.";
    conf.voice = "echo";
    conf.speed = 1.25;
    conf.max_output_tokens = 99;
    conf.vad_threshold = 0.75F;
    conf.floor.prefix_padding_ms = 200;
    conf.floor.silence_duration_ms = 900;
    return conf;
}

PRL_TEST(session_object_begins_as_the_server_is_configured)
{
    struct prl_session_conf conf = server_conf();
    struct prl_api_session object;
    EXPECT_OK(prl_api_session_init(&object, "", &conf));
    struct prl_session_conf effective;
    prl_session_conf_init(&effective);
    prl_api_session_conf(&object, &effective);
    EXPECT_TEXT(effective.instructions, "Be brief.");
    EXPECT_TEXT(effective.voice, "echo");
    EXPECT(effective.speed > 1.24 && effective.speed < 1.26);
    EXPECT_INT(effective.max_output_tokens, 99);
    EXPECT(effective.vad_threshold > 0.74F && effective.vad_threshold < 0.76F);
    EXPECT_INT(effective.floor.prefix_padding_ms, 200);
    EXPECT_INT(effective.floor.silence_duration_ms, 900);
    EXPECT(effective.floor.create_response);
    object.transcription_only = true;
    prl_api_session_conf(&object, &effective);
    EXPECT(!effective.floor.create_response);
    prl_api_session_free(&object);
}

static const char *update_with(const char *text, struct prl_problem *problem,
                               struct prl_api_session *object)
{
    struct prl_json *root;
    *problem = (struct prl_problem){0};
    EXPECT_OK(prl_json_parse(&root, text, strlen(text), NULL, 0));
    EXPECT_OK(prl_api_session_update(object, root, false, problem));
    prl_json_free(&root);
    return problem->code;
}

PRL_TEST(session_object_takes_known_voices_only)
{
    struct prl_session_conf conf = server_conf();
    struct prl_api_session object;
    struct prl_problem problem;
    EXPECT_OK(prl_api_session_init(&object, "", &conf));
    EXPECT(!update_with("{\"voice\":\"cedar\"}", &problem, &object));
    EXPECT_TEXT(object.voice, "cedar");
    EXPECT_TEXT(update_with("{\"audio\":{\"output\":{\"voice\":\"nobody\"}}}", &problem, &object),
                "invalid_value");
    EXPECT_TEXT(problem.param, "session.audio.output.voice");
    EXPECT_TEXT(object.voice, "cedar");
    prl_api_session_free(&object);
}
