/*
 * room.h - placeholders and guards as the API's objects, and what has to be made or taken away on one node so that it keeps what the plan says.
 * Text and arithmetic only.
 */
#ifndef SCHED_RESERVE_ROOM_H
#define SCHED_RESERVE_ROOM_H

#include "sched/cache/cache.h"
#include "sched/reserve/plan.h"

/* The body of a POST to /api/v1/namespaces/NAMESPACE/pods. spec.nodeName is set: the API server puts it on its node at once. */
void room_placeholder(const struct reserve_settings *s, const char *node, const struct resources *requests, const struct host_port *ports,
		      uint32_t port_count, const char *covers, struct buf *out);
/* Keeps every pod off `node` that honours anti-affinity; it tolerates all taints. `covers`: the annotation that it takes over. */
void room_guard(const struct reserve_settings *s, const char *node, const char *covers, struct buf *out);

enum room_step {
	ROOM_RIGHT,			/* nothing to do */
	ROOM_ADD,			/* one more placeholder for each of `add` makes it right: needs no guard */
	ROOM_RENEW,			/* too much is kept, or something does not match: all are to be taken away and made anew, under a guard */
	ROOM_EMPTY,			/* nothing is to be kept: all are to be taken away */
};

/* What the placeholders are to be: so many pods, whose requests sum up to the room. */
struct room_pod {
	struct resources requests;
	const struct host_port *ports;	/* borrowed from the room */
	uint32_t port_count;
};
struct room_change {
	enum room_step step;
	struct room_pod *add;		/* of ROOM_ADD what is missing, of ROOM_RENEW all */
	size_t add_count;
};

/*
 * `want` NULL: none. `have`: the placeholders on the node that are neither ended nor ending. More than the room by up to a tenth of it is right: less
 * coming and going.
 */
void room_change_of(const struct plan_room *want, const struct pod *const *have, size_t have_count, struct room_change *out);
void room_change_free(struct room_change *c);

#endif
