/*
 * asker.h - the real latency-sched --mode extender, and a client beside it that asks as a kube-scheduler does.
 *
 *	struct asker a;
 *	asker_begin(&a, options);		nodes a, b and c; 5 ms from a to b, 9 ms to c from both
 *	... kube_send(a.kube, ..) ...
 *	asker_end(&a);				SIGTERM, after which it ends with 0
 *
 * asker_begin is sched_begin, a cluster, sched_start and asker_find; asker_end is sched_stop and asker_leave: a test that does more between them calls these.
 */
#ifndef TESTS_ASKER_H
#define TESTS_ASKER_H

#include "tests/testing/sched.h"

struct asker {
	struct sched s;
	struct kube *kube;		/* to the extender */
	char *url;
	struct kube_config config;
	char *text;			/* the last answer, the test's; NULL: none yet */
	int status;
	int64_t sent_ms, took_ms;
};

/* `options` as in sched_start; --extender-listen 127.0.0.1:0 among them. */
void asker_begin(struct asker *a, const char *const *options);
void asker_end(struct asker *a);
/* Where it listens: the scheduler is up. Makes the client. */
void asker_find(struct asker *a);
/* All but the scheduler's end. */
void asker_leave(struct asker *a);

/* One request and its answer: status, text, took_ms. Without an answer the test fails. */
void asker_send(struct asker *a, const char *method, const char *path, const char *body);
/* The 200 to a POST for a pod with these members of its metadata; `nodes` is one form of nodes. */
const char *asker_ask(struct asker *a, const char *path, const char *metadata, const char *nodes);

#endif
