/*
 * tables.h - what the demo prints as tables.
 */
#ifndef TESTS_LAB_TABLES_H
#define TESTS_LAB_TABLES_H

#include "tests/lab/cluster.h"
#include "tests/lab/pods.h"

int tables_nodes(const struct topology *t);			/* hosts that are nodes */
uint32_t tables_pairs(const struct topology *t);		/* from each node to each other node and client */
uint32_t tables_known(const struct topology *t, const struct snapshot *s);

double tables_worst_ms(const struct topology *t, const struct snapshot *s);	/* the largest error of a known pair */

void tables_hosts(const struct topology *t);
void tables_report(const struct cluster *c, int host, const char *node);
/* Each row: measured, true, error; then the worst error. */
void tables_matrix(const struct topology *t, const struct snapshot *s);

void tables_placement_head(void);
void tables_placement(const struct pods *pods, const struct topology *truth, int i, const struct judgement *j);
void tables_waiting(const struct pod_ask *ask, const char *reason);

#endif
