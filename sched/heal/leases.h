/*
 * leases.h - the nodes' Leases in kube-node-lease, by one watch: how long each was not renewed.
 *
 * All Leases come by one watch, in order: when some Lease was renewed, those that had been renewed before have been seen. So a Lease grows older only
 * until the last renewal of any: a watch that stands still makes nobody older. In a pause that is longer than a cluster that is well has (3/8 of the
 * longest duration that a Lease names: of 40 s 15) nothing is known of anybody, and after it everybody's age begins anew: what was missed may come in
 * any pieces.
 * Ages are by our own clock; renewTime is compared, never read.
 *
 * One thread, all inside kube_run and leases_tick.
 */
#ifndef SCHED_HEAL_LEASES_H
#define SCHED_HEAL_LEASES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/kube/client.h"

struct leases;

struct leases *leases_new(struct kube *k);
void leases_free(struct leases *l);			/* before the client; NULL is fine */
/* Returns milliseconds until it is needed again. */
int64_t leases_tick(struct leases *l, int64_t mono_ms);

struct leases_one {
	double age_s;			/* NaN: there is none, no list was whole yet, or the watch says nothing */
	double duration_s;		/* leaseDurationSeconds; NaN: it does not say */
	int64_t renewals;		/* that were seen; its first sight is none */
};
bool leases_listed(const struct leases *l);
struct leases_one leases_of(const struct leases *l, const char *node, int64_t mono_ms);

/* For tests, beside the watch: what a list (whole) or an event brings at a time. */
struct leases_event {
	const char *node, *renew_time;	/* renew_time NULL: it is gone */
	int64_t duration_s;		/* 0: it does not say */
};
void leases_take(struct leases *l, const struct leases_event *event, int64_t mono_ms);

#endif
