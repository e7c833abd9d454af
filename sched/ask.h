/*
 * ask.h - what a pod asks of the network: labels delay_<from>, annotations latency-mesh.io/near, /within, /missing, and a
 * predecessor's hard_max_latency, soft_max_latency. Parsing only, no I/O; target.h finds what the targets are.
 *
 *	list   = item *("," item)		spaces are ignored; at most 16 items, 4 KiB; duplicates refused
 *	item   = ["any:"] target ["*" weight]	near: weight in (0,1000], 1 when absent
 *	       | ["any:"] target "<=" decimal ("us"|"ms"|"s")		within
 *	target = node/NAME | zone/NAME | client/NAME | entry | mesh | KEY=VALUE | NAMESPACE:KEY=VALUE
 *
 * "=" present (before "<=") means selector, whose KEY may contain "/". An error quotes the annotation and the place; the pod then stays
 * pending with that reason.
 */
#ifndef SCHED_ASK_H
#define SCHED_ASK_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

#define ASK_MAX_ITEMS 16
#define ASK_MAX_BYTES 4096
#define ASK_NEAR "latency-mesh.io/near"
#define ASK_WITHIN "latency-mesh.io/within"
#define ASK_MISSING "latency-mesh.io/missing"

enum target_kind {
	TARGET_NODE, TARGET_ZONE, TARGET_CLIENT, TARGET_ENTRY, TARGET_MESH, TARGET_SELECTOR,
	TARGET_FROM,			/* of a delay_ label: node, client, app=<from> or controller, the first that exists */
	TARGET_DEFAULT_CLIENTS,		/* hard_/soft_max_latency: the nearest of the configured default clients */
};

struct target {
	enum target_kind kind;
	bool any;			/* the nearest one counts */
	char *name;			/* of node, zone, client, from */
	char *namespace_, *key, *value;	/* of a selector; namespace_ NULL: the pod's own */
};

struct ask_item {
	struct target target;
	char *text;			/* as the user wrote it, for messages: "app=redis", "delay_edge-1" */
	double weight;			/* near */
	double limit_us;		/* within; NaN for near */
	double enough_us;		/* soft_max_latency: up to this the score is 100; NaN: none */
};

struct ask {
	struct ask_item *near, *within;
	uint32_t near_count, within_count;
	bool allow_missing, has_missing;	/* the annotation says allow; it is there */
	char *error;			/* a bad annotation or label, with its text quoted; NULL: fine. Then near and within are empty */
};

/* Of metadata.labels and metadata.annotations (either may be NULL). Never fails: errors stand in ask.error. */
void ask_parse(const cJSON *labels, const cJSON *annotations, struct ask *out);
/* One near list, for defaultNear of the configuration. `name` is what errors call it. */
int ask_parse_near(const char *name, const char *text, struct ask *out, struct lm_err *err);
/* A limit alone, for maxLatency of the configuration: above 0, "50ms". */
int ask_parse_limit(const char *name, const char *text, double *limit_us, struct lm_err *err);
void ask_free(struct ask *ask);
const char *target_kind_name(enum target_kind kind);

#endif
