/*
 * Where covered pods would go, and the room for it. Random clusters live through events; after each one the plan is made, its placeholders are put into
 * the cache, and a model of the test checks all of it in plain arithmetic, without decide(), cache or matrix:
 *
 *	- each pod that wants room is covered, or uncovered with a reason, once
 *	- after the failure of any one node all its covered pods fit where the plan sends them, together, with limits, anti-affinity and ports kept, in the
 *	  room kept there
 *	- no node is overcommitted with the placeholders on it
 *	- no assignment whatever covers more pods of a node (exhaustive), so nobody is uncovered who could be covered together with the others
 *	- no assignment whatever that covers as many has an overhead 10 % less (exhaustive, with pruning)
 *	- the cache is as it was
 */
#include "sched/reserve/plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "tests/testing/world.h"

#define NODES 5
#define OURS 9
#define TENANTS 14
#define APPS 4
#define STEPS 4
#define CLUSTERS 5000
#define LIMITS 2
#define WAYS 4000		/* of one failure, with different loads: more and the least overhead is not searched */

enum { CPU, MEMORY, GPU, PODS, RESOURCES };

struct limit_model {
	bool of_app;
	int target;
	double ms;
};

struct pod_model {
	bool there, opts_out, orphan, anti, by_label;
	int serial, node, app, port, frozen_at;	/* port 0: none. frozen_at: a refuge that is kept without a look; -1 */
	int asks[RESOURCES];
	struct limit_model limits[LIMITS];
	int limit_count;
};

struct node_model {
	bool there, cordoned;
	int has[RESOURCES];
	int kept[RESOURCES];			/* by placeholders */
	int placeholders;
};

struct model {
	struct rng rng;
	struct world w;
	int nodes, serial, frozen;
	double rtt_ms[NODES][NODES];		/* NaN: unknown */
	struct node_model node[NODES];
	struct pod_model ours[OURS], tenant[TENANTS];
	struct plan plan;
	struct reserve_settings settings;
};

static struct {
	int plans, covered, uncovered, searched, cheaper_checked, frozen;
	double worst;
} told;

/* --- as the API shows it ------------------------------------------------------------------------------------------------- */

static const char *node_name(int i)
{
	static const char *const names[] = {"n0", "n1", "n2", "n3", "n4"};

	return names[i];
}

static void put_node(struct model *m, int i)
{
	const struct node_model *n = &m->node[i];
	auto_free char *has = xasprintf("\"cpu\":\"%dm\",\"memory\":\"%dMi\",\"ephemeral-storage\":\"1Gi\",\"pods\":\"%d\",\"x.io/gpu\":\"%d\"", n->has[CPU],
					n->has[MEMORY], n->has[PODS], n->has[GPU]);
	auto_free char *labels = xasprintf("\"kubernetes.io/hostname\":\"%s\"", node_name(i));

	world_node_of(&m->w, node_name(i), labels, n->cordoned ? "\"unschedulable\":true" : "", has);
}

static void print_limits(const struct pod_model *p, struct buf *labels, struct buf *annotations)
{
	int i;

	for (i = 0; i < p->limit_count; i++) {
		const struct limit_model *l = &p->limits[i];

		if (i == 0 && p->by_label)
			buf_printf(labels, ",\"delay_%s%d\":\"%g\"", l->of_app ? "a" : "n", l->target, l->ms);
		else
			buf_printf(annotations, "%s%s%d<=%gms", annotations->len ? "," : "", l->of_app ? "app=a" : "node/n", l->target, l->ms);
	}
}

static void put_ours(struct model *m, int i)
{
	const struct pod_model *p = &m->ours[i];
	auto_buf struct buf labels = {0}, limits = {0}, annotations = {0}, spec = {0};
	auto_free char *name = xasprintf("p%d", p->serial);

	buf_printf(&labels, "\"app\":\"a%d\",\"latency-mesh.io/reserve\":\"%s\"", p->app, p->opts_out ? "false" : "true");
	print_limits(p, &labels, &limits);
	if (limits.len)
		buf_printf(&annotations, "\"latency-mesh.io/within\":\"%s\"", limits.data);
	buf_printf(&spec, "\"schedulerName\":\"my-latency-scheduler\",\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"%dm\",\"memory\":\"%dMi\"",
		   p->asks[CPU], p->asks[MEMORY]);
	if (p->asks[GPU])
		buf_printf(&spec, ",\"x.io/gpu\":\"%d\"", p->asks[GPU]);
	buf_str(&spec, "}}");
	if (p->port)
		buf_printf(&spec, ",\"ports\":[{\"hostPort\":%d,\"containerPort\":80}]", p->port);
	buf_str(&spec, "}]");
	if (p->anti)
		buf_printf(&spec, ",\"affinity\":{\"podAntiAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[{\"topologyKey\":"
			   "\"kubernetes.io/hostname\",\"labelSelector\":{\"matchLabels\":{\"app\":\"a%d\"}}}]}}", p->app);
	world_pod_of(&m->w, name, node_name(p->node), labels.data, annotations.len ? annotations.data : "",
		     p->orphan ? "" : "\"ownerReferences\":[{\"kind\":\"ReplicaSet\",\"name\":\"rs\",\"uid\":\"owner\",\"controller\":true}]", spec.data);
}

static void put_asking(struct model *m, const char *name, int node, const char *labels, const int *asks, const char *ports)
{
	auto_free char *spec = xasprintf("\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"%dm\",\"memory\":\"%dMi\",\"x.io/gpu\":\"%d\"}}%s}]",
					 asks[CPU], asks[MEMORY], asks[GPU], ports);

	world_pod_of(&m->w, name, node_name(node), labels, "", "", spec);
}

static void remove_named(struct model *m, const char *prefix, int serial)
{
	auto_free char *uid = xasprintf("uid-%s%d", prefix, serial);

	cache_delete_pod(m->w.cache, uid);
}

/* --- the model's arithmetic ------------------------------------------------------------------------------------------------ */

static void free_on(const struct model *m, int node, bool beside_placeholders, int *left)
{
	int i, r;

	for (r = 0; r < RESOURCES; r++) {
		left[r] = m->node[node].has[r] - (beside_placeholders ? m->node[node].kept[r] : 0);
		for (i = 0; i < OURS; i++)
			left[r] -= m->ours[i].there && m->ours[i].node == node ? m->ours[i].asks[r] : 0;
		for (i = 0; i < TENANTS; i++)
			left[r] -= m->tenant[i].there && m->tenant[i].node == node ? m->tenant[i].asks[r] : 0;
	}
}

static bool asks_within(const int *asks, const int *left)
{
	int r;

	for (r = 0; r < RESOURCES; r++)
		if (asks[r] > 0 && asks[r] > left[r])
			return false;
	return true;
}

/* Pods of ours on nodes: `at` by pod, -1: nowhere. May `i` be on `node`, whatever resources say? */
static bool constraints_hold(const struct model *m, int i, int node, const int *at)
{
	const struct pod_model *p = &m->ours[i];
	int k, l;

	for (k = 0; k < OURS; k++)
		if (k != i && at[k] == node &&
		    ((p->port && p->port == m->ours[k].port) || ((p->anti || m->ours[k].anti) && p->app == m->ours[k].app)))
			return false;
	for (l = 0; l < p->limit_count; l++) {
		const struct limit_model *limit = &p->limits[l];
		bool any = !limit->of_app;

		if (!limit->of_app && !(m->rtt_ms[node][limit->target] <= limit->ms))
			return false;
		for (k = 0; k < OURS && limit->of_app; k++)
			if (k != i && at[k] >= 0 && m->ours[k].app == limit->target) {
				any = true;
				if (!(m->rtt_ms[node][at[k]] <= limit->ms))
					return false;
			}
		if (!any)
			return false;
	}
	return true;
}

static void whereabouts(const struct model *m, int but, int *at)
{
	int i;

	for (i = 0; i < OURS; i++)
		at[i] = m->ours[i].there && m->ours[i].node != but ? m->ours[i].node : -1;
}

/* --- events ---------------------------------------------------------------------------------------------------------------- */

static void random_limits(struct model *m, struct pod_model *p)
{
	static const double limits_ms[] = {1, 3, 8, 10, 50};
	int i;

	p->limit_count = 1 + (int)rng_below(&m->rng, LIMITS);
	p->by_label = rng_chance(&m->rng, 0.4);
	for (i = 0; i < p->limit_count; i++) {
		struct limit_model *l = &p->limits[i];

		l->of_app = p->app > 0 && rng_chance(&m->rng, 0.3);	/* of an app before it: no circles */
		l->target = (int)rng_below(&m->rng, l->of_app ? (uint32_t)p->app : NODES);
		l->ms = limits_ms[rng_below(&m->rng, 5)];
		if (i && p->limits[0].of_app == l->of_app && p->limits[0].target == l->target)
			p->limit_count = 1;
	}
}

static struct pod_model random_pod(struct model *m)
{
	struct pod_model p = {.there = true, .serial = m->serial++, .frozen_at = -1};

	p.app = (int)rng_below(&m->rng, APPS);
	p.orphan = rng_chance(&m->rng, 0.05);
	p.opts_out = rng_chance(&m->rng, 0.05);
	p.anti = rng_chance(&m->rng, 0.2);
	p.port = rng_chance(&m->rng, 0.15) ? 80 + (int)rng_below(&m->rng, 2) : 0;
	p.asks[CPU] = rng_chance(&m->rng, 0.1) ? 0 : 100 * (1 + (int)rng_below(&m->rng, 12));
	p.asks[MEMORY] = 128 * (int)rng_below(&m->rng, 16);
	p.asks[GPU] = rng_chance(&m->rng, 0.15);
	p.asks[PODS] = 1;
	random_limits(m, &p);
	return p;
}

static bool place(struct model *m, const struct pod_model *p, int *node)
{
	int from = (int)rng_below(&m->rng, NODES), k, left[RESOURCES];

	for (k = 0; k < m->nodes; k++) {
		*node = (from + k) % m->nodes;
		free_on(m, *node, true, left);
		if (m->node[*node].there && !m->node[*node].cordoned && asks_within(p->asks, left))
			return true;
	}
	return false;
}

static void add_ours(struct model *m)
{
	int i, k, at[OURS];

	for (i = 0; i < OURS && m->ours[i].there; i++)
		;
	if (i == OURS)
		return;
	m->ours[i] = random_pod(m);
	m->ours[i].there = place(m, &m->ours[i], &m->ours[i].node);
	if (!m->ours[i].there)
		return;
	whereabouts(m, -1, at);
	for (k = 0; k < OURS; k++)	/* latencies change; ports and anti-affinity hold from the first */
		if (k != i && at[k] == m->ours[i].node && ((m->ours[i].port && m->ours[k].port == m->ours[i].port) ||
							   ((m->ours[i].anti || m->ours[k].anti) && m->ours[i].app == m->ours[k].app)))
			m->ours[i].there = false;
	if (m->ours[i].there && m->node[m->ours[i].node].placeholders && m->ours[i].port)
		m->ours[i].there = false;	/* a placeholder may hold it */
	if (m->ours[i].there)
		put_ours(m, i);
}

static void remove_ours(struct model *m, int i)
{
	if (m->ours[i].there)
		remove_named(m, "p", m->ours[i].serial);
	m->ours[i].there = false;
}

/* Others fill what is free beside the placeholders, some of them to the last byte. */
static void add_tenant(struct model *m)
{
	struct pod_model p = random_pod(m);
	auto_free char *name = xasprintf("t%d", p.serial);
	int i, r, left[RESOURCES];

	for (i = 0; i < TENANTS && m->tenant[i].there; i++)
		;
	p.asks[GPU] = p.port = 0;
	if (i == TENANTS || !place(m, &p, &p.node))
		return;
	if (rng_chance(&m->rng, 0.25)) {
		free_on(m, p.node, true, left);
		for (r = CPU; r <= GPU; r++)
			p.asks[r] = left[r] > 0 ? left[r] : 0;
	}
	m->tenant[i] = p;
	put_asking(m, name, p.node, "", p.asks, "");
}

static void remove_tenant(struct model *m, int i)
{
	if (m->tenant[i].there)
		remove_named(m, "t", m->tenant[i].serial);
	m->tenant[i].there = false;
}

static void take_placeholders(struct model *m, int node)
{
	struct node_model *n = &m->node[node];

	while (n->placeholders) {
		auto_free char *uid = xasprintf("uid-keep-%s-%d", node_name(node), --n->placeholders);

		cache_delete_pod(m->w.cache, uid);
	}
	memset(n->kept, 0, sizeof(n->kept));
}

static void random_node(struct model *m, int i)
{
	struct node_model *n = &m->node[i];

	*n = (struct node_model){.there = true, .has = {1000 * (1 + (int)rng_below(&m->rng, 4)), 1024 * (1 + (int)rng_below(&m->rng, 4)),
							(int)rng_below(&m->rng, 3), 3 + (int)rng_below(&m->rng, 8)}};
	put_node(m, i);
}

static void node_goes_or_comes(struct model *m, int i)
{
	int k;

	if (!m->node[i].there) {
		random_node(m, i);
		return;
	}
	for (k = 0; k < OURS; k++)
		if (m->ours[k].there && m->ours[k].node == i)
			remove_ours(m, k);
	for (k = 0; k < TENANTS; k++)
		if (m->tenant[k].there && m->tenant[k].node == i)
			remove_tenant(m, k);
	take_placeholders(m, i);
	cache_delete_node(m->w.cache, node_name(i));
	m->node[i].there = false;
}

static void random_rtt(struct model *m, int a, int b)
{
	static const double levels_ms[] = {0.5, 1, 2, 3, 5, 8, 10, 20};
	double ms = rng_chance(&m->rng, 0.04) ? (double)NAN : levels_ms[rng_below(&m->rng, 8)];

	if (a == b)
		return;
	m->rtt_ms[a][b] = m->rtt_ms[b][a] = ms;
	world_rtt(&m->w, node_name(a), node_name(b), ms * 1000);
}

static void latencies_change(struct model *m)
{
	int k;

	for (k = 1 + (int)rng_below(&m->rng, 4); k > 0; k--)
		random_rtt(m, (int)rng_below(&m->rng, NODES), (int)rng_below(&m->rng, NODES));
	m->w.snapshot.generation++;
	world_take(&m->w);
}

static void event(struct model *m)
{
	int node = (int)rng_below(&m->rng, (uint32_t)m->nodes), k;

	switch (rng_below(&m->rng, 20)) {
	case 0: case 1: case 2: case 3: case 4: case 5: case 6:
		for (k = 1 + (int)rng_below(&m->rng, 3); k > 0; k--)
			add_ours(m);
		return;
	case 7: case 8: case 9:
		remove_ours(m, (int)rng_below(&m->rng, OURS));
		return;
	case 10: case 11: case 12: case 13:
		for (k = 1 + (int)rng_below(&m->rng, 3); k > 0; k--)
			add_tenant(m);
		return;
	case 14:
		remove_tenant(m, (int)rng_below(&m->rng, TENANTS));
		return;
	case 15:
		node_goes_or_comes(m, node);
		return;
	case 16: case 17:
		m->node[node].cordoned = !m->node[node].cordoned;
		if (m->node[node].there)
			put_node(m, node);
		return;
	default:
		latencies_change(m);
	}
}

/* --- the plan, and the cache as it was --------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t more)
{
	h = (h ^ more) * 0x9e3779b97f4a7c15u;
	return h ^ (h >> 29);
}

static uint64_t hash_text_of(const char *text)
{
	uint64_t h = 7;

	for (; *text; text++)
		h = mix(h, (unsigned char)*text);
	return h;
}

/* Lists of the cache have no order, so sums. */
static uint64_t sum_of(const struct cached_pod *const *pods, uint32_t count)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < count; i++)
		sum += mix(mix(mix(hash_text_of(pods[i]->pod->uid), (uint64_t)pods[i]->node), pods[i]->assumed), (uint64_t)pods[i]->placed_mono_ms);
	return sum;
}

static uint64_t dump(struct cache *c)
{
	const struct view *v = cache_view(c);
	uint64_t h = mix(mix(v->count, v->node_epoch), v->nominated_count);
	uint32_t i, k;

	for (i = 0; i < v->count; i++) {
		const struct node_state *n = &v->nodes[i];
		uint64_t placements = 0;

		h = mix(h, hash_text_of(n->node->name));
		h = mix(mix(mix(h, (uint64_t)n->requested.cpu_milli), (uint64_t)n->requested.memory_bytes), (uint64_t)n->requested.ephemeral_bytes);
		for (k = 0; k < n->requested.scalar_count; k++)	/* nothing of it is as if it did not stand there */
			h = !n->requested.scalars[k].amount ? h :
			    mix(mix(h, hash_text_of(n->requested.scalars[k].name)), (uint64_t)n->requested.scalars[k].amount);
		for (k = 0; k < n->placement_count; k++)
			placements += mix(mix(hash_text_of(n->placements[k].pod->pod->uid), (uint64_t)n->placements[k].placed_mono_ms),
					  (uint64_t)n->placements[k].cpu_milli);
		h = mix(mix(mix(mix(mix(h, placements), sum_of(n->pods, n->pod_count)), n->port_count), n->terminating_count), n->pod_count);
		h = mix(mix(mix(mix(h, (uint64_t)v->free_cpu_milli[i]), (uint64_t)v->free_memory_bytes[i]), (uint64_t)v->free_ephemeral_bytes[i]),
			(uint64_t)v->free_pods[i]);
		h = mix(h, view_owner_pods(v, i, "owner"));
	}
	h = mix(mix(h, sum_of(v->anti_affinity, v->anti_affinity_count)), sum_of(v->affinity, v->affinity_count));
	return mix(mix(h, cache_assumed(c)), cache_pods(c));
}

static const struct profile *profile_of(const void *arg, const char *scheduler_name)
{
	const struct world *w = arg;

	return STREQ(scheduler_name, w->profile.scheduler_name) ? &w->profile : NULL;
}

static void make_plan(struct model *m, struct plan *out)
{
	const char *frozen = m->frozen >= 0 ? node_name(m->frozen) : NULL;
	const struct plan_input in = {
		.cache = m->w.cache, .mesh = m->w.mesh, .profile = profile_of, .profile_arg = &m->w, .settings = &m->settings,
		.previous = &m->plan.covers, .frozen = &frozen, .frozen_count = frozen ? 1 : 0, .mono_ms = m->w.mono_ms,
	};
	uint64_t before = dump(m->w.cache);

	plan_make(m->w.decider, &in, out);
	assert_true(dump(m->w.cache) == before);
}

static int node_of_name(const char *name)
{
	return name[1] - '0';
}

static int ours_of_uid(const struct model *m, const char *uid)
{
	int i, serial = atoi(uid + strlen("uid-p"));

	for (i = 0; i < OURS; i++)
		if (m->ours[i].there && m->ours[i].serial == serial)
			return i;
	fail_msg("%s: no such pod", uid);
	return -1;
}

/* Of pods whose refuge is frozen; by the plan that was there before. */
static void note_frozen(struct model *m)
{
	size_t i;
	int k;

	for (k = 0; k < OURS; k++)
		m->ours[k].frozen_at = -1;
	for (i = 0; i < m->plan.covers.count && m->frozen >= 0; i++) {
		const struct cover *c = &m->plan.covers.items[i];

		for (k = 0; k < OURS; k++)
			if (m->ours[k].there && m->ours[k].serial == atoi(c->uid + strlen("uid-p")) && node_of_name(c->refuge) == m->frozen)
				m->ours[k].frozen_at = m->frozen;
	}
}

static void explain(const struct model *m, const struct plan *p)
{
	auto_buf struct buf text = {0};
	int i, k;

	plan_print(p, &text);
	printf("# frozen %d, plan %s", m->frozen, text.data);
	for (i = 0; i < m->nodes; i++) {
		printf("# n%d there %d cordoned %d has %d %d %d %d rtt", i, m->node[i].there, m->node[i].cordoned, m->node[i].has[0], m->node[i].has[1], m->node[i].has[2],
		       m->node[i].has[3]);
		for (k = 0; k < m->nodes; k++)
			printf(" %g", m->rtt_ms[i][k]);
		printf("\n");
	}
	for (i = 0; i < OURS; i++) {
		const struct pod_model *q = &m->ours[i];

		if (!q->there)
			continue;
		printf("# p%d on n%d app a%d anti %d port %d orphan %d out %d frozen_at %d asks %d %d %d:", q->serial, q->node, q->app, q->anti, q->port, q->orphan,
		       q->opts_out, q->frozen_at, q->asks[0], q->asks[1], q->asks[2]);
		for (k = 0; k < q->limit_count; k++)
			printf(" %s%d<=%g", q->limits[k].of_app ? "a" : "n", q->limits[k].target, q->limits[k].ms);
		printf("\n");
	}
	for (i = 0; i < TENANTS; i++)
		if (m->tenant[i].there)
			printf("# t%d on n%d asks %d %d\n", m->tenant[i].serial, m->tenant[i].node, m->tenant[i].asks[0], m->tenant[i].asks[1]);
}

/* --- what the plan says, checked ----------------------------------------------------------------------------------------------- */

static bool is_candidate(const struct model *m, int i)
{
	return m->ours[i].there && !m->ours[i].opts_out && !m->ours[i].orphan;
}

static void read_refuges(const struct model *m, const struct plan *p, int *refuge)
{
	bool seen[OURS] = {false};
	size_t i;
	int k;

	for (k = 0; k < OURS; k++)
		refuge[k] = -1;
	for (i = 0; i < p->covers.count; i++) {
		const struct cover *c = &p->covers.items[i];

		k = ours_of_uid(m, c->uid);
		assert_false(seen[k]);
		seen[k] = true;
		assert_true(is_candidate(m, k));
		assert_string_equal(c->node, node_name(m->ours[k].node));
		assert_string_equal(c->owner_uid, "owner");
		assert_true(i == 0 || strcmp(p->covers.items[i - 1].uid, c->uid) < 0);
		refuge[k] = node_of_name(c->refuge);
	}
	for (i = 0; i < p->uncovered_count; i++) {
		k = ours_of_uid(m, p->uncovered[i].uid);
		assert_false(seen[k]);
		seen[k] = true;
		assert_false(m->ours[k].opts_out);
		assert_true(p->uncovered[i].reason[0]);
		assert_true(!m->ours[k].orphan || STREQ(p->uncovered[i].reason, "no controller would recreate it"));
	}
	for (k = 0; k < OURS; k++)
		assert_int_equal(seen[k], m->ours[k].there && !m->ours[k].opts_out);
}

static const struct plan_room *room_at(const struct plan *p, int node)
{
	size_t i;

	for (i = 0; i < p->room_count; i++)
		if (STREQ(p->rooms[i].node, node_name(node)))
			return &p->rooms[i];
	return NULL;
}

static void room_amounts(const struct plan_room *room, int *amounts)
{
	memset(amounts, 0, RESOURCES * sizeof(*amounts));
	if (!room)
		return;
	amounts[CPU] = (int)room->need.cpu_milli;
	amounts[MEMORY] = (int)(room->need.memory_bytes >> 20);
	amounts[GPU] = (int)resources_scalar(&room->need, "x.io/gpu");
	amounts[PODS] = (int)room->pods;
}

static bool room_has_port(const struct plan_room *room, int port)
{
	uint32_t i;

	for (i = 0; i < room->port_count; i++)
		if (room->ports[i].port == port && STREQ(room->ports[i].protocol, "TCP"))
			return true;
	return false;
}

/* All covered pods of the node at once, where the plan sends them. */
static void check_failure(const struct model *m, const struct plan *p, int failed, const int *refuge)
{
	int at[OURS], i, r, node, left[RESOURCES], kept[RESOURCES];

	whereabouts(m, failed, at);
	for (i = 0; i < OURS; i++)
		if (is_candidate(m, i) && m->ours[i].node == failed)
			at[i] = refuge[i];
	for (node = 0; node < m->nodes; node++) {
		int come[RESOURCES] = {0}, count = 0;

		for (i = 0; i < OURS; i++) {
			if (!is_candidate(m, i) || m->ours[i].node != failed || at[i] != node || m->ours[i].frozen_at >= 0)
				continue;
			count++;
			for (r = 0; r < RESOURCES; r++)
				come[r] += m->ours[i].asks[r];
			assert_true(node != failed && m->node[node].there && !m->node[node].cordoned && node != m->frozen);
			if (!constraints_hold(m, i, node, at)) {
				explain(m, p);
				fail_msg("after %s failed p%d cannot be on %s", node_name(failed), m->ours[i].serial, node_name(node));
			}
			assert_true(!m->ours[i].port || room_has_port(room_at(p, node), m->ours[i].port));
		}
		if (!count)
			continue;
		free_on(m, node, false, left);
		room_amounts(room_at(p, node), kept);
		assert_true(asks_within(come, left));
		assert_true(asks_within(come, kept));
	}
}

/* The rooms are those maxima, no more; and the overhead is of them. */
static double check_rooms(const struct model *m, const struct plan *p, const int *refuge, const bool *asked)
{
	double share[RESOURCES] = {0}, total[RESOURCES] = {0}, sum = 0;
	int node, f, i, r, kinds = 0, kept[RESOURCES];

	for (node = 0; node < m->nodes; node++) {
		int most[RESOURCES] = {0};

		for (f = 0; f < m->nodes; f++) {
			int come[RESOURCES] = {0};

			for (i = 0; i < OURS; i++)
				for (r = 0; r < RESOURCES; r++)
					if (is_candidate(m, i) && m->ours[i].node == f && refuge[i] == node && m->ours[i].frozen_at < 0)
						come[r] += m->ours[i].asks[r];
			for (r = 0; r < RESOURCES; r++)
				most[r] = come[r] > most[r] ? come[r] : most[r];
		}
		room_amounts(room_at(p, node), kept);
		for (r = 0; r < RESOURCES; r++) {
			assert_int_equal(kept[r], most[r]);
			share[r] += most[r];
			total[r] += m->node[node].there ? m->node[node].has[r] : 0;
		}
	}
	for (r = 0; r < PODS; r++)
		if (asked[r]) {
			kinds++;
			sum += share[r] / total[r];
		}
	sum = kinds ? sum / kinds : share[PODS] / (total[PODS] > 0 ? total[PODS] : 1);
	assert_true(fabs(sum - p->overhead) < 1e-9);
	assert_true(fabs((total[CPU] > 0 ? share[CPU] / total[CPU] : 0) - p->overhead_cpu) < 1e-9);
	return sum;
}

/* --- the best there is, exhaustively ---------------------------------------------------------------------------------------------- */

struct way {
	int load[NODES][RESOURCES];
};

struct search {
	const struct model *m;
	int failed, candidates[OURS], count, at[OURS], left[NODES][RESOURCES], most;
	struct way *ways;
	int way_count;
	bool too_many;
};

static void note_way(struct search *s, int covered)
{
	struct way way = {0};
	int i, r;

	if (covered > s->most)
		s->way_count = 0;
	s->most = covered;
	for (i = 0; i < s->count; i++) {
		const struct pod_model *p = &s->m->ours[s->candidates[i]];

		for (r = 0; r < RESOURCES && p->frozen_at < 0 && s->at[s->candidates[i]] >= 0; r++)
			way.load[s->at[s->candidates[i]]][r] += p->asks[r];
	}
	for (i = 0; i < s->way_count; i++)
		if (memcmp(&s->ways[i], &way, sizeof(way)) == 0)
			return;
	s->too_many |= s->way_count == WAYS;
	if (!s->too_many)
		s->ways[s->way_count++] = way;
}

static void search_from(struct search *s, int level, int covered)
{
	int i, node, r;

	if (covered + (s->count - level) < s->most)
		return;
	if (level == s->count) {
		note_way(s, covered);
		return;
	}
	i = s->candidates[level];
	if (s->m->ours[i].frozen_at >= 0) {
		search_from(s, level + 1, covered + 1);
		return;
	}
	for (node = 0; node < s->m->nodes; node++) {
		const struct node_model *n = &s->m->node[node];

		if (!n->there || n->cordoned || node == s->failed || node == s->m->frozen || !asks_within(s->m->ours[i].asks, s->left[node]) ||
		    !constraints_hold(s->m, i, node, s->at))
			continue;
		for (r = 0; r < RESOURCES; r++)
			s->left[node][r] -= s->m->ours[i].asks[r];
		s->at[i] = node;
		search_from(s, level + 1, covered + 1);
		s->at[i] = -1;
		for (r = 0; r < RESOURCES; r++)
			s->left[node][r] += s->m->ours[i].asks[r];
	}
	search_from(s, level + 1, covered);
}

/* Apps in order, as limits are to apps before one's own. */
static void search_failure(const struct model *m, int failed, struct search *s)
{
	int app, i;

	*s = (struct search){.m = m, .failed = failed, .ways = s->ways};
	whereabouts(m, failed, s->at);
	for (app = 0; app < APPS; app++)
		for (i = 0; i < OURS; i++)
			if (is_candidate(m, i) && m->ours[i].node == failed && m->ours[i].app == app)
				s->candidates[s->count++] = i;
	for (i = 0; i < s->count; i++)
		if (m->ours[s->candidates[i]].frozen_at >= 0)
			s->at[s->candidates[i]] = m->ours[s->candidates[i]].frozen_at;
	for (i = 0; i < m->nodes; i++)
		free_on(m, i, false, s->left[i]);
	search_from(s, 0, 0);
}

struct cheapest {
	const struct search *failures;
	int count;
	double weight[RESOURCES], least;
	long looks;
};

static void cheaper(struct cheapest *c, int level, const struct way *room)
{
	double cost = 0;
	int node, r, i;

	for (node = 0; node < NODES; node++)
		for (r = 0; r < RESOURCES; r++)
			cost += c->weight[r] * room->load[node][r];
	if (cost >= c->least || c->looks-- <= 0)
		return;
	if (level == c->count) {
		c->least = cost;
		return;
	}
	for (i = 0; i < c->failures[level].way_count; i++) {
		struct way next = *room;

		for (node = 0; node < NODES; node++)
			for (r = 0; r < RESOURCES; r++)
				if (c->failures[level].ways[i].load[node][r] > next.load[node][r])
					next.load[node][r] = c->failures[level].ways[i].load[node][r];
		cheaper(c, level + 1, &next);
	}
}

static void check_least(const struct model *m, const struct plan *p, const struct search *failures, double overhead, const bool *asked)
{
	struct cheapest c = {.failures = failures, .count = m->nodes, .looks = 300000};
	struct way none = {0};
	int r, node, kinds = 0;
	/* Nothing may cost less than that; what does ends the search below it. */
	const double bound = overhead / 1.10 - 1e-9;

	for (r = 0; r < PODS; r++)
		kinds += asked[r];
	for (r = 0; r < RESOURCES; r++) {
		double total = 0;

		for (node = 0; node < m->nodes; node++)
			total += m->node[node].there ? m->node[node].has[r] : 0;
		c.weight[r] = total > 0 && (kinds ? r < PODS && asked[r] : r == PODS) ? 1 / total / (kinds ? kinds : 1) : 0;
	}
	c.least = told.cheaper_checked % 16 ? bound : overhead + 1e-12;	/* each sixteenth time to the end, to know how good it is */
	cheaper(&c, 0, &none);
	if (c.looks <= 0)
		return;
	if (c.least < bound)
		explain(m, p);
	if (c.least < bound)
		fail_msg("overhead %.6f, and %.6f is possible", overhead, c.least);
	if (told.cheaper_checked++ % 16 == 0 && c.least > 0 && overhead / c.least > told.worst)
		told.worst = overhead / c.least;
}

static struct way ways_of[NODES][WAYS];

static void asked_for(const struct model *m, const int *refuge, bool *asked)
{
	int i, r;

	for (r = 0; r < RESOURCES; r++)
		for (asked[r] = false, i = 0; i < OURS; i++)
			asked[r] |= is_candidate(m, i) && (!refuge || refuge[i] >= 0) && m->ours[i].asks[r] > 0;
}

static void check_plan(const struct model *m, const struct plan *p)
{
	struct search failures[NODES];
	bool asked[RESOURCES], asked_by_all[RESOURCES], too_many = false;
	int refuge[OURS], f, i, covered;
	double overhead;

	read_refuges(m, p, refuge);
	asked_for(m, refuge, asked);
	asked_for(m, NULL, asked_by_all);
	for (f = 0; f < m->nodes; f++)
		check_failure(m, p, f, refuge);
	overhead = check_rooms(m, p, refuge, asked);
	for (f = 0; f < m->nodes; f++) {
		failures[f].ways = ways_of[f];
		search_failure(m, f, &failures[f]);
		too_many |= failures[f].too_many;
		for (covered = 0, i = 0; i < OURS; i++)
			covered += is_candidate(m, i) && m->ours[i].node == f && refuge[i] >= 0;
		if (covered != failures[f].most)
			explain(m, p);
		if (covered != failures[f].most)
			fail_msg("of %s's pods %d are covered, and %d can be", node_name(f), covered, failures[f].most);
		told.uncovered += failures[f].count - covered;
		told.covered += covered;
	}
	told.plans++;
	if (!too_many && memcmp(asked, asked_by_all, sizeof(asked)) == 0) {
		told.searched++;
		check_least(m, p, failures, overhead, asked);
	}
}

/* --- placeholders in the cache ---------------------------------------------------------------------------------------------------- */

static void put_placeholders(struct model *m, const struct plan_room *room)
{
	int node = node_of_name(room->node), k, r, all[RESOURCES];
	struct node_model *n = &m->node[node];
	auto_buf struct buf ports = {0};
	uint32_t i;

	room_amounts(room, all);
	for (i = 0; i < room->port_count; i++)
		buf_printf(&ports, "%s{\"hostPort\":%d,\"containerPort\":1}", i ? "," : ",\"ports\":[", room->ports[i].port);
	if (ports.len)
		buf_char(&ports, ']');
	for (k = 0; k < all[PODS]; k++) {
		auto_free char *name = xasprintf("keep-%s-%d", node_name(node), n->placeholders++);
		int part[RESOURCES];

		for (r = 0; r < RESOURCES; r++)
			part[r] = all[r] / all[PODS] + (k < all[r] % all[PODS]);
		put_asking(m, name, node, "\"latency-mesh.io/role\":\"placeholder\"", part, k || !ports.len ? "" : ports.data);
	}
	memcpy(n->kept, all, sizeof(n->kept));
}

static void follow_plan(struct model *m)
{
	int node, r, left[RESOURCES];
	size_t i;

	for (node = 0; node < m->nodes; node++)
		if (m->node[node].there && node != m->frozen)
			take_placeholders(m, node);
	for (i = 0; i < m->plan.room_count; i++)
		put_placeholders(m, &m->plan.rooms[i]);
	for (node = 0; node < m->nodes; node++) {
		free_on(m, node, true, left);
		for (r = 0; r < RESOURCES && m->node[node].there; r++)
			assert_true(left[r] >= 0);
	}
}

static void check_text(const struct plan *p)
{
	auto_buf struct buf text = {0}, again = {0};
	auto_plan struct plan back = {0};
	struct lm_err err = {0};

	plan_print(p, &text);
	if (plan_parse(text.data, text.len, &back, &err) < 0)
		fail_msg("%s: %s", err.msg, text.data);
	plan_print(&back, &again);
	assert_string_equal(text.data, again.data);
}

static void step(struct model *m)
{
	struct plan next;

	m->frozen = rng_chance(&m->rng, 0.1) ? (int)rng_below(&m->rng, (uint32_t)m->nodes) : -1;
	if (m->frozen >= 0 && !m->node[m->frozen].there)
		m->frozen = -1;
	told.frozen += m->frozen >= 0;
	note_frozen(m);
	make_plan(m, &next);
	check_plan(m, &next);
	if (told.plans % 8 == 0)
		check_text(&next);
	plan_free(&m->plan);
	m->plan = next;
	follow_plan(m);
}

static void live(struct rng rng)
{
	struct model m = {.rng = rng, .frozen = -1, .settings = {.enabled = true, .namespace_ = "default"}};
	int i, k;

	world_begin(&m.w, "n0 n1 n2 n3 n4", "");
	m.nodes = 3 + (int)rng_below(&m.rng, NODES - 2);
	for (i = 0; i < NODES; i++) {
		if (i < m.nodes)
			random_node(&m, i);
		else
			cache_delete_node(m.w.cache, node_name(i));
		for (k = 0; k < i; k++)
			random_rtt(&m, i, k);
	}
	world_take(&m.w);
	for (i = 2 + (int)rng_below(&m.rng, 6); i > 0; i--)
		add_ours(&m);
	for (i = (int)rng_below(&m.rng, 4); i > 0; i--)
		add_tenant(&m);
	step(&m);
	for (i = 0; i < STEPS; i++) {
		event(&m);
		step(&m);
	}
	plan_free(&m.plan);
	world_end(&m.w);
}

static void covered_pods_can_be_placed_after_any_failure_with_the_least_room(void **state)
{
	struct rng r = rng_make(test_seed());
	int i;

	(void)state;
	for (i = 0; i < test_rounds(CLUSTERS); i++) {
		live(rng_make(rng_next(&r)));
	}
	printf("# %d plans, %d covered, %d uncovered, %d with a frozen node, %d of them compared with the least, worst of a sixteenth %.4f\n", told.plans,
	       told.covered, told.uncovered, told.frozen, told.cheaper_checked, told.worst);
	assert_true(told.covered > told.plans);
	assert_true(told.uncovered > told.plans / 10);
	assert_true(told.cheaper_checked > told.plans / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(covered_pods_can_be_placed_after_any_failure_with_the_least_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
