#include "tests/conformance/generate.h"

#include <stdio.h>
#include <string.h>

#include "tests/conformance/make.h"
#include "tests/conformance/plane.h"

static const char *const topic_names[] = {"nodes", "taints", "affinity", "ports", "resources", "volumes", "spread", "podaffinity", "nominated",
					  "features", "resize"};

unsigned topics_parse(const char *text)
{
	unsigned topics = 0, i;

	if (STREQ(text, "all"))
		return TOPIC_ALL;
	while (*text) {
		size_t len = strcspn(text, ",");

		for (i = 0; i < ARRAY_SIZE(topic_names); i++)
			if (strlen(topic_names[i]) == len && strncmp(topic_names[i], text, len) == 0)
				break;
		if (i == ARRAY_SIZE(topic_names))
			return 0;
		topics |= 1u << i;
		text += len + (text[len] == ',');
	}
	return topics;
}

bool world_has(struct world *w, unsigned topic, double chance)
{
	if (w->focus)
		chance = topic == w->focus ? 1 - (1 - chance) * (1 - chance) * (1 - chance) : chance * 0.6;
	return rng_chance(&w->rng, chance) && (w->plan->topics & topic);
}

const char *world_namespace(struct world *w)
{
	return PICK(&w->rng, PLANE_NAMESPACES);
}

const char *world_node(struct world *w)
{
	static char name[32];

	if (rng_chance(&w->rng, 0.02))
		return "gone";
	snprintf(name, sizeof(name), "n-%u", rng_below(&w->rng, w->nodes));
	return name;
}

const char *world_domain(struct world *w)
{
	return PICK(&w->rng, "kubernetes.io/hostname", "kubernetes.io/hostname", "topology.kubernetes.io/zone", "topology.kubernetes.io/zone",
		    "topology.kubernetes.io/zone", "topology.kubernetes.io/region", "rack");
}

static cJSON *expression(struct world *w)
{
	const char *key = PICK(&w->rng, "app", "app", "tier", "version", "absent");

	switch (rng_below(&w->rng, 4)) {
	case 0: return make("{'key':'%s','operator':'Exists'}", key);
	case 1: return make("{'key':'%s','operator':'DoesNotExist'}", key);
	case 2: return make("{'key':'%s','operator':'NotIn','values':['%s','x']}", key, PICK(&w->rng, "a", "b", ""));
	default: return make("{'key':'%s','operator':'In','values':['%s','%s']}", key, PICK(&w->rng, "a", "b", "x"), PICK(&w->rng, "c", "db", "y"));
	}
}

cJSON *world_selector(struct world *w, bool may_be_nil)
{
	cJSON *selector;

	if (may_be_nil && rng_chance(&w->rng, 0.06))
		return cJSON_CreateNull();
	if (rng_chance(&w->rng, 0.08))
		return cJSON_CreateObject();
	selector = rng_chance(&w->rng, 0.7) ? make("{'matchLabels':{'app':'%s'}}", PICK(&w->rng, "a", "b", "c", "db")) : cJSON_CreateObject();
	if (!selector->child || rng_chance(&w->rng, 0.2))
		push(selector, "matchExpressions", expression(w));
	return selector;
}

void generate_namespaces(struct world *w)
{
	static const char *const names[] = {PLANE_NAMESPACES};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		cJSON *namespace_ = make("{'kind':'Namespace','metadata':{'name':'%s','labels':{}}}", names[i]);

		if (rng_chance(&w->rng, 0.6))
			put_text(namespace_, "metadata.labels.team", PICK(&w->rng, "x", "y", ""));
		if (rng_chance(&w->rng, 0.3))
			put_text(namespace_, "metadata.labels.env", PICK(&w->rng, "test", "prod"));
		cJSON_AddItemToArray(w->objects, namespace_);
	}
}

/* Small ones more often: they are quick, and a difference in one is easy to see. */
static void choose_sizes(struct world *w)
{
	uint32_t most = w->plan->most_nodes ? w->plan->most_nodes : 40;
	uint32_t room = rng_chance(&w->rng, 0.75) && most > 14 ? 14 : most;

	w->nodes = 2 + rng_below(&w->rng, room - 1);
	w->residents = rng_below(&w->rng, w->nodes * (rng_chance(&w->rng, 0.2) ? 20 : 8) + 1);
	if (w->residents > 400)
		w->residents = 400;
}

/* With all topics at once in each pod no node would be left, and what comes late in the order of filters would never refuse. */
static void choose_character(struct world *w)
{
	static const unsigned topics[] = {0, TOPIC_VOLUMES, TOPIC_VOLUMES, TOPIC_VOLUMES, TOPIC_SPREAD, TOPIC_PODAFFINITY, TOPIC_RESOURCES, TOPIC_PORTS,
					  TOPIC_FEATURES};

	w->focus = topics[rng_below(&w->rng, ARRAY_SIZE(topics))] & w->plan->topics;
	w->taints = PICK_OF(&w->rng, 0.0, 0.0, 0.02, 0.05, 0.1);
}

cJSON *generate(uint64_t seed, uint32_t number, const struct plan *plan)
{
	struct rng start = rng_make(seed * 1000003 + number);
	struct world w = {.rng = rng_make(rng_next(&start)), .plan = plan, .objects = cJSON_CreateArray()};

	choose_sizes(&w);
	choose_character(&w);
	generate_namespaces(&w);
	generate_nodes(&w);
	if (plan->topics & TOPIC_VOLUMES)
		generate_storage(&w);
	generate_pods(&w);
	return w.objects;
}
