/*
 * meter.h - what the merger counts, for /metrics.
 */
#ifndef MERGE_METER_H
#define MERGE_METER_H

#include "lib/metrics.h"

enum {
	METER_RUNS, METER_REJECTED, METER_ROWS, METER_CLIENTS, METER_OLDEST, METER_GENERATION, METER_DEGRADED_RUNS, METER_LOST,
	METER_HOLD, METER_HOLD_RUNS, METER_PEERS_WRITTEN, METER_LITTER, METER_SKEW, METER_RUN_SECONDS, METER_LAST_SUCCESS, METER_BYTES,
	METER_ENTRY_QUERIES, METER_ENTRY_UNUSED, METER_ENTRY_NODES, METER_ENTRY_AGE, METER_ENTRY_DROPPED, METER_TRAFFIC_QUERIES, METER_TRAFFIC_UNUSED,
	METER_COUNT
};

enum { METER_RUN_OK, METER_RUN_DEGRADED, METER_RUN_FAILED };		/* latency_merge_runs_total{result} */
enum { METER_ROW_FRESH, METER_ROW_AGED, METER_ROW_UNKNOWN };		/* latency_merge_rows{state} */

enum { METER_QUERY_OK, METER_QUERY_SILENT, METER_QUERY_FAILED };		/* latency_merge_{entry,traffic}_queries_total{result} */
enum { METER_SAMPLE_NAMELESS, METER_SAMPLE_VALUE, METER_SAMPLE_STRANGER };	/* latency_merge_{entry,traffic}_samples_unused_total{reason} */

/* Why a report was not used: latency_merge_reports_rejected_total{reason}. */
enum meter_reason {
	REASON_MISSING, REASON_UNREADABLE, REASON_TIMEOUT, REASON_TOO_LARGE, REASON_NO_FILE, REASON_EMPTY, REASON_SYNTAX, REASON_SCHEMA,
	REASON_IDENTITY, REASON_UNKNOWN_NODE, REASON_STALE, REASON_REPLAYED, REASON_CONFLICT,
	REASON_COUNT
};
extern const char *const meter_reasons[];

struct metrics *meter_new(void);

#endif
