/*
 * mirror.h - pods p0, p1, ... of the namespace default: what a watch (lib/kube/watch.h) saw of them, and what the server's own list has.
 *
 *	struct mirror *m = xcalloc(1, sizeof(*m));
 *	w = kube_watch_new(k, "/api/v1/pods", query, &mirror_handlers, m);
 *	is_there[i] = mirror_change(&api, i, is_there[i], &rng);	time and again
 *	mirror_list(m, &api);
 *	... until mirror_is_equal(m) ...
 *	assert_memory_equal(m->seen, m->listed, sizeof(m->seen));
 */
#ifndef TESTS_MIRROR_H
#define TESTS_MIRROR_H

#include "lib/kube/watch.h"
#include "tests/testing/standin.h"

#define MIRROR_PODS "/api/v1/namespaces/default/pods"

enum { MIRROR_NAMES = 700 };	/* more than a page has (500) */

struct mirror {
	uint64_t seen[MIRROR_NAMES], next[MIRROR_NAMES], listed[MIRROR_NAMES];	/* resourceVersions; 0: not there */
	bool replacing;
	int troubles;
	struct lm_err last;
};

extern const struct kube_watch_handlers mirror_handlers;

void mirror_list(struct mirror *m, struct standin *api);
bool mirror_is_equal(const struct mirror *m);

char *mirror_pod(int i);	/* the body that makes pod i; the caller frees */
/* One change of one pod: made when it is not there; else its label, or in one of three cases its end. True when it is there afterwards. */
bool mirror_change(struct standin *api, int i, bool is_there, struct rng *r);

#endif
