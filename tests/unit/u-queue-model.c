/* The queue of pods that wait against a naive model, with random events. */
#include "sched/queue.c"

#include <stdio.h>

#include "tests/testing/testing.h"

#define PODS 40

struct model {
	bool there, changed;
	enum queue_state state;
	int32_t priority;
	int64_t since, due, tried, backoff_until;
	uint64_t version;
	unsigned wake;
	int tries;
};

static void model_ready(struct model *m, int64_t now)
{
	size_t i;

	for (i = 0; i < PODS; i++) {
		if (m[i].there && m[i].state == QUEUE_PARKED && m[i].due <= now) {
			m[i].due = m[i].backoff_until;
			m[i].state = QUEUE_BACKING_OFF;
		}
		if (m[i].there && m[i].state == QUEUE_BACKING_OFF && m[i].due <= now)
			m[i].state = QUEUE_READY;
	}
}

static int model_take(struct model *m, int64_t now)
{
	int best = -1, i;

	model_ready(m, now);
	for (i = 0; i < PODS; i++)
		if (m[i].there && m[i].state == QUEUE_READY &&
		    (best < 0 || m[i].priority > m[best].priority || (m[i].priority == m[best].priority &&
								      m[i].since < m[best].since)))
			best = i;
	return best;
}

static void model_attempt_ended(struct model *m, bool was_refused, unsigned wake, int64_t now)
{
	int64_t wait = 1000;
	int i;

	if (m->changed) {
		m->tries = 0;
		m->backoff_until = now;
		m->state = QUEUE_READY;
		return;
	}
	m->tries++;
	for (i = 1; i < m->tries; i++)
		wait = wait * 2 > 10000 ? 10000 : wait * 2;
	m->tried = now;
	m->backoff_until = now + wait;
	m->wake = was_refused ? wake : 0;
	m->due = was_refused ? now + QUEUE_PARKED_MAX_MS : m->backoff_until;
	m->state = was_refused ? QUEUE_PARKED : QUEUE_BACKING_OFF;
}

static void model_put(struct model *m, int32_t priority, uint64_t version, int64_t now)
{
	if (m->there && m->version == version && m->priority == priority)
		return;
	if (m->there && m->state == QUEUE_TAKEN) {
		m->version = version;
		m->priority = priority;
		m->changed = true;
		return;
	}
	*m = (struct model){.there = true, .state = QUEUE_READY, .priority = priority, .version = version,
			    .since = m->there ? m->since : now, .backoff_until = now};
}

/* The number of pods that leave the parking place. */
static size_t model_wake(struct model *m, unsigned bits)
{
	size_t woken = 0, i;

	for (i = 0; i < PODS; i++) {
		bool parked = m[i].state == QUEUE_PARKED;

		if (!m[i].there || !(m[i].wake & bits) || (!parked && m[i].state != QUEUE_BACKING_OFF))
			continue;
		if (m[i].wake & bits & (1 | 2 | 16) && m[i].backoff_until > m[i].tried + 1000)
			m[i].backoff_until = m[i].tried + 1000;
		m[i].due = m[i].backoff_until;
		m[i].state = QUEUE_BACKING_OFF;
		woken += parked;
	}
	return woken;
}

static int64_t model_oldest(const struct model *m)
{
	int64_t oldest = -1;
	int i;

	for (i = 0; i < PODS; i++)
		if (m[i].there && (oldest < 0 || m[i].since < oldest))
			oldest = m[i].since;
	return oldest;
}

static void it_does_what_a_naive_model_does(void **state)
{
	struct rng r = rng_make(test_seed());
	struct queue *q = queue_new();
	struct model m[PODS] = {0};
	int64_t now = 0;
	int step;

	(void)state;
	for (step = 0; step < 200000; step++) {
		uint32_t pod = rng_below(&r, PODS), what = rng_below(&r, 100);
		char uid[16];

		snprintf(uid, sizeof(uid), "%02u", pod);
		now += 1 + rng_below(&r, what == 0 ? 200000 : 100); /* unlike times: the order by time is total */
		if (what < 40) {
			int32_t priority = (int32_t)rng_below(&r, 3);
			uint64_t version = rng_below(&r, 2);

			queue_put(q, uid, priority, version, now);
			model_put(&m[pod], priority, version, now);
		} else if (what < 45) {
			queue_remove(q, uid);
			m[pod].there = false;
		} else if (what < 75) {
			const char *got = queue_take(q, now);
			int want = model_take(m, now);

			assert_int_equal(got ? atoi(got) : -1, want);
			if (want >= 0) {
				m[want].state = QUEUE_TAKEN;
				m[want].changed = false;
			}
		} else if (what < 95 && m[pod].there && m[pod].state == QUEUE_TAKEN) {
			unsigned wake = rng_below(&r, 32);
			bool was_refused = what < 85;

			if (was_refused)
				queue_refused(q, uid, wake, now);
			else
				queue_failed(q, uid, now);
			model_attempt_ended(&m[pod], was_refused, wake, now);
		} else if (what >= 95) {
			unsigned bits = 1u << rng_below(&r, 5);

			model_ready(m, now);
			queue_next_ms(q, now, 1);	/* what is due has left its place */
			assert_int_equal(queue_wake(q, bits, now), model_wake(m, bits));
		}
		assert_int_equal(queue_oldest_ms(q), model_oldest(m));
	}
	queue_free(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_does_what_a_naive_model_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
