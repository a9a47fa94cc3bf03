// voices.c -- see voices.h. The ten names of the Realtime API come first; female names speak with
// female voices in every language, the first one with the Chinese one of them that is understood best; zf_xiaoni is
// understood badly and has to be asked for (docs/MODELS.md). hibari has one voice, which also stands in for male
// names while Kokoro is too slow for English.
#include "tts/voices.h"

#include <string.h>

#define REALTIME(name, en, zh, gender)                                                             \
    {                                                                                              \
        name, "heart", en, zh, "en-US", gender, true                                               \
    }
#define ENGLISH(name, zh, gender, accent)                                                          \
    {                                                                                              \
        name, NULL, name, zh, accent, gender, false                                                \
    }
#define CHINESE(name, en, gender)                                                                  \
    {                                                                                              \
        name, NULL, en, name, "zh-CN", gender, false                                               \
    }

static const struct prl_voice voices[] = {
    REALTIME("alloy", "af_heart", "zf_xiaoyi", 'f'),
    REALTIME("ash", "am_michael", "zm_yunxi", 'm'),
    REALTIME("ballad", "bm_fable", "zm_yunyang", 'm'),
    REALTIME("cedar", "am_fenrir", "zm_yunjian", 'm'),
    REALTIME("coral", "af_bella", "zf_xiaoxiao", 'f'),
    REALTIME("echo", "am_puck", "zm_yunxia", 'm'),
    REALTIME("marin", "af_kore", "zf_xiaoxiao", 'f'),
    REALTIME("sage", "bf_emma", "zf_xiaobei", 'f'),
    REALTIME("shimmer", "af_sarah", "zf_xiaobei", 'f'),
    REALTIME("verse", "bm_george", "zm_yunyang", 'm'),
    {"heart", "heart", "af_heart", "zf_xiaoyi", "en-US", 'f', false},
    ENGLISH("af_alloy", "zf_xiaoyi", 'f', "en-US"),
    ENGLISH("af_aoede", "zf_xiaobei", 'f', "en-US"),
    ENGLISH("af_bella", "zf_xiaoxiao", 'f', "en-US"),
    ENGLISH("af_heart", "zf_xiaoyi", 'f', "en-US"),
    ENGLISH("af_jessica", "zf_xiaoyi", 'f', "en-US"),
    ENGLISH("af_kore", "zf_xiaoyi", 'f', "en-US"),
    ENGLISH("af_nicole", "zf_xiaoyi", 'f', "en-US"),
    ENGLISH("af_nova", "zf_xiaoxiao", 'f', "en-US"),
    ENGLISH("af_river", "zf_xiaobei", 'f', "en-US"),
    ENGLISH("af_sarah", "zf_xiaoyi", 'f', "en-US"),
    ENGLISH("af_sky", "zf_xiaoyi", 'f', "en-US"),
    ENGLISH("am_adam", "zm_yunjian", 'm', "en-US"),
    ENGLISH("am_echo", "zm_yunxi", 'm', "en-US"),
    ENGLISH("am_eric", "zm_yunyang", 'm', "en-US"),
    ENGLISH("am_fenrir", "zm_yunjian", 'm', "en-US"),
    ENGLISH("am_liam", "zm_yunxia", 'm', "en-US"),
    ENGLISH("am_michael", "zm_yunxi", 'm', "en-US"),
    ENGLISH("am_onyx", "zm_yunjian", 'm', "en-US"),
    ENGLISH("am_puck", "zm_yunxia", 'm', "en-US"),
    ENGLISH("am_santa", "zm_yunyang", 'm', "en-US"),
    ENGLISH("bf_alice", "zf_xiaoyi", 'f', "en-GB"),
    ENGLISH("bf_emma", "zf_xiaobei", 'f', "en-GB"),
    ENGLISH("bf_isabella", "zf_xiaoxiao", 'f', "en-GB"),
    ENGLISH("bf_lily", "zf_xiaoyi", 'f', "en-GB"),
    ENGLISH("bm_daniel", "zm_yunxi", 'm', "en-GB"),
    ENGLISH("bm_fable", "zm_yunyang", 'm', "en-GB"),
    ENGLISH("bm_george", "zm_yunjian", 'm', "en-GB"),
    ENGLISH("bm_lewis", "zm_yunxia", 'm', "en-GB"),
    CHINESE("zf_xiaobei", "af_heart", 'f'),
    CHINESE("zf_xiaoni", "bf_emma", 'f'),
    CHINESE("zf_xiaoxiao", "af_bella", 'f'),
    CHINESE("zf_xiaoyi", "af_sarah", 'f'),
    CHINESE("zm_yunjian", "am_fenrir", 'm'),
    CHINESE("zm_yunxi", "am_michael", 'm'),
    CHINESE("zm_yunxia", "am_puck", 'm'),
    CHINESE("zm_yunyang", "bm_fable", 'm'),
};
enum { VOICE_COUNT = sizeof(voices) / sizeof(voices[0]) };
_Static_assert(VOICE_COUNT == 10 + 1 + 28 + 8, "Realtime names, hibari's, Kokoro's en and zh");

const struct prl_voice *prl_voice_at(size_t index)
{
    return index < VOICE_COUNT ? &voices[index] : NULL;
}

const struct prl_voice *prl_voice_find(const char *name)
{
    for (size_t i = 0; name && i < VOICE_COUNT; i++)
        if (strcmp(voices[i].name, name) == 0)
            return &voices[i];
    return NULL;
}
