// sherpa.h -- recognisers of sherpa-onnx, for models that users bring (adapter of its C API).
//
// The library is dlopen'd by path and shares our ONNX Runtime, which lies beside it. It ends the
// process on some broken models: load what is unknown in a child first (user.h).
// Units:    16-bit samples at 16 kHz. Threads: one owner; computes on the caller's thread.
// Errors:   NOTFOUND, ENGINE with one line in `why`.
#ifndef PRL_STT_SHERPA_H
#define PRL_STT_SHERPA_H

#include "base/err.h"
#include "stt/backend.h"
#include "stt/folder.h"

struct prl_sherpa;

enum prl_err prl_sherpa_create(struct prl_sherpa **out, const char *library,
                               const struct prl_folder *folder, int threads, char *why,
                               size_t why_size) PRL_MUST_USE;
void prl_sherpa_destroy(struct prl_sherpa **sherpa);
enum prl_err prl_sherpa_decode(struct prl_sherpa *sherpa, const struct prl_stt_job *job,
                               struct prl_stt_answer *answer) PRL_MUST_USE;

#endif
