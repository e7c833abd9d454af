#include "tests/testing/plan.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"

const char *plan_node(int i)
{
	static char names[8][16];
	static unsigned next;
	char *name = names[next++ % 8];

	snprintf(name, sizeof(names[0]), "n%02d", i);
	return name;
}

/* --- random -------------------------------------------------------------------------------------------------------------- */

static struct plan_link random_link(struct rng *r, unsigned what)
{
	/* From 10 us to 100 ms, even in the logarithm. */
	struct plan_link link = {.rtt_us = 10 * pow(1e4, rng_unit(r))};

	if ((what & PLAN_UNKNOWN) && rng_chance(r, 0.2))
		return (struct plan_link){NAN, NAN, rng_chance(r, 0.5) ? 1 : NAN};
	if (what & PLAN_JITTER) {
		link.jitter_us = rng_chance(r, 0.5) ? 0 : rng_unit(r) * 2000;
		link.loss = rng_chance(r, 0.7) ? 0 : rng_unit(r) * 0.2;
	}
	return link;
}

static double random_age_s(struct rng *r, unsigned what)
{
	if (!(what & PLAN_AGED) || rng_chance(r, 0.4))
		return rng_unit(r) * 100;
	return rng_unit(r) * 700;
}

static double random_cpu(struct rng *r, unsigned what)
{
	if (!(what & PLAN_LOAD))
		return NAN;
	if (what & PLAN_ALIKE)
		return 0.3;
	return (what & PLAN_UNKNOWN) && rng_chance(r, 0.02) ? NAN : rng_unit(r) * 0.84;
}

void plan_random(struct plan *p, struct rng *r, unsigned what)
{
	int i, j;

	*p = (struct plan){.nodes = 2 + (int)rng_below(r, PLAN_NODES - 1)};
	for (i = 0; i < p->nodes; i++) {
		for (j = 0; j < p->nodes; j++)
			p->link[i][j] = i == j ? (struct plan_link){0, 0, 0} : random_link(r, what);
		for (j = 0; j < PLAN_CLIENTS; j++)
			p->client[i][j] = random_link(r, what);
		p->age_s[i] = random_age_s(r, what);
		p->cpu[i] = random_cpu(r, what);
		p->cores[i] = what & PLAN_ALIKE ? 8 : 2 + (int)rng_below(r, 62);
		p->gib[i] = what & PLAN_ALIKE ? 32 : 4 + (int)rng_below(r, 124);
		for (j = 0; j < PLAN_APPS; j++)
			p->pods[j][i] = rng_chance(r, 0.3) ? 1 + (int)rng_below(r, 3) : 0;
	}
}

/* --- a world ------------------------------------------------------------------------------------------------------------- */

static void shuffle(struct rng *r, int *order, int n)
{
	int i;

	for (i = 0; i < n; i++)
		order[i] = i;
	for (i = n - 1; i > 0; i--) {
		int j = (int)rng_below(r, (uint32_t)i + 1), kept = order[i];

		order[i] = order[j];
		order[j] = kept;
	}
}

static void add_node(const struct plan *p, struct world *w, int i)
{
	auto_free char *allocatable = xasprintf("\"cpu\":\"%d\",\"memory\":\"%dGi\",\"pods\":\"110\"", p->cores[i], p->gib[i]);

	world_node_of(w, plan_node(i), "", "", allocatable);
}

static void add_pods(const struct plan *p, struct world *w, int node)
{
	int app, k;

	for (app = 0; app < PLAN_APPS; app++)
		for (k = 0; k < p->pods[app][node]; k++) {
			auto_free char *name = xasprintf("t%d-%d-%d", app, node, k), *label = xasprintf("\"app\":\"t%d\"", app);

			world_pod(w, name, plan_node(node), label, "");
		}
}

void plan_measure(const struct plan *p, struct world *w)
{
	int i, j;

	for (i = 0; i < p->nodes; i++) {
		uint32_t row = names_find(&w->snapshot.nodes, plan_node(i));

		world_age(w, plan_node(i), p->age_s[i]);
		world_cpu(w, plan_node(i), p->cpu[i]);
		for (j = 0; j < p->nodes; j++)
			world_link(w, plan_node(i), plan_node(j), p->link[i][j].rtt_us, p->link[i][j].jitter_us, p->link[i][j].loss);
		for (j = 0; j < PLAN_CLIENTS; j++) {
			size_t at = row * PLAN_CLIENTS + (uint32_t)j;

			w->snapshot.client.rtt_us[at] = (float)p->client[i][j].rtt_us;
			w->snapshot.client.jitter_us[at] = (float)p->client[i][j].jitter_us;
			w->snapshot.client.loss[at] = (float)p->client[i][j].loss;
		}
	}
	world_take(w);
}

void plan_build(const struct plan *p, struct world *w, struct rng *r)
{
	int order[PLAN_NODES], i;
	char names[PLAN_NODES * 16] = "";

	shuffle(r, order, p->nodes);
	for (i = 0; i < p->nodes; i++) {
		strcat(names, plan_node(order[i]));
		strcat(names, " ");
	}
	world_begin(w, names, "c0 c1 c2");
	for (i = 0; i < p->nodes; i++)			/* the cache gets its own order */
		cache_delete_node(w->cache, plan_node(i));
	shuffle(r, order, p->nodes);
	for (i = 0; i < p->nodes; i++)
		add_node(p, w, order[i]);
	shuffle(r, order, p->nodes);
	for (i = 0; i < p->nodes; i++)
		add_pods(p, w, order[i]);
	plan_measure(p, w);
}

/* --- requests ------------------------------------------------------------------------------------------------------------- */

static struct plan_item random_item(const struct plan *p, struct rng *r, int k)
{
	struct plan_item item = {.weight = 1 + (int)rng_below(r, 3), .limit_us = ceil(10 * pow(1e4, rng_unit(r)))};

	/* One kind for each place in the list, so that nothing stands there twice. */
	item.kind = k == 0 ? AT_NODE : k == 1 ? AT_APP : AT_CLIENT;
	item.any = item.kind == AT_APP && rng_chance(r, 0.4);
	item.which = (int)rng_below(r, item.kind == AT_NODE ? (uint32_t)p->nodes : item.kind == AT_APP ? PLAN_APPS : PLAN_CLIENTS);
	return item;
}

void plan_ask(const struct plan *p, struct rng *r, bool limits, struct plan_ask *out)
{
	int first = (int)rng_below(r, PLAN_ITEMS), k;

	*out = (struct plan_ask){.cpu_milli = 1 + (int)rng_below(r, 1000), .mib = 1 + (int)rng_below(r, 1000), .allow = rng_chance(r, 0.3)};
	out->near_count = limits && rng_chance(r, 0.5) ? 0 : 1 + (int)rng_below(r, PLAN_ITEMS);
	for (k = 0; k < out->near_count; k++)
		out->near[k] = random_item(p, r, (first + k) % PLAN_ITEMS);
	out->within_count = limits ? 1 + (int)rng_below(r, PLAN_ITEMS) : 0;
	for (k = 0; k < out->within_count; k++)
		out->within[k] = random_item(p, r, (first + k) % PLAN_ITEMS);
}

static void print_target(const struct plan_item *item, struct buf *out)
{
	static const char *const prefixes[] = {"node/n", "client/c", "app=t"};

	if (item->any)
		buf_str(out, "any:");
	if (item->kind == AT_MESH)
		buf_str(out, "mesh");
	else
		buf_printf(out, item->kind == AT_NODE ? "%s%02d" : "%s%d", prefixes[item->kind], item->which);
}

static void print_list(const char *key, const struct plan_item *items, int count, bool limits, struct buf *out)
{
	int k;

	buf_printf(out, ",\"latency-mesh.io/%s\":\"", key);
	for (k = 0; k < count; k++) {
		buf_str(out, k ? ", " : "");
		print_target(&items[k], out);
		if (limits)
			buf_printf(out, "<=%.0fus", items[k].limit_us);
		else
			buf_printf(out, "*%d", items[k].weight);
	}
	buf_char(out, '"');
}

const struct decision *plan_decide(struct world *w, const char *pod, const struct plan_ask *ask)
{
	auto_buf struct buf annotations = {0};
	auto_free char *spec = xasprintf("\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"%dm\",\"memory\":\"%dMi\"}}}]", ask->cpu_milli,
					 ask->mib);

	buf_printf(&annotations, "\"latency-mesh.io/missing\":\"%s\"", ask->allow ? "allow" : "deny");
	if (ask->near_count)
		print_list("near", ask->near, ask->near_count, false, &annotations);
	if (ask->within_count)
		print_list("within", ask->within, ask->within_count, true, &annotations);
	world_pod_of(w, pod, "", "", annotations.data, "", spec);
	return world_again(w, pod);
}
