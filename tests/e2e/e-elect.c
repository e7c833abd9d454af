/*
 * Two replicas on a real API server, as the account and with the rules of helm/rbac: the leader is killed, stopped cleanly, frozen and woken;
 * the API server goes away; somebody edits the Lease. Pods keep coming all the while. pair_end judges each of them (replica.h).
 *
 * E2E_ROUNDS (1): how often the leader is frozen, each time at another moment; a round takes 40 s.
 * E2E_ONLY: a pattern of names, "*api_server*".
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "tests/e2e/replica.h"

#define FROZEN_MS 30000

static struct pair p;		/* one at a time; a test that fails leaves it behind */
static struct rng rng;

static cJSON *lease(void)
{
	return standin_want(&p.s.api, 200, "GET", REPLICA_LEASE, NULL);
}

static char *holder(void)
{
	auto_json cJSON *object = lease();

	return xstrdup(text_at(object, "spec.holderIdentity"));
}

static int transitions(void)
{
	auto_json cJSON *object = lease();

	return (int)cJSON_GetNumberValue(item_at(object, "spec.leaseTransitions"));
}

/* --- the leader ends ---------------------------------------------------------------------------------------------------- */

static void a_killed_leader_is_followed_within_20_s(void **state)
{
	int64_t killed_us;

	(void)state;
	pair_begin(&p);
	pair_pods(&p, 100);
	pair_flow_for(&p, 200 + rng_below(&rng, 2000));
	killed_us = clock_wall_ms() * 1000;
	assert_int_equal(sched_stop(&p.a.s, SIGKILL), 128 + SIGKILL);
	pair_flow(&p, 60);
	test_deadline("the leader was killed; its successor's first binding after", (double)(pair_first_us(&p, &p.b) - killed_us) / 1e6, 20, "s");
	assert_int_equal(transitions(), 1);
	pair_end(&p);
}

static bool is_read(const struct audit_entry *e)
{
	static const char *const resources[] = {"leases", "pods", "nodes", "namespaces", "persistentvolumeclaims", "persistentvolumes",
						"storageclasses", "csinodes", "csidrivers", "csistoragecapacities", "volumeattachments"};
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(resources) && !STREQ(e->resource, resources[i]); i++)
		;
	return i < ARRAY_SIZE(resources) && (STREQ(e->verb, "get") || STREQ(e->verb, "list") || STREQ(e->verb, "watch"));
}

static void must_only_have_read(const struct replica *r)
{
	const struct audit *a = pair_audit(&p);
	int reads = 0;
	size_t i;

	for (i = 0; i < a->count; i++) {
		const struct audit_entry *e = &a->entries[i];

		if (!STREQ(e->credential, r->credential) || STREQ(e->resource, "selfsubjectreviews"))
			continue;
		if (!is_read(e))
			fail_msg("a standby's request: %s %s", e->verb, e->uri);
		reads += STREQ(e->resource, "leases");
	}
	assert_true(reads > 0);
}

/* Bound, unschedulable and repeatedly refused pods: all that would make a leader write. */
static void a_clean_stop_hands_over_within_3_s_and_until_then_the_standby_writes_nothing(void **state)
{
	int64_t ended_us;
	auto_free char *after = NULL;

	(void)state;
	pair_begin(&p);
	sched_pod_of(&p.s, "my-latency-scheduler", "nowhere", "", "", ",\"nodeSelector\":{\"no\":\"where\"}");
	assert_string_equal(sched_refusal(&p.s, "nowhere"), "Unschedulable");
	pair_pods(&p, 300);
	pair_flow_for(&p, 5000);	/* more than any standby's wait between two looks */
	must_only_have_read(&p.b);
	assert_int_equal(sched_http(&p.b.s, "/readyz"), 200);
	assert_int_equal(sched_stop(&p.a.s, SIGTERM), 0);
	ended_us = clock_wall_ms() * 1000;
	assert_int_equal(sched_log_count(&p.a.s, "\"msg\":\"lease released\"", 1), 1);
	pair_flow(&p, 60);
	test_deadline("the leader was stopped; its successor's first binding after", (double)(pair_first_us(&p, &p.b) - ended_us) / 1e6, 3, "s");
	after = holder();
	assert_string_equal(after, sched_log_field(&p.b.s, "\"msg\":\"leading\"", "identity"));
	standin_do(&p.s.api, 200, "DELETE", "/api/v1/namespaces/default/pods/nowhere?gracePeriodSeconds=0", NULL);
	pair_end(&p);
}

/* --- the leader is frozen ------------------------------------------------------------------------------------------------ */

/* From beside, so that pods can be made meanwhile. */
static pid_t freeze_in(pid_t pid, unsigned ms)
{
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		usleep(ms * 1000);
		kill(pid, SIGSTOP);
		_exit(0);
	}
	return child;
}

static void freeze_and_wake(void)
{
	unsigned after_ms = 300 + rng_below(&rng, 1500);
	int64_t begin_ms = clock_mono_ms();
	pid_t freezer;
	int before;

	pair_begin(&p);
	freezer = freeze_in(p.a.s.pid, after_ms);
	pair_pods(&p, 1500);
	assert_int_equal(waitpid(freezer, NULL, 0), freezer);
	before = pair_bindings(&p, &p.a);
	printf("# frozen after %u ms and %d bindings, while 1500 pods were made\n", after_ms, before);
	pair_flow_for(&p, FROZEN_MS - 2000 - (clock_mono_ms() - begin_ms));
	assert_true(pair_bindings(&p, &p.b) > 0);
	pair_pods(&p, 200);		/* its own watches bring them too, when it wakes */
	kill(p.a.s.pid, SIGCONT);
	replica_must_give_up(&p.a);
	assert_int_equal(pair_bindings(&p, &p.a), before);
	pair_end(&p);
}

static void a_leader_that_was_frozen_for_30_s_binds_nothing_any_more(void **state)
{
	const char *rounds = getenv("E2E_ROUNDS");
	int left = rounds ? atoi(rounds) : 1;

	(void)state;
	while (left-- > 0)
		freeze_and_wake();
}

/* --- the API server goes ------------------------------------------------------------------------------------------------- */

static char *renewed(void)
{
	auto_json cJSON *object = lease();

	return xstrdup(text_at(object, "spec.renewTime"));
}

static void wait_for_renewal(void)
{
	auto_free char *before = renewed(), *now = NULL;

	do {
		usleep(20000);
		free(now);
		now = renewed();
	} while (STREQ(now, before));
}

/* From just after a renewal on: the leader has 10 s from there, and tries each 2 s. */
static void an_api_server_that_hangs_for_6_s_changes_nothing(void **state)
{
	auto_free char *after = NULL;

	(void)state;
	pair_begin(&p);
	pair_pods(&p, 100);
	wait_for_renewal();
	e2e_apiserver("freeze");
	usleep(6000000);
	e2e_apiserver("thaw");
	pair_flow(&p, 30);
	after = holder();
	assert_string_equal(after, sched_log_field(&p.a.s, "\"msg\":\"leading\"", "identity"));
	assert_int_equal(transitions(), 0);
	assert_int_equal(pair_bindings(&p, &p.b), 0);
	pair_end(&p);
}

static void an_api_server_that_is_away_for_25_s_ends_the_leader_and_then_all_is_bound_once(void **state)
{
	struct replica restarted;
	int64_t begin_ms;

	(void)state;
	pair_begin(&p);
	replica_new(&restarted, &p.s);
	pair_pods(&p, 1000);
	begin_ms = clock_mono_ms();
	e2e_apiserver("kill");
	p.unlogged = 16;
	usleep(5000000);		/* it gives up 10 s after its last renewal */
	replica_must_give_up(&p.a);
	test_deadline("the API server was killed; the leader had given up after", (double)(clock_mono_ms() - begin_ms) / 1e3, 10, "s");
	sched_launch(&restarted.s, NULL);	/* as a Deployment does; it finds no API */
	assert_int_equal(sched_http(&p.b.s, "/livez"), 200);
	assert_int_equal(sched_http(&p.b.s, "/readyz"), 200);
	while (clock_mono_ms() - begin_ms < 22000)
		usleep(100000);
	e2e_apiserver("start");
	pair_flow(&p, 60);
	printf("# the API server was back, and a pod bound, %.1f s after it was killed\n", (double)(clock_mono_ms() - begin_ms) / 1e3);
	assert_int_equal(sched_http(&restarted.s, "/livez"), 200);
	replica_free(&p.a);
	p.a = restarted;
	pair_end(&p);
}

/* --- somebody edits the Lease -------------------------------------------------------------------------------------------- */

static void edit(const char *spec)
{
	auto_free char *body = xasprintf("{\"spec\":%s}", spec);
	int status;

	cJSON_Delete(standin_call_as(&p.s.api, "PATCH", REPLICA_LEASE, "application/merge-patch+json", body, &status));
	assert_int_equal(status, 200);
}

static bool has_holder(void *unused)
{
	auto_free char *who = holder();

	(void)unused;
	return *who != '\0';
}

/* As with client-go either of them gets it; what it must not be is nobody, or both. */
static void a_lease_without_holder_is_taken_by_one(void **state)
{
	(void)state;
	pair_begin(&p);
	pair_flow_for(&p, 500);
	edit("{\"holderIdentity\":\"\"}");
	assert_true(test_wait(has_holder, NULL, 10000));
	pair_flow(&p, 20);
	printf("# the holder was cleared; it is now %s\n", sched_log_count(&p.b.s, "\"msg\":\"leading\"", 0) ? "the standby" : "the leader again");
	if (sched_log_count(&p.b.s, "\"msg\":\"leading\"", 0))
		replica_must_give_up(&p.a);
	pair_end(&p);
}

static void a_lease_of_somebody_else_is_respected_until_it_runs_out(void **state)
{
	int64_t edited_us;

	(void)state;
	pair_begin(&p);
	pair_flow_for(&p, 500);
	edit("{\"holderIdentity\":\"stranger\",\"leaseDurationSeconds\":4}");
	edited_us = clock_wall_ms() * 1000;
	replica_must_give_up(&p.a);
	pair_flow(&p, 30);
	assert_true(pair_first_us(&p, &p.b) >= edited_us + 4000000);
	assert_int_equal(transitions(), 1);
	pair_end(&p);
}

static void a_deleted_lease_is_made_anew_by_its_holder(void **state)
{
	auto_free char *before = NULL, *after = NULL;
	int status = 0, tries;

	(void)state;
	pair_begin(&p);
	before = holder();
	pair_flow_for(&p, 500);
	standin_do(&p.s.api, 200, "DELETE", REPLICA_LEASE, NULL);
	for (tries = 0; tries < 100 && status != 200; tries++) {
		cJSON_Delete(standin_call(&p.s.api, "GET", REPLICA_LEASE, NULL, &status));
		usleep(100000);
	}
	after = holder();
	assert_string_equal(before, after);
	pair_flow(&p, 20);
	assert_int_equal(pair_bindings(&p, &p.b), 0);
	pair_end(&p);
}

/* --- beside a real kube-scheduler ---------------------------------------------------------------------------------------- */

/* "update 200 held": what was asked for, what was answered, who is the holder after it. Equal ones in a row are one. `looks`: with GETs that found it. */
static char *lease_steps(const struct audit *a, const char *user, const char *name, bool looks)
{
	struct buf steps = {0};
	char last[64] = "", step[64];
	size_t i;

	for (i = 0; i < a->count; i++) {
		const struct audit_entry *e = &a->entries[i];
		const char *of = *e->name ? e->name : text_at(e->body, "metadata.name");

		if (!STREQ(e->resource, "leases") || !STREQ(e->user, user) || !STREQ(of, name) || STREQ(e->verb, "list") || STREQ(e->verb, "watch"))
			continue;
		if (e->code >= 500 || (!looks && STREQ(e->verb, "get") && e->code == 200))	/* a server that is late says nothing of either */
			continue;
		snprintf(step, sizeof(step), "%s %d%s", e->verb, e->code, !e->body ? "" : *e->holder ? " held" : " free");
		if (!STREQ(step, last))
			buf_printf(&steps, "%s%s", *last ? ", " : "", step);
		snprintf(last, sizeof(last), "%s", step);
	}
	return steps.data;
}

/* "2026-11-24T04:21:02.935039Z" -> "0000-00-00T00:00:00.000000Z", other texts as "text" or "". */
static void add_form(struct buf *b, const cJSON *value)
{
	const char *text = cJSON_GetStringValue(value), *c;
	bool is_time = text && strlen(text) > 10 && text[10] == 'T';

	if (!text || !is_time) {
		buf_str(b, cJSON_IsNumber(value) ? "number" : !text ? "other" : *text ? "text" : "\"\"");
		return;
	}
	for (c = text; *c; c++)
		buf_char(b, *c >= '0' && *c <= '9' ? '0' : *c);
}

/* The members of the spec that a request writes, and their form. */
static char *lease_form(const struct audit *a, const char *user, const char *verb, bool held)
{
	struct buf form = {0};
	const cJSON *member;
	size_t i;

	for (i = 0; i < a->count && !form.data; i++) {
		const struct audit_entry *e = &a->entries[i];

		if (!STREQ(e->user, user) || !STREQ(e->verb, verb) || !STREQ(e->resource, "leases") || (*e->holder != '\0') != held)
			continue;
		cJSON_ArrayForEach(member, item_at(e->body, "spec")) {
			buf_printf(&form, "%s ", member->string);
			add_form(&form, member);
			buf_str(&form, STREQ(member->string, "leaseDurationSeconds") ? member->valuedouble == 15 ? "=15, " : "=1, " : ", ");
		}
	}
	return form.data ? form.data : xstrdup("no such request");
}

static void same(const char *what, char *ours, char *theirs)
{
	printf("# %s\n#   ours: %s\n#   kube-scheduler: %s\n", what, ours, theirs);
	assert_string_equal(ours, theirs);
	free(ours);
	free(theirs);
}

/* Seconds between two renewals, the mean. */
static double lease_pace(const struct audit *a, const char *user)
{
	int64_t first_us = 0, last_us = 0;
	int gaps = -1;
	size_t i;

	for (i = 0; i < a->count; i++) {
		const struct audit_entry *e = &a->entries[i];

		if (!STREQ(e->user, user) || !STREQ(e->verb, "update") || !STREQ(e->resource, "leases") || !*e->holder)
			continue;
		first_us = first_us ? first_us : e->at_us;
		last_us = e->at_us;
		gaps++;
	}
	assert_true(gaps > 0);
	return (double)(last_us - first_us) / 1e6 / gaps;
}

static pid_t start_kube_scheduler(void)
{
	auto_free char *config = xasprintf("%s/elected.yaml", test_folder()), *text = NULL;

	text = xasprintf("apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nleaderElection: {leaderElect: true}\n"
			 "clientConnection: {kubeconfig: \"%s/kube-scheduler.kubeconfig\"}\n", e2e_out());
	test_write(config, text);
	return test_spawn((const char *const[]){"kube-scheduler", "--config", config, "--secure-port=0", NULL}, NULL, "/dev/null");
}

#define THEIR_LEASE "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler"
#define OUR_USER "system:serviceaccount:" E2E_NAMESPACE ":latency-sched"
#define THEIR_USER "system:kube-scheduler"

static bool theirs_is_there(void *unused)
{
	int status;

	(void)unused;
	cJSON_Delete(standin_call(&p.s.api, "GET", THEIR_LEASE, NULL, &status));
	return status == 200;
}

static void must_keep_to(const struct audit *a, const char *user, const char *namespace_, const char *name)
{
	size_t i;

	for (i = 0; i < a->count; i++) {
		const struct audit_entry *e = &a->entries[i];

		if (STREQ(e->user, user) && STREQ(e->resource, "leases") && e->body &&
		    (!STREQ(e->namespace_, namespace_) || !STREQ(text_at(e->body, "metadata.name"), name)))
			fail_msg("%s writes the Lease %s/%s", user, e->namespace_, text_at(e->body, "metadata.name"));
	}
}

/* We look once more where our watch brought news of which we do not know whether it is older than what we wrote. */
static void show_looks(const struct audit *a)
{
	auto_free char *ours = lease_steps(a, OUR_USER, "my-latency-scheduler", true);
	auto_free char *theirs = lease_steps(a, THEIR_USER, "kube-scheduler", true);

	printf("# with looks\n#   ours: %s\n#   kube-scheduler: %s\n", ours, theirs);
}

static void the_lease_looks_on_the_wire_as_that_of_kube_scheduler_beside_it(void **state)
{
	const struct audit *a;
	int status;
	pid_t pid;

	(void)state;
	pair_begin(&p);
	replica_free(&p.b);
	cJSON_Delete(standin_call(&p.s.api, "DELETE", THEIR_LEASE, NULL, &status));
	pid = start_kube_scheduler();
	assert_true(test_wait(theirs_is_there, NULL, 60000));
	pair_flow_for(&p, 7000);
	test_stop(pid, SIGTERM);
	assert_int_equal(sched_stop(&p.a.s, SIGTERM), 0);
	a = pair_audit(&p);
	show_looks(a);
	same("requests", lease_steps(a, OUR_USER, "my-latency-scheduler", false), lease_steps(a, THEIR_USER, "kube-scheduler", false));
	same("its creation", lease_form(a, OUR_USER, "create", true), lease_form(a, THEIR_USER, "create", true));
	same("a renewal", lease_form(a, OUR_USER, "update", true), lease_form(a, THEIR_USER, "update", true));
	same("its release", lease_form(a, OUR_USER, "update", false), lease_form(a, THEIR_USER, "update", false));
	printf("# a renewal each %.2f s, kube-scheduler's each %.2f s\n", lease_pace(a, OUR_USER), lease_pace(a, THEIR_USER));
	assert_true(lease_pace(a, OUR_USER) > 1.9);
	must_keep_to(a, OUR_USER, E2E_NAMESPACE, "my-latency-scheduler");
	must_keep_to(a, THEIR_USER, "kube-system", "kube-scheduler");
	pair_end(&p);
}

static int begin(void **state)
{
	(void)state;
	rng = rng_make(test_seed());
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_killed_leader_is_followed_within_20_s),
		cmocka_unit_test(a_clean_stop_hands_over_within_3_s_and_until_then_the_standby_writes_nothing),
		cmocka_unit_test(a_leader_that_was_frozen_for_30_s_binds_nothing_any_more),
		cmocka_unit_test(an_api_server_that_hangs_for_6_s_changes_nothing),
		cmocka_unit_test(an_api_server_that_is_away_for_25_s_ends_the_leader_and_then_all_is_bound_once),
		cmocka_unit_test(a_lease_without_holder_is_taken_by_one),
		cmocka_unit_test(a_lease_of_somebody_else_is_respected_until_it_runs_out),
		cmocka_unit_test(a_deleted_lease_is_made_anew_by_its_holder),
		cmocka_unit_test(the_lease_looks_on_the_wire_as_that_of_kube_scheduler_beside_it),
	};

	cmocka_set_test_filter(getenv("E2E_ONLY"));
	return cmocka_run_group_tests_name("elect", tests, begin, NULL);
}
