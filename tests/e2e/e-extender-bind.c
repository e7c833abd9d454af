/*
 * latency-sched --mode extender --extender-bind beside a real kube-scheduler with bindVerb: pods are bound by ours, once, where our ranks say, and
 * kube-scheduler tells their Scheduled event. And what it does when /bind answers an error.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "tests/e2e/audit.h"
#include "tests/e2e/beside.h"
#include "tests/e2e/grants.h"
#include "tests/e2e/relay.h"

#define COUNT 60
#define RULES "helm/rbac/scheduler.yaml"
#define OURS "system:serviceaccount:" E2E_NAMESPACE ":latency-sched"
#define THEIRS "system:kube-scheduler"

static const char *const options[] = {"--mode", "extender", "--extender-bind", "--extender-listen", "127.0.0.1:8080", NULL};

struct scene {
	struct sched s;
	struct rival rival;
	long from;			/* in the audit log */
};

static void start_rival(struct rival *r, bool ignorable)
{
	auto_free char *extender = beside_extender(BESIDE_URL, true, ignorable, "  bindVerb: bind\n");
	auto_free char *config = xasprintf("profiles:\n- schedulerName: " WISHES_NAME "\n  plugins: {score: {disabled: [{name: '*'}]}}\n%s", extender);

	rival_start(r, config);
}

static void begin(struct scene *b)
{
	e2e_begin(&b->s);
	b->from = audit_mark();
	sched_nodes(&b->s, "a b c");
	sched_matrix(&b->s, 1, "0 5 9  5 0 9  9 9 0");
	sched_hold(&b->s, true);
}

static void end(struct scene *b)
{
	rival_stop(&b->rival);
	assert_int_equal(sched_stop(&b->s, SIGTERM), 0);
	e2e_end(&b->s);
}

static void post_near(struct scene *b, const char *name, const char *node)
{
	auto_free char *near = xasprintf("\"latency-mesh.io/near\":\"node/%s\"", node);

	sched_pod_of(&b->s, WISHES_NAME, name, near, "", "");
}

/* Requests for a binding of this pod by that user: all of them, and those with this code. */
struct tally {
	int all, with_code;
};

static struct tally tally_of(const struct audit *a, const char *pod, const char *user, int code)
{
	struct tally t = {0};
	size_t i;

	for (i = 0; i < a->count; i++) {
		const struct audit_entry *e = &a->entries[i];

		if (!audit_is_binding(e) || !STREQ(e->name, pod) || !STREQ(e->user, user))
			continue;
		t.all++;
		t.with_code += e->code == code;
	}
	return t;
}

/* --- what goes well ----------------------------------------------------------------------------------------------------- */

static const char *target_of(int i)
{
	return &"a\0b\0c"[i % 3 * 2];
}

static void pods_are_bound_by_us_once_where_our_ranks_say(void **state)
{
	auto_buf struct buf faults = {0};
	struct scene b;
	struct audit a;
	int i;

	(void)state;
	begin(&b);
	sched_start(&b.s, options);
	start_rival(&b.rival, false);
	for (i = 0; i < COUNT; i++) {
		auto_free char *name = xasprintf("p-%d", i);

		post_near(&b, name, target_of(i));
	}
	e2e_until_bound(&b.s, WISHES_NAME, COUNT, 60);
	for (i = 0; i < COUNT; i++) {
		auto_free char *name = xasprintf("p-%d", i);

		if (!STREQ(sched_node_now(&b.s, name), target_of(i)))
			buf_printf(&faults, "%s is on %s, near %s\n", name, b.s.where, target_of(i));
		if (sched_events(&b.s, name, "Scheduled", 1) != 1)
			buf_printf(&faults, "%s: not one Scheduled event\n", name);
	}
	audit_read(&a, b.from);
	for (i = 0; i < COUNT; i++) {
		auto_free char *name = xasprintf("p-%d", i);
		struct tally ours = tally_of(&a, name, OURS, 201), theirs = tally_of(&a, name, THEIRS, 201);

		if (ours.all != 1 || ours.with_code != 1 || theirs.all != 0)
			buf_printf(&faults, "%s: %d bindings by us (%d done), %d by kube-scheduler\n", name, ours.all, ours.with_code, theirs.all);
	}
	audit_free(&a);
	if (faults.len)
		fail_msg("\n%s", faults.data);
	assert_true(sched_metric(&b.s, "latency_sched_extender_requests_total{verb=\"bind\",result=\"decided\"}") > COUNT - 0.5);
	assert_true(sched_metric(&b.s, "latency_sched_extender_requests_total{verb=\"bind\",result=\"late\"}") < 0.5);
	end(&b);
}

/* --- errors --------------------------------------------------------------------------------------------------------------- */

static const struct grant *the_right_to_bind(void)
{
	size_t i;

	for (i = 0; i < grant_count; i++)
		if (STREQ(grants[i].resource, "pods/binding"))
			return &grants[i];
	fail_msg("no pods/binding in " RULES);
	return NULL;
}

static void ignorable_an_error_leaves_the_pod_to_the_default_binder(void **state)
{
	struct tally ours, theirs;
	struct scene b;
	struct audit a;

	(void)state;
	begin(&b);
	grants_apply(&b.s, RULES, the_right_to_bind());
	sched_start(&b.s, options);
	start_rival(&b.rival, true);
	post_near(&b, "left", "c");
	assert_string_equal(sched_where(&b.s, "left"), "c");
	assert_int_equal(sched_events(&b.s, "left", "Scheduled", 1), 1);
	assert_true(sched_log_count(&b.s, "\"binding failed\"", 1) == 1);
	audit_read(&a, b.from);
	ours = tally_of(&a, "left", OURS, 403);
	theirs = tally_of(&a, "left", THEIRS, 201);
	audit_free(&a);
	assert_true(ours.all == 1 && ours.with_code == 1 && theirs.all == 1 && theirs.with_code == 1);
	end(&b);
}

static void others_wait_and_say_why(void **state)
{
	struct tally theirs;
	struct scene b;
	struct audit a;

	(void)state;
	begin(&b);
	grants_apply(&b.s, RULES, the_right_to_bind());
	sched_start(&b.s, options);
	start_rival(&b.rival, false);
	post_near(&b, "waits", "c");
	assert_string_equal(sched_refusal(&b.s, "waits"), "SchedulerError");
	assert_true(sched_log_count(&b.s, "\"binding failed\"", 1) >= 1);
	assert_string_equal(sched_node_now(&b.s, "waits"), "");
	grants_apply(&b.s, RULES, NULL);
	if (!*sched_where(&b.s, "waits"))
		sched_where(&b.s, "waits");	/* kube-scheduler's back-off is up to 10 s */
	assert_string_equal(sched_node_now(&b.s, "waits"), "c");
	assert_int_equal(sched_events(&b.s, "waits", "Scheduled", 1), 1);
	audit_read(&a, b.from);
	theirs = tally_of(&a, "waits", THEIRS, 201);
	audit_free(&a);
	assert_int_equal(theirs.all, 0);
	end(&b);
}

/* --- an answer that does not come ------------------------------------------------------------------------------------------ */

static void begin_behind(struct scene *b, struct relay **relay)
{
	char *direct;

	begin(b);
	*relay = relay_start(b->s.api.url);
	direct = b->s.api.url;
	b->s.api.url = xstrdup(relay_url(*relay));
	b->s.kubeconfig = e2e_account(&b->s, E2E_NAMESPACE, "latency-sched");
	free(b->s.api.url);
	b->s.api.url = direct;
}

static bool was_late(void *arg)
{
	return sched_metric(arg, "latency_sched_extender_requests_total{verb=\"bind\",result=\"late\"}") > 0.5;
}

/* The pod is bound, and we have to say that we do not know it: kube-scheduler finds it on its node and lets it be. */
static void of_unknown_outcome_it_is_bound_once(void **state)
{
	struct tally ours, theirs;
	struct relay *relay;
	struct scene b;
	struct audit a;

	(void)state;
	begin_behind(&b, &relay);
	sched_start(&b.s, options);
	start_rival(&b.rival, false);
	post_near(&b, "first", "c");	/* so that a connection stands */
	assert_string_equal(sched_where(&b.s, "first"), "c");
	assert_int_equal(sched_log_count(&b.s, "\"pod bound\"", 1), 1);
	relay_set(relay, RELAY_NO_ANSWERS);
	post_near(&b, "unknown", "b");
	assert_string_equal(sched_where(&b.s, "unknown"), "b");
	assert_true(test_wait(was_late, &b.s, 5000));
	relay_set(relay, RELAY_OPEN);
	assert_int_equal(sched_log_count(&b.s, "\"in_time\":false", 1), 1);
	post_near(&b, "next", "a");
	assert_string_equal(sched_where(&b.s, "next"), "a");
	assert_string_equal(sched_node_now(&b.s, "unknown"), "b");
	audit_read(&a, b.from);
	ours = tally_of(&a, "unknown", OURS, 201);
	theirs = tally_of(&a, "unknown", THEIRS, 201);
	audit_free(&a);
	printf("# of unknown outcome: %d Scheduled, %d FailedScheduling\n", sched_events(&b.s, "unknown", "Scheduled", 0),
	       sched_events(&b.s, "unknown", "FailedScheduling", 0));
	assert_true(ours.all == 1 && ours.with_code == 1 && theirs.all == 0);
	end(&b);
	relay_stop(relay);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(pods_are_bound_by_us_once_where_our_ranks_say),
		cmocka_unit_test(ignorable_an_error_leaves_the_pod_to_the_default_binder),
		cmocka_unit_test(others_wait_and_say_why),
		cmocka_unit_test(of_unknown_outcome_it_is_bound_once),
	};
	struct sched s;

	e2e_begin(&s);
	grants_collect(&s, RULES);
	e2e_end(&s);
	return cmocka_run_group_tests_name("extender-bind", tests, NULL, NULL);
}
