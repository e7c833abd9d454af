/*
 * Leader election of replicas on a simulated API, whose requests, answers, watches and processes meet everything that a bad network and kill(1) can do.
 * Time is simulated: minutes pass in milliseconds.
 */
#include "tests/unit/elect_world.h"

static const struct elect_settings choices[] = {
	{"n", "l", NULL, 15000, 10000, 2000}, {"n", "l", NULL, 3000, 2000, 500}, {"n", "l", NULL, 5500, 3000, 1000},
	{"n", "l", NULL, 30000, 20000, 5000},
};

static struct world *world_new(uint64_t seed, double skew)
{
	struct world *w = xcalloc(1, sizeof(*w));
	int i;

	w->rng = rng_make(seed);
	w->settings = choices[rng_below(&w->rng, ARRAY_SIZE(choices))];
	w->count = 2 + (int)rng_below(&w->rng, REPLICAS_MAX - 1);
	for (i = 0; i < w->count; i++)
		w->replicas[i].rate = 1 + skew * (2 * rng_unit(&w->rng) - 1);
	return w;
}

static void world_free(struct world *w)
{
	int i;

	while (w->messages) {
		struct message *m = w->messages;

		w->messages = m->next;
		lease_free(&m->lease);
		free(m);
	}
	for (i = 0; i < w->count; i++)
		step_clear(&w->replicas[i].step);
	lease_free(&w->record);
	free(w);
}

static void change_weather(struct world *w)
{
	static const double troubles[] = {0.01, 0.1, 0.5};

	w->trouble = troubles[rng_below(&w->rng, ARRAY_SIZE(troubles))];
	w->outage = rng_chance(&w->rng, 0.1);
}

/* Leaders more often than others: they have more to lose. */
static struct replica *victim(struct world *w)
{
	struct replica *r = &w->replicas[rng_below(&w->rng, (uint32_t)w->count)];
	int i;

	for (i = 0; i < w->count && rng_chance(&w->rng, 0.7); i++)
		if (w->replicas[i].alive && w->replicas[i].step.state == ELECT_LEADING)
			r = &w->replicas[i];
	return r;
}

static void do_harm(struct world *w)
{
	struct replica *r = victim(w);

	if (!r->alive)
		return;
	switch (rng_below(&w->rng, 4)) {
	case 0:
		die(w, r);
		w->kills++;
		break;
	case 1:
		if (r->stopped_until > w->now)
			return;
		step_release(&r->step, local(w, r));
		r->call++;
		r->tick_at = w->now;
		w->releases++;
		break;
	default:
		r->stopped_until = w->now + chance_ms(w, rng_chance(&w->rng, 0.5) ? 40000 : 3000);
		r->tick_at += rng_chance(&w->rng, 0.5) ? 0 : chance_ms(w, 20);
		w->stops++;
	}
}

static void never_two_whatever_happens(void **state)
{
	enum { ROUNDS = 400 };
	struct rng seeds = rng_make(test_seed());
	long leads = 0, losses = 0, stops = 0, kills = 0, releases = 0, faults = 0;
	int round;

	(void)state;
	for (round = 0; round < ROUNDS; round++) {
		struct world *w = world_new(rng_next(&seeds), 0.05);

		while (w->now < 240000) {
			if (w->now % 20000 == 0)
				change_weather(w);
			if (rng_below(&w->rng, 6000) == 0)
				do_harm(w);
			turn(w);
		}
		leads += w->leads, losses += w->losses;
		stops += w->stops, kills += w->kills, releases += w->releases, faults += w->faults;
		world_free(w);
	}
	printf("# %d minutes: %ld times one led, %ld lost it, %ld stops, %ld kills, %ld releases, %ld faults\n", ROUNDS * 4, leads, losses,
	       stops, kills, releases, faults);
	assert_true(leads > ROUNDS * 5 && losses > ROUNDS && faults > ROUNDS * 30);
}

static struct replica *leader_of(struct world *w)
{
	int i;

	for (i = 0; i < w->count; i++)
		if (w->replicas[i].alive && step_leading(&w->replicas[i].step, local(w, &w->replicas[i])))
			return &w->replicas[i];
	return NULL;
}

static int64_t until_one_leads(struct world *w, int64_t limit_ms)
{
	int64_t begun = w->now;

	while (!leader_of(w)) {
		if (w->now - begun > limit_ms)
			fail_msg("nobody leads after %lld ms", (long long)(w->now - begun));
		turn(w);
	}
	return w->now - begun;
}

static int others(const struct world *w, const struct replica *r, bool who_watch)
{
	int i, count = 0;

	for (i = 0; i < w->count; i++)
		count += &w->replicas[i] != r && w->replicas[i].alive && (w->replicas[i].watch || !who_watch);
	return count;
}

/*
 * In good weather: kill -9 costs at most the duration, and what a standby that does not watch needs to see the last renewal; a clean end one exchange
 * with the server where somebody watches, else a try.
 */
static void a_free_lease_is_taken_soon(void **state)
{
	enum { EXCHANGE_MS = 300 };	/* two requests of who leaves, the watch, three of who comes (one came too early): 21 ms at most each way */
	struct rng seeds = rng_make(test_seed());
	int64_t longest_kill = 0, longest_release = 0, took;
	int round, i, k;

	(void)state;
	for (round = 0; round < 60; round++) {
		struct world *w = world_new(rng_next(&seeds), 0);
		int64_t retry_ms = w->settings.retry_ms * 22 / 10, duration_ms = (w->settings.duration_ms + 999) / 1000 * 1000;

		until_one_leads(w, EXCHANGE_MS);
		for (i = 0; i < 10; i++) {
			struct replica *r;
			bool watched;

			for (k = (int)chance_ms(w, 20000) + 5000; k > 0; k--)
				turn(w);
			r = leader_of(w);
			assert_non_null(r);
			assert_int_equal(w->losses, 0);
			assert_true(others(w, r, false) > 0);
			watched = others(w, r, true) > 0;
			if (i % 2) {
				die(w, r);
				took = until_one_leads(w, duration_ms + (watched ? STEP_SPREAD_MS : retry_ms) + EXCHANGE_MS);
				longest_kill = watched && took - duration_ms > longest_kill ? took - duration_ms : longest_kill;
			} else {
				step_release(&r->step, local(w, r));
				r->call++;
				r->tick_at = w->now;
				took = until_one_leads(w, (watched ? 0 : retry_ms) + EXCHANGE_MS);
				longest_release = watched && took > longest_release ? took : longest_release;
			}
		}
		world_free(w);
	}
	printf("# where it is watched: at most %lld ms after it ran out, %lld ms after the begin of a release\n", (long long)longest_kill,
	       (long long)longest_release);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(never_two_whatever_happens),
		cmocka_unit_test(a_free_lease_is_taken_soon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
