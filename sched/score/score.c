#include "sched/score/score.h"

extern const struct score score_latency, score_cpu, score_free;

const struct score *const score_table[SCORE_COUNT] = {
	[SCORE_LATENCY] = &score_latency,
	[SCORE_CPU] = &score_cpu,
	[SCORE_FREE] = &score_free,
};
