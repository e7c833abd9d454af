/*
 * module.h - loads kernel modules with what they depend on, without modprobe (a process each costs 0.1 s in the guest).
 */
#ifndef TESTS_LAB_MODULE_H
#define TESTS_LAB_MODULE_H

#include "lib/err.h"

/* `folder` holds modules.dep; names are file names without .ko, the list ends with NULL. */
int module_load(const char *folder, const char *const *names, struct lm_err *err);

#endif
