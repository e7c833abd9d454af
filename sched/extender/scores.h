/*
 * scores.h - GET /scores of the extender: for each node of the matrix the CPU in use and the median round trip from a vantage point, as lib/scorelist.h
 * has them; lower is better.
 *
 *	scheduling thread: scores_give(scores, &in)  --- the picture, immutable, by reference --->  HTTP thread: scores_answer(scores, request, reply)
 *
 *	/scores			from the first target of defaultNear of the first profile that exists
 *	/scores?from=TARGET	from node/NAME, client/NAME, zone/NAME, entry or mesh (`any:` before a zone or entry: from the nearest node of it)
 *
 * 200 with an entry for each node, though all null: the vantage point is not there, or nothing is known. A node whose data are of no worth (older than 10
 * periods) has null twice; a pair that is lost is null, and so is the mean over the entry nodes where the way to one of them is unknown. 400 with what is wrong
 * about TARGET; 503 while there is no matrix: never an empty list.
 *
 * Ages count at the moment of the request, so data die here too when the scheduling thread hangs. A new matrix is seen at once; zones, pods and the configuration
 * within SCORES_STALE_MS.
 */
#ifndef SCHED_EXTENDER_SCORES_H
#define SCHED_EXTENDER_SCORES_H

#include "lib/http.h"
#include "sched/extender/judge.h"

#define SCORES_STALE_MS 5000

struct scores;

struct scores *scores_new(void);
void scores_free(struct scores *s);		/* no handler may run any more; NULL is fine */
/* The scheduling thread, at each turn: cheap when there is nothing new. */
void scores_give(struct scores *s, const struct judge_input *in);
/* Any thread. */
void scores_answer(struct scores *s, const struct http_request *request, struct http_reply *reply);
/* The same at that time: for tests. */
void scores_answer_at(struct scores *s, const struct http_request *request, int64_t mono_ms, struct http_reply *reply);

#endif
