/*
 * room.h - how full nodes are while pods come onto them: what fit.h knows of an end, this knows of the way there. Room is cpu, memory and
 * number of pods.
 *
 *	struct room r;
 *	room_init(&r, state);				a List of nodes and pods, each with its kind; must outlive it
 *	if (!room_fits(&r, uid, "node-1")) ...
 *	room_take(&r, uid, "node-1");
 *	room_free(&r);
 */
#ifndef TESTS_ROOM_H
#define TESTS_ROOM_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/names.h"

enum room_kind { ROOM_CPU, ROOM_MEMORY, ROOM_PODS, ROOM_KINDS };

struct room {
	struct names nodes, uids;
	double (*left)[ROOM_KINDS];		/* of each node */
	double (*asked)[ROOM_KINDS];		/* by each pod */
};

void room_init(struct room *r, const cJSON *state);	/* all nodes are empty */
void room_free(struct room *r);
/* A uid or a node that is not in the state fails the test. */
bool room_fits(const struct room *r, const char *uid, const char *node);
bool room_lacks(const struct room *r, const char *uid, const char *node, enum room_kind kind);
void room_take(struct room *r, const char *uid, const char *node);
void room_give(struct room *r, const char *uid, const char *node);

/* A pod comes onto a node. `at` is any order: a time, or the number of a line. */
struct room_step {
	int64_t at;
	const char *uid, *node;
	bool judged;			/* it must fit; others only take room */
};
/* Takes the steps in their order (and sorts them so). The number of those judged that did not fit; a line each in `faults`, which may be NULL. */
int room_walk(const cJSON *state, struct room_step *steps, size_t count, struct buf *faults);

#endif
