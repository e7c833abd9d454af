#include "sched/extender/desk.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"

struct desk_request {
	struct wire_request wire;
	int shares;			/* under shares_lock */
};

enum state { WAITING, TAKEN, ANSWERED, DECLINED };

/* Lies on the stack of who asks, until it is taken: then `desk.taken` points to it, and a time-out sets that to NULL. */
struct ticket {
	struct ticket *next;
	enum judge_verb verb;
	struct desk_request *request;
	enum state state;
	struct wire_answer answer;
	pthread_cond_t changed;
};

struct desk {
	pthread_mutex_t lock;
	struct ticket *first, **last;
	int count;
	struct ticket *taken;		/* who waits for the job in hand; NULL: nobody does any more */
	struct desk_request *in_hand;	/* the scheduling thread's own share; NULL: none */
	struct desk_job job;
	bool closed;
	int event;
};

static pthread_mutex_t shares_lock = PTHREAD_MUTEX_INITIALIZER;

/* --- shares ---------------------------------------------------------------------------------------------------------- */

struct desk_request *desk_request(struct wire_request *request)
{
	struct desk_request *r = xcalloc(1, sizeof(*r));

	*r = (struct desk_request){.wire = *request, .shares = 1};
	*request = (struct wire_request){0};
	return r;
}

const struct wire_request *desk_wire(const struct desk_request *r)
{
	return &r->wire;
}

static struct desk_request *share(struct desk_request *r)
{
	pthread_mutex_lock(&shares_lock);
	r->shares++;
	pthread_mutex_unlock(&shares_lock);
	return r;
}

void desk_release(struct desk_request *r)
{
	int left;

	pthread_mutex_lock(&shares_lock);
	left = --r->shares;
	pthread_mutex_unlock(&shares_lock);
	if (left)
		return;
	wire_free(&r->wire);
	free(r);
}

/* --- who asks -------------------------------------------------------------------------------------------------------- */

static void unlink_ticket(struct desk *d, const struct ticket *t)
{
	struct ticket **at = &d->first;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	if (d->last == &t->next)
		d->last = at;
	d->count--;
}

static void wake(struct desk *d)
{
	uint64_t one = 1;

	while (write(d->event, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void wait_for(struct desk *d, struct ticket *t, int64_t until_mono_ms)
{
	while (t->state == WAITING || t->state == TAKEN) {
		int64_t left_ms = until_mono_ms - clock_mono_ms(), at_ns;
		struct timespec at;

		if (left_ms <= 0)
			return;
		clock_gettime(CLOCK_MONOTONIC, &at);
		at_ns = at.tv_nsec + left_ms % 1000 * 1000000;
		at.tv_sec += left_ms / 1000 + at_ns / 1000000000;
		at.tv_nsec = at_ns % 1000000000;
		pthread_cond_timedwait(&t->changed, &d->lock, &at);
	}
}

static enum desk_end leave(struct desk *d, struct ticket *t, struct wire_answer *answer)
{
	if (t->state == ANSWERED) {
		*answer = t->answer;
		return DESK_ANSWERED;
	}
	if (t->state == DECLINED)
		return DESK_DECLINED;
	if (t->state == WAITING)
		unlink_ticket(d, t);
	else
		d->taken = NULL;
	return DESK_LATE;
}

static bool join(struct desk *d, struct ticket *t)
{
	if (d->closed || d->count >= DESK_MAX)
		return false;
	*d->last = t;
	d->last = &t->next;
	d->count++;
	wake(d);
	return true;
}

enum desk_end desk_ask(struct desk *d, enum judge_verb verb, struct desk_request *request, int64_t until_mono_ms, struct wire_answer *answer)
{
	struct ticket t = {.verb = verb, .request = request};
	enum desk_end end = DESK_DECLINED;
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&t.changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_lock(&d->lock);
	if (join(d, &t)) {
		wait_for(d, &t, until_mono_ms);
		end = leave(d, &t, answer);
	}
	pthread_mutex_unlock(&d->lock);
	pthread_cond_destroy(&t.changed);
	return end;
}

/* --- the scheduling thread ------------------------------------------------------------------------------------------- */

struct desk *desk_new(struct lm_err *err)
{
	struct desk *d = xcalloc(1, sizeof(*d));

	d->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->event < 0) {
		lm_fail_errno(err, "eventfd");
		free(d);
		return NULL;
	}
	d->last = &d->first;
	pthread_mutex_init(&d->lock, NULL);
	return d;
}

void desk_free(struct desk *d)
{
	if (!d)
		return;
	close(d->event);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

int desk_fd(const struct desk *d)
{
	return d->event;
}

static struct ticket *next_ticket(struct desk *d)
{
	struct ticket *t = d->first;

	if (t) {
		unlink_ticket(d, t);
		t->state = TAKEN;
		d->taken = t;
		d->in_hand = share(t->request);
		d->job = (struct desk_job){.verb = t->verb, .request = &t->request->wire};
	}
	return t;
}

const struct desk_job *desk_take(struct desk *d)
{
	const struct ticket *t;
	uint64_t count;

	pthread_mutex_lock(&d->lock);
	t = next_ticket(d);
	if (!t)
		while (read(d->event, &count, sizeof(count)) < 0 && errno == EINTR)
			;
	pthread_mutex_unlock(&d->lock);
	return t ? &d->job : NULL;
}

/* `answer` NULL: none. */
static void finish(struct desk *d, struct wire_answer *answer)
{
	struct desk_request *request;

	pthread_mutex_lock(&d->lock);
	if (d->taken) {
		d->taken->state = answer ? ANSWERED : DECLINED;
		if (answer)
			d->taken->answer = *steal(&answer);
		pthread_cond_signal(&d->taken->changed);
	}
	d->taken = NULL;
	request = steal(&d->in_hand);
	pthread_mutex_unlock(&d->lock);
	if (answer)			/* nobody waits for it any more */
		wire_answer_free(answer);
	desk_release(request);
}

void desk_answer(struct desk *d, struct wire_answer *answer)
{
	finish(d, answer);
}

void desk_decline(struct desk *d)
{
	finish(d, NULL);
}

void desk_close(struct desk *d)
{
	pthread_mutex_lock(&d->lock);
	d->closed = true;
	pthread_mutex_unlock(&d->lock);
	while (desk_take(d))
		desk_decline(d);
}
