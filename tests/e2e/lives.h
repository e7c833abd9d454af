/*
 * lives.h - pods by uid, over their whole life: a name is borne by several, one after the other. Each has the time in which a scheduler may
 * write to it; the judge reads the API server's audit log, its events and its objects.
 *
 *	struct lives l;
 *	lives_begin(&l, &s);				after e2e_begin; the audit log is read from here on
 *	lives_make(&l, "web", &(struct pod_kind){.cpu = 100});
 *	lives_delete(&l, "web");			gone; with a finalizer: deleting
 *	lives_make(&l, "web", &(struct pod_kind){.scheduler = "somebody-else", .cpu = 200});
 *	...
 *	lives_finish(&l);				ends the scheduler, so that it sends its events; fails the test where the judge finds faults
 *	lives_end(&l);
 *
 * Judged, of everything that the scheduler's account wrote:
 * - it is a binding, the status of a pod, or an event;
 * - no binding was asked for without the uid of a pod that was, or had been, its own to bind; none was carried out twice, for another name,
 *   or after the pod's time;
 * - no other write to a pod was accepted outside of the times of those that bore the name, and none was asked for where there never was one;
 * - what was never its own is as the test left it;
 * - no event is about a pod that was never its own; each bound pod has one Scheduled event, one that is dead at most one;
 * - at no time was a node given more than it has, and fit_check finds nothing at the end.
 */
#ifndef TESTS_E2E_LIVES_H
#define TESTS_E2E_LIVES_H

#include "lib/names.h"
#include "tests/e2e/e2e.h"

#define LIVES_OURS "my-latency-scheduler"
#define LIVES_NEVER INT64_MAX

struct pod_kind {
	const char *scheduler;		/* NULL: ours; "": not named */
	unsigned cpu;			/* thousandths */
	const char *metadata, *spec;	/* further members, ",\"x\":.."; NULL: none */
	bool untouchable;		/* though it is ours: gated, or on a node */
};

struct life {
	char name[64], uid[40], version[24];	/* resourceVersion after the last write of the test */
	/* Microseconds since 1970: it may be written to by our account from .. until. The first is early and the last late by what we know. */
	int64_t from_us, until_us;
	int64_t freed_us;		/* not before that was it gone */
	cJSON *pod;			/* as it was made */
	int bindings, refusals, events;	/* by the judge: carried out; refused by the server; Scheduled */
};

struct lives {
	struct sched *s;
	struct life *items;
	size_t count, room;
	struct names uids;
	long from;			/* of the audit log */
	int unlogged;			/* pods that were on a node from the beginning */
	/* By the judge: */
	int bound, refused;		/* bindings */
	int status_writes, status_refused;
};

void lives_begin(struct lives *l, struct sched *s);
void lives_end(struct lives *l);

int64_t lives_now_us(void);
char *lives_body(const char *name, const struct pod_kind *kind);	/* the caller frees */
/* A pod as the server answered; began_us: before it was asked for. Takes the tree. */
void lives_add(struct lives *l, cJSON *pod, const struct pod_kind *kind, int64_t began_us);
/* Gone, or being deleted: asked for at began_us, answered now. */
void lives_gone(struct lives *l, struct life *life, int64_t began_us);
struct life *lives_last(struct lives *l, const char *name);		/* the youngest that bears it */

/* The same as one request each, which must succeed. */
void lives_make(struct lives *l, const char *name, const struct pod_kind *kind);
void lives_delete(struct lives *l, const char *name);
/* A strategic merge patch; `subresource` "" or "/status". */
void lives_patch(struct lives *l, const char *name, const char *subresource, const char *body);
/* The same; it is the scheduler's to bind from then on. */
void lives_release(struct lives *l, const char *name, const char *body);
/* Takes the finalizers of one that is being deleted: it is gone. */
void lives_unpin(struct lives *l, const char *name);

/* Ends the scheduler by SIGTERM, which must give 0, and judges; prints the figures. */
void lives_finish(struct lives *l);

#endif
