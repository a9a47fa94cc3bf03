// err.c -- see err.h.
#include "base/err.h"

static const char *const names[PRL_ERR_COUNT] = {
    [PRL_OK] = "ok",
    [PRL_ERR_AGAIN] = "again",
    [PRL_ERR_FULL] = "full",
    [PRL_ERR_NOMEM] = "out of memory",
    [PRL_ERR_INVALID] = "invalid",
    [PRL_ERR_LIMIT] = "limit",
    [PRL_ERR_TIMEOUT] = "timeout",
    [PRL_ERR_CANCELED] = "canceled",
    [PRL_ERR_IO] = "input/output",
    [PRL_ERR_REMOTE] = "remote",
    [PRL_ERR_NOTFOUND] = "not found",
    [PRL_ERR_ENGINE] = "engine",
};

const char *prl_err_name(enum prl_err err)
{
    if ((unsigned)err >= PRL_ERR_COUNT)
        return "unknown";
    return names[err];
}
