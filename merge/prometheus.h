/*
 * prometheus.h - instant queries to a Prometheus, or to what answers like one (Thanos, VictoriaMetrics): a rate for each node.
 *
 *	struct prometheus_query queries[] = {{.text = "sum by (node) (rate(traefik_entrypoint_requests_total[1m]))"}, ...};
 *	prometheus_ask(&(struct prometheus){.url = "http://prometheus:9090"}, queries, 2, stop);
 *	if (queries[0].failed) ... queries[0].error else queries[0].answer
 *	prometheus_query_free(&queries[0]);
 *
 * GET URL/api/v1/query?query=...; all queries go out at once and have PROMETHEUS_LIMIT_MS together. No redirects, no proxy; TLS 1.2+ with the
 * system's CAs or ca_file. The token is read at each call. An answer is taken whole or not at all: status success, a vector, each sample with labels and a
 * value as text, no more than PROMETHEUS_MAX_BYTES and PROMETHEUS_VALUES_MAX. Single samples are left out and counted where what they say
 * is no rate of a node: a value that is NaN, infinite, negative or above SNAPSHOT_RATE_MAX, a label `node` that is absent or no node's name.
 */
#ifndef MERGE_PROMETHEUS_H
#define MERGE_PROMETHEUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/snapshot.h"

#define PROMETHEUS_LIMIT_MS 5000
#define PROMETHEUS_MAX_BYTES ((size_t)8 << 20)
#define PROMETHEUS_VALUES_MAX 400000	/* JSON values in an answer: 5000 nodes need 40,000; they bound what a hostile text costs in memory */
#define PROMETHEUS_QUERY_MAX 8192	/* bytes of a query */

struct prometheus {
	const char *url;		/* as url_check takes it; a path is kept: "https://metrics.example/prometheus" */
	const char *token_file;		/* NULL: none */
	const char *ca_file;		/* NULL: the system's CAs */
};

struct prometheus_answer {
	struct snapshot_entry rates;	/* by node, in the order of the answer; several samples of a node are added up. No age */
	uint32_t nameless;		/* samples without a node's name in the label `node` */
	uint32_t refused;		/* samples whose value is no rate */
	char warning[256];		/* the first of the answer's warnings; "" when there is none */
};

struct prometheus_query {
	const char *text;
	bool failed;			/* from here on: of prometheus_ask */
	struct lm_err error;		/* when failed: begins with the URL */
	struct prometheus_answer answer;
};

/* On failure nothing is to be freed. Errors are LM_DATA and name the place: "data.result[3].value: ...". */
int prometheus_parse(const char *text, size_t len, struct prometheus_answer *out, struct lm_err *err);
void prometheus_answer_free(struct prometheus_answer *answer);

/* Fills each query. `stop` (may be NULL) is asked while waiting; true ends all as failed. */
void prometheus_ask(const struct prometheus *where, struct prometheus_query *queries, size_t count, bool (*stop)(void));
void prometheus_query_free(struct prometheus_query *query);

#endif
