#include <stdio.h>
#include <string.h>

#include "tests/conformance/generate.h"
#include "tests/conformance/make.h"
#include "tests/conformance/plane.h"

/* --- affinity and anti-affinity to pods ---------------------------------------------------------------------------------- */

static void choose_namespaces(struct world *w, cJSON *term)
{
	struct rng *rng = &w->rng;

	if (rng_chance(rng, 0.3))
		push(term, "namespaces", cJSON_CreateString(world_namespace(w)));
	if (rng_chance(rng, 0.1))
		push(term, "namespaces", cJSON_CreateString("nowhere"));
	if (rng_chance(rng, 0.75))
		return;
	switch (rng_below(rng, 5)) {
	case 0: put(term, "namespaceSelector", cJSON_CreateObject()); break;
	case 1: put(term, "namespaceSelector", make("{'matchLabels':{'kubernetes.io/metadata.name':'%s'}}", world_namespace(w))); break;
	case 2: put(term, "namespaceSelector", make("{'matchExpressions':[{'key':'env','operator':'%s'}]}", PICK(rng, "Exists", "DoesNotExist"))); break;
	case 3: put(term, "namespaceSelector", make("{'matchExpressions':[{'key':'team','operator':'NotIn','values':['x']}]}")); break;
	default: put(term, "namespaceSelector", make("{'matchLabels':{'team':'%s'}}", PICK(rng, "x", "y", ""))); break;
	}
}

static void choose_label_keys(struct world *w, cJSON *term, const char *list)
{
	const char *key = PICK(&w->rng, "tier", "version", "absent");

	if (get(term, "labelSelector.matchExpressions") || !get(term, "labelSelector") || cJSON_IsNull(get(term, "labelSelector")))
		return;
	push(term, list, cJSON_CreateString(key));
}

static cJSON *term_of(struct world *w)
{
	cJSON *term = make("{'topologyKey':'%s'}", world_domain(w));

	put(term, "labelSelector", world_selector(w, true));
	choose_namespaces(w, term);
	if (rng_chance(&w->rng, 0.15))
		choose_label_keys(w, term, PICK(&w->rng, "matchLabelKeys", "mismatchLabelKeys"));
	return term;
}

#define REQUIRED ".requiredDuringSchedulingIgnoredDuringExecution"
#define PREFERRED ".preferredDuringSchedulingIgnoredDuringExecution"

void generate_pod_affinity(struct world *w, cJSON *pod, bool pending)
{
	static const char *const kinds[2][2] = {
		{"spec.affinity.podAntiAffinity" REQUIRED, "spec.affinity.podAntiAffinity" PREFERRED},
		{"spec.affinity.podAffinity" REQUIRED, "spec.affinity.podAffinity" PREFERRED},
	};
	bool near = rng_chance(&w->rng, pending ? 0.5 : 0.2);

	if (rng_chance(&w->rng, 0.15)) {
		cJSON *weighted = make("{'weight':10}");

		put(weighted, "podAffinityTerm", term_of(w));
		push(pod, kinds[near][1], weighted);
		return;
	}
	do
		push(pod, kinds[near][0], term_of(w));
	while (rng_chance(&w->rng, 0.2));
	if (rng_chance(&w->rng, 0.15))
		push(pod, kinds[!near][0], term_of(w));
}

/* --- spread -------------------------------------------------------------------------------------------------------------- */

static cJSON *constraint(struct world *w, const char *domain)
{
	struct rng *rng = &w->rng;
	bool hard = rng_chance(rng, 0.85);
	cJSON *item = make("{'maxSkew':%u,'topologyKey':'%s','whenUnsatisfiable':'%s'}", 1 + rng_below(rng, 3), domain,
			   hard ? "DoNotSchedule" : "ScheduleAnyway");

	put(item, "labelSelector", world_selector(w, true));
	if (hard && rng_chance(rng, 0.25))
		put(item, "minDomains", cJSON_CreateNumber(1 + rng_below(rng, 5)));
	if (rng_chance(rng, 0.25))
		put_text(item, "nodeAffinityPolicy", PICK(rng, "Honor", "Ignore"));
	if (rng_chance(rng, 0.3))
		put_text(item, "nodeTaintsPolicy", PICK(rng, "Honor", "Ignore"));
	if (rng_chance(rng, 0.15))
		choose_label_keys(w, item, "matchLabelKeys");
	return item;
}

/* A topology key may come once. */
void generate_spread(struct world *w, cJSON *pod)
{
	const char *first = world_domain(w), *second = world_domain(w);

	push(pod, "spec.topologySpreadConstraints", constraint(w, first));
	if (!STREQ(first, second) && rng_chance(&w->rng, 0.3))
		push(pod, "spec.topologySpreadConstraints", constraint(w, second));
}

/* --- features that a node has to declare --------------------------------------------------------------------------------- */

void generate_features(struct world *w, cJSON *pod)
{
	bool init = rng_chance(&w->rng, 0.3) && get(pod, "spec.initContainers");
	cJSON *container = cJSON_GetArrayItem(get(pod, init ? "spec.initContainers" : "spec.containers"), 0);

	if (rng_chance(&w->rng, 0.4)) {
		put(pod, "spec.hostNetwork", rng_chance(&w->rng, 0.8) ? cJSON_CreateTrue() : cJSON_CreateFalse());
		put(pod, "spec.hostUsers", rng_chance(&w->rng, 0.8) ? cJSON_CreateFalse() : cJSON_CreateTrue());
		if (rng_chance(&w->rng, 0.6))
			return;
	}
	put_text(container, "restartPolicy", get_text(container, "restartPolicy")[0] ? get_text(container, "restartPolicy") : "Never");
	push(container, "restartPolicyRules", make("{'action':'%s','exitCodes':{'operator':'In','values':[42]}}",
						    PICK(&w->rng, "RestartAllContainers", "RestartAllContainers", "Restart")));
}
