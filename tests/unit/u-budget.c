/* At most so many evictions in any minute and any hour: against a list of all that were made. */
#include "tests/testing/testing.h"

#include <stdlib.h>

#include "lib/mem.h"
#include "sched/heal/budget.h"

#define STEPS 4000

static int within(const int64_t *spent_ms, int count, int64_t from_ms)
{
	int i, found = 0;

	for (i = 0; i < count; i++)
		found += spent_ms[i] > from_ms;
	return found;
}

static int64_t left_of(int64_t per_hour, int64_t used)
{
	return per_hour > used ? per_hour - used : 0;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void no_more_than_the_settings_say(void **state)
{
	struct rng r = rng_make(test_seed());
	auto_free int64_t *spent_ms = xcalloc(STEPS, sizeof(*spent_ms));
	struct budget b = {.per_minute = 5, .per_hour = 40};
	int64_t now_ms = 1000000;
	int i, count = 0, refused = 0;

	(void)state;
	for (i = 0; i < STEPS; i++) {
		int64_t wait_ms;
		int minute, hour;

		now_ms += rng_below(&r, rng_chance(&r, 0.02) ? 4000000 : 30000);
		if (rng_chance(&r, 0.01)) {
			b.per_minute = 1 + rng_below(&r, 10);
			b.per_hour = 1 + rng_below(&r, 100);
		}
		wait_ms = budget_wait_ms(&b, now_ms);
		minute = within(spent_ms, count, now_ms - 60000);
		hour = within(spent_ms, count, now_ms - 3600000);
		assert_int_equal(wait_ms == 0, minute < b.per_minute && hour < b.per_hour);
		assert_int_equal(budget_left(&b, now_ms), left_of(b.per_hour, hour));
		assert_int_equal(budget_room(&b, now_ms), least(left_of(b.per_minute, minute), left_of(b.per_hour, hour)));
		if (wait_ms > 0) {
			refused++;
			assert_true(budget_wait_ms(&b, now_ms + wait_ms - 1) > 0);
			now_ms += wait_ms;
			assert_int_equal(budget_wait_ms(&b, now_ms), 0);
		}
		budget_spend(&b, now_ms);
		spent_ms[count++] = now_ms;
		if (rng_chance(&r, 0.2))
			budget_return(&b, spent_ms[--count]);
	}
	assert_true(refused > STEPS / 20);
	budget_free(&b);
}

static void all_may_come_at_once(void **state)
{
	struct budget b = {.per_minute = 3, .per_hour = 100};

	(void)state;
	budget_spend(&b, 500);
	budget_spend(&b, 500);
	assert_int_equal(budget_wait_ms(&b, 500), 0);
	budget_spend(&b, 500);
	assert_int_equal(budget_wait_ms(&b, 500), 60000);
	assert_int_equal(budget_wait_ms(&b, 60499), 1);
	assert_int_equal(budget_left(&b, 60500), 97);
	budget_free(&b);
}

static void what_was_spent_before_is_put_in_its_place(void **state)
{
	struct budget b = {.per_minute = 10, .per_hour = 12};

	(void)state;
	budget_spend(&b, 4000000);
	budget_add(&b, 3000000, 4);
	budget_add(&b, 3950000, 5);
	budget_add(&b, 2000000, 2);
	assert_int_equal(budget_room(&b, 4000000), 0);
	assert_int_equal(budget_wait_ms(&b, 4000000), 1600000);	/* the oldest two are over an hour old then */
	assert_int_equal(budget_room(&b, 5600000), 2);
	assert_int_equal(budget_room(&b, 6600000), 6);
	assert_int_equal(budget_left(&b, 7550000), 11);
	budget_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(no_more_than_the_settings_say), cmocka_unit_test(all_may_come_at_once),
					   cmocka_unit_test(what_was_spent_before_is_put_in_its_place)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
