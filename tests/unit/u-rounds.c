#include <string.h>

#include "tests/testing/testing.h"

#include "probe/rounds.c"

/* P33: whatever a round takes, the next begins after its end, a pause lies between, and the grid holds while rounds are short. */
static void p33_rounds_never_overlap_never_spin(void **state)
{
	struct rng rng = rng_make(test_seed());
	int run, i;

	(void)state;
	for (run = 0; run < 500; run++) {
		int64_t interval_us = 50000 + rng_below(&rng, 60000000), now_us = rng_below(&rng, 1000000000);
		double slow = rng_unit(&rng) * 3;
		struct schedule s;
		int64_t start_us = schedule_begin(&s, interval_us, now_us, rng_next(&rng));
		int overruns = 0, expected = 0;

		assert_true(start_us >= now_us && start_us <= now_us + 1000000 && start_us <= now_us + interval_us / 10);
		for (i = 0; i < 100; i++) {
			int64_t end_us = start_us + (int64_t)(rng_unit(&rng) * slow * (double)interval_us), next_us;
			bool overrun;

			expected += end_us > s.slot_us + interval_us;
			next_us = schedule_next(&s, end_us, &overrun);
			overruns += overrun;
			assert_true(next_us >= end_us + interval_us / 10);
			assert_true(overrun || next_us <= start_us + interval_us * 11 / 10 + interval_us / 10);
			start_us = next_us;
		}
		assert_int_equal(overruns, expected);
	}
}

/* Short rounds: a hundred take a hundred intervals, within one tenth, and do not begin in step. */
static void rounds_keep_the_interval_with_jitter(void **state)
{
	int64_t interval_us = 10000000, start_us, begin_us, phases[10] = {0};
	struct schedule s;
	bool overrun;
	int i;

	(void)state;
	begin_us = start_us = schedule_begin(&s, interval_us, 5000000, test_seed());
	for (i = 0; i < 100; i++) {
		start_us = schedule_next(&s, start_us + 3000000, &overrun);
		assert_false(overrun);
		phases[(start_us - s.slot_us) * 10 / (interval_us / 10)]++;
	}
	assert_true(start_us - begin_us > 99 * interval_us && start_us - begin_us < 101 * interval_us);
	for (i = 0; i < 10; i++)
		assert_true(phases[i] < 40);
}

static void plan_fits_the_interval(void **state)
{
	static const int64_t intervals[] = {50, 200, 1000, 10000, 60000, 3600000};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(intervals) / sizeof(intervals[0]); i++) {
		struct ping_plan plan = rounds_plan(intervals[i], 3, 1000);

		assert_true(plan.pings * plan.spacing_us <= intervals[i] * 1000 / 2 && plan.spacing_us > 0 && plan.spacing_us <= 1000000);
		assert_true(plan.budget_us < intervals[i] * 1000 && plan.least_timeout_us == 500000 && plan.timeout_us == 1000000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(p33_rounds_never_overlap_never_spin), cmocka_unit_test(rounds_keep_the_interval_with_jitter),
		cmocka_unit_test(plan_fits_the_interval),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
