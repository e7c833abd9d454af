#include "sched/filter/volume_needs.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/filter/volumes.h"

/* --- volumes that a claim may take --- */

static const struct promise *promise_of_claim(const struct view *v, const struct claim *claim)
{
	uint32_t i;

	for (i = 0; i < v->promise_count; i++)
		if (STREQ(v->promises[i].claim, claim->object.name) && STREQ(v->promises[i].namespace_, claim->object.namespace_))
			return &v->promises[i];
	return NULL;
}

static const struct promise *promise_of_volume(const struct view *v, const struct volume *volume)
{
	uint32_t i;

	for (i = 0; i < v->promise_count; i++)
		if (STREQ(v->promises[i].volume, volume->object.name))
			return &v->promises[i];
	return NULL;
}

enum holder { FREE, OURS, ANOTHERS };

static enum holder holder_of(const struct view *v, const struct volume *volume, const struct claim *claim)
{
	const struct promise *promise = v->promise_count ? promise_of_volume(v, volume) : NULL;

	if (promise)
		return promise == promise_of_claim(v, claim) ? OURS : ANOTHERS;
	if (!volume->has_claim)
		return FREE;
	if (!STREQ(volume->claim_name, claim->object.name) || !STREQ(volume->claim_namespace, claim->object.namespace_))
		return ANOTHERS;
	return !volume->claim_uid[0] || STREQ(volume->claim_uid, claim->object.uid) ? OURS : ANOTHERS;
}

/* What holds for a volume that names the claim, too. */
static bool could_hold(const struct volume *volume, const struct claim *claim)
{
	return STREQ(volume->class_name, claim->class_name) && volume->capacity_bytes >= claim->request_bytes && !volume->deleting &&
	       STREQ(volume->volume_mode, claim->volume_mode) && STREQ(volume->attributes_class, claim->attributes_class);
}

static bool is_offered(const struct volume *volume, const struct claim *claim)
{
	return STREQ(volume->phase, "Available") && (claim->selector.is_nil || selector_matches(&claim->selector, &volume->labels)) &&
	       !(claim->access_modes & ~volume->access_modes);
}

static int by_preference(const void *a, const void *b)
{
	const struct volume_match *x = a, *y = b;
	int64_t left = x->volume->capacity_bytes, right = y->volume->capacity_bytes;

	if (x->prebound != y->prebound)
		return y->prebound - x->prebound;
	if (!x->prebound && left != right)
		return left < right ? -1 : 1;
	return strcmp(x->volume->object.name, y->volume->object.name);
}

static void find_candidates(const struct view *v, struct arena *arena, struct wanted *w)
{
	uint32_t count, i;
	const struct object *const *all = cache_objects(v->cache, OBJECT_VOLUME, &count);
	struct volume_match *found = arena_alloc(arena, (count + 1) * sizeof(*found));

	for (i = 0; i < count; i++) {
		const struct volume *volume = (const struct volume *)all[i];
		enum holder holder = could_hold(volume, w->claim) ? holder_of(v, volume, w->claim) : ANOTHERS;

		if (holder == OURS || (holder == FREE && is_offered(volume, w->claim)))
			found[w->candidate_count++] = (struct volume_match){w->claim, volume, holder == OURS};
	}
	qsort(found, w->candidate_count, sizeof(*found), by_preference);
	w->candidates = found;
}

static void find_capacities(const struct view *v, struct arena *arena, struct wanted *w)
{
	const struct csi_driver *driver;
	const struct object *const *all;
	uint32_t count, i;

	driver = (const struct csi_driver *)cache_find_object(v->cache, OBJECT_CSI_DRIVER, "", w->class->provisioner);
	w->counts_capacity = w->claim->has_request && driver && driver->storage_capacity;
	if (!w->counts_capacity)
		return;
	all = cache_objects(v->cache, OBJECT_CAPACITY, &count);
	w->capacities = arena_alloc(arena, (count + 1) * sizeof(*w->capacities));
	for (i = 0; i < count; i++) {
		const struct storage_capacity *s = (const struct storage_capacity *)all[i];

		if (STREQ(s->class_name, w->class->object.name) && s->has_limit && s->limit_bytes >= w->claim->request_bytes)
			w->capacities[w->capacity_count++] = s;
	}
}

/* --- claims --- */

static const char *claim_trouble(const struct pod *pod, const struct pod_volume *of, const struct claim *claim, struct arena *arena)
{
	if (!claim && of->ephemeral)
		return arena_printf(arena, "waiting for ephemeral volume controller to create the persistentvolumeclaim \"%s\"", of->claim);
	if (!claim)
		return arena_printf(arena, "persistentvolumeclaim \"%s\" not found", of->claim);
	if (claim->lost)
		return arena_printf(arena, "persistentvolumeclaim \"%s\" bound to non-existent persistentvolume \"%s\"", of->claim,
				    claim->volume_name);
	if (claim->deleting)
		return arena_printf(arena, "persistentvolumeclaim \"%s\" is being deleted", of->claim);
	if (of->ephemeral && !STREQ(claim->owner_uid, pod->uid))
		return arena_printf(arena, "PVC %s/%s was not created for pod %s/%s (pod is not owner)", claim->object.namespace_, of->claim,
				    pod->namespace_, pod->name);
	return NULL;
}

/* Keeps the order: those being made as they come, the others by size, of equal size as they come. */
static void insert(struct needs *n, const struct wanted *w)
{
	uint32_t at = n->wanted_count++;

	for (; at; at--) {
		const struct wanted *before = &n->wanted[at - 1];
		bool later = before->selected_node ? false : w->selected_node || before->claim->request_bytes > w->claim->request_bytes;

		if (!later)
			break;
		n->wanted[at] = *before;
	}
	n->wanted[at] = *w;
}

static void add_wanted(const struct view *v, struct arena *arena, const struct claim *claim, const struct storage_class *class, struct needs *n)
{
	const struct promise *promise = promise_of_claim(v, claim);
	struct wanted w = {.claim = claim, .class = class, .selected_node = claim->selected_node};

	if (promise && !promise->volume[0])
		w.selected_node = promise->node;
	if (!w.selected_node)
		find_candidates(v, arena, &w);
	find_capacities(v, arena, &w);
	insert(n, &w);
}

/* False: it should have got its volume without us. */
static bool add_claim(const struct view *v, struct arena *arena, const struct claim *claim, struct needs *n)
{
	const struct storage_class *class;

	if (claim_is_bound(claim)) {
		n->bound[n->bound_count++] = claim;
		return true;
	}
	class = claim->class_name[0] ? find_class(v, claim->class_name) : NULL;
	if (!class || !class->waits || claim->volume_name[0])
		return false;
	add_wanted(v, arena, claim, class, n);
	return true;
}

const char *needs_of(const struct view *v, const struct pod *pod, struct arena *arena, struct needs *n)
{
	const char *trouble = NULL;
	uint32_t i;

	*n = (struct needs){0};
	for (i = 0; i < pod->volume_count && !trouble; i++) {
		if (!pod->volumes[i].of_claim)
			continue;
		n->claims++;
		trouble = claim_trouble(pod, &pod->volumes[i], find_claim(v, pod, &pod->volumes[i]), arena);
	}
	if (trouble || !n->claims)
		return trouble;
	n->bound = arena_alloc(arena, n->claims * sizeof(*n->bound));
	n->wanted = arena_alloc(arena, n->claims * sizeof(*n->wanted));
	for (i = 0; i < pod->volume_count; i++)
		if (pod->volumes[i].of_claim && !add_claim(v, arena, find_claim(v, pod, &pod->volumes[i]), n))
			return "pod has unbound immediate PersistentVolumeClaims";
	return NULL;
}
