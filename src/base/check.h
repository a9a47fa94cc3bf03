// check.h -- assertions of our own correctness.
//   PRL_CHECK   programmer error, on in every build: print where, abort.
//   PRL_DCHECK  same, but compiled out of release builds; for hot paths.
// What the world gets wrong is an enum prl_err, what is odd but legal a counter (metrics.h).
#ifndef PRL_BASE_CHECK_H
#define PRL_BASE_CHECK_H

void prl_check_failed(const char *file, int line, const char *expr) __attribute__((noreturn, cold));

#define PRL_CHECK(x) ((x) ? (void)0 : prl_check_failed(__FILE__, __LINE__, #x))

#ifdef PRL_DEBUG
#define PRL_DCHECK(x) PRL_CHECK(x)
#else
#define PRL_DCHECK(x) ((void)sizeof(!(x)))
#endif

#endif
