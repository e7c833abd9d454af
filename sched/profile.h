/*
 * profile.h - what the configuration says about decisions: weights, defaults and switches, one set for each scheduler name.
 */
#ifndef SCHED_PROFILE_H
#define SCHED_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "sched/ask.h"
#include "sched/cloud.h"

/* Index of a score term; the table in score/score.c has the same order. */
enum score_id {
	SCORE_LATENCY, SCORE_CPU, SCORE_TRAFFIC, SCORE_FREE,
	SCORE_NODE_AFFINITY, SCORE_POD_AFFINITY, SCORE_TAINTS, SCORE_SPREAD, SCORE_IMAGES,	/* kube-scheduler's */
	SCORE_COUNT,
};

struct profile {
	const char *scheduler_name;
	/*
	 * Of a pod with near or a limit: latency 0.7, cpu 0.3, free 0; of any other: latency 0.5, free 0.3, cpu 0.2. Both: traffic 0, nodeAffinity 0.2,
	 * podAffinity 0.2, taints 0.3, spread 0.2, images 0.1, which are kube-scheduler's 2, 2, 3, 2 and 1, a tenth of each, so that latency
	 * outweighs any one of them, and a wish decides where latencies are alike. Those five drop for pods and clusters without such wishes.
	 */
	double weight_asking[SCORE_COUNT], weight_plain[SCORE_COUNT];
	struct ask default_near;		/* for a pod that asks nothing: mesh */
	const char **default_clients;		/* for hard_max_latency and soft_max_latency */
	uint32_t default_client_count;
	/*
	 * A limit of pods without one of their own (no `within`, no delay_ label, no hard_max_latency): the median to each target of default_near is
	 * at most this, else the node is refused; INFINITY: none. Without data deny_no_data decides, unless the pod says latency-mesh.io/missing.
	 */
	double max_latency_us;
	/* noData: deny. A node without current data to what the pod is placed near is refused too; pods that say `missing: allow` are spared. */
	bool deny_no_data;
	bool strict_cpu;			/* refuse a full node even when there is no other, and whatever the age */
	bool refuse_latency, refuse_cpu;	/* our own refusals can be switched off (both default true); latency: those above too */
	struct cloud cloud;			/* CLOUD_LABELS: for pods that ask nothing, whatever default_near and max_latency_us say (pick.h) */
};

/* The defaults above. profile_free frees default_near, default_clients' array and cloud. */
void profile_init(struct profile *p, const char *scheduler_name);
void profile_free(struct profile *p);

#endif
