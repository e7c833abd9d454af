#include "merge/meter.h"

#include <math.h>

#include "merge/observe.h"

const char *const meter_reasons[] = {
	[REASON_MISSING] = "missing", [REASON_UNREADABLE] = "unreadable", [REASON_TIMEOUT] = "timeout", [REASON_TOO_LARGE] = "too_large",
	[REASON_NO_FILE] = "no_regular_file", [REASON_EMPTY] = "empty", [REASON_SYNTAX] = "syntax", [REASON_SCHEMA] = "schema",
	[REASON_IDENTITY] = "identity", [REASON_UNKNOWN_NODE] = "unknown_node", [REASON_STALE] = "stale", [REASON_REPLAYED] = "replayed",
	[REASON_CONFLICT] = "conflict", NULL,
};

static const char *const results[] = {"ok", "degraded", "failed", NULL};
static const char *const states[] = {"fresh", "aged", "unknown", NULL};
static const char *const query_results[] = {"ok", "silent", "failed", NULL};
static const char *const unused[] = {"without_node", "value", "unknown_node", NULL};
static const char *const posts[] = {"accepted", "bad", "unauthorized", "limited", "busy", NULL};
static const char *const kinds[] = {"observed", "estimated", NULL};
static const double run_bounds[] = {0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, INFINITY};

static const struct metric_spec specs[METER_COUNT] = {
	[METER_RUNS] = {METRIC_COUNTER, "latency_merge_runs_total", "merges by result", "result", results, NULL},
	[METER_REJECTED] = {METRIC_COUNTER, "latency_merge_reports_rejected_total", "reports not used, one a run", "reason", meter_reasons, NULL},
	[METER_ROWS] = {METRIC_GAUGE, "latency_merge_rows", "rows of the last matrix", "state", states, NULL},
	[METER_CLIENTS] = {METRIC_GAUGE, "latency_merge_clients", "clients of the last matrix", NULL, NULL, NULL},
	[METER_OLDEST] = {METRIC_GAUGE, "latency_merge_oldest_row_seconds", "age of the oldest known row", NULL, NULL, NULL},
	[METER_GENERATION] = {METRIC_GAUGE, "latency_merge_generation", "generation of the last matrix", NULL, NULL, NULL},
	[METER_DEGRADED_RUNS] = {METRIC_GAUGE, "latency_merge_degraded_runs", "runs in a row that held rows back", NULL, NULL, NULL},
	[METER_LOST] = {METRIC_COUNTER, "latency_merge_rows_lost_total", "known rows that went, or would have when held back", NULL, NULL, NULL},
	[METER_HOLD] = {METRIC_GAUGE, "latency_merge_hold", "1 while a file `hold` keeps cluster-latency.json as it is", NULL, NULL, NULL},
	[METER_HOLD_RUNS] = {METRIC_COUNTER, "latency_merge_hold_runs_total", "merges that left cluster-latency.json alone", NULL, NULL, NULL},
	[METER_PEERS_WRITTEN] = {METRIC_COUNTER, "latency_merge_peers_written_total", "times peers.json was changed", NULL, NULL, NULL},
	[METER_LITTER] = {METRIC_COUNTER, "latency_merge_litter_removed_total", "old temporary files removed", NULL, NULL, NULL},
	[METER_SKEW] = {METRIC_GAUGE, "latency_merge_writer_skew_seconds",
			"largest difference of a writer's clock from the file server's", NULL, NULL, NULL},
	[METER_RUN_SECONDS] = {METRIC_HISTOGRAM, "latency_merge_run_seconds", "duration of a merge", NULL, NULL, run_bounds},
	[METER_LAST_SUCCESS] = {METRIC_GAUGE, "latency_merge_last_success_timestamp_seconds", "end of the last merge that did not fail", NULL, NULL, NULL},
	[METER_BYTES] = {METRIC_GAUGE, "latency_merge_snapshot_bytes", "size of the last cluster-latency.json", NULL, NULL, NULL},
	[METER_ENTRY_QUERIES] = {METRIC_COUNTER, "latency_merge_entry_queries_total",
				 "times that was asked where traffic enters, by what came", "result", query_results, NULL},
	[METER_ENTRY_UNUSED] = {METRIC_COUNTER, "latency_merge_entry_samples_unused_total", "samples of it that are not used", "reason", unused, NULL},
	[METER_ENTRY_NODES] = {METRIC_GAUGE, "latency_merge_entry_nodes", "entry nodes of the last matrix", NULL, NULL, NULL},
	[METER_ENTRY_AGE] = {METRIC_GAUGE, "latency_merge_entry_age_seconds", "age of the last word of where traffic enters", NULL, NULL, NULL},
	[METER_ENTRY_DROPPED] = {METRIC_COUNTER, "latency_merge_entry_dropped_total", "times that word became too old", NULL, NULL, NULL},
	[METER_TRAFFIC_QUERIES] = {METRIC_COUNTER, "latency_merge_traffic_queries_total",
				   "times that the nodes' traffic was asked, by what came", "result", query_results, NULL},
	[METER_TRAFFIC_UNUSED] = {METRIC_COUNTER, "latency_merge_traffic_samples_unused_total", "samples of it that are not used", "reason", unused, NULL},
	[METER_OBSERVATION_POSTS] = {METRIC_COUNTER, "latency_merge_observations_posts_total", "posts of observations", "result", posts, NULL},
	[METER_OBSERVATIONS] = {METRIC_COUNTER, "latency_merge_observations_accepted_total", "observations taken", NULL, NULL, NULL},
	[METER_OBSERVATIONS_REFUSED] = {METRIC_COUNTER, "latency_merge_observations_refused_total", "observations not taken", "reason", observe_reasons, NULL},
	[METER_OBSERVATION_REPORTERS] = {METRIC_GAUGE, "latency_merge_observations_reporters", "addresses that posted lately", NULL, NULL, NULL},
	[METER_OBSERVATION_CELLS] = {METRIC_GAUGE, "latency_merge_observations_cells", "figures kept: reporter, group and node", NULL, NULL, NULL},
	[METER_CLIENT_CELLS] = {METRIC_GAUGE, "latency_merge_client_cells", "of the last matrix, what no probe measured", "kind", kinds, NULL},
};

struct metrics *meter_new(void)
{
	return metrics_new(specs, METER_COUNT);
}
