/*
 * plan.h - where every covered pod would go if its node failed, and so how much room each node has to keep. Nothing here does I/O or looks at a clock.
 *
 * A failure is that of one node: it takes no pods any more, and all pods on it are gone. For each node on its own the plan finds a refuge for each
 * covered pod on it, so that all of them together fit in what is free there without placeholders, with every filter of a decision passed (limits,
 * affinities, spreading, ports, volumes: decide() is asked, in the order in which they would be placed; pods come after who they wait for,
 * of a circle the largest is first). Load does not count: CPUHeadroom is off. The room of a node is, resource by resource, the maximum over failures of the sum of what
 * would come: one failure at a time is what it is for. The pods' number and host ports count as resources do.
 *
 * Guards count as little as placeholders. A pod that ends wants no room, but where `previous` has it: then its node has failed, and who takes its place
 * may come only when it is gone.
 *
 * Least room. Of the assignments that cover as many pods the plan looks for the one with the least overhead: the mean over the resources that covered
 * pods ask for of (room of all nodes / allocatable of all nodes). It keeps what the plan before had where that costs at most PLAN_KEEP more: each
 * change is pods created and deleted.
 *
 * Most room. With reserve.most the overhead is never above it. Where it would be, pods are taken in one after the other while it allows that: those of a
 * higher priority first (who is waited for by others of its node is as important as they are), of these those that were covered, then the smaller ones. So who
 * is given up would be too much even if all that come after him were given up, too; and nobody loses a cover to one of the same priority. They stay where they
 * were, or go where the plan would have them if somebody more has room then. Frozen rooms are not counted, and stay.
 *
 * In the end all covered pods of each failure have been asked about in sequence, so a cover is what decide() would do. Small cases (24 covered pods, 32
 * nodes) are searched to the end, nearly always; of large ones the search is bounded (about 3 s at 1,000 nodes and 2,000 covered pods), and the same
 * cluster gives the same plan.
 *
 * Of one node no more pods are covered than it may have, nor more than 512, as any number of pods may have its name: those that are covered already
 * first, then by priority.
 *
 * No room is kept on a node with a NoExecute taint, as a placeholder tolerates nothing; nor where the annotation that names the pods would be
 * longer than COVERS_MAX_BYTES; nor of what pods nominated to a node will take, whatever their priority.
 *
 * Frozen nodes (where room is being handed over, or is owed to pods whose node has just failed) keep their room as it is: no new refuge is there,
 * and a pod whose refuge is there keeps it without a look.
 *
 * The cache is changed on the way and is at the end as it was at the beginning.
 */
#ifndef SCHED_RESERVE_PLAN_H
#define SCHED_RESERVE_PLAN_H

#include "sched/decide.h"
#include "sched/reserve/who.h"

#define PLAN_KEEP 0.05			/* of the overhead: that much is worth no move */

struct plan_input {
	struct cache *cache;
	const struct mesh *mesh;			/* NULL: none */
	const struct profile *(*profile)(const void *arg, const char *scheduler_name);	/* NULL result: not one of ours */
	const void *profile_arg;
	const struct reserve_settings *settings;
	const struct covers *previous;			/* what is promised now; may be empty. Of a pod that ends: only while its room is owed */
	const char *const *frozen;			/* names of nodes */
	size_t frozen_count;
	int64_t mono_ms;
};

/* A pod that wants cover and has none. */
struct uncovered {
	char *uid, *namespace_, *name, *node;
	char *reason;			/* "0/3 nodes are available: ..." as in a decision, or why nobody would recreate it */
};

/* What one node keeps. */
struct plan_room {
	char *node;
	struct resources need;
	uint32_t pods;			/* how many may come at once: so many placeholders there are, as pods are counted too */
	struct host_port *ports;	/* the union over failures, each once */
	uint32_t port_count;
	char *for_failure;		/* the failure with most of it, for people */
};

struct plan {
	struct covers covers;		/* sorted by uid */
	struct uncovered *uncovered;	/* sorted by uid */
	size_t uncovered_count;
	struct plan_room *rooms;	/* of nodes that keep any and are not frozen, sorted by name */
	size_t room_count;
	double overhead;		/* of the cluster, frozen rooms left out; 0: nothing is kept */
	double overhead_cpu, overhead_memory;
};

void plan_make(struct decider *d, const struct plan_input *in, struct plan *out);
void plan_free(struct plan *p);		/* and makes it {0} */
#define auto_plan __attribute__((cleanup(plan_free)))

/* As text and back: from the process that makes it to the one that uses it. One JSON object. On failure `out` is {0}. */
#define PLAN_MAX_BYTES (64 * 1024 * 1024)	/* 100,000 pods with long names */
void plan_print(const struct plan *p, struct buf *out);
int plan_parse(const char *text, size_t len, struct plan *out, struct lm_err *err);

#endif
