/*
 * elect.h - which of several replicas may bind: leader election with a Lease, as client-go does it.
 *
 *	             lease free, expired or ours: PUT or POST taken
 *	  STANDBY ---------------------------------------------------> LEADING --- elect_release ---> RELEASING ---> ENDED
 *	     ^                                                            |                            (holder "", 1 s)
 *	     +-- another holds it: again after retry x (1..2.2)           +-- no renewal within the deadline, or another holder seen
 *	                                                                  v
 *	                                                                LOST: the program ends
 *
 * Leader: a PUT every retry period, on the last known resourceVersion; where that is refused (409) the Lease is read first. It leads
 * until renew_deadline after the beginning of the last renewal that succeeded, on CLOCK_BOOTTIME, so that a suspended or stopped
 * process notices before anything is sent: ask elect_leading immediately before every binding (kube_request.may_send).
 * Standby: the Lease counts as held until its own duration has passed since this process saw it change last. Times that other machines
 * wrote are never compared. A watch of the Lease is a hint only: it brings a try at once when the holder lets go, and lets us see renewals as
 * they happen; without permission to watch, tries at the retry period do.
 * It is no fence: what keeps a pod from two bindings is the API server. The margin (duration minus deadline) covers clocks that run at rates
 * that differ by less than duration / deadline.
 *
 * Constants of client-go: duration 15 s, deadline 10 s, retry 2 s, jitter factor 1.2. One thread, all inside kube_run and elect_tick.
 */
#ifndef SCHED_ELECT_H
#define SCHED_ELECT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/kube/client.h"

enum elect_state { ELECT_STANDBY, ELECT_LEADING, ELECT_LOST, ELECT_RELEASING, ELECT_ENDED };

struct elect_settings {
	const char *namespace_, *name;	/* of the Lease */
	const char *identity;		/* of this process: unique */
	int64_t duration_ms, deadline_ms, retry_ms;
};

struct elect;

/* duration > deadline > 1.2 x retry > 0, else LM_USAGE that names them: checked by the one who reads the options too. */
int elect_check(const struct elect_settings *settings, struct lm_err *err);
/* Copies the settings. Nothing is sent before the first tick. */
struct elect *elect_new(struct kube *k, const struct elect_settings *settings);
void elect_free(struct elect *e);			/* before the client; without releasing; NULL is fine */
/* Starts what is due. Returns milliseconds until it is needed again, at most `most`. Logs what changes. */
int64_t elect_tick(struct elect *e, int64_t mono_ms, int64_t most);
enum elect_state elect_state(const struct elect *e, int64_t mono_ms);
bool elect_leading(const struct elect *e, int64_t mono_ms);
const char *elect_holder(const struct elect *e);	/* last seen; "" none */
/* Lets go, when we hold it: after the last binding has ended. Ends by itself after the retry period when the API does not answer. */
void elect_release(struct elect *e);
/* Milliseconds by which the renewal of a leader is overdue (past the deadline); 0: none. For the liveness check. */
int64_t elect_overdue_ms(const struct elect *e, int64_t mono_ms);

#endif
