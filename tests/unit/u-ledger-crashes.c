/*
 * The two numbers of an operator hold whatever happens to the process: it ends before and after each write and each eviction, answers are lost or late, other
 * people write the object, clocks step; all evictions that were carried out are counted, by a clock that nobody there has.
 */
#include "tests/unit/ledger_world.h"

#define RUNS 30
#define RUN_MS (5 * 3600000LL)
#define EVICTIONS 20000
#define SKEW_MS 14000			/* two clocks: less than half a minute from each other */

/* An eviction that was sent; its answer comes then. */
struct sent {
	struct ledger_spent spent;
	int64_t answers_ms;
};

static struct life {
	struct rng rng;
	int64_t per_minute, per_hour;
	struct ledger *ledger;		/* NULL: nobody leads */
	int64_t begins_ms;		/* the next process */
	int64_t waiting, back_ms;	/* by which the clock was set back */
	struct sent sent[64];
	int sent_count;
	double crash;			/* probability, at each place where one may be */
	int64_t done_ms[EVICTIONS];
	int done, crashes, rivals, full_minutes, full_hours;
} s;

static int since(int64_t from_ms)
{
	int i = s.done;

	while (i > 0 && s.done_ms[i - 1] > from_ms)
		i--;
	return s.done - i;
}

static struct record stored(void)
{
	auto_free char *json = w.there ? object() : NULL;
	struct record r = {0};
	char version[RECORD_VERSION];
	struct lm_err err;

	if (json)
		assert_int_equal(record_parse(json, strlen(json), &r, version, &err), 0);
	return r;
}

static int64_t written(void)
{
	struct record r = stored();
	int64_t count = 0;
	size_t i;

	for (i = 0; i < r.count; i++)
		count += r.lines[i].count;
	return count;
}

static bool crashes(void)
{
	if (!rng_chance(&s.rng, s.crash))
		return false;
	ledger_free(s.ledger);
	s.ledger = NULL;
	s.sent_count = 0;
	s.crashes++;
	s.begins_ms = w.now_ms + rng_below(&s.rng, rng_chance(&s.rng, 0.7) ? 2000 : 90000);
	return true;
}

/* Of a request to come. */
static void throw_dice(void)
{
	int64_t late = rng_below(&s.rng, rng_chance(&s.rng, 0.05) ? 14000 : 200);

	w.next = (struct fate){late, late + rng_below(&s.rng, 100), 0};
	if (rng_chance(&s.rng, 0.04))
		w.next.answers_ms = -1;
	else if (rng_chance(&s.rng, 0.03))
		w.next.arrives_ms = w.next.answers_ms = -1;
	else if (rng_chance(&s.rng, 0.04))
		w.next.status = rng_chance(&s.rng, 0.5) ? 500 : 429;
}

static void note_done(void)
{
	int minute, hour;

	assert_true(s.done < EVICTIONS);
	s.done_ms[s.done++] = w.now_ms;
	minute = since(w.now_ms - 60000);
	hour = since(w.now_ms - 3600000);
	assert_true(minute <= s.per_minute);
	assert_true(hour <= s.per_hour);
	assert_true(written() >= hour);
	s.full_minutes += minute == s.per_minute;
	s.full_hours += hour == s.per_hour;
}

/* Carried out, with an answer or without; or refused, which is told later. */
static void evict_one(void)
{
	struct ledger_spent spent = ledger_spend(s.ledger, world_mono());

	if (rng_chance(&s.rng, 0.75) || s.sent_count == (int)ARRAY_SIZE(s.sent)) {
		note_done();
		s.waiting--;
	} else {
		s.sent[s.sent_count++] = (struct sent){spent, w.now_ms + rng_below(&s.rng, 3000)};
	}
}

/* An old leader that does not know yet that it is one. */
static void rival_evicts(void)
{
	struct record r = stored();
	auto_buf struct buf data = {0};

	if (written() >= s.per_minute || written() >= s.per_hour)
		return;
	record_charge(&r, 1, world_wall(), 0);
	snprintf(r.by, sizeof(r.by), "rival-%d", s.rivals++);
	record_print(&r, &data);
	server_put(data.data);
	note_done();
}

static void take_refusals(void)
{
	int i, kept = 0;

	for (i = 0; i < s.sent_count; i++)
		if (s.sent[i].answers_ms <= w.now_ms)
			ledger_return(s.ledger, &s.sent[i].spent);
		else
			s.sent[kept++] = s.sent[i];
	s.sent_count = kept;
}

static void turn(void)
{
	throw_dice();
	ledger_tick(s.ledger, world_mono(), 1000);
	while (s.waiting > 0) {
		if (crashes() || ledger_wait_ms(s.ledger, world_mono()) > 0)
			return;
		throw_dice();
		if (ledger_cover_ms(s.ledger, (size_t)s.waiting, world_mono()) > 0)
			return;
		if (crashes())
			return;
		evict_one();
	}
}

static void happen(void)
{
	if (rng_chance(&s.rng, 0.003))
		s.waiting += rng_below(&s.rng, 60);
	if (rng_chance(&s.rng, 0.002))
		w.skew_ms = (int64_t)rng_below(&s.rng, 2 * SKEW_MS) - SKEW_MS - s.back_ms;
	if (rng_chance(&s.rng, 0.0003)) /* for good */
		s.back_ms += rng_below(&s.rng, 5000000);
	if (w.there && rng_chance(&s.rng, 0.003)) /* somebody labels it */
		w.version++;
	if (rng_chance(&s.rng, 0.03))
		rival_evicts();
	if (rng_chance(&s.rng, 0.001))
		s.crash = rng_chance(&s.rng, 0.5) ? 0.0002 : rng_chance(&s.rng, 0.5) ? 0.01 : 0.1;
	if (!s.ledger && w.now_ms >= s.begins_ms)
		s.ledger = world_ledger(s.per_minute, s.per_hour);
}

static void live(int64_t per_minute, int64_t per_hour)
{
	static const double calm = 0.0005;

	world_begin();
	s.per_minute = per_minute;
	s.per_hour = per_hour;
	s.waiting = 40;
	s.crash = calm;
	s.done = s.sent_count = 0;
	s.back_ms = s.begins_ms = 0;
	while (w.now_ms < RUN_MS) {
		world_pass(rng_below(&s.rng, rng_chance(&s.rng, 0.01) ? 40000 : 1000));
		happen();
		if (!s.ledger)
			continue;
		take_refusals();
		turn();
	}
	ledger_free(s.ledger);
	s.ledger = NULL;
	world_end();
}

static void no_window_has_more_than_the_settings_say(void **state)
{
	static const int64_t settings[][2] = {{7, 60}, {60, 300}, {1, 1000}, {30, 40}, {5, 3}};
	int i, runs = test_rounds(RUNS), done = 0, lost = 0;

	(void)state;
	s = (struct life){.rng = rng_make(test_seed())};
	for (i = 0; i < runs; i++) {
		live(settings[i % 5][0], settings[i % 5][1]);
		done += s.done;
		lost += w.lost;
	}
	printf("# %d runs of %lld h: %d evictions, %d of them a rival's, %d crashes, %d answers lost; a minute was full %d times, an hour %d times\n", runs, RUN_MS / 3600000, done,
	       s.rivals, s.crashes, lost, s.full_minutes, s.full_hours);
	assert_true(s.crashes > 20 * runs);
	assert_true(done > 30 * runs);
	assert_true(runs < 5 || (s.full_minutes > runs && s.full_hours > runs / 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(no_window_has_more_than_the_settings_say)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
