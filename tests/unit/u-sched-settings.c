#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/options_private.h"
#include "sched/settings.h"
#include "tests/testing/testing.h"

static char *config_path(void)
{
	return xasprintf("%s/sched.yaml", test_folder());
}

/* NULL with *err set; a configuration is written when it is given. */
static struct settings *load(const char *config, const char *const *more, struct lm_err *err)
{
	char *argv[16];
	int argc = 0, i;
	struct settings *s;

	argv[argc++] = xstrdup("latency-sched");
	argv[argc++] = xstrdup("--latency-file=/latency/cluster-latency.json");
	if (config) {
		auto_free char *path = config_path();

		test_write(path, config);
		argv[argc++] = xasprintf("--config=%s", path);
	}
	for (; more && *more; more++)
		argv[argc++] = xstrdup(*more);
	argv[argc] = NULL;
	s = settings_load(argc, argv, err);
	for (i = 0; i < argc; i++)
		free(argv[i]);
	return s;
}

static struct settings *want(const char *config, const char *const *more)
{
	struct lm_err err;
	struct settings *s = load(config, more, &err);

	if (!s)
		fail_msg("%s", err.msg);
	return s;
}

static void defaults_are_those_of_the_design(void **state)
{
	struct settings *s = want(NULL, NULL);
	const struct profile *p = settings_profile(s, "my-latency-scheduler");
	static const double kubernetes[SCORE_COUNT] = {
		[SCORE_NODE_AFFINITY] = 0.2, [SCORE_POD_AFFINITY] = 0.2, [SCORE_TAINTS] = 0.3, [SCORE_SPREAD] = 0.2, [SCORE_IMAGES] = 0.1,
	};
	unsigned term;

	(void)state;
	assert_non_null(p);
	assert_int_equal(s->profile_count, 1);
	assert_true(p->weight_asking[SCORE_LATENCY] == 0.7 && p->weight_asking[SCORE_CPU] == 0.3 &&
		    p->weight_asking[SCORE_FREE] == 0 && p->weight_asking[SCORE_TRAFFIC] == 0 && p->weight_plain[SCORE_TRAFFIC] == 0);
	assert_true(p->weight_plain[SCORE_LATENCY] == 0.5 && p->weight_plain[SCORE_FREE] == 0.3 &&
		    p->weight_plain[SCORE_CPU] == 0.2);
	for (term = SCORE_NODE_AFFINITY; term < SCORE_COUNT; term++)
		assert_true(p->weight_asking[term] == kubernetes[term] && p->weight_plain[term] == kubernetes[term]);
	assert_int_equal(p->default_near.near_count, 1);
	assert_int_equal(p->default_near.near[0].target.kind, TARGET_MESH);
	assert_true(p->refuse_latency && p->refuse_cpu && !p->strict_cpu);
	assert_true(isinf(p->max_latency_us) && !p->deny_no_data);
	assert_int_equal(s->poll_ms, 1000);
	assert_null(settings_profile(s, "default-scheduler"));
	settings_free(s);
}

static void names_come_from_flags_or_from_profiles(void **state)
{
	static const char config[] = "weights: {near: {latency: 0.9}, plain: {traffic: 0.1}}\nstrict: true\ndefaultClients: [milan, rome]\nprofiles:\n"
				     "- schedulerName: a\n  weights: {near: {cpu: 0.5, traffic: 0.4}}\n  defaultNear: client/milan\n"
				     "- {schedulerName: b, strict: false, refusals: {latency: false}, defaultClients: [oslo]}\n";
	struct settings *s = want(config, NULL);
	const struct profile *a = settings_profile(s, "a"), *b = settings_profile(s, "b");

	(void)state;
	assert_int_equal(s->profile_count, 2);
	assert_true(a->weight_asking[SCORE_LATENCY] == 0.9 && a->weight_asking[SCORE_CPU] == 0.5);
	assert_true(a->weight_asking[SCORE_TRAFFIC] == 0.4 && b->weight_asking[SCORE_TRAFFIC] == 0 && b->weight_plain[SCORE_TRAFFIC] == 0.1);
	assert_true(b->weight_asking[SCORE_LATENCY] == 0.9 && b->weight_asking[SCORE_CPU] == 0.3);
	assert_int_equal(a->default_near.near[0].target.kind, TARGET_CLIENT);
	assert_true(a->strict_cpu && !b->strict_cpu && a->refuse_latency && !b->refuse_latency && b->refuse_cpu);
	assert_int_equal(a->default_client_count, 2);
	assert_string_equal(a->default_clients[1], "rome");
	assert_int_equal(b->default_client_count, 1);
	assert_null(settings_profile(s, "my-latency-scheduler"));
	settings_free(s);

	s = want(config, (const char *const[]){"--scheduler-name=b", "--scheduler-name=a", "--scheduler-name=plain", NULL});
	assert_int_equal(s->profile_count, 3);
	assert_true(settings_profile(s, "plain")->strict_cpu);
	assert_true(settings_profile(s, "a")->weight_asking[SCORE_CPU] == 0.5);
	settings_free(s);
}

static void the_lease_is_that_of_the_first_name(void **state)
{
	struct settings *s = want(NULL, (const char *const[]){"--scheduler-name=b", "--scheduler-name=a", NULL});
	struct elect_settings e = settings_election(s, NULL);

	(void)state;
	assert_true(s->leader_elect);
	assert_string_equal(e.name, "b");
	assert_string_equal(e.namespace_, "kube-system");
	assert_int_equal(e.duration_ms, 15000);
	assert_int_equal(e.deadline_ms, 10000);
	assert_int_equal(e.retry_ms, 2000);
	assert_string_equal(settings_election(s, "of-the-pod").namespace_, "of-the-pod");
	settings_free(s);
	s = want("leader-elect-resource-name: x\nleader-elect-resource-namespace: y\nleader-elect-renew-deadline: 3s\n", NULL);
	e = settings_election(s, "of-the-pod");
	assert_string_equal(e.name, "x");
	assert_string_equal(e.namespace_, "y");
	assert_int_equal(e.deadline_ms, 3000);
	settings_free(s);
	/* names and times of an election that is off do not matter */
	s = want(NULL, (const char *const[]){"--leader-elect=false", "--scheduler-name=No_Lease", NULL});
	assert_false(s->leader_elect);
	settings_free(s);
}

/* A replica that starts after the reload reads the new file: it must meet the others at their Lease. */
static void a_reload_leaves_the_lease_as_it_is(void **state)
{
	static const char before[] = "profiles: [{schedulerName: a}, {schedulerName: b}]\n",
			  after[] = "profiles: [{schedulerName: b}, {schedulerName: a}]\n";
	static const char *const alone[] = {"--leader-elect=false", NULL}, *const named[] = {"--leader-elect-resource-name=x", NULL};
	static const struct {
		const char *const *more;
		bool may;
	} cases[] = {{NULL, false}, {alone, true}, {named, true}};
	struct lm_err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct settings *old = want(before, cases[i].more), *new = want(after, cases[i].more);

		assert_int_equal(settings_may_replace(old, new, &err) == 0, cases[i].may);
		if (!cases[i].may)
			assert_non_null(strstr(err.msg, "`leader-elect-resource-name` cannot change"));
		settings_free(old);
		settings_free(new);
	}
}

static void help_shows_what_is_on_by_default(void **state)
{
	char *text = NULL, *at;
	size_t len;
	FILE *file = open_memstream(&text, &len);

	(void)state;
	options_help(&sched_program, file);
	fclose(file);
	at = strstr(text, "--leader-elect ");
	assert_non_null(at);
	assert_non_null(strstr(at, "[true]"));
	assert_true(strstr(at, "[true]") < strchr(at, '\n'));
	free(text);
}

static void the_latency_limit_of_all_pods_is_of_each_profile(void **state)
{
	static const char config[] = "maxLatency: 50ms\nnoData: deny\nprofiles:\n- {schedulerName: a, maxLatency: 0.25s, noData: neutral}\n"
				     "- {schedulerName: b, maxLatency: none}\n- {schedulerName: c, maxLatency: 500us}\n";
	struct settings *s = want(config, (const char *const[]){"--scheduler-name=a", "--scheduler-name=b", "--scheduler-name=c", "--scheduler-name=d", NULL});

	(void)state;
	assert_true(settings_profile(s, "a")->max_latency_us == 250000 && !settings_profile(s, "a")->deny_no_data);
	assert_true(isinf(settings_profile(s, "b")->max_latency_us) && settings_profile(s, "b")->deny_no_data);
	assert_true(settings_profile(s, "c")->max_latency_us == 500);
	assert_true(settings_profile(s, "d")->max_latency_us == 50000 && settings_profile(s, "d")->deny_no_data);
	settings_free(s);
}

static void expect_cloud(const struct settings *s, uint32_t profile, const char *labels)
{
	const struct cloud *cloud = &s->profiles[profile].cloud;
	auto_buf struct buf text = {0};
	uint32_t i;

	buf_str(&text, "");
	for (i = 0; i < cloud->count; i++)
		buf_printf(&text, "%s%s%s%s", i ? " " : "", cloud->items[i].key, cloud->items[i].value ? "=" : "", cloud->items[i].value ? cloud->items[i].value : "");
	assert_string_equal(text.data, labels);
}

/* Of all profiles, with a default that a file, or the environment, may replace or empty; and a reload may change it. */
static void the_clouds_labels_are_of_all_profiles(void **state)
{
	struct settings *s = want(NULL, NULL), *other;
	struct lm_err err;

	(void)state;
	expect_cloud(s, 0, "kubernetes.io/role=cloud node-role.kubernetes.io/cloud");
	other = want("cloudLabels: [example.com/where = far, tier=]\nprofiles:\n- {schedulerName: my-latency-scheduler}\n", NULL);
	expect_cloud(other, 0, "example.com/where=far tier=");
	assert_int_equal(settings_may_replace(s, other, &err), 0);
	settings_free(s);
	s = want("cloudLabels: []\n", NULL);
	expect_cloud(s, 0, "");
	assert_int_equal(settings_may_replace(other, s, &err), 0);
	settings_free(s);
	settings_free(other);
	setenv("LATENCY_SCHED_CLOUDLABELS", "a, b=c", 1);
	s = want("cloudLabels: []\n", NULL);
	expect_cloud(s, 0, "a b=c");
	settings_free(s);
	setenv("LATENCY_SCHED_CLOUDLABELS", "", 1);
	s = want("cloudLabels: [d]\n", NULL);
	expect_cloud(s, 0, "");
	settings_free(s);
	unsetenv("LATENCY_SCHED_CLOUDLABELS");
}

static void the_reserve_has_limits_when_it_is_told_so(void **state)
{
	struct settings *s = want(NULL, NULL), *other;
	struct lm_err err;

	(void)state;
	assert_int_equal(s->reserve.allowed.count, 1);
	assert_string_equal(s->reserve.allowed.items[0], "*");
	assert_true(s->reserve.most == 0 && !s->reserve.owner && reserve_allows(&s->reserve, "anything"));
	other = want("reserve: {allow: [edge, shop-2], default: [shop-2], most: 12.5%, owner: ConfigMap/latency-sched}\n", NULL);
	assert_true(other->reserve.most == 0.125);
	assert_true(reserve_allows(&other->reserve, "edge") && reserve_allows(&other->reserve, "shop-2") && !reserve_allows(&other->reserve, "shop"));
	assert_string_equal(other->reserve.owner, "ConfigMap/latency-sched");
	assert_int_equal(settings_may_replace(s, other, &err), 0);
	settings_free(s);
	settings_free(other);
	s = want("reserve: {allow: [edge], default: [\"*\"], most: 100%}\n", NULL);	/* all that are allowed */
	assert_true(s->reserve.most == 1);
	settings_free(s);
}

static void a_bad_configuration_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *config, *says;
	} cases[] = {
		{"wieghts: {}\n", "wieghts"},
		{"weights: {near: {latncy: 1}}\n", "weights.near.latncy"},
		{"weights: {near: {latency: -1}}\n", "weights.near.latency"},
		{"weights: {near: {latency: heavy}}\n", "heavy"},
		{"weights: 3\n", "weights"},
		{"strict: 7\n", "strict"},
		{"defaultNear: \"client/\"\n", "defaultNear"},
		{"defaultClients: milan\n", "defaultClients"},
		{"profiles: 3\n", "profiles"},
		{"profiles: []\n", "profiles: is empty"},
		{"profiles: [a]\n", "profiles[0]"},
		{"profiles: [{}]\n", "profiles[0]: schedulerName"},
		{"profiles: [{schedulerName: 3}]\n", "profiles[0]: schedulerName"},
		{"profiles: [{schedulerName: a}, {schedulerName: a}]\n", "\"a\" is given twice"},
		{"profiles: [{schedulerName: a, weight: 1}]\n", "`profiles[0].weight`"},
		{"profiles: [{schedulerName: b}, {schedulerName: a, weights: {far: {}}}]\n", "`profiles[1].weights.far`"},
		{"profiles: [{schedulerName: a, weights: {near: {gpu: 1}}}]\n", "`profiles[0].weights.near.gpu`"},
		{"profiles: [{schedulerName: a, weights: {near: {cpu: 1e9}}}]\n", "profiles[0].weights.near: cpu"},
		{"profiles: [{schedulerName: a, weights: []}]\n", "profiles[0].weights"},
		{"profiles: [{schedulerName: a, strict: maybe}]\n", "profiles[0]: strict"},
		{"profiles: [{schedulerName: a, refusals: {disk: true}}]\n", "`profiles[0].refusals.disk`"},
		{"profiles: [{schedulerName: a, refusals: {cpu: 1}}]\n", "profiles[0].refusals: cpu"},
		{"profiles: [{schedulerName: a, defaultNear: \"app=redis*0\"}]\n", "profiles[0].defaultNear"},
		{"profiles: [{schedulerName: a, defaultClients: [1]}]\n", "profiles[0].defaultClients"},
		{"maxLatency: 50\n", "maxLatency"}, {"maxLatency: \"50\"\n", "maxLatency"}, {"maxLatency: 0ms\n", "`none`"}, {"maxLatency: -1ms\n", "maxLatency"},
		{"maxLatency: off\n", "maxLatency"}, {"maxLatency: infms\n", "maxLatency"}, {"maxLatency: \"\"\n", "maxLatency"},
		{"cloudLabels: cloud\n", "cloudLabels"}, {"cloudLabels: [1]\n", "cloudLabels"}, {"cloudLabels: [\"a b\"]\n", "cloudLabels: \"a b\""},
		{"cloudLabels: [a=b, c, a=b]\n", "\"a=b\" stands there twice"}, {"cloudLabels: []\ncloudLabels: [a]\n", "line 2"},
		{"profiles: [{schedulerName: a, cloudLabels: [b]}]\n", "`profiles[0].cloudLabels`"},
		{"noData: allow\n", "allow"}, {"noData: true\n", "noData"},
		{"reserve: {allow: edge}\n", "reserve.allow"}, {"reserve: {allow: []}\n", "reserve.allow: the list is empty"},
		{"reserve: {allow: [Edge]}\n", "reserve.allow: \"Edge\" is no name"}, {"reserve: {allow: [a.b]}\n", "reserve.allow: \"a.b\""},
		{"reserve: {allow: [-a]}\n", "reserve.allow: \"-a\""}, {"reserve: {allow: [a, b, a]}\n", "reserve.allow: \"a\" stands there twice"},
		{"reserve: {allow: [a, \"*\"]}\n", "reserve.allow: \"*\""}, {"reserve: {default: [\"*\", a]}\n", "reserve.default: \"*\""},
		{"reserve: {default: [\"a b\"]}\n", "reserve.default: \"a b\""},
		{"reserve: {allow: [a], default: [a, b]}\n", "reserve.default: \"b\" is not in reserve.allow"},
		{"reserve: {most: 30}\n", "reserve.most"}, {"reserve: {most: \"30\"}\n", "reserve.most: \"30\" is no percentage"},
		{"reserve: {most: 0.3}\n", "reserve.most"}, {"reserve: {most: 0%}\n", "reserve.most: \"0%\" is not above 0%"},
		{"reserve: {most: 0.00%}\n", "reserve.most: \"0.00%\""}, {"reserve: {most: 100.1%}\n", "reserve.most: \"100.1%\" is not above"},
		{"reserve: {most: -1%}\n", "reserve.most: \"-1%\""}, {"reserve: {most: \"30 %\"}\n", "reserve.most: \"30 %\""},
		{"reserve: {most: 1e1%}\n", "reserve.most: \"1e1%\""}, {"reserve: {most: inf%}\n", "reserve.most: \"inf%\""},
		{"reserve: {most: 3.%}\n", "reserve.most: \"3.%\""}, {"reserve: {most: .3%}\n", "reserve.most: \".3%\""},
		{"reserve: {most: 30%%}\n", "reserve.most: \"30%%\""}, {"reserve: {most: \"\"}\n", "reserve.most"},
		{"reserve: {owner: latency-sched}\n", "reserve.owner: \"latency-sched\" is not KIND/NAME"},
		{"reserve: {owner: ConfigMap/}\n", "reserve.owner: \"ConfigMap/\""}, {"reserve: {owner: ConfigMap/../x}\n", "reserve.owner: \"ConfigMap/../x\""},
		{"reserve: {owner: ConfigMap/..}\n", "reserve.owner: \"ConfigMap/..\""}, {"reserve: {owner: configmap/a}\n", "neither a ConfigMap"},
		{"reserve: {owner: Pod/a}\n", "reserve.owner: \"Pod/a\" is neither a ConfigMap nor a ServiceAccount"},
		{"profiles: [{schedulerName: a, maxLatency: 3}]\n", "profiles[0]: maxLatency"},
		{"profiles: [{schedulerName: a, maxLatency: soon}]\n", "profiles[0].maxLatency"},
		{"profiles: [{schedulerName: a, noData: refuse}]\n", "profiles[0].noData"},
		{"profiles: [{schedulerName: a, noData: 1}]\n", "profiles[0]: noData"},
		{"a: &x 1\nb: *x\n", "line"},
		{"strict: true\nstrict: false\n", "line 2"},
		{"\tstrict: true\n", "line 1"},
		{"[1, 2]\n", "is an array"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct lm_err err;
		struct settings *s = load(cases[i].config, NULL, &err);

		if (s)
			fail_msg("taken: %s", cases[i].config);
		if (err.code != LM_CONFIG || !strstr(err.msg, cases[i].says) || !strstr(err.msg, "sched.yaml") ||
		    strchr(err.msg, '\n'))
			fail_msg("%sgives %d: %s", cases[i].config, (int)err.code, err.msg);
	}
}

static void bad_options_are_refused(void **state)
{
	static const struct {
		const char *option, *says;
	} cases[] = {
		{"--mode=both", "both"}, {"--mode=", "--mode"}, {"--bindings=0", "--bindings"},
			{"--bindings=many", "many"},
		{"--qps=0", "--qps"}, {"--qps=nan", "nan"}, {"--burst=-1", "--burst"}, {"--poll=1", "--poll"},
			{"--poll=1h", "--poll"},
		{"--weights.near.latency=1", "--weights.near.latency"}, {"--latency-file=/x", "twice"},
			{"--nonsense", "--nonsense"},
		{"--leader-elect=maybe", "maybe"}, {"--leader-elect-resource-name=A_b", "A_b"},
			{"--leader-elect-resource-name=a/b", "a/b"}, {"--leader-elect-resource-name=-a", "-a"},
			{"--leader-elect-resource-namespace=..", ".."},
		{"--leader-elect-lease-duration=10s", "--leader-elect-lease-duration (10s)"},
			{"--leader-elect-renew-deadline=15s", "--leader-elect-renew-deadline (15s)"},
			{"--leader-elect-renew-deadline=2400ms", "1.2 times --leader-elect-retry-period (2s)"},
			{"--leader-elect-retry-period=0s", "--leader-elect-retry-period"}, {"--scheduler-name=No_Lease", "No_Lease"},
		{"--scheduler-name=", "--scheduler-name"}, {"operand", "operand"}, {"--profiles=x", "--profiles"},
	};
	size_t i;
	struct lm_err err;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct settings *s = load(NULL, (const char *const[]){cases[i].option, NULL}, &err);

		if (s || err.code != LM_USAGE || !strstr(err.msg, cases[i].says))
			fail_msg("%s gives %d: %s", cases[i].option, (int)err.code, s ? "-" : err.msg);
	}
	assert_null(load(NULL, (const char *const[]){"--scheduler-name=a", "--scheduler-name=a", NULL}, &err));
	assert_int_equal(err.code, LM_USAGE);
	assert_null(load("profiles: [{schedulerName: a}]\n", (const char *const[]){"--scheduler-name=b", NULL}, &err));
	assert_non_null(strstr(err.msg, "\"a\" is not among"));
	assert_null(load(NULL, (const char *const[]){"--server=http://x", "--kubeconfig=y", NULL}, &err));
	assert_int_equal(err.code, LM_USAGE);
}

static void what_is_printed_gives_the_same_again(void **state)
{
	static const char *const configs[] = {
		"poll: 250ms\nweights: {plain: {free: 2.5, podAffinity: 3}, near: {images: 0, spread: 1}}\nrefusals: {cpu: false}\ndefaultNear: \"app=redis*3, any:client/milan\"\n",
		"profiles:\n- schedulerName: a\n  weights: {near: {latency: 0.125}}\n  defaultNear: node/x\n- {schedulerName: b, strict: true}\n",
		"maxLatency: 12.5ms\nnoData: deny\n",
		"reserve: {enabled: true, allow: [edge, shop], default: [shop], most: 30%, owner: ServiceAccount/latency-sched}\n",
		"cloudLabels: []\n",
		"cloudLabels: [example.com/where=far, \"tier=\", region]\nprofiles:\n- {schedulerName: a}\n- {schedulerName: b}\n",
		"maxLatency: 50ms\nprofiles:\n- {schedulerName: a, maxLatency: none}\n- {schedulerName: b, noData: deny, maxLatency: 700us}\n- {schedulerName: c}\n",
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(configs); i++) {
		struct settings *first = want(configs[i], NULL), *second;
		char *once = NULL, *twice = NULL;
		size_t len;
		uint32_t k;
		FILE *to = open_memstream(&once, &len);

		settings_print(first, to);
		fclose(to);
		second = want(once, NULL);
		to = open_memstream(&twice, &len);
		settings_print(second, to);
		fclose(to);
		assert_int_equal(first->profile_count, second->profile_count);
		assert_memory_equal(first->profiles[0].weight_asking, second->profiles[0].weight_asking,
				    sizeof(double[SCORE_COUNT]));
		assert_memory_equal(first->profiles[0].weight_plain, second->profiles[0].weight_plain,
				    sizeof(double[SCORE_COUNT]));
		assert_string_equal(first->profiles[0].scheduler_name, second->profiles[0].scheduler_name);
		for (k = 0; k < first->profile_count; k++) {
			assert_true(first->profiles[k].max_latency_us <= second->profiles[k].max_latency_us);
			assert_true(first->profiles[k].max_latency_us >= second->profiles[k].max_latency_us);
			assert_int_equal(first->profiles[k].deny_no_data, second->profiles[k].deny_no_data);
		}
		assert_int_equal(first->poll_ms, second->poll_ms);
		assert_string_equal(first->profiles[0].default_near.near[0].text, second->profiles[0].default_near.near[0].text);
		free(once);
		free(twice);
		settings_free(first);
		settings_free(second);
	}
}

static void a_reload_may_change_weights_and_nothing_that_is_open(void **state)
{
	static const struct {
		const char *config, *option;
		bool may;
	} cases[] = {
		{"strict: true\nbindings: 3\nqps: 7\n", NULL, true},
		{"poll: 2s\n", NULL, false},
		{"listen: \":1\"\n", NULL, false},
		{"mode: extender\n", NULL, false},
		{"server: http://elsewhere\n", NULL, false},
		{"profiles: [{schedulerName: other}]\n", NULL, false},
		{"profiles: [{schedulerName: my-latency-scheduler, strict: true}]\n", NULL, true},
		{"profiles: [{schedulerName: my-latency-scheduler}, {schedulerName: more}]\n", NULL, false},
		{"leader-elect: true\nleader-elect-retry-period: 2s\n", NULL, true},
		{"leader-elect: false\n", NULL, false},
		{"leader-elect-resource-name: other\n", NULL, false},
		{"leader-elect-resource-namespace: other\n", NULL, false},
		{"leader-elect-lease-duration: 16s\n", NULL, false},
		{"leader-elect-renew-deadline: 9s\n", NULL, false},
		{"leader-elect-retry-period: 1s\n", NULL, false},
	};
	struct settings *old = want(NULL, NULL);
	struct lm_err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct settings *new = want(cases[i].config, NULL);

		if ((settings_may_replace(old, new, &err) == 0) != cases[i].may)
			fail_msg("%s", cases[i].config);
		settings_free(new);
	}
	settings_free(old);
}

static void modes_refuse_each_others_options_by_name(void **state)
{
	static const struct {
		const char *mode, *option, *why;	/* NULL: taken */
	} cases[] = {
		{"--mode=extender", NULL, NULL},
		{"--mode=extender", "--extender-listen=127.0.0.1:1", NULL},
		{"--mode=extender", "--extender-late=error", NULL},
		{"--mode=extender", "--extender-alone", NULL},
		{"--mode=extender", "--leader-elect=false", NULL},
		{"--mode=extender", "--dump=/dump", "--dump: not with --mode extender"},
		{"--mode=extender", "--bindings=3", "--bindings: not with --mode extender"},
		{"--mode=extender", "--qps=7", "--qps: not with --mode extender"},
		{"--mode=extender", "--burst=7", "--burst: not with --mode extender"},
		{"--mode=extender", "--extender-bind", NULL},
		{"--mode=standalone", "--extender-bind", "--extender-bind: not with --mode standalone"},
		{"--mode=extender", "--leader-elect-resource-name=x", "--leader-elect-resource-name: not with --mode extender"},
		{"--mode=extender", "--leader-elect-resource-namespace=x", "--leader-elect-resource-namespace: not with --mode extender"},
		{"--mode=standalone", "--extender-listen=:8080", "--extender-listen: not with --mode standalone"},
		{"--mode=standalone", "--extender-late=error", "--extender-late: not with --mode standalone"},
		{"--mode=standalone", "--extender-late=pass", NULL},
		{"--mode=standalone", "--extender-alone", "--extender-alone: not with --mode standalone"},
		{"--mode=standalone", "--extender-alone=false", NULL},
		{"--mode=extender", "--extender-late=never", "--extender-late: \"never\""},
		{"--mode=standalone", "--extender-tls-cert=x", "--extender-tls-cert: not with --mode standalone"},
		{"--mode=standalone", "--extender-tls-key=x", "--extender-tls-key: not with --mode standalone"},
		{"--mode=standalone", "--extender-client-ca=x", "--extender-client-ca: not with --mode standalone"},
		{"--mode=standalone", "--extender-client-name=x", "--extender-client-name: not with --mode standalone"},
		{"--mode=extender", "--extender-tls-cert=x", "--extender-tls-cert: --extender-tls-key is missing"},
		{"--mode=extender", "--extender-tls-key=x", "--extender-tls-key: --extender-tls-cert is missing"},
		{"--mode=extender", "--extender-client-ca=x", "--extender-client-ca: --extender-tls-cert and --extender-tls-key are missing"},
		{"--mode=extender", "--extender-client-name=x", "--extender-client-name: --extender-client-ca is missing"},
		{"--mode=both", NULL, "--mode: \"both\""},
	};
	struct lm_err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct settings *s = load(NULL, (const char *const[]){cases[i].mode, cases[i].option, NULL}, &err);

		if (s && cases[i].why)
			fail_msg("taken: %s", cases[i].option);
		if (!s && (!cases[i].why || !strstr(err.msg, cases[i].why) || err.code != LM_USAGE))
			fail_msg("%s: %s", cases[i].option, err.msg);
		settings_free(s);
	}
}

static void options_of_tls_are_taken_together_and_stay(void **state)
{
	static const char *const with[] = {"--mode=extender", "--extender-tls-cert=c", "--extender-tls-key=k", "--extender-client-ca=a",
					   "--extender-client-name=system:kube-scheduler", "--extender-client-name=other", NULL};
	struct settings *s = want(NULL, with), *again;
	struct lm_err err;
	size_t i;

	(void)state;
	assert_int_equal(s->extender_client_names.count, 2);
	for (i = 1; i < ARRAY_SIZE(with) - 1; i++) {
		const char *other[ARRAY_SIZE(with)];
		auto_free char *changed = xasprintf("%sx", with[i]);

		memcpy(other, with, sizeof(with));
		other[i] = changed;
		again = want(NULL, other);
		assert_int_equal(settings_may_replace(s, again, &err), -1);
		settings_free(again);
	}
	again = want(NULL, with);
	assert_int_equal(settings_may_replace(s, again, &err), 0);
	settings_free(again);
	settings_free(s);
	s = want(NULL, (const char *const[]){with[0], with[1], with[2], NULL});
	assert_null(s->extender_client_ca);
	settings_free(s);
}

static void the_extender_listens_on_8080_and_prints_a_configuration_that_it_takes(void **state)
{
	struct settings *s = want(NULL, (const char *const[]){"--mode=extender", "--extender-late=error", NULL}), *again;
	auto_free char *text = NULL;
	struct lm_err err;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	(void)state;
	assert_string_equal(settings_extender_listen(s), ":8080");
	settings_print(s, to);
	fclose(to);
	again = want(text, NULL);
	assert_int_equal(again->mode, MODE_EXTENDER);
	assert_int_equal(again->extender_late, 1);
	assert_false(again->extender_alone);
	assert_string_equal(settings_extender_listen(again), ":8080");
	settings_free(again);
	again = want(NULL, (const char *const[]){"--mode=extender", "--extender-late=error", "--extender-alone", NULL});
	assert_int_equal(settings_may_replace(s, again, &err), 0);
	settings_free(again);
	settings_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_those_of_the_design),
		cmocka_unit_test(names_come_from_flags_or_from_profiles),
		cmocka_unit_test(the_lease_is_that_of_the_first_name),
		cmocka_unit_test(modes_refuse_each_others_options_by_name),
		cmocka_unit_test(options_of_tls_are_taken_together_and_stay),
		cmocka_unit_test(the_extender_listens_on_8080_and_prints_a_configuration_that_it_takes),
		cmocka_unit_test(a_reload_leaves_the_lease_as_it_is),
		cmocka_unit_test(help_shows_what_is_on_by_default),
		cmocka_unit_test(the_reserve_has_limits_when_it_is_told_so),
		cmocka_unit_test(a_bad_configuration_is_refused_with_its_place),
		cmocka_unit_test(bad_options_are_refused),
		cmocka_unit_test(the_latency_limit_of_all_pods_is_of_each_profile),
		cmocka_unit_test(the_clouds_labels_are_of_all_profiles),
		cmocka_unit_test(what_is_printed_gives_the_same_again),
		cmocka_unit_test(a_reload_may_change_weights_and_nothing_that_is_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
