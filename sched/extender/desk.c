#include "sched/extender/desk.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/deadlines.h"
#include "lib/mem.h"

struct desk_job {
	enum judge_verb verb;
	struct wire_request request;
	struct wire_bind bind;		/* .uid NULL: it is none */
	atomic_int shares;
	atomic_bool ended;		/* who sets it tells the end */
	bool queued;			/* under the desk's lock */
	struct desk_job *prev, *next;	/* in the queue */
	struct deadline deadline;
	int64_t until_mono_ms;		/* its time, for who may not look into it */
	desk_done *done;
	void *arg;
};

struct desk {
	pthread_mutex_t lock;		/* taken after that of the deadlines, never before */
	struct desk_job *first, *last;
	int count;
	bool closed;
	struct deadlines *deadlines;
	int event;
	pthread_mutex_t turn;		/* held by who decides at once; no other is taken under it, but the decision's own */
	atomic_bool resting;
	desk_decide *decide;
	void *decide_arg;
};

/* --- a job ------------------------------------------------------------------------------------------------------------- */

static struct desk_job *job_new(void)
{
	struct desk_job *job = xcalloc(1, sizeof(*job));

	atomic_init(&job->shares, 1);
	return job;
}

struct desk_job *desk_job(enum judge_verb verb, struct wire_request *request)
{
	struct desk_job *job = job_new();

	job->verb = verb;
	job->request = *request;
	*request = (struct wire_request){0};
	return job;
}

struct desk_job *desk_job_bind(struct wire_bind *bind)
{
	struct desk_job *job = job_new();

	job->bind = *bind;
	*bind = (struct wire_bind){0};
	return job;
}

enum judge_verb desk_verb(const struct desk_job *job)
{
	return job->verb;
}

const struct wire_request *desk_request(const struct desk_job *job)
{
	return &job->request;
}

const struct wire_bind *desk_bind(const struct desk_job *job)
{
	return job->bind.uid ? &job->bind : NULL;
}

int64_t desk_until(const struct desk_job *job)
{
	return job->until_mono_ms;
}

void desk_release(struct desk_job *job)
{
	if (atomic_fetch_sub(&job->shares, 1) > 1)
		return;
	wire_free(&job->request);
	wire_bind_free(&job->bind);
	free(job);
}

/* True for one caller alone. */
static bool claim(struct desk_job *job)
{
	return !atomic_exchange(&job->ended, true);
}

/* Of one that was claimed, by another than the deadline. */
static void tell(const struct desk *d, struct desk_job *job, enum desk_end end, struct wire_answer *answer)
{
	deadlines_clear(d->deadlines, &job->deadline);
	job->done(job->arg, end, answer);
}

/* --- who asks ---------------------------------------------------------------------------------------------------------- */

static void unlink_job(struct desk *d, struct desk_job *job)
{
	if (!job->queued)
		return;
	*(job->prev ? &job->prev->next : &d->first) = job->next;
	*(job->next ? &job->next->prev : &d->last) = job->prev;
	job->queued = false;
	d->count--;
}

static void link_job(struct desk *d, struct desk_job *job)
{
	job->prev = d->last;
	*(d->last ? &d->last->next : &d->first) = job;
	d->last = job;
	job->queued = true;
	d->count++;
}

static void wake(struct desk *d)
{
	uint64_t one = 1;

	while (write(d->event, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/* False: there is no place. */
static bool join(struct desk *d, struct desk_job *job)
{
	bool fits, first = false;

	pthread_mutex_lock(&d->lock);
	fits = !d->closed && d->count < DESK_MAX;
	if (fits && !atomic_load(&job->ended)) {
		first = !d->first;
		link_job(d, job);
	}
	pthread_mutex_unlock(&d->lock);
	if (first)			/* the others are found with it */
		wake(d);
	return fits;
}

void desk_ask(struct desk *d, struct desk_job *job, int64_t until_mono_ms, desk_done *done, void *arg)
{
	job->done = done;
	job->arg = arg;
	job->until_mono_ms = until_mono_ms;
	atomic_fetch_add(&job->shares, 1);	/* ours here: it may be answered and released before we are back */
	deadlines_set(d->deadlines, &job->deadline, until_mono_ms);
	if (!join(d, job) && claim(job))
		tell(d, job, DESK_DECLINED, NULL);
	desk_release(job);
}

/* A turn that the scheduling thread wants back is not taken: who came while it waits sees that at once, and it is next. */
bool desk_at_once(struct desk *d, struct desk_job *job, struct wire_answer *answer)
{
	bool decided;

	if (!atomic_load(&d->resting) || pthread_mutex_trylock(&d->turn) != 0)
		return false;
	decided = atomic_load(&d->resting) && d->decide(d->decide_arg, job, answer);
	pthread_mutex_unlock(&d->turn);
	return decided;
}

static void on_late(void *arg, struct deadline *entry)
{
	struct desk_job *job = (struct desk_job *)(void *)((char *)entry - offsetof(struct desk_job, deadline));
	struct desk *d = arg;

	if (!claim(job))
		return;
	pthread_mutex_lock(&d->lock);
	unlink_job(d, job);
	pthread_mutex_unlock(&d->lock);
	job->done(job->arg, DESK_LATE, NULL);
}

/* --- the scheduling thread --------------------------------------------------------------------------------------------- */

int desk_open(struct desk **out, struct lm_err *err)
{
	struct desk *d = xcalloc(1, sizeof(*d));

	pthread_mutex_init(&d->lock, NULL);
	pthread_mutex_init(&d->turn, NULL);
	d->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->event < 0)
		lm_fail_errno(err, "eventfd");
	else if (deadlines_start(on_late, d, &d->deadlines, err) == 0) {
		*out = d;
		return 0;
	}
	desk_free(d);
	return -1;
}

void desk_free(struct desk *d)
{
	if (!d)
		return;
	deadlines_stop(d->deadlines);
	cleanup_close(&d->event);
	pthread_mutex_destroy(&d->turn);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

void desk_on_rest(struct desk *d, desk_decide *how, void *arg)
{
	d->decide = how;
	d->decide_arg = arg;
}

void desk_rest(struct desk *d)
{
	pthread_mutex_lock(&d->turn);	/* what this thread wrote is seen by who decides */
	atomic_store(&d->resting, true);
	pthread_mutex_unlock(&d->turn);
}

void desk_resume(struct desk *d)
{
	atomic_store(&d->resting, false);
	pthread_mutex_lock(&d->turn);
	pthread_mutex_unlock(&d->turn);
}

int desk_fd(const struct desk *d)
{
	return d->event;
}

struct desk_job *desk_take(struct desk *d)
{
	struct desk_job *job;
	uint64_t count;

	pthread_mutex_lock(&d->lock);
	job = d->first;
	if (job) {
		unlink_job(d, job);
		atomic_fetch_add(&job->shares, 1);
	} else {
		while (read(d->event, &count, sizeof(count)) < 0 && errno == EINTR)
			;
	}
	pthread_mutex_unlock(&d->lock);
	return job;
}

/* Our share goes first: who asks frees the request then, not the scheduling thread. */
static bool finish(struct desk *d, struct desk_job *job, enum desk_end end, struct wire_answer *answer)
{
	if (!claim(job)) {
		if (answer)
			wire_answer_free(answer);
		desk_release(job);
		return false;
	}
	desk_release(job);
	tell(d, job, end, answer);
	return true;
}

bool desk_answer(struct desk *d, struct desk_job *job, struct wire_answer *answer)
{
	return finish(d, job, DESK_ANSWERED, answer);
}

void desk_decline(struct desk *d, struct desk_job *job)
{
	finish(d, job, DESK_DECLINED, NULL);
}

void desk_close(struct desk *d)
{
	struct desk_job *job;

	pthread_mutex_lock(&d->lock);
	d->closed = true;
	pthread_mutex_unlock(&d->lock);
	while ((job = desk_take(d)) != NULL)
		desk_decline(d, job);
}
