#include "tests/conformance/ours.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/cluster.h"
#include "sched/decide.h"
#include "tests/conformance/make.h"

struct ours {
	struct cache *cache;
	struct decider *decider;
	struct profile profile;
	struct lm_err err;		/* of the first object that could not be taken */
};

struct ours *ours_new(const cJSON *objects)
{
	struct ours *o = xcalloc(1, sizeof(*o));
	struct lm_err err;
	const cJSON *object;

	o->cache = cache_new();
	cache_know_storage(o->cache);
	o->decider = decider_new();
	profile_init(&o->profile, "conformance");
	o->profile.refuse_latency = o->profile.refuse_cpu = false;
	cJSON_ArrayForEach(object, objects)
		if (cluster_put(o->cache, object, &err) < 0 && !o->err.code)
			o->err = err;
	return o;
}

struct ours *ours_without(const cJSON *objects, const char *const *members)
{
	cJSON *copy = cJSON_Duplicate(objects, true), *object;
	struct ours *o;
	size_t i;

	cJSON_ArrayForEach(object, copy)
		for (i = 0; members[i] && STREQ(get_text(object, "kind"), "Pod"); i++)
			cJSON_DeleteItemFromObjectCaseSensitive(get(object, "status"), members[i]);
	o = ours_new(copy);
	cJSON_Delete(copy);
	return o;
}

void ours_free(struct ours *o)
{
	profile_free(&o->profile);
	decider_free(o->decider);
	cache_free(o->cache);
	free(o);
}

static bool unsupported(const struct decision *d, const char *message)
{
	return (d->refused_by_pod && strstr(d->pod_reason, "does not support yet")) || strstr(message, "is not supported yet");
}

static void take(struct ours *o, const struct decision_input *in, const struct decision *d, struct opinion *out)
{
	auto_buf struct buf message = {0};
	uint32_t i;

	for (i = 0; d->verdicts && i < d->count; i++)
		if (!d->verdicts[i].filter)
			opinion_add(out, in->view->nodes[i].node->name);
	decision_message(o->decider, in, d, &message);
	out->reasons = opinion_reasons(message.data);
	out->unsupported = unsupported(d, message.data);
}

void ours_decide(struct ours *o, const char *namespace_, const char *name, struct opinion *out)
{
	struct decision_input in = {.view = cache_view(o->cache), .profile = &o->profile};
	const struct cached_pod *pod = cache_find_pod_named(o->cache, namespace_, name);
	struct decision decision;

	*out = (struct opinion){0};
	if (o->err.code || !pod) {
		out->reasons = o->err.code ? xstrdup(o->err.msg) : xasprintf("no pod %s/%s", namespace_, name);
		return;
	}
	in.pod = pod->pod;
	decide(o->decider, &in, &decision);
	take(o, &in, &decision, out);
}
