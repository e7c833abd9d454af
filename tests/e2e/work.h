/*
 * work.h - what the scheduler does for somebody, as a test tells it: for tests of what each piece of it needs (e-rbac.c).
 */
#ifndef TESTS_E2E_WORK_H
#define TESTS_E2E_WORK_H

#include <stdbool.h>

/* A piece of work: `before` the start, then `act`, then it is `done` at some time, or never. */
struct work {
	const char *name;
	const char *rules;		/* what of helm/rbac it needs besides the scheduler's rules; NULL: nothing */
	const char *const *options;
	bool elect;
	void (*before)(void);
	void (*act)(void);
	bool (*done)(void *unused);
};

#endif
