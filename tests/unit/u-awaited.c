/*
 * awaited.h over random clusters: what the decision itself says of a waiting pod before and after another one came is the judge of who must be
 * looked at again. And a chain needs one look a pod once its first one came, whatever happened before.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "sched/awaited.h"
#include "tests/testing/world.h"

#define ROUNDS 400
#define WAITING 12
#define APPS 4

static struct world w;
static struct queue *q;

static void begin(void)
{
	world_begin(&w, "a b c", "");
	world_rtts(&w, "a-b 1000, a-c 2000, b-c 3000");
	q = queue_new();
}

static void end(void)
{
	queue_free(q);
	world_end(&w);
}

/* A pod in a namespace of its choice. */
static const struct pod *put(const char *name, const char *namespace_, const char *node, const char *metadata)
{
	auto_free char *text = xasprintf("{\"metadata\":{\"name\":\"%s\",\"namespace\":\"%s\",\"uid\":\"uid-%s\"%s},\"spec\":{\"nodeName\":\"%s\"}}", name,
					 namespace_, name, metadata, node);
	auto_json cJSON *json = json_parse(text, strlen(text), JSON_DEPTH_API, &(struct lm_err){0});
	struct pod *pod = pod_parse(json, &(struct lm_err){0});

	assert_non_null(pod);
	cache_put_pod(w.cache, pod);
	return pod;
}

static const char *spaces(struct rng *r)
{
	return rng_chance(r, 0.7) ? "default" : "other";
}

/* What it is limited to: a selector, in its namespace or another, a label delay_, which may be an app or a controller, or a node; one or two of them. */
static void put_waiting(struct rng *r, int i)
{
	auto_free char *name = xasprintf("w%d", i), *metadata = NULL;
	uint32_t app = rng_below(r, APPS), second = rng_below(r, APPS);

	switch (rng_below(r, 5)) {
	case 0:
		metadata = xasprintf(",\"annotations\":{\"latency-mesh.io/within\":\"app=t%u<=9ms\"}", app);
		break;
	case 1:
		metadata = xasprintf(",\"annotations\":{\"latency-mesh.io/within\":\"other:app=t%u<=9ms\"}", app);
		break;
	case 2:
		metadata = xasprintf(",\"labels\":{\"delay_t%u\":\"9\"}", app);
		break;
	case 3:
		metadata = xasprintf(",\"annotations\":{\"latency-mesh.io/within\":\"any:app=t%u<=9ms, tier=t%u<=9ms\"}", app, second);
		break;
	default:
		metadata = xasprintf(",\"annotations\":{\"latency-mesh.io/within\":\"node/nowhere<=9ms\"}");
	}
	put(name, spaces(r), "", metadata);
}

static const struct pod *put_target(struct rng *r, int i)
{
	auto_free char *name = xasprintf("came%d", i), *metadata = NULL;
	uint32_t app = rng_below(r, APPS);

	if (rng_chance(r, 0.3))
		metadata = xasprintf(",\"ownerReferences\":[{\"controller\":true,\"kind\":\"StatefulSet\",\"name\":\"t%u\",\"uid\":\"o\"}]", app);
	else
		metadata = xasprintf(",\"labels\":{\"%s\":\"t%u\"}", rng_chance(r, 0.7) ? "app" : "tier", app);
	return put(name, spaces(r), "b", metadata);
}

static const struct decision *look(int i)
{
	auto_free char *uid = xasprintf("uid-w%d", i);

	if (!w.mesh)
		world_take(&w);
	w.in = (struct decision_input){.view = cache_view(w.cache), .mesh = w.mesh, .pod = cache_find_pod(w.cache, uid)->pod, .profile = &w.profile};
	decide(w.decider, &w.in, &w.decision);
	return &w.decision;
}

static void who_must_look_again_does_and_nobody_else(void **state)
{
	struct rng r = rng_make(test_seed());
	int round, i, hurried = 0, left = 0;

	(void)state;
	for (round = 0; round < ROUNDS; round++) {
		char *before[WAITING];
		bool ready[WAITING] = {false};
		const struct pod *came;
		const char *uid;

		begin();
		for (i = 0; i < WAITING; i++) {
			auto_free char *name = xasprintf("uid-w%d", i);

			put_waiting(&r, i);
			queue_put(q, name, 0, 1, i);
		}
		while ((uid = queue_take(q, 100)) != NULL) {
			i = atoi(uid + strlen("uid-w"));
			look(i);
			before[i] = xstrdup(world_message(&w));
			queue_refused(q, uid, w.decision.wake, 100);
		}
		queue_wake(q, rng_chance(&r, 0.5) ? WAKE_POD_ADDED : 0, 101);		/* some back off, the others are parked */
		came = put_target(&r, round);
		awaited_came(q, w.cache, came, 102);
		while ((uid = queue_take(q, 102)) != NULL)
			ready[atoi(uid + strlen("uid-w"))] = true;
		for (i = 0; i < WAITING; i++) {
			const struct decision *d = look(i);
			bool changed = !STREQ(before[i], world_message(&w)), two = w.in.pod->ask.within_count > 1;

			if (changed && !ready[i])
				fail_msg("w%d waits, though: %s (before: %s)", i, world_message(&w), before[i]);
			if (ready[i] && !changed && !two)	/* of two the reason names the first that is missing */
				fail_msg("w%d was hurried, though it is as before: %s", i, before[i]);
			assert_true(changed || d->node < 0);
			hurried += ready[i];
			left += !ready[i];
			free(before[i]);
		}
		end();
	}
	print_message("# %d hurried, %d left\n", hurried, left);
	assert_true(hurried > ROUNDS / 4 && left > ROUNDS);
}

/* 20 pods, each limited to the one before it; all were looked at in vain again and again. */
static void a_chain_is_placed_with_one_look_each(void **state)
{
	int64_t now = 0;
	int i, looks = 0;
	const char *uid;

	(void)state;
	begin();
	for (i = 19; i > 0; i--) {
		auto_free char *name = xasprintf("w%d", i), *of = xasprintf("uid-w%d", i);
		auto_free char *metadata = xasprintf(",\"labels\":{\"app\":\"t%d\"},\"annotations\":{\"latency-mesh.io/within\":\"app=t%d<=9ms\"}", i, i - 1);

		put(name, "default", "", metadata);
		queue_put(q, of, 0, 1, 0);
	}
	for (; now < 60000; now += 500) {
		while ((uid = queue_take(q, now)) != NULL) {
			assert_int_equal(look(atoi(uid + strlen("uid-w")))->node, -1);
			queue_refused(q, uid, w.decision.wake, now);
		}
		queue_wake(q, WAKE_POD_ADDED, now);
	}
	put("w0", "default", "a", ",\"labels\":{\"app\":\"t0\"}");
	awaited_came(q, w.cache, cache_find_pod(w.cache, "uid-w0")->pod, now);
	for (; (uid = queue_take(q, now)) != NULL; looks++) {
		const struct decision *d = look(atoi(uid + strlen("uid-w")));
		auto_free char *placed = xstrdup(uid);

		assert_true(d->node >= 0);
		assert_true(cache_assume(w.cache, placed, (uint32_t)d->node));
		queue_remove(q, placed);
		awaited_came(q, w.cache, cache_find_pod(w.cache, placed)->pod, now);
	}
	assert_int_equal(looks, 19);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_must_look_again_does_and_nobody_else),
		cmocka_unit_test(a_chain_is_placed_with_one_look_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
