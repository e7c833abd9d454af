/* Which pods a plan keeps room for when there are some that end, or too many. */
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

/* --- too many ----------------------------------------------------------------------------------------------------------- */

/* Each waits for the next. */
static void chain(int from, int until, const char *spec)
{
	int i;

	for (i = from; i < until; i++) {
		auto_free char *name = xasprintf("p%04d", i), *label = xasprintf("\"app\":\"p%d\"", i);
		auto_free char *limit = xasprintf("\"latency-mesh.io/within\":\"app=p%d<=50ms\"", i + 1);

		covered(name, "a", label, i + 1 < until ? limit : EVERYWHERE, "1m", spec);
	}
}

static int with_reason(const char *reason)
{
	int count = 0;
	size_t i;

	for (i = 0; i < plan.uncovered_count; i++)
		count += STREQ(plan.uncovered[i].reason, reason);
	return count;
}

static void no_more_of_a_node_than_it_may_have(void **state)
{
	(void)state;
	world_node_of(&w, "a", "", "", "\"cpu\":\"8\",\"memory\":\"16Gi\",\"pods\":\"3\"");
	covered("q0", "a", "", EVERYWHERE, "1", "");
	covered("q1", "a", "", EVERYWHERE, "1", "");
	covered("r", "b", "", EVERYWHERE, "1", "");
	make();
	assert_int_equal(plan.covers.count, 3);
	covered("p0", "a", "", EVERYWHERE, "1", ",\"priority\":5");
	covered("p1", "a", "", EVERYWHERE, "1", ",\"priority\":7");
	covered("p2", "a", "", EVERYWHERE, "1", ",\"priority\":6");
	make();
	assert_int_equal(plan.covers.count, 4);
	assert_string_not_equal(refuge_of("q0"), "-");	/* who is covered stays so */
	assert_string_not_equal(refuge_of("q1"), "-");
	assert_string_not_equal(refuge_of("p1"), "-");
	assert_string_equal(reason_of("p0"), "too many pods of this node want room");
	assert_string_equal(reason_of("p2"), "too many pods of this node want room");
}

/* Whoever makes them: the plan of the others is made, in a moment. */
static void thousands_that_name_one_node_stop_nobody(void **state)
{
	(void)state;
	chain(0, 3000, "");
	covered("q", "b", "", EVERYWHERE, "1", "");
	make();
	assert_int_equal(with_reason("too many pods of this node want room"), 3000 - 110);
	assert_int_equal(plan.covers.count + plan.uncovered_count, 3001);
	assert_string_not_equal(refuge_of("q"), "-");
	world_node_of(&w, "a", "", "", "\"cpu\":\"8\",\"memory\":\"16Gi\",\"pods\":\"100000\"");
	make();
	assert_int_equal(with_reason("too many pods of this node want room"), 3000 - 512);
	assert_string_not_equal(refuge_of("q"), "-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(who_ends_has_the_room_that_was_promised),
		CASE(who_ends_and_was_promised_nothing_is_not_spoken_of),
		CASE(no_more_of_a_node_than_it_may_have),
		CASE(thousands_that_name_one_node_stop_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
