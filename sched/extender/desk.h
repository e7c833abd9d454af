/*
 * desk.h - where HTTP's threads leave a request for the scheduling thread, and wait for its answer no longer than they may.
 *
 *	HTTP thread: desk_ask(desk, verb, request, until, &answer)	scheduling thread: poll desk_fd; while ((job = desk_take(desk))) ...
 *	      |  queue, at most DESK_MAX  --- eventfd --->  |
 *	      |  <--- condition variable ----  desk_answer(desk, job, &answer) or desk_decline
 *
 * Both have a share in the request, which goes with the last of them: the scheduling thread never reads what is gone, and who asks never waits for it.
 */
#ifndef SCHED_EXTENDER_DESK_H
#define SCHED_EXTENDER_DESK_H

#include "sched/extender/judge.h"

#define DESK_MAX 256			/* as many as there are connections */

struct desk;
struct desk_job {
	enum judge_verb verb;
	const struct wire_request *request;
};

enum desk_end { DESK_ANSWERED, DESK_DECLINED /* not ready, full or closed */, DESK_LATE };

struct desk *desk_new(struct lm_err *err);		/* NULL: no descriptors */
void desk_free(struct desk *d);				/* nobody may wait any more; NULL is fine */

/* A request that is shared by who asks and who answers. Any thread. */
struct desk_request;
struct desk_request *desk_request(struct wire_request *request);	/* takes the content of *request, which becomes {0} */
const struct wire_request *desk_wire(const struct desk_request *r);
void desk_release(struct desk_request *r);				/* the caller's share */
/* Any thread. Waits until `until_mono_ms` at most. *answer is set, and the caller's to free, on DESK_ANSWERED alone. */
enum desk_end desk_ask(struct desk *d, enum judge_verb verb, struct desk_request *request, int64_t until_mono_ms, struct wire_answer *answer);

/* The scheduling thread. */
int desk_fd(const struct desk *d);			/* readable: there may be a job */
const struct desk_job *desk_take(struct desk *d);	/* NULL: none. The one taken before must have been answered or declined */
void desk_answer(struct desk *d, struct wire_answer *answer);	/* of the job that was taken; takes the content of *answer */
void desk_decline(struct desk *d);
void desk_close(struct desk *d);			/* declines all, now and from now on */

#endif
