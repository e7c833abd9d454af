/*
 * judge.h - a real kube-scheduler that looks once at every pod of PLANE_SCHEDULER. For plane.c, which has the manual.
 */
#ifndef TESTS_CONFORMANCE_JUDGE_H
#define TESTS_CONFORMANCE_JUDGE_H

#include "tests/conformance/opinion.h"
#include "tests/testing/standin.h"

struct judge;

struct judge *judge_open(struct standin *api);
void judge_close(struct judge *j);
bool judge_run(struct judge *j);
bool judge_opinion(struct judge *j, const char *namespace_, const char *name, struct opinion *out);

#endif
