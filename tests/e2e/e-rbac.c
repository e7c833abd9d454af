/*
 * RBAC on, exactly our roles. With the rules of helm/rbac the programs do all of their work and nothing is refused; with any verb of any
 * rule taken away, a piece of that work stays undone, the audit log has the 403 for that verb and resource, and the program's log says so:
 * no rule is idle. The rules come from the manifests: one that `cases` does not name fails a test, as does a name without a rule.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "tests/e2e/audit.h"
#include "tests/e2e/e2e.h"
#include "tests/e2e/grants.h"
#include "tests/e2e/replica.h"
#include "tests/e2e/reserve_work.h"
#include "tests/e2e/storage_work.h"

#define SCHED_RULES "helm/rbac/scheduler.yaml"
#define MERGE_RULES "helm/rbac/merger.yaml"
#define LEASES "/apis/coordination.k8s.io/v1/namespaces/" E2E_NAMESPACE "/leases"
#define EVENTS "/apis/events.k8s.io/v1/namespaces/default/events"
#define WEBHOOKS "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
#define WAIT_MS 20000
#define FIXED 5				/* tests beside one for each grant */
#define AHEAD_S "310"			/* beyond EVENTS_SERIES_PATCH_MS and QUEUE_PARKED_MAX_MS, within EVENTS_SERIES_MS */

static struct sched s;
static long from;			/* of the audit log: what shows whether the work at hand is done or refused comes after it */

/* --- the work ------------------------------------------------------------------------------------------------------------ */

static void make_pod(const char *name, const char *spec)
{
	sched_pod_of(&s, "my-latency-scheduler", name, "", "", spec);
}

static void make_web(void)
{
	make_pod("web", "");
}

static bool web_is_bound(void *unused)
{
	(void)unused;
	return *sched_node_now(&s, "web") != '\0';
}

static bool web_has_its_event(void *unused)
{
	(void)unused;
	return sched_events(&s, "web", "Scheduled", 0) == 1;
}

static void make_node_and_its_pod(void)
{
	standin_node(&s.api, "late", "4", "8Gi", "");
	make_pod("choosy", ",\"nodeSelector\":{\"kubernetes.io/hostname\":\"late\"}");
}

static bool choosy_is_bound(void *unused)
{
	(void)unused;
	return *sched_node_now(&s, "choosy") != '\0';
}

static void make_nowhere(void)
{
	make_pod("nowhere", ",\"nodeSelector\":{\"no\":\"where\"}");
}

static bool nowhere_has_its_condition(void *unused)
{
	auto_json cJSON *pod = sched_get(&s, "nowhere");
	const cJSON *condition;

	(void)unused;
	cJSON_ArrayForEach(condition, item_at(pod, "status.conditions"))
		if (STREQ(text_at(condition, "type"), "PodScheduled") && STREQ(text_at(condition, "reason"), "Unschedulable"))
			return true;
	return false;
}

/* The count of a series is patched at most every 3 minutes: the scheduler's clock goes ahead when a file says so. */
static char *ahead;			/* the file */

static void load_clock(void)
{
	auto_free char *source = xasprintf("%s/clock.c", s.folder), *library = xasprintf("%s/clock.so", s.folder), *output = NULL;
	auto_free char *define = NULL;
	const char *argv[] = {"cc", "-D_GNU_SOURCE", "-shared", "-fPIC", NULL, "-o", library, source, NULL};

	free(ahead);
	ahead = xasprintf("%s/ahead", s.folder);
	argv[4] = define = xasprintf("-DAHEAD=\"%s\"", ahead);
	test_write(source, "#include <sys/syscall.h>\n#include <time.h>\n#include <unistd.h>\n"
			   "int clock_gettime(clockid_t id, struct timespec *t)\n{\n"
			   "\tlong failed = syscall(SYS_clock_gettime, id, t);\n\n"
			   "\tif (id == CLOCK_BOOTTIME && access(AHEAD, F_OK) == 0)\n\t\tt->tv_sec += " AHEAD_S ";\n"
			   "\treturn (int)failed;\n}\n");
	if (test_run(argv, 60, &output) != 0)
		fail_msg("%s", output);
	setenv("LD_PRELOAD", library, 1);
}

static void repeat_a_failure(void)
{
	unsetenv("LD_PRELOAD");
	make_nowhere();
	assert_int_equal(sched_events(&s, "nowhere", "FailedScheduling", 1), 1);
	test_write(ahead, "");
}

static bool the_series_is_counted(void *unused)
{
	auto_json cJSON *list = standin_want(&s.api, 200, "GET", EVENTS, NULL);
	const cJSON *event;

	(void)unused;
	cJSON_ArrayForEach(event, item_at(list, "items"))
		if (STREQ(text_at(event, "regarding.name"), "nowhere") && cJSON_GetNumberValue(item_at(event, "series.count")) >= 2)
			return true;
	return false;
}

/* While its webhook cannot be reached the server answers bindings with 500, which tells nothing about their fate. */
static bool bindings_fail(void *unused)
{
	int status;

	(void)unused;
	cJSON_Delete(standin_call(&s.api, "POST", "/api/v1/namespaces/default/pods/none/binding",
				  "{\"metadata\":{\"name\":\"none\"},\"target\":{\"kind\":\"Node\",\"name\":\"a\"}}", &status));
	return status == 500;
}

static void break_bindings(void)
{
	standin_do(&s.api, 201, "POST", WEBHOOKS,
		   "{\"metadata\":{\"name\":\"broken\"},\"webhooks\":[{\"name\":\"broken.e2e.test\",\"sideEffects\":\"None\","
		   "\"admissionReviewVersions\":[\"v1\"],\"clientConfig\":{\"url\":\"https://127.0.0.1:1/\"},"
		   "\"rules\":[{\"operations\":[\"CREATE\"],\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],\"resources\":[\"pods/binding\"]}]}]}");
	assert_true(test_wait(bindings_fail, NULL, WAIT_MS));
}

static void mend_bindings(void)
{
	int status;

	cJSON_Delete(standin_call(&s.api, "DELETE", WEBHOOKS "/broken", NULL, &status));
}

static bool fate_is_unknown(void *unused)
{
	struct audit a;
	bool found = false;
	size_t i;

	(void)unused;
	audit_read(&a, from);
	for (i = 0; i < a.count; i++)
		found |= audit_may_be_bound(&a.entries[i]) && STREQ(a.entries[i].name, "web");
	audit_free(&a);
	return found;
}

static void leave_a_fate_unknown(void)
{
	make_web();
	assert_true(test_wait(fate_is_unknown, NULL, WAIT_MS));
	mend_bindings();
	from = audit_mark();
}

static bool lease_is_renewed(void *unused)
{
	int status;
	auto_json cJSON *object = standin_call(&s.api, "GET", REPLICA_LEASE, NULL, &status);

	(void)unused;
	return *text_at(object, "spec.holderIdentity") && !STREQ(text_at(object, "spec.acquireTime"), text_at(object, "spec.renewTime"));
}

static void somebody_leads(void)
{
	standin_do(&s.api, 201, "POST", LEASES,
		   "{\"metadata\":{\"name\":\"my-latency-scheduler\"},\"spec\":{\"holderIdentity\":\"stranger\",\"leaseDurationSeconds\":3600,"
		   "\"acquireTime\":\"2026-01-01T00:00:00.000000Z\",\"renewTime\":\"2026-01-01T00:00:00.000000Z\"}}");
}

static void somebody_lets_go(void)
{
	int status;

	assert_int_equal(sched_log_count(&s, "\"msg\":\"standing by\"", 1), 1);
	from = audit_mark();
	cJSON_Delete(standin_call_as(&s.api, "PATCH", REPLICA_LEASE, "application/merge-patch+json",
				     "{\"spec\":{\"holderIdentity\":\"\"}}", &status));
	assert_int_equal(status, 200);
}

static bool lease_is_taken_over(void *unused)
{
	auto_json cJSON *object = standin_want(&s.api, 200, "GET", REPLICA_LEASE, NULL);
	const char *holder = text_at(object, "spec.holderIdentity");

	(void)unused;
	return *holder && !STREQ(holder, "stranger");
}

static const char *const quick_election[] = {"--leader-elect-lease-duration=5s", "--leader-elect-renew-deadline=3s",
					     "--leader-elect-retry-period=200ms", NULL};
/* Without its watch it would look at the Lease again after half a minute at the earliest. */
static const char *const slow_election[] = {"--leader-elect-lease-duration=60s", "--leader-elect-renew-deadline=40s",
					    "--leader-elect-retry-period=30s", NULL};

static const struct work binding = {"a pod is bound", .act = make_web, .done = web_is_bound};
static const struct work growth = {"a new node is used", .act = make_node_and_its_pod, .done = choosy_is_bound};
static const struct work fate = {"what became of a binding is found out", .before = break_bindings, .act = leave_a_fate_unknown,
				 .done = web_is_bound};
static const struct work condition = {"a pod that fits nowhere says so", .act = make_nowhere, .done = nowhere_has_its_condition};
static const struct work event = {"a bound pod has its event", .act = make_web, .done = web_has_its_event};
static const struct work series = {"a repeated event is counted", .before = load_clock, .act = repeat_a_failure,
				   .done = the_series_is_counted};
static const struct work election = {"a lease is made and renewed", .elect = true, .options = quick_election, .done = lease_is_renewed};
static const struct work takeover = {"a lease that became free is taken at once", .elect = true, .options = slow_election,
				     .before = somebody_leads, .act = somebody_lets_go, .done = lease_is_taken_over};

/* --- which work needs which rule ------------------------------------------------------------------------------------------ */

static const struct rule_case {
	const char *rules, *group, *resource, *verb;
	const struct work *broken;	/* without it; NULL: the merger's run */
	int readyz;			/* to the end; 0: it ends by itself, with */
	int exit_code;
} cases[] = {
	{SCHED_RULES, "", "nodes", "list", &binding, 500, 0},
	{SCHED_RULES, "", "nodes", "watch", &growth, 200, 0},
	{SCHED_RULES, "", "namespaces", "list", &binding, 500, 0},
	{SCHED_RULES, "", "namespaces", "watch", &work_namespace, 200, 0},
	{SCHED_RULES, "", "persistentvolumeclaims", "list", &binding, 500, 0},
	{SCHED_RULES, "", "persistentvolumeclaims", "watch", &work_claim, 200, 0},
	{SCHED_RULES, "", "persistentvolumeclaims", "patch", &work_provision, 200, 0},
	{SCHED_RULES, "", "persistentvolumes", "list", &binding, 500, 0},
	{SCHED_RULES, "", "persistentvolumes", "watch", &work_volume, 200, 0},
	{SCHED_RULES, "", "persistentvolumes", "patch", &work_match, 200, 0},
	{SCHED_RULES, "storage.k8s.io", "storageclasses", "list", &binding, 500, 0},
	{SCHED_RULES, "storage.k8s.io", "storageclasses", "watch", &work_class, 200, 0},
	{SCHED_RULES, "storage.k8s.io", "csinodes", "list", &binding, 500, 0},
	{SCHED_RULES, "storage.k8s.io", "csinodes", "watch", &work_limit, 200, 0},
	{SCHED_RULES, "storage.k8s.io", "csidrivers", "list", &binding, 500, 0},
	{SCHED_RULES, "storage.k8s.io", "csidrivers", "watch", &work_driver, 200, 0},
	{SCHED_RULES, "storage.k8s.io", "csistoragecapacities", "list", &binding, 500, 0},
	{SCHED_RULES, "storage.k8s.io", "csistoragecapacities", "watch", &work_capacity, 200, 0},
	{SCHED_RULES, "storage.k8s.io", "volumeattachments", "list", &binding, 500, 0},
	{SCHED_RULES, "storage.k8s.io", "volumeattachments", "watch", &work_attachment, 200, 0},
	{SCHED_RULES, "", "pods", "get", &fate, 200, 0},
	{SCHED_RULES, "", "pods", "list", &binding, 500, 0},
	{SCHED_RULES, "", "pods", "watch", &binding, 200, 0},
	{SCHED_RULES, "", "pods/binding", "create", &binding, 200, 0},
	{SCHED_RULES, "", "pods/status", "patch", &condition, 200, 0},
	{SCHED_RULES, "events.k8s.io", "events", "create", &event, 200, 0},
	{SCHED_RULES, "events.k8s.io", "events", "patch", &series, 200, 0},
	{SCHED_RULES, "coordination.k8s.io", "leases", "create", &election, 200, 0},
	{SCHED_RULES, "coordination.k8s.io", "leases", "get", &election, 200, 0},
	{SCHED_RULES, "coordination.k8s.io", "leases", "list", &takeover, 200, 0},
	{SCHED_RULES, "coordination.k8s.io", "leases", "watch", &takeover, 200, 0},
	{SCHED_RULES, "coordination.k8s.io", "leases", "update", &election, 0, 75},
	{MERGE_RULES, "", "nodes", "list", NULL, 0, 77},
	{RESERVE_RULES, "", "pods", "create", &work_keep, 200, 0},
	{RESERVE_RULES, "", "pods", "delete", &work_give_up, 200, 0},
	{RESERVE_RULES, "", "pods", "patch", &work_share, 200, 0},
	{RESERVE_RULES, "", "configmaps", "get", &work_own, 200, 0},
	{HEALING_RULES, "", "pods/eviction", "create", &work_evict, 200, 0},
	{HEALING_RULES, "", "pods", "delete", &work_delete, 200, 0},
	{HEALING_RULES, "", "nodes", "patch", &work_detach, 200, 0},
	{HEALING_RULES, "", "configmaps", "create", &work_evict, 200, 0},
	{HEALING_RULES, "", "configmaps", "get", &work_evict, 200, 0},
	{HEALING_RULES, "", "configmaps", "patch", &work_evict_after_another, 200, 0},
	{HEALING_RULES, "coordination.k8s.io", "leases", "list", &work_evict, 200, 0},
	{HEALING_RULES, "coordination.k8s.io", "leases", "watch", &work_evict, 200, 0},
};

static bool is_of(const struct rule_case *c, const struct grant *g)
{
	return STREQ(c->rules, g->rules) && STREQ(c->group, g->group) && STREQ(c->resource, g->resource) && STREQ(c->verb, g->verb);
}

static const struct rule_case *case_of(const struct grant *g)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		if (is_of(&cases[i], g))
			return &cases[i];
	fail_msg("%s: %s %s has no case in %s: say what breaks without it", g->rules, g->verb, g->resource, __FILE__);
	return NULL;
}

static bool has_rule(const struct rule_case *c)
{
	size_t i;

	for (i = 0; i < grant_count; i++)
		if (is_of(c, &grants[i]))
			return true;
	return false;
}

static void each_case_has_its_rule(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		if (!has_rule(&cases[i]))
			fail_msg("%s has no rule for %s %s", cases[i].rules, cases[i].verb, cases[i].resource);
}

static bool was_refused(void *grant)
{
	return grant_was_answered(grant, from, 403, 403);
}

/* --- the scheduler ------------------------------------------------------------------------------------------------------- */

static void apply(const struct work *w, const struct grant *missing)
{
	grants_withhold(&s, HEALING_RULES);	/* before the other: it may delete pods everywhere */
	grants_withhold(&s, RESERVE_RULES);
	if (w->rules)
		grants_apply(&s, w->rules, missing && STREQ(missing->rules, w->rules) ? missing : NULL);
	grants_apply(&s, SCHED_RULES, missing && STREQ(missing->rules, SCHED_RULES) ? missing : NULL);
}

static void begin(const struct work *w, const struct grant *missing)
{
	e2e_begin(&s);
	storage_work_in(&s);
	reserve_work_in(&s);
	mend_bindings();
	apply(w, missing);
	sched_nodes(&s, "a");
	sched_matrix(&s, 1, "0");
	if (w->before)
		w->before();
	s.elect = w->elect;
	from = audit_mark();
	sched_launch(&s, w->options);
}

static bool is_ready(void *unused)
{
	(void)unused;
	return sched_http(&s, "/readyz") == 200;
}

static void act(const struct work *w)
{
	if (w->act) {
		from = audit_mark();
		w->act();
	}
}

static int end(void **state)
{
	(void)state;
	unsetenv("LD_PRELOAD");
	reserve_work_end();
	if (s.file)
		e2e_end(&s);
	s = (struct sched){0};
	return 0;
}

static void do_all(void **state, const char *rules, const struct work *const *all, size_t count)
{
	long beginning = audit_mark();
	size_t i;

	for (i = 0; i < count; i++) {
		begin(all[i], NULL);
		assert_true(test_wait(is_ready, NULL, WAIT_MS));
		act(all[i]);
		if (!test_wait(all[i]->done, NULL, WAIT_MS))
			fail_msg("not done: %s", all[i]->name);
		assert_int_equal(sched_stop(&s, SIGTERM), 0);
		end(state);
	}
	grants_must_suffice(rules, beginning);
}

static void with_exactly_these_rules_the_scheduler_does_all_of_its_work(void **state)
{
	static const struct work *const all[] = {&binding, &growth, &fate, &condition, &event, &series, &election, &takeover, &work_claim,
						 &work_volume, &work_class, &work_limit, &work_driver, &work_capacity, &work_attachment, &work_provision,
						 &work_match, &work_namespace};

	do_all(state, SCHED_RULES, all, ARRAY_SIZE(all));
}

static void with_exactly_these_rules_room_is_kept(void **state)
{
	static const struct work *const all[] = {&work_keep, &work_give_up, &work_share, &work_own};

	do_all(state, RESERVE_RULES, all, ARRAY_SIZE(all));
}

static void with_exactly_these_rules_a_dead_node_is_emptied(void **state)
{
	static const struct work *const all[] = {&work_evict_after_another, &work_detach};	/* evicted and deleted before it */

	do_all(state, HEALING_RULES, all, ARRAY_SIZE(all));
}

/* In the "error" or "reason" of a line, where JSON escapes the quotes. */
static bool log_says(const char *words)
{
	auto_buf struct buf escaped = {0};

	buf_json_string(&escaped, words);
	escaped.data[escaped.len - 1] = '\0';
	return sched_log_count(&s, escaped.data + 1, 1) > 0;
}

static void wait_for_refusal(struct grant *g)
{
	if (!test_wait(was_refused, g, WAIT_MS))
		fail_msg("nothing was refused: %s %s is not needed", g->verb, g->resource);
}

static bool is_read(const struct grant *g)
{
	return STREQ(g->verb, "get") || STREQ(g->verb, "list") || STREQ(g->verb, "watch");
}

static void without_one(void **state)
{
	struct grant *g = *state;
	const struct rule_case *c = case_of(g);
	auto_free char *words = grant_refusal(g);

	begin(c->broken, g);
	assert_true(test_wait(c->readyz == 500 ? was_refused : is_ready, g, WAIT_MS));
	act(c->broken);
	wait_for_refusal(g);
	if (is_read(g)) {		/* which it tries again: now everything is in place that it does not see */
		from = audit_mark();
		wait_for_refusal(g);
	}
	if (c->broken->done(NULL))
		fail_msg("done all the same: %s", c->broken->name);
	if (!log_says(words))
		fail_msg("the log does not say: %s", words);
	if (c->readyz)
		assert_int_equal(sched_http(&s, "/readyz"), c->readyz);
	else
		assert_int_equal(sched_stop(&s, 0), c->exit_code);
}

/* --- the merger ---------------------------------------------------------------------------------------------------------- */

/* Runs it once; its exit code, and peers.json when it wrote one. */
static int merge(const struct grant *missing, char **peers, char **log)
{
	const char *argv[] = {test_program("latency-merge"), "--dir", NULL, "--kubeconfig", NULL, NULL};
	auto_free char *path = NULL;
	int code;

	e2e_begin(&s);
	grants_apply(&s, MERGE_RULES, missing);
	standin_do(&s.api, 201, "POST", "/api/v1/nodes",
		   "{\"metadata\":{\"name\":\"a\"},\"status\":{\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"10.0.0.1\"}]}}");
	from = audit_mark();
	argv[2] = s.folder;
	argv[4] = s.kubeconfig;
	code = test_run(argv, 60, log);
	path = xasprintf("%s/peers.json", s.folder);
	*peers = test_read(path);
	return code;
}

static void with_exactly_its_rule_the_merger_writes_peers_json(void **state)
{
	auto_free char *peers = NULL, *log = NULL;

	(void)state;
	assert_int_equal(merge(NULL, &peers, &log), 0);
	assert_non_null(peers);
	assert_non_null(strstr(peers, "10.0.0.1"));
	grants_must_suffice(MERGE_RULES, from);
}

static void the_merger_without_one(void **state)
{
	struct grant *g = *state;
	const struct rule_case *c = case_of(g);
	auto_free char *peers = NULL, *log = NULL, *words = grant_refusal(g);

	assert_int_equal(merge(g, &peers, &log), c->exit_code);
	assert_true(was_refused(g));
	assert_null(peers);
	if (!strstr(log, words))
		fail_msg("it does not say: %s: %s", words, log);
}

/* --- all ----------------------------------------------------------------------------------------------------------------- */

static char *test_name(const struct grant *g)
{
	const char *who = STREQ(g->rules, MERGE_RULES) ? "the_merger_" : STREQ(g->rules, RESERVE_RULES) ? "the_reserve_" : STREQ(g->rules, HEALING_RULES) ? "healing_" : "";
	char *name = xasprintf("%swithout_%s_%s", who, g->resource, g->verb), *slash;

	while ((slash = strchr(name, '/')) != NULL)
		*slash = '_';
	return name;
}

static void collect(void)
{
	e2e_begin(&s);
	grants_collect(&s, SCHED_RULES);
	grants_collect(&s, MERGE_RULES);
	grants_collect(&s, RESERVE_RULES);
	grants_collect(&s, HEALING_RULES);
	end(NULL);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(grants) + FIXED] = {
		cmocka_unit_test_teardown(with_exactly_these_rules_the_scheduler_does_all_of_its_work, end),
		cmocka_unit_test_teardown(with_exactly_these_rules_room_is_kept, end),
		cmocka_unit_test_teardown(with_exactly_these_rules_a_dead_node_is_emptied, end),
		cmocka_unit_test_teardown(with_exactly_its_rule_the_merger_writes_peers_json, end),
		cmocka_unit_test(each_case_has_its_rule),
	};
	size_t i;

	collect();
	for (i = 0; i < grant_count; i++) {
		bool merger = STREQ(grants[i].rules, MERGE_RULES);

		tests[FIXED + i] = (struct CMUnitTest){test_name(&grants[i]), merger ? the_merger_without_one : without_one, NULL, end, &grants[i]};
	}
	cmocka_set_test_filter(getenv("E2E_ONLY"));
	return _cmocka_run_group_tests("rbac", tests, FIXED + grant_count, NULL, NULL);
}
