/*
 * cluster.h - the pipeline in the laboratory: the stand-in API server (in the guest's first network, reached by all without
 * delay), a probe on each host, the merger and the scheduler on one host each.
 *
 *	struct cluster *c = cluster_open(&err);		// the laboratory as it is
 *	cluster_api(c, &err);				// the API server, with a node for each host
 *	cluster_probes, cluster_merger, cluster_scheduler	in any order
 *	cluster_close(c);
 *
 * The programs run as uid 65532 with the volume on /latency, as in pods. Logs: /lab/out/logs/PROGRAM[-HOST].log,
 * written at cluster_close.
 */
#ifndef TESTS_LAB_CLUSTER_H
#define TESTS_LAB_CLUSTER_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <sys/types.h>

#include "lib/err.h"
#include "lib/report.h"
#include "lib/snapshot.h"
#include "tests/lab/topology.h"

#define CLUSTER_NODE_CPU_MILLI 4000
#define CLUSTER_FILE "cluster-latency.json"

struct cluster {
	struct topology t;		/* the truth; guest_wire changes it */
	struct kube *kube;
	int merger_host, sched_host;
	pid_t standin, merger, sched;	/* 0: not running */
	pid_t probe[TOPOLOGY_MAX_HOSTS];
};

struct cluster *cluster_open(struct lm_err *err);
void cluster_close(struct cluster *c);		/* ends all programs and keeps their logs; NULL is fine */

int cluster_api(struct cluster *c, struct lm_err *err);
int cluster_probes(struct cluster *c, struct lm_err *err);		/* on every host that has none */
int cluster_probe(struct cluster *c, int host, struct lm_err *err);
int cluster_merger(struct cluster *c, int host, struct lm_err *err);
int cluster_scheduler(struct cluster *c, int host, struct lm_err *err);

/* Where a program's output goes; host -1: none. */
void cluster_log_path(const struct cluster *c, int host, const char *program, char *path, size_t size);

/*
 * One request to the API; a status of 300 and above is an error that quotes the answer. *answer may be NULL; else the caller deletes
 * it.
 */
int cluster_request(struct cluster *c, const char *method, const char *path, const char *body, cJSON **answer, struct lm_err *err);

/* As a host sees the volume. */
int cluster_snapshot(const struct cluster *c, int host, struct snapshot *out, struct lm_err *err);
int cluster_report(const struct cluster *c, int host, const char *node, struct report *out, struct lm_err *err);
/* Milliseconds, from the snapshot: what `from` measured to a host or a client; NaN unknown. */
double cluster_measured_ms(const struct snapshot *s, const char *from, const char *to);
double cluster_measured_loss(const struct snapshot *s, const char *from, const char *to);

/* Asks `ready` every 20 ms until it is true; false after limit_s, or when one of the programs died (*err says which). */
typedef bool cluster_ready(struct cluster *c, void *arg);
int cluster_wait(struct cluster *c, cluster_ready *ready, void *arg, double limit_s, const char *what, struct lm_err *err);

#endif
