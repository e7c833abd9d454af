#include <stdio.h>
#include <string.h>

#include "tests/conformance/generate.h"
#include "tests/conformance/make.h"

/* --- ports --------------------------------------------------------------------------------------------------------------- */

static cJSON *port(struct scene *s)
{
	int number = 8080 + (int)rng_below(&s->rng, 3);
	cJSON *item = make("{'containerPort':%d,'hostPort':%d}", number, number);

	if (rng_chance(&s->rng, 0.3))
		put_text(item, "hostIP", PICK(&s->rng, "0.0.0.0", "10.0.0.1", "10.0.0.2", "127.0.0.1", "::", "::1"));
	if (rng_chance(&s->rng, 0.3))
		put_text(item, "protocol", PICK(&s->rng, "UDP", "SCTP", "TCP"));
	return item;
}

void generate_ports(struct scene *s, cJSON *pod)
{
	cJSON *init = cJSON_GetArrayItem(get(pod, "spec.initContainers"), 0), *first = cJSON_GetArrayItem(get(pod, "spec.containers"), 0);

	if (rng_chance(&s->rng, 0.1)) {
		put(pod, "spec.hostNetwork", cJSON_CreateTrue());
		push(first, "ports", make("{'containerPort':8080}"));
		return;
	}
	push(init && rng_chance(&s->rng, 0.5) ? init : first, "ports", port(s));
	if (rng_chance(&s->rng, 0.1))
		push(first, "ports", make("{'containerPort':9090}"));
}

/* --- tolerations --------------------------------------------------------------------------------------------------------- */

static cJSON *toleration(struct scene *s)
{
	struct rng *rng = &s->rng;
	const char *key = PICK(rng, "dedicated", "gpu", "node.kubernetes.io/not-ready", "node.kubernetes.io/unschedulable",
			       "node.kubernetes.io/disk-pressure", "spot");
	const char *effect = PICK(rng, "", "", "NoSchedule", "NoExecute");
	cJSON *item;

	if (rng_chance(rng, 0.1))
		item = make("{'operator':'Exists'}");
	else if (rng_chance(rng, 0.5))
		item = make("{'key':'%s','operator':'Exists'}", key);
	else
		item = make("{'key':'%s','operator':'%s','value':'%s'}", key, PICK(rng, "Equal", ""), PICK(rng, "a", "b", ""));
	if (*effect)
		put_text(item, "effect", effect);
	if (STREQ(effect, "NoExecute") && rng_chance(rng, 0.3))
		put(item, "tolerationSeconds", cJSON_CreateNumber(10));
	return item;
}

void generate_tolerations(struct scene *s, cJSON *pod)
{
	uint32_t count = 1 + rng_below(&s->rng, 4);

	while (count--)
		push(pod, "spec.tolerations", toleration(s));
}

/* --- node affinity ------------------------------------------------------------------------------------------------------- */

static const char *label_value(struct scene *s, const char *key)
{
	if (strstr(key, "zone"))
		return PICK(&s->rng, "eu-west1-a", "eu-west1-b", "eu-west1-c", "");
	if (strstr(key, "hostname"))
		return scene_node(s);
	if (STREQ(key, "disk"))
		return PICK(&s->rng, "ssd", "hdd", "");
	return PICK(&s->rng, "r-1", "r-2", "1", "x");
}

static const char *label_key(struct scene *s)
{
	return PICK(&s->rng, "topology.kubernetes.io/zone", "topology.kubernetes.io/region", "disk", "kubernetes.io/hostname", "rank", "absent");
}

static cJSON *node_expression(struct scene *s)
{
	const char *key = label_key(s);
	cJSON *item;

	switch (rng_below(&s->rng, 7)) {
	case 0: return make("{'key':'%s','operator':'Exists'}", key);
	case 1: return make("{'key':'%s','operator':'DoesNotExist'}", key);
	case 2: return make("{'key':'rank','operator':'%s','values':['%s']}", PICK(&s->rng, "Gt", "Lt"), PICK(&s->rng, "5", "0", "6", "7", "x", "010"));
	case 3:
	case 4: item = make("{'key':'%s','operator':'NotIn','values':['%s']}", key, label_value(s, key)); break;
	default: item = make("{'key':'%s','operator':'In','values':['%s']}", key, label_value(s, key)); break;
	}
	if (rng_chance(&s->rng, 0.5))
		push(item, "values", cJSON_CreateString(label_value(s, key)));
	return item;
}

static cJSON *node_term(struct scene *s)
{
	cJSON *term = cJSON_CreateObject();
	bool named = rng_chance(&s->rng, 0.15);
	uint32_t count = named ? rng_below(&s->rng, 2) : 1 + rng_below(&s->rng, 2);

	if (rng_chance(&s->rng, 0.04))
		return term;
	while (count--)
		push(term, "matchExpressions", node_expression(s));
	for (; named; named = rng_chance(&s->rng, 0.1))
		push(term, "matchFields", make("{'key':'metadata.name','operator':'%s','values':['%s']}", PICK(&s->rng, "In", "In", "NotIn"), scene_node(s)));
	return term;
}

void generate_node_affinity(struct scene *s, cJSON *pod)
{
	static const char required[] = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
	uint32_t count = 1 + rng_below(&s->rng, 3);

	if (rng_chance(&s->rng, 0.4)) {
		const char *key = label_key(s);

		put_named(pod, "spec.nodeSelector", key, label_value(s, key));
		if (rng_chance(&s->rng, 0.7))
			return;
	}
	while (count--)
		push(pod, required, node_term(s));
}
