/*
 * beside.h - latency-sched --mode extender on 127.0.0.1:8080 beside a kube-scheduler that asks it, directly or over a tap; three nodes a, b and c with
 * 5 ms from a to b and 9 ms to c, and pods of WISHES_NAME.
 *
 *	struct beside b;
 *	beside_begin(&b, beside_lenient);
 *	b.tap = tap_start(BESIDE_URL);			if wanted
 *	rival_start(&b.rival, config)			with the text of beside_config, or one's own
 *	...
 *	beside_end(&b);
 */
#ifndef TESTS_E2E_BESIDE_H
#define TESTS_E2E_BESIDE_H

#include "tests/e2e/e2e.h"
#include "tests/e2e/rival.h"
#include "tests/e2e/tap.h"
#include "tests/e2e/wishes.h"

#define BESIDE_URL "http://127.0.0.1:8080"

/* Further options of the extender: what --extender-late is. */
extern const char *const beside_lenient[], *const beside_strict[];

struct beside {
	struct sched s;
	struct rival rival;
	struct tap *tap;		/* NULL: none */
};

/* The extenders of a KubeSchedulerConfiguration, as README has it, to stand at its end; the caller frees. `more`: lines of the extender, or "". */
char *beside_extender(const char *url, bool cache_capable, bool ignorable, const char *more);
void beside_begin(struct beside *b, const char *const *options);
/* A kube-scheduler in which nothing else ranks, by the tap if there is one. */
void beside_start_rival(struct beside *b, bool cache_capable, bool ignorable);
void beside_end(struct beside *b);

/* What the condition PodScheduled says of a pod that waits; NULL. */
const char *beside_pending(const cJSON *pod);
/* The pod waits, and says so within 30 s: kube-scheduler tries again after at most 10 s. */
void beside_waits(struct beside *b, const char *pod, const char *text);
/* It gets one of these nodes ("a", "a b") within 30 s; prints after how many. */
void beside_goes_to(struct beside *b, const char *pod, const char *nodes);

#endif
