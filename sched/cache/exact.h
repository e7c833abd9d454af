/*
 * exact.h - quantities and lists of resources before they are rounded. Kubernetes adds the containers of a pod up exactly, to 1e-9, and rounds
 * the sum once: ten containers that ask for 100u of cpu each make 1m, not 10m.
 */
#ifndef SCHED_CACHE_EXACT_H
#define SCHED_CACHE_EXACT_H

#include "sched/cache/resources.h"

/* 1e-9 of a unit. A quantity is at most INT64_MAX units, so that 2^33 of them can be added. */
__extension__ typedef __int128 nano;

#define NANO_WHOLE 1000000000		/* in a unit */
#define NANO_MILLI 1000000		/* in a thousandth */

struct exact {
	nano cpu, memory, ephemeral;
	struct resources others;	/* its scalars alone: the API server takes only whole numbers of these */
};

/* As quantity_parse. Rounded up, as Kubernetes does with what is smaller. */
int quantity_nano(const char *text, nano *out, struct lm_err *err);
/* In parts of `part` (NANO_), rounded up, at most INT64_MAX. */
int64_t nano_round(nano amount, nano part);

/* As resources_parse. */
int exact_parse(const cJSON *list, struct exact *out, int64_t *pods, struct lm_err *err);
void exact_add(struct exact *to, const struct exact *more);
void exact_max(struct exact *to, const struct exact *other);	/* per resource */
void exact_free(struct exact *e);
/* Ends `e`: what it holds goes to `out`. */
void exact_round(struct exact *e, struct resources *out);

#endif
