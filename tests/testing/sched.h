/*
 * sched.h - a scheduler under test: the real latency-sched against the stand-in, with a latency file in a folder of its own.
 *
 *	struct sched s;
 *	sched_begin(&s, NULL);				the stand-in
 *	sched_nodes(&s, "a b c");			4 cpu, 8Gi each
 *	sched_matrix(&s, 1, "0 5 9  5 0 9  9 9 0");	ms; rows from, columns to; `-` unknown
 *	sched_start(&s, NULL);				latency-sched, JSON log; waits until it listed the cluster
 *	sched_pod(&s, "web", "\"latency-mesh.io/near\":\"node/a\"");
 *	assert_string_equal(sched_where(&s, "web"), "a");
 *	sched_stop(&s, SIGTERM);			must end with 0
 *	sched_end(&s);
 */
#ifndef TESTS_SCHED_H
#define TESTS_SCHED_H

#include "tests/testing/standin.h"

struct sched {
	struct standin api;
	const char *folder;		/* of the latency file */
	char *file, *log;
	const char *kubeconfig;		/* of the scheduler; NULL: --server api.url */
	bool no_api;			/* neither, and nothing of it in the environment */
	char names[32][64];		/* of sched_nodes */
	int name_count, starts;
	const char *log_level;		/* NULL: debug, which sched_log_* want */
	bool elect;			/* with leader election, else the next start would wait until the lease of the one before runs out */
	bool joined;
	pid_t pid;			/* 0: not running */
	int port;			/* of its HTTP */
	char where[256];
};

void sched_begin(struct sched *s, const char *const *standin_options);
void sched_end(struct sched *s);		/* stops what runs */
/* The same without options, with nodes a, b and c in a matrix: 5 ms from a to b, 9 ms to c. */
void sched_begin_abc(struct sched *s);
void sched_finish(struct sched *s);		/* SIGTERM, after which the scheduler must end with 0; sched_end */
/* Another replica: of the same API server, file and nodes. End it before `first`. */
void sched_join(struct sched *s, const struct sched *first);
void sched_nodes(struct sched *s, const char *names);

/* Writes the file beside and renames it, as the merger does. Node and client part as numbers in ms. */
void sched_matrix(struct sched *s, int64_t generation, const char *rtt_ms);
/* The text of such a file, for tests that write it in another way; the caller frees. */
char *sched_matrix_text(const struct sched *s, const char *epoch, int64_t generation, const char *rtt_ms);
void sched_publish(struct sched *s, const char *text);
void sched_hold(struct sched *s, bool on);

/* `options` are added, NULL-terminated; NULL: none. Ends when /readyz says so. */
void sched_start(struct sched *s, const char *const *options);
/* The same without waiting. */
void sched_launch(struct sched *s, const char *const *options);
int sched_stop(struct sched *s, int signal);	/* the exit code, 128 + signal */

/* A pod of my-latency-scheduler that asks for 100m cpu. */
void sched_pod(struct sched *s, const char *name, const char *annotations);
/* The same with further members of metadata and spec: ",\"x\":..". */
void sched_pod_of(struct sched *s, const char *scheduler, const char *name, const char *annotations, const char *metadata,
		  const char *spec);
/* The node of a pod, waited for at most 10 s; "" when it got none. */
const char *sched_where(struct sched *s, const char *name);
const char *sched_node_now(struct sched *s, const char *name);	/* without waiting */
cJSON *sched_get(struct sched *s, const char *name);		/* the pod; the caller deletes */
/* reason of its PodScheduled condition when that is False, else "". Waits at most 10 s for a reason. */
const char *sched_refusal(struct sched *s, const char *name);

/* Lines of the log that hold the text; waits at most 10 s until there are `least`. */
int sched_log_count(struct sched *s, const char *text, int least);
/* A field of the last log line that holds the text: "node" of {"msg":"pod bound",..}. Waits 2 s for such a line; "" when there is none. */
const char *sched_log_field(struct sched *s, const char *text, const char *field);
/* Events of a pod with that reason (seen by the server); waits at most 10 s until there are `least`. */
int sched_events(struct sched *s, const char *pod, const char *reason, int least);
/* Bindings that the server executed (by its log), for this pod; all pods with NULL. */
int sched_bindings(struct sched *s, const char *pod);
/* A sample of /metrics: sched_metric(&s, "latency_sched_hold"); NaN when it is not there. */
double sched_metric(struct sched *s, const char *name);
/* An answer of its HTTP, freed by the caller; status 0 and NULL when there is none. */
char *sched_fetch(struct sched *s, const char *path, int *status);
/* Status code of a path of its HTTP. */
int sched_http(struct sched *s, const char *path);

#endif
