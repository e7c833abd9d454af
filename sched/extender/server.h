/*
 * server.h - /filter and /prioritize over HTTP, for a kube-scheduler: reads requests strictly, has them decided (desk.h), and answers in time.
 *
 *	POST /filter		ExtenderArgs -> ExtenderFilterResult
 *	POST /prioritize	ExtenderArgs -> HostPriorityList
 *	POST /bind		ExtenderBindingArgs -> ExtenderBindingResult, where it is wanted (`bind`)
 *	GET /scores		what is known of each node (scores.h)
 *	GET /livez, /readyz, /healthz, /metrics		as status.h has them
 *
 * 200 is the only success. 400 no ExtenderArgs, 404, 405, 408 the body came too slowly (SERVER_BODY_MS), 413 a body over SERVER_BODY_BYTES (Node
 * objects of a large cluster: nodeCacheCapable: true sends names instead), 415 no JSON, 431, 503 too many bodies at a time; each with a line of text. These
 * of the three verbs are counted as `bad`, and said in the log once a minute.
 *
 * A request that was read whole is answered within SERVER_DEADLINE_MS, whatever the scheduling thread does. Without a decision /prioritize gives all nodes
 * the same score, and /filter passes all nodes, or says so in `Error`, as `late` has it. /bind says in `Error` why the pod is not bound, and that the outcome
 * is unknown when it is not known in time: kube-scheduler reads the pod again then.
 *
 *	HTTP's pool		reads and parses; while the scheduling thread sleeps it decides at once (desk_at_once), prints and sends
 *				else leaves it at the desk; the connection sleeps
 *	scheduling thread	decides, and no more
 *	the desk's thread	ends what is late (SERVER_WAIT_MS)
 *	HTTP's pool		prints and sends; frees when the answer is away
 *
 * A hanging scheduling thread so costs no thread, and a large answer costs the scheduling thread nothing. Answers bear `X-Latency-Mode: latency`, or `neutral`
 * when neither latency nor load had a say in them.
 *
 * Limits on connections and header are http.h's. A kube-scheduler keeps its connections for as long as we do, and one that is gone when it sends costs a pod an
 * attempt: so they are kept for long once there was a request. Those limits let one in beside 2,000 idle ones of its own address.
 */
#ifndef SCHED_EXTENDER_SERVER_H
#define SCHED_EXTENDER_SERVER_H

#include "lib/http_tls.h"
#include "lib/metrics.h"
#include "sched/extender/desk.h"
#include "sched/extender/scores.h"
#include "sched/status.h"

#define SERVER_DEADLINE_MS 1000
#define SERVER_WAIT_MS 800			/* of it, for the decision; the rest is for reading and writing */
#define SERVER_BODY_MS 5000			/* kube-scheduler gives up then, if not told otherwise */
#define SERVER_BODY_BYTES ((size_t)16 << 20)
#define SERVER_BODIES_BYTES ((size_t)64 << 20)
#define SERVER_CONNECTIONS 4096
#define SERVER_CONNECTIONS_PER_ADDRESS 2500
#define SERVER_KEPT_MS 300000

enum server_late { SERVER_LATE_PASS, SERVER_LATE_ERROR };	/* the choices of --extender-late */

struct server;

struct server_settings {		/* what it points to must outlive the server */
	const char *listen;
	enum server_late late;
	struct desk *desk;
	struct scores *scores;
	struct metrics *stats;
	struct status *status;		/* NULL: without its routes */
	struct http_tls *tls;		/* NULL: none */
	bool bind;			/* with /bind: the desk gets such jobs too (desk_bind) */
};

int server_open(const struct server_settings *settings, struct server **out, struct lm_err *err);
int server_port(const struct server *s);
int server_busy(const struct server *s);	/* requests that were read and are not answered */
void server_close(struct server *s);		/* waits for those, whose jobs must end: close the desk first. NULL is fine */

#endif
