/*
 * Random clusters against a plain telling of the rules: for each node the limit, the volumes and the zones are worked out anew, from the
 * records that the objects were written from, without indices, sorted lists or bits.
 */
#include "tests/unit/storage_world.h"

#include "sched/filter/volume_binding.h"

#define NODES 5
#define VOLUMES 8
#define CLAIMS 6
#define PODS 6
#define ROUNDS 300

struct record_volume {
	int size, zone, claim;		/* zone: -1 everywhere; claim: that it names, -1 none */
	int label;			/* of a zone; -1 */
	bool there, in_class, csi;
};

struct record_claim {
	int size, volume;		/* bound to it; -1: not */
	int selected;			/* the node; -1 */
	bool makes;			/* its class can be made */
};

struct record_pod {
	int node;			/* -1: ours */
	int claims[4], count;
};

struct model {
	struct record_volume volumes[VOLUMES];
	struct record_claim claims[CLAIMS];
	struct record_pod pods[PODS];
	int limit[NODES];		/* -1: no CSINode */
	int attached[NODES];		/* a volume that is attached; -1 */
	bool zoned[NODES];
};

/* Node i is in zone i % 2. */
static int zone_of(int node)
{
	return node % 2;
}

/* --- random records, and the objects of them --- */

static int maybe_below(struct rng *r, double probability, uint32_t n)
{
	return rng_chance(r, probability) ? (int)rng_below(r, n) : -1;
}

static void model_random(struct model *m, struct rng *r)
{
	int i, k;

	*m = (struct model){0};
	for (i = 0; i < VOLUMES; i++)
		m->volumes[i] = (struct record_volume){
			.there = rng_chance(r, 0.9), .size = 1 + (int)rng_below(r, 4), .zone = maybe_below(r, 0.5, 2),
			.claim = maybe_below(r, 0.2, CLAIMS), .label = maybe_below(r, 0.2, 2), .in_class = rng_chance(r, 0.8), .csi = rng_chance(r, 0.7),
		};
	for (i = 0; i < CLAIMS; i++)
		m->claims[i] = (struct record_claim){
			.size = 1 + (int)rng_below(r, 4), .volume = maybe_below(r, 0.5, VOLUMES), .selected = maybe_below(r, 0.1, NODES),
			.makes = rng_chance(r, 0.5),
		};
	for (i = 0; i < PODS; i++) {
		m->pods[i].node = i ? (int)rng_below(r, NODES) : -1;
		m->pods[i].count = 1 + (int)rng_below(r, 4);
		for (k = 0; k < m->pods[i].count; k++)
			m->pods[i].claims[k] = (int)rng_below(r, CLAIMS);
	}
	for (i = 0; i < NODES; i++) {
		m->limit[i] = maybe_below(r, 0.7, 5);
		m->attached[i] = maybe_below(r, 0.5, VOLUMES);
		m->zoned[i] = rng_chance(r, 0.7);
	}
}

static struct pod *pod_of_record(const struct record_pod *p, int number)
{
	auto_free char *name = xasprintf("p%d", number);
	auto_buf struct buf list = {0};
	int k;

	for (k = 0; k < p->count; k++)
		buf_printf(&list, "%s{'name':'v%d','persistentVolumeClaim':{'claimName':'c%d'}}", k ? "," : "", k, p->claims[k]);
	if (p->node < 0)
		return pod_with(name, "'volumes':[%s]", list.data);
	return pod_with(name, "'nodeName':'n%d','volumes':[%s]", p->node, list.data);
}

static void build_volumes(const struct model *m, struct world *w)
{
	int i;

	for (i = 0; i < VOLUMES; i++) {
		const struct record_volume *v = &m->volumes[i];
		auto_free char *label = v->label >= 0 ? xasprintf("'topology.kubernetes.io/zone':'z%d'", v->label) : xstrdup("");
		auto_free char *affinity = v->zone >= 0 ? xasprintf(",'nodeAffinity':{'required':{'nodeSelectorTerms':[{'matchExpressions':[{'key':"
			"'zone','operator':'In','values':['z%d']}]}]}}", v->zone) : xstrdup("");
		auto_free char *claim = v->claim >= 0 ? xasprintf(",'claimRef':{'namespace':'default','name':'c%d'}", v->claim) : xstrdup("");
		auto_free char *csi = v->csi ? xasprintf(",'csi':{'driver':'drv','volumeHandle':'h%d'}", i) : xstrdup("");

		if (v->there)
			put(w, "{'kind':'PersistentVolume','metadata':{'name':'v%d','labels':{%s}},'spec':{'storageClassName':'%s','accessModes':"
			       "['ReadWriteOnce'],'capacity':{'storage':'%dGi'}%s%s%s},'status':{'phase':'Available'}}", i, label,
			    v->in_class ? "static" : "x", v->size, affinity, claim, csi);
	}
}

static void build(const struct model *m, struct world *w)
{
	int i;

	*w = world_new();
	cache_know_storage(w->cache);
	put_class(w, "static", "kubernetes.io/no-provisioner", "," WAITS);
	put_class(w, "made", "drv", "," WAITS);
	build_volumes(m, w);
	for (i = 0; i < CLAIMS; i++) {
		const struct record_claim *c = &m->claims[i];
		auto_free char *volume = c->volume >= 0 ? xasprintf(",'volumeName':'v%d'", c->volume) : xstrdup("");
		auto_free char *selected = c->selected >= 0 ? xasprintf(",'volume.kubernetes.io/selected-node':'n%d'", c->selected) : xstrdup("");

		put(w, "{'kind':'PersistentVolumeClaim','metadata':{'name':'c%d','namespace':'default','annotations':{"
		       "'pv.kubernetes.io/bind-completed':'yes'%s}},'spec':{'storageClassName':'%s','resources':{'requests':{'storage':'%dGi'}},"
		       "'accessModes':['ReadWriteOnce']%s}}", i, selected, c->makes ? "made" : "static", c->size, volume);
	}
	for (i = 0; i < NODES; i++) {
		auto_free char *name = xasprintf("n%d", i), *zone = xasprintf(",'zone':'z%d'%s", zone_of(i), m->zoned[i] ?
			(zone_of(i) ? ",'topology.kubernetes.io/zone':'z1'" : ",'topology.kubernetes.io/zone':'z0'") : "");

		cache_put_node(w->cache, node_with(name, "%s", zone));
		if (m->limit[i] >= 0)
			put(w, "{'kind':'CSINode','metadata':{'name':'n%d'},'spec':{'drivers':[{'name':'drv','allocatable':{'count':%d}}]}}", i,
			    m->limit[i]);
		if (m->attached[i] >= 0)
			put(w, "{'kind':'VolumeAttachment','metadata':{'name':'a%d'},'spec':{'attacher':'drv','nodeName':'n%d','source':{"
			       "'persistentVolumeName':'v%d'}}}", i, i, m->attached[i]);
	}
	for (i = 1; i < PODS; i++)
		cache_put_pod(w->cache, pod_of_record(&m->pods[i], i));
}

/* --- the rules --- */

static bool is_bound(const struct model *m, int claim)
{
	return m->claims[claim].volume >= 0;
}

/* What a claim counts as: a volume 0..VOLUMES-1, a claim that will have one VOLUMES + claim, or -1. */
static int counts_as(const struct model *m, int claim)
{
	int volume = m->claims[claim].volume;

	if (volume >= 0 && m->volumes[volume].there)
		return m->volumes[volume].csi ? volume : -1;
	return m->claims[claim].makes ? VOLUMES + claim : -1;
}

static void mark(const struct model *m, const struct record_pod *pod, bool *set)
{
	int k;

	for (k = 0; k < pod->count; k++)
		if (counts_as(m, pod->claims[k]) >= 0)
			set[counts_as(m, pod->claims[k])] = true;
}

static bool is_full(const struct model *m, int node)
{
	bool there[VOLUMES + CLAIMS] = {false}, new[VOLUMES + CLAIMS] = {false};
	int count = 0, more = 0, i;

	if (m->limit[node] < 0)
		return false;
	for (i = 1; i < PODS; i++)
		if (m->pods[i].node == node)
			mark(m, &m->pods[i], there);
	mark(m, &m->pods[0], new);
	for (i = 0; i < VOLUMES + CLAIMS; i++) {
		more += new[i] && !there[i];
		count += there[i] || (i == m->attached[node] && m->volumes[i].there && m->volumes[i].csi);
	}
	return more && more + count > m->limit[node];
}

static bool reaches(const struct model *m, int volume, int node)
{
	return m->volumes[volume].zone < 0 || m->volumes[volume].zone == zone_of(node);
}

/* The volume that a claim takes on the node; -1: none. */
static int takes(const struct model *m, int claim, int node, const bool *taken)
{
	int best = -1, i;

	for (i = 0; i < VOLUMES; i++)
		if (m->volumes[i].there && m->volumes[i].claim == claim && !taken[i] && m->volumes[i].in_class && !m->claims[claim].makes &&
		    m->volumes[i].size >= m->claims[claim].size)
			return reaches(m, i, node) ? i : -1;
	for (i = 0; i < VOLUMES; i++)
		if (m->volumes[i].there && m->volumes[i].claim < 0 && !taken[i] && m->volumes[i].in_class && !m->claims[claim].makes &&
		    m->volumes[i].size >= m->claims[claim].size && reaches(m, i, node) &&
		    (best < 0 || m->volumes[i].size < m->volumes[best].size))
			best = i;
	return best;
}

static bool finds_volumes(const struct model *m, int node)
{
	const struct record_pod *pod = &m->pods[0];
	bool taken[VOLUMES] = {false}, all = true;
	int size, k;

	for (k = 0; k < pod->count; k++)
		if (!is_bound(m, pod->claims[k]) && m->claims[pod->claims[k]].selected >= 0 && m->claims[pod->claims[k]].selected != node)
			return false;
	for (size = 0; size < 9; size++)
		for (k = 0; k < pod->count; k++) {
			int claim = pod->claims[k], volume;

			if (is_bound(m, claim) || m->claims[claim].size != size)
				continue;
			volume = m->claims[claim].selected < 0 ? takes(m, claim, node, taken) : -1;
			if (volume >= 0)
				taken[volume] = true;
			else
				all &= m->claims[claim].makes;
		}
	return all;
}

static const char *reason_of(const struct model *m, int node)
{
	const struct record_pod *pod = &m->pods[0];
	bool near = true, zone = true, found = finds_volumes(m, node);
	int k;

	for (k = 0; k < pod->count; k++) {
		const struct record_volume *v = is_bound(m, pod->claims[k]) ? &m->volumes[m->claims[pod->claims[k]].volume] : NULL;

		near &= !v || v->zone < 0 || v->zone == zone_of(node);
		zone &= !v || v->label < 0 || v->label == zone_of(node) || !m->zoned[node];
	}
	if (is_full(m, node))
		return "node(s) exceed max volume count";
	if (!near && !found)
		return "node(s) didn't match PersistentVolume's node affinity, node(s) didn't find available persistent volumes to bind";
	if (!near)
		return "node(s) didn't match PersistentVolume's node affinity";
	if (!found)
		return "node(s) didn't find available persistent volumes to bind";
	return zone ? "" : "node(s) had no available volume zone";
}

static int gone_volume(const struct model *m)
{
	int k;

	for (k = 0; k < m->pods[0].count; k++)
		if (is_bound(m, m->pods[0].claims[k]) && !m->volumes[m->claims[m->pods[0].claims[k]].volume].there)
			return m->claims[m->pods[0].claims[k]].volume;
	return -1;
}

/* --- laws --- */

/* A plan takes no volume twice, none that is too small, and none out of reach. */
static void check_plan(const struct model *m, struct world *w, const struct pod *pod, int node, bool fits)
{
	struct volume_plan plan;
	uint32_t i, k;
	bool can = volume_plan_of(cache_view(w->cache), pod, (uint32_t)node, &plan);

	assert_true(can || !fits);
	for (i = 0; i < plan.match_count; i++) {
		const struct volume *v = plan.matches[i].volume;

		assert_true(v->capacity_bytes >= plan.matches[i].claim->request_bytes);
		assert_true(reaches(m, v->object.name[1] - '0', node));
		for (k = 0; k < i; k++)
			assert_ptr_not_equal(plan.matches[k].volume, v);
	}
	volume_plan_free(&plan);
}

static void decisions_follow_the_rules(void **state)
{
	struct rng r = rng_make(test_seed());
	unsigned round;

	(void)state;
	for (round = 0; round < ROUNDS; round++) {
		struct model m;
		struct world w;
		struct pod *pod;
		int i;

		model_random(&m, &r);
		build(&m, &w);
		pod = pod_of_record(&m.pods[0], 0);
		world_decide(&w, pod);
		if (gone_volume(&m) >= 0) {
			auto_free char *text = xasprintf("persistentvolume \"v%d\" not found", gone_volume(&m));

			assert_true(w.decision.refused_by_pod);
			assert_string_equal(w.decision.pod_reason, text);
		} else {
			for (i = 0; i < NODES; i++) {
				auto_free char *name = xasprintf("n%d", i);

				assert_string_equal(world_reason(&w, name), reason_of(&m, i));
				check_plan(&m, &w, pod, i, !reason_of(&m, i)[0]);
			}
		}
		pod_free(pod);
		world_free(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(decisions_follow_the_rules)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
