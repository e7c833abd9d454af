/*
 * room.h - placeholders and guards as the API's objects, and what has to be made or taken away on one node so that it keeps what the plan says.
 * Text and arithmetic only.
 *
 * There are as many placeholders as pods may come at once, and their requests sum up to the room. The first one made asks for all of it, and those
 * after it for nothing: of a sum nobody sees the parts, and huge pages come in pages only.
 */
#ifndef SCHED_RESERVE_ROOM_H
#define SCHED_RESERVE_ROOM_H

#include "sched/cache/cache.h"
#include "sched/reserve/plan.h"

#define ROOM_NAME_MAX 64		/* with the NUL */

/* What the placeholders are to be: so many pods, whose requests sum up to the room. */
struct room_pod {
	struct resources requests;
	const struct host_port *ports;	/* borrowed from the room */
	uint32_t port_count;
};

/*
 * Names follow from the node's: what is sent again makes no second pod. Placeholders are numbered. `salt` 0; another one where somebody else's pod has the
 * name.
 */
void room_placeholder_name(const char *node, unsigned salt, unsigned number, char name[static ROOM_NAME_MAX]);
void room_guard_name(const char *node, unsigned salt, char name[static ROOM_NAME_MAX]);
/*
 * The body of a POST to /api/v1/namespaces/NAMESPACE/pods. spec.nodeName is set: the API server puts it on its node at once. `scheduler`: one of ours, so
 * that nobody else's numbers count it.
 */
void room_placeholder(const struct reserve_settings *s, const char *scheduler, const char *node, const char *name, const struct room_pod *pod,
		      struct buf *out);
/* Keeps every pod off `node` that honours anti-affinity; it tolerates all taints. `covers`: the annotation that it takes over. */
void room_guard(const struct reserve_settings *s, const char *scheduler, const char *node, const char *name, const char *covers, struct buf *out);

enum room_step {
	ROOM_RIGHT,			/* nothing to do */
	ROOM_ADD,			/* one more placeholder for each of `add` makes it right: needs no guard */
	ROOM_RENEW,			/* too much is kept, or something does not match: all are to be taken away and made anew, under a guard */
	ROOM_EMPTY,			/* nothing is to be kept: all are to be taken away */
};

struct room_change {
	enum room_step step;
	struct room_pod *add;		/* of ROOM_ADD what is missing, of ROOM_RENEW all */
	size_t add_count;
};

/*
 * `want` NULL: none. `have`: the placeholders on the node that are neither ended nor ending. More than the room by up to a tenth of it (and one pod) is
 * right: less coming and going.
 */
void room_change_of(const struct plan_room *want, const struct pod *const *have, size_t have_count, struct room_change *out);
void room_change_free(struct room_change *c);
#define auto_room_change __attribute__((cleanup(room_change_free)))

#endif
