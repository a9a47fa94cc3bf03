// err.h -- the one error type. Zero is success, so `if (err)` reads naturally.
#ifndef PRL_BASE_ERR_H
#define PRL_BASE_ERR_H

#define PRL_MUST_USE __attribute__((warn_unused_result))

enum prl_err {
    PRL_OK = 0,
    PRL_ERR_AGAIN,    // nothing to do now; not a failure
    PRL_ERR_FULL,     // bounded queue or table is full; caller sheds load
    PRL_ERR_NOMEM,    // allocation failed
    PRL_ERR_INVALID,  // peer or config sent something malformed
    PRL_ERR_LIMIT,    // a configured limit was reached
    PRL_ERR_TIMEOUT,  // deadline passed
    PRL_ERR_CANCELED, // the owner asked us to stop
    PRL_ERR_IO,       // the operating system or the network refused
    PRL_ERR_REMOTE,   // a remote engine answered with an error
    PRL_ERR_NOTFOUND, // no such file, item or name
    PRL_ERR_ENGINE,   // a model could not be loaded or failed to compute
    PRL_ERR_COUNT
};

// Returns a static lower-case name, e.g. "timeout"; never NULL. Any thread.
const char *prl_err_name(enum prl_err err);

#endif
