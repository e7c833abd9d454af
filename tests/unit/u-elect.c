/* The rules of leader election, by hand. u-elect-replicas.c has what holds for replicas on a bad network. */
#include "sched/elect_step.c"

#include "tests/testing/testing.h"

#define SETTINGS(who) {.namespace_ = "n", .name = "l", .identity = who, .duration_ms = 15000, .deadline_ms = 10000, .retry_ms = 2000}

/* --- by hand ------------------------------------------------------------------------------------------------------------ */

static struct lease record_of(const char *holder, int64_t duration_s, int version)
{
	return (struct lease){.holder = xstrdup(holder), .duration_s = duration_s, .transitions = 1, .acquire_time = xstrdup("then"),
			      .spec = xasprintf("%s %d", holder, version), .metadata = xasprintf("v%d", version)};
}

static enum elect_state state_at(struct step *s, int64_t now)
{
	step_look(s, now);
	return s->state;
}

static struct step begin(const char *who)
{
	struct elect_settings settings = SETTINGS(who);
	struct step s;

	step_init(&s, &settings, 1, 0);
	return s;
}

static void wants(struct step *s, int64_t now, enum step_verb verb)
{
	struct lease_write write;

	assert_int_equal(step_next(s, now, &write), verb);
}

static void answers(struct step *s, int status, const char *holder, int version, int64_t now)
{
	struct lease l = record_of(holder ? holder : "", holder && *holder ? 15 : 1, version);

	step_answer(s, status, holder ? &l : NULL, now);
	lease_free(&l);
}

static void sees(struct step *s, const char *holder, int version, int64_t now)
{
	struct lease l = record_of(holder, 15, version);

	step_seen(s, &l, now);
	lease_free(&l);
}

/* Leads since 0, version 1. */
static struct step leader(void)
{
	struct step s = begin("a");

	wants(&s, 0, STEP_GET);
	answers(&s, 404, NULL, 0, 0);
	wants(&s, 0, STEP_CREATE);
	answers(&s, 201, "a", 1, 0);
	assert_int_equal(state_at(&s, 0), ELECT_LEADING);
	return s;
}

/* Has seen b's version 1 at 0. */
static struct step standby(void)
{
	struct step s = begin("a");

	wants(&s, 0, STEP_GET);
	answers(&s, 200, "b", 1, 0);
	assert_int_equal(state_at(&s, 0), ELECT_STANDBY);
	return s;
}

static void a_leader_renews_each_retry_period_with_one_put(void **state)
{
	struct step s = leader();
	struct lease_write write;
	int64_t now;

	(void)state;
	for (now = 2000; now <= 60000; now += 2000) {
		wants(&s, now - 1, STEP_NOTHING);
		assert_int_equal(step_wait(&s, now - 1, 60000), 1);
		assert_int_equal(step_next(&s, now, &write), STEP_UPDATE);
		assert_string_equal(write.holder, "a");
		assert_int_equal(write.duration_s, 15);
		assert_int_equal(write.transitions, 1);
		assert_string_equal(write.acquire_time, "then");
		answers(&s, 200, "a", (int)now, now + 5);
		assert_true(step_leading(&s, now + 9999));
		assert_false(step_leading(&s, now + 10000)); /* counted from the sending */
		now += 5;
	}
	step_clear(&s);
}

static void after_a_refused_or_lost_put_it_looks_and_puts_again(void **state)
{
	static const int statuses[] = {409, 404, 0, 500, 429, 403, 200}; /* 200 without a Lease: of a proxy */
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(statuses); i++) {
		struct step s = leader();

		wants(&s, 2000, STEP_UPDATE);
		answers(&s, statuses[i], NULL, 0, 2010);
		wants(&s, 2010, STEP_GET);
		answers(&s, 200, "a", 2, 2020);
		wants(&s, 2020, STEP_UPDATE);
		answers(&s, statuses[i], NULL, 0, 2030); /* and now it waits */
		wants(&s, 4029, STEP_NOTHING);
		wants(&s, 4030, STEP_GET);
		answers(&s, 200, "a", 3, 4040);
		wants(&s, 4040, STEP_UPDATE);
		answers(&s, 200, "a", 4, 4050);
		assert_true(step_leading(&s, 14039));
		assert_int_equal(s.failures, 1);
		step_clear(&s);
	}
}

static void lost_is_lost_for_good(void **state)
{
	struct step s = leader();

	(void)state;
	wants(&s, 9999, STEP_UPDATE);
	answers(&s, 200, "a", 2, 10000); /* in time at the server, too late here */
	assert_int_equal(state_at(&s, 10000), ELECT_LOST);
	assert_int_equal(s.loss, LOSS_OVERDUE);
	wants(&s, 10000, STEP_NOTHING);
	wants(&s, 100000, STEP_NOTHING);
	step_clear(&s);
}

static void another_holder_ends_it(void **state)
{
	struct step s = leader();

	(void)state;
	wants(&s, 2000, STEP_UPDATE);
	answers(&s, 409, NULL, 0, 2001);
	wants(&s, 2001, STEP_GET);
	answers(&s, 200, "b", 2, 2002);
	assert_int_equal(state_at(&s, 2002), ELECT_LOST);
	assert_int_equal(s.loss, LOSS_TAKEN);
	step_clear(&s);
	/* the watch alone may be late: it makes us look */
	s = leader();
	sees(&s, "b", 9, 100);
	assert_true(step_leading(&s, 100));
	wants(&s, 100, STEP_GET);
	answers(&s, 200, "a", 1, 101);
	wants(&s, 101, STEP_UPDATE);
	answers(&s, 200, "a", 2, 102);
	assert_true(step_leading(&s, 103));
	step_clear(&s);
}

static void a_lease_that_is_deleted_is_made_again_by_its_leader(void **state)
{
	struct step a = leader(), s = standby();

	(void)state;
	wants(&a, 2000, STEP_UPDATE);
	answers(&a, 404, NULL, 0, 2001);
	wants(&a, 2001, STEP_GET);
	answers(&a, 404, NULL, 0, 2002);
	wants(&a, 2002, STEP_CREATE);
	answers(&a, 201, "a", 2, 2003);
	assert_true(step_leading(&a, 2004));
	step_clear(&a);
	/* a standby looks at once, and waits for as long as the lease had left */
	step_seen(&s, NULL, 3000);
	wants(&s, 3000, STEP_GET);
	answers(&s, 404, NULL, 0, 3001);
	wants(&s, 3001, STEP_NOTHING);
	wants(&s, 15500, STEP_GET);
	answers(&s, 404, NULL, 0, 15501);
	wants(&s, 15501, STEP_CREATE);
	step_clear(&s);
}

static void a_standby_waits_for_the_duration_since_it_saw_a_change(void **state)
{
	struct step s = standby();
	int64_t now = 0, tries = 0, at;

	(void)state;
	while (now < 15000) {
		at = now + step_wait(&s, now, 60000);
		assert_true(at > now && at - now <= 4400);
		now = at;
		wants(&s, now, STEP_GET);
		tries++;
		answers(&s, 200, "b", 1, now);
	}
	assert_true(now >= 15000 && now < 15000 + STEP_SPREAD_MS);
	assert_true(tries >= 15000 / 4400 && tries <= 15000 / 2000 + 1);
	wants(&s, now, STEP_UPDATE);
	answers(&s, 200, "a", 2, now);
	assert_true(step_leading(&s, now));
	step_clear(&s);
}

static void a_renewal_that_the_watch_shows_counts(void **state)
{
	struct step s = standby();

	(void)state;
	sees(&s, "b", 2, 9000);
	s.next_ms = 1000000;
	wants(&s, 23999, STEP_NOTHING);
	wants(&s, 9000 + 15000 + STEP_SPREAD_MS, STEP_GET);
	answers(&s, 200, "b", 2, 24300);
	wants(&s, 24300, STEP_UPDATE);
	step_clear(&s);
}

static void a_released_lease_is_taken_at_once(void **state)
{
	struct step s = standby();
	struct lease_write write;

	(void)state;
	sees(&s, "", 2, 100);
	wants(&s, 100, STEP_GET);
	answers(&s, 200, "", 2, 101);
	assert_int_equal(step_next(&s, 101, &write), STEP_UPDATE);
	assert_int_equal(write.transitions, 2);
	assert_null(write.acquire_time);
	assert_string_equal(write.metadata, "v2");
	step_clear(&s);
	/* the hint comes while a look is under way that began before */
	s = standby();
	wants(&s, 5000, STEP_GET);
	sees(&s, "", 2, 5001);
	answers(&s, 200, "b", 1, 5002);
	wants(&s, 5002, STEP_GET);
	step_clear(&s);
}

/* Else an old record would stand there as the last one seen, and the true one would count as a renewal when it is read again. */
static void a_look_that_the_watch_has_overtaken_is_forgotten(void **state)
{
	struct step s = standby();

	(void)state;
	wants(&s, 5000, STEP_GET);
	sees(&s, "b", 2, 5001);
	answers(&s, 200, "b", 1, 5002);
	s.next_ms = 1000000;
	wants(&s, 5001 + 15000 + STEP_SPREAD_MS, STEP_GET);
	answers(&s, 200, "b", 2, 20300);
	wants(&s, 20300, STEP_UPDATE);
	step_clear(&s);
}

static void a_renewal_between_look_and_put_is_not_written_over(void **state)
{
	struct step s = standby();

	(void)state;
	wants(&s, 20000, STEP_GET);
	answers(&s, 200, "b", 1, 20001);
	sees(&s, "c", 2, 20001); /* before our PUT was sent */
	wants(&s, 20001, STEP_GET);
	answers(&s, 200, "c", 2, 20002);
	wants(&s, 20002, STEP_NOTHING);
	step_clear(&s);
}

static void who_loses_the_race_waits(void **state)
{
	struct step s = standby();

	(void)state;
	wants(&s, 20000, STEP_GET);
	answers(&s, 200, "b", 1, 20001);
	wants(&s, 20001, STEP_UPDATE);
	answers(&s, 409, NULL, 0, 20002);
	assert_int_equal(state_at(&s, 20002), ELECT_STANDBY);
	assert_in_range(step_wait(&s, 20002, 60000), 2000, 4400);
	assert_int_equal(s.failures, 0);
	step_clear(&s);
}

static void who_was_stopped_while_it_took_the_lease_takes_it_again(void **state)
{
	struct step s = standby();

	(void)state;
	wants(&s, 20000, STEP_GET);
	answers(&s, 200, "b", 1, 20001);
	wants(&s, 20001, STEP_UPDATE);
	answers(&s, 200, "a", 2, 60000);
	assert_false(step_leading(&s, 60000));
	assert_int_equal(state_at(&s, 60000), ELECT_STANDBY);
	wants(&s, 60000, STEP_GET);
	answers(&s, 200, "a", 2, 60001);
	wants(&s, 60001, STEP_UPDATE);
	answers(&s, 200, "a", 3, 60002);
	assert_true(step_leading(&s, 70000));
	step_clear(&s);
}

static void a_lease_without_duration_counts_for_ours(void **state)
{
	struct step s = begin("a");
	struct lease l = record_of("hand", 0, 1);

	(void)state;
	wants(&s, 0, STEP_GET);
	step_answer(&s, 200, &l, 0);
	s.next_ms = 1000000;
	wants(&s, 14999, STEP_NOTHING);
	wants(&s, 15200, STEP_GET);
	step_answer(&s, 200, &l, 15201);
	wants(&s, 15201, STEP_UPDATE);
	lease_free(&l);
	step_clear(&s);
}

static void a_release_reads_writes_and_is_bounded(void **state)
{
	struct step s = leader();
	struct lease_write write;

	(void)state;
	step_release(&s, 1000);
	assert_false(step_leading(&s, 1000));
	wants(&s, 1000, STEP_GET);
	answers(&s, 200, "a", 1, 1001);
	assert_int_equal(step_next(&s, 1001, &write), STEP_UPDATE);
	assert_string_equal(write.holder, "");
	assert_int_equal(write.duration_s, 1);
	answers(&s, 409, NULL, 0, 1002);
	wants(&s, 1002 + STEP_RELEASE_AGAIN_MS, STEP_GET);
	answers(&s, 200, "a", 2, 1060);
	wants(&s, 1060, STEP_UPDATE);
	answers(&s, 200, "", 3, 1061);
	assert_int_equal(state_at(&s, 1061), ELECT_ENDED);
	assert_true(s.released);
	step_clear(&s);
	/* nobody answers */
	s = leader();
	step_release(&s, 1000);
	wants(&s, 1000, STEP_GET);
	wants(&s, 3000, STEP_NOTHING);
	assert_int_equal(state_at(&s, 3000), ELECT_ENDED);
	assert_false(s.released);
	step_clear(&s);
	/* another one has it */
	s = leader();
	step_release(&s, 1000);
	wants(&s, 1000, STEP_GET);
	answers(&s, 200, "b", 9, 1001);
	assert_int_equal(state_at(&s, 1001), ELECT_ENDED);
	assert_false(s.released);
	step_clear(&s);
}

static void a_standby_leaves_at_once_unless_it_may_have_won(void **state)
{
	struct step s = standby();

	(void)state;
	step_release(&s, 1);
	assert_int_equal(state_at(&s, 1), ELECT_ENDED);
	step_clear(&s);
	s = standby();
	wants(&s, 20000, STEP_GET);
	answers(&s, 200, "b", 1, 20001);
	wants(&s, 20001, STEP_UPDATE);
	step_release(&s, 20002);
	assert_int_equal(state_at(&s, 20002), ELECT_RELEASING);
	wants(&s, 20002, STEP_GET);
	answers(&s, 200, "a", 2, 20003);
	wants(&s, 20003, STEP_UPDATE);
	answers(&s, 200, "", 3, 20004);
	assert_true(s.released);
	step_clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_leader_renews_each_retry_period_with_one_put),
		cmocka_unit_test(after_a_refused_or_lost_put_it_looks_and_puts_again),
		cmocka_unit_test(lost_is_lost_for_good),
		cmocka_unit_test(another_holder_ends_it),
		cmocka_unit_test(a_lease_that_is_deleted_is_made_again_by_its_leader),
		cmocka_unit_test(a_standby_waits_for_the_duration_since_it_saw_a_change),
		cmocka_unit_test(a_renewal_that_the_watch_shows_counts),
		cmocka_unit_test(a_released_lease_is_taken_at_once),
		cmocka_unit_test(a_look_that_the_watch_has_overtaken_is_forgotten),
		cmocka_unit_test(a_renewal_between_look_and_put_is_not_written_over),
		cmocka_unit_test(who_loses_the_race_waits),
		cmocka_unit_test(who_was_stopped_while_it_took_the_lease_takes_it_again),
		cmocka_unit_test(a_lease_without_duration_counts_for_ours),
		cmocka_unit_test(a_release_reads_writes_and_is_bounded),
		cmocka_unit_test(a_standby_leaves_at_once_unless_it_may_have_won),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
