/*
 * contract.h - judges what kube-schedulers and the extender said to each other (tap.h): the wire format to the letter, and wishes.h's arithmetic over
 * each offer and each answer. It shares no code with sched/extender.
 *
 *	struct contract c = {.models = &m, .model_count = 1, .wish = wish, .count = 500, .whole = false};
 *	contract_judge(&c, talks, count);	as often as there is more
 *	contract_judge_placed(&c, pods);	a PodList: each pod is where the last answers about it let it be
 *	if (c.faults.len) fail_msg(...)
 *	contract_free(&c);
 *
 * An answer has to be that of one generation as a whole; which one, where there are several, is its own affair. Pods are p-0 .. of wishes_pod; talks that
 * the tap spoiled are passed over.
 */
#ifndef TESTS_E2E_CONTRACT_H
#define TESTS_E2E_CONTRACT_H

#include "lib/buf.h"
#include "tests/e2e/tap.h"
#include "tests/e2e/wishes.h"

#define CONTRACT_MODELS 2

struct contract {
	const struct wishes *models;
	int model_count;
	const struct wish *wish;	/* by pod */
	int count;
	bool whole;			/* nodeCacheCapable: false */
	bool single;			/* --extender-alone: each answer has one node at 10, within a point of the best total */
	const char *alone, *among;	/* schedulerNames that ask here; by the first nothing else ranks: its pods are on a node of the best score */

	int filtered, prioritized;	/* answers that were judged */
	int ranked;			/* of the latter, those whose pod says near: for others form and range alone are judged */
	int of_model[CONTRACT_MODELS];	/* those that only this one explains */
	int chosen;			/* pods that had several nodes of different scores */
	struct buf faults;		/* a line each */
	int fault_count;
	struct contract_last *last;	/* private: by pod */
};

void contract_judge(struct contract *c, const struct tap_talk *talks, size_t count);
void contract_judge_placed(struct contract *c, const cJSON *pods);
void contract_free(struct contract *c);

#endif
