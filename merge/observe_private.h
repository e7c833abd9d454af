/* observe_private.h - the tables behind observe.h, for merge/observe*.c. */
#ifndef MERGE_OBSERVE_PRIVATE_H
#define MERGE_OBSERVE_PRIVATE_H

#include "merge/observe.h"

struct figure {
	uint32_t group, node;		/* in reporter.groups, in observe.nodes */
	double log_ms, weight;		/* weight at at_ms */
	int64_t at_ms;
};

struct reporter {
	char *name;
	int64_t heard_ms;
	struct names groups;		/* with a figure each, after observe_prune */
	uint32_t free_groups;		/* of them that --clients does not name */
	struct figure *figures;
	uint32_t count;
	size_t room;
	uint32_t *slots;		/* open addressing, index + 1; at most half full */
	uint32_t slot_count;
};

struct observe {
	struct names nodes, clients;
	struct reporter *reporters;	/* OBSERVE_REPORTERS_MAX of them */
	uint32_t count, cells;
};

/* NULL: there is no room. */
struct reporter *observe_find_reporter(struct observe *o, const char *name, int64_t now_ms);
/* NULL: refused for *reason. A new one has weight 0. */
struct figure *observe_find_figure(struct observe *o, struct reporter *r, const char *group, const char *node, enum observe_reason *reason);

#endif
