/*
 * cloud.h - the cloud role: nodes that carry one of some labels take the pods that ask for no latency, so that edges stay free for those that do.
 *
 *	label = KEY=VALUE | KEY			KEY alone: whatever its value is; "KEY=": the empty value
 *
 * Which labels is the configuration's to say (cloudLabels); none of them: there is no cloud. What follows for a decision says pick.h.
 */
#ifndef SCHED_CLOUD_H
#define SCHED_CLOUD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "sched/cache/labels.h"

#define CLOUD_MAX_LABELS 16u		/* each is looked up on each node whose labels changed */
#define CLOUD_LABELS "kubernetes.io/role=cloud,node-role.kubernetes.io/cloud"	/* the default, a list with commas */

struct cloud_label {
	char *key, *value;		/* value NULL: any */
};

struct cloud {
	struct cloud_label *items;	/* owned */
	uint32_t count;			/* 0: switched off */
	uint64_t id;			/* a hash of the labels: the same ones have the same */
};

/* Adds a label. -1 with LM_CONFIG: it is none, stands there already, or is one too many; `name` is what errors call the list. */
int cloud_add(struct cloud *cloud, const char *name, const char *text, struct lm_err *err);
/* Of a node: does it belong to the cloud? */
bool cloud_has(const struct cloud *cloud, const struct labels *labels);
void cloud_free(struct cloud *cloud);	/* and makes it {0} */

#endif
