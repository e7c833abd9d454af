/*
 * root.h - the guest's root: a tmpfs with the machine's own folders bound into it read-only, and empty ones where things are
 * written. Nothing in the guest can change the machine, but for one folder given to it for results.
 */
#ifndef TESTS_LAB_ROOT_H
#define TESTS_LAB_ROOT_H

#include "lib/err.h"

#define ROOT_BUILD "/lab/build"		/* the machine's build folder, read-only */
#define ROOT_OUT "/lab/out"		/* the machine's folder for results */
#define ROOT_MODULES "/lab/modules"	/* a folder for each kernel version */

/* The caller (PID 1) stands in the new root afterwards, with proc, sys, dev, run and tmp mounted. */
int root_make(const char *build, const char *out, const char *modules, struct lm_err *err);

#endif
