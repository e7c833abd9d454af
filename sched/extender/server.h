/*
 * server.h - /filter and /prioritize over HTTP, for a kube-scheduler: reads requests strictly, has them decided (desk.h), and answers in time.
 *
 *	POST /filter		ExtenderArgs -> ExtenderFilterResult
 *	POST /prioritize	ExtenderArgs -> HostPriorityList
 *
 * 200 is the only success. 400 no ExtenderArgs, 404, 405, 408 the body came too slowly (SERVER_BODY_MS), 413 a body over SERVER_BODY_BYTES (Node
 * objects of a large cluster: nodeCacheCapable: true sends names instead), 415 no JSON, 503 too many bodies at a time; each with a line of text.
 *
 * A request that was read whole is answered within SERVER_DEADLINE_MS, whatever the scheduling thread does. Without a decision /prioritize gives all nodes
 * the same score, and /filter passes all nodes, or says so in `Error`, as `late` has it.
 *
 * Each connection has a thread of its own, which waits; limits on connections and header are http.h's.
 */
#ifndef SCHED_EXTENDER_SERVER_H
#define SCHED_EXTENDER_SERVER_H

#include "lib/http_tls.h"
#include "lib/metrics.h"
#include "sched/extender/desk.h"

#define SERVER_DEADLINE_MS 1000
#define SERVER_WAIT_MS 800			/* of it, for the decision; the rest is for reading and writing */
#define SERVER_BODY_MS 5000			/* kube-scheduler gives up then, if not told otherwise */
#define SERVER_BODY_BYTES ((size_t)16 << 20)
#define SERVER_BODIES_BYTES ((size_t)64 << 20)

enum server_late { SERVER_LATE_PASS, SERVER_LATE_ERROR };	/* the choices of --extender-late */

struct server;

/* `desk`, `stats` and `tls` (NULL: none) must outlive it. */
int server_open(const char *listen, struct http_tls *tls, enum server_late late, struct desk *desk, struct metrics *stats, struct server **out,
		struct lm_err *err);
int server_port(const struct server *s);
int server_busy(const struct server *s);	/* requests that were read and are not answered */
void server_close(struct server *s);		/* waits for those; close the desk first. NULL is fine */

#endif
