/* An operator's bounds of the reserve, case by case: who may ask, and how much is kept at most. */
#include "tests/unit/reserve_cases.h"

static void a_namespace_that_is_not_allowed_has_no_room(void **state)
{
	static const char *edge[] = {"edge"}, *both[] = {"edge", "default"};

	(void)state;
	covered("p", "a", "", EVERYWHERE, "2", "");
	allowed = (struct option_list){edge, 1};
	make();
	assert_int_equal(plan.covers.count + plan.room_count, 0);
	assert_string_equal(reason_of("p"), "reserve.allow does not name its namespace");
	allowed = (struct option_list){both, 2};
	make();
	assert_int_equal(plan.covers.count, 1);
	allowed = (struct option_list){edge, 1};	/* what was promised is no right for ever */
	make();
	assert_int_equal(plan.covers.count, 0);
}

/* Four nodes of 8 CPUs and 16 GiB; each pod 1 GiB. */
static void of_one_priority_who_is_covered_stays(void **state)
{
	(void)state;
	covered("big", "a", "", EVERYWHERE, "4", "");
	make();
	kept_at_most = 0.1;					/* (4/32 + 1/64) / 2 = 0.07 */
	covered("small", "a", "", EVERYWHERE, "3", "");
	make();
	assert_string_equal(reason_of("small"), "reserve.most (10 %) is reached");
	assert_int_equal(plan.covers.count, 1);
	plan_free(&plan);
	make();						/* nobody was: the smaller one */
	assert_string_equal(reason_of("big"), "reserve.most (10 %) is reached");
	assert_string_equal(reason_of("small"), "-");
	covered("other", "b", "", EVERYWHERE, "3", "");	/* shares the room */
	make();
	assert_string_equal(reason_of("other"), "-");
	assert_int_equal(plan.covers.count, 2);
}

static void a_higher_priority_takes_the_room(void **state)
{
	(void)state;
	covered("low", "a", "", EVERYWHERE, "3", ",\"priority\":-1");
	kept_at_most = 0.125;
	make();
	assert_int_equal(plan.covers.count, 1);
	covered("high", "a", "", EVERYWHERE, "7", "");
	make();						/* (7/32 + 1/64) / 2 = 0.117 */
	assert_int_equal(plan.covers.count, 1);
	assert_string_equal(reason_of("low"), "reserve.most (12.5 %) is reached");
	kept_at_most = 0.1;
	make();
	assert_string_equal(reason_of("high"), "reserve.most (10 %) is reached");
	assert_string_equal(reason_of("low"), "-");
}

/* Whom a more important pod needs is as important. */
static void a_chain_stays_together(void **state)
{
	(void)state;
	covered("front", "a", "\"app\":\"front\"", "\"latency-mesh.io/within\":\"app=back<=1ms\"", "2", ",\"priority\":100");
	covered("back", "a", "\"app\":\"back\"", EVERYWHERE, "2", "");
	covered("other", "a", "", EVERYWHERE, "1", ",\"priority\":50");
	kept_at_most = 0.08;					/* (4/32 + 2/64) / 2 = 0.078 */
	make();
	assert_int_equal(plan.covers.count, 2);
	assert_string_equal(refuge_of("front"), refuge_of("back"));
	assert_string_equal(reason_of("other"), "reserve.most (8 %) is reached");
	kept_at_most = 0.06;
	make();						/* back alone fits, and front needs it */
	assert_string_equal(reason_of("front"), "reserve.most (6 %) is reached");
}

/* The overhead is the mean of what is asked for: 2 GPUs of 16 beside memory are less than the memory alone. */
static void the_mean_of_more_resources_may_be_less(void **state)
{
	(void)state;
	world_pod_of(&w, "memory", "a", "\"latency-mesh.io/reserve\":\"true\"", EVERYWHERE, OWNED,
		     "\"schedulerName\":\"ours\",\"containers\":[{\"resources\":{\"requests\":{\"memory\":\"8Gi\"}}}]");
	world_pod_of(&w, "cpu", "b", "\"latency-mesh.io/reserve\":\"true\"", EVERYWHERE, OWNED,
		     "\"schedulerName\":\"ours\",\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"5\"}}}]");
	covered("low", "c", "", EVERYWHERE, "100m", ",\"priority\":-1");
	kept_at_most = 0.15;					/* memory alone 8/64 = 0.125, cpu alone 5/32 = 0.156, both 0.14 */
	make();
	assert_string_equal(reason_of("memory"), "-");
	assert_string_equal(reason_of("cpu"), "-");
	kept_at_most = 0.12;
	make();
	assert_string_equal(reason_of("memory"), "reserve.most (12 %) is reached");
	assert_string_equal(reason_of("low"), "-");
}

/* What is handed over stays, and is not of this plan. */
static void a_frozen_room_is_not_given_up(void **state)
{
	static const char *const names[] = {"b"};

	(void)state;
	covered("p", "a", "", "\"latency-mesh.io/within\":\"node/b<=0.1ms\"", "6", "");
	make();
	assert_string_equal(refuge_of("p"), "b");
	frozen = names;
	frozen_count = 1;
	kept_at_most = 0.001;
	covered("q", "a", "", EVERYWHERE, "1", "");
	make();
	assert_string_equal(refuge_of("p"), "b");
	assert_string_equal(reason_of("q"), "reserve.most (0.1 %) is reached");
	assert_true(plan.overhead == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_namespace_that_is_not_allowed_has_no_room),
		CASE(of_one_priority_who_is_covered_stays),
		CASE(a_higher_priority_takes_the_room),
		CASE(a_chain_stays_together),
		CASE(the_mean_of_more_resources_may_be_less),
		CASE(a_frozen_room_is_not_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
