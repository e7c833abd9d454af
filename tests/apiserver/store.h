/*
 * store.h - the objects, their versions and the history that watches read.
 *
 * Each write makes a new revision with the next resourceVersion (one counter for all kinds, as etcd's). A revision is immutable and
 * counted; the history holds the last N changes with the revision before and after. All functions need the lock.
 *
 *	store_lock(s);
 *	old = store_find(s, PODS, "default/web");
 *	...
 *	new = store_put(s, PODS, "default/web", object);
 *	store_unlock(s);
 */
#ifndef STANDIN_STORE_H
#define STANDIN_STORE_H

#include <pthread.h>
#include <stdint.h>

#include "lib/buf.h"
#include "tests/apiserver/resource.h"

#define KEY_MAX (2 * PART_MAX)

struct revision {
	int refs;
	int64_t version;
	char *key;			/* "default/web", "edge-1": the order of lists */
	char *rest;			/* the object's JSON after `{"metadata":{"resourceVersion":"N`; see revision_write */
	size_t rest_len;
	char *uid;
	cJSON *labels;			/* an object, or NULL */
	char *fields[FIELDS_MAX];	/* values of resource.fields */
};

struct change {
	int64_t version;
	enum resource_id id;
	struct revision *before, *after;	/* NULL: created, deleted */
};

struct table {
	struct revision **items;	/* sorted by key */
	size_t count, room;
};

struct store;

struct store *store_new(size_t history);
void store_free(struct store *s);
void store_lock(struct store *s);
void store_unlock(struct store *s);

struct revision *store_find(const struct store *s, enum resource_id id, const char *key);	/* NULL when not */
const struct table *store_table(const struct store *s, enum resource_id id);
/* Commits `object` (in the stored form, borrowed) as a new revision. Missing uid and creationTimestamp are made. */
struct revision *store_put(struct store *s, enum resource_id id, const char *key, cJSON *object);
/* Commits the removal; returns its version. `old` was found before. */
int64_t store_delete(struct store *s, enum resource_id id, struct revision *old);

int64_t store_version(const struct store *s);
/* Changes of this kind above this version are all in the history. */
int64_t store_floor(const struct store *s, enum resource_id id);
void store_compact(struct store *s);		/* the history is gone */
/* The changes above a version, oldest first: index of the first, and one by index (NULL at the end). */
uint64_t store_change_after(const struct store *s, int64_t version);
const struct change *store_change(const struct store *s, uint64_t index);
/* The table as it was at a version that is not below the floor; the caller frees `items` alone (the revisions are borrowed). */
struct table store_table_at(const struct store *s, enum resource_id id, int64_t version);

/* Waits (without the lock meanwhile) until something of this kind changed, or store_wake was called, at most wait_ms. */
void store_wait(struct store *s, enum resource_id id, int64_t wait_ms);
void store_wake(struct store *s);		/* all waiters, of all kinds */

void revision_ref(struct revision *r);
void revision_unref(struct revision *r);	/* NULL is fine */
/* Writes the object with another version than its own where a watch needs that; `kind` NULL leaves kind and apiVersion out. */
void revision_write(const struct revision *r, const struct resource *form, int64_t version, bool with_kind, struct buf *out);
cJSON *revision_tree(const struct revision *r);		/* in the stored form, without kind and apiVersion; the caller deletes it */

void make_uid(char text[static 37]);
void time_text(char text[static 32]);		/* now, in whole seconds: "2026-11-21T21:00:00Z" */

#endif
