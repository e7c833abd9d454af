#include "sched/profile.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define KUBERNETES								\
	[SCORE_NODE_AFFINITY] = 0.2, [SCORE_POD_AFFINITY] = 0.2, [SCORE_TAINTS] = 0.3, [SCORE_SPREAD] = 0.2, [SCORE_IMAGES] = 0.1

void profile_init(struct profile *p, const char *scheduler_name)
{
	char labels[] = CLOUD_LABELS, *rest = labels, *label;
	struct lm_err err;
	int failed;

	*p = (struct profile){
		.scheduler_name = scheduler_name,
		.weight_asking = {[SCORE_LATENCY] = 0.7, [SCORE_CPU] = 0.3, [SCORE_FREE] = 0, KUBERNETES},
		.weight_plain = {[SCORE_LATENCY] = 0.5, [SCORE_CPU] = 0.2, [SCORE_FREE] = 0.3, KUBERNETES},
		.max_latency_us = INFINITY,
		.refuse_latency = true,
		.refuse_cpu = true,
	};
	failed = ask_parse_near("defaultNear", "mesh", &p->default_near, &err);
	while (!failed && (label = strsep(&rest, ",")) != NULL)
		failed = cloud_add(&p->cloud, "cloudLabels", label, &err);
	assert(!failed);
	(void)failed;
}

void profile_free(struct profile *p)
{
	ask_free(&p->default_near);
	free(p->default_clients);
	cloud_free(&p->cloud);
	*p = (struct profile){0};
}
