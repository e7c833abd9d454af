/*
 * load.h - a processor of its own for each host: one processor runs all of them, so the guest's /proc/stat says nothing about any.
 *
 * Each host is a cgroup. Twice a second its keeper turns the time that the cgroup used into a line of /proc/stat, in a file that is
 * bound over /proc/stat in the host's mounts (lxcfs does the same for containers). A host that does nothing is idle, whatever
 * its neighbours do.
 */
#ifndef TESTS_LAB_LOAD_H
#define TESTS_LAB_LOAD_H

#include "lib/err.h"

#define LOAD_CGROUPS "/sys/fs/cgroup"
#define LOAD_STEP_US 500000

/* Once, in the guest. */
int load_prepare(struct lm_err *err);
/* In the host's mount namespace: its cgroup, its /proc/stat. */
int load_start(const char *host, struct lm_err *err);
/* This process is of a host from now on. */
int load_join(const char *host, struct lm_err *err);
/* The next line. Errors are not errors here. */
void load_tick(const char *host);

#endif
