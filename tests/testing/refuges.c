#include "tests/testing/refuges.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

/* --- as the API shows it ------------------------------------------------------------------------------------------------- */

const char *refuges_node(int i)
{
	static const char *const names[] = {"n0", "n1", "n2", "n3", "n4"};

	return names[i];
}

static void put_node(struct refuges *m, int i)
{
	const struct node_model *n = &m->node[i];
	auto_free char *has = xasprintf("\"cpu\":\"%dm\",\"memory\":\"%dMi\",\"ephemeral-storage\":\"1Gi\",\"pods\":\"%d\",\"x.io/gpu\":\"%d\"", n->has[CPU],
					n->has[MEMORY], n->has[PODS], n->has[GPU]);
	auto_free char *labels = xasprintf("\"kubernetes.io/hostname\":\"%s\"", refuges_node(i));

	world_node_of(&m->w, refuges_node(i), labels, n->cordoned ? "\"unschedulable\":true" : "", has);
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

static void put_ours(struct refuges *m, int i)
{
	const struct pod_model *p = &m->ours[i];
	auto_buf struct buf labels = {0}, limits = {0}, annotations = {0}, spec = {0};
	auto_free char *name = xasprintf("p%d", p->serial);

	buf_printf(&labels, "\"app\":\"a%d\",\"latency-mesh.io/reserve\":\"%s\"", p->app, p->opts_out ? "false" : "true");
	print_limits(p, &labels, &limits);
	if (limits.len)
		buf_printf(&annotations, "\"latency-mesh.io/within\":\"%s\"", limits.data);
	buf_printf(&spec, "\"schedulerName\":\"my-latency-scheduler\",\"priority\":%d,\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"%dm\","
		   "\"memory\":\"%dMi\"", p->priority, p->asks[CPU], p->asks[MEMORY]);
	if (p->asks[GPU])
		buf_printf(&spec, ",\"x.io/gpu\":\"%d\"", p->asks[GPU]);
	buf_str(&spec, "}}");
	if (p->port)
		buf_printf(&spec, ",\"ports\":[{\"hostPort\":%d,\"containerPort\":80}]", p->port);
	buf_str(&spec, "}]");
	if (p->anti)
		buf_printf(&spec, ",\"affinity\":{\"podAntiAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[{\"topologyKey\":"
			   "\"kubernetes.io/hostname\",\"labelSelector\":{\"matchLabels\":{\"app\":\"a%d\"}}}]}}", p->app);
	world_pod_of(&m->w, name, refuges_node(p->node), labels.data, annotations.len ? annotations.data : "",
		     p->orphan ? "" : "\"ownerReferences\":[{\"kind\":\"ReplicaSet\",\"name\":\"rs\",\"uid\":\"owner\",\"controller\":true}]", spec.data);
}

static void put_asking(struct refuges *m, const char *name, int node, const char *labels, const int *asks, const char *ports)
{
	auto_free char *spec = xasprintf("\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"%dm\",\"memory\":\"%dMi\",\"x.io/gpu\":\"%d\"}}%s}]",
					 asks[CPU], asks[MEMORY], asks[GPU], ports);

	world_pod_of(&m->w, name, refuges_node(node), labels, "", "", spec);
}

static void remove_named(struct refuges *m, const char *prefix, int serial)
{
	auto_free char *uid = xasprintf("uid-%s%d", prefix, serial);

	cache_delete_pod(m->w.cache, uid);
}

/* --- the model's arithmetic ------------------------------------------------------------------------------------------------ */

void refuges_free(const struct refuges *m, int node, bool beside_placeholders, int *left)
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

bool refuges_within(const int *asks, const int *left)
{
	int r;

	for (r = 0; r < RESOURCES; r++)
		if (asks[r] > 0 && asks[r] > left[r])
			return false;
	return true;
}

/* Pods of ours on nodes: `at` by pod, -1: nowhere. May `i` be on `node`, whatever resources say? */
bool refuges_hold(const struct refuges *m, int i, int node, const int *at)
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

void refuges_where(const struct refuges *m, int but, int *at)
{
	int i;

	for (i = 0; i < OURS; i++)
		at[i] = m->ours[i].there && m->ours[i].node != but ? m->ours[i].node : -1;
}

/* --- events ---------------------------------------------------------------------------------------------------------------- */

static void random_limits(struct refuges *m, struct pod_model *p)
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

static struct pod_model random_pod(struct refuges *m)
{
	struct pod_model p = {.there = true, .serial = m->serial, .priority = 10 * (m->serial * 5 % 3), .frozen_at = -1};

	m->serial++;
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

static bool place(struct refuges *m, const struct pod_model *p, int *node)
{
	int from = (int)rng_below(&m->rng, NODES), k, left[RESOURCES];

	for (k = 0; k < m->nodes; k++) {
		*node = (from + k) % m->nodes;
		refuges_free(m, *node, true, left);
		if (m->node[*node].there && !m->node[*node].cordoned && refuges_within(p->asks, left))
			return true;
	}
	return false;
}

static void add_ours(struct refuges *m)
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
	refuges_where(m, -1, at);
	for (k = 0; k < OURS; k++)	/* latencies change; ports and anti-affinity hold from the first */
		if (k != i && at[k] == m->ours[i].node && ((m->ours[i].port && m->ours[k].port == m->ours[i].port) ||
							   ((m->ours[i].anti || m->ours[k].anti) && m->ours[i].app == m->ours[k].app)))
			m->ours[i].there = false;
	if (m->ours[i].there && m->node[m->ours[i].node].placeholders && m->ours[i].port)
		m->ours[i].there = false;	/* a placeholder may hold it */
	if (m->ours[i].there)
		put_ours(m, i);
}

static void remove_ours(struct refuges *m, int i)
{
	if (m->ours[i].there)
		remove_named(m, "p", m->ours[i].serial);
	m->ours[i].there = false;
}

/* Others fill what is free beside the placeholders, some of them to the last byte. */
static void add_tenant(struct refuges *m)
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
		refuges_free(m, p.node, true, left);
		for (r = CPU; r <= GPU; r++)
			p.asks[r] = left[r] > 0 ? left[r] : 0;
	}
	m->tenant[i] = p;
	put_asking(m, name, p.node, "", p.asks, "");
}

static void remove_tenant(struct refuges *m, int i)
{
	if (m->tenant[i].there)
		remove_named(m, "t", m->tenant[i].serial);
	m->tenant[i].there = false;
}

static void take_placeholders(struct refuges *m, int node)
{
	struct node_model *n = &m->node[node];

	while (n->placeholders) {
		auto_free char *uid = xasprintf("uid-keep-%s-%d", refuges_node(node), --n->placeholders);

		cache_delete_pod(m->w.cache, uid);
	}
	memset(n->kept, 0, sizeof(n->kept));
}

static void random_node(struct refuges *m, int i)
{
	struct node_model *n = &m->node[i];

	*n = (struct node_model){.there = true, .has = {1000 * (1 + (int)rng_below(&m->rng, 4)), 1024 * (1 + (int)rng_below(&m->rng, 4)),
							(int)rng_below(&m->rng, 3), 3 + (int)rng_below(&m->rng, 8)}};
	put_node(m, i);
}

static void node_goes_or_comes(struct refuges *m, int i)
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
	cache_delete_node(m->w.cache, refuges_node(i));
	m->node[i].there = false;
}

static void random_rtt(struct refuges *m, int a, int b)
{
	static const double levels_ms[] = {0.5, 1, 2, 3, 5, 8, 10, 20};
	double ms = rng_chance(&m->rng, 0.04) ? (double)NAN : levels_ms[rng_below(&m->rng, 8)];

	if (a == b)
		return;
	m->rtt_ms[a][b] = m->rtt_ms[b][a] = ms;
	world_rtt(&m->w, refuges_node(a), refuges_node(b), ms * 1000);
}

static void latencies_change(struct refuges *m)
{
	int k;

	for (k = 1 + (int)rng_below(&m->rng, 4); k > 0; k--)
		random_rtt(m, (int)rng_below(&m->rng, NODES), (int)rng_below(&m->rng, NODES));
	m->w.snapshot.generation++;
	world_take(&m->w);
}

void refuges_event(struct refuges *m)
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

/* --- the plan ------------------------------------------------------------------------------------------------------------------ */

int refuges_node_of(const char *name)
{
	return name[1] - '0';
}

int refuges_pod_of(const struct refuges *m, const char *uid)
{
	int i, serial = atoi(uid + strlen("uid-p"));

	for (i = 0; i < OURS; i++)
		if (m->ours[i].there && m->ours[i].serial == serial)
			return i;
	fail_msg("%s: no such pod", uid);
	return -1;
}

bool refuges_wants(const struct refuges *m, int i)
{
	return m->ours[i].there && !m->ours[i].opts_out && !m->ours[i].orphan;
}

void refuges_freeze(struct refuges *m)
{
	size_t i;
	int k;

	m->frozen = rng_chance(&m->rng, 0.1) ? (int)rng_below(&m->rng, (uint32_t)m->nodes) : -1;
	if (m->frozen >= 0 && !m->node[m->frozen].there)
		m->frozen = -1;
	for (k = 0; k < OURS; k++)
		m->ours[k].frozen_at = -1;
	for (i = 0; i < m->plan.covers.count && m->frozen >= 0; i++) {
		const struct cover *c = &m->plan.covers.items[i];

		for (k = 0; k < OURS; k++)
			if (m->ours[k].there && m->ours[k].serial == atoi(c->uid + strlen("uid-p")) && refuges_node_of(c->refuge) == m->frozen)
				m->ours[k].frozen_at = m->frozen;
	}
}

void refuges_amounts(const struct plan_room *room, int *amounts)
{
	memset(amounts, 0, RESOURCES * sizeof(*amounts));
	if (!room)
		return;
	amounts[CPU] = (int)room->need.cpu_milli;
	amounts[MEMORY] = (int)(room->need.memory_bytes >> 20);
	amounts[GPU] = (int)resources_scalar(&room->need, "x.io/gpu");
	amounts[PODS] = (int)room->pods;
}

static void put_placeholders(struct refuges *m, const struct plan_room *room)
{
	int node = refuges_node_of(room->node), k, r, all[RESOURCES];
	struct node_model *n = &m->node[node];
	auto_buf struct buf ports = {0};
	uint32_t i;

	refuges_amounts(room, all);
	for (i = 0; i < room->port_count; i++)
		buf_printf(&ports, "%s{\"hostPort\":%d,\"containerPort\":1}", i ? "," : ",\"ports\":[", room->ports[i].port);
	if (ports.len)
		buf_char(&ports, ']');
	for (k = 0; k < all[PODS]; k++) {
		auto_free char *name = xasprintf("keep-%s-%d", refuges_node(node), n->placeholders++);
		int part[RESOURCES];

		for (r = 0; r < RESOURCES; r++)
			part[r] = all[r] / all[PODS] + (k < all[r] % all[PODS]);
		put_asking(m, name, node, "\"latency-mesh.io/role\":\"placeholder\"", part, k || !ports.len ? "" : ports.data);
	}
	memcpy(n->kept, all, sizeof(n->kept));
}

void refuges_follow(struct refuges *m)
{
	int node, r, left[RESOURCES];
	size_t i;

	for (node = 0; node < m->nodes; node++)
		if (m->node[node].there && node != m->frozen)
			take_placeholders(m, node);
	for (i = 0; i < m->plan.room_count; i++)
		put_placeholders(m, &m->plan.rooms[i]);
	for (node = 0; node < m->nodes; node++) {
		refuges_free(m, node, true, left);
		for (r = 0; r < RESOURCES && m->node[node].there; r++)
			assert_true(left[r] >= 0);
	}
}

void refuges_begin(struct refuges *m, struct rng rng)
{
	int i, k;

	*m = (struct refuges){.rng = rng, .frozen = -1, .settings = {.enabled = true, .namespace_ = "default"}};
	world_begin(&m->w, "n0 n1 n2 n3 n4", "");
	m->nodes = 3 + (int)rng_below(&m->rng, NODES - 2);
	for (i = 0; i < NODES; i++) {
		if (i < m->nodes)
			random_node(m, i);
		else
			cache_delete_node(m->w.cache, refuges_node(i));
		for (k = 0; k < i; k++)
			random_rtt(m, i, k);
	}
	world_take(&m->w);
	for (i = 2 + (int)rng_below(&m->rng, 6); i > 0; i--)
		add_ours(m);
	for (i = (int)rng_below(&m->rng, 4); i > 0; i--)
		add_tenant(m);
}

void refuges_end(struct refuges *m)
{
	plan_free(&m->plan);
	world_end(&m->w);
}
