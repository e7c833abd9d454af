/*
 * snapshot_private.h - what lib/snapshot*.c share: pieces of an empty snapshot, and the plain form.
 *
 * The predecessors' plain form, {"edge-1":{"edge-2":0.412}} in milliseconds, is parsed one row at a time. Nodes are the row names in
 * their order, then those that are only named as a column. `out` is empty but for its scalars; the caller frees it also after a
 * failure.
 */
#ifndef LIB_SNAPSHOT_PRIVATE_H
#define LIB_SNAPSHOT_PRIVATE_H

#include "lib/snapshot.h"
#include "lib/snapshot_rows.h"

void snapshot_blank(struct snapshot *s);			/* {0} with the defaults of scalars */
void snapshot_blank_nodes(struct snapshot *s);			/* age, seen, load, silence: unknown, for s->nodes */
float *snapshot_blank_cells(size_t count);			/* NaN */
void snapshot_zero_diagonal(struct snapshot *s);

int snapshot_plain_read(const char *text, const struct snapshot_members *members, struct snapshot *out, struct lm_err *err);

#endif
