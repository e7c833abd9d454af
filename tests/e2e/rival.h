/*
 * rival.h - a real kube-scheduler beside ours, as the user system:kube-scheduler, with its built-in rules.
 *
 *	struct rival r;
 *	rival_start(&r, NULL);			default profile; or the text of a KubeSchedulerConfiguration without clientConnection
 *	...
 *	rival_stop(&r);
 */
#ifndef TESTS_E2E_RIVAL_H
#define TESTS_E2E_RIVAL_H

#include <sys/types.h>

#define RIVAL_PORT 10259		/* the first of */
#define RIVAL_PORTS 100			/* one after the other: several may run at once */

struct rival {
	pid_t pid;			/* 0: not running */
	int port;
	char *log, *config;
};

/*
 * `profiles`: members of the configuration as YAML lines ("percentageOfNodesToScore: 100\n..."), NULL for none. Without leaderElection among them it
 * has no Lease. Ready when it returns.
 */
void rival_start(struct rival *r, const char *profiles);
/* The same with an option of its command line ("--feature-gates=..."). */
void rival_start_with(struct rival *r, const char *profiles, const char *flag);
/* The same without waiting. */
void rival_launch(struct rival *r, const char *profiles);
/* A client's rates are part of clientConnection: 5000 and 5000, so that they do not limit. */
void rival_stop(struct rival *r);
/* A value of its /metrics: the first line that begins with `name` ("process_cpu_seconds_total"); NaN. */
double rival_metric(const struct rival *r, const char *name);

#endif
