/*
 * Many partitions, nodes that drop ICMP and real deaths at once, with faults of the API server on the way: heal.c alone, HEALS of it, each with a cluster of
 * its own in memory. Three sets of Leases stand for all of them: of a partition, in which all but one stop, of nodes that renew, and of a node that died.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "sched/heal/heal.h"
#include "sched/stats.h"
#include "tests/testing/standin.h"

#define HEALS 250
#define NODES 4
#define PODS 3			/* with a controller; and one without */
#define AFTER_MS 1000
#define STEP_MS 200
#define WELL_MS 1200
#define WATCHED_MS 3500		/* a dead one is known by then */
#define GIVE_UP_MS 120000	/* more than a third of evictions fail, and back-offs grow to 10 s: of 150 pods one may well need eight tries */
#define LEASES "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"

enum kind { PARTITION, ICMP, DEATH, KINDS };
static const char *const kinds[] = {"p", "i", "d"};

static const char faults[] =
	"{\"rules\":[{\"path\":\"*/leases\",\"verb\":\"watch\",\"action\":\"delay\",\"delay_ms\":20,\"probability\":0.2},"
	"{\"path\":\"*/leases\",\"action\":\"status\",\"status\":500,\"probability\":0.1},"
	"{\"path\":\"*/leases\",\"action\":\"reset\",\"probability\":0.1},"
	"{\"path\":\"*/configmaps*\",\"action\":\"status\",\"status\":500,\"probability\":0.1},"
	"{\"path\":\"*/configmaps*\",\"action\":\"drop\",\"when\":\"after\",\"probability\":0.1},"
	"{\"path\":\"*/eviction\",\"action\":\"status\",\"status\":429,\"retryAfter\":\"1\",\"probability\":0.15},"
	"{\"path\":\"*/eviction\",\"action\":\"status\",\"status\":500,\"probability\":0.15},"
	"{\"path\":\"*/eviction\",\"action\":\"drop\",\"when\":\"after\",\"probability\":0.2},"
	"{\"path\":\"*/eviction\",\"action\":\"reset\",\"probability\":0.15}]}";

struct one {
	enum kind kind;
	struct cache *cache;
	struct events *events;
	struct heal *heal;
	struct mesh *mesh;
	int64_t generation;
	bool silent;			/* its probe, of a node that drops ICMP: the volume, too, is out of its reach */
};

struct many {
	struct standin api;
	struct limit limit;
	struct metrics *stats;
	struct one of[HEALS];
	int count;
	struct rng rng;
	int64_t ill_since_ms;		/* 0: all are well */
};

static char *node_of(enum kind kind, int i)
{
	return xasprintf("%s-%c", kinds[kind], 'a' + i);
}

static bool acts(void *arg)
{
	(void)arg;
	return true;
}

/* --- the cluster of one ---------------------------------------------------------------------------------------------- */

static void add_nodes(struct one *o)
{
	struct lm_err err;
	int i;

	for (i = 0; i < NODES; i++) {
		auto_free char *name = node_of(o->kind, i), *text = xasprintf("{\"metadata\":{\"name\":\"%s\",\"uid\":\"u\"},\"status\":{}}", name);
		auto_json cJSON *object = cJSON_Parse(text);

		cache_put_node(o->cache, node_parse(object, &err));
	}
}

static void add_pod(struct many *m, struct one *o, int which, int pod)
{
	auto_free char *node = node_of(o->kind, 0), *body = NULL;
	const char *owner = "\"ownerReferences\":[{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\",\"name\":\"rs\",\"uid\":\"rs\",\"controller\":true}]";
	auto_json cJSON *object = NULL;
	struct lm_err err;

	body = xasprintf("{\"metadata\":{\"name\":\"%s-%d-%s%d\",%s},\"spec\":{\"nodeName\":\"%s\",\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}",
			 kinds[o->kind], which, pod < PODS ? "" : "bare-", pod, pod < PODS ? owner : "\"labels\":{}", node);
	object = standin_want(&m->api, 201, "POST", "/api/v1/namespaces/default/pods", body);
	cache_put_pod(o->cache, pod_parse(object, &err));
}

static void begin_one(struct many *m, int which)
{
	struct heal_settings settings = {.enabled = true, .after_ms = AFTER_MS, .per_minute = 1000, .per_hour = 10000};
	struct heal_hooks hooks = {.acts = acts};
	auto_free char *lease = xasprintf("heal-%d", which);
	struct elect_settings election = {.namespace_ = "default", .name = lease}; /* each has a record of its own */
	struct one *o = &m->of[which];
	int i;

	*o = (struct one){.kind = which % 5 == 4 ? DEATH : which % 2 ? ICMP : PARTITION, .cache = cache_new(), .silent = rng_chance(&m->rng, 0.5)};
	add_nodes(o);
	for (i = 0; i <= PODS; i++)
		add_pod(m, o, which, i);
	o->events = events_new(m->api.kube, o->cache, &m->limit);
	o->heal = heal_new(m->api.kube, o->cache, &settings, &m->limit, o->events, m->stats, &hooks, &election);
}

static void end_one(struct one *o)
{
	heal_free(o->heal);
	events_free(o->events);
	mesh_free(o->mesh);
	cache_free(o->cache);
}

/* --- what kubelets and the merger write ------------------------------------------------------------------------------ */

static void ignore(void *arg, const struct kube_response *response)
{
	(void)arg, (void)response;
}

static bool renews(const struct many *m, enum kind kind, int node)
{
	return !m->ill_since_ms || kind == ICMP || (kind == DEATH ? node != 0 : node == NODES - 1);
}

static void renew(struct many *m)
{
	char now[CLOCK_TEXT];
	int kind, i;

	clock_format(clock_wall_ms(), now);
	for (kind = 0; kind < KINDS; kind++)
		for (i = 0; i < NODES; i++) {
			auto_free char *name = node_of((enum kind)kind, i), *path = xasprintf(LEASES "/%s", name);
			auto_free char *body = xasprintf("{\"spec\":{\"renewTime\":\"%.23s000Z\"}}", now);

			if (renews(m, (enum kind)kind, i))
				kube_send(m->api.kube, &(struct kube_request){.method = "PATCH", .path = path, .body = body,
					  .content_type = "application/merge-patch+json", .timeout_ms = 5000}, ignore, NULL);
		}
}

static void say(struct snapshot *s, int node, bool silent, bool lost, double ill_s, uint32_t witnesses)
{
	s->age_s[node] = silent ? ill_s : 0.1;
	s->lost_s[node] = lost ? ill_s : 0.1;
	s->witnesses[node] = witnesses;
}

static void publish(struct many *m, struct one *o, int64_t mono_ms)
{
	double ill_s = m->ill_since_ms ? (double)(mono_ms - m->ill_since_ms) / 1e3 : 0.1;
	struct names names = {0}, none = {0};
	struct snapshot s;
	struct mesh *next = NULL;
	int i;

	for (i = 0; i < NODES; i++) {
		auto_free char *name = node_of(o->kind, i);

		names_add(&names, name);
	}
	snapshot_init(&s, &names, &none);
	names_free(&names);
	snprintf(s.epoch, sizeof(s.epoch), "one");
	s.generation = ++o->generation;
	s.period_s = 60;
	for (i = 0; i < NODES; i++) {
		bool lost = m->ill_since_ms && (o->kind == PARTITION ? i != NODES - 1 : i == 0);

		say(&s, i, lost && (o->kind != ICMP || o->silent), lost, ill_s, o->kind == PARTITION && lost ? 1 : NODES - 1);
	}
	if (mesh_take(matrix_build(&s), o->mesh, false, false, mono_ms, 0, &next) == MESH_TAKEN) {
		mesh_free(o->mesh);
		o->mesh = next;
	}
	snapshot_free(&s);
}

static void run(struct many *m, int64_t ms)
{
	int64_t now = clock_mono_ms(), until = now + ms, step_ms = 0;
	int i;

	for (; now < until; now = clock_mono_ms()) {
		if (now >= step_ms) {
			renew(m);
			for (i = 0; i < m->count; i++)
				publish(m, &m->of[i], now);
			step_ms = now + STEP_MS;
		}
		for (i = 0; i < m->count; i++)
			heal_tick(m->of[i].heal, m->of[i].mesh, now, 20);
		kube_run(m->api.kube, 5, NULL, 0);
	}
}

/* --- what came of it ------------------------------------------------------------------------------------------------- */

/* Evictions of pods whose names begin so: asked for, or carried out. */
static int evictions(struct many *m, const char *prefix, bool committed)
{
	auto_free char *log = standin_text(&m->api, "/standin/log"), *path = xasprintf("/api/v1/namespaces/default/pods/%s", prefix);
	char *rest = log, *line;
	int count = 0;

	while ((line = strsep(&rest, "\n")) != NULL) {
		auto_json cJSON *entry = strstr(line, "/eviction\"") ? cJSON_Parse(line) : NULL;

		count += entry && strncmp(text_at(entry, "path"), path, strlen(path)) == 0 && (!committed || cJSON_IsTrue(item_at(entry, "committed")));
	}
	return count;
}

static int deaths(const struct many *m)
{
	int i, count = 0;

	for (i = 0; i < m->count; i++)
		count += m->of[i].kind == DEATH;
	return count;
}

static void of_many_only_the_dead_are_evicted(void **state)
{
	static struct many m;
	int64_t until;
	int i, kind;

	(void)state;
	log_setup(LOG_ERROR, LOG_TEXT);
	m = (struct many){.count = test_rounds(HEALS), .rng = rng_make(test_seed()), .stats = stats_new()};
	m.count = m.count < 5 ? 5 : m.count;
	standin_start(&m.api, NULL);
	limit_set(&m.limit, 10000, 10000, clock_mono_ms());
	for (kind = 0; kind < KINDS; kind++)
		for (i = 0; i < NODES; i++) {
			auto_free char *name = node_of((enum kind)kind, i);
			auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"holderIdentity\":\"%s\",\"leaseDurationSeconds\":2}}", name, name);

			standin_do(&m.api, 201, "POST", LEASES, body);
		}
	for (i = 0; i < m.count; i++)
		begin_one(&m, i);
	standin_faults(&m.api, faults);
	run(&m, WELL_MS);
	m.ill_since_ms = clock_mono_ms();
	run(&m, WATCHED_MS);
	for (until = clock_mono_ms() + GIVE_UP_MS; evictions(&m, "d-", true) < PODS * deaths(&m) && clock_mono_ms() < until;)
		run(&m, 200);
	assert_int_equal(evictions(&m, "d-", true), PODS * deaths(&m));
	for (i = 0; i < m.count; i++) {
		auto_free char *bare = xasprintf("d-%d-bare-", i);

		assert_int_equal(evictions(&m, bare, false), 0);
	}
	assert_int_equal(evictions(&m, "p-", false), 0);
	assert_int_equal(evictions(&m, "i-", false), 0);
	printf("# %d partitions and nodes without ICMP, %d deaths\n", m.count - deaths(&m), deaths(&m));
	for (i = 0; i < m.count; i++)
		end_one(&m.of[i]);
	metrics_free(m.stats);
	standin_stop(&m.api);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(of_many_only_the_dead_are_evicted)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
