/*
 * board.h - how the reserve stands, for people and programs: GET /reserve, and the metrics.
 *
 *	scheduling thread: board_give(board, &standing)  --- a text, under a lock --->  HTTP thread: board_print(board, out)
 *
 * One JSON object:
 *
 *	{"version":1, "now":"2026-11-29T22:00:00.000Z", "leading":true,
 *	 "plan":{"made":"2026-11-29T21:59:58.000Z", "took_ms":12, "error":null},
 *	 "overhead_percent":{"mean":4.2, "cpu":3.1, "memory":5.3},
 *	 "covered":[{"pod":"default/web-1", "uid":"..", "node":"edge-1", "refuge":"edge-2"}],
 *	 "owed":[{"pod":"default/web-2", "uid":"..", "node":"edge-3", "refuge":"edge-2"}],
 *	 "uncovered":[{"pod":"default/db-0", "uid":"..", "node":"edge-1", "reason":"0/3 nodes are available: ..."}],
 *	 "nodes":[{"node":"edge-2", "state":"steady", "placeholders":2, "kept":{"cpu":"1500m", "memory":"1073741824"}, "guard":false, "owed":0,
 *		   "error":null, "room":{"for_failure":"edge-1", "pods":2, "requests":{"cpu":"1500m", "memory":"1073741824"}, "ports":["TCP/8080"]}}]}
 *
 * now: when this was written, about once a second. leading false: this replica stands by; only the leader knows more.
 * plan: the newest; null: none yet. error: why the one after it failed.
 * overhead_percent: of the cluster's allocatable what the plan keeps; mean of the resources that covered pods ask for.
 * covered: the room is there. owed: their node has failed, and what replaces them has a right to the room. uncovered: has none, or not yet, with the reason.
 * nodes: those that keep room or are to. state: steady; opening: the placeholders are on their way out; open: for those that are owed; refilling: on their
 * way in. kept: what the placeholders request. room: what the plan wants there, the most of any one failure; null: nothing, or the node is left as it is
 * while room is handed over. for_failure: the failure with most of it. error: what the API said against it.
 */
#ifndef SCHED_RESERVE_BOARD_H
#define SCHED_RESERVE_BOARD_H

#include "lib/metrics.h"
#include "sched/reserve/plan.h"
#include "sched/stats.h"

struct standing_pod {
	enum stat_reserve_pod state;
	const char *uid, *namespace_, *name, *node;
	const char *refuge;		/* NULL of an uncovered one */
	const char *reason;		/* of an uncovered one */
};

struct standing_node {
	const char *node;
	enum stat_reserve_node state;
	const struct plan_room *room;	/* NULL: none is wanted */
	uint32_t placeholders;		/* that are there */
	const struct resources *kept;	/* what they request; NULL: nothing */
	bool guard;
	uint32_t owed;
	const char *error;		/* NULL: none */
};

/* All borrowed. */
struct standing {
	bool leading;
	bool planned;			/* there was a plan; false: the next four say nothing */
	int64_t plan_wall_ms, plan_took_ms;
	const char *plan_error;		/* NULL: none */
	double overhead, overhead_cpu, overhead_memory;
	const struct standing_pod *pods;	/* sorted by uid, each once */
	size_t pod_count;
	const struct standing_node *nodes;	/* sorted by name */
	size_t node_count;
};

struct board;

struct board *board_new(struct metrics *stats);		/* shows the reserve's metrics */
void board_free(struct board *b);			/* nobody prints any more; NULL is fine */
void board_give(struct board *b, const struct standing *s, int64_t wall_ms);
void board_print(struct board *b, struct buf *out);	/* any thread */

#endif
