// aec3_kit.h -- the echo control of the module that is built beside the test program.
#ifndef PRL_TESTS_UNIT_AEC3_KIT_H
#define PRL_TESTS_UNIT_AEC3_KIT_H

struct prl_echo_kit;

// NULL: the module was not built here (or there is no memory); the caller destroys it.
struct prl_echo_kit *aec3_kit(void);

#endif
