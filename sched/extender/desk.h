/*
 * desk.h - where HTTP's threads leave a request for the scheduling thread. Nobody waits: the end is told, once, by whoever makes it.
 *
 *	any thread: job = desk_job(verb, &request)		scheduling thread: poll desk_fd; while ((job = desk_take(desk))) ...
 *	    desk_ask(desk, job, until, done, arg)
 *	      |  queue, at most DESK_MAX  --- eventfd --->  |
 *	      |  <----------  done(arg, end, answer)  ------  desk_answer(desk, job, &answer) or desk_decline, in this turn or in a later one, in any order
 *	      |  <----------  done(arg, DESK_LATE)  --------  the desk's own thread, at `until`
 *
 * While the scheduling thread sleeps (desk_rest), who asks need not wake it: desk_at_once has the job decided where it is asked, by one thread at a time. The
 * scheduling thread waits for that one before it goes on (desk_resume), so that what a decision reads and writes has no other lock.
 *
 * A job is shared by who asks and by the scheduling thread, from desk_take to desk_answer: it goes with the last of them, so that the scheduling thread never
 * reads what is gone, and who asks never waits for it. Any number of jobs may be in hand.
 */
#ifndef SCHED_EXTENDER_DESK_H
#define SCHED_EXTENDER_DESK_H

#include "sched/extender/judge.h"
#include "sched/extender/wire_bind.h"

#define DESK_MAX 1024			/* not taken yet: more than are decided in a second are late anyway */

struct desk;
struct desk_job;			/* what both have a share in */

enum desk_end { DESK_ANSWERED, DESK_DECLINED /* not ready, full or closed */, DESK_LATE };

/*
 * On the thread that ends it: inside desk_ask, desk_answer, desk_decline or desk_close, or the desk's own. Short, and asks nothing of the desk.
 * *answer is the callee's to keep and free on DESK_ANSWERED; else NULL.
 */
typedef void desk_done(void *arg, enum desk_end end, struct wire_answer *answer);

/*
 * For desk_at_once, on the thread that asks, while the scheduling thread sleeps: fills *answer, or returns false when this job is for the scheduling thread: it
 * would have to wait for something, or takes long. Asks nothing of the desk.
 */
typedef bool desk_decide(void *arg, struct desk_job *job, struct wire_answer *answer);

int desk_open(struct desk **out, struct lm_err *err);
void desk_free(struct desk *d);		/* after desk_close, and when nothing is in hand any more; NULL is fine */

/* Any thread. */
struct desk_job *desk_job(enum judge_verb verb, struct wire_request *request);	/* takes the content of *request, which becomes {0} */
enum judge_verb desk_verb(const struct desk_job *job);
const struct wire_request *desk_request(const struct desk_job *job);
/* The other kind of job: a binding, answered by wire_answer.error alone (NULL: the pod is bound). Takes the content of *bind. */
struct desk_job *desk_job_bind(struct wire_bind *bind);
const struct wire_bind *desk_bind(const struct desk_job *job);			/* NULL: it is a request with a verb */
int64_t desk_until(const struct desk_job *job);					/* of desk_ask */
/* True: *answer is the caller's, and desk_ask is not wanted. Never waits. */
bool desk_at_once(struct desk *d, struct desk_job *job, struct wire_answer *answer);
void desk_ask(struct desk *d, struct desk_job *job, int64_t until_mono_ms, desk_done *done, void *arg);	/* once for a job */
void desk_release(struct desk_job *job);	/* the share of who made it; not before `done` */

/* The scheduling thread. */
void desk_on_rest(struct desk *d, desk_decide *how, void *arg);	/* before the first desk_rest */
void desk_rest(struct desk *d);			/* nothing that a decision looks at is touched from here ... */
void desk_resume(struct desk *d);		/* ... to here */
int desk_fd(const struct desk *d);		/* readable: there may be a job */
struct desk_job *desk_take(struct desk *d);	/* NULL: none. Each must be answered or declined, once: then it is gone */
/* Takes the content of *answer. False: it came too late, the end was told already. */
bool desk_answer(struct desk *d, struct desk_job *job, struct wire_answer *answer);
void desk_decline(struct desk *d, struct desk_job *job);
void desk_close(struct desk *d);		/* all that wait in the queue are declined, now and from now on */

#endif
