/*
 * simulate_world.h - random clusters for simulate: pods with limits, owners and rooms, files of them, and runs of the program over these.
 */
#ifndef TESTS_UNIT_SIMULATE_WORLD_H
#define TESTS_UNIT_SIMULATE_WORLD_H

#include "tests/unit/simulate_run.h"

#include "lib/buf.h"

#define NODES 7
#define PODS 26
#define APPS 3
#define TARGETS 3			/* of limits to nodes: the first ones */
#define WORLDS test_rounds(40)
#define NOWHERE -1

/* What a pod must be within. */
enum limit_to { TO_NOTHING, TO_NODE, TO_APP };

struct spec {
	char name[24];
	int cpu_milli, memory_mib, priority, app;
	bool owner, reserve;
	enum limit_to to;
	int target;			/* node or app */
	int limit_ms;
	int pinned;			/* a node, or NOWHERE */
	int node;			/* where it is by what was printed */
	bool gone;
};

struct world {
	struct rng rng;
	char *cluster, *matrix, *pods, *config;
	int cpu_milli[NODES], max_pods[NODES];
	double rtt_us[NODES][NODES];	/* from, to; NaN unknown */
	bool failed[NODES];
	struct spec pod[PODS];
	int covered;			/* of the last report */
	char refuge[PODS][24];
};

static struct world w;

static inline int node_number(const char *name)
{
	int number = NOWHERE;

	if (name && sscanf(name, "edge-%d", &number) != 1)
		fail_msg("node %s", name);
	return number;
}

static inline struct spec *pod_named(const char *name)
{
	int i;

	for (i = 0; i < PODS; i++)
		if (STREQ(w.pod[i].name, name))
			return &w.pod[i];
	fail_msg("pod %s", name);
	return NULL;
}

static inline void print_pod(const struct spec *p, const char *node, struct buf *out)
{
	buf_printf(out, "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"%s\",\"namespace\":\"default\",\"uid\":\"uid-%s\",\"labels\":{\"app\":\"app-%d\"%s}", p->name,
		   p->name, p->app, p->reserve ? ",\"latency-mesh.io/reserve\":\"true\"" : "");
	if (p->owner)
		buf_printf(out, ",\"ownerReferences\":[{\"kind\":\"ReplicaSet\",\"name\":\"rs-%d\",\"uid\":\"rs-%d\",\"controller\":true}]", p->app, p->app);
	if (p->to == TO_NODE)
		buf_printf(out, ",\"annotations\":{\"latency-mesh.io/within\":\"node/edge-%d<=%dms\"}", p->target, p->limit_ms);
	if (p->to == TO_APP)
		buf_printf(out, ",\"annotations\":{\"latency-mesh.io/within\":\"app=app-%d<=%dms\"}", p->target, p->limit_ms);
	buf_printf(out, "},\"spec\":{\"schedulerName\":\"my-latency-scheduler\",\"priority\":%d,", p->priority);
	if (node)
		buf_printf(out, "\"nodeName\":\"%s\",", node);
	if (p->pinned != NOWHERE)
		buf_printf(out, "\"nodeSelector\":{\"name\":\"edge-%d\"},", p->pinned);
	buf_printf(out, "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"%dm\",\"memory\":\"%dMi\"}}}]}}", p->cpu_milli, p->memory_mib);
}

static inline void print_node(int i, bool tainted, struct buf *out)
{
	buf_printf(out, "{\"kind\":\"Node\",\"metadata\":{\"name\":\"edge-%d\",\"labels\":{\"name\":\"edge-%d\"}},", i, i);
	if (tainted)
		buf_str(out, "\"spec\":{\"taints\":[{\"key\":\"node.kubernetes.io/unreachable\",\"effect\":\"NoSchedule\"},"
			     "{\"key\":\"node.kubernetes.io/unreachable\",\"effect\":\"NoExecute\"}]},");
	buf_printf(out, "\"status\":{\"allocatable\":{\"cpu\":\"%dm\",\"memory\":\"16Gi\",\"pods\":\"%d\"}}}", w.cpu_milli[i], w.max_pods[i]);
}

/* Pods on nodes are of the cluster; those on none are to be placed. Pods that are gone are in neither. */
static inline void write_cluster(void)
{
	auto_buf struct buf cluster = {0}, pods = {0};
	int i;

	buf_str(&cluster, "{\"kind\":\"List\",\"items\":[");
	buf_str(&pods, "{\"kind\":\"List\",\"items\":[");
	for (i = 0; i < NODES; i++) {
		buf_str(&cluster, i ? ",\n" : "");
		print_node(i, w.failed[i], &cluster);
	}
	for (i = 0; i < PODS; i++) {
		struct buf *out = w.pod[i].node == NOWHERE ? &pods : &cluster;
		char node[24];

		if (w.pod[i].gone)
			continue;
		snprintf(node, sizeof(node), "edge-%d", w.pod[i].node);
		buf_str(out, out->data[out->len - 1] == '[' ? "" : ",\n");
		print_pod(&w.pod[i], w.pod[i].node == NOWHERE ? NULL : node, out);
	}
	buf_str(&cluster, "]}\n");
	buf_str(&pods, "]}\n");
	test_write(w.cluster, cluster.data);
	test_write(w.pods, pods.data);
}

/* What was measured of a failed node stays in it. */
static inline void write_matrix(void)
{
	auto_buf struct buf text = {0};
	int i, k;

	buf_str(&text, "{\"version\":1,\"epoch\":\"e\",\"generation\":3,\"written\":\"" NOW "\",\"period_s\":60,\"nodes\":[");
	for (i = 0; i < NODES; i++)
		buf_printf(&text, "%s\"edge-%d\"", i ? "," : "", i);
	buf_str(&text, "],\"age_s\":[");
	for (i = 0; i < NODES; i++)
		buf_str(&text, i ? ",3" : "3");
	buf_str(&text, "],\"rtt_us\":[");
	for (i = 0; i < NODES; i++) {
		buf_str(&text, i ? "],\n[" : "[");
		for (k = 0; k < NODES; k++) {
			buf_str(&text, k ? "," : "");
			buf_decimal(&text, w.rtt_us[i][k], 1);
		}
	}
	buf_str(&text, "]]}\n");
	test_write(w.matrix, text.data);
}

static inline void random_pod(struct spec *p, int i, bool to_apps)
{
	struct rng *r = &w.rng;

	*p = (struct spec){.cpu_milli = 100 + 100 * (int)rng_below(r, 10), .memory_mib = 64 * (int)rng_below(r, 20), .priority = (int)rng_below(r, 3),
			   .app = (int)rng_below(r, APPS), .owner = rng_chance(r, 0.9), .reserve = rng_chance(r, 0.6), .pinned = NOWHERE, .node = NOWHERE};
	snprintf(p->name, sizeof(p->name), "pod-%02d", i);
	p->limit_ms = 4 + (int)rng_below(r, 16);
	p->to = !rng_chance(r, 0.6) ? TO_NOTHING : to_apps && rng_chance(r, 0.3) ? TO_APP : TO_NODE;
	p->target = (int)rng_below(r, p->to == TO_APP ? APPS : TARGETS);
	if (rng_chance(r, 0.05))
		p->pinned = (int)rng_below(r, NODES);
}

/* The larger direction, or the one that is known; of a failed node as it was. */
static inline double rtt_between(int a, int b)
{
	return a == b ? 0 : fmax(w.rtt_us[a][b], w.rtt_us[b][a]);
}

/* The farthest that the limit of a pod would see at a node; NaN: something of it is unknown. *pods: how many targets there are. */
static inline double farthest(const struct spec *p, int node, int *pods)
{
	double most = 0;
	int i;

	*pods = 1;
	if (p->to == TO_NODE)
		return rtt_between(node, p->target);
	for (i = 0, *pods = 0; i < PODS; i++) {
		double rtt_us = w.pod[i].node == NOWHERE ? 0 : rtt_between(node, w.pod[i].node);

		if (&w.pod[i] == p || w.pod[i].app != p->target || w.pod[i].node == NOWHERE)
			continue;
		++*pods;
		most = isnan(rtt_us) || isnan(most) ? (double)NAN : fmax(most, rtt_us);
	}
	return most;
}

static inline bool is_kept(const struct spec *p, int node)
{
	int pods;
	double most = farthest(p, node, &pods);

	if (p->to == TO_NOTHING)
		return true;
	return pods ? most <= p->limit_ms * 1e3 : p->app == p->target;
}

static inline bool fits(const struct spec *p, int node)
{
	int cpu = p->cpu_milli, pods = 1, i;

	for (i = 0; i < PODS; i++) {
		cpu += w.pod[i].node == node ? w.pod[i].cpu_milli : 0;
		pods += w.pod[i].node == node;
	}
	return cpu <= w.cpu_milli[node] && pods <= w.max_pods[node] && (p->pinned == NOWHERE || p->pinned == node);
}

/* Many run already, where they may be. */
static inline void start_some(void)
{
	int i, tries;

	for (i = 0; i < PODS; i++)
		for (tries = 0; tries < 3 && w.pod[i].node == NOWHERE && w.pod[i].to != TO_APP; tries++) {
			int node = (int)rng_below(&w.rng, NODES);

			if (fits(&w.pod[i], node) && is_kept(&w.pod[i], node))
				w.pod[i].node = node;
		}
}

/* Load has no say: what is expected of pods that were just placed would tell one run from another. */
static inline void world_begin(uint64_t seed, bool reserve, bool to_apps)
{
	const char *folder = w.cluster ? NULL : test_folder();
	struct world fresh = {.rng = rng_make(seed), .cluster = w.cluster, .matrix = w.matrix, .pods = w.pods, .config = w.config};
	int i, k;

	w = fresh;
	if (folder) {
		w.cluster = xasprintf("%s/cluster.json", folder);
		w.matrix = xasprintf("%s/matrix.json", folder);
		w.pods = xasprintf("%s/pods.json", folder);
		w.config = xasprintf("%s/config.yaml", folder);
	}
	for (i = 0; i < NODES; i++) {
		w.cpu_milli[i] = 2000 + 500 * (int)rng_below(&w.rng, 7);
		w.max_pods[i] = 4 + (int)rng_below(&w.rng, 6);
		for (k = 0; k < NODES; k++)
			w.rtt_us[i][k] = i == k ? 0 : rng_chance(&w.rng, 0.03) ? (double)NAN : (2000 + rng_below(&w.rng, 180000)) / 10.0;
	}
	for (i = 0; i < PODS; i++)
		random_pod(&w.pod[i], i, to_apps);
	start_some();
	write_cluster();
	write_matrix();
	test_write(w.config, reserve ? "reserve: {enabled: true}\nrefusals: {cpu: false}\n" : "refusals: {cpu: false}\n");
}

static inline char *run_steps(const char *const *steps, int count, const char *format)
{
	const char *words[WORDS_MAX] = {"x", "--cluster", w.cluster, "--matrix", w.matrix, "--now", NOW, "--config", w.config, "--format", format};
	char *pods = test_read(w.pods), *text;
	int n = 11, i, code;

	if (strstr(pods, "Pod")) {
		words[n++] = "--pods";
		words[n++] = w.pods;
	}
	for (i = 0; i < count; i++) {
		words[n++] = "--step";
		words[n++] = steps[i];
	}
	text = run_words(words, &code);
	assert_true(code == 0 || code == 1);
	free(pods);
	return text;
}

#endif
