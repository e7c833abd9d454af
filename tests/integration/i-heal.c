/* A node dies, or seems to: the real latency-sched with reserve and healing against the stand-in, with kubelets, probes and a merger made of this test. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "tests/testing/ward.h"

#define BUDGETS "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
#define OUT "node.kubernetes.io/out-of-service"
#define WAIT_MS 20000

static void begin(struct ward *w)
{
	ward_begin(w, "a b c d");
	shelter_pod(&w->h, "web-0", "web", "a", 600);
	shelter_pod(&w->h, "web-1", "web", "a", 600);
	shelter_pod(&w->h, "db-0", "db", "a", 500);
}

static void start(struct ward *w)
{
	sched_start(&w->h.s, w->h.options);
	shelter_placed(&w->h);
	shelter_whole(&w->h);
}

static void end(struct ward *w)
{
	assert_int_equal(sched_stop(&w->h.s, SIGTERM), 0);
	ward_end(w);
}

static void plain_pods(struct ward *w, int count)
{
	int i;

	for (i = 0; i < count; i++) {
		auto_free char *name = xasprintf("plain-%d", i);

		ward_pod(w, name, "a", WARD_REPLICA, "");
	}
}

static double metric_of(struct ward *w, const char *name)
{
	return sched_metric(&w->h.s, name);
}

static void allow(struct ward *w, int disruptions)
{
	auto_free char *body = xasprintf("{\"status\":{\"disruptionsAllowed\":%d}}", disruptions);

	standin_do(&w->h.s.api, 200, "PATCH", BUDGETS "/guarded/status", body);
}

/* 5 plain ones, 2 that share a budget of one, and 3 that are covered; and who is not to be touched. */
static void fill(struct ward *w)
{
	plain_pods(w, 5);
	ward_pod(w, "guarded-0", "a", WARD_REPLICA, "\"app\":\"guarded\"");
	ward_pod(w, "guarded-1", "a", WARD_REPLICA, "\"app\":\"guarded\"");
	standin_do(&w->h.s.api, 201, "POST", BUDGETS,
		   "{\"metadata\":{\"name\":\"guarded\"},\"spec\":{\"minAvailable\":1,\"selector\":{\"matchLabels\":{\"app\":\"guarded\"}}}}");
	allow(w, 1);
	ward_pod(w, "bare", "a", "", "");
	ward_pod(w, "daemon", "a", WARD_DAEMON, "");
	ward_pod(w, "static", "a", WARD_STATIC, "");
}

static void expect_untouched(struct ward *w)
{
	assert_false(ward_is_ending(w, "bare"));
	assert_false(ward_is_ending(w, "daemon"));
	assert_false(ward_is_ending(w, "static"));
}

static void within_rate_and_budget_covered_first(struct ward *w)
{
	assert_int_equal(ward_evicted(w, 4, 1500), 4);
	assert_true(ward_is_ending(w, "web-0") && ward_is_ending(w, "web-1") && ward_is_ending(w, "db-0"));
	assert_float_equal(metric_of(w, "latency_sched_heal_waiting_pods"), 6, 0.1);
	assert_float_equal(metric_of(w, "latency_sched_heal_nodes{life=\"dead\"}"), 1, 0.1);
	ward_rates(w, 100, 6);
	assert_int_equal(ward_evicted(w, 6, 1000), 6);
	assert_float_equal(metric_of(w, "latency_sched_heal_budget_left"), 0, 0.1);
	assert_true(sched_log_count(&w->h.s, "as many pods were evicted as may be", 1) >= 1);
	ward_rates(w, 100, 100);
	assert_int_equal(ward_evicted(w, 9, 2000), 9);
	assert_true(metric_of(w, "latency_sched_heal_evictions_total{result=\"pdb\"}") >= 1);
	assert_true(ward_is_ending(w, "guarded-0") != ward_is_ending(w, "guarded-1"));
	allow(w, 1);
	assert_int_equal(ward_evicted(w, 10, 0), 10);
	expect_untouched(w);
}

static bool plain_is_gone(void *arg)
{
	struct ward *w = arg;

	return ward_writes(w, "DELETE", "/pods/plain-0", NULL) && ward_writes(w, "DELETE", "/pods/guarded-1", NULL) &&
	       ward_writes(w, "DELETE", "/pods/guarded-0", NULL);
}

static bool is_out(void *arg)
{
	return *ward_taint(arg, "a", OUT) != '\0';
}

static bool is_back(void *arg)
{
	return !is_out(arg);
}

/* Nobody ends what was evicted; Kubernetes has to say so, too, and a pod without a controller is in the way of the taint. */
static void out_of_service(struct ward *w)
{
	usleep(1500000);
	assert_int_equal(ward_writes(w, "DELETE", "/pods/plain-0", NULL), 0);
	standin_do(&w->h.s.api, 200, "PATCH", "/api/v1/nodes/a",
		   "{\"spec\":{\"taints\":[{\"key\":\"node.kubernetes.io/unreachable\",\"effect\":\"NoExecute\"}]}}");
	assert_true(test_wait(plain_is_gone, w, WAIT_MS));
	usleep(1500000);
	assert_string_equal(ward_taint(w, "a", OUT), "");
	expect_untouched(w);
	standin_do(&w->h.s.api, 200, "DELETE", "/api/v1/namespaces/default/pods/bare", "{\"gracePeriodSeconds\":0}");
	/* those that the scheduler placed have 30 s by default: the test takes them away */
	standin_do(&w->h.s.api, 200, "DELETE", "/api/v1/namespaces/default/pods/web-0", "{\"gracePeriodSeconds\":0}");
	standin_do(&w->h.s.api, 200, "DELETE", "/api/v1/namespaces/default/pods/web-1", "{\"gracePeriodSeconds\":0}");
	standin_do(&w->h.s.api, 200, "DELETE", "/api/v1/namespaces/default/pods/db-0", "{\"gracePeriodSeconds\":0}");
	assert_true(test_wait(is_out, w, WAIT_MS));
	assert_string_equal(ward_taint(w, "a", OUT), "NoExecute=latency-mesh");
	assert_string_equal(ward_taint(w, "a", "node.kubernetes.io/unreachable"), "NoExecute=");
}

/* Its probe does not: our taint ends one that does not tolerate it. */
static void comes_back(struct ward *w)
{
	ward_ail(w, "a", WARD_SILENT | WARD_LOST);
	assert_int_equal(sched_events(&w->h.s, "a", "NodeBack", 1), 1);
	usleep(500000);
	assert_true(is_out(w)); /* Kubernetes does not have it back yet */
	standin_do(&w->h.s.api, 200, "PATCH", "/api/v1/nodes/a",
		   "{\"spec\":{\"taints\":[{\"key\":\"x\",\"effect\":\"NoSchedule\"},{\"key\":\"" OUT "\",\"value\":\"latency-mesh\",\"effect\":\"NoExecute\"}]}}");
	assert_true(test_wait(is_back, w, WAIT_MS));
	assert_string_equal(ward_taint(w, "a", "x"), "NoSchedule=");
	assert_int_equal(ward_evictions(w), 10);
	assert_int_equal(sched_events(&w->h.s, "a", "NodeDead", 1), 1);
}

static void a_node_dies_and_comes_back(void **state)
{
	static const char *const again[] = {"web-0-again", "web-1-again", "db-0-again"};
	struct ward w;
	int64_t died_ms;
	int i;

	(void)state;
	begin(&w);
	ward_rates(&w, 4, 100);
	start(&w);
	fill(&w);
	assert_int_equal(ward_evictions(&w), 0);
	died_ms = clock_mono_ms();
	ward_ail(&w, "a", WARD_DEAD);
	ward_evicted(&w, 1, 0);
	printf("# the first pod is evicted %.1f s after a death that is known after %.1f s\n", (double)(clock_mono_ms() - died_ms) / 1e3,
	       WARD_AFTER_MS / 1e3);
	within_rate_and_budget_covered_first(&w);
	for (i = 0; i < 3; i++) {
		assert_string_not_equal(sched_where(&w.h.s, again[i]), "");
		assert_string_not_equal(sched_where(&w.h.s, again[i]), "a");
	}
	out_of_service(&w);
	comes_back(&w);
	end(&w);
}

/* --- StatefulSets ---------------------------------------------------------------------------------------------------- */

#define UNREACHABLE "{\"spec\":{\"taints\":[{\"key\":\"node.kubernetes.io/unreachable\",\"effect\":\"NoExecute\"}]}}"
#define PODS "/api/v1/namespaces/default/pods/"

static bool replica_is_gone(void *arg)
{
	return ward_writes(arg, "DELETE", "/pods/plain-0", NULL) > 0;
}

/* Events NodeDead whose note has this. */
static int noted(struct ward *w, const char *text)
{
	auto_json cJSON *list = NULL;
	const cJSON *event;
	int count = 0;

	sched_events(&w->h.s, "a", "NodeDead", 1);
	list = standin_want(&w->h.s.api, 200, "GET", "/apis/events.k8s.io/v1/namespaces/default/events", NULL);
	cJSON_ArrayForEach(event, item_at(list, "items"))
		count += STREQ(text_at(event, "reason"), "NodeDead") && strstr(text_at(event, "note"), text);
	return count;
}

/* The replica has gone the whole way; set-1, which somebody else has deleted, is past its grace period, too. */
static void set_is_untouched(struct ward *w)
{
	assert_int_equal(ward_evicted(w, 1, 0), 1);
	standin_do(&w->h.s.api, 200, "PATCH", "/api/v1/nodes/a", UNREACHABLE);
	assert_true(test_wait(replica_is_gone, w, WAIT_MS));
	usleep(2500000);
	assert_int_equal(ward_evictions(w), 1);
	assert_false(ward_is_ending(w, "set-0"));
	assert_int_equal(ward_writes(w, "DELETE", "/pods/set-1", NULL), 1);
	assert_string_equal(ward_taint(w, "a", OUT), "");
	assert_string_equal(sched_log_field(&w->h.s, "\"msg\":\"node is dead\"", "stateful_left"), "2");
	assert_int_equal(noted(w, "2 of StatefulSets left: they may still run there"), 1);
}

static void pods_of_stateful_sets_are_left_unless_it_is_allowed(void **state)
{
	struct ward w;

	(void)state;
	ward_begin(&w, "a b c d");
	sched_start(&w.h.s, w.h.options);
	ward_pod(&w, "plain-0", "a", WARD_REPLICA, "");
	ward_pod(&w, "set-0", "a", WARD_STATEFUL, "");
	ward_pod(&w, "set-1", "a", WARD_STATEFUL, "");
	standin_do(&w.h.s.api, 200, "DELETE", PODS "set-1", "{}");
	ward_ail(&w, "a", WARD_DEAD);
	set_is_untouched(&w);
	w.stateful_sets = true;
	ward_rates(&w, 1000, 10000);
	assert_true(test_wait(is_out, &w, WAIT_MS));
	assert_int_equal(ward_evictions(&w), 2);
	assert_int_equal(ward_writes(&w, "DELETE", "/pods/set-0", NULL), 1);
	assert_int_equal(ward_writes(&w, "DELETE", "/pods/set-1", NULL), 2);
	assert_int_equal(sched_events(&w.h.s, "a", "NodeDead", 1), 1);
	end(&w);
}

/* --- what seems so --------------------------------------------------------------------------------------------------- */

static void ail(struct ward *w, const char *nodes, int how)
{
	char name[2] = "";

	for (; *nodes; nodes++) {
		name[0] = *nodes;
		ward_ail(w, name, how);
	}
}

/* For long enough that a dead one would be known. */
static void expect_nothing(struct ward *w, const char *life, int nodes)
{
	auto_free char *name = xasprintf("latency_sched_heal_nodes{life=\"%s\"}", life);
	int64_t until = clock_mono_ms() + WARD_AFTER_MS + 1500;
	bool seen = false;

	while (clock_mono_ms() < until) {
		assert_false(metric_of(w, "latency_sched_heal_nodes{life=\"dead\"}") > 0.5);
		seen |= (int)metric_of(w, name) == nodes;
		usleep(50000);
	}
	assert_true(seen);
	assert_int_equal(ward_evictions(w), 0);
	ail(w, "abcd", 0);
	atomic_store(&w->witnesses, -1);
	atomic_store(&w->merger_away, false);
	usleep(800000);
}

static void nothing_is_evicted_for_what_is_no_death(void **state)
{
	struct ward w;

	(void)state;
	begin(&w);
	start(&w);
	plain_pods(&w, 3);
	ail(&w, "abc", WARD_DEAD); /* a partition: we, the API server, the volume and the probe of d on one side */
	atomic_store(&w.witnesses, 1);
	expect_nothing(&w, "unsure", 3);
	ail(&w, "a", WARD_LOST); /* drops ICMP alone */
	expect_nothing(&w, "alive", 4);
	ail(&w, "a", WARD_LOST | WARD_SILENT);
	expect_nothing(&w, "lost", 1);
	ail(&w, "a", WARD_NO_LEASE); /* its kubelet hangs */
	expect_nothing(&w, "lease_late", 1);
	ail(&w, "ab", WARD_DEAD); /* half of all */
	expect_nothing(&w, "unsure", 2);
	ail(&w, "a", WARD_DEAD);
	atomic_store(&w.merger_away, true);
	expect_nothing(&w, "unsure", 1);
	ail(&w, "a", WARD_DEAD);
	assert_int_equal(ward_evicted(&w, 6, 500), 6);
	end(&w);
}

/* --- faults ---------------------------------------------------------------------------------------------------------- */

static void every_pod_is_evicted_once_whatever_is_lost_on_the_way(void **state)
{
	static const char faults[] =
		"{\"rules\":[{\"path\":\"*/eviction\",\"action\":\"status\",\"status\":429,\"retryAfter\":\"1\",\"probability\":0.15},"
		"{\"path\":\"*/eviction\",\"action\":\"status\",\"status\":500,\"probability\":0.15},"
		"{\"path\":\"*/eviction\",\"action\":\"status\",\"status\":504,\"when\":\"after\",\"probability\":0.2},"
		"{\"path\":\"*/eviction\",\"action\":\"drop\",\"when\":\"after\",\"probability\":0.2},"
		"{\"path\":\"*/eviction\",\"action\":\"reset\",\"probability\":0.15}]}";
	struct ward w;
	int i;

	(void)state;
	begin(&w);
	start(&w);
	plain_pods(&w, 12);
	ward_pod(&w, "bare", "a", "", "");
	standin_faults(&w.h.s.api, faults);
	ward_ail(&w, "a", WARD_DEAD);
	ward_evicted(&w, 3, 0);
	sched_stop(&w.h.s, SIGKILL);
	sched_start(&w.h.s, w.h.options);
	assert_int_equal(ward_evicted(&w, 15, 1000), 15);
	for (i = 0; i < 12; i++) {
		auto_free char *name = xasprintf("plain-%d", i);
		auto_json cJSON *pod = sched_get(&w.h.s, name);

		assert_int_equal(ward_writes(&w, "POST", "/eviction", text_at(pod, "metadata.uid")), 1);
	}
	assert_false(ward_is_ending(&w, "bare"));
	standin_faults(&w.h.s.api, "{\"rules\":[]}");
	end(&w);
}

/* --- the next leader ------------------------------------------------------------------------------------------------- */

#define RECORD "/api/v1/namespaces/kube-system/configmaps/my-latency-scheduler-evictions"

static bool all_wait(void *arg)
{
	return metric_of(arg, "latency_sched_heal_waiting_pods") > 5.5;
}

static void crash(struct ward *w)
{
	sched_stop(&w->h.s, SIGKILL);
	sched_start(&w->h.s, w->h.options);
	assert_true(test_wait(all_wait, w, WAIT_MS));
}

static void the_two_numbers_outlive_the_leader(void **state)
{
	struct ward w;

	(void)state;
	ward_begin(&w, "a b c d");
	ward_rates(&w, 3, 100);
	sched_start(&w.h.s, w.h.options);
	plain_pods(&w, 9);
	ward_ail(&w, "a", WARD_DEAD);
	assert_int_equal(ward_evicted(&w, 3, 300), 3);
	crash(&w);
	assert_int_equal(ward_evicted(&w, 3, 700), 3);
	assert_float_equal(metric_of(&w, "latency_sched_heal_budget_left"), 97, 0.1);
	standin_do(&w.h.s.api, 200, "PATCH", RECORD, "{\"data\":{\"evictions\":\"some\"}}");
	crash(&w);
	assert_int_equal(ward_evicted(&w, 3, 700), 3);
	assert_true(sched_log_count(&w.h.s, "deleting it begins anew", 1) >= 1);
	standin_do(&w.h.s.api, 200, "DELETE", RECORD, "{}");
	assert_int_equal(ward_evicted(&w, 6, 300), 6);
	end(&w);
}

int main(void)
{
#define T(name) cmocka_unit_test(name)
	const struct CMUnitTest tests[] = {
		T(a_node_dies_and_comes_back), T(pods_of_stateful_sets_are_left_unless_it_is_allowed), T(nothing_is_evicted_for_what_is_no_death),
		T(every_pod_is_evicted_once_whatever_is_lost_on_the_way), T(the_two_numbers_outlive_the_leader),
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
