/*
 * leader.h - whether this replica may decide and bind now: leader election (elect.h) as the scheduler's loop sees it, with its options,
 * metrics and end. Everything is fine with NULL, which --leader-elect=false gives: then it may always.
 *
 * A replica joins the election when it has listed the cluster once: who cannot see it must not lead. It leaves by leader_let_go.
 *
 * The Lease is released only when no binding is open. One of unknown fate could still be executed by the API server, and a successor that
 * began at once might give the same room away before it sees that pod on its node. Kept, the Lease runs out by itself, and the request has its
 * whole duration to come to an end; the successor's list of pods then shows what became of it.
 */
#ifndef SCHED_LEADER_H
#define SCHED_LEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/kube/client.h"
#include "lib/metrics.h"
#include "sched/settings.h"

struct leader;

/* *out is NULL without leader election. `default_namespace` is where the Lease is when no option says so; NULL: kube-system. */
int leader_open(struct kube *k, const struct settings *settings, const char *default_namespace, struct metrics *stats,
		struct leader **out, struct lm_err *err);
void leader_close(struct leader *l);			/* before the client; without releasing */
/* What is due. `ready`: may join. Returns milliseconds until it is needed again, at most `most`. */
int64_t leader_tick(struct leader *l, bool ready, int64_t mono_ms, int64_t most);
/* True once: it has just become the leader, and nothing was decided since. */
bool leader_began(struct leader *l);
/* Leads at this very moment. As kube_request.may_send, with the leader as its argument. */
bool leader_acts(void *leader);
/* It led and does not any more: nothing more may be decided or sent, the program ends. */
bool leader_lost(struct leader *l);
int64_t leader_overdue_ms(const struct leader *l, int64_t mono_ms);
/* Leaves the election; to be called until it is true, at most for the retry period. `all_known`: no binding is open. */
bool leader_let_go(struct leader *l, bool all_known);

#endif
