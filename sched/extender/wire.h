/*
 * wire.h - the JSON of a kube-scheduler's extender, version 1: what /filter and /prioritize are sent (ExtenderArgs), and what they answer.
 *
 *	struct wire_request r;
 *	if (wire_parse(body, len, &r, &err) < 0) ...		400, with err.msg
 *	struct wire_answer a = wire_answer_of(r.count);		then each verdict or score is set
 *	wire_print_filter(&r, &a, &out);
 *	wire_answer_free(&a);
 *	wire_free(&r);
 *
 * Keys of the request's own objects are accepted in any case (Go's decoder does so, and clients of the old policy API wrote them small); two that
 * differ by case alone are refused. What is in Pod and in a Node is the API's, in its own writing. Nodes come in one of two forms: NodeNames
 * (nodeCacheCapable: true), or Nodes with whole objects; the answer has the form of the request. When both are there NodeNames is the list.
 * Answers are written as in Go's types: PascalCase.
 *
 * The text has to outlive wire_print_*, which send bytes of it back as they came.
 *
 * No I/O, no clock: any thread. It remembers the last few pods that it read: a kube-scheduler asks twice about each, in the same bytes.
 */
#ifndef SCHED_EXTENDER_WIRE_H
#define SCHED_EXTENDER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "sched/cache/pod.h"

#define WIRE_NODES_MAX 20000
#define WIRE_NAME_MAX 253		/* Kubernetes' */
#define WIRE_SCORE_MAX 10		/* kube-scheduler's MaxExtenderPriority */
#define WIRE_SCORE_NEUTRAL 5		/* of all, when there is nothing to say */

struct wire_node {
	const char *name;
	const cJSON *object;		/* NULL: the request has only its name */
	/*
	 * Its bytes in the text, as they go back: of the object, for numbers of a tree would lose digits; of the name with its quotes, where they need
	 * no look (scan.h), else NULL.
	 */
	const char *raw;
	size_t raw_len;
};

struct wire_request {
	const struct pod *pod;
	struct wire_node *nodes;	/* in the request's order, each name once */
	uint32_t count;
	bool whole;			/* the form is Nodes */
	cJSON *tree;			/* private: what names and objects point into; NULL when they were scanned */
	char *names;			/* private: then it is this */
	struct pod *own_pod;		/* private: the pod, or NULL: it is that of `rest`, which is shared */
	struct wire_rest *rest, *oldest_rest;	/* private; what is forgotten for it is freed with it, when nobody waits */
};

/*
 * Refused, with LM_DATA: no strict JSON (lib/json.h), no Pod or one without uid, namespace and name, neither form of nodes, a node without a name, one
 * that is there twice, more than WIRE_NODES_MAX.
 */
int wire_parse(const char *text, size_t len, struct wire_request *out, struct lm_err *err);
void wire_free(struct wire_request *r);

/* A member by its name in any case, for wire_bind.h. *out is NULL where it is absent or null; LM_DATA where it is there twice. */
int wire_member(const cJSON *object, const char *key, const cJSON **out, struct lm_err *err);

enum wire_verdict {
	WIRE_PASSED,
	WIRE_FAILED,			/* FailedNodes: evicting pods there could help */
	WIRE_UNRESOLVABLE,		/* FailedAndUnresolvableNodes: it could not */
};

struct wire_answer {
	char *error;			/* of /filter: the pod's own fault; of /bind: why not. NULL: none; else nothing below counts */
	bool neutral;			/* neither latency nor load had a say in it */
	uint32_t count;			/* the arrays are parallel to the request's nodes */
	struct wire_mark {
		enum wire_verdict verdict;
		int score;		/* written within 0..WIRE_SCORE_MAX */
		const char *reason;	/* NULL when it passed; one of `reasons`, or a constant */
	} *nodes;
	char **reasons;			/* owned, each once */
	size_t reason_count, reason_room;
};

/* All passed, all neutral, and so it says: also the answer when nothing could be decided. */
struct wire_answer wire_answer_of(uint32_t count);
void wire_answer_free(struct wire_answer *a);
/* The answer's copy of a text, made once. */
const char *wire_reason(struct wire_answer *a, const char *text);

void wire_print_filter(const struct wire_request *r, const struct wire_answer *a, struct buf *out);
void wire_print_priorities(const struct wire_request *r, const struct wire_answer *a, struct buf *out);

#endif
