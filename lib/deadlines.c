#include "lib/deadlines.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/mem.h"

#define STACK_BYTES ((size_t)256 * 1024)

struct deadlines {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t sooner;		/* one that is due before wake_mono_ms, or the end */
	struct deadline **heap;		/* [1] is the next; [0] is not used */
	size_t count, room;
	int64_t wake_mono_ms;		/* when the thread looks again by itself */
	bool ended;
	deadline_passed *passed;
	void *arg;
};

/* --- the heap ---------------------------------------------------------------------------------------------------------- */

static void put(struct deadlines *d, size_t place, struct deadline *entry)
{
	d->heap[place] = entry;
	entry->place = place;
}

static void rise(struct deadlines *d, struct deadline *entry)
{
	size_t at = entry->place;

	for (; at > 1 && d->heap[at / 2]->at_mono_ms > entry->at_mono_ms; at /= 2)
		put(d, at, d->heap[at / 2]);
	put(d, at, entry);
}

static void sink(struct deadlines *d, struct deadline *entry)
{
	size_t at = entry->place, child;

	for (; (child = 2 * at) <= d->count; at = child) {
		child += child < d->count && d->heap[child + 1]->at_mono_ms < d->heap[child]->at_mono_ms;
		if (d->heap[child]->at_mono_ms >= entry->at_mono_ms)
			break;
		put(d, at, d->heap[child]);
	}
	put(d, at, entry);
}

static void take_out(struct deadlines *d, struct deadline *entry)
{
	struct deadline *last = d->heap[d->count--];

	if (last != entry) {
		put(d, entry->place, last);
		rise(d, last);
		sink(d, last);
	}
	entry->place = 0;
}

/* --- the thread -------------------------------------------------------------------------------------------------------- */

static void wait_until(struct deadlines *d, int64_t at_mono_ms)
{
	int64_t left_ms = at_mono_ms - clock_mono_ms(), at_ns;
	struct timespec at;

	d->wake_mono_ms = at_mono_ms;
	if (at_mono_ms == INT64_MAX) {
		pthread_cond_wait(&d->sooner, &d->lock);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &at);	/* a condition variable knows this one alone, which stands still while the machine sleeps */
	at_ns = at.tv_nsec + left_ms % 1000 * 1000000;
	at.tv_sec += left_ms / 1000 + at_ns / 1000000000;
	at.tv_nsec = at_ns % 1000000000;
	pthread_cond_timedwait(&d->sooner, &d->lock, &at);
}

static void *run(void *cls)
{
	struct deadlines *d = cls;

	pthread_mutex_lock(&d->lock);
	while (!d->ended) {
		struct deadline *next = d->count ? d->heap[1] : NULL;

		if (next && next->at_mono_ms <= clock_mono_ms()) {
			take_out(d, next);
			d->passed(d->arg, next);
		} else {
			wait_until(d, next ? next->at_mono_ms : INT64_MAX);
		}
	}
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

static int start_thread(struct deadlines *d, struct lm_err *err)
{
	pthread_attr_t small;
	int code;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, STACK_BYTES);
	code = pthread_create(&d->thread, &small, run, d);
	pthread_attr_destroy(&small);
	errno = code;
	return code ? lm_fail_errno(err, "start a thread") : 0;
}

int deadlines_start(deadline_passed *passed, void *arg, struct deadlines **out, struct lm_err *err)
{
	struct deadlines *d = xcalloc(1, sizeof(*d));
	pthread_condattr_t monotonic;

	d->passed = passed;
	d->arg = arg;
	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&d->sooner, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (start_thread(d, err) < 0) {
		free(d);
		return -1;
	}
	*out = d;
	return 0;
}

void deadlines_stop(struct deadlines *d)
{
	if (!d)
		return;
	pthread_mutex_lock(&d->lock);
	d->ended = true;
	pthread_cond_signal(&d->sooner);
	pthread_mutex_unlock(&d->lock);
	pthread_join(d->thread, NULL);
	pthread_cond_destroy(&d->sooner);
	pthread_mutex_destroy(&d->lock);
	free(d->heap);
	free(d);
}

void deadlines_set(struct deadlines *d, struct deadline *entry, int64_t at_mono_ms)
{
	pthread_mutex_lock(&d->lock);
	entry->at_mono_ms = at_mono_ms;
	if (!entry->place) {
		grow(&d->heap, &d->room, d->count + 2, sizeof(struct deadline *));
		put(d, ++d->count, entry);
	}
	rise(d, entry);
	sink(d, entry);
	/* Most are cleared before their time and come after others: then nobody is woken. */
	if (at_mono_ms < d->wake_mono_ms) {
		d->wake_mono_ms = at_mono_ms;
		pthread_cond_signal(&d->sooner);
	}
	pthread_mutex_unlock(&d->lock);
}

void deadlines_clear(struct deadlines *d, struct deadline *entry)
{
	pthread_mutex_lock(&d->lock);
	if (entry->place)
		take_out(d, entry);
	pthread_mutex_unlock(&d->lock);
}
