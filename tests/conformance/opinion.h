/*
 * opinion.h - what a scheduler says of a pod: the nodes that passed all filters, and the reasons why the others did not.
 *
 *	opinion_differs(&theirs, &ours)		OPINION_ bits
 */
#ifndef TESTS_CONFORMANCE_OPINION_H
#define TESTS_CONFORMANCE_OPINION_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#define RECORDED "recorded by conformance"	/* what the recorder gives as its reason for each node */

struct opinion {
	char **nodes;			/* that passed, sorted */
	uint32_t count;
	char *reasons;			/* "1 Insufficient cpu, 2 node(s) were unschedulable."; "" when no node was refused; of ours and theirs alike */
	bool error;			/* of theirs: SchedulerError. Filters run on nodes side by side, and the first error is told: its text is chance */
	bool unsupported;		/* of ours: it refuses the pod for a field that it does not know yet */
};

enum { OPINION_NODES = 1, OPINION_REASONS = 2 };

void opinion_add(struct opinion *v, const char *node);	/* keeps them sorted */
/* Of a message as it stands in the condition: without the head (0/5 nodes are available:), the recorder's part, and preemption's. */
char *opinion_reasons(const char *message);
unsigned opinion_differs(const struct opinion *theirs, const struct opinion *ours);
/* The reasons that differ, without numbers, as words with hyphens: "insufficient-memory"; "nodes" when it is the nodes alone. The caller frees. */
char *opinion_difference(const struct opinion *theirs, const struct opinion *ours);
void opinion_free(struct opinion *v);

/* {"nodes":["n-1"],"reasons":"..."} */
cJSON *opinion_to_json(const struct opinion *v);
void opinion_of_json(const cJSON *json, struct opinion *out);

#endif
