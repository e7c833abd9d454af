/*
 * keeper.h - one node's room as the API has it: which placeholders and guard are there, and the requests that bring them to what keeper_step.h says.
 * Private to the reserve: kept.c (what is there), keeper.c (what is due) and keeper_call.c (requests and their answers).
 *
 * One round of requests at a time for a node; what is next follows from what is there after it. So nothing has to be known of a request whose answer
 * was lost: what it was for is found undone, and sent again. A name that is there already (409) is looked at: it is ours, ended, or somebody else's.
 */
#ifndef SCHED_RESERVE_KEEPER_H
#define SCHED_RESERVE_KEEPER_H

#include "sched/reserve/reserve_private.h"

/* --- kept.c --- */
struct kept *kept_find(const struct reserve *r, const char *uid);
const struct pod *kept_pod(const struct kept *kept);	/* NULL: it is not there any more */
void kept_gone(struct kept *kept);			/* the server said so; may free it */

/* --- keeper_call.c: each begins a request, or says false: too many are in flight, or the limiter has no token --- */
bool call_placeholder(struct keeper *k, const char *name, const struct room_pod *pod);
bool call_guard(struct keeper *k, const char *covers);
bool call_covers(struct keeper *k, const struct pod *pod, const char *covers, bool urgent);	/* PATCH */
bool call_delete(struct kept *kept);			/* with grace 0, by its uid */
bool call_ask(struct keeper *k, const char *name);	/* GET: what is there by that name? */
void calls_free(struct reserve *r);

#endif
