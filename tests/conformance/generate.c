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

bool scene_has(struct scene *s, unsigned topic, double chance)
{
	if (s->focus)
		chance = topic == s->focus ? 1 - (1 - chance) * (1 - chance) * (1 - chance) : chance * 0.6;
	return rng_chance(&s->rng, chance) && (s->plan->topics & topic);
}

const char *scene_namespace(struct scene *s)
{
	return PICK(&s->rng, PLANE_NAMESPACES);
}

const char *scene_node(struct scene *s)
{
	static char name[32];

	if (rng_chance(&s->rng, 0.02))
		return "gone";
	snprintf(name, sizeof(name), "n-%u", rng_below(&s->rng, s->nodes));
	return name;
}

const char *scene_domain(struct scene *s)
{
	return PICK(&s->rng, "kubernetes.io/hostname", "kubernetes.io/hostname", "topology.kubernetes.io/zone", "topology.kubernetes.io/zone",
		    "topology.kubernetes.io/zone", "topology.kubernetes.io/region", "rack");
}

static cJSON *expression(struct scene *s)
{
	const char *key = PICK(&s->rng, "app", "app", "tier", "version", "absent");

	switch (rng_below(&s->rng, 4)) {
	case 0: return make("{'key':'%s','operator':'Exists'}", key);
	case 1: return make("{'key':'%s','operator':'DoesNotExist'}", key);
	case 2: return make("{'key':'%s','operator':'NotIn','values':['%s','x']}", key, PICK(&s->rng, "a", "b", ""));
	default: return make("{'key':'%s','operator':'In','values':['%s','%s']}", key, PICK(&s->rng, "a", "b", "x"), PICK(&s->rng, "c", "db", "y"));
	}
}

cJSON *scene_selector(struct scene *s, bool may_be_nil)
{
	cJSON *selector;

	if (may_be_nil && rng_chance(&s->rng, 0.06))
		return cJSON_CreateNull();
	if (rng_chance(&s->rng, 0.08))
		return cJSON_CreateObject();
	selector = rng_chance(&s->rng, 0.7) ? make("{'matchLabels':{'app':'%s'}}", PICK(&s->rng, "a", "b", "c", "db")) : cJSON_CreateObject();
	if (!selector->child || rng_chance(&s->rng, 0.2))
		push(selector, "matchExpressions", expression(s));
	return selector;
}

void generate_namespaces(struct scene *s)
{
	static const char *const names[] = {PLANE_NAMESPACES};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		cJSON *namespace_ = make("{'kind':'Namespace','metadata':{'name':'%s','labels':{}}}", names[i]);

		if (rng_chance(&s->rng, 0.6))
			put_text(namespace_, "metadata.labels.team", PICK(&s->rng, "x", "y", ""));
		if (rng_chance(&s->rng, 0.3))
			put_text(namespace_, "metadata.labels.env", PICK(&s->rng, "test", "prod"));
		cJSON_AddItemToArray(s->objects, namespace_);
	}
}

/* Small ones more often: they are quick, and a difference in one is easy to see. */
static void choose_sizes(struct scene *s)
{
	uint32_t most = s->plan->most_nodes ? s->plan->most_nodes : 40;
	uint32_t room = rng_chance(&s->rng, 0.75) && most > 14 ? 14 : most;

	s->nodes = 2 + rng_below(&s->rng, room - 1);
	s->residents = rng_below(&s->rng, s->nodes * (rng_chance(&s->rng, 0.2) ? 20 : 8) + 1);
	if (s->residents > 400)
		s->residents = 400;
}

/* With all topics at once in each pod no node would be left, and what comes late in the order of filters would never refuse. */
static void choose_character(struct scene *s)
{
	static const unsigned topics[] = {0, TOPIC_VOLUMES, TOPIC_VOLUMES, TOPIC_VOLUMES, TOPIC_SPREAD, TOPIC_PODAFFINITY, TOPIC_RESOURCES, TOPIC_PORTS,
					  TOPIC_FEATURES};

	s->focus = topics[rng_below(&s->rng, ARRAY_SIZE(topics))] & s->plan->topics;
	s->taints = PICK_OF(&s->rng, 0.0, 0.0, 0.02, 0.05, 0.1);
}

cJSON *generate(uint64_t seed, uint32_t number, const struct plan *plan)
{
	struct rng start = rng_make(seed * 1000003 + number);
	struct scene s = {.rng = rng_make(rng_next(&start)), .plan = plan, .objects = cJSON_CreateArray()};

	choose_sizes(&s);
	choose_character(&s);
	generate_namespaces(&s);
	generate_nodes(&s);
	if (plan->topics & TOPIC_VOLUMES)
		generate_storage(&s);
	generate_pods(&s);
	return s.objects;
}
