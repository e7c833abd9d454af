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
 * Leader: a PUT every retry period, on the last known resourceVersion; where that fails (409, a lost answer) the Lease is read first. It leads
 * until renew_deadline after the beginning of the last renewal that succeeded, on CLOCK_BOOTTIME, so that a suspended or stopped
 * process notices before anything is sent: ask elect_leading immediately before every binding (kube_request.may_send).
 * Standby: the Lease counts as held until its own duration has passed since this process saw it change last. Times that other machines
 * wrote are never compared. A watch of the Lease is a hint only: it brings a try at once when the holder lets go, and lets us see renewals as
 * they happen; without permission to watch, tries at the retry period and when the Lease runs out do. A Lease that somebody deletes
 * still counts as held for what was left of it: its holder makes it anew.
 * The rules themselves are elect_step.h; this is their clock, requests and log.
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

#define ELECT_DURATION "15s"		/* client-go's, as options */
#define ELECT_DEADLINE "10s"
#define ELECT_RETRY "2s"

enum elect_state { ELECT_STANDBY, ELECT_LEADING, ELECT_LOST, ELECT_RELEASING, ELECT_ENDED };

struct elect_settings {
	const char *namespace_, *name;	/* of the Lease */
	const char *identity;		/* of this process: unique */
	int64_t duration_ms, deadline_ms, retry_ms;
};

struct elect;

/* duration > deadline > 1.2 x retry > 0 and names that the API takes, else LM_USAGE: checked by the one who reads the options too. */
int elect_check(const struct elect_settings *settings, struct lm_err *err);
/* Copies the settings. Nothing is sent before the first tick. */
struct elect *elect_new(struct kube *k, const struct elect_settings *settings);
void elect_free(struct elect *e);			/* before the client; without releasing; NULL is fine */
/* Starts what is due. Returns milliseconds until it is needed again, at most `most`. Logs what changes. */
int64_t elect_tick(struct elect *e, int64_t mono_ms, int64_t most);
/* Logs, too, when the time of a leader is over. */
enum elect_state elect_state(struct elect *e, int64_t mono_ms);
/* Says nothing and changes nothing: fit for may_send. */
bool elect_leading(const struct elect *e, int64_t mono_ms);
const char *elect_holder(const struct elect *e);	/* last seen; "" none */
/*
 * Lets go, when we hold it: after the last binding has ended. Goes on in elect_tick until the state is ELECT_ENDED, at the latest
 * after the retry period, also when the API does not answer. A standby ends at once, unless it may have got the Lease just now.
 */
void elect_release(struct elect *e);
/* Milliseconds by which the renewal of a leader is overdue (past the deadline); 0: none. For the liveness check. */
int64_t elect_overdue_ms(const struct elect *e, int64_t mono_ms);

struct elect_stats {
	int64_t transitions;		/* of the Lease, as last seen: how often it changed hands */
	int64_t failures;		/* tries to take or to renew it that failed, since the start */
	int64_t renewed_mono_ms;	/* when the last one that succeeded was sent; -1 never */
};
struct elect_stats elect_stats(const struct elect *e);

#endif
