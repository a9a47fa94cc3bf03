// sherpa.c -- see sherpa.h. The only file that knows sherpa-onnx's header.
#include "stt/sherpa.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include <sherpa-onnx/c-api/c-api.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"

enum { PAD_TAIL_SAMPLES = 8000, FEATURES = 80 };

// The functions used, under the library's own types.
struct api {
    __typeof__(SherpaOnnxCreateOfflineRecognizer) *create;
    __typeof__(SherpaOnnxDestroyOfflineRecognizer) *destroy;
    __typeof__(SherpaOnnxCreateOfflineStream) *open;
    __typeof__(SherpaOnnxDestroyOfflineStream) *close;
    __typeof__(SherpaOnnxAcceptWaveformOffline) *accept;
    __typeof__(SherpaOnnxDecodeOfflineStream) *decode;
    __typeof__(SherpaOnnxGetOfflineStreamResult) *result;
    __typeof__(SherpaOnnxDestroyOfflineRecognizerResult) *free_result;
    __typeof__(SherpaOnnxCreateOnlineRecognizer) *online_create;
    __typeof__(SherpaOnnxDestroyOnlineRecognizer) *online_destroy;
    __typeof__(SherpaOnnxCreateOnlineStream) *online_open;
    __typeof__(SherpaOnnxDestroyOnlineStream) *online_close;
    __typeof__(SherpaOnnxOnlineStreamAcceptWaveform) *online_accept;
    __typeof__(SherpaOnnxOnlineStreamInputFinished) *online_finish;
    __typeof__(SherpaOnnxIsOnlineStreamReady) *online_ready;
    __typeof__(SherpaOnnxDecodeOnlineStream) *online_decode;
    __typeof__(SherpaOnnxGetOnlineStreamResult) *online_result;
    __typeof__(SherpaOnnxDestroyOnlineRecognizerResult) *online_free_result;
};

struct prl_sherpa {
    struct api api;
    const SherpaOnnxOfflineRecognizer *offline; // owned; one of the two
    const SherpaOnnxOnlineRecognizer *online;
    float *sound; // owned
};

static enum prl_err load_api(struct api *api, const char *library, char *why, size_t why_size)
{
    // Never closed: it shares ONNX Runtime with everybody.
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        (void)snprintf(why, why_size, "cannot load %s", library);
        return PRL_ERR_NOTFOUND;
    }
    const struct {
        const char *name;
        void *slot;
    } symbols[] = {
        {"SherpaOnnxCreateOfflineRecognizer", &api->create},
        {"SherpaOnnxDestroyOfflineRecognizer", &api->destroy},
        {"SherpaOnnxCreateOfflineStream", &api->open},
        {"SherpaOnnxDestroyOfflineStream", &api->close},
        {"SherpaOnnxAcceptWaveformOffline", &api->accept},
        {"SherpaOnnxDecodeOfflineStream", &api->decode},
        {"SherpaOnnxGetOfflineStreamResult", &api->result},
        {"SherpaOnnxDestroyOfflineRecognizerResult", &api->free_result},
        {"SherpaOnnxCreateOnlineRecognizer", &api->online_create},
        {"SherpaOnnxDestroyOnlineRecognizer", &api->online_destroy},
        {"SherpaOnnxCreateOnlineStream", &api->online_open},
        {"SherpaOnnxDestroyOnlineStream", &api->online_close},
        {"SherpaOnnxOnlineStreamAcceptWaveform", &api->online_accept},
        {"SherpaOnnxOnlineStreamInputFinished", &api->online_finish},
        {"SherpaOnnxIsOnlineStreamReady", &api->online_ready},
        {"SherpaOnnxDecodeOnlineStream", &api->online_decode},
        {"SherpaOnnxGetOnlineStreamResult", &api->online_result},
        {"SherpaOnnxDestroyOnlineRecognizerResult", &api->online_free_result},
    };
    for (size_t i = 0; i < sizeof(symbols) / sizeof(*symbols); i++) {
        void *symbol = dlsym(handle, symbols[i].name);
        if (!symbol) {
            (void)snprintf(why, why_size, "%s has no %s; another version?", library,
                           symbols[i].name);
            return PRL_ERR_ENGINE;
        }
        memcpy(symbols[i].slot, &symbol, sizeof(symbol));
    }
    return PRL_OK;
}

static bool is_online(enum prl_folder_kind kind)
{
    return kind == PRL_FOLDER_STREAMING_PARAFORMER || kind == PRL_FOLDER_STREAMING_TRANSDUCER;
}

static void create_online(struct prl_sherpa *sherpa, const struct prl_folder *folder, int threads)
{
    SherpaOnnxOnlineRecognizerConfig conf;
    memset(&conf, 0, sizeof(conf));
    conf.feat_config.sample_rate = PRL_STT_RATE_HZ;
    conf.feat_config.feature_dim = FEATURES;
    conf.model_config.tokens = folder->tokens;
    conf.model_config.num_threads = threads;
    conf.model_config.provider = "cpu";
    conf.decoding_method = "greedy_search";
    if (folder->kind == PRL_FOLDER_STREAMING_PARAFORMER) {
        conf.model_config.paraformer.encoder = folder->encoder;
        conf.model_config.paraformer.decoder = folder->decoder;
    } else {
        conf.model_config.transducer.encoder = folder->encoder;
        conf.model_config.transducer.decoder = folder->decoder;
        conf.model_config.transducer.joiner = folder->joiner;
    }
    sherpa->online = sherpa->api.online_create(&conf);
}

static void create_offline(struct prl_sherpa *sherpa, const struct prl_folder *folder, int threads)
{
    SherpaOnnxOfflineRecognizerConfig conf;
    memset(&conf, 0, sizeof(conf));
    conf.feat_config.sample_rate = PRL_STT_RATE_HZ;
    conf.feat_config.feature_dim = FEATURES;
    conf.model_config.tokens = folder->tokens;
    conf.model_config.num_threads = threads;
    conf.model_config.provider = "cpu";
    conf.decoding_method = "greedy_search";
    if (folder->kind == PRL_FOLDER_SENSE_VOICE) {
        conf.model_config.sense_voice.model = folder->model;
        conf.model_config.sense_voice.language = "auto";
        conf.model_config.sense_voice.use_itn = 1;
    } else if (folder->kind == PRL_FOLDER_PARAFORMER) {
        conf.model_config.paraformer.model = folder->model;
    } else {
        conf.model_config.transducer.encoder = folder->encoder;
        conf.model_config.transducer.decoder = folder->decoder;
        conf.model_config.transducer.joiner = folder->joiner;
    }
    sherpa->offline = sherpa->api.create(&conf);
}

enum prl_err prl_sherpa_create(struct prl_sherpa **out, const char *library,
                               const struct prl_folder *folder, int threads, char *why,
                               size_t why_size)
{
    PRL_CHECK(out != NULL && library != NULL && folder != NULL);
    *out = NULL;
    struct prl_sherpa *sherpa = prl_mem_zalloc(sizeof(*sherpa));
    if (!sherpa)
        return PRL_ERR_NOMEM;
    sherpa->sound = prl_mem_array(PRL_STT_PIECE_MAX_S * PRL_STT_RATE_HZ + PAD_TAIL_SAMPLES,
                                  sizeof(*sherpa->sound));
    enum prl_err err =
        sherpa->sound ? load_api(&sherpa->api, library, why, why_size) : PRL_ERR_NOMEM;
    if (!err) {
        if (is_online(folder->kind))
            create_online(sherpa, folder, threads);
        else
            create_offline(sherpa, folder, threads);
        if (!sherpa->online && !sherpa->offline) {
            (void)snprintf(why, why_size, "sherpa-onnx cannot load the %s model of %s",
                           prl_folder_kind_name(folder->kind), folder->tokens);
            err = PRL_ERR_ENGINE;
        }
    }
    if (err)
        prl_sherpa_destroy(&sherpa);
    *out = sherpa;
    return err;
}

void prl_sherpa_destroy(struct prl_sherpa **sherpa)
{
    PRL_CHECK(sherpa != NULL);
    if (!*sherpa)
        return;
    if ((*sherpa)->offline)
        (*sherpa)->api.destroy((*sherpa)->offline);
    if ((*sherpa)->online)
        (*sherpa)->api.online_destroy((*sherpa)->online);
    prl_mem_free((*sherpa)->sound);
    prl_mem_free(*sherpa);
    *sherpa = NULL;
}

static enum prl_err decode_offline(struct prl_sherpa *sherpa, size_t count,
                                   struct prl_stt_answer *answer)
{
    const struct api *api = &sherpa->api;
    const SherpaOnnxOfflineStream *stream = api->open(sherpa->offline);
    if (!stream)
        return PRL_ERR_ENGINE;
    api->accept(stream, PRL_STT_RATE_HZ, sherpa->sound, (int32_t)count);
    api->decode(sherpa->offline, stream);
    const SherpaOnnxOfflineRecognizerResult *result = api->result(stream);
    enum prl_err err = result ? PRL_OK : PRL_ERR_ENGINE;
    if (result) {
        err = prl_str_adds(&answer->text, result->text ? result->text : "");
        const char *language = result->lang ? result->lang : ""; // SenseVoice: "<|zh|>"
        size_t skip = strspn(language, "<|");
        size_t len = strcspn(language + skip, "|>");
        if (len > 0 && len < sizeof(answer->language)) {
            memcpy(answer->language, language + skip, len);
            answer->language[len] = '\0';
        }
        api->free_result(result);
    }
    api->close(stream);
    return err;
}

static enum prl_err decode_online(struct prl_sherpa *sherpa, size_t count,
                                  const struct prl_stt_job *job, struct prl_stt_answer *answer)
{
    const struct api *api = &sherpa->api;
    const SherpaOnnxOnlineStream *stream = api->online_open(sherpa->online);
    if (!stream)
        return PRL_ERR_ENGINE;
    api->online_accept(stream, PRL_STT_RATE_HZ, sherpa->sound, (int32_t)count);
    api->online_finish(stream);
    enum prl_err err = PRL_OK;
    while (!err && api->online_ready(sherpa->online, stream)) {
        api->online_decode(sherpa->online, stream);
        if (job->stop && job->stop(job->stop_arg))
            err = PRL_ERR_CANCELED;
    }
    const SherpaOnnxOnlineRecognizerResult *result =
        err ? NULL : api->online_result(sherpa->online, stream);
    if (!err)
        err =
            result ? prl_str_adds(&answer->text, result->text ? result->text : "") : PRL_ERR_ENGINE;
    if (result)
        api->online_free_result(result);
    api->online_close(stream);
    return err;
}

enum prl_err prl_sherpa_decode(struct prl_sherpa *sherpa, const struct prl_stt_job *job,
                               struct prl_stt_answer *answer)
{
    PRL_CHECK(job->samples <= (size_t)PRL_STT_PIECE_MAX_S * PRL_STT_RATE_HZ);
    for (size_t i = 0; i < job->samples; i++)
        sherpa->sound[i] = (float)job->pcm[i] / 32768.0F;
    memset(sherpa->sound + job->samples, 0, PAD_TAIL_SAMPLES * sizeof(*sherpa->sound));
    answer->complete = true;
    size_t count = job->samples + PAD_TAIL_SAMPLES;
    return sherpa->online ? decode_online(sherpa, count, job, answer)
                          : decode_offline(sherpa, count, answer);
}
