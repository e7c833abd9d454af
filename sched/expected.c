#include "sched/expected.h"

#include <math.h>

#include "lib/report.h"

#define MILLI_MOST INT64_C(1000000000)	/* of one pod: a million CPUs */
#define TAU_MS (REPORT_LOAD_TAU_S * 1e3)

double expected_share(int64_t placed_mono_ms, double measured_mono_ms)
{
	double since_ms = measured_mono_ms - (double)placed_mono_ms;

	if (placed_mono_ms == PLACED_LONG_AGO || !(since_ms <= EXPECTED_TAUS * TAU_MS))
		return 0;
	return since_ms <= 0 ? 1 : exp(-since_ms / TAU_MS);
}

int64_t expected_units(int64_t cpu_milli, double share)
{
	int64_t milli = cpu_milli > MILLI_MOST ? MILLI_MOST : cpu_milli > 0 ? cpu_milli : EXPECTED_MILLI;

	return llround((double)(milli * EXPECTED_UNITS) * share);
}

int64_t expected_on(const struct node_state *node, double measured_mono_ms)
{
	int64_t units = 0;
	uint32_t i;

	for (i = 0; i < node->placement_count; i++) {
		const struct placement *p = &node->placements[i];
		double share = expected_share(p->placed_mono_ms, measured_mono_ms);

		if (share > 0)
			units += expected_units(p->cpu_milli, share);
		if (units > EXPECTED_MOST)
			return EXPECTED_MOST;
	}
	return units;
}

float expected_part(int64_t units, float per_cpu_milli)
{
	return (float)((double)units / EXPECTED_UNITS * (double)per_cpu_milli);
}
