// lane_child.h -- what the unit runner does when it is started as `lane KIND`: the child of
// tests/unit/test_lane_process.c. Does not return.
#ifndef PRL_TESTS_LANE_CHILD_H
#define PRL_TESTS_LANE_CHILD_H

int prl_test_lane_child(const char *kind) __attribute__((noreturn));

#endif
