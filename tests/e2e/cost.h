/*
 * cost.h - what processes cost, by name, from /proc: of the namespaces of cluster.sh, where no others are.
 */
#ifndef TESTS_E2E_COST_H
#define TESTS_E2E_COST_H

struct cost {
	double cpu_s;			/* user and system, since their start */
	double peak_mib;		/* resident, each one's highest, added */
	int processes;
};

/* All processes of that name (comm, at most 15 characters), added. */
struct cost cost_of(const char *name);

#endif
