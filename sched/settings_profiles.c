#include "sched/settings_profiles.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/json.h"
#include "lib/mem.h"

#define NO_LIMIT "none"		/* of maxLatency; `off` would be a truth value to some readers of YAML */

/* By enum score_id. */
static const char *const weight_names[SCORE_COUNT + 1] = {
	"latency", "cpu", "traffic", "free", "nodeAffinity", "podAffinity", "taints", "spread", "images", NULL,
};

/* Refuses every key that is not in `allowed` (NULL-terminated), with its path. */
static int only_keys(const cJSON *object, const char *path, const char *const *allowed, struct lm_err *err)
{
	const cJSON *member;
	size_t i;

	if (!cJSON_IsObject(object))
		return lm_fail(err, LM_CONFIG, "%s: is %s, not an object", path, json_kind(object));
	cJSON_ArrayForEach(member, object) {
		for (i = 0; allowed[i] && !STREQ(allowed[i], member->string); i++)
			;
		if (!allowed[i])
			return lm_fail(err, LM_CONFIG, "unknown key `%s.%.100s`", path, member->string);
	}
	return 0;
}

/* A getter of json.h failed: its text names the member; what is above it and the code are ours. */
static int bad_member(const char *path, struct lm_err *err)
{
	err->code = LM_CONFIG;
	return lm_wrap(err, "%s", path);
}

static int read_weights(const cJSON *all, const char *above, const char *kind, double weights[SCORE_COUNT], struct lm_err *err)
{
	auto_free char *path = xasprintf("%s.weights.%s", above, kind);
	const cJSON *object = json_get(all, kind);
	int i;

	if (!object)
		return 0;
	if (only_keys(object, path, weight_names, err) < 0)
		return -1;
	for (i = 0; i < SCORE_COUNT; i++)
		if (json_may_number(object, weight_names[i], 0, 1000, &weights[i], err) < 0)
			return bad_member(path, err);
	return 0;
}

static int read_both_weights(const cJSON *entry, const char *path, struct profile *p, struct lm_err *err)
{
	static const char *const keys[] = {"near", "plain", NULL};
	auto_free char *weights_path = xasprintf("%s.weights", path);
	const cJSON *weights = json_get(entry, "weights");

	if (!weights)
		return 0;
	if (only_keys(weights, weights_path, keys, err) < 0 || read_weights(weights, path, "near", p->weight_asking, err) < 0)
		return -1;
	return read_weights(weights, path, "plain", p->weight_plain, err);
}

static int read_refusals(const cJSON *entry, const char *path, struct profile *p, struct lm_err *err)
{
	static const char *const keys[] = {"latency", "cpu", NULL};
	auto_free char *refusals_path = xasprintf("%s.refusals", path);
	const cJSON *refusals = json_get(entry, "refusals");

	if (!refusals)
		return 0;
	if (only_keys(refusals, refusals_path, keys, err) < 0)
		return -1;
	if (json_may_bool(refusals, "latency", &p->refuse_latency, err) < 0 ||
	    json_may_bool(refusals, "cpu", &p->refuse_cpu, err) < 0)
		return bad_member(refusals_path, err);
	return 0;
}

static int set_default_near(struct profile *p, const char *path, const char *text, struct lm_err *err)
{
	struct ask ask = {0};

	if (ask_parse_near(path, text, &ask, err) < 0) {
		err->code = LM_CONFIG;
		return -1;
	}
	ask_free(&p->default_near);
	p->default_near = ask;
	return 0;
}

static int set_max_latency(struct profile *p, const char *path, const char *text, struct lm_err *err)
{
	p->max_latency_us = INFINITY;
	return STREQ(text, NO_LIMIT) ? 0 : ask_parse_limit(path, text, &p->max_latency_us, err);
}

static int read_max_latency(const cJSON *entry, const char *path, struct profile *p, struct lm_err *err)
{
	auto_free char *latency_path = xasprintf("%s.maxLatency", path);
	const char *text = NULL;

	if (json_may_string(entry, "maxLatency", &text, err) < 0)
		return bad_member(path, err);
	return text ? set_max_latency(p, latency_path, text, err) : 0;
}

static int read_no_data(const cJSON *entry, const char *path, struct profile *p, struct lm_err *err)
{
	const char *text = NULL;

	if (json_may_string(entry, "noData", &text, err) < 0)
		return bad_member(path, err);
	if (text && !STREQ(text, "deny") && !STREQ(text, "neutral"))
		return lm_fail(err, LM_CONFIG, "%s.noData: \"%.100s\" is neither neutral nor deny", path, text);
	if (text)
		p->deny_no_data = STREQ(text, "deny");
	return 0;
}

static int read_clients(const cJSON *entry, const char *path, struct profile *p, struct lm_err *err)
{
	const cJSON *list, *item;
	uint32_t count = 0;
	int there = json_may_array(entry, "defaultClients", &list, err);

	if (there <= 0)
		return there < 0 ? bad_member(path, err) : 0;
	p->default_clients = xrealloc(p->default_clients, (size_t)cJSON_GetArraySize(list), sizeof(*p->default_clients));
	cJSON_ArrayForEach(item, list) {
		if (!cJSON_IsString(item))
			return lm_fail(err, LM_CONFIG, "%s.defaultClients: an item is %s, not a string", path, json_kind(item));
		p->default_clients[count++] = item->valuestring;
	}
	p->default_client_count = count;
	return 0;
}

static int read_profile(const cJSON *entry, const char *path, struct profile *p, struct lm_err *err)
{
	static const char *const keys[] = {"schedulerName", "weights", "defaultNear", "defaultClients", "maxLatency", "noData", "strict",
					   "refusals", NULL};
	auto_free char *near_path = xasprintf("%s.defaultNear", path);
	const char *near = NULL;

	if (only_keys(entry, path, keys, err) < 0 || read_both_weights(entry, path, p, err) < 0 ||
	    read_refusals(entry, path, p, err) < 0 ||
	    read_clients(entry, path, p, err) < 0 || read_max_latency(entry, path, p, err) < 0 || read_no_data(entry, path, p, err) < 0)
		return -1;
	if (json_may_bool(entry, "strict", &p->strict_cpu, err) < 0 || json_may_string(entry, "defaultNear", &near, err) < 0)
		return bad_member(path, err);
	return near ? set_default_near(p, near_path, near, err) : 0;
}

static int set_cloud(struct profile *p, const struct option_list *labels, struct lm_err *err)
{
	size_t i;

	cloud_free(&p->cloud);
	for (i = 0; i < labels->count; i++)
		if (cloud_add(&p->cloud, "cloudLabels", labels->items[i], err) < 0)
			return -1;
	return 0;
}

/* What the top level of the configuration says, for one name. */
static int base_profile(const struct settings *s, const char *name, struct profile *p, struct lm_err *err)
{
	size_t i;

	profile_init(p, name);
	for (i = 0; i < SCORE_COUNT; i++) {
		p->weight_asking[i] = s->weight_near[i];
		p->weight_plain[i] = s->weight_plain[i];
	}
	p->deny_no_data = s->no_data == 1;
	p->strict_cpu = s->strict;
	p->refuse_latency = s->refuse_latency;
	p->refuse_cpu = s->refuse_cpu;
	p->default_clients = xrealloc(p->default_clients, s->default_clients.count, sizeof(*p->default_clients));
	for (i = 0; i < s->default_clients.count; i++)
		p->default_clients[i] = s->default_clients.items[i];
	p->default_client_count = (uint32_t)s->default_clients.count;
	if (set_cloud(p, &s->cloud_labels, err) < 0 || set_max_latency(p, "maxLatency", s->max_latency, err) < 0)
		return -1;
	return set_default_near(p, "defaultNear", s->default_near, err);
}

static struct profile *find_profile(const struct settings *s, const char *name)
{
	uint32_t i;

	for (i = 0; i < s->profile_count; i++)
		if (STREQ(s->profiles[i].scheduler_name, name))
			return &s->profiles[i];
	return NULL;
}

static int add_profile(struct settings *s, const char *name, struct lm_err *err)
{
	if (find_profile(s, name))
		return lm_fail(err, LM_USAGE, "--scheduler-name: \"%.100s\" is given twice", name);
	s->profiles = xrealloc(s->profiles, s->profile_count + 1, sizeof(*s->profiles));
	return base_profile(s, name, &s->profiles[s->profile_count++], err);
}

/* The name of an entry; with `serve` it becomes one that is served. */
static int take_entry(struct settings *s, const cJSON *entry, const char *path, bool serve, struct lm_err *err)
{
	struct profile *p;
	const char *name;

	if (!cJSON_IsObject(entry))
		return lm_fail(err, LM_CONFIG, "%s: is %s, not an object", path, json_kind(entry));
	if (json_want_string(entry, "schedulerName", &name, err) < 0)
		return bad_member(path, err);
	p = find_profile(s, name);
	if (serve) {
		if (p)
			return lm_fail(err, LM_CONFIG, "%s.schedulerName: \"%.100s\" is given twice", path, name);
		if (add_profile(s, name, err) < 0)
			return -1;
		p = &s->profiles[s->profile_count - 1];
	}
	if (!p)
		return lm_fail(err, LM_CONFIG, "%s.schedulerName: \"%.100s\" is not among the scheduler names", path, name);
	return read_profile(entry, path, p, err);
}

/* A second entry for a name would win silently. */
static int check_twice(const cJSON *list, struct lm_err *err)
{
	const cJSON *a, *b;

	cJSON_ArrayForEach(a, list)
		for (b = a->next; b; b = b->next) {
			const char *x = cJSON_GetStringValue(json_get(a, "schedulerName")),
				*y = cJSON_GetStringValue(json_get(b, "schedulerName"));

			if (x && y && STREQ(x, y))
				return lm_fail(err, LM_CONFIG, "profiles: schedulerName \"%.100s\" is given twice", x);
		}
	return 0;
}

/* The names of the profiles are the scheduler names then: what is printed and compared says so. */
static void serve_profiles(struct settings *s)
{
	uint32_t i;

	s->scheduler_names.items = xrealloc(s->scheduler_names.items, s->profile_count, sizeof(*s->scheduler_names.items));
	for (i = 0; i < s->profile_count; i++)
		s->scheduler_names.items[i] = s->profiles[i].scheduler_name;
	s->scheduler_names.count = s->profile_count;
}

int settings_read_profiles(struct settings *s, struct lm_err *err)
{
	const cJSON *list = json_get(s->options.file, "profiles"), *entry;
	bool serve = list && !options_given(&s->options, "scheduler-name");
	size_t i;
	int n = 0;

	if (list && (!cJSON_IsArray(list) || !list->child))
		return lm_fail(err, LM_CONFIG, "profiles: is %s, not a list of profiles",
			       cJSON_IsArray(list) ? "empty" : json_kind(list));
	if (check_twice(list, err) < 0)
		return -1;
	for (i = 0; !serve && i < s->scheduler_names.count; i++)
		if (add_profile(s, s->scheduler_names.items[i], err) < 0)
			return -1;
	cJSON_ArrayForEach(entry, list) {
		auto_free char *path = xasprintf("profiles[%d]", n++);

		if (take_entry(s, entry, path, serve, err) < 0)
			return -1;
	}
	if (serve)
		serve_profiles(s);
	return 0;
}

const struct profile *settings_profile(const struct settings *s, const char *scheduler_name)
{
	return find_profile(s, scheduler_name);
}

/* --- --print-config --- */

static void print_weights(const char *kind, const double weights[SCORE_COUNT], FILE *to)
{
	int i;

	fprintf(to, "    %s: {", kind);
	for (i = 0; i < SCORE_COUNT; i++)
		fprintf(to, "%s%s: %.15g", i ? ", " : "", weight_names[i], weights[i]);
	fputs("}\n", to);
}

static void print_string(const char *text, FILE *to)
{
	auto_buf struct buf b = {0};

	buf_json_string(&b, text); /* is YAML too */
	fputs(b.data, to);
}

/* The text that a member of the profile was made of. */
static const char *own_text(const struct settings *s, const char *name, const char *key, const char *above)
{
	const cJSON *entry;

	cJSON_ArrayForEach(entry, json_get(s->options.file, "profiles")) {
		const char *text = cJSON_GetStringValue(json_get(entry, key));

		if (text && STREQ(cJSON_GetStringValue(json_get(entry, "schedulerName")), name))
			return text;
	}
	return above;
}

static void print_profile(const struct settings *s, const struct profile *p, FILE *to)
{
	uint32_t i;

	fputs("- schedulerName: ", to);
	print_string(p->scheduler_name, to);
	fputs("\n  weights:\n", to);
	print_weights("near", p->weight_asking, to);
	print_weights("plain", p->weight_plain, to);
	fputs("  defaultNear: ", to);
	print_string(own_text(s, p->scheduler_name, "defaultNear", s->default_near), to);
	fputs("\n  defaultClients: [", to);
	for (i = 0; i < p->default_client_count; i++) {
		fputs(i ? ", " : "", to);
		print_string(p->default_clients[i], to);
	}
	fputs("]\n  maxLatency: ", to);
	print_string(own_text(s, p->scheduler_name, "maxLatency", s->max_latency), to);
	fprintf(to, "\n  noData: %s\n  strict: %s\n", p->deny_no_data ? "deny" : "neutral", p->strict_cpu ? "true" : "false");
	fprintf(to, "  refusals: {latency: %s, cpu: %s}\n", p->refuse_latency ? "true" : "false", p->refuse_cpu ? "true" : "false");
}

void settings_print_profiles(const struct settings *s, FILE *to)
{
	uint32_t i;

	fputs("profiles:\n", to);
	for (i = 0; i < s->profile_count; i++)
		print_profile(s, &s->profiles[i], to);
}
