// llama_module.h -- the one symbol of libparley_llama.so: llama.cpp behind plain C functions.
//
// Built from llama_module.c and llama.cpp's static libraries with a version script, opened with
// dlopen(RTLD_LOCAL), so that its ggml never meets whisper.cpp's.
// Threads:  the lane's thread only.
// Memory:   from conf->alloc and from llama.cpp's own C++ allocations.
#ifndef PRL_LLM_LLAMA_MODULE_H
#define PRL_LLM_LLAMA_MODULE_H

#include "llm/model.h"

#define PRL_LLAMA_MODULE_SYMBOL "prl_llama_module"

extern const struct prl_llm_model_ops prl_llama_module;

#endif
