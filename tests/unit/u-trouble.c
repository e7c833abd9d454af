/* What is said of watches that fail: each cause once, however many have it and in whatever order they try. */
#include "tests/testing/testing.h"

#include "lib/clock.h"
#include "sched/trouble.h"

static void meet(struct trouble *t, enum stat_resource which, const char *text)
{
	struct lm_err err;

	lm_fail(&err, LM_UNAVAILABLE, "/api/v1/%s: %s", stat_resource_names[which], text);
	trouble_meet(t, which, &err, 1000);
}

static int64_t held_back(const struct trouble *t)
{
	int64_t sum = 0;
	int i;

	for (i = 0; i < RESOURCE_COUNT; i++)
		sum += t->of[i].held_back;
	return sum;
}

static int said(const struct trouble *t)
{
	int i, count = 0;

	for (i = 0; i < RESOURCE_COUNT; i++)
		count += t->of[i].said_mono_ms != 0;
	return count;
}

/* As if the last words had been that long ago. */
static void pass(struct trouble *t, int64_t ms)
{
	int i;

	for (i = 0; i < RESOURCE_COUNT; i++) {
		if (t->of[i].said_mono_ms)
			t->of[i].said_mono_ms -= ms;
		if (t->of[i].since_mono_ms)
			t->of[i].since_mono_ms -= ms;
	}
}

static void a_server_that_is_gone_is_said_once(void **state)
{
	struct trouble t = {0};
	int i;

	(void)state;
	for (i = 0; i < RESOURCE_COUNT; i++)
		meet(&t, (enum stat_resource)i, i % 2 ? "list: connection refused" : "watch: connection refused");
	assert_int_equal(said(&t), 1);
	assert_int_equal(held_back(&t), RESOURCE_COUNT - 1);
	pass(&t, 59000);
	meet(&t, RESOURCE_PODS, "list: connection refused");
	assert_int_equal(said(&t), 1);
	pass(&t, 2000);
	meet(&t, RESOURCE_PODS, "list: connection refused");
	assert_int_equal(held_back(&t), 0); /* told with the words of this minute */
}

static void kinds_that_are_forbidden_do_not_take_turns(void **state)
{
	struct trouble t = {0};
	int i;

	(void)state;
	for (i = 0; i < 10; i++) {
		meet(&t, RESOURCE_PODS, "list: 403: pods is forbidden");
		meet(&t, RESOURCE_NODES, "list: 403: nodes is forbidden");
	}
	assert_int_equal(said(&t), 2);
	assert_int_equal(held_back(&t), 18);
}

static void what_comes_and_goes_is_said_every_10_s(void **state)
{
	struct trouble t = {0};

	(void)state;
	meet(&t, RESOURCE_PODS, "watch: ended");
	assert_true(t.of[RESOURCE_PODS].since_mono_ms > 0);
	trouble_end(&t, RESOURCE_PODS, t.of[RESOURCE_PODS].since_mono_ms - 1);
	assert_true(t.of[RESOURCE_PODS].since_mono_ms > 0); /* answered before it began */
	trouble_end(&t, RESOURCE_PODS, clock_mono_ms() + 1);
	assert_true(t.of[RESOURCE_PODS].since_mono_ms == 0);
	meet(&t, RESOURCE_PODS, "watch: ended");
	assert_int_equal(held_back(&t), 1);
	trouble_end(&t, RESOURCE_PODS, clock_mono_ms() + 1);
	pass(&t, 10000);
	meet(&t, RESOURCE_PODS, "watch: ended");
	assert_int_equal(held_back(&t), 0);
	meet(&t, RESOURCE_PODS, "watch: reset"); /* another cause at once */
	assert_string_equal(t.of[RESOURCE_PODS].cause, "reset");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_that_is_gone_is_said_once),
		cmocka_unit_test(kinds_that_are_forbidden_do_not_take_turns),
		cmocka_unit_test(what_comes_and_goes_is_said_every_10_s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
