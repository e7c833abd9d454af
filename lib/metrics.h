/*
 * metrics.h - counters, gauges and histograms in the text format of Prometheus.
 *
 * A program describes its metrics in one static table; values are atomics, so any thread may change them and the HTTP thread may
 * print them. Names are `latency_{probe,merge,sched}_*`, in seconds and bytes.
 *
 *	enum { M_RUNS, M_REJECTED, M_FOLD_SECONDS, M_COUNT };
 *	static const struct metric_spec specs[M_COUNT] = {
 *		[M_REJECTED] = {METRIC_COUNTER, "latency_merge_reports_rejected_total", "reports not used", "reason", reasons}, ...
 *	};
 *	struct metrics *m = metrics_new(specs, M_COUNT);
 *	metrics_add(m, M_REJECTED, REASON_SYNTAX, 1);
 *
 * A metric has no label, or labels whose values are a fixed list (cardinality is decided at compile time). Several labels stand in one text with
 * commas between them, and so do their values: "method,code" and {"GET,2xx", "GET,4xx", ...}.
 */
#ifndef LIB_METRICS_H
#define LIB_METRICS_H

#include <stddef.h>

#include "lib/buf.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_spec {
	enum metric_type type;
	const char *name, *help;
	const char *label;			/* NULL: none; several: "method,code" */
	const char *const *values;		/* of the label or labels, NULL-terminated */
	const double *bounds;			/* of a histogram: upper bounds, ascending, ended by INFINITY; NULL: 10 us to 10 s */
};

struct metrics;

struct metrics *metrics_new(const struct metric_spec *specs, size_t count);
void metrics_free(struct metrics *m);
/* `which` is the index in the table; `value` that of the label's value, 0 without label. All are thread-safe. */
void metrics_add(struct metrics *m, int which, int value, double delta);	/* counter, gauge */
void metrics_set(struct metrics *m, int which, int value, double to);		/* gauge; NaN hides the line */
void metrics_observe(struct metrics *m, int which, int value, double seen);	/* histogram */
double metrics_get(const struct metrics *m, int which, int value);		/* a histogram's count */
/* Appends the text format, with process_* basics (memory, CPU, fds, start time) and latency_build_info{version}. */
void metrics_print(const struct metrics *m, struct buf *out);

#endif
