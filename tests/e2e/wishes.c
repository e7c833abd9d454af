#include "tests/e2e/wishes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define PODS_PATH "/api/v1/namespaces/default/pods"
#define IN_MATRIX (WISHES_NODES - 1)	/* the last node is not in the file */
#define ZONES 4

/* --- nodes and the matrix ------------------------------------------------------------------------------------------------ */

static int zone_of(int node)
{
	return node % ZONES;
}

static double around(struct rng *rng, double least, double most)
{
	return floor(least + rng_unit(rng) * (most - least));
}

static void make_links(struct wishes *m, struct rng *rng)
{
	double x[WISHES_NODES], y[WISHES_NODES];
	int a, b;

	for (a = 0; a < WISHES_NODES; a++) {
		x[a] = rng_unit(rng);
		y[a] = rng_unit(rng);
		m->milan[a] = a >= IN_MATRIX || rng_chance(rng, 0.1) ? NAN : around(rng, 1000, 20000);
	}
	for (a = 0; a < WISHES_NODES; a++)
		for (b = 0; b < a; b++) {
			double rtt_us = 200 + hypot(x[a] - x[b], y[a] - y[b]) * 15000;
			bool unknown = a >= IN_MATRIX || rng_chance(rng, 0.05);

			m->sent[a][b] = unknown || rng_chance(rng, 0.1) ? NAN : around(rng, rtt_us, rtt_us * 1.2);
			m->sent[b][a] = unknown || rng_chance(rng, 0.1) ? NAN : around(rng, rtt_us, rtt_us * 1.2);
		}
}

void wishes_model(struct wishes *m, struct rng *rng)
{
	int i;

	*m = (struct wishes){.generation = 1};
	make_links(m, rng);
	for (i = 0; i < WISHES_NODES; i++) {
		m->cpu[i] = i >= IN_MATRIX || rng_chance(rng, 0.03) ? NAN : rng_unit(rng);
		m->tainted[i] = rng_chance(rng, 0.25);
		m->small[i] = rng_chance(rng, 0.3);
		m->ssd[i] = rng_chance(rng, 0.5);
	}
	for (i = 0; i < 4; i++)
		m->redis[rng_below(rng, WISHES_NODES)]++;
}

void wishes_move(struct wishes *m, struct rng *rng)
{
	m->generation++;
	make_links(m, rng);
}

static void add_number(struct buf *b, int i, double value, int decimals)
{
	buf_str(b, i ? "," : "");
	if (isnan(value))
		buf_str(b, "null");
	else
		buf_decimal(b, value, decimals);
}

void wishes_publish(struct sched *s, const struct wishes *m)
{
	auto_buf struct buf b = {0};
	char now[CLOCK_TEXT];
	int i, k;

	clock_format(clock_wall_ms(), now);
	buf_printf(&b, "{\"version\":1,\"epoch\":\"e\",\"generation\":%d,\"written\":\"%s\",\"period_s\":60,\"nodes\":[", m->generation, now);
	for (i = 0; i < IN_MATRIX; i++)
		buf_printf(&b, "%s\"n-%02d\"", i ? "," : "", i);
	buf_str(&b, "],\"age_s\":[");
	for (i = 0; i < IN_MATRIX; i++)
		add_number(&b, i, 0, 0);
	buf_str(&b, "],\"load\":[");
	for (i = 0; i < IN_MATRIX; i++) {
		buf_str(&b, i ? ",{\"cpu\":" : "{\"cpu\":");
		add_number(&b, 0, m->cpu[i], 6);
		buf_char(&b, '}');
	}
	buf_str(&b, "],\"rtt_us\":[");
	for (i = 0; i < IN_MATRIX; i++) {
		buf_str(&b, i ? ",\n[" : "\n[");
		for (k = 0; k < IN_MATRIX; k++)
			add_number(&b, k, m->sent[i][k], 1);
		buf_char(&b, ']');
	}
	buf_str(&b, "],\"clients\":[\"milan\"],\"client_rtt_us\":[");
	for (i = 0; i < IN_MATRIX; i++) {
		buf_str(&b, i ? ",[" : "[");
		add_number(&b, 0, m->milan[i], 1);
		buf_char(&b, ']');
	}
	buf_str(&b, "]}\n");
	sched_publish(s, b.data);
	sched_hold(s, true);
}

/*
 * Pods with app=redis are there from the beginning. Nodes have room for all pods, but small ones not for a big pod. They have so much CPU that the
 * load that is expected of all pods together moves no score.
 */
void wishes_cluster(struct sched *s, const struct wishes *m)
{
	int i, k;

	for (i = 0; i < WISHES_NODES; i++) {
		auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"n-%02d\",\"labels\":{\"kubernetes.io/hostname\":\"n-%02d\",\"disk\":\"%s\","
						 "\"topology.kubernetes.io/zone\":\"z%d\"}},\"spec\":{\"taints\":[%s]},"
						 "\"status\":{\"allocatable\":{\"cpu\":\"10000\",\"memory\":\"%s\",\"pods\":\"1000\"}}}", i, i, m->ssd[i] ? "ssd" : "hdd", zone_of(i),
						 m->tainted[i] ? "{\"key\":\"t\",\"value\":\"v\",\"effect\":\"NoSchedule\"}" : "", m->small[i] ? "1Gi" : "1Ti");

		standin_do(&s->api, 201, "POST", "/api/v1/nodes", body);
		for (k = 0; k < m->redis[i]; k++) {
			auto_free char *name = xasprintf("redis-%d-%d", i, k), *there = xasprintf(",\"nodeName\":\"n-%02d\"", i);

			sched_pod_of(s, "hand", name, "", ",\"labels\":{\"app\":\"redis\"}", there);
		}
	}
}

/* --- what pods ask for --------------------------------------------------------------------------------------------------- */

static void aim_zone(struct item *t, struct rng *rng)
{
	int i, zone = (int)rng_below(rng, ZONES);

	t->any = rng_chance(rng, 0.5);
	for (i = 0; i < WISHES_NODES; i++)
		t->legs[i] = zone_of(i) == zone;
	snprintf(t->text, sizeof(t->text), "zone/z%d", zone);
}

static void aim_node(struct item *t, struct rng *rng, bool label)
{
	int node = (int)rng_below(rng, WISHES_NODES);

	t->legs[node] = 1;
	snprintf(t->text, sizeof(t->text), "%sn-%02d", label ? "" : "node/", node);
}

static void make_item(struct item *t, const struct wishes *m, struct rng *rng, bool label)
{
	unsigned kind = rng_below(rng, label ? 3 : 4);
	int i;

	*t = (struct item){.limit_us = around(rng, 5, 150) * 100, .weight = 1 + rng_below(rng, 4)};
	if (kind == 0)
		aim_node(t, rng, label);
	else if (kind == 3)
		aim_zone(t, rng);
	else
		snprintf(t->text, sizeof(t->text), "%s%s", label ? "" : kind == 1 ? "client/" : "app=", kind == 1 ? "milan" : "redis");
	t->milan = kind == 1;
	for (i = 0; kind == 2 && i < WISHES_NODES; i++)
		t->legs[i] = m->redis[i];
	if (label)
		snprintf(t->called, sizeof(t->called), "%s (label delay_%s)", t->text, t->text);
	else
		snprintf(t->called, sizeof(t->called), "%s%s", t->any ? "any:" : "", t->text);
}

static int make_items(struct item items[2], const struct wishes *m, struct rng *rng)
{
	make_item(&items[0], m, rng, false);
	make_item(&items[1], m, rng, false);
	return STREQ(items[0].text, items[1].text) || rng_chance(rng, 0.5) ? 1 : 2;
}

void wishes_ask(struct wish *a, const struct wishes *m, struct rng *rng)
{
	*a = (struct wish){.scheduler = WISHES_NAME, .tolerant = rng_chance(rng, 0.4), .big = rng_chance(rng, 0.2), .ssd = rng_chance(rng, 0.2),
			  .allow = rng_chance(rng, 0.2), .label = rng_chance(rng, 0.3)};
	if (a->label) {
		make_item(&a->within[0], m, rng, true);
		a->within_count = 1;
	} else if (rng_chance(rng, 0.6)) {
		a->within_count = make_items(a->within, m, rng);
	}
	if (rng_chance(rng, 0.6))
		a->near_count = make_items(a->near, m, rng);
}

static void add_annotations(struct buf *b, const struct wish *a)
{
	int i;

	buf_printf(b, "\"latency-mesh.io/missing\":\"%s\"", a->allow ? "allow" : "deny");
	for (i = 0; !a->label && i < a->within_count; i++)
		buf_printf(b, "%s%s%s<=%.1fms", i ? "," : ",\"latency-mesh.io/within\":\"", a->within[i].any ? "any:" : "", a->within[i].text,
			   a->within[i].limit_us / 1e3);
	buf_str(b, i ? "\"" : "");
	for (i = 0; i < a->near_count; i++)
		buf_printf(b, "%s%s%s*%.0f", i ? "," : ",\"latency-mesh.io/near\":\"", a->near[i].any ? "any:" : "", a->near[i].text, a->near[i].weight);
	buf_str(b, i ? "\"" : "");
}

void wishes_pod(void *arg, int i, char **path, char **body)
{
	const struct wish *a = &((const struct wish *)arg)[i];
	auto_buf struct buf annotations = {0};
	auto_free char *labels = a->label ? xasprintf("\"delay_%s\":\"%.1f\"", a->within[0].text, a->within[0].limit_us / 1e3) : xstrdup("");

	add_annotations(&annotations, a);
	*path = xstrdup(PODS_PATH);
	*body = xasprintf("{\"metadata\":{\"name\":\"p-%d\",\"labels\":{%s},\"annotations\":{%s}},\"spec\":{\"schedulerName\":\"%s\"%s%s,\"containers\":"
			  "[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"1m\",\"memory\":\"%s\"}}}]}}", i, labels, annotations.data, a->scheduler,
			  a->tolerant ? ",\"tolerations\":[{\"key\":\"t\",\"operator\":\"Exists\"}]" : "",
			  a->ssd ? ",\"nodeSelector\":{\"disk\":\"ssd\"}" : "", a->big ? "2Gi" : "1Mi");
}

/* --- the judge: arithmetic ----------------------------------------------------------------------------------------------- */

/* The larger of both directions, or the one that is known. */
static double rtt_us(const struct wishes *m, int a, int b)
{
	return a == b ? 0 : fmax(m->sent[a][b], m->sent[b][a]);
}

static double leg_us(const struct wishes *m, const struct item *t, int leg, int node)
{
	return t->milan ? m->milan[node] : rtt_us(m, leg, node);
}

static bool is_leg(const struct item *t, int leg)
{
	return t->milan ? leg == 0 : t->legs[leg] > 0;
}

bool wishes_fits(const struct wishes *m, const struct wish *a, int node)
{
	return (!m->tainted[node] || a->tolerant) && (!m->small[node] || !a->big) && (m->ssd[node] || !a->ssd);
}

/* What the node lacks by this limit, NULL: nothing. `any` wants one leg near enough, else each of them must be. */
static const char *lacks(const struct wishes *m, const struct wish *a, const struct item *t, int node)
{
	double nearest_us = NAN;
	bool exceeded = false, unknown = false;
	int leg;

	for (leg = 0; leg < WISHES_NODES; leg++) {
		double us = is_leg(t, leg) ? leg_us(m, t, leg, node) : 0;

		if (!is_leg(t, leg))
			continue;
		/* The first leg that refuses names the reason. */
		if (!t->any && !exceeded && !unknown) {
			exceeded = us > t->limit_us;
			unknown = isnan(us) && !a->allow;
		}
		nearest_us = fmin(nearest_us, us);
	}
	if (t->any) {
		exceeded = nearest_us > t->limit_us;
		unknown = isnan(nearest_us) && !a->allow;
	}
	return exceeded ? "node(s) exceeded the latency limit to " : unknown ? "node(s) had no latency data to " : NULL;
}

/* The first limit that refuses the node, and why. */
const char *wishes_refusal(const struct wishes *m, const struct wish *a, int node, int *item)
{
	const char *why = NULL;

	for (*item = 0; *item < a->within_count && !(why = lacks(m, a, &a->within[*item], node)); ++*item)
		;
	return why;
}

/* A full CPU refuses while another node is left that is known not to be full. */
int wishes_feasible(const struct wishes *m, const struct wish *a, bool feasible[WISHES_NODES])
{
	bool other = false;
	int i, item, count = 0;

	for (i = 0; i < WISHES_NODES; i++) {
		feasible[i] = wishes_fits(m, a, i) && !wishes_refusal(m, a, i, &item);
		other |= feasible[i] && m->cpu[i] <= 0.85;
	}
	for (i = 0; i < WISHES_NODES; i++) {
		feasible[i] = feasible[i] && !(other && m->cpu[i] > 0.85);
		count += feasible[i];
	}
	return count;
}

/* A weighted mean of columns. An unknown part counts a second, unless it is unknown on all feasible nodes: then it drops. */
struct mean {
	double sum[WISHES_NODES], weight;
	bool known[WISHES_NODES];
};

static void mean_add(struct mean *mean, const double us[WISHES_NODES], double weight, const bool feasible[WISHES_NODES])
{
	bool anywhere = false;
	int i;

	for (i = 0; i < WISHES_NODES; i++)
		anywhere |= feasible[i] && !isnan(us[i]);
	for (i = 0; anywhere && i < WISHES_NODES; i++) {
		mean->sum[i] += weight * (isnan(us[i]) ? 1e6 : us[i]);
		mean->known[i] |= !isnan(us[i]);
	}
	mean->weight += anywhere ? weight : 0;
}

static void mean_end(const struct mean *mean, double us[WISHES_NODES])
{
	int i;

	for (i = 0; i < WISHES_NODES; i++)
		us[i] = mean->known[i] ? mean->sum[i] / mean->weight : NAN;
}

static void item_us(const struct wishes *m, const struct item *t, const bool feasible[WISHES_NODES], double out[WISHES_NODES])
{
	double nearest[WISHES_NODES], us[WISHES_NODES];
	struct mean mean = {0};
	int i, leg;

	for (i = 0; i < WISHES_NODES; i++)
		nearest[i] = NAN;
	for (leg = 0; leg < WISHES_NODES; leg++) {
		if (!is_leg(t, leg))
			continue;
		for (i = 0; i < WISHES_NODES; i++) {
			us[i] = leg_us(m, t, leg, i);
			nearest[i] = fmin(nearest[i], us[i]);
		}
		mean_add(&mean, us, t->milan ? 1 : t->legs[leg], feasible);
	}
	mean_end(&mean, out);
	for (i = 0; t->any && i < WISHES_NODES; i++)
		out[i] = nearest[i];
}

/* 0..10 before rounding; false: there is nothing to say. */
bool wishes_rank(const struct wishes *m, const struct wish *a, const bool feasible[WISHES_NODES], double points[WISHES_NODES])
{
	double us[WISHES_NODES], best = INFINITY;
	struct mean mean = {0};
	bool loads = true;
	int i;

	for (i = 0; i < a->near_count; i++) {
		item_us(m, &a->near[i], feasible, us);
		mean_add(&mean, us, a->near[i].weight, feasible);
	}
	mean_end(&mean, us);
	for (i = 0; i < WISHES_NODES; i++)
		if (feasible[i]) {
			best = isnan(us[i]) ? best : fmin(best, fmax(us[i], 50));
			loads &= !isnan(m->cpu[i]);
		}
	for (i = 0; i < WISHES_NODES; i++) {
		double latency = isnan(us[i]) ? 0 : 100 * best / fmax(us[i], 50);
		double load = loads ? 100 * (1 - m->cpu[i]) : 0, minus = loads && m->cpu[i] >= 0.7 ? 15 : 0;

		points[i] = mean.weight > 0 ? (loads ? 0.7 * latency + 0.3 * load : latency) - minus : load - minus;
		points[i] = fmax(points[i], 0) / 10;
	}
	return mean.weight > 0 || loads;
}
