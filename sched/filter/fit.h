/*
 * fit.h - the details of a refusal by NodeResourcesFit.
 */
#ifndef SCHED_FILTER_FIT_H
#define SCHED_FILTER_FIT_H

enum {				/* bits */
	FIT_PODS = 1,
	FIT_CPU = 2,
	FIT_MEMORY = 4,
	FIT_EPHEMERAL = 8,
	FIT_SCALAR = 16,	/* an extended resource, huge pages, attachable volumes */
	FIT_UNRESOLVABLE = 128,	/* the pod asks for more than the node has: evicting others would not help */
};

#endif
