#include "sched/profile.h"

#include <assert.h>
#include <stdlib.h>

void profile_init(struct profile *p, const char *scheduler_name)
{
	struct lm_err err;
	int failed;

	*p = (struct profile){
		.scheduler_name = scheduler_name,
		.weight_asking = {[SCORE_LATENCY] = 0.7, [SCORE_CPU] = 0.3, [SCORE_FREE] = 0},
		.weight_plain = {[SCORE_LATENCY] = 0.5, [SCORE_CPU] = 0.2, [SCORE_FREE] = 0.3},
		.refuse_latency = true,
		.refuse_cpu = true,
	};
	failed = ask_parse_near("defaultNear", "mesh", &p->default_near, &err);
	assert(!failed);
	(void)failed;
}

void profile_free(struct profile *p)
{
	ask_free(&p->default_near);
	free(p->default_clients);
	*p = (struct profile){0};
}
