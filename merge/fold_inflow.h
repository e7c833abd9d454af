/*
 * fold_inflow.h - the fold's part about traffic: where it enters, and how much each node has. Private to fold.c; what holds is said in fold.h.
 */
#ifndef MERGE_FOLD_INFLOW_H
#define MERGE_FOLD_INFLOW_H

#include "merge/fold.h"

/* `out` has its nodes, ages, loads and its period; its entry is empty. */
void fold_inflow(const struct fold_settings *settings, struct snapshot *out, struct fold_summary *summary);

#endif
