/*
 * edit.h - a person edits cluster-latency.json on a host's mount.
 */
#ifndef TESTS_LAB_EDIT_H
#define TESTS_LAB_EDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/lab/cluster.h"

struct edit {
	const char *from, *to;		/* nodes, or a node and a client */
	double ms;			/* the new round trip, both ways between nodes; jitter and loss become 0 */
	bool in_place;			/* as `cat >` does; else a new file renamed over it, as most editors do */
	const struct edit *also;	/* in the same file; NULL */
};

/* touch hold, or rm hold, on a host's mount. */
int edit_hold(struct cluster *c, int host, bool on, struct lm_err *err);
/* *truth (may be NULL) becomes what the file says now; *done_us is the monotonic time when the write was over. */
int edit_apply(struct cluster *c, int host, const struct edit *edit, struct topology *truth, int64_t *done_us, struct lm_err *err);

#endif
