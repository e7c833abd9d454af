/*
 * The cache against a naive model: after each of many random events everything that a view shows is computed again from nothing.
 */
#include "tests/unit/objects.h"

#include <math.h>

#include "lib/buf.h"
#include "sched/cache/cache.h"

#define NODES 9
#define PODS 28
#define STEPS 12000

struct model_node {
	bool known, cordoned, tainted;
	int64_t cpu_milli, memory_bytes, pods;
};

struct model_pod {
	bool there, terminal, terminating, anti;
	int uid, node, assumed, nominated;	/* -1: none; of nodes also such as are not known */
	int app, tier, owner, ports, gpus;
	int64_t cpu_milli, memory_bytes;
};

struct model {
	struct rng rng;
	struct model_node nodes[NODES];
	struct model_pod pods[PODS];
	int next_uid;
	struct cache *cache;
};

/* --- the model --------------------------------------------------------------------------------------------------------- */

static int place_of(const struct model_pod *p)
{
	if (!p->there || p->terminal)
		return -1;
	return p->node >= 0 ? p->node : p->assumed;
}

static bool counts_for_targets(const struct model_pod *p)
{
	return place_of(p) >= 0 && !p->terminating;
}

static int random_node(struct model *m)
{
	return (int)rng_below(&m->rng, NODES);
}

static struct model_node fresh_node(struct model *m)
{
	return (struct model_node){
		.known = true, .cordoned = rng_chance(&m->rng, 0.2), .tainted = rng_chance(&m->rng, 0.2),
		.cpu_milli = rng_below(&m->rng, 3) ? 1000 * (1 + rng_below(&m->rng, 8)) : 0,
		.memory_bytes = (int64_t)rng_below(&m->rng, 9) << 30, .pods = rng_below(&m->rng, 20),
	};
}

static struct model_pod fresh_pod(struct model *m)
{
	return (struct model_pod){
		.there = true, .uid = m->next_uid++, .assumed = -1, .anti = rng_chance(&m->rng, 0.2),
		.node = rng_chance(&m->rng, 0.3) ? random_node(m) : -1,
		.nominated = rng_chance(&m->rng, 0.2) ? random_node(m) : -1,
		.app = (int)rng_below(&m->rng, 3), .tier = (int)rng_below(&m->rng, 3), .owner = (int)rng_below(&m->rng, 4) - 1,
		.ports = (int)rng_below(&m->rng, 3), .gpus = (int)rng_below(&m->rng, 3),
		.cpu_milli = rng_below(&m->rng, 2000), .memory_bytes = (int64_t)rng_below(&m->rng, 1000) << 20,
	};
}

/* --- as the API shows it --------------------------------------------------------------------------------------------------- */

static void put_node(struct model *m, int i)
{
	const struct model_node *n = &m->nodes[i];
	auto_free char *text = xasprintf(
		"{'metadata':{'name':'n%d'},'spec':{'unschedulable':%s,'taints':[%s]},'status':{'allocatable':{'cpu':'%lldm',"
		"'memory':'%lld','pods':'%lld','example.com/gpu':'8'}}}", i, n->cordoned ? "true" : "false",
		n->tainted ? "{'key':'k','effect':'NoExecute'}" : "{'key':'k','effect':'PreferNoSchedule'}",
		(long long)n->cpu_milli, (long long)n->memory_bytes, (long long)n->pods);

	cache_put_node(m->cache, node_of_text(text));
}

static void add_ports(const struct model_pod *p, struct buf *out)
{
	int i;

	for (i = 0; i < p->ports; i++)
		buf_printf(out, "%s{'hostPort':%d}", i ? "," : "", 8000 + i);
}

static void add_node_name(struct buf *out, const char *key, int node)
{
	if (node >= 0)
		buf_printf(out, ",'%s':'n%d'", key, node);
}

static void put_pod(struct model *m, int i)
{
	const struct model_pod *p = &m->pods[i];
	auto_buf struct buf b = {0};

	buf_printf(&b, "{'metadata':{'name':'p%d','namespace':'%s','uid':'u%d','labels':{'app':'a%d','tier':'t%d'}%s", i, i % 2 ? "x" : "y",
		   p->uid, p->app, p->tier, p->terminating ? ",'deletionTimestamp':'2026-01-01T00:00:00Z'" : "");
	if (p->owner >= 0)
		buf_printf(&b, ",'ownerReferences':[{'controller':true,'kind':'StatefulSet','name':'o%d','uid':'ou%d'}]", p->owner,
			   p->owner);
	buf_printf(&b, "},'spec':{'containers':[{'name':'c','resources':{'requests':{'cpu':'%lldm','memory':'%lld','example.com/gpu':'%d'}},"
		   "'ports':[", (long long)p->cpu_milli, (long long)p->memory_bytes, p->gpus);
	add_ports(p, &b);
	buf_str(&b, "]}]");
	add_node_name(&b, "nodeName", p->node);
	if (p->anti)
		buf_str(&b, ",'affinity':{'podAntiAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':[{'topologyKey':'h',"
			"'labelSelector':{}}]}}");
	buf_printf(&b, "},'status':{'phase':'%s'", p->terminal ? "Failed" : "Pending");
	add_node_name(&b, "nominatedNodeName", p->nominated);
	buf_str(&b, "}}");
	cache_put_pod(m->cache, pod_of(b.data));
}

/* --- random events ----------------------------------------------------------------------------------------------------------- */

static void event_node(struct model *m)
{
	int i = random_node(m);
	char name[16];

	if (rng_chance(&m->rng, 0.6)) {
		m->nodes[i] = fresh_node(m);
		put_node(m, i);
		return;
	}
	snprintf(name, sizeof(name), "n%d", i);
	cache_delete_node(m->cache, name);
	m->nodes[i].known = false;
}

/* An update as an API server could send it. */
static void change_pod(struct model *m, struct model_pod *p)
{
	switch (rng_below(&m->rng, 7)) {
	case 0:
		if (p->node < 0)
			p->node = p->assumed >= 0 && rng_chance(&m->rng, 0.8) ? p->assumed : random_node(m);
		break;
	case 1:
		p->terminal = true;
		break;
	case 2:
		p->terminating = true;
		break;
	case 3:
		p->app = (int)rng_below(&m->rng, 3);
		break;
	case 4:
		p->cpu_milli = rng_below(&m->rng, 2000); /* a resize */
		break;
	case 5:
		p->nominated = rng_chance(&m->rng, 0.5) ? random_node(m) : -1;
		break;
	default: /* another field, another node: the watch wins */
		if (p->node >= 0 && rng_chance(&m->rng, 0.2))
			p->node = random_node(m);
		break;
	}
	if (p->node >= 0 || p->terminal)
		p->assumed = -1;
}

static void event_put_pod(struct model *m)
{
	int i = (int)rng_below(&m->rng, PODS);

	if (!m->pods[i].there || rng_chance(&m->rng, 0.1))
		m->pods[i] = fresh_pod(m); /* under the same name, with another uid */
	else
		change_pod(m, &m->pods[i]);
	put_pod(m, i);
}

static void uid_text(const struct model_pod *p, char text[16])
{
	snprintf(text, 16, "u%d", p->uid);
}

static void event_delete_pod(struct model *m)
{
	struct model_pod *p = &m->pods[rng_below(&m->rng, PODS)];
	char uid[16];

	uid_text(p, uid);
	cache_delete_pod(m->cache, uid);
	p->there = false;
}

static void event_assume(struct model *m)
{
	struct model_pod *p = &m->pods[rng_below(&m->rng, PODS)];
	int node = random_node(m);
	char uid[16], name[16];
	int32_t index;
	bool can = p->there && !p->terminal && place_of(p) < 0;

	snprintf(name, sizeof(name), "n%d", node);
	index = cache_find_node(m->cache, name);
	assert_int_equal(index >= 0, m->nodes[node].known);
	if (index < 0)
		return;
	uid_text(p, uid);
	assert_int_equal(cache_assume(m->cache, uid, (uint32_t)index), can);
	if (can)
		p->assumed = node;
}

static void event_forget(struct model *m)
{
	struct model_pod *p = &m->pods[rng_below(&m->rng, PODS)];
	bool held = p->there && p->node < 0 && place_of(p) >= 0;
	char uid[16];

	uid_text(p, uid);
	assert_int_equal(cache_forget(m->cache, uid), held ? WAKE_POD_FREED : 0);
	if (held)
		p->assumed = -1;
}

static void event_relist_nodes(struct model *m)
{
	int i;

	cache_replace_nodes_begin(m->cache);
	for (i = 0; i < NODES; i++) {
		if (rng_chance(&m->rng, 0.2))
			m->nodes[i] = fresh_node(m);
		if (rng_chance(&m->rng, 0.2))
			m->nodes[i].known = false;
		if (m->nodes[i].known)
			put_node(m, i);
	}
	cache_replace_nodes_end(m->cache);
}

static void count_deleted(void *arg, const struct pod *pod)
{
	int *sum = arg;

	*sum += atoi(pod->uid + 1);
}

static void event_relist_pods(struct model *m)
{
	int gone = 0, expected = 0, i;

	cache_replace_pods_begin(m->cache);
	for (i = 0; i < PODS; i++) {
		struct model_pod *p = &m->pods[i], before = *p;

		if (rng_chance(&m->rng, 0.1))
			*p = fresh_pod(m);
		else if (rng_chance(&m->rng, 0.1))
			p->there = false;
		else if (p->there && rng_chance(&m->rng, 0.5))
			change_pod(m, p);
		if (before.there && (!p->there || p->uid != before.uid))
			expected += before.uid;
		if (p->there)
			put_pod(m, i);
	}
	cache_replace_pods_end(m->cache, count_deleted, &gone);
	assert_int_equal(gone, expected);
}

static void event(struct model *m)
{
	uint32_t dice = rng_below(&m->rng, 100);

	if (dice < 12)
		event_node(m);
	else if (dice < 60)
		event_put_pod(m);
	else if (dice < 68)
		event_delete_pod(m);
	else if (dice < 85)
		event_assume(m);
	else if (dice < 96)
		event_forget(m);
	else if (dice < 98)
		event_relist_nodes(m);
	else
		event_relist_pods(m);
}

/* --- the comparison ------------------------------------------------------------------------------------------------------------ */

static void check_node(const struct model *m, const struct view *v, int node, uint32_t row)
{
	const struct model_node *n = &m->nodes[node];
	const struct node_state *state = &v->nodes[row];
	int64_t cpu = n->cpu_milli, memory = n->memory_bytes, gpus = 0;
	uint32_t bits = (n->cordoned ? NODE_UNSCHEDULABLE : 0u) | (n->tainted ? NODE_HARD_TAINTS : NODE_SOFT_TAINTS);
	uint32_t pods = 0, ports = 0, terminating = 0;
	int i;

	for (i = 0; i < PODS; i++) {
		const struct model_pod *p = &m->pods[i];

		if (place_of(p) != node)
			continue;
		cpu -= p->cpu_milli;
		memory -= p->memory_bytes;
		gpus += p->gpus;
		ports += (uint32_t)p->ports;
		terminating += p->terminating;
		pods++;
	}
	assert_int_equal(v->free_cpu_milli[row], cpu);
	assert_int_equal(v->free_memory_bytes[row], memory);
	assert_int_equal(v->free_ephemeral_bytes[row], 0);
	assert_int_equal(v->free_pods[row], n->pods - pods);
	assert_int_equal(resources_scalar(&state->requested, "example.com/gpu"), gpus);
	assert_int_equal(state->requested.cpu_milli, n->cpu_milli - cpu);
	assert_int_equal(state->pod_count, pods);
	assert_int_equal(state->port_count, ports);
	assert_int_equal(state->terminating_count, terminating);
	assert_int_equal(v->has_taints[row], bits);
	assert_true(fabs((double)v->per_cpu_milli[row] * (double)n->cpu_milli - (n->cpu_milli > 0)) < 1e-6);
	for (i = 0; i < (int)pods; i++)
		assert_int_equal(state->pods[i]->node, row);
}

static void check_nodes(const struct model *m, const struct view *v)
{
	uint32_t known = 0;
	char name[16];
	int i;

	for (i = 0; i < NODES; i++) {
		int32_t row;

		snprintf(name, sizeof(name), "n%d", i);
		row = cache_find_node(m->cache, name);
		assert_int_equal(row >= 0, m->nodes[i].known);
		if (row < 0)
			continue;
		known++;
		assert_true((uint32_t)row < v->count);
		assert_string_equal(v->nodes[row].node->name, name);
		check_node(m, v, i, (uint32_t)row);
	}
	assert_int_equal(known, v->count);
}

static void check_pods(const struct model *m, const struct view *v)
{
	uint32_t anti = 0, nominated = 0, assumed = 0, there = 0;
	char uid[16], name[16];
	int i;

	for (i = 0; i < PODS; i++) {
		const struct model_pod *p = &m->pods[i];
		const struct cached_pod *c;
		int place = place_of(p);
		bool known = place >= 0 && m->nodes[place].known;

		uid_text(p, uid);
		c = cache_find_pod(m->cache, uid);
		assert_int_equal(c != NULL, p->there);
		if (!c)
			continue;
		snprintf(name, sizeof(name), "p%d", i);
		assert_ptr_equal(cache_find_pod_named(m->cache, i % 2 ? "x" : "y", name), c);
		assert_int_equal(c->assumed, place >= 0 && p->node < 0);
		assert_int_equal(c->node >= 0, known);
		if (known) {
			snprintf(name, sizeof(name), "n%d", place);
			assert_int_equal(c->node, cache_find_node(m->cache, name));
		}
		there++;
		assumed += c->assumed;
		anti += known && p->anti;
		nominated += place < 0 && !p->terminal && p->nominated >= 0;
	}
	assert_int_equal(cache_pods(m->cache), there);
	assert_int_equal(cache_assumed(m->cache), assumed);
	assert_int_equal(cache_assumed_since_ms(m->cache) >= 0, assumed > 0);
	assert_int_equal(v->anti_affinity_count, anti);
	assert_int_equal(v->nominated_count, nominated);
	for (i = 0; i < (int)anti; i++)
		assert_true(v->anti_affinity[i]->node >= 0 && v->anti_affinity[i]->pod->anti_affinity_count > 0);
	for (i = 0; i < (int)nominated; i++)
		assert_true(v->nominated[i]->node < 0 && v->nominated[i]->pod->nominated_node[0]);
}

enum question { BY_APP, BY_TIER, BY_CONTROLLER };

static bool belongs(const struct model_pod *p, int i, int namespace_, enum question what, int value)
{
	if (!counts_for_targets(p) || i % 2 != namespace_)
		return false;
	return what == BY_APP ? p->app == value : what == BY_TIER ? p->tier == value : p->owner == value;
}

static uint32_t ask(const struct view *v, int namespace_, enum question what, int value, const char *self, struct node_count *out)
{
	const char *ns = namespace_ ? "x" : "y";
	char text[16];

	snprintf(text, sizeof(text), "%c%d", what == BY_APP ? 'a' : what == BY_TIER ? 't' : 'o', value);
	if (what == BY_CONTROLLER)
		return view_pods_of_controller(v, ns, text, self, out, NODES);
	return view_pods_matching(v, ns, what == BY_APP ? "app" : "tier", text, self, out, NODES);
}

static void check_question(struct model *m, const struct view *v, int namespace_, enum question what, int value)
{
	struct node_count got[NODES];
	uint32_t expected[NODES] = {0}, nodes = 0, count, i;
	int self = (int)rng_below(&m->rng, PODS), k;
	char uid[16], name[16];

	for (k = 0; k < PODS; k++) {
		int place = place_of(&m->pods[k]);

		if (k != self && place >= 0 && m->nodes[place].known && belongs(&m->pods[k], k, namespace_, what, value))
			nodes += expected[place]++ == 0;
	}
	uid_text(&m->pods[self], uid);
	count = ask(v, namespace_, what, value, uid, got);
	assert_int_equal(count, nodes);
	for (i = 0; i < count; i++) {
		assert_true(got[i].node < v->count);
		snprintf(name, sizeof(name), "%s", v->nodes[got[i].node].node->name);
		assert_int_equal(got[i].pods, expected[atoi(name + 1)]);
		expected[atoi(name + 1)] = 0;
	}
}

static void check_owners(const struct model *m, const struct view *v, int owner)
{
	char name[16];
	int node, k;

	for (node = 0; node < NODES; node++) {
		uint32_t expected = 0;

		if (!m->nodes[node].known)
			continue;
		for (k = 0; k < PODS; k++)
			expected += counts_for_targets(&m->pods[k]) && m->pods[k].owner == owner && place_of(&m->pods[k]) == node;
		snprintf(name, sizeof(name), "n%d", node);
		k = cache_find_node(m->cache, name);
		snprintf(name, sizeof(name), "ou%d", owner);
		assert_int_equal(view_owner_pods(v, (uint32_t)k, name), expected);
	}
}

static void check_pending(const struct model *m, const struct view *v, int app)
{
	const struct cached_pod *found[PODS];
	uint32_t expected = 0, count, i;
	char text[16];

	for (i = 0; i < PODS; i++)
		expected += i % 2 && m->pods[i].there && !m->pods[i].terminal && !m->pods[i].terminating && place_of(&m->pods[i]) < 0 &&
			    m->pods[i].app == app;
	snprintf(text, sizeof(text), "a%d", app);
	count = view_pods_pending(v, "x", "app", text, found, PODS);
	assert_int_equal(count, expected);
	for (i = 0; i < count; i++)
		assert_true(found[i]->node < 0 && !found[i]->assumed);
}

static void check(struct model *m)
{
	const struct view *v = cache_view(m->cache);
	int value, namespace_;

	check_nodes(m, v);
	check_pods(m, v);
	for (namespace_ = 0; namespace_ < 2; namespace_++)
		for (value = 0; value < 3; value++) {
			check_question(m, v, namespace_, BY_APP, value);
			check_question(m, v, namespace_, BY_TIER, value);
			check_question(m, v, namespace_, BY_CONTROLLER, value);
		}
	for (value = 0; value < 3; value++) {
		check_owners(m, v, value);
		check_pending(m, v, value);
	}
}

static void equals_a_naive_model_after_each_random_event(void **state)
{
	struct model m = {.rng = rng_make(test_seed()), .next_uid = 1, .cache = cache_new()};
	int step;

	(void)state;
	for (step = 0; step < STEPS; step++) {
		event(&m);
		check(&m);
	}
	cache_free(m.cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equals_a_naive_model_after_each_random_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
