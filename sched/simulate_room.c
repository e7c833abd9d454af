/*
 * The reserve as other pods feel it: placeholders in the cache, as many on a node as its room has pods. The first asks for all of the room: in sum they are
 * the same.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "sched/cache/read.h"
#include "sched/simulate_private.h"

static const struct profile *profile_of(const void *arg, const char *scheduler_name)
{
	return simulation_profile(arg, scheduler_name);
}

/* --- placeholders ----------------------------------------------------------------------------------------------------- */

static void add_amount(cJSON *requests, const char *name, int64_t amount, const char *unit)
{
	auto_free char *text = xasprintf("%lld%s", (long long)amount, unit);

	if (amount)
		cJSON_AddStringToObject(requests, name, text);
}

static cJSON *requests_of(const struct resources *need)
{
	cJSON *requests = cJSON_CreateObject();
	uint32_t i;

	add_amount(requests, "cpu", need->cpu_milli, "m");
	add_amount(requests, "memory", need->memory_bytes, "");
	add_amount(requests, "ephemeral-storage", need->ephemeral_bytes, "");
	for (i = 0; i < need->scalar_count; i++)
		add_amount(requests, need->scalars[i].name, need->scalars[i].amount, "");
	return requests;
}

static void add_ports(cJSON *container, const struct plan_room *room)
{
	cJSON *ports = cJSON_AddArrayToObject(container, "ports");
	uint32_t i;

	for (i = 0; i < room->port_count; i++) {
		cJSON *port = cJSON_CreateObject();

		cJSON_AddNumberToObject(port, "hostPort", room->ports[i].port);
		cJSON_AddNumberToObject(port, "containerPort", room->ports[i].port);
		cJSON_AddStringToObject(port, "protocol", room->ports[i].protocol);
		cJSON_AddStringToObject(port, "hostIP", room->ports[i].ip);
		cJSON_AddItemToArray(ports, port);
	}
}

/* No pod of the API has a name with a slash in it. */
static cJSON *placeholder(const struct simulation *s, const struct plan_room *room, uint32_t number)
{
	auto_free char *name = xasprintf("room/%s/%u", room->node, number), *uid = xasprintf("%s/%s", s->reserve.namespace_, name);
	cJSON *object = cJSON_CreateObject(), *metadata = cJSON_AddObjectToObject(object, "metadata"), *container = cJSON_CreateObject();
	cJSON *spec = cJSON_AddObjectToObject(object, "spec");

	cJSON_AddStringToObject(object, "kind", "Pod");
	cJSON_AddStringToObject(metadata, "name", name);
	cJSON_AddStringToObject(metadata, "namespace", s->reserve.namespace_);
	cJSON_AddStringToObject(metadata, "uid", uid);
	cJSON_AddStringToObject(cJSON_AddObjectToObject(metadata, "labels"), RESERVE_ROLE, "placeholder");
	cJSON_AddStringToObject(spec, "nodeName", room->node);
	cJSON_AddItemToArray(cJSON_AddArrayToObject(spec, "containers"), container);
	if (number == 0) {
		cJSON_AddItemToObject(cJSON_AddObjectToObject(container, "resources"), "requests", requests_of(&room->need));
		add_ports(container, room);
	}
	return object;
}

static void put(struct simulation *s, const struct plan_room *room, uint32_t number)
{
	auto_json cJSON *object = placeholder(s, room, number);
	const char *uid = read_text(read_member(object, "metadata"), "uid");
	struct lm_err err;
	struct pod *pod = pod_parse(object, &err);

	if (!pod)	/* ours: it has all that it needs */
		abort();
	cache_put_pod(s->offline->cache, pod);
	cache_set_placed(s->offline->cache, uid, PLACED_LONG_AGO);
	names_add(&s->placeholders, uid);
}

void room_clear(struct simulation *s)
{
	uint32_t i;

	for (i = 0; i < s->placeholders.count; i++)
		cache_delete_pod(s->offline->cache, s->placeholders.items[i]);
	names_free(&s->placeholders);
}

/* --- plans ------------------------------------------------------------------------------------------------------------ */

void room_plan(struct simulation *s)
{
	struct offline *o = s->offline;
	struct plan_input in = {.cache = o->cache, .mesh = o->mesh, .profile = profile_of, .profile_arg = s, .settings = &s->reserve,
				.previous = &s->plan.covers, .mono_ms = o->now_ms};
	struct plan next = {0};
	size_t i;
	uint32_t k;

	if (!s->reserve.enabled)
		return;
	room_clear(s);
	plan_make(o->decider, &in, &next);
	plan_free(&s->plan);
	s->plan = next;
	for (i = 0; i < s->plan.room_count; i++)
		for (k = 0; k < s->plan.rooms[i].pods; k++)
			put(s, &s->plan.rooms[i], k);
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct cover *)a)->uid, ((const struct cover *)b)->uid);
}

/* What is wrong with somebody's annotation is no promise. */
static void take_promise(struct simulation *s, const struct pod *pod, const char *node)
{
	struct lm_err err;

	if (pod->covers)
		covers_parse(pod->covers, node, &s->plan.covers, &err);
}

void room_begin(struct simulation *s)
{
	struct offline *o = s->offline;
	struct names uids = {0};
	const struct view *view;
	uint32_t i, k;

	s->reserve = o->settings->reserve;
	if (!s->reserve.namespace_)
		s->reserve.namespace_ = "default";
	if (!s->reserve.enabled)
		return;
	view = cache_view(o->cache);
	for (i = 0; i < view->count; i++) {
		for (k = 0; k < view->nodes[i].pod_count; k++) {
			const struct pod *pod = view->nodes[i].pods[k]->pod;

			if (reserve_role(&s->reserve, pod) == RESERVE_NONE)
				continue;
			take_promise(s, pod, view->nodes[i].node->name);
			names_add(&uids, pod->uid);
		}
	}
	for (i = 0; i < uids.count; i++)
		cache_delete_pod(o->cache, uids.items[i]);
	names_free(&uids);
	if (s->plan.covers.count)
		qsort(s->plan.covers.items, s->plan.covers.count, sizeof(*s->plan.covers.items), compare);
}
