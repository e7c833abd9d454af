/*
 * resources.h - quantities and sums of resources as kube-scheduler counts them.
 *
 * CPU in milli-units, all else in whole units, both rounded up as Quantity.MilliValue() and Value() do, saturating at INT64_MAX. A pod's
 * request is rounded when it is complete (exact.h).
 */
#ifndef SCHED_CACHE_RESOURCES_H
#define SCHED_CACHE_RESOURCES_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

struct scalar {
	char *name;			/* "nvidia.com/gpu", "hugepages-2Mi" */
	int64_t amount;
};

struct resources {
	int64_t cpu_milli, memory_bytes, ephemeral_bytes;
	struct scalar *scalars;		/* sorted by name */
	uint32_t scalar_count;
};

/* "0.1", "1e3", "1Ei", "100m", or a JSON number. LM_DATA quotes the text. */
int quantity_parse(const char *text, bool milli, int64_t *out, struct lm_err *err);
/* A ResourceList: {"cpu":"100m", ...}; "pods" goes to *pods when that is not NULL (else it is ignored). */
int resources_parse(const cJSON *list, struct resources *out, int64_t *pods, struct lm_err *err);
int64_t resources_scalar(const struct resources *r, const char *name);	/* 0 when absent */
void resources_set_scalar(struct resources *r, const char *name, int64_t amount);
void resources_add(struct resources *to, const struct resources *more);
void resources_sub(struct resources *from, const struct resources *less);	/* forgets scalars of which nothing is left */
void resources_max(struct resources *to, const struct resources *other);	/* per resource */
void resources_copy(struct resources *to, const struct resources *from);
void resources_free(struct resources *r);
bool resources_within(const struct resources *a, const struct resources *b);	/* every amount of a is at most that of b */
bool resources_saturated(const struct resources *r);	/* some sum hit INT64_MAX: resources_sub would not undo resources_add */

/*
 * The request of a pod: kubernetes.md 2.2 in full (init containers, sidecars, pod-level resources, overhead; for a pod that is on a node
 * also what is allocated by an in-place resize).
 */
int resources_of_pod(const cJSON *pod, struct resources *out, struct lm_err *err);

#endif
