// model_list.h -- the engines that the settings name, as GET /v1/models tells them.
//
// Threads:  start-up. Memory: a list points into the settings and into itself; both outlive its use.
// Bounds:   PRL_MODEL_LIST_MAX lines; a name that is there already is left out.
#ifndef PRL_SERVER_MODEL_LIST_H
#define PRL_SERVER_MODEL_LIST_H

#include <stddef.h>

#include "api/rest.h"
#include "server/settings.h"

enum { PRL_MODEL_LIST_MAX = 16, PRL_MODEL_LIST_NAME = 128 };

struct prl_model_list {
    struct prl_rest_model models[PRL_MODEL_LIST_MAX];
    size_t count;
    char llm[PRL_MODEL_LIST_NAME]; // name of the embedded model's file
};

// `local_model`: the embedded language model's name or path.
void prl_model_list_make(struct prl_model_list *list, const struct prl_settings *settings,
                         const char *local_model);

#endif
