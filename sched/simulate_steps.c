#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/cache/read.h"
#include "sched/simulate_private.h"

const struct profile *simulation_profile(const void *simulation, const char *scheduler_name)
{
	const struct offline *o = ((const struct simulation *)simulation)->offline;

	return settings_profile(o->settings, o->options.profile ? o->options.profile : scheduler_name);
}

const struct profile *simulation_profile_of(const void *simulation, const struct pod *pod)
{
	const struct offline *o = ((const struct simulation *)simulation)->offline;
	auto_free char *key = xasprintf("%s/%s", pod->namespace_, pod->name);

	return names_find(&o->keys, key) == NAMES_NONE ? simulation_profile(simulation, pod->scheduler_name) : offline_profile(o, pod);
}

const struct failed *simulation_failed(const struct simulation *s, const char *node)
{
	size_t i;

	for (i = 0; i < s->failed_count; i++)
		if (STREQ(s->failed[i].node, node))
			return &s->failed[i];
	return NULL;
}

/* --- a node goes ------------------------------------------------------------------------------------------------------ */

static void put_node(struct simulation *s, const cJSON *object)
{
	struct lm_err err;
	struct node *node = node_parse(object, &err);

	if (!node)	/* it was parsed before */
		abort();
	cache_put_node(s->offline->cache, node);
}

static void add_taint(cJSON *taints, const char *effect)
{
	cJSON *taint = cJSON_CreateObject();

	cJSON_AddStringToObject(taint, "key", "node.kubernetes.io/unreachable");
	cJSON_AddStringToObject(taint, "effect", effect);
	cJSON_AddItemToArray(taints, taint);
}

static void taint_node(struct simulation *s, const char *name)
{
	auto_json cJSON *object = cJSON_Duplicate(offline_node(s->offline, name), true);
	cJSON *spec = cJSON_GetObjectItemCaseSensitive(object, "spec"), *taints;

	if (!cJSON_IsObject(spec)) {
		cJSON_DeleteItemFromObjectCaseSensitive(object, "spec");
		spec = cJSON_AddObjectToObject(object, "spec");
	}
	taints = cJSON_GetObjectItemCaseSensitive(spec, "taints");
	if (!cJSON_IsArray(taints)) {
		cJSON_DeleteItemFromObjectCaseSensitive(spec, "taints");
		taints = cJSON_AddArrayToObject(spec, "taints");
	}
	add_taint(taints, "NoSchedule");
	add_taint(taints, "NoExecute");
	put_node(s, object);
}

/* NULL: its controller makes another one. */
static const char *why_gone(const struct pod *pod)
{
	return pod->terminating ? "it was being deleted" : reserve_unfit(pod);
}

static const char *refuge_of(const struct simulation *s, const struct pod *pod, const char *node)
{
	size_t i;

	for (i = 0; i < s->plan.covers.count; i++)
		if (STREQ(s->plan.covers.items[i].uid, pod->uid) && STREQ(s->plan.covers.items[i].node, node))
			return s->plan.covers.items[i].refuge;
	return NULL;
}

/* Pods with an owner that are gone all the same are of their node: its DaemonSets' and static ones. */
static void lose_pod(struct simulation *s, const char *uid, struct failed *failed)
{
	struct cache *cache = s->offline->cache;
	const struct pod *pod = cache_find_pod(cache, uid)->pod;
	struct mover *m = mover_add(s, pod, failed->node);
	const char *why = why_gone(pod);
	struct lifted lifted;

	if (!why) {
		m->refuge = xstrdup(refuge_of(s, pod, failed->node));
	} else {
		m->end = MOVER_GONE;
		m->message = xstrdup(why);
		m->pod = NULL;
	}
	if (why && (pod->terminating || !pod->owner_uid[0])) {
		cache_delete_pod(cache, uid);
		return;
	}
	cache_lift(cache, uid, &lifted);
	if (why) {
		grow(&failed->bound, &failed->bound_room, failed->bound_count + 1, sizeof(*failed->bound));
		failed->bound[failed->bound_count++] = lifted;
		return;
	}
	free(lifted.uid);
	free(lifted.node);
}

static int find_node(const struct simulation *s, const char *name, struct lm_err *err)
{
	if (cache_find_node(s->offline->cache, name) < 0)
		return lm_fail(err, LM_DATA, "%.200s has no node \"%.100s\"", s->offline->options.cluster, name);
	return 0;
}

static int fail(struct simulation *s, const struct sim_step *step, struct lm_err *err)
{
	struct names uids = {0};
	const struct node_state *node;
	struct failed *failed;
	uint32_t i;

	if (find_node(s, step->node, err) < 0)
		return -1;
	if (simulation_failed(s, step->node))
		return lm_fail(err, LM_DATA, "%.100s has failed already", step->node);
	grow(&s->failed, &s->failed_room, s->failed_count + 1, sizeof(*s->failed));
	failed = &s->failed[s->failed_count++];
	*failed = (struct failed){.node = xstrdup(step->node)};
	room_clear(s);
	node = &cache_view(s->offline->cache)->nodes[cache_find_node(s->offline->cache, step->node)];
	for (i = 0; i < node->pod_count; i++)
		names_add(&uids, node->pods[i]->pod->uid);
	for (i = 0; i < uids.count; i++)
		lose_pod(s, uids.items[i], failed);
	taint_node(s, step->node);
	buf_printf(&s->did, "%s fails, %u pod%s node", step->node, uids.count, uids.count == 1 ? " lost its" : "s lost their");
	names_free(&uids);
	links_use(s);
	return 0;
}

/* --- a node comes back ------------------------------------------------------------------------------------------------ */

static void return_pods(struct simulation *s, struct failed *failed)
{
	size_t i;

	for (i = failed->bound_count; i-- > 0;) {
		struct lifted *lifted = &failed->bound[i];
		struct mover *m = mover_add(s, cache_find_pod(s->offline->cache, lifted->uid)->pod, failed->node);

		m->end = MOVER_BACK;
		m->node = xstrdup(failed->node);
		cache_put_back(s->offline->cache, lifted);
	}
	free(failed->bound);
	free(failed->node);
}

static int recover(struct simulation *s, const struct sim_step *step, struct lm_err *err)
{
	size_t at;

	if (find_node(s, step->node, err) < 0)
		return -1;
	if (!simulation_failed(s, step->node))
		return lm_fail(err, LM_DATA, "%.100s has not failed", step->node);
	at = (size_t)(simulation_failed(s, step->node) - s->failed);
	put_node(s, offline_node(s->offline, step->node));
	buf_printf(&s->did, "%s is back", step->node);
	return_pods(s, &s->failed[at]);
	s->failed[at] = s->failed[--s->failed_count];
	links_use(s);
	return 0;
}

/* --- steps ------------------------------------------------------------------------------------------------------------ */

static int drift(struct simulation *s, const struct sim_step *step, struct lm_err *err)
{
	if (links_drift(s, step, err) < 0)
		return -1;
	links_use(s);
	buf_printf(&s->did, "%s and %s are ", step->node, step->to);
	if (isnan(step->rtt_us))
		buf_str(&s->did, "lost to each other");
	else
		offline_print_rtt(step->rtt_us, &s->did);
	buf_str(&s->did, isnan(step->rtt_us) ? "" : " apart");
	buf_str(&s->did, ", were ");
	offline_print_rtt(s->was_us[0], &s->did);
	return 0;
}

static int matrix(struct simulation *s, const struct sim_step *step, struct lm_err *err)
{
	if (links_file(s, step, err) < 0)
		return -1;
	links_use(s);
	buf_printf(&s->did, "latency data of %s, %u nodes", step->path, matrix_nodes(s->base));
	return 0;
}

int simulation_step(struct simulation *s, const struct sim_step *step, struct lm_err *err)
{
	int (*const steps[])(struct simulation *s, const struct sim_step *step, struct lm_err *err) = {
		[STEP_FAIL] = fail, [STEP_RECOVER] = recover, [STEP_DRIFT] = drift, [STEP_MATRIX] = matrix,
	};

	movers_drop_settled(s);
	buf_clear(&s->did);
	s->moves_in_step = 0;
	if (steps[step->kind](s, step, err) < 0)
		return sim_step_wrap(step, err);
	movers_sort(s);
	movers_settle(s);
	return 0;
}

/* Pods of --pods that found no place wait for what comes. */
void simulation_begin(struct simulation *s)
{
	struct offline *o = s->offline;
	uint32_t i;

	for (i = 0; i < o->keys.count; i++)
		if (!o->pods[i].pod->terminal && cache_find_pod(o->cache, o->pods[i].pod->uid)->node < 0)
			mover_add(s, o->pods[i].pod, NULL);
	links_begin(s);
	room_begin(s);
	room_plan(s);
}

void simulation_free(struct simulation *s)
{
	size_t i, k;

	for (i = 0; i < s->step_count; i++)
		sim_step_free(&s->steps[i]);
	for (i = 0; i < s->failed_count; i++) {
		for (k = 0; k < s->failed[i].bound_count; k++) {
			free(s->failed[i].bound[k].uid);
			free(s->failed[i].bound[k].node);
		}
		free(s->failed[i].bound);
		free(s->failed[i].node);
	}
	free(s->steps);
	movers_free(s);
	free(s->failed);
	matrix_unref(s->base);
	plan_free(&s->plan);
	names_free(&s->placeholders);
	buf_free(&s->did);
}
