// reply.h -- answers of the HTTP side in the API's form.
//
// Threads:  the loop thread. Memory: none kept. Errors: an answer that cannot be written becomes 500.
#ifndef PRL_API_REPLY_H
#define PRL_API_REPLY_H

#include "api/problem.h"
#include "base/str.h"

struct prl_http_request;

// {"error": {type, code, message, param}}; `type` follows from the status. `param` may be NULL.
void prl_reply_error(struct prl_http_request *request, unsigned status, const char *code,
                     const char *param, const char *message);
// The same for what reading a body found.
void prl_reply_problem(struct prl_http_request *request, unsigned status,
                       const struct prl_problem *problem);
// 401: no key, a wrong one, or an expired client secret.
void prl_reply_stranger(struct prl_http_request *request);
// A text that was built in steps; 500 when one of them failed.
void prl_reply_text(struct prl_http_request *request, unsigned status, const char *type,
                    const struct prl_str *text);

#endif
