#include "sched/cache/pod_terms.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/cache/node.h"
#include "sched/cache/read.h"

#define REQUIRED "requiredDuringSchedulingIgnoredDuringExecution"
#define PREFERRED "preferredDuringSchedulingIgnoredDuringExecution"

static void note_broken(struct pod *pod, const char *path, unsigned at, const char *field)
{
	if (!pod->broken)
		pod->broken = xasprintf("%s[%u].%s: is no label selector", path, at, field);
}

/* --- pod affinity and anti-affinity --- */

static void term_parse(const cJSON *object, const char *own_namespace, struct affinity_term *out)
{
	const cJSON *names = read_list(object, "namespaces"), *name;

	selector_parse(read_member(object, "labelSelector"), &out->selector);
	selector_parse(read_member(object, "namespaceSelector"), &out->namespaces_of);
	out->topology_key = xstrdup(read_text(object, "topologyKey"));
	out->namespaces = xcalloc(read_count(names) + 1, sizeof(*out->namespaces));
	cJSON_ArrayForEach(name, names)
		if (cJSON_IsString(name))
			out->namespaces[out->namespace_count++] = xstrdup(name->valuestring);
	if (!out->namespace_count && out->namespaces_of.is_nil)
		out->namespaces[out->namespace_count++] = xstrdup(own_namespace);
}

static void term_free(struct affinity_term *term)
{
	uint32_t i;

	selector_free(&term->selector);
	selector_free(&term->namespaces_of);
	for (i = 0; i < term->namespace_count; i++)
		free(term->namespaces[i]);
	free(term->namespaces);
	free(term->topology_key);
}

static uint32_t term_size(const struct affinity_term *term)
{
	return 1 + term->selector.count + term->namespaces_of.count + term->namespace_count;
}

static const char *invalid_field(const struct affinity_term *term)
{
	if (term->selector.invalid)
		return "labelSelector";
	return term->namespaces_of.invalid ? "namespaceSelector" : NULL;
}

static void terms_free(struct affinity_term **terms, uint32_t *count)
{
	uint32_t i;

	for (i = 0; i < *count; i++)
		term_free(&(*terms)[i]);
	free(*terms);
	*terms = NULL;
	*count = 0;
}

static void weighted_free(struct weighted_term **terms, uint32_t *count)
{
	uint32_t i;

	for (i = 0; i < *count; i++)
		term_free(&(*terms)[i].term);
	free(*terms);
	*terms = NULL;
	*count = 0;
}

static void parse_required(const cJSON *list, const char *path, struct pod *pod, struct affinity_term **terms, uint32_t *count)
{
	const char *bad = NULL;
	const cJSON *item;

	if (!read_count(list))
		return;
	*terms = xcalloc(read_count(list), sizeof(**terms));
	cJSON_ArrayForEach(item, list) {
		term_parse(item, pod->namespace_, &(*terms)[*count]);
		if (!bad && (bad = invalid_field(&(*terms)[*count])))
			note_broken(pod, path, *count, bad);
		(*count)++;
	}
	if (bad)
		terms_free(terms, count);
}

static void parse_preferred(const cJSON *list, const char *path, struct pod *pod, struct weighted_term **terms, uint32_t *count)
{
	const char *bad = NULL;
	const cJSON *item;

	if (!read_count(list))
		return;
	*terms = xcalloc(read_count(list), sizeof(**terms));
	cJSON_ArrayForEach(item, list) {
		struct weighted_term *out = &(*terms)[*count];

		out->weight = read_i32(item, "weight");
		term_parse(read_member(item, "podAffinityTerm"), pod->namespace_, &out->term);
		if (!bad && (bad = invalid_field(&out->term)))
			note_broken(pod, path, *count, bad);
		(*count)++;
	}
	if (bad)
		weighted_free(terms, count);
}

uint32_t pod_affinity_size(const struct pod *pod)
{
	uint32_t size = 0, i;

	for (i = 0; i < pod->affinity_count; i++)
		size += term_size(&pod->affinity[i]);
	for (i = 0; i < pod->anti_affinity_count; i++)
		size += term_size(&pod->anti_affinity[i]);
	for (i = 0; i < pod->prefers_count; i++)
		size += term_size(&pod->prefers[i].term);
	for (i = 0; i < pod->avoids_count; i++)
		size += term_size(&pod->avoids[i].term);
	return size;
}

/* --- node affinity --- */

static void parse_node_affinity(const cJSON *affinity, struct pod *pod)
{
	const cJSON *list = read_list(affinity, PREFERRED), *item;

	node_selector_parse(read_member(affinity, REQUIRED), &pod->node_affinity);
	if (!read_count(list))
		return;
	pod->prefers_nodes = xcalloc(read_count(list), sizeof(*pod->prefers_nodes));
	cJSON_ArrayForEach(item, list) {
		struct weighted_node_term *out = &pod->prefers_nodes[pod->prefers_nodes_count++];

		out->weight = read_i32(item, "weight");
		node_selector_parse_term(read_member(item, "preference"), &out->selector);
	}
}

uint32_t pod_prefers_nodes_size(const struct pod *pod)
{
	uint32_t size = 0, i;

	for (i = 0; i < pod->prefers_nodes_count; i++)
		size += node_selector_size(&pod->prefers_nodes[i].selector);
	return size;
}

/* --- spreading --- */

static bool honors(const cJSON *constraint, const char *policy, bool when_absent)
{
	const char *text = read_text(constraint, policy);

	return text[0] ? STREQ(text, "Honor") : when_absent;
}

static void spread_parse(const cJSON *item, const struct pod *pod, struct spread *out)
{
	const cJSON *key;

	*out = (struct spread){
		.max_skew = read_i32(item, "maxSkew"), .topology_key = xstrdup(read_text(item, "topologyKey")),
		.hard = !STREQ(read_text(item, "whenUnsatisfiable"), "ScheduleAnyway"),
		.min_domains = cJSON_IsNumber(read_member(item, "minDomains")) ? read_i32(item, "minDomains") : 1,
		.honor_affinity = honors(item, "nodeAffinityPolicy", true), .honor_taints = honors(item, "nodeTaintsPolicy", false),
	};
	selector_parse(read_member(item, "labelSelector"), &out->selector);
	cJSON_ArrayForEach(key, read_list(item, "matchLabelKeys")) {
		const char *value = cJSON_IsString(key) ? labels_get(&pod->labels, key->valuestring) : NULL;

		if (value)
			selector_add(&out->selector, key->valuestring, value);
	}
}

static void parse_spreads(const cJSON *list, struct pod *pod)
{
	const cJSON *item;

	if (!read_count(list))
		return;
	pod->spreads = xcalloc(read_count(list), sizeof(*pod->spreads));
	cJSON_ArrayForEach(item, list) {
		struct spread *out = &pod->spreads[pod->spread_count];

		spread_parse(item, pod, out);
		if (out->selector.invalid)
			note_broken(pod, "spec.topologySpreadConstraints", pod->spread_count, "labelSelector");
		pod->spread_count++;
	}
}

uint32_t pod_spread_size(const struct pod *pod)
{
	uint32_t size = 0, i;

	for (i = 0; i < pod->spread_count; i++)
		size += 1 + pod->spreads[i].selector.count;
	return size;
}

/* --- images --- */

static void parse_images(const cJSON *spec, struct pod *pod)
{
	const cJSON *init = read_list(spec, "initContainers"), *containers = read_list(spec, "containers");
	const cJSON *volumes = read_list(spec, "volumes"), *item;
	uint32_t most = read_count(init) + read_count(containers) + read_count(volumes);

	if (!most)
		return;
	pod->images = xcalloc(most, sizeof(*pod->images));
	cJSON_ArrayForEach(item, init)
		pod->images[pod->image_count++] = image_name_of_pod(read_text(item, "image"));
	cJSON_ArrayForEach(item, containers)
		pod->images[pod->image_count++] = image_name_of_pod(read_text(item, "image"));
	pod->container_count = pod->image_count;
	cJSON_ArrayForEach(item, volumes)
		if (read_object(item, "image"))
			pod->images[pod->image_count++] = image_name_of_pod(read_text(read_object(item, "image"), "reference"));
}

/* --- all --- */

void pod_terms_parse(const cJSON *spec, struct pod *pod)
{
	const cJSON *affinity = read_member(spec, "affinity");
	const cJSON *with = read_member(affinity, "podAffinity"), *without = read_member(affinity, "podAntiAffinity");

	parse_node_affinity(read_member(affinity, "nodeAffinity"), pod);
	parse_required(read_list(with, REQUIRED), "spec.affinity.podAffinity." REQUIRED, pod, &pod->affinity, &pod->affinity_count);
	parse_required(read_list(without, REQUIRED), "spec.affinity.podAntiAffinity." REQUIRED, pod, &pod->anti_affinity,
		       &pod->anti_affinity_count);
	parse_preferred(read_list(with, PREFERRED), "spec.affinity.podAffinity." PREFERRED, pod, &pod->prefers, &pod->prefers_count);
	parse_preferred(read_list(without, PREFERRED), "spec.affinity.podAntiAffinity." PREFERRED, pod, &pod->avoids, &pod->avoids_count);
	parse_spreads(read_list(spec, "topologySpreadConstraints"), pod);
	parse_images(spec, pod);
}

void pod_terms_free(struct pod *pod)
{
	uint32_t i;

	terms_free(&pod->affinity, &pod->affinity_count);
	terms_free(&pod->anti_affinity, &pod->anti_affinity_count);
	weighted_free(&pod->prefers, &pod->prefers_count);
	weighted_free(&pod->avoids, &pod->avoids_count);
	node_selector_free(&pod->node_affinity);
	for (i = 0; i < pod->prefers_nodes_count; i++)
		node_selector_free(&pod->prefers_nodes[i].selector);
	free(pod->prefers_nodes);
	for (i = 0; i < pod->spread_count; i++) {
		selector_free(&pod->spreads[i].selector);
		free(pod->spreads[i].topology_key);
	}
	free(pod->spreads);
	free(pod->images);
}
