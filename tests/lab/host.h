/*
 * host.h - a host of the laboratory: a process that keeps a network namespace and a mount namespace with the volume on /latency.
 */
#ifndef TESTS_LAB_HOST_H
#define TESTS_LAB_HOST_H

#include "lib/err.h"
#include "tests/lab/topology.h"

#define HOST_VOLUME "/latency"
/* What a mount of the volume should have everywhere (DESIGN.md), plus what NFS needs to be told. A dead server hangs its
 * clients, as on most real nodes. */
#define HOST_MOUNT "vers=4.1,proto=tcp,sec=sys,hard,timeo=50,retrans=2,lookupcache=positive,actimeo=1"

/*
 * host_start for each, then the links (wire.h), then host_connect for each: all hosts mount at the same time; host_wait waits for one.
 */
struct host_control {
	int go, ready;			/* pipes: write to one, read from the other */
};
int host_start(struct topology *t, int i, struct host_control *c, struct lm_err *err);
int host_connect(struct host_control *c, struct lm_err *err);
int host_wait(const struct topology *t, int i, struct host_control *c, struct lm_err *err);

#endif
