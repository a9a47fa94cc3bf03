// virtual_wall.h -- lets a test say what time it is to a library that asks gettimeofday.
#ifndef PRL_TESTS_VIRTUAL_WALL_H
#define PRL_TESTS_VIRTUAL_WALL_H

#include <stdint.h>

// From now on gettimeofday answers this; 0: the system's time again.
void prl_test_wall(int64_t us);

#endif
