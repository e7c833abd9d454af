#include "tests/testing/planted.h"

#include <stdlib.h>

#include "lib/buf.h"
#include "lib/mem.h"

#define REFUGES 3			/* of a group */
#define PARTS 3				/* of a room, at most so many pods */
#define CROWD 4				/* from so many to nearly twice that */
#define HAS_MILLI 8000			/* of each node */
#define HAS_MIB 16384

enum { CPU, MEMORY, BOTH };

struct garden {
	struct planted *out;
	struct rng rng;
	int groups;
	enum planted_kind kind;
	int *room, *most;		/* [node x BOTH]: what a refuge may keep, and what failures bring to it */
	int *used;			/* by covered pods that are there */
};

static int below(struct garden *g, int n)
{
	return (int)rng_below(&g->rng, (uint32_t)n);
}

static bool is_refuge(int node)
{
	return node % PLANTED_GROUP < REFUGES;
}

static void put_pod(struct garden *g, int node, int group, const int *asks)
{
	auto_free char *name = xasprintf("p%d", g->out->pods++), *at = xasprintf("n%d", node);
	auto_free char *spec = xasprintf("\"schedulerName\":\"my-latency-scheduler\",\"nodeSelector\":{\"group\":\"g%d\"},\"containers\":[{\"name\":\"c\",\"resources\":"
					 "{\"requests\":{\"cpu\":\"%dm\",\"memory\":\"%dMi\"}}}]", group, asks[CPU], asks[MEMORY]);
	int r;

	for (r = 0; r < BOTH; r++)
		g->used[node * BOTH + r] += asks[r];
	world_pod_of(&g->out->w, name, at, "\"latency-mesh.io/reserve\":\"true\"", "\"latency-mesh.io/within\":\"node/n0<=50ms\"",
		     "\"ownerReferences\":[{\"kind\":\"ReplicaSet\",\"name\":\"rs\",\"uid\":\"owner\",\"controller\":true}]", spec);
}

/* Cuts a room, or a part of it, into pods of a node. */
static void cut(struct garden *g, int node, int refuge, int percent)
{
	int left[BOTH], parts = g->kind == PLANTED_CROWDED ? CROWD + below(g, CROWD) : 1 + below(g, PARTS), k, r;

	for (r = 0; r < BOTH; r++)
		left[r] = g->room[refuge * BOTH + r] * percent / 100;
	for (r = 0; r < BOTH; r++)
		g->most[refuge * BOTH + r] = left[r] > g->most[refuge * BOTH + r] ? left[r] : g->most[refuge * BOTH + r];
	for (k = parts; k > 0; k--) {
		int asks[BOTH];

		for (r = 0; r < BOTH; r++) {
			asks[r] = k == 1 ? left[r] : left[r] / k * (50 + below(g, 101)) / 100;
			left[r] -= asks[r];
		}
		put_pod(g, node, refuge / PLANTED_GROUP, asks);
	}
}

/* Pods of a node are for all refuges of another group, and the first such node fills them: no plan can keep less for it. */
static void plant(struct garden *g, int node)
{
	int turn = node / PLANTED_GROUP + node % PLANTED_GROUP, first = turn % g->groups * PLANTED_GROUP, k;
	bool full = node % PLANTED_GROUP == REFUGES || rng_chance(&g->rng, 0.4);

	for (k = 0; k < REFUGES; k++)
		cut(g, node, first + k, full ? 100 : 30 + below(g, 70));
}

/* Tenants take the rest of each node. */
static void fill(struct garden *g, int node)
{
	auto_free char *name = xasprintf("t%d", node), *at = xasprintf("n%d", node), *spec = NULL;
	int spare[BOTH] = {0}, r;

	for (r = 0; r < BOTH; r++) {
		int most = is_refuge(node) ? g->room[node * BOTH + r] : g->kind == PLANTED_LOOSE ? (r == CPU ? 2000 : 4096) : 0;

		spare[r] = is_refuge(node) ? most + (g->kind == PLANTED_LOOSE ? below(g, most + 1) : 0) : below(g, most + 1);
	}
	spec = xasprintf("\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"%dm\",\"memory\":\"%dMi\"}}}]",
			 HAS_MILLI - g->used[node * BOTH + CPU] - spare[CPU], HAS_MIB - g->used[node * BOTH + MEMORY] - spare[MEMORY]);
	world_pod_of(&g->out->w, name, at, "", "", "", spec);
}

static void put_nodes(struct garden *g)
{
	auto_buf struct buf names = {0};
	int i;

	for (i = 0; i < g->out->nodes; i++)
		buf_printf(&names, "%sn%d", i ? " " : "", i);
	world_begin(&g->out->w, names.data, "");
	for (i = 0; i < g->out->nodes; i++) {
		auto_free char *name = xasprintf("n%d", i), *labels = xasprintf("\"group\":\"g%d\"", i / PLANTED_GROUP);

		world_node(&g->out->w, name, labels, "");
		if (i)
			world_rtt(&g->out->w, "n0", name, 1000);
		g->room[i * BOTH + CPU] = 250 * (4 + below(g, 6));	/* a node has the pods of three such rooms */
		g->room[i * BOTH + MEMORY] = 512 * (2 + below(g, 8));
	}
	world_take(&g->out->w);
}

void planted_begin(struct planted *p, struct rng rng, int groups, enum planted_kind kind)
{
	struct garden g = {.out = p, .rng = rng, .groups = groups, .kind = kind};
	double sum[BOTH] = {0};
	int i, r;

	*p = (struct planted){.nodes = groups * PLANTED_GROUP};
	g.room = xcalloc((size_t)p->nodes * BOTH, sizeof(*g.room));
	g.most = xcalloc((size_t)p->nodes * BOTH, sizeof(*g.most));
	g.used = xcalloc((size_t)p->nodes * BOTH, sizeof(*g.used));
	put_nodes(&g);
	for (i = 0; i < p->nodes; i++)
		if (!is_refuge(i))
			plant(&g, i);
	for (i = 0; i < p->nodes; i++) {
		fill(&g, i);
		for (r = 0; r < BOTH; r++)
			sum[r] += g.most[i * BOTH + r];
	}
	p->overhead = (sum[CPU] / ((double)p->nodes * HAS_MILLI) + sum[MEMORY] / ((double)p->nodes * HAS_MIB)) / BOTH;
	free(g.room);
	free(g.most);
	free(g.used);
}

void planted_end(struct planted *p)
{
	world_end(&p->w);
}
