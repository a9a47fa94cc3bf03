// ort.h -- ONNX Runtime, loaded by path: sessions, named tensors in and out, errors as text.
//
// There is one `struct prl_ort` in a process; main creates it and passes it on. The library is
// dlopen'd by absolute path, so nothing of it is linked; sherpa-onnx loads an older one of its own.
// Units:    shapes in elements.
// Threads:  prl_ort_* from any thread. A session, and a binding, belongs to one thread at a time;
//           sessions run on the caller's thread (one intra-op thread, spinning off).
// Memory:   outputs without `data` are allocated by the library and given back with
//           prl_ort_release; a binding's run allocates nothing of ours.
// Errors:   NOTFOUND (no such file), ENGINE (the library refused; `why` says what), NOMEM. `why`,
//           where given, receives one line; NULL is fine.
// Source:   ONNX Runtime C API, version 21 of its table.
#ifndef PRL_ENGINE_ORT_H
#define PRL_ENGINE_ORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { PRL_ORT_RANK_MAX = 6, PRL_ORT_IO_MAX = 64, PRL_ORT_WHY_SIZE = 256 };

enum prl_ort_type {
    PRL_ORT_FLOAT,
    PRL_ORT_INT64,
    PRL_ORT_INT32,
    PRL_ORT_INT8,
    PRL_ORT_UINT8,
    PRL_ORT_BOOL
};

// One named tensor. As an input: name, type, rank, shape and data are the caller's. As an output:
// the caller gives the name; with `data` set also type, rank and shape, and the result is written
// there; with data NULL the run fills in the rest and `owned` keeps the library's object.
struct prl_ort_tensor {
    const char *name;
    enum prl_ort_type type;
    size_t rank;
    int64_t shape[PRL_ORT_RANK_MAX];
    void *data;
    void *owned; // the library's object, outputs only; freed by prl_ort_release
};

struct prl_ort;
struct prl_ort_session;
struct prl_ort_binding;

// Loads `library` (absolute path of libonnxruntime.so) and starts its environment. `why` holds
// `why_size` bytes, PRL_ORT_WHY_SIZE is enough. The library stays mapped until the process ends.
enum prl_err prl_ort_create(struct prl_ort **out, const char *library, char *why,
                            size_t why_size) PRL_MUST_USE;
// Sessions must be gone.
void prl_ort_destroy(struct prl_ort **ort);

struct prl_ort_conf {
    const char *path; // model file, .onnx or .ort
    int threads;      // intra-op threads; 0 means 1
    bool arena;       // keep freed tensors for reuse: faster, more memory
};

// Loads a model; takes 5 ms to a few seconds, so for lanes and start-up, not for a running loop.
enum prl_err prl_ort_session_create(struct prl_ort_session **out, struct prl_ort *ort,
                                    const struct prl_ort_conf *conf, char *why,
                                    size_t why_size) PRL_MUST_USE;
void prl_ort_session_destroy(struct prl_ort_session **session);

// Names in the model's order; valid while the session lives; NULL beyond the last.
const char *prl_ort_session_input(const struct prl_ort_session *session, size_t index);
const char *prl_ort_session_output(const struct prl_ort_session *session, size_t index);
// Value of a key of the model's custom metadata, copied; NOTFOUND when it has none.
enum prl_err prl_ort_session_meta(struct prl_ort_session *session, const char *key, char *value,
                                  size_t size) PRL_MUST_USE;

// Computes. Blocks for as long as the model takes. On failure no output is owned.
enum prl_err prl_ort_run(struct prl_ort_session *session, const struct prl_ort_tensor *inputs,
                         size_t input_count, struct prl_ort_tensor *outputs,
                         size_t output_count) PRL_MUST_USE;
// Frees what a run allocated and clears data, shape and rank. Safe on outputs never filled.
void prl_ort_release(struct prl_ort_session *session, struct prl_ort_tensor *outputs, size_t count);
// Why the last run on this session failed; "" when it did not. Valid until the next run.
const char *prl_ort_session_why(const struct prl_ort_session *session);
// Elements of a tensor's shape; 0 for an impossible one (negative or beyond 2^31).
size_t prl_ort_count(const struct prl_ort_tensor *tensor);

// For models that run every few milliseconds: tensors over fixed buffers, wrapped once. Every
// tensor has `data`; the buffers must outlive the binding.
enum prl_err prl_ort_binding_create(struct prl_ort_binding **out, struct prl_ort_session *session,
                                    const struct prl_ort_tensor *inputs, size_t input_count,
                                    const struct prl_ort_tensor *outputs,
                                    size_t output_count) PRL_MUST_USE;
void prl_ort_binding_destroy(struct prl_ort_binding **binding);
enum prl_err prl_ort_binding_run(struct prl_ort_binding *binding) PRL_MUST_USE;

#endif
