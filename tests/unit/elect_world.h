/*
 * elect_world.h - replicas of the election (sched/elect_step.h) on a simulated API: messages that take their time or are lost, a server with one Lease and its
 * watches, processes that are stopped and killed. Time is simulated. One world at a time is turned, message by message.
 */
#ifndef TESTS_UNIT_ELECT_WORLD_H
#define TESTS_UNIT_ELECT_WORLD_H

#include "sched/elect_step.c"

#include <stdio.h>
#include <stdlib.h>

#include "tests/testing/testing.h"

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

static inline int64_t chance_ms(struct world *w, int64_t most)
{
	return (int64_t)rng_below(&w->rng, (uint32_t)most + 1);
}

static inline int64_t local(const struct world *w, const struct replica *r)
{
	return r->offset + (int64_t)((double)w->now * r->rate);
}

static inline struct lease copy_of(const struct lease *l)
{
	return (struct lease){.holder = xstrdup(l->holder), .duration_s = l->duration_s, .transitions = l->transitions,
			      .acquire_time = xstrdup(l->acquire_time), .spec = xstrdup(l->spec), .metadata = xstrdup(l->metadata)};
}

static inline void post(struct world *w, struct message message)
{
	struct message *m = xmalloc(sizeof(*m)), **at = &w->messages;

	*m = message;
	while (*at && (*at)->at <= m->at)
		at = &(*at)->next;
	m->next = *at;
	*at = m;
}

/* --- its server --- */

static inline void tell_watches(struct world *w)
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

static inline int commit(struct world *w, const struct message *m)
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

static inline void serve(struct world *w, const struct message *m)
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

static inline void give_fate(struct world *w, struct message *m)
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

static inline void send_request(struct world *w, struct replica *r, enum step_verb verb, const struct lease_write *write)
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

static inline void tick(struct world *w, struct replica *r)
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

static inline void start(struct world *w, struct replica *r)
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

static inline void die(struct world *w, struct replica *r)
{
	r->alive = false;
	r->life++;
	r->starts_at = w->now + chance_ms(w, 4000);
}

static inline void receive(struct world *w, struct replica *r, const struct message *m)
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

static inline void deliver(struct world *w)
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

static inline int leading_now(const struct world *w)
{
	int i, leading = 0;

	for (i = 0; i < w->count; i++)
		leading += w->replicas[i].alive && step_leading(&w->replicas[i].step, local(w, &w->replicas[i]));
	return leading;
}

static inline void turn(struct world *w)
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

#endif
