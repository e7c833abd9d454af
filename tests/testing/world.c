#include "tests/testing/world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"

static void add_words(struct names *names, const char *words)
{
	auto_free char *copy = xstrdup(words);
	char *rest = copy, *word;

	while ((word = strsep(&rest, " ")))
		if (word[0])
			assert_true(names_add(names, word) != NAMES_NONE);
}

static cJSON *tree(const char *text)
{
	struct lm_err err;
	cJSON *json = json_parse(text, strlen(text), JSON_DEPTH_API, &err);

	if (!json)
		fail_msg("%s: %s", text, err.msg);
	return json;
}

void world_begin(struct world *w, const char *nodes, const char *clients)
{
	struct names node_names = {0}, client_names = {0};
	uint32_t i;

	*w = (struct world){.cache = cache_new(), .decider = decider_new()};
	profile_init(&w->profile, "my-latency-scheduler");
	add_words(&node_names, nodes);
	add_words(&client_names, clients);
	snapshot_init(&w->snapshot, &node_names, &client_names);
	snprintf(w->snapshot.epoch, sizeof(w->snapshot.epoch), "test");
	w->snapshot.period_s = 60;
	w->snapshot.written_ms = 0;
	for (i = 0; i < node_names.count; i++) {
		w->snapshot.age_s[i] = 0;
		world_node(w, node_names.items[i], "", "");
	}
	names_free(&node_names);
	names_free(&client_names);
}

void world_end(struct world *w)
{
	mesh_free(w->mesh);
	snapshot_free(&w->snapshot);
	profile_free(&w->profile);
	decider_free(w->decider);
	cache_free(w->cache);
	buf_free(&w->text);
	buf_free(&w->feasible);
}

int world_teardown(void **state)
{
	world_end(*state);
	return 0;
}

/* --- the cluster ------------------------------------------------------------------------------------------------------ */

void world_node_of(struct world *w, const char *name, const char *labels, const char *spec, const char *allocatable)
{
	auto_free char *text = xasprintf("{\"metadata\":{\"name\":\"%s\",\"uid\":\"uid-%s\",\"resourceVersion\":\"1\",\"labels\":{%s}},"
					 "\"spec\":{%s},\"status\":{\"allocatable\":{%s}}}", name, name, labels, spec, allocatable);
	auto_json cJSON *json = tree(text);
	struct lm_err err;
	struct node *node = node_parse(json, &err);

	if (!node)
		fail_msg("%s: %s", text, err.msg);
	cache_put_node(w->cache, node);
}

void world_node(struct world *w, const char *name, const char *labels, const char *spec)
{
	world_node_of(w, name, labels, spec, "\"cpu\":\"8\",\"memory\":\"16Gi\",\"pods\":\"110\"");
}

const struct pod *world_pod_of(struct world *w, const char *name, const char *node, const char *labels, const char *annotations,
			       const char *metadata, const char *spec)
{
	auto_free char *text = xasprintf("{\"metadata\":{\"name\":\"%s\",\"namespace\":\"default\",\"uid\":\"uid-%s\",\"resourceVersion\":\"1\","
					 "\"labels\":{%s},\"annotations\":{%s}%s%s},\"spec\":{\"nodeName\":\"%s\"%s%s}}", name, name, labels,
					 annotations, metadata[0] ? "," : "", metadata, node, spec[0] ? "," : "", spec);
	auto_json cJSON *json = tree(text);
	struct lm_err err;
	struct pod *pod = pod_parse(json, &err);

	if (!pod)
		fail_msg("%s: %s", text, err.msg);
	cache_put_pod(w->cache, pod);
	return pod;
}

const struct pod *world_pod(struct world *w, const char *name, const char *node, const char *labels, const char *annotations)
{
	return world_pod_of(w, name, node, labels, annotations, "", "");
}

/* --- the snapshot ----------------------------------------------------------------------------------------------------- */

static uint32_t index_of(const struct world *w, const char *node)
{
	uint32_t i = names_find(&w->snapshot.nodes, node);

	if (i == NAMES_NONE)
		fail_msg("no node %s in the snapshot", node);
	return i;
}

void world_link(struct world *w, const char *from, const char *to, double rtt_us, double jitter_us, double loss)
{
	size_t at = (size_t)index_of(w, from) * w->snapshot.nodes.count + index_of(w, to);

	w->snapshot.link.rtt_us[at] = (float)rtt_us;
	w->snapshot.link.jitter_us[at] = (float)jitter_us;
	w->snapshot.link.loss[at] = (float)loss;
}

void world_rtt(struct world *w, const char *a, const char *b, double rtt_us)
{
	world_link(w, a, b, rtt_us, 0, 0);
	world_link(w, b, a, rtt_us, 0, 0);
}

void world_rtts(struct world *w, const char *pairs)
{
	auto_free char *copy = xstrdup(pairs);
	char *rest = copy, *pair, a[64], b[64];
	double rtt_us;

	while ((pair = strsep(&rest, ","))) {
		if (sscanf(pair, " %63[^- ]-%63s %lf", a, b, &rtt_us) != 3)
			fail_msg("no pair: \"%s\"", pair);
		world_rtt(w, a, b, rtt_us);
	}
}

void world_client(struct world *w, const char *from, const char *client, double rtt_us)
{
	uint32_t i = names_find(&w->snapshot.clients, client);
	size_t at = (size_t)index_of(w, from) * w->snapshot.clients.count + i;

	assert_true(i != NAMES_NONE);
	w->snapshot.client.rtt_us[at] = (float)rtt_us;
	w->snapshot.client.jitter_us[at] = 0;
	w->snapshot.client.loss[at] = 0;
}

void world_cpu(struct world *w, const char *node, double cpu)
{
	w->snapshot.load[index_of(w, node)].cpu = cpu;
}

void world_age(struct world *w, const char *node, double age_s)
{
	w->snapshot.age_s[index_of(w, node)] = age_s;
}

void world_take(struct world *w)
{
	struct mesh *next;

	w->snapshot.generation++;
	assert_int_equal(mesh_take(matrix_build(&w->snapshot), w->mesh, false, false, w->mono_ms, 0, &next), MESH_TAKEN);
	mesh_free(w->mesh);
	w->mesh = next;
}

void world_near_by_default(struct world *w, const char *list)
{
	struct lm_err err;

	ask_free(&w->profile.default_near);
	if (ask_parse_near("defaultNear", list, &w->profile.default_near, &err) < 0)
		fail_msg("%s", err.msg);
}

const char *world_nth(int node)
{
	static const char *const names[] = {"n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7"};

	assert_in_range(node, 0, 7);
	return names[node];
}

/* --- decisions -------------------------------------------------------------------------------------------------------- */

const struct decision *world_again(struct world *w, const char *name)
{
	const struct cached_pod *pod = cache_find_pod_named(w->cache, "default", name);

	assert_non_null(pod);
	if (!w->mesh)
		world_take(w);
	w->in = (struct decision_input){.view = cache_view(w->cache), .mesh = w->without_mesh ? NULL : w->mesh, .pod = pod->pod,
					.profile = &w->profile, .mono_ms = w->mono_ms};
	decide(w->decider, &w->in, &w->decision);
	return &w->decision;
}

const struct decision *world_decide(struct world *w, const char *name, const char *labels, const char *annotations)
{
	world_pod(w, name, "", labels, annotations);
	return world_again(w, name);
}

const char *world_chosen(const struct world *w)
{
	return w->decision.node < 0 ? "-" : w->in.view->nodes[w->decision.node].node->name;
}

static const char *text_of(struct world *w)
{
	return w->text.data ? w->text.data : "";
}

const char *world_message(struct world *w)
{
	buf_clear(&w->text);
	decision_message(w->decider, &w->in, &w->decision, &w->text);
	return text_of(w);
}

static uint32_t node_of(const struct world *w, const char *node)
{
	int32_t i = cache_find_node(w->cache, node);

	if (i < 0)
		fail_msg("no node %s in the cluster", node);
	return (uint32_t)i;
}

const char *world_reason(struct world *w, const char *node)
{
	buf_clear(&w->text);
	decision_reason(w->decider, &w->in, &w->decision, node_of(w, node), &w->text);
	return text_of(w);
}

const char *world_note(struct world *w)
{
	buf_clear(&w->text);
	decision_note(w->decider, &w->in, &w->decision, &w->text);
	return text_of(w);
}

const char *world_feasible(struct world *w)
{
	uint32_t i;

	buf_clear(&w->feasible);
	buf_str(&w->feasible, "");
	for (i = 0; i < w->snapshot.nodes.count; i++)
		if (!world_reason(w, w->snapshot.nodes.items[i])[0])
			buf_printf(&w->feasible, "%s%s", w->feasible.len ? " " : "", w->snapshot.nodes.items[i]);
	return w->feasible.data;
}

double world_score(const struct world *w, enum score_id term, const char *node)
{
	return w->decision.score[term] ? (double)w->decision.score[term][node_of(w, node)] : NAN;
}

double world_total(const struct world *w, const char *node)
{
	return w->decision.total ? (double)w->decision.total[node_of(w, node)] : NAN;
}

/* --- the extender ------------------------------------------------------------------------------------------------------- */

struct judge_input world_judge_input(const struct world *w, bool alone)
{
	return (struct judge_input){.view = cache_view(w->cache), .mesh = w->without_mesh ? NULL : w->mesh, .profile = &w->profile,
				    .mono_ms = w->mono_ms, .alone = alone};
}

cJSON *world_ask(const struct world *w, struct judge *j, enum judge_verb verb, bool alone, const char *request)
{
	struct judge_input in = world_judge_input(w, alone);
	auto_buf struct buf out = {0};
	struct wire_request parsed;
	struct wire_answer answer;
	struct lm_err err;

	if (wire_parse(request, strlen(request), &parsed, &err) < 0)
		fail_msg("%s: %s", request, err.msg);
	answer = judge_request(j, &in, verb, &parsed);
	if (verb == JUDGE_FILTER)
		wire_print_filter(&parsed, &answer, &out);
	else
		wire_print_priorities(&parsed, &answer, &out);
	wire_answer_free(&answer);
	wire_free(&parsed);
	return tree(out.data);
}
