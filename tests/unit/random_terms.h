/*
 * random_terms.h - small random clusters with pods that say something of each other, and the rules of kube-scheduler for them once more, as plainly
 * as they can be written: no domains, no counting ahead. Labels come from few values, so that much coincides.
 *
 *	struct world w = random_world(&rng);
 *	struct pod *pod = random_pod(&rng, "p", "", true);		not in the cache; freed by the caller
 */
#ifndef TESTS_UNIT_RANDOM_TERMS_H
#define TESTS_UNIT_RANDOM_TERMS_H

#include "tests/unit/world.h"

#define RANDOM_NODES 7
#define RANDOM_PODS 14

static const char *const random_keys[] = {"zone", "rack", "kubernetes.io/hostname", "nowhere"};

static inline const char *one_of(struct rng *r, const char *const *items, unsigned count)
{
	return items[rng_below(r, count)];
}

#define ONE_OF(r, ...) one_of((r), (const char *const[]){__VA_ARGS__}, ARRAY_SIZE(((const char *const[]){__VA_ARGS__})))

/* `,'labelSelector':...` or nothing. */
static inline void add_selector(struct rng *r, struct buf *out)
{
	const char *selector = ONE_OF(r, "", "{}", "{'matchLabels':{'app':'x'}}", "{'matchLabels':{'app':'x'}}", "{'matchLabels':{'app':'y','tier':'1'}}",
				      "{'matchExpressions':[{'key':'tier','operator':'Exists'}]}",
				      "{'matchExpressions':[{'key':'app','operator':'NotIn','values':['y','z']}]}",
				      "{'matchLabels':{'tier':'2'},'matchExpressions':[{'key':'app','operator':'In','values':['x','y']}]}");

	buf_printf(out, "%s%s", selector[0] ? ",'labelSelector':" : "", selector);
}

static inline void random_term(struct rng *r, struct buf *out)
{
	buf_printf(out, "{'topologyKey':'%s'", one_of(r, random_keys, rng_chance(r, 0.1) ? 4 : 3));
	add_selector(r, out);
	buf_str(out, ONE_OF(r, "", "", "", ",'namespaces':['b']", ",'namespaces':['a','b']", ",'namespaceSelector':{}",
			    ",'namespaceSelector':{'matchLabels':{'team':'t'}}", ",'namespaces':['a'],'namespaceSelector':{'matchLabels':{'team':'t'}}",
			    ",'namespaceSelector':{'matchExpressions':[{'key':'team','operator':'DoesNotExist'}]}"));
	buf_char(out, '}');
}

static inline void random_terms(struct rng *r, const char *kind, bool weighted, struct buf *out)
{
	unsigned count = 1 + rng_below(r, 2), i;

	buf_printf(out, "'%sDuringSchedulingIgnoredDuringExecution':[", kind);
	for (i = 0; i < count; i++) {
		buf_str(out, i ? "," : "");
		if (weighted)
			buf_printf(out, "{'weight':%u,'podAffinityTerm':", 1 + rng_below(r, 100));
		random_term(r, out);
		buf_str(out, weighted ? "}" : "");
	}
	buf_str(out, "]");
}

static inline void random_pod_affinity(struct rng *r, const char *name, double chance, struct buf *out)
{
	bool required = rng_chance(r, chance), preferred = rng_chance(r, chance);

	buf_printf(out, "'%s':{", name);
	if (required)
		random_terms(r, "required", false, out);
	buf_str(out, required && preferred ? "," : "");
	if (preferred)
		random_terms(r, "preferred", true, out);
	buf_str(out, "},");
}

static inline void random_spreads(struct rng *r, struct buf *out)
{
	unsigned count = rng_below(r, 3), i;

	buf_str(out, "'topologySpreadConstraints':[");
	for (i = 0; i < count; i++) {
		buf_printf(out, "%s{'topologyKey':'%s','maxSkew':%u,'whenUnsatisfiable':'%s'", i ? "," : "",
			   one_of(r, random_keys, rng_chance(r, 0.1) ? 4 : 3), 1 + rng_below(r, 3), ONE_OF(r, "DoNotSchedule", "ScheduleAnyway"));
		add_selector(r, out);
		buf_str(out, ONE_OF(r, "", "", ",'minDomains':3", ",'minDomains':2"));
		buf_str(out, ONE_OF(r, "", ",'nodeAffinityPolicy':'Ignore'", ",'nodeAffinityPolicy':'Honor'"));
		buf_str(out, ONE_OF(r, "", ",'nodeTaintsPolicy':'Ignore'", ",'nodeTaintsPolicy':'Honor'"));
		buf_str(out, ONE_OF(r, "", "", ",'matchLabelKeys':['tier']", ",'matchLabelKeys':['tier','none']"));
		buf_char(out, '}');
	}
	buf_str(out, "],");
}

static inline void random_images(struct rng *r, struct buf *out)
{
	buf_printf(out, "'initContainers':[%s],'containers':[{'image':'%s'},{'image':'%s'}],'volumes':[%s],",
		   ONE_OF(r, "", "{'image':'reg:5000/i0:1'}"), ONE_OF(r, "reg:5000/i0:1", "i1", "i2:3"), ONE_OF(r, "i1:latest", "i2:3", "none"),
		   ONE_OF(r, "", "{'image':{'reference':'i1'}}"));
}

static inline struct pod *random_pod(struct rng *r, const char *name, const char *node, bool wishes)
{
	auto_buf struct buf b = {0};

	buf_printf(&b, "{'metadata':{'name':'%s','namespace':'%s','uid':'uid-%s','labels':{'app':'%s'%s}%s},'spec':{", name, ONE_OF(r, "a", "a", "b", "c"),
		   name, ONE_OF(r, "x", "y"), ONE_OF(r, "", ",'tier':'1'", ",'tier':'2'"),
		   !wishes && rng_chance(r, 0.15) ? ",'deletionTimestamp':'2026-01-01T00:00:00Z'" : "");
	if (node[0])
		buf_printf(&b, "'nodeName':'%s',", node);
	buf_printf(&b, "'priority':%u,'affinity':{", rng_below(r, 3));
	random_pod_affinity(r, "podAffinity", wishes ? 0.5 : 0.2, &b);
	random_pod_affinity(r, "podAntiAffinity", wishes ? 0.3 : 0.15, &b);
	buf_printf(&b, "'nodeAffinity':{%s}},", !wishes ? "" :
		   ONE_OF(r, "", "'preferredDuringSchedulingIgnoredDuringExecution':[{'weight':7,'preference':{'matchExpressions':[{'key':'zone',"
			  "'operator':'In','values':['z0','z2']}]}},{'weight':0,'preference':{}},{'weight':90,'preference':{}},{'weight':30,"
			  "'preference':{'matchFields':[{'key':'metadata.name','operator':'NotIn','values':['n1']}]}}]"));
	if (wishes) {
		random_spreads(r, &b);
		random_images(r, &b);
		buf_str(&b, ONE_OF(r, "", "", "'nodeSelector':{'rack':'r0'},"));
		buf_str(&b, ONE_OF(r, "", "'tolerations':[{'operator':'Exists'}],", "'tolerations':[{'key':'soft','effect':'PreferNoSchedule'}],"));
	}
	buf_str(&b, "'hostNetwork':false},'status':{");
	if (!node[0] && !wishes)
		buf_printf(&b, "'nominatedNodeName':'n%u'", rng_below(r, RANDOM_NODES));
	buf_str(&b, "}}");
	return pod_of(b.data);
}

static inline struct node *random_node(struct rng *r, unsigned i)
{
	auto_free char *text = xasprintf("{'metadata':{'name':'n%u','labels':{'kubernetes.io/hostname':'n%u'%s%s}},'spec':{'taints':[%s]},"
					 "'status':{'images':[%s],'allocatable':{'cpu':'4','memory':'8Gi','pods':'50'}}}", i, i,
					 ONE_OF(r, "", ",'zone':'z0'", ",'zone':'z1'", ",'zone':'z2'", ",'zone':''"),
					 ONE_OF(r, "", ",'rack':'r0'", ",'rack':'r1'"),
					 ONE_OF(r, "", "", "", "{'key':'hard','effect':'NoSchedule'}", "{'key':'soft','effect':'PreferNoSchedule'}",
						"{'key':'soft','effect':'PreferNoSchedule'},{'key':'s2','effect':'PreferNoSchedule'}"),
					 ONE_OF(r, "", "{'names':['reg:5000/i0:1','reg:5000/i0@sha256:1'],'sizeBytes':900000000}",
						"{'names':['i1:latest'],'sizeBytes':500000000},{'names':['i2:3','i1'],'sizeBytes':70000000}"));

	return node_of_text(text);
}

static inline void random_namespace(struct world *w, const char *name, const char *labels)
{
	auto_free char *text = xasprintf("{'metadata':{'name':'%s','labels':{'kubernetes.io/metadata.name':'%s'%s}}}", name, name, labels);
	cJSON *json = object_of(text);
	struct lm_err err;

	cache_put_object(w->cache, object_parse(OBJECT_NAMESPACE, json, &err));
	cJSON_Delete(json);
}

/* Namespaces: a always has an object, b and c sometimes. */
static inline struct world random_world(struct rng *r)
{
	struct world w = world_new();
	unsigned nodes = 1 + rng_below(r, RANDOM_NODES), pods = rng_below(r, RANDOM_PODS + 1), i;
	char name[16], node[16];

	random_namespace(&w, "a", ONE_OF(r, "", ",'team':'t'"));
	if (rng_chance(r, 0.7))
		random_namespace(&w, "b", ONE_OF(r, "", ",'team':'t'"));
	for (i = 0; i < nodes; i++)
		cache_put_node(w.cache, random_node(r, i));
	for (i = 0; i < pods; i++) {
		snprintf(name, sizeof(name), "q%u", i);
		snprintf(node, sizeof(node), "n%u", rng_below(r, RANDOM_NODES));
		cache_put_pod(w.cache, random_pod(r, name, rng_chance(r, 0.8) ? node : "", false));
	}
	return w;
}

/* --- what a term means --------------------------------------------------------------------------------------------------------- */

static inline const struct labels *labels_of_namespace(const struct world *w, const char *name)
{
	const struct object *object = cache_find_object(w->cache, OBJECT_NAMESPACE, "", name);

	return object ? &((const struct namespace_object *)object)->labels : NULL;
}

/* `own`: of the pod that is decided: its selector is also asked about no labels at all (terms.h). */
static inline bool naive_means(const struct world *w, const struct affinity_term *t, const struct pod *p, bool own)
{
	static const struct labels none;
	const struct labels *of_namespace = labels_of_namespace(w, p->namespace_);
	bool there = false;
	uint32_t i;

	for (i = 0; i < t->namespace_count; i++)
		there |= STREQ(t->namespaces[i], p->namespace_);
	there |= selector_matches(&t->namespaces_of, of_namespace ? of_namespace : &none) || (own && selector_matches(&t->namespaces_of, &none));
	return there && selector_matches(&t->selector, &p->labels);
}

static inline const char *label_of(const struct world *w, uint32_t node, const char *key)
{
	return labels_get(&w->in.view->nodes[node].node->labels, key);
}

static inline bool same_place(const struct world *w, uint32_t a, uint32_t b, const char *key)
{
	const char *x = label_of(w, a, key), *y = label_of(w, b, key);

	return x && y && STREQ(x, y);
}

#endif
