#include "sched/stats.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/http_tls.h"
#include "lib/mem.h"
#include "sched/bind.h"
#include "sched/heal/evict.h"
#include "sched/heal/judge.h"
#include "sched/queue.h"
#include "sched/volumes.h"

static const char *const decisions[] = {"placed", "no_node", "pod_refused", NULL};
static const char *const reloads[] = {"taken", "same", "older", "failed", NULL};
const char *const stat_resource_names[] = {
	[RESOURCE_NODES] = "nodes",
	[RESOURCE_PODS] = "pods",
	[RESOURCE_OBJECTS + OBJECT_NAMESPACE] = "namespaces",
	[RESOURCE_OBJECTS + OBJECT_CLAIM] = "persistentvolumeclaims",
	[RESOURCE_OBJECTS + OBJECT_VOLUME] = "persistentvolumes",
	[RESOURCE_OBJECTS + OBJECT_CLASS] = "storageclasses",
	[RESOURCE_OBJECTS + OBJECT_CSI_NODE] = "csinodes",
	[RESOURCE_OBJECTS + OBJECT_CSI_DRIVER] = "csidrivers",
	[RESOURCE_OBJECTS + OBJECT_CAPACITY] = "csistoragecapacities",
	[RESOURCE_OBJECTS + OBJECT_ATTACHMENT] = "volumeattachments",
	[RESOURCE_COUNT] = NULL,
};
static const char *const configs[] = {"loaded", "refused", NULL};
static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "WATCH", NULL};
static const char *const timed[] = {"GET", "POST", "PUT", "PATCH", "DELETE", NULL};	/* a watch lasts as long as it may */

/* Classes, so that `code=~"5.."` finds what it finds of client-go's rest_client_requests_total; 429 is one of its own: the API has no time for us. */
#define CODES(method) method ",2xx", method ",3xx", method ",4xx", method ",429", method ",5xx", method ",<error>"
#define CODE_COUNT 6
static const char *const outcomes[] = {CODES("GET"), CODES("POST"), CODES("PUT"), CODES("PATCH"), CODES("DELETE"), CODES("WATCH"), NULL};

static char lease_name[254];		/* the one label that is known at the start only */
static const char *const leases[] = {lease_name, NULL};

#define ENDS(verb) verb ",decided", verb ",bad", verb ",declined", verb ",late"
static const char *const extender_ends[] = {ENDS("filter"), ENDS("prioritize"), ENDS("bind"), NULL};

static const char *const reserve_pods[] = {"covered", "uncovered", "owed", NULL};
const char *const stat_reserve_nodes[] = {"steady", "opening", "open", "refilling", NULL};
static const char *const reserve_plans[] = {"made", "failed", NULL};
static const char *const handovers[] = {"placed", "misfit", "expired", NULL};

static const double decision_bounds[] = {1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 1e-2, 0.1, INFINITY};
static const double wait_bounds[] = {1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 100, INFINITY};

#define COUNTER(name, help) {METRIC_COUNTER, "latency_sched_" name, help, NULL, NULL, NULL}
#define COUNTERS(name, label, values, help) {METRIC_COUNTER, "latency_sched_" name, help, label, values, NULL}
#define GAUGE(name, help) {METRIC_GAUGE, "latency_sched_" name, help, NULL, NULL, NULL}
#define GAUGES(name, label, values, help) {METRIC_GAUGE, "latency_sched_" name, help, label, values, NULL}
#define TIMES(name, bounds, help) {METRIC_HISTOGRAM, "latency_sched_" name, help, NULL, NULL, bounds}

static const struct metric_spec specs[STAT_COUNT] = {
	[STAT_DECISIONS] = COUNTERS("decisions_total", "result", decisions, "decisions"),
	[STAT_DECISION_SECONDS] = TIMES("decision_seconds", decision_bounds, "time of one decision"),
	[STAT_BAD_REQUESTS] = COUNTER("bad_requests_total", "decisions about a pod with a bad latency label or annotation"),
	[STAT_BINDINGS] = COUNTERS("bindings_total", "outcome", bind_end_names, "bindings that ended"),
	[STAT_BIND_SECONDS] = TIMES("bind_seconds", wait_bounds, "from the decision to the answer, of bound pods"),
	[STAT_WAIT_SECONDS] = TIMES("pod_wait_seconds", wait_bounds, "from entering the queue to the answer, of bound pods"),
	[STAT_PENDING] = GAUGES("pending_pods", "queue", queue_state_names, "pods in the queue"),
	[STAT_PENDING_SECONDS] = GAUGE("oldest_pending_pod_seconds", "since when the pod waits that waits longest; 0: none does"),
	[STAT_ASSUMED] = GAUGE("assumed_pods", "pods that are promised to a node and not confirmed by the watch"),
	[STAT_ASSUMED_SECONDS] = GAUGE("oldest_assumed_pod_seconds", "age of the oldest of these promises; 0: none"),
	[STAT_BINDINGS_OPEN] = GAUGE("bindings_open", "bindings that did not end"),
	[STAT_BINDINGS_UNKNOWN] = GAUGE("bindings_unknown", "of them: sent, without an answer that says what happened"),
	[STAT_VOLUMES] = COUNTERS("volume_bindings_total", "outcome", volumes_end_names, "pods whose volumes had to be bound first: what became of that"),
	[STAT_VOLUMES_OPEN] = GAUGE("volume_bindings_open", "pods that have their node and wait for their volumes"),
	[STAT_EVENTS_SENT] = COUNTER("events_sent_total", "events and conditions that the API took"),
	[STAT_EVENTS_DROPPED] = COUNTER("events_dropped_total", "events and conditions that were given up"),
	[STAT_RELOADS] = COUNTERS("matrix_reloads_total", "result", reloads, "looks at a changed latency file"),
	[STAT_EDIT_TO_USE_SECONDS] = TIMES("edit_to_use_seconds", wait_bounds, "from a change of the latency file to its use"),
	[STAT_ENTRY_AGE_SECONDS] = GAUGE("entry_age_seconds", "age of the data of where traffic enters; NaN without any; above 10 periods they are not used"),
	[STAT_MATRIX_AGE_SECONDS] = GAUGE("matrix_age_seconds", "age of the matrix in use, beyond its rows' own"),
	[STAT_MATRIX_GENERATION] = GAUGE("matrix_generation", "generation of the matrix in use"),
	[STAT_MATRIX_NODES] = GAUGE("matrix_nodes", "nodes in the matrix in use; 0: none in use"),
	[STAT_MATRIX_USABLE] = GAUGE("latency_file_usable", "1 when the last look at the latency file gave a matrix"),
	[STAT_HOLD] = GAUGE("hold", "1 while a file `hold` lies beside the latency file"),
	[STAT_READER_STARTS] = COUNTER("reader_starts_total", "starts of the process that reads the latency file"),
	[STAT_READER_SILENT_SECONDS] = GAUGE("reader_silent_seconds", "since its last sign of life"),
	[STAT_SETTLE_TIMEOUTS] = COUNTER("reload_waits_expired_total", "decisions that did not wait longer for a reload"),
	[STAT_SYNCED] = GAUGE("synced", "1 when the cluster was listed: nodes, pods and what decisions need beside them"),
	[STAT_NODES] = GAUGE("nodes", "nodes of the cluster"),
	[STAT_PODS] = GAUGE("pods", "pods of the cluster that did not end"),
	[STAT_BAD_OBJECTS] = COUNTERS("bad_objects_total", "resource", stat_resource_names, "objects of the API that could not be read"),
	[STAT_LISTS] = COUNTERS("lists_total", "resource", stat_resource_names, "whole lists"),
	[STAT_WATCHES] = COUNTERS("watches_total", "resource", stat_resource_names, "watches begun"),
	[STAT_WATCH_EVENTS] = COUNTERS("watch_events_total", "resource", stat_resource_names, "events of watches"),
	[STAT_WATCH_GONE] = COUNTERS("watch_gone_total", "resource", stat_resource_names, "watches that had to be listed anew (410)"),
	[STAT_WATCH_SILENT_SECONDS] = GAUGES("watch_silent_seconds", "resource", stat_resource_names, "since a list, an event or a bookmark"),
	[STAT_CONFIG_RELOADS] = COUNTERS("config_reloads_total", "result", configs, "reloads of the configuration"),
	[STAT_CONFIG_GOOD] = GAUGE("config_last_reload_successful", "0 when the configuration file was refused and an older one is in force"),
	[STAT_CONFIG_LOADED_SECONDS] = GAUGE("config_last_reload_success_timestamp_seconds", "when the configuration in force was loaded"),
	[STAT_API_REQUESTS] = COUNTERS("api_requests_total", "method,code", outcomes, "requests to the API that ended"),
	[STAT_API_SECONDS] = {METRIC_HISTOGRAM, "latency_sched_api_request_seconds", "from a request to its answer", "method", timed,
			      wait_bounds},
	[STAT_LEADER] = {METRIC_GAUGE, "leader_election_master_status", "1: this process leads, 0: it stands by", "name", leases, NULL},
	[STAT_LEASE_TRANSITIONS] = GAUGE("lease_transitions", "how often the lease changed hands, as last seen"),
	[STAT_LEASE_FAILURES] = COUNTER("lease_failures_total", "tries to take or to renew the lease that failed"),
	[STAT_LEASE_RENEWED_SECONDS] = GAUGE("lease_renewal_age_seconds", "since the last renewal, of a leader"),
	[STAT_EXTENDER] = COUNTERS("extender_requests_total", "verb,result", extender_ends,
				   "requests of a kube-scheduler; declined: not ready or closing, late: no decision in time"),
	[STAT_TLS_REFUSED] = COUNTERS("extender_tls_refused_total", "reason", http_tls_reasons, "connections to the extender's port that ended in the handshake"),
	[STAT_TLS_RELOADS] = COUNTERS("extender_certificate_reloads_total", "result", configs, "changes of the extender's certificate, key or client CA"),
	[STAT_TLS_END_SECONDS] = GAUGE("extender_certificate_expiry_seconds", "when the extender's certificate in use ends, since 1970"),
	[STAT_RESERVE_PODS] = GAUGES("reserve_pods", "state", reserve_pods,
				     "pods that want room on another node: have it, do not, or wait for it as their node failed"),
	[STAT_RESERVE_OVERHEAD] = GAUGE("reserve_overhead_ratio", "part of the cluster that is kept, the mean of the resources that covered pods ask for"),
	[STAT_RESERVE_NODES] = GAUGES("reserve_nodes", "state", stat_reserve_nodes, "nodes that keep room, or hand it over"),
	[STAT_RESERVE_PLANS] = COUNTERS("reserve_plans_total", "result", reserve_plans, "plans of the reserve"),
	[STAT_RESERVE_PLAN_SECONDS] = GAUGE("reserve_plan_seconds", "how long the last plan took"),
	[STAT_RESERVE_HANDOVERS] = COUNTERS("reserve_handovers_total", "result", handovers,
					    "rights to kept room that ended; misfit: it did not hold, expired: nobody came"),
	[STAT_HEAL_NODES] = GAUGES("heal_nodes", "life", life_names, "nodes, by what Lease and mesh say of them"),
	[STAT_HEAL_EVICTIONS] = COUNTERS("heal_evictions_total", "result", evict_result_names,
					 "requests to take a pod off a dead node; pdb: a PodDisruptionBudget forbids it for now, deleted: with grace 0"),
	[STAT_HEAL_WAITING] = GAUGE("heal_waiting_pods", "pods on dead nodes that are to be evicted and are not yet"),
	[STAT_HEAL_LEFT] = GAUGE("heal_budget_left", "evictions that may still be made in this hour; only of a leader, which has read what was made"),
};

static void set_all(struct metrics *m, int which, const char *const *values, double to)
{
	int i;

	for (i = 0; values[i]; i++)
		metrics_set(m, which, i, to);
}

static void set_extender(struct metrics *m, double to)
{
	set_all(m, STAT_EXTENDER, extender_ends, to);
}

static void set_tls(struct metrics *m, double to)
{
	set_all(m, STAT_TLS_REFUSED, http_tls_reasons, to);
	set_all(m, STAT_TLS_RELOADS, configs, to);
	metrics_set(m, STAT_TLS_END_SECONDS, 0, to);
}

static void set_reserve(struct metrics *m, double to)
{
	set_all(m, STAT_RESERVE_PODS, reserve_pods, to);
	set_all(m, STAT_RESERVE_NODES, stat_reserve_nodes, to);
	set_all(m, STAT_RESERVE_PLANS, reserve_plans, to);
	set_all(m, STAT_RESERVE_HANDOVERS, handovers, to);
	metrics_set(m, STAT_RESERVE_OVERHEAD, 0, to);
	metrics_set(m, STAT_RESERVE_PLAN_SECONDS, 0, to);
}

static void set_heal(struct metrics *m, double to)
{
	int i;

	for (i = 0; i < LIVES; i++)
		metrics_set(m, STAT_HEAL_NODES, i, to);
	for (i = 0; i < EVICT_RESULTS; i++)
		metrics_set(m, STAT_HEAL_EVICTIONS, i, to);
	metrics_set(m, STAT_HEAL_WAITING, 0, to);
	metrics_set(m, STAT_HEAL_LEFT, 0, to);
}

struct metrics *stats_new(void)
{
	struct metrics *m = metrics_new(specs, STAT_COUNT);

	metrics_set(m, STAT_LEADER, 0, NAN); /* hidden without leader election */
	metrics_set(m, STAT_LEASE_RENEWED_SECONDS, 0, NAN);
	set_extender(m, NAN);
	set_tls(m, NAN);
	set_reserve(m, NAN);
	set_heal(m, NAN);
	return m;
}

void stats_show_extender(struct metrics *stats)
{
	set_extender(stats, 0);
}

void stats_show_tls(struct metrics *stats)
{
	set_tls(stats, 0);
}

void stats_show_reserve(struct metrics *stats)
{
	set_reserve(stats, 0);
	metrics_set(stats, STAT_RESERVE_PLAN_SECONDS, 0, NAN);	/* none yet */
}

void stats_show_heal(struct metrics *stats)
{
	set_heal(stats, 0);
}

void stats_name_lease(const char *name)
{
	snprintf(lease_name, sizeof(lease_name), "%s", name);
}

static int code_of(int status)
{
	if (status == 429)
		return 3;
	if (status >= 200 && status <= 499)
		return status / 100 - 2;
	return status >= 500 ? 4 : 5;
}

void stats_request(void *stats, const struct kube_outcome *outcome)
{
	int method = 0;

	while (methods[method] && !STREQ(methods[method], outcome->method))
		method++;
	if (!methods[method])
		return;
	metrics_add(stats, STAT_API_REQUESTS, method * CODE_COUNT + code_of(outcome->status), 1);
	if (outcome->status && timed[method])
		metrics_observe(stats, STAT_API_SECONDS, method, outcome->seconds);
}
