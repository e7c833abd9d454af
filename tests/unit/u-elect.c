/*
 * The rules of leader election: examples by hand, and replicas on a simulated API, whose requests, answers, watches and processes meet
 * everything that a bad network and kill(1) can do. Time is simulated: minutes pass in milliseconds.
 */
#include "sched/elect_step.c"

#include <stdio.h>
#include <stdlib.h>

#include "lib/buf.h"
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

/* --- the simulation ------------------------------------------------------------------------------------------------------ */

enum { REPLICAS_MAX = 4 };
enum kind { REQUEST, ANSWER, SEEN };

struct message {
	struct message *next;		/* by time; equal times in the order of their sending */
	int64_t at;
	enum kind kind;
	int replica, life, call;
	enum step_verb verb;
	struct lease lease;		/* of a write, an answer or an event; holder NULL: none */
	int status;
	bool drop_answer, fail_after;
};

struct replica {
	struct step step;
	char identity[32];
	bool alive;
	int life, call;			/* count up: what belongs to an earlier one is dropped */
	int64_t starts_at, stopped_until, tick_at, last_seen_at;
	double rate;			/* of its clock */
	int64_t offset;
	bool watch;
	int64_t watch_lag;
	bool leaving;
};

struct world {
	struct rng rng;
	int64_t now;
	struct elect_settings settings;
	struct replica replicas[REPLICAS_MAX];
	int count;
	bool exists;
	struct lease record;
	int version;
	struct message *messages;
	double trouble;			/* chance of a fault, each request */
	bool outage;
	long leads, losses, stops, kills, releases, faults;
};

static int64_t chance_ms(struct world *w, int64_t most)
{
	return (int64_t)rng_below(&w->rng, (uint32_t)most + 1);
}

static int64_t local(const struct world *w, const struct replica *r)
{
	return r->offset + (int64_t)((double)w->now * r->rate);
}

static struct lease copy_of(const struct lease *l)
{
	return (struct lease){.holder = xstrdup(l->holder), .duration_s = l->duration_s, .transitions = l->transitions,
			      .acquire_time = xstrdup(l->acquire_time), .spec = xstrdup(l->spec), .metadata = xstrdup(l->metadata)};
}

static void post(struct world *w, struct message message)
{
	struct message *m = xmalloc(sizeof(*m)), **at = &w->messages;

	*m = message;
	while (*at && (*at)->at <= m->at)
		at = &(*at)->next;
	m->next = *at;
	*at = m;
}

/* --- its server --- */

static void tell_watches(struct world *w)
{
	int i;

	for (i = 0; i < w->count; i++) {
		struct replica *r = &w->replicas[i];
		int64_t at = w->now + r->watch_lag + chance_ms(w, 5);

		if (!r->watch)
			continue;
		r->last_seen_at = at > r->last_seen_at ? at : r->last_seen_at;
		post(w, (struct message){.at = r->last_seen_at, .kind = SEEN, .replica = i, .life = r->life, .lease = copy_of(&w->record)});
	}
}

static int commit(struct world *w, const struct message *m)
{
	if (m->verb == STEP_CREATE && w->exists)
		return 409;
	if (m->verb == STEP_UPDATE && !w->exists)
		return 404;
	if (m->verb == STEP_UPDATE && !STREQ(m->lease.metadata, w->record.metadata))
		return 409;
	lease_free(&w->record);
	w->record = copy_of(&m->lease);
	free(w->record.metadata);
	w->record.metadata = xasprintf("v%d", ++w->version);
	w->record.spec = xasprintf("%s %d", w->record.holder, w->version);
	w->exists = true;
	tell_watches(w);
	return m->verb == STEP_CREATE ? 201 : 200;
}

static void serve(struct world *w, const struct message *m)
{
	int status = m->status;

	if (!status && m->verb == STEP_GET)
		status = w->exists ? 200 : 404;
	else if (!status)
		status = commit(w, m);
	if (m->fail_after)
		status = 500;
	if (!m->drop_answer)
		post(w, (struct message){.at = w->now + 1 + chance_ms(w, 20), .kind = ANSWER, .replica = m->replica, .life = m->life,
					 .call = m->call, .status = status,
					 .lease = status < 300 ? copy_of(&w->record) : (struct lease){0}});
}

/* --- its replicas --- */

static void give_fate(struct world *w, struct message *m)
{
	static const int statuses[] = {409, 500, 403, 429};

	m->at = w->now + 1 + chance_ms(w, 20);
	if (w->outage) {
		m->drop_answer = true;
		m->status = 503;
		return;
	}
	if (!rng_chance(&w->rng, w->trouble))
		return;
	w->faults++;
	switch (rng_below(&w->rng, 5)) {
	case 0:				/* never arrives */
		m->drop_answer = true;
		m->status = 503;
		break;
	case 1:
		m->drop_answer = true;
		break;
	case 2:				/* arrives when nobody counts on it any more */
		m->at += chance_ms(w, 20000);
		break;
	case 3:
		m->status = statuses[rng_below(&w->rng, ARRAY_SIZE(statuses))];
		break;
	default:
		m->fail_after = true;
	}
}

static void send_request(struct world *w, struct replica *r, enum step_verb verb, const struct lease_write *write)
{
	struct message m = {.kind = REQUEST, .replica = (int)(r - w->replicas), .life = r->life, .call = ++r->call, .verb = verb};

	if (verb != STEP_GET)
		m.lease = (struct lease){.holder = xstrdup(write->holder), .duration_s = write->duration_s, .transitions = write->transitions,
					 .acquire_time = xstrdup(write->acquire_time ? write->acquire_time : "now"),
					 .metadata = xstrdup(write->metadata)};
	give_fate(w, &m);
	post(w, m);
	post(w, (struct message){.at = w->now + w->settings.deadline_ms / 2, .kind = ANSWER, .replica = m.replica, .life = m.life,
				 .call = m.call, .status = 0}); /* the time-out */
}

static void tick(struct world *w, struct replica *r)
{
	struct lease_write write;
	enum elect_state before = r->step.state;
	enum step_verb verb = step_next(&r->step, local(w, r), &write);

	if (verb != STEP_NOTHING)
		send_request(w, r, verb, &write);
	r->tick_at = w->now + 1 + (int64_t)((double)step_wait(&r->step, local(w, r), 1000) / r->rate) + (w->trouble > 0 ? chance_ms(w, 20) : 0);
	if (before != ELECT_LOST && r->step.state == ELECT_LOST)
		w->losses++;
}

static void start(struct world *w, struct replica *r)
{
	struct elect_settings settings = w->settings;

	r->life++;
	snprintf(r->identity, sizeof(r->identity), "r%d-%d", (int)(r - w->replicas), r->life);
	settings.identity = r->identity;
	r->offset = chance_ms(w, 1000000);
	r->watch = rng_chance(&w->rng, 0.7);
	r->watch_lag = w->trouble > 0 && rng_chance(&w->rng, 0.2) ? chance_ms(w, 5000) : chance_ms(w, 20);
	r->last_seen_at = 0;
	step_clear(&r->step);
	step_init(&r->step, &settings, rng_next(&w->rng), local(w, r));
	r->alive = true;
	r->leaving = false;
	r->tick_at = w->now;
}

static void die(struct world *w, struct replica *r)
{
	r->alive = false;
	r->life++;
	r->starts_at = w->now + chance_ms(w, 4000);
}

static void receive(struct world *w, struct replica *r, const struct message *m)
{
	enum elect_state before = r->step.state;

	if (!r->alive || m->life != r->life || (m->kind == ANSWER && m->call != r->call))
		return;
	if (m->kind == SEEN) {
		step_seen(&r->step, &m->lease, local(w, r));
	} else {
		r->call++; /* one answer each */
		step_answer(&r->step, m->status, m->lease.holder ? &m->lease : NULL, local(w, r));
	}
	w->leads += before == ELECT_STANDBY && r->step.state == ELECT_LEADING;
	w->losses += before != ELECT_LOST && r->step.state == ELECT_LOST;
	r->tick_at = w->now + (w->trouble > 0 ? chance_ms(w, 5) : 0);
}

static void deliver(struct world *w)
{
	while (w->messages && w->messages->at <= w->now) {
		struct message *m = w->messages;
		struct replica *r = &w->replicas[m->replica];

		w->messages = m->next;
		if (m->kind != REQUEST && r->stopped_until > w->now) {
			m->at = r->stopped_until; /* it lies in the socket until then */
			post(w, *m);
			free(m);
			continue;
		}
		if (m->kind == REQUEST)
			serve(w, m);
		else
			receive(w, r, m);
		lease_free(&m->lease);
		free(m);
	}
}

static int leading_now(const struct world *w)
{
	int i, leading = 0;

	for (i = 0; i < w->count; i++)
		leading += w->replicas[i].alive && step_leading(&w->replicas[i].step, local(w, &w->replicas[i]));
	return leading;
}

static void turn(struct world *w)
{
	int i;

	deliver(w);
	for (i = 0; i < w->count; i++) {
		struct replica *r = &w->replicas[i];

		if (!r->alive && w->now >= r->starts_at)
			start(w, r);
		if (!r->alive || w->now < r->tick_at || w->now < r->stopped_until)
			continue;
		tick(w, r);
		if (r->step.state == ELECT_LOST || r->step.state == ELECT_ENDED)
			die(w, r);
	}
	if (leading_now(w) > 1)
		fail_msg("%d lead at %lld ms", leading_now(w), (long long)w->now);
	w->now++;
}

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
		cmocka_unit_test(never_two_whatever_happens),
		cmocka_unit_test(a_free_lease_is_taken_soon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
