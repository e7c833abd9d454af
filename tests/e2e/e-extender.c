/*
 * latency-sched --mode extender beside a real kube-scheduler: pods go only where both say so, to the node that the extender ranks best where nothing
 * else ranks, and what refuses a pod stands in its condition. And what becomes of pods while the extender is away or hangs.
 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "tests/e2e/rival.h"
#include "tests/e2e/wishes.h"

#define PODS "/api/v1/namespaces/default/pods"
#define COUNT 250
#define SEEN_S 120
#define NEARLY 1e-3			/* of a score 0..10: the program counts in floats */

static const char *const lenient[] = {"--mode", "extender", "--extender-listen", "127.0.0.1:8080", NULL};
static const char *const strict[] = {"--mode", "extender", "--extender-listen", "127.0.0.1:8080", "--extender-late", "error", NULL};

/* As README has it, but that nothing else ranks. */
static void start_rival(struct rival *r, bool cache_capable, bool ignorable)
{
	auto_free char *config = xasprintf("profiles:\n- schedulerName: " WISHES_NAME "\n  plugins: {score: {disabled: [{name: '*'}]}}\n"
					   "extenders:\n- urlPrefix: http://127.0.0.1:8080\n  filterVerb: filter\n  prioritizeVerb: prioritize\n"
					   "  weight: 12\n  nodeCacheCapable: %s\n  httpTimeout: 2s\n  ignorable: %s\n",
					   cache_capable ? "true" : "false", ignorable ? "true" : "false");

	rival_start(r, config);
}

/* --- random pods --------------------------------------------------------------------------------------------------------- */

struct tally {
	int bound, pending, refused;	/* refused: by a limit */
	int near, matters;		/* with a best node; where not all are the best */
	struct buf faults;
};

static const char *pending_message(const cJSON *pod)
{
	const cJSON *condition;

	cJSON_ArrayForEach(condition, item_at(pod, "status.conditions"))
		if (STREQ(text_at(condition, "type"), "PodScheduled") && STREQ(text_at(condition, "status"), "False"))
			return text_at(condition, "message");
	return NULL;
}

static void judge_best(const struct wishes *m, const struct wish *a, const bool feasible[WISHES_NODES], int node, const char *name, struct tally *t)
{
	double points[WISHES_NODES], best = 0, least = 10;
	int i;

	if (!wishes_rank(m, a, feasible, points))
		return;
	t->near++;
	for (i = 0; i < WISHES_NODES; i++)
		if (feasible[i]) {
			best = fmax(best, points[i]);
			least = fmin(least, points[i]);
		}
	t->matters += lround(least) < lround(best);
	if (lround(points[node] + NEARLY) < lround(best - NEARLY))
		buf_printf(&t->faults, "%s is on n-%02d with %.3f points, the best has %.3f\n", name, node, points[node], best);
}

static void judge_bound(const struct wishes *m, const struct wish *a, int node, const char *name, struct tally *t)
{
	bool feasible[WISHES_NODES];
	const char *why;
	int item;

	t->bound++;
	wishes_feasible(m, a, feasible);
	why = wishes_refusal(m, a, node, &item);
	if (why)
		buf_printf(&t->faults, "%s is on n-%02d: %s%s\n", name, node, why, a->within[item].called);
	else if (!feasible[node])
		buf_printf(&t->faults, "%s is on n-%02d, which it does not fit\n", name, node);
	else if (a->near_count)
		judge_best(m, a, feasible, node, name, t);
}

static bool same(const char *a, const char *b)
{
	return a && STREQ(a, b);
}

/* Each reason that the nodes have which kube-scheduler itself would take, with how many: the words of the condition. */
static void judge_pending(const struct wishes *m, const struct wish *a, const char *message, const char *name, struct tally *t)
{
	bool feasible[WISHES_NODES], asked = false;
	int i, k, item, other, count;

	t->pending++;
	if (wishes_feasible(m, a, feasible) > 0)
		buf_printf(&t->faults, "%s waits, but fits somewhere: %s\n", name, message);
	for (i = 0; i < WISHES_NODES; i++) {
		const char *why = wishes_fits(m, a, i) ? wishes_refusal(m, a, i, &item) : NULL;
		auto_free char *text = NULL;

		if (!why)
			continue;
		asked = true;
		for (count = k = 0; k < WISHES_NODES; k++)
			count += wishes_fits(m, a, k) && same(wishes_refusal(m, a, k, &other), why) && other == item;
		text = xasprintf(" %d %s%s", count, why, a->within[item].called);
		if (!strstr(message, text))
			buf_printf(&t->faults, "%s: no \"%s\" in: %s\n", name, text, message);
	}
	t->refused += asked;
}

static void judge(const struct wishes *m, const struct wish *wish, const cJSON *pods, struct tally *t)
{
	const cJSON *pod;
	int i, node;

	cJSON_ArrayForEach(pod, item_at(pods, "items")) {
		const char *name = text_at(pod, "metadata.name");

		if (sscanf(name, "p-%d", &i) != 1)
			continue;
		if (sscanf(text_at(pod, "spec.nodeName"), "n-%d", &node) == 1)
			judge_bound(m, &wish[i], node, name, t);
		else
			judge_pending(m, &wish[i], pending_message(pod), name, t);
	}
}

static int undecided(const cJSON *pods)
{
	const cJSON *pod;
	int count = 0;

	cJSON_ArrayForEach(pod, item_at(pods, "items"))
		count += !*text_at(pod, "spec.nodeName") && !pending_message(pod);
	return count;
}

static cJSON *until_decided(struct sched *s)
{
	int64_t end = clock_mono_ms() + SEEN_S * 1000;
	cJSON *pods;

	while (undecided(pods = standin_want(&s->api, 200, "GET", PODS, NULL)) > 0) {
		if (clock_mono_ms() > end)
			fail_msg("%d pods have neither node nor condition after %d s", undecided(pods), SEEN_S);
		cJSON_Delete(pods);
		usleep(200000);
	}
	return pods;
}

static void random_pods(bool cache_capable)
{
	struct rng rng = rng_make(test_seed() + cache_capable);
	static struct wish wish[COUNT];
	auto_json cJSON *pods = NULL;
	struct tally t = {0};
	struct rival rival;
	struct wishes m;
	struct sched s;
	int i;

	e2e_begin(&s);
	wishes_model(&m, &rng);
	wishes_cluster(&s, &m);
	wishes_publish(&s, &m);
	sched_start(&s, lenient);
	start_rival(&rival, cache_capable, true);
	for (i = 0; i < COUNT; i++)
		wishes_ask(&wish[i], &m, &rng);
	e2e_all(&s, "POST", COUNT, wishes_pod, wish);
	pods = until_decided(&s);
	judge(&m, wish, pods, &t);
	printf("# %d pods bound, %d wait (%d by a limit); %d with near, for %d of them it matters\n", t.bound, t.pending, t.refused, t.near, t.matters);
	if (t.faults.len)
		fail_msg("\n%s", t.faults.data);
	assert_int_equal(t.bound + t.pending, COUNT);
	assert_true(t.refused > 0 && t.matters > 0);
	assert_true(sched_metric(&s, "latency_sched_extender_requests_total{verb=\"filter\",result=\"late\"}") < 0.5);
	assert_true(sched_metric(&s, "latency_sched_extender_requests_total{verb=\"filter\",result=\"declined\"}") < 0.5);
	rival_stop(&rival);
	assert_int_equal(sched_stop(&s, SIGTERM), 0);
	buf_free(&t.faults);
	e2e_end(&s);
}

static void pods_go_where_both_say_by_names(void **state)
{
	(void)state;
	random_pods(true);
}

static void pods_go_where_both_say_by_objects(void **state)
{
	(void)state;
	random_pods(false);
}

/* --- away, and hanging --------------------------------------------------------------------------------------------------- */

#define WITHIN_A "\"latency-mesh.io/within\":\"node/a<=1ms\""
#define ON_B ",\"nodeSelector\":{\"kubernetes.io/hostname\":\"b\"}"
#define TOO_FAR "node(s) exceeded the latency limit to node/a"

struct beside {
	struct sched s;
	struct rival rival;
};

static void begin(struct beside *b, bool ignorable, const char *const *options)
{
	e2e_begin(&b->s);
	sched_nodes(&b->s, "a b c");
	sched_matrix(&b->s, 1, "0 5 9  5 0 9  9 9 0");
	sched_hold(&b->s, true);
	sched_start(&b->s, options);
	start_rival(&b->rival, true, ignorable);
}

static void end(struct beside *b)
{
	rival_stop(&b->rival);
	assert_int_equal(sched_stop(&b->s, SIGTERM), 0);
	e2e_end(&b->s);
}

/* A pod that may go to b alone by kube-scheduler and to a alone by us. */
static void post_torn(struct beside *b, const char *name)
{
	sched_pod_of(&b->s, WISHES_NAME, name, WITHIN_A, "", ON_B);
}

static void post_near(struct beside *b, const char *name)
{
	sched_pod_of(&b->s, WISHES_NAME, name, WITHIN_A, "", "");
}

struct words {
	struct sched *s;
	const char *pod, *text;
};

static bool is_said(void *arg)
{
	const struct words *w = arg;
	auto_json cJSON *pod = sched_get(w->s, w->pod);
	const char *message = pending_message(pod);

	return message && strstr(message, w->text);
}

/* It waits, and says so; kube-scheduler tries again after at most 10 s. */
static void assert_waits(struct beside *b, const char *pod, const char *text)
{
	if (!test_wait(is_said, &(struct words){&b->s, pod, text}, 30000)) {
		auto_json cJSON *object = sched_get(&b->s, pod);

		fail_msg("%s is on \"%s\", it does not say \"%s\" but: %s", pod, text_at(object, "spec.nodeName"), text, pending_message(object));
	}
	assert_string_equal(sched_node_now(&b->s, pod), "");
}

static void assert_goes_to(struct beside *b, const char *pod, const char *node)
{
	int64_t start_ms = clock_mono_ms();
	const char *where;

	while (!*(where = sched_where(&b->s, pod)) && clock_mono_ms() - start_ms < 30000)
		;
	printf("# %s on \"%s\" after %.1f s\n", pod, where, (double)(clock_mono_ms() - start_ms) / 1e3);
	assert_string_equal(where, node);
}

static void ignorable_pods_go_on_without_their_limits(void **state)
{
	struct beside b;

	(void)state;
	begin(&b, true, lenient);
	post_torn(&b, "asked");
	assert_waits(&b, "asked", TOO_FAR);
	assert_int_equal(sched_stop(&b.s, SIGKILL), 128 + SIGKILL);
	post_torn(&b, "killed");
	assert_goes_to(&b, "killed", "b");
	sched_start(&b.s, lenient);
	post_torn(&b, "back");
	assert_waits(&b, "back", TOO_FAR);
	assert_int_equal(kill(b.s.pid, SIGSTOP), 0);
	post_torn(&b, "hangs");
	assert_goes_to(&b, "hangs", "b");
	assert_int_equal(kill(b.s.pid, SIGCONT), 0);
	post_torn(&b, "goes-on");
	assert_waits(&b, "goes-on", TOO_FAR);
	end(&b);
}

static void others_wait_and_keep_their_limits(void **state)
{
	struct beside b;

	(void)state;
	begin(&b, false, strict);
	assert_int_equal(sched_stop(&b.s, SIGKILL), 128 + SIGKILL);
	post_near(&b, "killed");
	post_torn(&b, "killed-torn");
	assert_waits(&b, "killed", "127.0.0.1:8080");
	assert_waits(&b, "killed-torn", "127.0.0.1:8080");
	sched_start(&b.s, strict);
	assert_goes_to(&b, "killed", "a");
	assert_waits(&b, "killed-torn", TOO_FAR);
	assert_int_equal(kill(b.s.pid, SIGSTOP), 0);
	post_near(&b, "hangs");
	assert_waits(&b, "hangs", "127.0.0.1:8080");
	assert_int_equal(kill(b.s.pid, SIGCONT), 0);
	assert_goes_to(&b, "hangs", "a");
	end(&b);
}

static void a_wrong_annotation_waits_for_its_correction(void **state)
{
	struct beside b;

	(void)state;
	begin(&b, true, lenient);
	sched_pod_of(&b.s, WISHES_NAME, "wrong", "\"latency-mesh.io/near\":\"nowhere\"", "", "");
	assert_waits(&b, "wrong", "annotation latency-mesh.io/near");
	end(&b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(pods_go_where_both_say_by_names),
		cmocka_unit_test(pods_go_where_both_say_by_objects),
		cmocka_unit_test(ignorable_pods_go_on_without_their_limits),
		cmocka_unit_test(others_wait_and_keep_their_limits),
		cmocka_unit_test(a_wrong_annotation_waits_for_its_correction),
	};

	return cmocka_run_group_tests_name("extender", tests, NULL, NULL);
}
