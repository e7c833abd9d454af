#include "sched/stats.h"

#include <math.h>

#include "sched/bind.h"
#include "sched/queue.h"

static const char *const decisions[] = {"placed", "no_node", "pod_refused", NULL};
static const char *const reloads[] = {"taken", "same", "older", "failed", NULL};
static const char *const resources[] = {"nodes", "pods", NULL};
static const char *const configs[] = {"loaded", "refused", NULL};

static const double decision_bounds[] = {1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 1e-2, 0.1, INFINITY};
static const double bind_bounds[] = {1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 100, INFINITY};

#define P "latency_sched_"

static const struct metric_spec specs[STAT_COUNT] = {
	[STAT_DECISIONS] = {METRIC_COUNTER, P "decisions_total", "decisions", "result", decisions, NULL},
	[STAT_DECISION_SECONDS] = {METRIC_HISTOGRAM, P "decision_seconds", "time of one decision", NULL, NULL, decision_bounds},
	[STAT_BAD_REQUESTS] = {METRIC_COUNTER, P "bad_requests_total", "decisions about a pod with a bad latency label or annotation", NULL, NULL, NULL},
	[STAT_BINDINGS] = {METRIC_COUNTER, P "bindings_total", "bindings that ended", "outcome", bind_end_names, NULL},
	[STAT_BIND_SECONDS] = {METRIC_HISTOGRAM, P "bind_seconds", "from the decision to the answer, of bound pods", NULL, NULL, bind_bounds},
	[STAT_WAIT_SECONDS] = {METRIC_HISTOGRAM, P "pod_wait_seconds", "from entering the queue to the answer, of bound pods", NULL, NULL, bind_bounds},
	[STAT_PENDING] = {METRIC_GAUGE, P "pending_pods", "pods in the queue", "queue", queue_state_names, NULL},
	[STAT_ASSUMED] = {METRIC_GAUGE, P "assumed_pods", "pods that are promised to a node and not confirmed by the watch", NULL, NULL, NULL},
	[STAT_BINDINGS_OPEN] = {METRIC_GAUGE, P "bindings_open", "bindings that did not end", NULL, NULL, NULL},
	[STAT_BINDINGS_UNKNOWN] = {METRIC_GAUGE, P "bindings_unknown", "of them: sent, without an answer that says what happened", NULL, NULL, NULL},
	[STAT_EVENTS_SENT] = {METRIC_COUNTER, P "events_sent_total", "events and conditions that the API took", NULL, NULL, NULL},
	[STAT_EVENTS_DROPPED] = {METRIC_COUNTER, P "events_dropped_total", "events and conditions that were given up", NULL, NULL, NULL},
	[STAT_RELOADS] = {METRIC_COUNTER, P "matrix_reloads_total", "looks at a changed latency file", "result", reloads, NULL},
	[STAT_EDIT_TO_USE_SECONDS] = {METRIC_HISTOGRAM, P "edit_to_use_seconds", "from the change of the latency file to its use", NULL, NULL, bind_bounds},
	[STAT_MATRIX_AGE_SECONDS] = {METRIC_GAUGE, P "matrix_age_seconds", "age of the matrix in use, beyond its rows' own", NULL, NULL, NULL},
	[STAT_MATRIX_GENERATION] = {METRIC_GAUGE, P "matrix_generation", "generation of the matrix in use", NULL, NULL, NULL},
	[STAT_MATRIX_NODES] = {METRIC_GAUGE, P "matrix_nodes", "nodes in the matrix in use; 0: none in use", NULL, NULL, NULL},
	[STAT_MATRIX_USABLE] = {METRIC_GAUGE, P "latency_file_usable", "1 when the last look at the latency file gave a matrix", NULL, NULL, NULL},
	[STAT_HOLD] = {METRIC_GAUGE, P "hold", "1 while a file `hold` lies beside the latency file", NULL, NULL, NULL},
	[STAT_READER_STARTS] = {METRIC_COUNTER, P "reader_starts_total", "starts of the process that reads the latency file", NULL, NULL, NULL},
	[STAT_READER_SILENT_SECONDS] = {METRIC_GAUGE, P "reader_silent_seconds", "since its last sign of life", NULL, NULL, NULL},
	[STAT_SETTLE_TIMEOUTS] = {METRIC_COUNTER, P "reload_waits_expired_total", "decisions that did not wait longer for a reload", NULL, NULL, NULL},
	[STAT_SYNCED] = {METRIC_GAUGE, P "synced", "1 when nodes and pods were listed", NULL, NULL, NULL},
	[STAT_NODES] = {METRIC_GAUGE, P "nodes", "nodes of the cluster", NULL, NULL, NULL},
	[STAT_PODS] = {METRIC_GAUGE, P "pods", "pods of the cluster that did not end", NULL, NULL, NULL},
	[STAT_BAD_OBJECTS] = {METRIC_COUNTER, P "bad_objects_total", "objects of the API that could not be read", "resource", resources, NULL},
	[STAT_LISTS] = {METRIC_COUNTER, P "lists_total", "whole lists", "resource", resources, NULL},
	[STAT_WATCHES] = {METRIC_COUNTER, P "watches_total", "watches begun", "resource", resources, NULL},
	[STAT_WATCH_EVENTS] = {METRIC_COUNTER, P "watch_events_total", "events of watches", "resource", resources, NULL},
	[STAT_WATCH_GONE] = {METRIC_COUNTER, P "watch_gone_total", "watches that had to be listed anew (410)", "resource", resources, NULL},
	[STAT_WATCH_SILENT_SECONDS] = {METRIC_GAUGE, P "watch_silent_seconds", "since a list, an event or a bookmark", "resource", resources, NULL},
	[STAT_CONFIG_RELOADS] = {METRIC_COUNTER, P "config_reloads_total", "reloads of the configuration (SIGHUP)", "result", configs, NULL},
};

struct metrics *stats_new(void)
{
	return metrics_new(specs, STAT_COUNT);
}
