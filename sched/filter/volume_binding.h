/*
 * volume_binding.h - which volumes a pod would have on a node, as the filter VolumeBinding finds out, and as whoever binds the pod has to
 * arrange before:
 *
 *	struct volume_plan plan;
 *
 *	if (volume_plan_of(view, pod, node, &plan)) {
 *		each plan.matches:	the volume's spec.claimRef becomes the claim, with the annotation pv.kubernetes.io/bound-by-controller: "yes"
 *					if no claimRef named the claim before (match.prebound)
 *		each plan.provisions:	the claim gets the annotation volume.kubernetes.io/selected-node: NODE
 *		then wait until all of them are bound (claim_is_bound)
 *	}
 *	volume_plan_free(&plan);
 *
 * Both are promises (cache_promise) from the decision until the cache has seen them. A pod of which all claims are bound has an empty plan.
 *
 * Choice: claims in the order of their size, each takes the smallest volume that is free and will do, of equal ones the first by name
 * (kube-scheduler has no order there); a volume that names the claim already comes before all others. What finds none is made, if its class
 * can be made for that node.
 */
#ifndef SCHED_FILTER_VOLUME_BINDING_H
#define SCHED_FILTER_VOLUME_BINDING_H

#include "sched/arena.h"
#include "sched/cache/cache.h"
#include "sched/cache/storage.h"

struct volume_match {
	const struct claim *claim;
	const struct volume *volume;
	bool prebound;
};

struct volume_provision {
	const struct claim *claim;
	const struct storage_capacity *capacity;	/* that is large enough for it; NULL: nobody keeps count */
};

/* Valid until the cache changes. */
struct volume_plan {
	const struct volume_match *matches;
	const struct volume_provision *provisions;
	uint32_t match_count, provision_count;
	struct arena memory;
};

/* False: the pod's volumes can't be on that node, now; the plan is empty. */
bool volume_plan_of(const struct view *v, const struct pod *pod, uint32_t node, struct volume_plan *plan);
void volume_plan_free(struct volume_plan *plan);

#endif
