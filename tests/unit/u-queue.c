/* The queue of pods that wait: order, back-off, what wakes whom. u-queue-model.c has what holds for any events. */
#include "sched/queue.c"

#include <stdio.h>
#include <string.h>

#include "sched/limit.h"
#include "tests/testing/testing.h"

static void put(struct queue *q, const char *uid, int32_t priority, int64_t now)
{
	queue_put(q, uid, priority, 1, now);
}

static void assert_next(struct queue *q, int64_t now, const char *uid)
{
	const char *got = queue_take(q, now);

	if (!uid) {
		assert_null(got);
		return;
	}
	assert_non_null(got);
	assert_string_equal(got, uid);
}

static void priority_goes_first_then_who_waits_longer(void **state)
{
	struct queue *q = queue_new();

	(void)state;
	put(q, "c", 0, 30);
	put(q, "a", 0, 10);
	put(q, "high", 5, 99);
	put(q, "negative", -1, 1);
	put(q, "b", 0, 20);
	assert_next(q, 100, "high");
	assert_next(q, 100, "a");
	assert_next(q, 100, "b");
	assert_next(q, 100, "c");
	assert_next(q, 100, "negative");
	assert_next(q, 100, NULL);
	assert_int_equal(queue_count(q, QUEUE_TAKEN), 5);
	queue_free(q);
}

static void back_off_doubles_from_1_s_to_10_s(void **state)
{
	static const int64_t waits[] = {1000, 2000, 4000, 8000, 10000, 10000, 10000};
	struct queue *q = queue_new();
	int64_t now = 5;
	size_t i;

	(void)state;
	put(q, "a", 0, now);
	for (i = 0; i < ARRAY_SIZE(waits); i++) {
		assert_next(q, now, "a");
		queue_failed(q, "a", now);
		assert_int_equal(queue_next_ms(q, now, 60000), waits[i]);
		assert_next(q, now + waits[i] - 1, NULL);
		now += waits[i];
	}
	assert_next(q, now, "a");
	queue_free(q);
}

static void a_parked_pod_is_woken_by_its_own_bits(void **state)
{
	struct queue *q = queue_new();

	(void)state;
	put(q, "a", 0, 0);
	put(q, "b", 0, 1);
	assert_next(q, 1, "a");
	queue_refused(q, "a", 2 | 16, 1);
	assert_next(q, 1, "b");
	queue_refused(q, "b", 4, 1);
	assert_int_equal(queue_count(q, QUEUE_PARKED), 2);
	assert_int_equal(queue_wake(q, 1 | 8, 5000), 0);
	assert_int_equal(queue_wake(q, 16, 5000), 1);
	assert_next(q, 5000, "a"); /* its back-off is over: at once */
	assert_next(q, 5000, NULL);
	queue_free(q);
}

/* Unlike the next one: nobody tried. */
static void a_pod_that_was_put_off_is_ready_as_its_bits_come(void **state)
{
	struct queue *q = queue_new();

	(void)state;
	put(q, "a", 0, 0);
	assert_next(q, 100, "a");
	queue_put_off(q, "a", 128, 100);
	assert_int_equal(queue_count(q, QUEUE_PARKED), 1);
	assert_int_equal(queue_wake(q, 4, 101), 0);
	assert_int_equal(queue_wake(q, 128, 101), 1);
	assert_next(q, 101, "a");
	queue_refused(q, "a", 128, 101);	/* that was the first try */
	assert_int_equal(queue_wake(q, 128, 102), 1);
	assert_next(q, 1100, NULL);
	assert_next(q, 1101, "a");
	queue_put(q, "a", 0, 7, 1102);		/* its user changes it meanwhile */
	queue_put_off(q, "a", 128, 1102);
	assert_next(q, 1102, "a");
	queue_put_off(q, "unknown", 128, 1102);
	queue_free(q);
}

static void a_wake_up_does_not_shorten_the_back_off(void **state)
{
	struct queue *q = queue_new();

	(void)state;
	put(q, "a", 0, 0);
	assert_next(q, 100, "a");
	queue_refused(q, "a", 4, 100);
	assert_int_equal(queue_wake(q, 4, 300), 1);
	assert_int_equal(queue_count(q, QUEUE_BACKING_OFF), 1);
	assert_next(q, 1099, NULL);
	assert_next(q, 1100, "a");
	queue_free(q);
}

/* Four attempts, the last at the time that is returned; then it waits for `wake` bits, and a pod that goes away wakes it. */
static int64_t refused_often(struct queue *q, unsigned wake)
{
	int64_t now = 0;
	int i;

	put(q, "a", 0, now);
	for (i = 0; i < 4; i++) {
		now += 10000;
		assert_next(q, now, "a");
		queue_refused(q, "a", wake, now);
		queue_wake(q, WAKE_POD_FREED, now);
	}
	assert_int_equal(queue_count(q, QUEUE_BACKING_OFF), 1);
	return now;
}

static void rare_news_end_the_back_off_after_1_s(void **state)
{
	static const unsigned rare[] = {WAKE_NODE_ADDED, WAKE_NODE_CHANGED, WAKE_MATRIX, WAKE_NAMESPACE};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rare); i++) {
		struct queue *q = queue_new();
		int64_t tried = refused_often(q, WAKE_POD_FREED | rare[i]);

		queue_wake(q, WAKE_POD_ADDED | (WAKE_RARE & ~rare[i]), tried + 10);	/* not for this pod */
		assert_int_equal(queue_next_ms(q, tried + 10, 60000), 7990);
		queue_wake(q, rare[i], tried + 20);
		assert_next(q, tried + 999, NULL);
		assert_next(q, tried + 1000, "a");
		queue_refused(q, "a", WAKE_POD_FREED | rare[i], tried + 1000);		/* parked, not yet woken by anything */
		queue_wake(q, rare[i], tried + 1500);
		assert_next(q, tried + 1999, NULL);
		assert_next(q, tried + 2000, "a");
		queue_failed(q, "a", tried + 2000);					/* no news help against that */
		queue_wake(q, rare[i], tried + 2100);
		assert_next(q, tried + 11999, NULL);
		assert_next(q, tried + 12000, "a");
		queue_free(q);
	}
}

static bool has_that_name(void *arg, const char *uid)
{
	return STREQ(arg, uid);
}

static bool is_even(void *arg, const char *uid)
{
	(void)arg;
	return atoi(uid) % 2 == 0;
}

static void a_target_that_comes_ends_the_back_off_at_once(void **state)
{
	char a[] = "a", b[] = "b";
	struct queue *q = queue_new();
	int64_t tried = refused_often(q, WAKE_POD_FREED | WAKE_TARGET);		/* and backs off for 8 s */

	(void)state;
	assert_int_equal(queue_wake_target(q, has_that_name, b, tried + 1), 0);
	assert_next(q, tried + 1, NULL);
	assert_int_equal(queue_wake_target(q, has_that_name, a, tried + 2), 1);
	assert_next(q, tried + 2, "a");
	assert_int_equal(queue_wake_target(q, has_that_name, a, tried + 3), 0);	/* it is being looked at */
	queue_refused(q, "a", WAKE_POD_FREED | WAKE_TARGET, tried + 3);		/* parked: no other news came */
	assert_int_equal(queue_wake_target(q, has_that_name, a, tried + 4), 1);
	assert_next(q, tried + 4, "a");
	queue_refused(q, "a", WAKE_POD_FREED, tried + 5);			/* for another reason than a missing target */
	assert_int_equal(queue_wake_target(q, has_that_name, a, tried + 20000), 0);
	queue_free(q);
}

/* Of many in the heap and in the list exactly those. */
static void only_those_whose_target_came_are_hurried(void **state)
{
	struct rng r = rng_make(test_seed());
	struct queue *q = queue_new();
	bool waits[200];
	int i, want = 0, got;
	const char *uid;

	(void)state;
	for (i = 0; i < 200; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%d", i);
		put(q, name, 0, i);
		assert_next(q, 200, name);
		waits[i] = rng_chance(&r, 0.5);
		queue_refused(q, name, (waits[i] ? WAKE_TARGET : 0) | (rng_chance(&r, 0.5) ? WAKE_POD_FREED : 0), 200 + rng_below(&r, 100));
		want += waits[i] && i % 2 == 0;
	}
	queue_wake(q, WAKE_POD_FREED, 300);		/* some into the heap */
	assert_int_equal(queue_wake_target(q, is_even, NULL, 301), want);
	for (got = 0; (uid = queue_take(q, 301)) != NULL; got++)
		assert_true(atoi(uid) % 2 == 0 && waits[atoi(uid)]);
	assert_int_equal(got, want);
	queue_free(q);
}

static void nobody_is_parked_for_more_than_5_minutes(void **state)
{
	struct queue *q = queue_new();

	(void)state;
	put(q, "a", 0, 0);
	assert_next(q, 0, "a");
	queue_refused(q, "a", 0, 0);
	assert_int_equal(queue_next_ms(q, 0, 1000000), QUEUE_PARKED_MAX_MS);
	assert_next(q, QUEUE_PARKED_MAX_MS - 1, NULL);
	assert_next(q, QUEUE_PARKED_MAX_MS, "a");
	queue_free(q);
}

static void a_change_by_its_user_starts_anew(void **state)
{
	struct queue *q = queue_new();
	int i;

	(void)state;
	put(q, "a", 0, 0);
	for (i = 0; i < 4; i++) {
		assert_next(q, i * 10000, "a");
		queue_failed(q, "a", i * 10000);
	}
	queue_put(q, "a", 0, 1, 30001); /* the same: nothing */
	assert_next(q, 30001, NULL);
	queue_put(q, "a", 0, 2, 30002);
	assert_next(q, 30002, "a");
	queue_failed(q, "a", 30002);
	assert_int_equal(queue_next_ms(q, 30002, 60000), 1000);
	queue_free(q);
}

static void a_change_while_it_is_taken_is_not_lost(void **state)
{
	struct queue *q = queue_new();

	(void)state;
	put(q, "a", 0, 0);
	assert_next(q, 0, "a");
	queue_put(q, "a", 7, 2, 1);
	assert_next(q, 1, NULL); /* not twice at a time */
	queue_refused(q, "a", 0, 2);
	assert_next(q, 2, "a");
	queue_refused(q, "a", 0, 3);
	assert_next(q, 4, NULL);
	queue_free(q);
}

static void what_is_gone_is_gone_in_every_state(void **state)
{
	struct queue *q = queue_new();
	int i;

	(void)state;
	put(q, "ready", 0, 0);
	put(q, "backing", 9, 0);
	put(q, "parked", 8, 0);
	put(q, "taken", 7, 0);
	assert_next(q, 0, "backing");
	assert_next(q, 0, "parked");
	assert_next(q, 0, "taken");
	queue_failed(q, "backing", 0);
	queue_refused(q, "parked", ~0u, 0);
	queue_remove(q, "ready");
	queue_remove(q, "backing");
	queue_remove(q, "parked");
	queue_remove(q, "taken");
	queue_remove(q, "never seen");
	queue_failed(q, "taken", 1);
	queue_refused(q, "taken", 1, 1);
	for (i = 0; i < QUEUE_STATES; i++)
		assert_int_equal(queue_count(q, (enum queue_state)i), 0);
	assert_int_equal(queue_since_ms(q, "ready"), -1);
	assert_int_equal(queue_wake(q, ~0u, 1000000), 0);
	assert_next(q, 1000000, NULL);
	queue_free(q);
}

/* --- against a naive model --- */

static void the_limiter_gives_a_burst_and_then_a_rate(void **state)
{
	struct limit l = {0};
	int64_t now;
	int taken = 0;

	(void)state;
	limit_set(&l, 10, 5, 0);
	while (limit_take(&l, 0, 0))
		taken++;
	assert_int_equal(taken, 5);
	assert_int_equal(limit_wait_ms(&l, 0, 0), 100);
	for (now = 1, taken = 0; now <= 10000; now++) {
		taken += limit_take(&l, 0, now);
		taken += limit_take(&l, 0, now > 50 ? now - 50 : 0); /* one who looked at the clock some time ago */
	}
	assert_int_equal(taken, 100);
	assert_false(limit_take(&l, 2, 10200)); /* leaves two */
	assert_true(limit_take(&l, 1, 10200));
	limit_set(&l, 1000, 100, 10200);
	assert_false(limit_take(&l, 50, 10200));
	assert_true(limit_take(&l, 50, 10260));
	limit_set(&l, 1000, 1, 20000);
	assert_true(limit_take(&l, 50, 20001)); /* a spare that never fits is none */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(priority_goes_first_then_who_waits_longer),
		cmocka_unit_test(back_off_doubles_from_1_s_to_10_s),
		cmocka_unit_test(a_parked_pod_is_woken_by_its_own_bits),
		cmocka_unit_test(a_pod_that_was_put_off_is_ready_as_its_bits_come),
		cmocka_unit_test(a_wake_up_does_not_shorten_the_back_off), cmocka_unit_test(rare_news_end_the_back_off_after_1_s),
		cmocka_unit_test(a_target_that_comes_ends_the_back_off_at_once), cmocka_unit_test(only_those_whose_target_came_are_hurried),
		cmocka_unit_test(nobody_is_parked_for_more_than_5_minutes),
		cmocka_unit_test(a_change_by_its_user_starts_anew),
		cmocka_unit_test(a_change_while_it_is_taken_is_not_lost),
		cmocka_unit_test(what_is_gone_is_gone_in_every_state),
		cmocka_unit_test(the_limiter_gives_a_burst_and_then_a_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
