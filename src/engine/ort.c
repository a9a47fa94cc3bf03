// ort.c -- see ort.h. The only file that knows ONNX Runtime's header. The library hands out one
// table of functions; every call returns a status, which becomes an error and a line of text here.
#include "engine/ort.h"

#include <dlfcn.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include <onnxruntime_c_api.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

struct prl_ort {
    const OrtApi *api;  // the library's, lives as long as the process
    OrtEnv *env;        // owned
    OrtMemoryInfo *cpu; // owned
};

struct names {
    size_t count;
    char *name[PRL_ORT_IO_MAX]; // owned copies
};

struct prl_ort_session {
    struct prl_ort *ort; // borrowed
    OrtSession *session; // owned
    struct names inputs;
    struct names outputs;
    char why[PRL_ORT_WHY_SIZE]; // of the last run
};

struct prl_ort_binding {
    struct prl_ort_session *session; // borrowed
    size_t input_count;
    size_t output_count;
    OrtValue *inputs[PRL_ORT_IO_MAX];        // owned
    OrtValue *outputs[PRL_ORT_IO_MAX];       // owned
    const char *input_names[PRL_ORT_IO_MAX]; // the session's copies
    const char *output_names[PRL_ORT_IO_MAX];
};

struct type_row {
    ONNXTensorElementDataType theirs;
    size_t size; // bytes
};

static const struct type_row TYPES[] = {
    [PRL_ORT_FLOAT] = {ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, sizeof(float)},
    [PRL_ORT_INT64] = {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64, sizeof(int64_t)},
    [PRL_ORT_INT32] = {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32, sizeof(int32_t)},
    [PRL_ORT_INT8] = {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8, sizeof(int8_t)},
    [PRL_ORT_UINT8] = {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8, sizeof(uint8_t)},
    [PRL_ORT_BOOL] = {ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL, 1},
};
enum { TYPE_COUNT = sizeof(TYPES) / sizeof(*TYPES) };

// Copies one line of text: a newline ends it.
static void say(char *why, size_t why_size, const char *what, const char *text)
{
    if (!why || why_size == 0)
        return;
    size_t used = 0;
    const char *parts[] = {what, text};
    for (size_t i = 0; i < 2; i++) {
        for (const char *c = parts[i]; *c && *c != '\n' && used + 1 < why_size; c++)
            why[used++] = *c;
    }
    why[prl_utf8_whole(why, used)] = '\0';
}

// Turns a status into an error, with its text in `why`, and frees it.
static enum prl_err check_status(const OrtApi *api, OrtStatus *status, const char *what, char *why,
                                 size_t why_size)
{
    if (!status)
        return PRL_OK;
    say(why, why_size, what, api->GetErrorMessage(status));
    OrtErrorCode code = api->GetErrorCode(status);
    api->ReleaseStatus(status);
    return code == ORT_NO_SUCHFILE ? PRL_ERR_NOTFOUND : PRL_ERR_ENGINE;
}

static void ORT_API_CALL on_log(void *arg, OrtLoggingLevel level, const char *category,
                                const char *id, const char *where, const char *message)
{
    (void)arg;
    (void)category;
    (void)where;
    bool bad = level == ORT_LOGGING_LEVEL_ERROR || level == ORT_LOGGING_LEVEL_FATAL;
    prl_log(bad ? PRL_LOG_WARN : PRL_LOG_DEBUG, "engine", "onnxruntime %s: %s", id, message);
}

static enum prl_err load_api(const char *library, const OrtApi **api, char *why, size_t why_size)
{
    if (access(library, R_OK) != 0) {
        say(why, why_size, "cannot read ", library);
        return PRL_ERR_NOTFOUND;
    }
    // Never closed: it starts threads and registers exit handlers.
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        say(why, why_size, "cannot load ", dlerror()); // NOLINT(concurrency-mt-unsafe): glibc's is
        return PRL_ERR_ENGINE;
    }
    const OrtApiBase *(*get_base)(void) = NULL;
    *(void **)&get_base = dlsym(handle, "OrtGetApiBase");
    const OrtApiBase *base = get_base ? get_base() : NULL;
    *api = base ? base->GetApi(ORT_API_VERSION) : NULL;
    if (!*api) {
        say(why, why_size, library, ": no ONNX Runtime of version 1.21 or newer");
        return PRL_ERR_ENGINE;
    }
    return PRL_OK;
}

enum prl_err prl_ort_create(struct prl_ort **out, const char *library, char *why, size_t why_size)
{
    PRL_CHECK(out != NULL && library != NULL);
    *out = NULL;
    struct prl_ort *ort = prl_mem_zalloc(sizeof(*ort));
    if (!ort)
        return PRL_ERR_NOMEM;
    enum prl_err err = load_api(library, &ort->api, why, why_size);
    if (!err)
        err = check_status(ort->api,
                           ort->api->CreateEnvWithCustomLogger(
                               on_log, NULL, ORT_LOGGING_LEVEL_WARNING, "parley", &ort->env),
                           "onnxruntime: ", why, why_size);
    if (!err)
        err = check_status(
            ort->api,
            ort->api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &ort->cpu),
            "onnxruntime: ", why, why_size);
    if (err)
        prl_ort_destroy(&ort);
    *out = ort;
    return err;
}

void prl_ort_destroy(struct prl_ort **ort)
{
    PRL_CHECK(ort != NULL);
    if (!*ort)
        return;
    const OrtApi *api = (*ort)->api;
    if (api && (*ort)->cpu)
        api->ReleaseMemoryInfo((*ort)->cpu);
    if (api && (*ort)->env)
        api->ReleaseEnv((*ort)->env);
    prl_mem_free(*ort);
    *ort = NULL;
}

// One thread that never spins: measured best on 2 cores, where spinning pools cost seconds.
static OrtStatus *set_options(const OrtApi *api, OrtSessionOptions *options,
                              const struct prl_ort_conf *conf)
{
    OrtStatus *status = api->SetIntraOpNumThreads(options, conf->threads > 0 ? conf->threads : 1);
    if (!status)
        status = api->SetInterOpNumThreads(options, 1);
    if (!status)
        status = api->SetSessionExecutionMode(options, ORT_SEQUENTIAL);
    if (!status)
        status = api->SetSessionGraphOptimizationLevel(options, ORT_ENABLE_ALL);
    if (!status)
        status = api->AddSessionConfigEntry(options, "session.intra_op.allow_spinning", "0");
    if (!status)
        status = api->AddSessionConfigEntry(options, "session.inter_op.allow_spinning", "0");
    if (!status && !conf->arena)
        status = api->DisableCpuMemArena(options);
    return status;
}

static enum prl_err open_session(struct prl_ort_session *session, const struct prl_ort_conf *conf,
                                 char *why, size_t why_size)
{
    const OrtApi *api = session->ort->api;
    OrtSessionOptions *options = NULL;
    OrtStatus *status = api->CreateSessionOptions(&options);
    if (!status)
        status = set_options(api, options, conf);
    if (!status)
        status = api->CreateSession(session->ort->env, conf->path, options, &session->session);
    if (options)
        api->ReleaseSessionOptions(options);
    if (!status)
        return PRL_OK;
    char text[PRL_ORT_WHY_SIZE];
    enum prl_err err = check_status(api, status, "", text, sizeof(text));
    say(why, why_size, conf->path, ": ");
    if (why && why_size > 0) {
        size_t used = strlen(why);
        say(why + used, why_size - used, "", text);
    }
    return err;
}

typedef OrtStatus *(ORT_API_CALL *name_fn)(const OrtSession *, size_t, OrtAllocator *, char **);

static enum prl_err copy_names(struct prl_ort_session *session, struct names *names, size_t count,
                               name_fn get)
{
    const OrtApi *api = session->ort->api;
    OrtAllocator *allocator = NULL;
    enum prl_err err = check_status(api, api->GetAllocatorWithDefaultOptions(&allocator), "",
                                    session->why, sizeof(session->why));
    if (count > PRL_ORT_IO_MAX)
        return PRL_ERR_LIMIT;
    for (size_t i = 0; i < count && !err; i++) {
        char *name = NULL;
        err = check_status(api, get(session->session, i, allocator, &name), "", session->why,
                           sizeof(session->why));
        if (err)
            break;
        names->name[i] = prl_mem_strdup(name);
        allocator->Free(allocator, name);
        if (!names->name[i])
            return PRL_ERR_NOMEM;
        names->count = i + 1;
    }
    return err;
}

static enum prl_err read_names(struct prl_ort_session *session)
{
    const OrtApi *api = session->ort->api;
    size_t inputs = 0, outputs = 0;
    OrtStatus *status = api->SessionGetInputCount(session->session, &inputs);
    if (!status)
        status = api->SessionGetOutputCount(session->session, &outputs);
    enum prl_err err = check_status(api, status, "", session->why, sizeof(session->why));
    if (!err)
        err = copy_names(session, &session->inputs, inputs, api->SessionGetInputName);
    if (!err)
        err = copy_names(session, &session->outputs, outputs, api->SessionGetOutputName);
    return err;
}

enum prl_err prl_ort_session_create(struct prl_ort_session **out, struct prl_ort *ort,
                                    const struct prl_ort_conf *conf, char *why, size_t why_size)
{
    PRL_CHECK(out != NULL && ort != NULL && conf != NULL && conf->path != NULL);
    *out = NULL;
    if (access(conf->path, R_OK) != 0) {
        say(why, why_size, "cannot read ", conf->path);
        return PRL_ERR_NOTFOUND;
    }
    struct prl_ort_session *session = prl_mem_zalloc(sizeof(*session));
    if (!session)
        return PRL_ERR_NOMEM;
    session->ort = ort;
    enum prl_err err = open_session(session, conf, why, why_size);
    if (!err) {
        err = read_names(session);
        if (err)
            say(why, why_size, conf->path, ": too many or unreadable inputs and outputs");
    }
    if (err)
        prl_ort_session_destroy(&session);
    *out = session;
    return err;
}

static void free_names(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        prl_mem_free(names->name[i]);
    names->count = 0;
}

void prl_ort_session_destroy(struct prl_ort_session **session)
{
    PRL_CHECK(session != NULL);
    if (!*session)
        return;
    free_names(&(*session)->inputs);
    free_names(&(*session)->outputs);
    if ((*session)->session)
        (*session)->ort->api->ReleaseSession((*session)->session);
    prl_mem_free(*session);
    *session = NULL;
}

const char *prl_ort_session_input(const struct prl_ort_session *session, size_t index)
{
    return index < session->inputs.count ? session->inputs.name[index] : NULL;
}

const char *prl_ort_session_output(const struct prl_ort_session *session, size_t index)
{
    return index < session->outputs.count ? session->outputs.name[index] : NULL;
}

enum prl_err prl_ort_session_meta(struct prl_ort_session *session, const char *key, char *value,
                                  size_t size)
{
    PRL_CHECK(session != NULL && key != NULL && value != NULL && size > 0);
    const OrtApi *api = session->ort->api;
    OrtModelMetadata *meta = NULL;
    OrtAllocator *allocator = NULL;
    char *text = NULL;
    OrtStatus *status = api->SessionGetModelMetadata(session->session, &meta);
    if (!status)
        status = api->GetAllocatorWithDefaultOptions(&allocator);
    if (!status)
        status = api->ModelMetadataLookupCustomMetadataMap(meta, allocator, key, &text);
    enum prl_err err = check_status(api, status, "", session->why, sizeof(session->why));
    if (!err && !text)
        err = PRL_ERR_NOTFOUND;
    if (!err && !prl_str_copy(value, size, text))
        err = PRL_ERR_LIMIT;
    if (text)
        allocator->Free(allocator, text);
    if (meta)
        api->ReleaseModelMetadata(meta);
    return err;
}

size_t prl_ort_count(const struct prl_ort_tensor *tensor)
{
    int64_t count = 1;
    if (tensor->rank > PRL_ORT_RANK_MAX)
        return 0;
    for (size_t i = 0; i < tensor->rank; i++) {
        if (tensor->shape[i] < 0 || tensor->shape[i] > INT_MAX)
            return 0;
        count *= tensor->shape[i];
        if (count > INT_MAX)
            return 0;
    }
    return (size_t)count;
}

// Wraps the caller's buffer, without copying.
static OrtStatus *wrap(struct prl_ort_session *session, const struct prl_ort_tensor *tensor,
                       OrtValue **value)
{
    PRL_CHECK(tensor->data != NULL && tensor->rank <= PRL_ORT_RANK_MAX);
    PRL_CHECK((unsigned)tensor->type < TYPE_COUNT);
    const struct type_row *row = &TYPES[tensor->type];
    return session->ort->api->CreateTensorWithDataAsOrtValue(
        session->ort->cpu, tensor->data, prl_ort_count(tensor) * row->size, tensor->shape,
        tensor->rank, row->theirs, value);
}

// Fills in type, shape and data of an output that the library allocated.
static OrtStatus *describe(const OrtApi *api, struct prl_ort_tensor *tensor, OrtValue *value)
{
    OrtTensorTypeAndShapeInfo *info = NULL;
    OrtStatus *status = api->GetTensorTypeAndShape(value, &info);
    if (status)
        return status;
    ONNXTensorElementDataType theirs = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    status = api->GetTensorElementType(info, &theirs);
    if (!status)
        status = api->GetDimensionsCount(info, &tensor->rank);
    size_t type = 0;
    while (type < TYPE_COUNT && TYPES[type].theirs != theirs)
        type++;
    if (!status && (type == TYPE_COUNT || tensor->rank > PRL_ORT_RANK_MAX))
        status = api->CreateStatus(ORT_NOT_IMPLEMENTED, "output of an unknown type or rank");
    if (!status)
        status = api->GetDimensions(info, tensor->shape, tensor->rank);
    if (!status)
        status = api->GetTensorMutableData(value, &tensor->data);
    tensor->type = (enum prl_ort_type)(type < TYPE_COUNT ? type : 0);
    api->ReleaseTensorTypeAndShapeInfo(info);
    return status;
}

static void release_values(const OrtApi *api, OrtValue **values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (values[i])
            api->ReleaseValue(values[i]);
        values[i] = NULL;
    }
}

// Hands the library's output values to the tensors that had no buffer of their own.
static OrtStatus *give_outputs(const OrtApi *api, struct prl_ort_tensor *outputs, OrtValue **values,
                               size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (outputs[i].data)
            continue;
        OrtStatus *status = describe(api, &outputs[i], values[i]);
        outputs[i].owned = values[i];
        values[i] = NULL;
        if (status)
            return status;
    }
    return NULL;
}

enum prl_err prl_ort_run(struct prl_ort_session *session, const struct prl_ort_tensor *inputs,
                         size_t input_count, struct prl_ort_tensor *outputs, size_t output_count)
{
    PRL_CHECK(session != NULL && input_count <= PRL_ORT_IO_MAX && output_count <= PRL_ORT_IO_MAX);
    const OrtApi *api = session->ort->api;
    OrtValue *in[PRL_ORT_IO_MAX] = {NULL};
    OrtValue *out[PRL_ORT_IO_MAX] = {NULL};
    const char *in_names[PRL_ORT_IO_MAX] = {NULL};
    const char *out_names[PRL_ORT_IO_MAX] = {NULL};
    OrtStatus *status = NULL;
    session->why[0] = '\0';
    for (size_t i = 0; i < input_count && !status; i++) {
        in_names[i] = inputs[i].name;
        status = wrap(session, &inputs[i], &in[i]);
    }
    for (size_t i = 0; i < output_count && !status; i++) {
        outputs[i].owned = NULL;
        out_names[i] = outputs[i].name;
        if (outputs[i].data)
            status = wrap(session, &outputs[i], &out[i]);
    }
    if (!status)
        status = api->Run(session->session, NULL, in_names, (const OrtValue *const *)in,
                          input_count, out_names, output_count, out);
    if (!status)
        status = give_outputs(api, outputs, out, output_count);
    release_values(api, in, input_count);
    release_values(api, out, output_count);
    if (!status)
        return PRL_OK;
    prl_ort_release(session, outputs, output_count);
    return check_status(api, status, "", session->why, sizeof(session->why));
}

void prl_ort_release(struct prl_ort_session *session, struct prl_ort_tensor *outputs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!outputs[i].owned)
            continue;
        session->ort->api->ReleaseValue(outputs[i].owned);
        outputs[i].owned = NULL;
        outputs[i].data = NULL;
        outputs[i].rank = 0;
    }
}

const char *prl_ort_session_why(const struct prl_ort_session *session)
{
    return session->why;
}

static const char *find_name(const struct names *names, const char *wanted)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->name[i], wanted) == 0)
            return names->name[i];
    }
    return NULL;
}

// Wraps `count` tensors and looks up the session's own copy of each name.
static enum prl_err bind(struct prl_ort_session *session, const struct prl_ort_tensor *tensors,
                         size_t count, const struct names *known, OrtValue **values,
                         const char **names)
{
    for (size_t i = 0; i < count; i++) {
        names[i] = find_name(known, tensors[i].name);
        if (!names[i]) {
            say(session->why, sizeof(session->why), "the model has no tensor ", tensors[i].name);
            return PRL_ERR_ENGINE;
        }
        enum prl_err err = check_status(session->ort->api, wrap(session, &tensors[i], &values[i]),
                                        "", session->why, sizeof(session->why));
        if (err)
            return err;
    }
    return PRL_OK;
}

enum prl_err prl_ort_binding_create(struct prl_ort_binding **out, struct prl_ort_session *session,
                                    const struct prl_ort_tensor *inputs, size_t input_count,
                                    const struct prl_ort_tensor *outputs, size_t output_count)
{
    PRL_CHECK(out != NULL && session != NULL);
    PRL_CHECK(input_count <= PRL_ORT_IO_MAX && output_count <= PRL_ORT_IO_MAX);
    *out = NULL;
    struct prl_ort_binding *binding = prl_mem_zalloc(sizeof(*binding));
    if (!binding)
        return PRL_ERR_NOMEM;
    binding->session = session;
    binding->input_count = input_count;
    binding->output_count = output_count;
    enum prl_err err =
        bind(session, inputs, input_count, &session->inputs, binding->inputs, binding->input_names);
    if (!err)
        err = bind(session, outputs, output_count, &session->outputs, binding->outputs,
                   binding->output_names);
    if (err)
        prl_ort_binding_destroy(&binding);
    *out = binding;
    return err;
}

void prl_ort_binding_destroy(struct prl_ort_binding **binding)
{
    PRL_CHECK(binding != NULL);
    if (!*binding)
        return;
    const OrtApi *api = (*binding)->session->ort->api;
    release_values(api, (*binding)->inputs, (*binding)->input_count);
    release_values(api, (*binding)->outputs, (*binding)->output_count);
    prl_mem_free(*binding);
    *binding = NULL;
}

enum prl_err prl_ort_binding_run(struct prl_ort_binding *binding)
{
    struct prl_ort_session *session = binding->session;
    session->why[0] = '\0';
    OrtStatus *status = session->ort->api->Run(
        session->session, NULL, binding->input_names, (const OrtValue *const *)binding->inputs,
        binding->input_count, binding->output_names, binding->output_count, binding->outputs);
    return check_status(session->ort->api, status, "", session->why, sizeof(session->why));
}
