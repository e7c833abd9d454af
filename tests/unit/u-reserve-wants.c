/* Which pods a plan keeps room for when there are some that end. */
#include "tests/unit/reserve_cases.h"

#define ENDS ",\"deletionTimestamp\":\"2026-11-21T21:00:00Z\""

/* --- pods that end ------------------------------------------------------------------------------------------------------- */

static void ends(const char *name, const char *metadata)
{
	world_pod_of(&w, name, "a", "\"latency-mesh.io/reserve\":\"true\"", EVERYWHERE, metadata,
		     "\"schedulerName\":\"ours\",\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"2\",\"memory\":\"1Gi\"}}}]");
}

static void who_ends_has_the_room_that_was_promised(void **state)
{
	(void)state;
	covered("p", "a", "", EVERYWHERE, "2", "");
	covered("q", "a", "", EVERYWHERE, "1", "");
	make();
	assert_int_equal(plan.covers.count, 2);
	ends("p", OWNED ENDS);
	make();
	assert_int_equal(plan.covers.count, 2);
	assert_string_not_equal(refuge_of("p"), "-");
	assert_int_equal(plan.rooms[0].need.cpu_milli, 3000);
	plan_free(&plan);		/* nothing is promised to it any more */
	make();
	assert_int_equal(plan.covers.count, 1);
	assert_string_equal(refuge_of("p"), "-");
	assert_int_equal(plan.rooms[0].need.cpu_milli, 1000);
}

static void who_ends_and_was_promised_nothing_is_not_spoken_of(void **state)
{
	(void)state;
	ends("p", OWNED ENDS);
	ends("orphan", "\"deletionTimestamp\":\"2026-11-21T21:00:00Z\"");
	covered("q", "a", "", EVERYWHERE, "1", "");
	make();
	assert_int_equal(plan.covers.count, 1);
	assert_int_equal(plan.uncovered_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(who_ends_has_the_room_that_was_promised),
		CASE(who_ends_and_was_promised_nothing_is_not_spoken_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
