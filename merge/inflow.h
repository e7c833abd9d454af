/*
 * inflow.h - traffic as this run learns of it: where it enters the cluster (from a Prometheus or a file), and how much each node has.
 *
 *	struct inflow in;
 *	inflow_ask(&in, settings, stop);		// at most PROMETHEUS_LIMIT_MS; never an error
 *	... fold with &in.entry.rates, &in.traffic.rates ...
 *	inflow_judged(&in, &summary, &next, complaints, metrics);
 *	inflow_free(&in);
 *
 * A source that cannot be asked, or is silent (no sample, or nothing but zeros), gives no rates. Each trouble is logged once, and its end too.
 *
 * A file is JSON or YAML, {"edge-1": 3, "edge-2": 1}: any weights, 0 and more, by node.
 */
#ifndef MERGE_INFLOW_H
#define MERGE_INFLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "merge/complaints.h"
#include "merge/fold.h"
#include "merge/meter.h"
#include "merge/prometheus.h"
#include "merge/settings.h"

#define INFLOW_STRANGERS_MAX 20		/* log lines about nodes outside of the mesh in one run */

struct inflow_source {
	enum { INFLOW_UNASKED, INFLOW_OK, INFLOW_SILENT, INFLOW_FAILED } state;
	struct snapshot_entry rates;
	uint32_t nameless, refused;	/* samples that are not used */
	char warning[256];		/* of the Prometheus; "" none */
	struct lm_err error;		/* of INFLOW_FAILED */
};

struct inflow {
	struct inflow_source entry, traffic;
	int64_t known_mono_ms;		/* when it was answered */
};

/* `stop` may be NULL; true ends the waiting. */
void inflow_ask(struct inflow *in, const struct settings *settings, bool (*stop)(void));
/* The age of the rates, for the fold. */
void inflow_age(struct inflow *in);
/* After fold_finish: logs and counts. */
void inflow_judged(const struct inflow *in, const struct fold_summary *summary, const struct snapshot *next, struct complaints *complaints,
		   struct metrics *metrics);
void inflow_free(struct inflow *in);

/* The text of a file; on failure nothing is to be freed. LM_DATA. */
int inflow_parse_list(const char *text, size_t len, struct snapshot_entry *out, struct lm_err *err);

#endif
