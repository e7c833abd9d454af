#include <stdio.h>
#include <string.h>

#include "tests/conformance/generate.h"
#include "tests/conformance/make.h"
#include "tests/conformance/plane.h"

/* --- affinity and anti-affinity to pods ---------------------------------------------------------------------------------- */

static void choose_namespaces(struct scene *s, cJSON *term)
{
	struct rng *rng = &s->rng;

	if (rng_chance(rng, 0.3))
		push(term, "namespaces", cJSON_CreateString(scene_namespace(s)));
	if (rng_chance(rng, 0.1))
		push(term, "namespaces", cJSON_CreateString("nowhere"));
	if (rng_chance(rng, 0.75))
		return;
	switch (rng_below(rng, 5)) {
	case 0: put(term, "namespaceSelector", cJSON_CreateObject()); break;
	case 1: put(term, "namespaceSelector", make("{'matchLabels':{'kubernetes.io/metadata.name':'%s'}}", scene_namespace(s))); break;
	case 2: put(term, "namespaceSelector", make("{'matchExpressions':[{'key':'env','operator':'%s'}]}", PICK(rng, "Exists", "DoesNotExist"))); break;
	case 3: put(term, "namespaceSelector", make("{'matchExpressions':[{'key':'team','operator':'NotIn','values':['x']}]}")); break;
	default: put(term, "namespaceSelector", make("{'matchLabels':{'team':'%s'}}", PICK(rng, "x", "y", ""))); break;
	}
}

static void choose_label_keys(struct scene *s, cJSON *term, const char *list)
{
	const char *key = PICK(&s->rng, "tier", "version", "absent");

	if (get(term, "labelSelector.matchExpressions") || !get(term, "labelSelector") || cJSON_IsNull(get(term, "labelSelector")))
		return;
	push(term, list, cJSON_CreateString(key));
}

static cJSON *term_of(struct scene *s)
{
	cJSON *term = make("{'topologyKey':'%s'}", scene_domain(s));

	put(term, "labelSelector", scene_selector(s, true));
	choose_namespaces(s, term);
	if (rng_chance(&s->rng, 0.15))
		choose_label_keys(s, term, PICK(&s->rng, "matchLabelKeys", "mismatchLabelKeys"));
	return term;
}

#define REQUIRED ".requiredDuringSchedulingIgnoredDuringExecution"
#define PREFERRED ".preferredDuringSchedulingIgnoredDuringExecution"

void generate_pod_affinity(struct scene *s, cJSON *pod, bool pending)
{
	static const char *const kinds[2][2] = {
		{"spec.affinity.podAntiAffinity" REQUIRED, "spec.affinity.podAntiAffinity" PREFERRED},
		{"spec.affinity.podAffinity" REQUIRED, "spec.affinity.podAffinity" PREFERRED},
	};
	bool near = rng_chance(&s->rng, pending ? 0.5 : 0.2);

	if (rng_chance(&s->rng, 0.15)) {
		cJSON *weighted = make("{'weight':10}");

		put(weighted, "podAffinityTerm", term_of(s));
		push(pod, kinds[near][1], weighted);
		return;
	}
	do
		push(pod, kinds[near][0], term_of(s));
	while (rng_chance(&s->rng, 0.2));
	if (rng_chance(&s->rng, 0.15))
		push(pod, kinds[!near][0], term_of(s));
}

/* --- spread -------------------------------------------------------------------------------------------------------------- */

static cJSON *constraint(struct scene *s, const char *domain)
{
	struct rng *rng = &s->rng;
	bool hard = rng_chance(rng, 0.85);
	cJSON *item = make("{'maxSkew':%u,'topologyKey':'%s','whenUnsatisfiable':'%s'}", 1 + rng_below(rng, 3), domain,
			   hard ? "DoNotSchedule" : "ScheduleAnyway");

	put(item, "labelSelector", scene_selector(s, true));
	if (hard && rng_chance(rng, 0.25))
		put(item, "minDomains", cJSON_CreateNumber(1 + rng_below(rng, 5)));
	if (rng_chance(rng, 0.25))
		put_text(item, "nodeAffinityPolicy", PICK(rng, "Honor", "Ignore"));
	if (rng_chance(rng, 0.3))
		put_text(item, "nodeTaintsPolicy", PICK(rng, "Honor", "Ignore"));
	if (rng_chance(rng, 0.15))
		choose_label_keys(s, item, "matchLabelKeys");
	return item;
}

/* A topology key may come once. */
void generate_spread(struct scene *s, cJSON *pod)
{
	const char *first = scene_domain(s), *second = scene_domain(s);

	push(pod, "spec.topologySpreadConstraints", constraint(s, first));
	if (!STREQ(first, second) && rng_chance(&s->rng, 0.3))
		push(pod, "spec.topologySpreadConstraints", constraint(s, second));
}

/* --- features that a node has to declare --------------------------------------------------------------------------------- */

void generate_features(struct scene *s, cJSON *pod)
{
	bool init = rng_chance(&s->rng, 0.3) && get(pod, "spec.initContainers");
	cJSON *container = cJSON_GetArrayItem(get(pod, init ? "spec.initContainers" : "spec.containers"), 0);

	if (rng_chance(&s->rng, 0.4)) {
		put(pod, "spec.hostNetwork", rng_chance(&s->rng, 0.8) ? cJSON_CreateTrue() : cJSON_CreateFalse());
		put(pod, "spec.hostUsers", rng_chance(&s->rng, 0.8) ? cJSON_CreateFalse() : cJSON_CreateTrue());
		if (rng_chance(&s->rng, 0.6))
			return;
	}
	put_text(container, "restartPolicy", get_text(container, "restartPolicy")[0] ? get_text(container, "restartPolicy") : "Never");
	push(container, "restartPolicyRules", make("{'action':'%s','exitCodes':{'operator':'In','values':[42]}}",
						    PICK(&s->rng, "RestartAllContainers", "RestartAllContainers", "Restart")));
}
