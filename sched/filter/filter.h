/*
 * filter.h - a filter says which nodes a pod cannot go to. One file each, one line in filter_table (filter.c), which reads as the
 * table of contents in kube-scheduler's order.
 *
 * To add one: write sched/filter/NAME.c with a `const struct filter filter_NAME`, and put it into the table.
 */
#ifndef SCHED_FILTER_FILTER_H
#define SCHED_FILTER_FILTER_H

#include "sched/decide.h"

/* One decision in the making. What filters and scores share. */
struct cycle {
	const struct decision_input *in;
	const struct view *view;		/* = in->view */
	const struct pod *pod;			/* = in->pod */
	struct verdict *verdicts;		/* by node */
	const struct targets *targets;		/* what the pod's request resolved to (target.h) */
	const uint32_t *row_of_node;		/* view's node -> the mesh's row; NAMES_NONE: not in the matrix. NULL without a mesh */
	void *state;				/* of the filter that runs: its prefilter may set it (arena memory, see cycle_alloc) */
	const char *pod_reason;			/* a prefilter that refuses the pod whole sets it and returns FILTER_REFUSE; cycle_fail sets it too */
	bool failed;				/* by cycle_fail */
	bool target_missing;			/* the reason is a target of the pod's that is not there: set by who refuses for it (WAKE_TARGET) */
	struct decider *decider;
};

/* Zeroed memory that lives until the next decision. */
void *cycle_alloc(struct cycle *c, size_t size);

enum filter_start { FILTER_SKIP /* nothing to do for this pod: costs nothing per node */, FILTER_RUN, FILTER_REFUSE };

struct filter {
	const char *name;			/* kube-scheduler's: "NodeResourcesFit" */
	bool ours;				/* not one of kube-scheduler's: latency and load */
	bool unresolvable;			/* no preemption would help (UnschedulableAndUnresolvable) */
	unsigned wake;				/* WAKE bits that may turn a refusal */
	enum filter_start (*prefilter)(struct cycle *c);	/* may refuse nodes already: before all filters, so its reason is the one told */
	/* Refuses by cycle_refuse. Looks only at nodes that are feasible so far. */
	void (*filter)(struct cycle *c);
	/*
	 * kube-scheduler looks at a node for which pods are nominated (reserved.h) twice: with all filters beside those pods, then with all filters
	 * without them. A filter that can pass the first look and fail the second does the second here, after all filters. NULL: it cannot.
	 */
	void (*again)(struct cycle *c);
	/* Appends the reason of a refused node; several are joined by "\n" and counted apart. `detail` as it was given. */
	void (*reason)(const struct decision_input *in, uint32_t node, uint8_t detail, struct buf *out);
	void (*after)(struct cycle *c);		/* NULL, or: when all filters have run. May change the details of its own refusals, by cycle_refuse */
};

extern const struct filter *const filter_table[];
extern const unsigned filter_count;

static inline bool cycle_feasible(const struct cycle *c, uint32_t node)
{
	return c->verdicts[node].filter == 0;
}

/* By the running filter. */
void cycle_refuse(struct cycle *c, uint32_t node, uint8_t detail);
/*
 * On a node that has got so far the running filter cannot tell: the whole attempt fails, whatever other nodes say, as in kube-scheduler (its
 * SchedulerError). `text` is of the cycle; the first one is told.
 */
void cycle_fail(struct cycle *c, const char *text);

#endif
