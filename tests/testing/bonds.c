#include "tests/testing/bonds.h"

#include <stdio.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "sched/cluster.h"

static const char *const keys[] = {"kubernetes.io/hostname", "zone"};

const char *bonds_node(int i)
{
	static const char *const names[] = {"n0", "n1", "n2", "n3"};

	return names[i];
}

/* --- as the API shows it ------------------------------------------------------------------------------------------------- */

static void put_object(struct bonds *b, const char *text)
{
	struct lm_err err = {0};
	auto_json cJSON *object = cJSON_Parse(text);

	if (!object || cluster_put(b->w.cache, object, &err) != 1)
		fail_msg("%s: %s", text, err.msg);
}

static void put_node(struct bonds *b, int i)
{
	auto_free char *has = xasprintf("\"cpu\":\"%dm\",\"memory\":\"8Gi\",\"pods\":\"20\"", b->cpu_milli[i]);
	auto_free char *labels = xasprintf("\"kubernetes.io/hostname\":\"%s\",\"zone\":\"z%d\"", bonds_node(i), b->zone[i]);

	world_node_of(&b->w, bonds_node(i), labels, b->cordoned[i] ? "\"unschedulable\":true" : "", has);
}

static void put_storage(struct bonds *b)
{
	int i;

	cache_know_storage(b->w.cache);
	for (i = 0; i < BONDS_CLAIMS; i++) {
		auto_free char *zone = b->claim_zone[i] == NONE ? xstrdup("") :
			xasprintf(",\"nodeAffinity\":{\"required\":{\"nodeSelectorTerms\":[{\"matchExpressions\":[{\"key\":\"zone\",\"operator\":\"In\","
				  "\"values\":[\"z%d\"]}]}]}}", b->claim_zone[i]);
		auto_free char *volume = xasprintf("{\"kind\":\"PersistentVolume\",\"metadata\":{\"name\":\"v%d\"},\"spec\":{\"capacity\":{\"storage\":"
						   "\"1Gi\"},\"csi\":{\"driver\":\"drv\",\"volumeHandle\":\"h%d\"}%s}}", i, i, zone);
		auto_free char *claim = xasprintf("{\"kind\":\"PersistentVolumeClaim\",\"metadata\":{\"name\":\"c%d\",\"namespace\":\"default\",\"uid\":"
						  "\"uid-c%d\",\"annotations\":{\"pv.kubernetes.io/bind-completed\":\"yes\"}},\"spec\":{\"volumeName\":"
						  "\"v%d\",\"accessModes\":[\"%s\"]}}", i, i, i, b->claim_once[i] ? "ReadWriteOncePod" : "ReadWriteMany");

		put_object(b, volume);
		put_object(b, claim);
	}
	for (i = 0; i < b->nodes; i++) {
		auto_free char *csi = xasprintf("{\"kind\":\"CSINode\",\"metadata\":{\"name\":\"%s\"},\"spec\":{\"drivers\":[{\"name\":\"drv\",\"allocatable\":"
						"{\"count\":%d}}]}}", bonds_node(i), b->attach[i]);

		if (b->attach[i] != NONE)
			put_object(b, csi);
	}
}

static void print_term(struct buf *spec, const char *kind, const struct bond *bond)
{
	buf_printf(spec, "\"%s\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[{\"topologyKey\":\"%s\",\"labelSelector\":{\"matchLabels\":{\"app\":"
		   "\"a%d\"}}}]}", kind, keys[bond->key], bond->app);
}

static void print_bonds(const struct bound_pod *p, struct buf *spec)
{
	if (p->near.app != NONE || p->anti.app != NONE) {
		buf_str(spec, ",\"affinity\":{");
		if (p->near.app != NONE)
			print_term(spec, "podAffinity", &p->near);
		if (p->anti.app != NONE) {
			buf_str(spec, p->near.app != NONE ? "," : "");
			print_term(spec, "podAntiAffinity", &p->anti);
		}
		buf_char(spec, '}');
	}
	if (p->spread.app != NONE) {
		buf_printf(spec, ",\"topologySpreadConstraints\":[{\"maxSkew\":%d,\"topologyKey\":\"%s\",\"whenUnsatisfiable\":\"DoNotSchedule\","
			   "\"labelSelector\":{\"matchLabels\":{\"app\":\"a%d\"}}", p->skew, keys[p->spread.key], p->spread.app);
		if (p->min_domains)
			buf_printf(spec, ",\"minDomains\":%d", p->min_domains);
		buf_str(spec, "}]");
	}
	if (p->claim != NONE)
		buf_printf(spec, ",\"volumes\":[{\"name\":\"v\",\"persistentVolumeClaim\":{\"claimName\":\"c%d\"}}]", p->claim);
}

static void put_pod(struct bonds *b, int i)
{
	const struct bound_pod *p = &b->pods[i];
	auto_free char *name = xasprintf("p%d", i);
	auto_buf struct buf labels = {0}, limit = {0}, spec = {0};

	buf_printf(&labels, "\"app\":\"a%d\",\"latency-mesh.io/reserve\":\"%s\"", p->app, p->covered ? "true" : "false");
	buf_str(&limit, "\"latency-mesh.io/within\":\"node/n0<=50ms");	/* everywhere; who has no limit wants no room */
	if (p->limit_app != NONE)
		buf_printf(&limit, ",app=a%d<=%gms", p->limit_app, p->limit_ms);
	buf_char(&limit, '"');
	buf_printf(&spec, "\"schedulerName\":\"my-latency-scheduler\",\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"%dm\"}}}]",
		   p->cpu_milli);
	print_bonds(p, &spec);
	world_pod_of(&b->w, name, bonds_node(p->node), labels.data, limit.data,
		     "\"ownerReferences\":[{\"kind\":\"ReplicaSet\",\"name\":\"rs\",\"uid\":\"owner\",\"controller\":true}]", spec.data);
}

/* --- chance ------------------------------------------------------------------------------------------------------------------ */

static int below(struct bonds *b, int n)
{
	return (int)rng_below(&b->rng, (uint32_t)n);
}

static struct bond random_bond(struct bonds *b, double probability)
{
	struct bond bond = {NONE, below(b, 2)};

	if (rng_chance(&b->rng, probability))
		bond.app = below(b, BONDS_APPS);
	return bond;
}

static int free_cpu(const struct bonds *b, int node)
{
	int left = b->cpu_milli[node], i;

	for (i = 0; i < BONDS_PODS; i++)
		left -= b->pods[i].there && b->pods[i].node == node ? b->pods[i].cpu_milli : 0;
	return left;
}

/* Where it is now says nothing of its bonds: labels, volumes and latencies change. Most covered pods are on one node, to go at once. */
static void add_pod(struct bonds *b, int i)
{
	struct bound_pod p = {.there = true, .frozen_at = NONE, .limit_app = NONE, .claim = NONE};

	p.covered = rng_chance(&b->rng, 0.65);
	p.node = p.covered && rng_chance(&b->rng, 0.7) ? 0 : below(b, b->nodes);
	p.app = below(b, BONDS_APPS);
	p.cpu_milli = 100 * (1 + below(b, 6));
	p.near = random_bond(b, 0.3);
	p.anti = random_bond(b, 0.15);
	p.spread = random_bond(b, 0.3);
	p.skew = 1 + rng_chance(&b->rng, 0.3);
	p.min_domains = rng_chance(&b->rng, 0.2) ? 2 + below(b, 2) : 0;
	if (rng_chance(&b->rng, 0.3))
		p.limit_app = below(b, BONDS_APPS);
	p.limit_ms = rng_chance(&b->rng, 0.5) ? 3 : 6;
	if (rng_chance(&b->rng, 0.35))
		p.claim = below(b, BONDS_CLAIMS);
	if (free_cpu(b, p.node) < p.cpu_milli)
		return;
	b->pods[i] = p;
	put_pod(b, i);
}

static void remove_pod(struct bonds *b, int i)
{
	auto_free char *uid = xasprintf("uid-p%d", i);

	if (b->pods[i].there)
		cache_delete_pod(b->w.cache, uid);
	b->pods[i].there = false;
}

static void random_nodes(struct bonds *b)
{
	static const double levels_ms[] = {1, 4, 8};
	int i, k;

	for (i = 0; i < b->nodes; i++) {
		b->cpu_milli[i] = 500 * (2 + below(b, 5));
		b->zone[i] = below(b, 2);
		b->attach[i] = rng_chance(&b->rng, 0.5) ? 1 + below(b, 2) : NONE;
		b->cordoned[i] = rng_chance(&b->rng, 0.05);
		put_node(b, i);
		for (k = 0; k < i; k++) {
			b->rtt_ms[i][k] = b->rtt_ms[k][i] = levels_ms[below(b, 3)];
			world_rtt(&b->w, bonds_node(i), bonds_node(k), b->rtt_ms[i][k] * 1000);
		}
	}
}

void bonds_begin(struct bonds *b, struct rng rng)
{
	int i;

	*b = (struct bonds){.rng = rng, .frozen = NONE, .settings = {.enabled = true, .namespace_ = "mesh"}};
	world_begin(&b->w, "n0 n1 n2 n3", "");
	b->nodes = 3 + below(b, BONDS_NODES - 2);
	if (b->nodes < BONDS_NODES)
		cache_delete_node(b->w.cache, bonds_node(BONDS_NODES - 1));
	random_nodes(b);
	world_take(&b->w);
	for (i = 0; i < BONDS_CLAIMS; i++) {
		b->claim_zone[i] = rng_chance(&b->rng, 0.4) ? below(b, 2) : NONE;
		b->claim_once[i] = rng_chance(&b->rng, 0.3);
	}
	put_storage(b);
	for (i = 4 + below(b, BONDS_PODS - 3); i > 0; i--)
		add_pod(b, i - 1);
}

/* --- the next step --------------------------------------------------------------------------------------------------------------- */

static void freeze(struct bonds *b)
{
	size_t i;
	int k;

	b->frozen = rng_chance(&b->rng, 0.3) ? below(b, b->nodes) : NONE;
	for (k = 0; k < BONDS_PODS; k++)
		b->pods[k].frozen_at = NONE;
	for (i = 0; i < b->plan.covers.count; i++) {
		const struct cover *c = &b->plan.covers.items[i];

		k = c->uid[strlen("uid-p")] - '0';
		if (b->frozen != NONE && b->pods[k].there && STREQ(c->refuge, bonds_node(b->frozen)) && STREQ(c->node, bonds_node(b->pods[k].node)))
			b->pods[k].frozen_at = b->frozen;
	}
}

void bonds_next(struct bonds *b, struct plan *next)
{
	int i = below(b, BONDS_PODS), node = below(b, b->nodes);

	plan_free(&b->plan);
	b->plan = *next;
	*next = (struct plan){0};
	freeze(b);
	if (rng_chance(&b->rng, 0.2)) {
		b->cordoned[node] = !b->cordoned[node];
		put_node(b, node);
	}
	if (b->pods[i].there && b->pods[i].frozen_at == NONE)
		remove_pod(b, i);
	else if (!b->pods[i].there)
		add_pod(b, i);
}

void bonds_end(struct bonds *b)
{
	plan_free(&b->plan);
	world_end(&b->w);
}
