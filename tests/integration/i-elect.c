/*
 * Leader election with two real latency-sched on one stand-in API server: who leads, who takes over and when, and that two never bind at
 * once. Durations are shorter than the defaults. The rules alone, with everything that can go wrong, are in u-elect.c and u-elect-replicas.c.
 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "tests/testing/sched.h"

#define DURATION_MS 4000
#define DEADLINE_MS 3000
#define RETRY_MS 500
#define LEASES "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
#define LEASE LEASES "/my-latency-scheduler"
#define LEASE_RULE(more) "{\"rules\":[{\"path\":\"*/leases*\"," more "}]}"
#define BINDING_RULE(more) "{\"rules\":[{\"method\":\"POST\",\"path\":\"*/binding\"," more "}]}"

static const char *const quick[] = {"--leader-elect-lease-duration", "4s", "--leader-elect-renew-deadline", "3s",
				    "--leader-elect-retry-period", "500ms", NULL};

static void begin(struct sched *a, struct sched *b)
{
	sched_begin(a, NULL);
	sched_nodes(a, "a b c d e f");
	sched_matrix(a, 1, "0 5 9 9 9 9  5 0 9 9 9 9  9 9 0 9 9 9  9 9 9 0 9 9  9 9 9 9 0 9  9 9 9 9 9 0");
	a->elect = true;
	sched_join(b, a);
}

/* When it ends by itself; 137 when it does not within 10 s. */
static int exit_code(struct sched *s)
{
	return sched_stop(s, 0);
}

static void start_leader(struct sched *s)
{
	sched_start(s, quick);
	assert_int_equal(sched_log_count(s, "\"msg\":\"leading\"", 1), 1);
}

static void start_standby(struct sched *s)
{
	sched_start(s, quick);
	assert_int_equal(sched_log_count(s, "\"msg\":\"standing by\"", 1), 1);
	assert_int_equal(sched_log_count(s, "\"msg\":\"leading\"", 0), 0);
}

/* The time until `s` says that it leads. */
static double until_leading_ms(struct sched *s)
{
	int64_t begun = clock_mono_ms();

	assert_int_equal(sched_log_count(s, "\"msg\":\"leading\"", 1), 1);
	return (double)(clock_mono_ms() - begun);
}

static char *holder_now(struct sched *s)
{
	auto_json cJSON *lease = standin_want(&s->api, 200, "GET", LEASE, NULL);

	return xstrdup(text_at(lease, "spec.holderIdentity"));
}

/* Waits until a metric is above `limit`; below it, where that is negative. */
static void until(struct sched *s, const char *name, double limit)
{
	int64_t end = clock_mono_ms() + 20000;
	double value = NAN;

	while (clock_mono_ms() < end && !(limit < 0 ? value < -limit : value > limit)) {
		value = sched_metric(s, name);
		usleep(20000);
	}
	if (clock_mono_ms() >= end)
		fail_msg("%s stays at %g", name, value);
}

static double master_status(struct sched *s)
{
	return sched_metric(s, "leader_election_master_status{name=\"my-latency-scheduler\"}");
}

static void pods(struct sched *s, int from, int to)
{
	char name[32];

	for (; from < to; from++) {
		snprintf(name, sizeof(name), "pod-%d", from);
		sched_pod(s, name, "");
	}
}

static void all_bound(struct sched *s, int from, int to)
{
	char name[32];

	for (; from < to; from++) {
		snprintf(name, sizeof(name), "pod-%d", from);
		if (!*sched_where(s, name))
			fail_msg("%s is not bound", name);
	}
}

static void begin_both(struct sched *a, struct sched *b)
{
	begin(a, b);
	start_leader(a);
	start_standby(b);
}

static void one_leads_and_the_other_writes_nothing(void **state)
{
	struct sched a, b;
	auto_free char *holder = NULL;

	(void)state;
	begin_both(&a, &b);
	holder = holder_now(&a);
	assert_string_equal(sched_log_field(&a, "\"leading\"", "identity"), holder);
	assert_string_equal(sched_log_field(&b, "\"standing by\"", "holder"), holder);
	assert_string_not_equal(sched_log_field(&b, "\"standing by\"", "identity"), holder);
	pods(&a, 0, 40);
	sched_pod_of(&a, "my-latency-scheduler", "nowhere", "", "", ",\"nodeSelector\":{\"no\":\"where\"}");
	all_bound(&a, 0, 40);
	assert_string_equal(sched_refusal(&a, "nowhere"), "Unschedulable");
	assert_int_equal(sched_events(&a, "nowhere", "FailedScheduling", 1), 1);
	assert_int_equal(sched_log_count(&a, "\"pod bound\"", 40), 40);
	assert_true(master_status(&a) > 0.5);
	assert_true(master_status(&b) < 0.5);
	assert_true(sched_metric(&a, "latency_sched_lists_total{resource=\"pods\"}") > 1.5); /* anew, when it began to lead */
	assert_true(sched_metric(&a, "latency_sched_lease_renewal_age_seconds") < 5);
	assert_true(sched_metric(&b, "latency_sched_decisions_total{result=\"no_node\"}") < 0.5);
	assert_true(sched_metric(&b, "latency_sched_events_sent_total") < 0.5);
	assert_true(sched_metric(&b, "latency_sched_pending_pods{queue=\"ready\"}") > 0.5); /* its queue is warm */
	assert_int_equal(sched_http(&b, "/readyz"), 200);
	assert_int_equal(sched_stop(&b, SIGTERM), 0);
	assert_int_equal(sched_log_count(&b, "\"pod bound\"", 0), 0);
	assert_int_equal(sched_log_count(&b, "lease released", 0), 0);
	assert_int_equal(sched_stop(&a, SIGTERM), 0);
	assert_int_equal(sched_log_count(&a, "lease released", 0), 1);
	sched_end(&b);
	sched_end(&a);
}

static void the_other_takes_over_from_one_that_is_killed(void **state)
{
	struct sched a, b;

	(void)state;
	begin_both(&a, &b);
	pods(&a, 0, 5);
	all_bound(&a, 0, 5);
	assert_int_equal(sched_stop(&a, SIGKILL), 128 + SIGKILL);
	pods(&a, 5, 10);
	test_deadline("leads after the leader was killed, a lease of 4 s", until_leading_ms(&b), DURATION_MS + 2.2 * RETRY_MS, "ms");
	all_bound(&a, 5, 10);
	assert_int_equal(sched_log_count(&b, "\"pod bound\"", 5), 5);
	assert_true(master_status(&b) > 0.5);
	assert_true(sched_metric(&b, "latency_sched_lease_transitions") > 0.5);
	sched_finish(&b);
	sched_end(&a);
}

static void a_clean_stop_hands_over_at_once(void **state)
{
	struct sched a, b, *leader = &a, *standby = &b, *other;
	auto_free char *nobody = NULL;
	int i;

	(void)state;
	begin(&a, &b);
	start_leader(&a);
	for (i = 0; i < 4; i++) {
		start_standby(standby);
		pods(&a, i, i + 1);
		kill(leader->pid, SIGTERM);
		test_deadline("leads after a clean stop", until_leading_ms(standby), RETRY_MS, "ms");
		assert_int_equal(exit_code(leader), 0);
		pods(&a, 100 + i, 101 + i);
		all_bound(&a, i, i + 1);
		all_bound(&a, 100 + i, 101 + i);
		other = leader, leader = standby, standby = other;
	}
	assert_int_equal(sched_stop(leader, SIGTERM), 0);
	nobody = holder_now(&a);
	assert_string_equal(nobody, "");
	assert_int_equal(sched_bindings(&a, NULL), 8);
	sched_end(&b);
	sched_end(&a);
}

static void one_that_was_stopped_binds_nothing_more(void **state)
{
	struct sched a, b;
	int before;

	(void)state;
	begin_both(&a, &b);
	pods(&a, 0, 20);
	all_bound(&a, 0, 20);
	assert_int_equal(sched_log_count(&a, "\"pod bound\"", 20), 20);
	kill(a.pid, SIGSTOP);
	pods(&a, 20, 40);
	assert_int_equal(sched_log_count(&b, "\"msg\":\"leading\"", 1), 1);
	all_bound(&a, 20, 40);
	assert_int_equal(sched_log_count(&b, "\"pod bound\"", 20), 20);
	standin_faults(&a.api, BINDING_RULE("\"action\":\"delay\",\"delay_ms\":300")); /* b is slow now */
	pods(&a, 40, 60);
	before = sched_log_count(&a, "\"pod bound\"", 0);
	kill(a.pid, SIGCONT);
	assert_int_equal(exit_code(&a), 75);
	assert_int_equal(sched_log_count(&a, "\"pod bound\"", 0), before);
	assert_int_equal(sched_log_count(&a, "\"msg\":\"lease lost\"", 1), 1);
	assert_string_equal(sched_log_field(&a, "\"lease lost\"", "level"), "error");
	all_bound(&a, 40, 60);
	assert_int_equal(sched_log_count(&b, "\"pod bound\"", 40), 40);
	assert_int_equal(sched_bindings(&a, NULL), 60);
	sched_finish(&b);
	sched_end(&a);
}

static void without_permission_it_says_why_once_and_tries_on(void **state)
{
	struct sched a, b;

	(void)state;
	begin(&a, &b);
	standin_faults(&a.api, LEASE_RULE("\"action\":\"status\",\"status\":403"));
	sched_start(&a, quick);
	pods(&a, 0, 1);
	assert_int_equal(sched_log_count(&a, "the lease cannot be read", 1), 1);
	assert_non_null(strstr(sched_log_field(&a, "the lease cannot be read", "error"), "403 Forbidden"));
	assert_non_null(strstr(sched_log_field(&a, "the lease cannot be read", "lease"), LEASE));
	until(&a, "latency_sched_lease_failures_total", 3);
	assert_int_equal(sched_log_count(&a, "the lease cannot be read", 0), 1);
	assert_int_equal(sched_log_count(&a, "the lease is not watched", 0), 1);
	assert_string_equal(sched_node_now(&a, "pod-0"), "");
	assert_int_equal(sched_http(&a, "/readyz"), 200);
	standin_faults(&a.api, "{\"rules\":[]}");
	all_bound(&a, 0, 1);
	assert_int_equal(sched_stop(&a, SIGTERM), 0);
	sched_end(&b);
	sched_end(&a);
}

static void an_outage_of_the_lease_ends_a_leader_when_it_lasts(void **state)
{
	struct sched a, b;
	int64_t begun;

	(void)state;
	begin(&a, &b);
	start_leader(&a);
	standin_faults(&a.api, LEASE_RULE("\"verb\":\"update\",\"action\":\"drop\",\"count\":3"));	/* not those of the watch */
	until(&a, "latency_sched_lease_failures_total", 0.5);
	pods(&a, 0, 5);
	all_bound(&a, 0, 5);
	until(&a, "latency_sched_lease_renewal_age_seconds", -0.4);
	assert_true(master_status(&a) > 0.5);
	standin_faults(&a.api, LEASE_RULE("\"action\":\"status\",\"status\":500"));
	begun = clock_mono_ms();
	assert_int_equal(exit_code(&a), 75);
	test_deadline("end without a renewal, a deadline of 3 s", (double)(clock_mono_ms() - begun), DEADLINE_MS, "ms");
	assert_int_equal(sched_log_count(&a, "\"lease lost\"", 1), 1);
	assert_non_null(strstr(sched_log_field(&a, "\"lease lost\"", "error"), "500"));
	sched_end(&b);
	sched_end(&a);
}

static void answers_that_are_lost_after_the_write_do_no_harm(void **state)
{
	struct sched a, b;

	(void)state;
	begin(&a, &b);
	standin_faults(&a.api, LEASE_RULE("\"verb\":\"update\",\"action\":\"drop\",\"when\":\"after\",\"count\":3,\"probability\":0.5},"
				      "{\"verb\":\"create\",\"path\":\"*/leases\",\"action\":\"drop\",\"when\":\"after\",\"count\":1"));
	sched_start(&a, quick);
	assert_int_equal(sched_log_count(&a, "\"msg\":\"leading\"", 1), 1);
	start_standby(&b);
	until(&a, "latency_sched_api_requests_total{method=\"PUT\",code=\"2xx\"}", 8);
	assert_true(master_status(&a) > 0.5);
	assert_int_equal(sched_log_count(&b, "\"msg\":\"leading\"", 0), 0);
	assert_int_equal(sched_stop(&b, SIGTERM), 0);
	assert_int_equal(sched_stop(&a, SIGTERM), 0);
	sched_end(&b);
	sched_end(&a);
}

static void another_holder_ends_it(void **state)
{
	struct sched a, b;
	auto_json cJSON *lease = NULL;
	auto_free char *body = NULL;

	(void)state;
	begin(&a, &b);
	start_leader(&a);
	lease = standin_want(&a.api, 200, "GET", LEASE, NULL);
	cJSON_ReplaceItemInObjectCaseSensitive(cJSON_GetObjectItemCaseSensitive(lease, "spec"), "holderIdentity", cJSON_CreateString("thief"));
	cJSON_DeleteItemFromObjectCaseSensitive(cJSON_GetObjectItemCaseSensitive(lease, "metadata"), "resourceVersion");
	body = cJSON_PrintUnformatted(lease);
	standin_do(&a.api, 200, "PATCH", LEASE, body);
	assert_int_equal(exit_code(&a), 75);
	assert_string_equal(sched_log_field(&a, "\"lease lost\"", "holder"), "thief");
	sched_end(&b);
	sched_end(&a);
}

static void labels_of_the_lease_stay(void **state)
{
	struct sched a, b;
	auto_json cJSON *lease = NULL;

	(void)state;
	begin(&a, &b);
	start_leader(&a);
	standin_do(&a.api, 200, "PATCH", LEASE, "{\"metadata\":{\"labels\":{\"team\":\"mesh\"}}}");
	assert_int_equal(sched_stop(&a, SIGTERM), 0);
	lease = standin_want(&a.api, 200, "GET", LEASE, NULL);
	assert_string_equal(text_at(lease, "metadata.labels.team"), "mesh");
	assert_string_equal(text_at(lease, "spec.holderIdentity"), "");
	sched_end(&b);
	sched_end(&a);
}

/* The drain takes longer than the deadline, and the lease is renewed all the while. */
static void a_drain_goes_on_renewing(void **state)
{
	struct sched a, b;

	(void)state;
	begin_both(&a, &b);
	standin_faults(&a.api, BINDING_RULE("\"action\":\"delay\",\"delay_ms\":4000"));
	pods(&a, 0, 3);
	until(&a, "latency_sched_bindings_open", 2);
	assert_int_equal(sched_stop(&a, SIGTERM), 0);
	assert_int_equal(sched_log_count(&a, "\"pod bound\"", 0), 3);
	assert_int_equal(sched_log_count(&a, "lease released", 0), 1);
	assert_int_equal(sched_log_count(&a, "lease lost", 0), 0);
	assert_int_equal(sched_log_count(&b, "\"msg\":\"leading\"", 1), 1);
	assert_int_equal(sched_bindings(&a, NULL), 3);
	assert_int_equal(sched_stop(&b, SIGTERM), 0);
	assert_int_equal(sched_log_count(&b, "\"pod bound\"", 0), 0);
	sched_end(&b);
	sched_end(&a);
}

static void a_binding_of_unknown_fate_keeps_the_lease(void **state)
{
	struct sched a, b;
	auto_free char *holder = NULL;

	(void)state;
	begin_both(&a, &b);
	standin_faults(&a.api, BINDING_RULE("\"action\":\"delay\",\"delay_ms\":3000"));
	pods(&a, 0, 1);
	until(&a, "latency_sched_bindings_open", 0.5);
	kill(a.pid, SIGTERM);
	assert_int_equal(sched_log_count(&a, "\"draining\"", 1), 1);
	assert_int_equal(sched_stop(&a, SIGTERM), 0);	/* told twice: at once */
	assert_int_equal(sched_log_count(&a, "lease kept until it runs out", 0), 1);
	holder = holder_now(&a);
	assert_string_equal(sched_log_field(&a, "\"leading\"", "identity"), holder);
	assert_int_equal(sched_log_count(&b, "\"msg\":\"leading\"", 1), 1);
	all_bound(&a, 0, 1);
	assert_int_equal(sched_bindings(&a, NULL), 1);
	sched_finish(&b);
	sched_end(&a);
}

/* --- stops at any moment ------------------------------------------------------------------------------------------------- */

static bool bound_by(struct sched *s, const char *pod)
{
	auto_free char *line = xasprintf("\"msg\":\"pod bound\",\"pod\":\"%s\"", pod);

	return sched_log_count(s, line, 0) > 0;
}

/* In the order of the commits: where the successor's bindings begin, its predecessor's have ended. */
static int judge(struct sched *old, struct sched *new)
{
	auto_free char *log = standin_text(&old->api, "/standin/log");
	char *rest = log, *line, pod[64];
	int by_new = 0, late = 0;

	while ((line = strsep(&rest, "\n")) != NULL) {
		const char *at = strstr(line, "\"pod\":\"");

		if (!strstr(line, "/binding\"") || !strstr(line, "\"committed\":true") || !at || sscanf(at, "\"pod\":\"%63[^\"]", pod) != 1)
			continue;
		if (bound_by(new, pod)) {
			by_new++;
		} else if (by_new) {
			late++;
			printf("# %s was bound by the old one after the new one had begun\n", pod);
		}
	}
	return late;
}

static void stops_at_any_moment_never_make_two_binders(void **state)
{
	struct rng r = rng_make(test_seed());
	int round, taken = 0;

	(void)state;
	for (round = 0; round < 4; round++) {
		struct sched a, b;
		int i, wait_ms = 20 + (int)rng_below(&r, 600);
		bool stopped = false, resumed = false;
		int64_t begun, stop_ms = DURATION_MS - 1500 + rng_below(&r, 2500);

		begin(&a, &b);
		start_leader(&a);
		start_standby(&b);
		begun = clock_mono_ms();
		for (i = 0; i < 120 || !resumed; i++) { /* pods flow all the time */
			int64_t now = clock_mono_ms() - begun;

			if (!stopped && now > wait_ms) {
				kill(a.pid, SIGSTOP);
				stopped = true;
			}
			if (stopped && !resumed && now > wait_ms + stop_ms) {
				kill(a.pid, SIGCONT);
				resumed = true;
			}
			if (i < 200)
				pods(&a, i, i + 1);
			usleep(rng_below(&r, 40000));
		}
		all_bound(&a, 0, i < 200 ? i : 200);
		if (sched_log_count(&b, "\"msg\":\"leading\"", 0)) {
			assert_int_equal(exit_code(&a), 75);
			taken++;
		} else {
			assert_int_equal(sched_stop(&a, SIGTERM), 0);
		}
		assert_int_equal(sched_stop(&b, SIGTERM), 0);
		assert_int_equal(sched_bindings(&a, NULL), i < 200 ? i : 200);
		assert_int_equal(judge(&a, &b), 0);
		sched_end(&b);
		sched_end(&a);
	}
	printf("# 4 rounds, %d times the other one took over\n", taken);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_leads_and_the_other_writes_nothing),
		cmocka_unit_test(the_other_takes_over_from_one_that_is_killed),
		cmocka_unit_test(a_clean_stop_hands_over_at_once),
		cmocka_unit_test(one_that_was_stopped_binds_nothing_more),
		cmocka_unit_test(without_permission_it_says_why_once_and_tries_on),
		cmocka_unit_test(an_outage_of_the_lease_ends_a_leader_when_it_lasts),
		cmocka_unit_test(answers_that_are_lost_after_the_write_do_no_harm),
		cmocka_unit_test(another_holder_ends_it),
		cmocka_unit_test(labels_of_the_lease_stay),
		cmocka_unit_test(a_drain_goes_on_renewing),
		cmocka_unit_test(a_binding_of_unknown_fate_keeps_the_lease),
		cmocka_unit_test(stops_at_any_moment_never_make_two_binders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
