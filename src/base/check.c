// check.c -- see check.h.
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void prl_check_failed(const char *file, int line, const char *expr)
{
    fprintf(stderr, "%s:%d: check failed: %s\n", file, line, expr);
    fflush(stderr);
    abort();
}
