#include "sched/settings.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/json.h"
#include "lib/mem.h"

#define AT(field) offsetof(struct settings, field)
#define WEIGHT(name, field, index, fallback, what)                                                                                   \
	{name, OPT_NUMBER, AT(field) + (index) * sizeof(double), "N", fallback, OPT_FILE_ONLY, 0, 1000, .help = what}

static const char *const modes[] = {"standalone", NULL};

static const struct option_spec specs[] = {
	{"mode", OPT_CHOICE, AT(mode), "MODE", "standalone", 0, .choices = modes,
	 .help = "standalone: watches pods, decides and binds (the only mode of this version)"},
	{"latency-file", OPT_STRING, AT(latency_file), "FILE", NULL, OPT_REQUIRED,
	 .help = "cluster-latency.json; a file `hold` beside it keeps it as it is edited by hand"},
	{"scheduler-name", OPT_LIST, AT(scheduler_names), "NAME", "my-latency-scheduler", 0,
	 .help = "pods with this spec.schedulerName are ours; may be given several times"},
	{"kubeconfig", OPT_STRING, AT(kubeconfig), "FILE", NULL, 0, .help = "how to reach the API; default: $KUBECONFIG, then the pod's own"},
	{"server", OPT_STRING, AT(server), "URL", NULL, 0, .help = "the API server's URL, instead of a kubeconfig"},
	{"insecure", OPT_FLAG, AT(insecure), NULL, NULL, 0, .help = "allow insecure-skip-tls-verify of a kubeconfig"},
	{"listen", OPT_STRING, AT(listen), "ADDR:PORT", NULL, 0, .help = "serve /healthz, /livez, /readyz and /metrics there"},
	{"bindings", OPT_INTEGER, AT(bindings), "N", "16", 0, 1, 256, .help = "binding requests in flight at a time"},
	{"qps", OPT_NUMBER, AT(qps), "N", "1000", 0, 0.1, 1e6, .help = "requests a second to the API, on average"},
	{"burst", OPT_INTEGER, AT(burst), "N", "2000", 0, 1, 1000000, .help = "requests at once after a pause"},
	{"poll", OPT_DURATION, AT(poll_ms), "TIME", "1s", 0, 50, 60000,
	 .help = "how often the latency file is looked at (inotify does not see what another NFS client wrote)"},
	WEIGHT("weights.near.latency", weight_near, SCORE_LATENCY, "0.7", "weight of latency for a pod with `near` or a limit"),
	WEIGHT("weights.near.cpu", weight_near, SCORE_CPU, "0.3", "weight of idle CPU for such a pod"),
	WEIGHT("weights.near.free", weight_near, SCORE_FREE, "0", "weight of free resources for such a pod"),
	WEIGHT("weights.plain.latency", weight_plain, SCORE_LATENCY, "0.5", "weight of latency for any other pod"),
	WEIGHT("weights.plain.cpu", weight_plain, SCORE_CPU, "0.2", "weight of idle CPU for any other pod"),
	WEIGHT("weights.plain.free", weight_plain, SCORE_FREE, "0.3", "weight of free resources for any other pod"),
	{"defaultNear", OPT_STRING, AT(default_near), "LIST", "mesh", OPT_FILE_ONLY,
	 .help = "what a pod that asks for nothing is placed near, as in the annotation latency-mesh.io/near"},
	{"defaultClients", OPT_LIST, AT(default_clients), "NAME", NULL, OPT_FILE_ONLY,
	 .help = "clients of the annotations hard_max_latency and soft_max_latency"},
	{"strict", OPT_FLAG, AT(strict), NULL, "false", OPT_FILE_ONLY, .help = "refuse a node of full CPU even where there is no other"},
	{"refusals.latency", OPT_FLAG, AT(refuse_latency), NULL, "true", OPT_FILE_ONLY, .help = "latency limits refuse nodes"},
	{"refusals.cpu", OPT_FLAG, AT(refuse_cpu), NULL, "true", OPT_FILE_ONLY, .help = "full CPU refuses nodes"},
};

static const char *const sections[] = {"profiles", NULL};

const struct options_program sched_program = {
	.name = "latency-sched",
	.summary = "places pods where the network is fast",
	.usage = "--latency-file FILE [--scheduler-name NAME]... [--kubeconfig FILE | --server URL] [options]",
	.environment = "LATENCY_SCHED",
	.specs = specs,
	.spec_count = ARRAY_SIZE(specs),
	.config = true,
	.sections = sections,
	.epilogue = "The configuration file has, besides the options, a list `profiles` for scheduler names with settings of their own:\n"
		    "  profiles:\n"
		    "  - schedulerName: near-clients\n"
		    "    weights: {near: {latency: 1, cpu: 0}, plain: {latency: 1, free: 0, cpu: 0}}\n"
		    "    defaultNear: client/milan\n"
		    "and any of defaultClients, strict, refusals. SIGHUP reads it again, whole or not at all. SIGTERM ends within 10 s.\n"
		    "Exit codes: 0 done, 64 usage, 65 bad data, 66 no input, 69 no API, 70 our bug, 74 I/O, 77 permission, 78 configuration.\n",
};

static const char *const weight_names[SCORE_COUNT] = {[SCORE_LATENCY] = "latency", [SCORE_CPU] = "cpu", [SCORE_FREE] = "free"};

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
	static const char *const keys[] = {"latency", "cpu", "free", NULL};
	auto_free char *path = xasprintf("%s.weights.%s", above, kind);
	const cJSON *object = json_get(all, kind);
	int i;

	if (!object)
		return 0;
	if (only_keys(object, path, keys, err) < 0)
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
	if (json_may_bool(refusals, "latency", &p->refuse_latency, err) < 0 || json_may_bool(refusals, "cpu", &p->refuse_cpu, err) < 0)
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
	static const char *const keys[] = {"schedulerName", "weights", "defaultNear", "defaultClients", "strict", "refusals", NULL};
	auto_free char *near_path = xasprintf("%s.defaultNear", path);
	const char *near = NULL;

	if (only_keys(entry, path, keys, err) < 0 || read_both_weights(entry, path, p, err) < 0 || read_refusals(entry, path, p, err) < 0 ||
	    read_clients(entry, path, p, err) < 0)
		return -1;
	if (json_may_bool(entry, "strict", &p->strict_cpu, err) < 0 || json_may_string(entry, "defaultNear", &near, err) < 0)
		return bad_member(path, err);
	return near ? set_default_near(p, near_path, near, err) : 0;
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
	p->strict_cpu = s->strict;
	p->refuse_latency = s->refuse_latency;
	p->refuse_cpu = s->refuse_cpu;
	p->default_clients = xrealloc(p->default_clients, s->default_clients.count, sizeof(*p->default_clients));
	for (i = 0; i < s->default_clients.count; i++)
		p->default_clients[i] = s->default_clients.items[i];
	p->default_client_count = (uint32_t)s->default_clients.count;
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
			const char *x = cJSON_GetStringValue(json_get(a, "schedulerName")), *y = cJSON_GetStringValue(json_get(b, "schedulerName"));

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

/* Names that are given win; else the profiles are the names; else the default name. */
static int read_profiles(struct settings *s, struct lm_err *err)
{
	const cJSON *list = json_get(s->options.file, "profiles"), *entry;
	bool serve = list && !options_given(&s->options, "scheduler-name");
	size_t i;
	int n = 0;

	if (list && (!cJSON_IsArray(list) || !list->child))
		return lm_fail(err, LM_CONFIG, "profiles: is %s, not a list of profiles", cJSON_IsArray(list) ? "empty" : json_kind(list));
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

static int check_rest(const struct settings *s, struct lm_err *err)
{
	size_t len = strlen(s->latency_file);

	if (s->server && s->kubeconfig)
		return lm_fail(err, LM_USAGE, "--server and --kubeconfig: only one of them");
	if (s->latency_file[len - 1] == '/')
		return lm_fail(err, LM_USAGE, "--latency-file: \"%s\" is a directory", s->latency_file);
	return 0;
}

struct settings *settings_load(int argc, char **argv, struct lm_err *err)
{
	struct settings *s = xcalloc(1, sizeof(*s));

	if (options_parse(&sched_program, argc, argv, s, &s->options, err) < 0) {
		free(s);
		return NULL;
	}
	if (s->options.done)
		return s;
	if (check_rest(s, err) < 0 || read_profiles(s, err) < 0) {
		if (err->code == LM_CONFIG && s->options.config_path)
			lm_wrap(err, "configuration: %s", s->options.config_path);
		settings_free(s);
		return NULL;
	}
	return s;
}

void settings_free(struct settings *s)
{
	uint32_t i;

	if (!s)
		return;
	for (i = 0; i < s->profile_count; i++)
		profile_free(&s->profiles[i]);
	free(s->profiles);
	options_free(&s->options);
	free(s);
}

const struct profile *settings_profile(const struct settings *s, const char *scheduler_name)
{
	return find_profile(s, scheduler_name);
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && STREQ(a, b));
}

int settings_may_replace(const struct settings *old, const struct settings *new, struct lm_err *err)
{
	const struct {
		const char *name;
		bool stays;
	} fixed[] = {
		{"latency-file", same(old->latency_file, new->latency_file)}, {"kubeconfig", same(old->kubeconfig, new->kubeconfig)},
		{"server", same(old->server, new->server)}, {"insecure", old->insecure == new->insecure},
		{"listen", same(old->listen, new->listen)}, {"poll", old->poll_ms == new->poll_ms}, {"mode", old->mode == new->mode},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fixed); i++)
		if (!fixed[i].stays)
			return lm_fail(err, LM_CONFIG, "`%s` cannot change while the scheduler runs", fixed[i].name);
	for (i = 0; i < old->profile_count; i++)
		if (!find_profile(new, old->profiles[i].scheduler_name))
			return lm_fail(err, LM_CONFIG, "scheduler name \"%.100s\" cannot go while the scheduler runs", old->profiles[i].scheduler_name);
	if (new->profile_count != old->profile_count)
		return lm_fail(err, LM_CONFIG, "scheduler names cannot change while the scheduler runs");
	return 0;
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

/* The text that default_near was made of. */
static const char *near_text(const struct settings *s, const char *name)
{
	const cJSON *entry;

	cJSON_ArrayForEach(entry, json_get(s->options.file, "profiles")) {
		const char *near = cJSON_GetStringValue(json_get(entry, "defaultNear"));

		if (near && STREQ(cJSON_GetStringValue(json_get(entry, "schedulerName")), name))
			return near;
	}
	return s->default_near;
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
	print_string(near_text(s, p->scheduler_name), to);
	fputs("\n  defaultClients: [", to);
	for (i = 0; i < p->default_client_count; i++) {
		fputs(i ? ", " : "", to);
		print_string(p->default_clients[i], to);
	}
	fprintf(to, "]\n  strict: %s\n  refusals: {latency: %s, cpu: %s}\n", p->strict_cpu ? "true" : "false",
		p->refuse_latency ? "true" : "false", p->refuse_cpu ? "true" : "false");
}

void settings_print(const struct settings *s, FILE *to)
{
	uint32_t i;

	options_print(&s->options, to);
	if (!json_get(s->options.file, "profiles"))
		return;
	fputs("profiles:\n", to);
	for (i = 0; i < s->profile_count; i++)
		print_profile(s, &s->profiles[i], to);
}
