#include "tests/conformance/shrink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "tests/conformance/make.h"
#include "tests/conformance/ours.h"

struct work {
	struct plane *plane;
	cJSON *objects;
	const char *namespace_, *name;
	int64_t end_ms;
	uint32_t tries;
};

struct pair {
	struct opinion theirs, ours;
};

static void pair_free(struct pair *pair)
{
	opinion_free(&pair->theirs);
	opinion_free(&pair->ours);
}

/* False: there is no verdict. `there` (may be NULL) gets the objects as the server has them. */
static bool both(struct plane *p, const cJSON *objects, const char *namespace_, const char *name, struct pair *out, cJSON **there)
{
	struct ours *ours;
	cJSON *read;
	bool judged;

	*out = (struct pair){0};
	if (plane_load(p, objects, false))
		return false;
	read = plane_read(p);
	judged = plane_judge(p) && plane_opinion(p, namespace_, name, &out->theirs);
	if (judged) {
		ours = ours_new(read);
		ours_decide(ours, namespace_, name, &out->ours);
		ours_free(ours);
	}
	if (there && judged)
		*there = steal(&read);
	cJSON_Delete(read);
	return judged;
}

static bool still_differs(struct work *w)
{
	struct pair pair;
	bool differs = both(w->plane, w->objects, w->namespace_, w->name, &pair, NULL) && !pair.ours.unsupported &&
		       opinion_differs(&pair.theirs, &pair.ours);

	w->tries++;
	pair_free(&pair);
	return differs;
}

static bool out_of_time(const struct work *w)
{
	return clock_mono_ms() > w->end_ms;
}

/* --- objects ------------------------------------------------------------------------------------------------------------- */

static bool is_ours(const struct work *w, const cJSON *object)
{
	return STREQ(get_text(object, "kind"), "Pod") && STREQ(get_text(object, "metadata.name"), w->name) &&
	       STREQ(get_text(object, "metadata.namespace"), w->namespace_);
}

/* Without objects [from, from + count), but never without the pod itself. */
static cJSON *without(const struct work *w, int from, int count)
{
	cJSON *rest = cJSON_CreateArray();
	const cJSON *object;
	int i = 0;

	cJSON_ArrayForEach(object, w->objects) {
		if (i < from || i >= from + count || is_ours(w, object))
			cJSON_AddItemToArray(rest, cJSON_Duplicate(object, true));
		i++;
	}
	return rest;
}

/* Exchanges the contents of two arrays: the caller's pointer to w->objects stays good. */
static void swap(cJSON *a, cJSON *b)
{
	cJSON *child = a->child;

	a->child = b->child;
	b->child = child;
}

static bool drop(struct work *w, int from, int count)
{
	cJSON *rest = without(w, from, count);
	bool good = cJSON_GetArraySize(rest) < cJSON_GetArraySize(w->objects);

	if (good) {
		swap(w->objects, rest);
		good = still_differs(w);
		if (!good)
			swap(w->objects, rest);
	}
	cJSON_Delete(rest);
	return good;
}

static bool drop_other_pods(struct work *w)
{
	cJSON *rest = cJSON_CreateArray();
	const cJSON *object;
	bool good;

	cJSON_ArrayForEach(object, w->objects)
		if (!STREQ(get_text(object, "spec.schedulerName"), PLANE_SCHEDULER) || *get_text(object, "spec.nodeName") || is_ours(w, object))
			cJSON_AddItemToArray(rest, cJSON_Duplicate(object, true));
	swap(w->objects, rest);
	good = still_differs(w);
	if (!good)
		swap(w->objects, rest);
	cJSON_Delete(rest);
	return good;
}

static void drop_objects(struct work *w)
{
	int size, at;

	for (size = cJSON_GetArraySize(w->objects) / 2; size > 0; size /= 2)
		for (at = 0; at < cJSON_GetArraySize(w->objects) && !out_of_time(w);)
			if (!drop(w, at, size))
				at += size;
}

/* --- members ------------------------------------------------------------------------------------------------------------- */

/* What no object can be without, or what makes the pod one to decide. */
static bool is_needed(const char *key)
{
	static const char *const keys[] = {"kind", "name", "namespace", "uid", "containers", "schedulerName", "terminationGracePeriodSeconds", "image"};
	size_t i;

	for (i = 0; key && i < ARRAY_SIZE(keys); i++)
		if (STREQ(keys[i], key))
			return true;
	return false;
}

static void put_back(cJSON *holder, int at, cJSON *item)
{
	if (at < cJSON_GetArraySize(holder)) {
		item->prev = item;	/* cJSON 1.7.15 of Debian inserts nothing that has no neighbour */
		cJSON_InsertItemInArray(holder, at, item);
	} else if (cJSON_IsArray(holder)) {
		cJSON_AddItemToArray(holder, item);
	} else {
		auto_free char *key = xstrdup(item->string);

		cJSON_AddItemToObject(holder, key, item);
	}
}

/* From the outside to the inside: what cannot go whole may lose parts. */
static void drop_members(struct work *w, cJSON *holder)
{
	int at = 0;

	while (at < cJSON_GetArraySize(holder) && !out_of_time(w)) {
		cJSON *item = cJSON_GetArrayItem(holder, at);

		if (!is_needed(item->string)) {
			item = cJSON_DetachItemViaPointer(holder, item);
			if (still_differs(w)) {
				cJSON_Delete(item);
				continue;
			}
			put_back(holder, at, item);
		}
		drop_members(w, item);
		at++;
	}
}

bool shrink(struct plane *p, cJSON *objects, const char *namespace_, const char *name, int64_t limit_ms)
{
	struct work w = {.plane = p, .objects = objects, .namespace_ = namespace_, .name = name, .end_ms = clock_mono_ms() + limit_ms};
	cJSON *object;

	if (!drop_other_pods(&w) && !still_differs(&w))
		return false;
	drop_objects(&w);
	cJSON_ArrayForEach(object, objects)
		drop_members(&w, object);
	printf("    shrunk to %d objects in %u tries\n", cJSON_GetArraySize(objects), w.tries);
	return true;
}

/* --- files --------------------------------------------------------------------------------------------------------------- */

bool shrink_keep(struct plane *p, const cJSON *objects, const char *namespace_, const char *name, const char *path)
{
	auto_free char *key = xasprintf("%s/%s", namespace_, name), *text = NULL;
	cJSON *there = NULL, *file = cJSON_CreateObject();
	struct pair pair;
	bool good = both(p, objects, namespace_, name, &pair, &there) && opinion_differs(&pair.theirs, &pair.ours);

	if (good) {
		cJSON_AddStringToObject(file, "pod", key);
		cJSON_AddItemToObject(file, "theirs", opinion_to_json(&pair.theirs));
		cJSON_AddItemToObject(file, "ours", opinion_to_json(&pair.ours));
		cJSON_AddItemToObject(file, "objects", steal(&there));
		text = cJSON_Print(file);
		test_write(path, text);
	}
	cJSON_Delete(there);
	cJSON_Delete(file);
	pair_free(&pair);
	return good;
}
