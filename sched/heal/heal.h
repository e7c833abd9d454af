/*
 * heal.h - what is done when a node is dead (judge.h): its pods are evicted, so that their controllers make new ones, which go to where room is kept
 * for them (../reserve). Off by default.
 *
 *	1. reserve_node_failed: their refuges are opened.
 *	2. Each pod on the node that has a controller (no DaemonSet's or StatefulSet's, no static pod, none that is ending or ended), covered ones first: POST
 *	   .../eviction with its uid. 429, a PodDisruptionBudget: again later. At most `per_minute` and `per_hour` in all; what is beyond waits, and is said.
 *	3. The kubelet does not answer, so nothing ends them. By the rules for nodes that are out of service (Kubernetes' taint
 *	   node.kubernetes.io/out-of-service): when Kubernetes too says that the node is unreachable (its taint), a pod that is ending there, by our
 *	   eviction or another's, and is past its grace period is deleted with grace 0, by uid. Only when nothing is left there but pods of DaemonSets,
 *	   static ones and placeholders is the taint itself set, so that volumes are detached: it would delete all. The taint is ours by its value, and is taken away when the node is alive again.
 *
 * A StatefulSet promises that at most one pod of a name runs. A dead node may only be cut off, and what is deleted there by force may run on beside its
 * successor. So the pods of StatefulSets are left, and keep the taint off, as pods without a controller are and do, unless `stateful_sets` says otherwise.
 *
 * A node that comes back in the middle: what was evicted stays evicted, nothing more is done. The next leader judges anew (and a node has to be silent for
 * `after` again under its eyes). Only what was evicted in the last hour is kept over a restart (ledger.h).
 *
 * One thread; acts only while leading.
 */
#ifndef SCHED_HEAL_HEAL_H
#define SCHED_HEAL_HEAL_H

#include "lib/buf.h"
#include "lib/kube/client.h"
#include "lib/metrics.h"
#include "sched/cache/cache.h"
#include "sched/elect.h"
#include "sched/events.h"
#include "sched/limit.h"
#include "sched/mesh.h"

#define HEAL_LOOK_MS 250
#define HEAL_START_MS 10000		/* for so long the mesh alone speaks for nodes whose Leases are not listed yet */
#define HEAL_SURE_MS 1000		/* dead at each look for so long: what comes in pieces has come whole by then */

struct heal_settings {
	bool enabled;
	int64_t after_ms;		/* 20 s */
	int64_t per_minute, per_hour;	/* evictions */
	bool stateful_sets;		/* false: their pods are left */
};

/* None may call this module; only node_failed may change the cache. */
struct heal_hooks {
	void (*node_failed)(void *arg, const char *node);	/* reserve_node_failed. NULL: nobody wants to know */
	void (*node_back)(void *arg, const char *node);		/* reserve_node_back. NULL: the same */
	bool (*covered)(void *arg, const char *uid);		/* evicted first. NULL: none is */
	void (*reopened)(void *arg);			/* heal_avoids has fewer nodes than before: WAKE_RESERVE. NULL: nobody waits */
	/* A placeholder or guard: in the way of nothing. NULL: there are none. */
	bool (*ours)(void *arg, const struct pod *pod);
	bool (*acts)(void *arg);			/* leads at this moment; asked right before each request, too, from inside the client */
	void *arg;
};

struct heal;

/*
 * Begins to watch Leases. `election` says, by namespace and name of its Lease, where the record of evictions is; held or not. NULL when it is not enabled:
 * everything below is fine with that.
 */
struct heal *heal_new(struct kube *k, struct cache *cache, const struct heal_settings *settings, struct limit *limit, struct events *events,
		      struct metrics *stats, const struct heal_hooks *hooks, const struct elect_settings *election);
void heal_free(struct heal *h);				/* before the client and the events */
void heal_set_settings(struct heal *h, const struct heal_settings *settings);	/* enabled needs a restart */
/*
 * Looks, and sends what is due. Call each turn once nodes and pods are listed, standing by too: a standby keeps its eyes open. `mesh` NULL: none.
 * Returns milliseconds until it is needed again, at most `most`.
 */
int64_t heal_tick(struct heal *h, const struct mesh *mesh, int64_t mono_ms, int64_t most);
/*
 * For decision_input.dead: nodes that are dead until they are heard of again, and those that neither Lease nor mesh speaks for (finding.doubted): what is
 * evicted there would come back there, before Kubernetes has tainted the node. NULL: none is. Valid until the next call of this module or change of the
 * cache's nodes.
 */
const bool *heal_avoids(struct heal *h, const struct view *view);

#endif
