/*
 * index.h - which nodes hold how many pods of a group. A group is all pods of a namespace with label key=value, of a controller, or of an
 * owner. A group exists while it has a member.
 */
#ifndef SCHED_CACHE_INDEX_H
#define SCHED_CACHE_INDEX_H

#include <stdint.h>

#include "sched/cache/table.h"

enum group_kind { GROUP_LABEL, GROUP_CONTROLLER, GROUP_OWNER };

struct group_key {
	enum group_kind kind;
	const char *namespace_, *key, *value;	/* controller and owner: in `key`, with value "" */
};

struct place;

/* A node and its number of members. Open addressing by place_serial; pods 0 is an empty slot. */
struct group_slot {
	struct place *place;
	uint64_t hash;
	uint32_t pods;
};

struct group {
	struct group_key key;		/* its strings follow the struct */
	uint64_t hash;
	struct group_slot *slots;
	uint32_t room, count;		/* nodes */
};

/* Groups by key. */
struct group *index_find(const struct table *groups, const struct group_key *key);
/* Counts one pod more on a node; makes the group when there is none. `serial` identifies the place for ever (it decides the order). */
struct group *index_add(struct table *groups, const struct group_key *key, struct place *place, uint64_t serial);
/* One pod less; an empty group is freed. */
void index_remove(struct table *groups, struct group *group, const struct place *place, uint64_t serial);
uint32_t group_count_at(const struct group *group, const struct place *place, uint64_t serial);
void index_free(struct table *groups);

#endif
