/*
 * latency-sched --mode extender beside a real kube-scheduler: every request and every answer between them is judged, pods go only where both say so, to
 * the node that the extender ranks best where nothing else ranks, and what refuses a pod stands in its condition.
 */
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "tests/e2e/beside.h"
#include "tests/e2e/contract.h"

#define PODS "/api/v1/namespaces/default/pods"
#define ALONE WISHES_NAME		/* nothing else ranks */
#define AMONG "latency-kube-among"	/* kube-scheduler's own scores do too */
#define COUNT 1000			/* 500 of each */
#define SEEN_S 120
#define NEARLY 1e-3			/* of a score 0..10: the program counts in floats */

/* --- where the pods are -------------------------------------------------------------------------------------------------- */

struct tally {
	int bound, pending, refused;	/* refused: by a limit */
	int near, matters;		/* with a best node; where not all are the best */
	struct buf faults;
};

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
	else if (a->near_count && STREQ(wishes_scheduler(a), ALONE))
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
			judge_pending(m, &wish[i], beside_pending(pod), name, t);
	}
}

static int undecided(const cJSON *pods)
{
	const cJSON *pod;
	int count = 0;

	cJSON_ArrayForEach(pod, item_at(pods, "items"))
		count += !*text_at(pod, "spec.nodeName") && !beside_pending(pod);
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

/* --- the same question again --------------------------------------------------------------------------------------------- */

#define ASKERS 8
#define AGAIN 400

struct asker {
	const struct tap_talk *talks;
	size_t count, from;
	int asked;
	char *differs;
};

/* Some of the questions of before, from another place each, while the other askers do the same. */
static void *ask_again(void *arg)
{
	struct kube_config config = {.server = (char[]){BESIDE_URL}};
	struct asker *a = arg;
	struct lm_err err;
	struct kube *k = kube_new(&config, "latency-test", &err);
	size_t i;

	for (i = 0; k && !a->differs && i < AGAIN / ASKERS; i++) {
		const struct tap_talk *talk = &a->talks[(a->from + i * 37) % a->count];
		auto_free char *path = xasprintf("/%s", talk->verb), *body = NULL;
		int status = 0;

		if (talk->spoiled)
			continue;
		if (kube_call_wait(k, &(struct kube_request){.method = "POST", .path = path, .body = talk->asked, .timeout_ms = 5000}, &status, &body, &err) < 0 ||
		    status != 200 || !STREQ(body, talk->said))
			a->differs = xasprintf("status %d\n%s\ninstead of\n%s\nfor\n%s", status, body, talk->said, talk->asked);
		a->asked++;
	}
	kube_free(k);
	return NULL;
}

static void assert_same_again(const struct tap_talk *talks, size_t count)
{
	struct asker askers[ASKERS];
	pthread_t threads[ASKERS];
	int i;

	for (i = 0; i < ASKERS; i++) {
		askers[i] = (struct asker){.talks = talks, .count = count, .from = count / ASKERS * (size_t)i};
		assert_int_equal(pthread_create(&threads[i], NULL, ask_again, &askers[i]), 0);
	}
	for (i = 0; i < ASKERS; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < ASKERS; i++) {
		if (askers[i].differs)
			fail_msg("another answer to the same question: %s", askers[i].differs);
		assert_true(askers[i].asked > 0);
	}
}

/* --- 500 pods with kube-scheduler's scores among ours, 500 with ours alone -------------------------------------------------- */

static void start_both_profiles(struct beside *b, bool cache_capable)
{
	auto_free char *extender = beside_extender(tap_url(b->tap), cache_capable, true, "");
	auto_free char *config = xasprintf("profiles:\n- schedulerName: " ALONE "\n  plugins: {score: {disabled: [{name: '*'}]}}\n"
					   "- schedulerName: " AMONG "\npodInitialBackoffSeconds: 60\npodMaxBackoffSeconds: 60\n%s", extender);

	rival_start(&b->rival, config);
}

static void judge_talks(struct contract *c, struct tap *tap, const cJSON *pods)
{
	size_t count;
	const struct tap_talk *talks = tap_talks(tap, &count);

	contract_judge(c, talks, count);
	contract_judge_placed(c, pods);
	printf("# %d answers of /filter, %d of /prioritize; %d pods had a choice\n", c->filtered, c->prioritized, c->chosen);
	if (c->fault_count)
		fail_msg("%d faults:\n%s", c->fault_count, c->faults.data);
	assert_true(c->filtered > 0 && c->prioritized > 0 && c->chosen > 0);
}

static void random_pods(bool cache_capable)
{
	struct rng rng = rng_make(test_seed() + cache_capable);
	static struct wish wish[COUNT];
	auto_json cJSON *pods = NULL;
	struct contract c = {.model_count = 1, .wish = wish, .count = COUNT, .whole = !cache_capable, .alone = ALONE};
	struct beside b = {0};
	struct tally t = {0};
	struct wishes m;
	const struct tap_talk *talks;
	size_t count;
	int i;

	e2e_begin(&b.s);
	wishes_model(&m, &rng);
	wishes_cluster(&b.s, &m);
	wishes_publish(&b.s, &m);
	sched_start(&b.s, beside_lenient);
	b.tap = tap_start(BESIDE_URL);
	start_both_profiles(&b, cache_capable);
	for (i = 0; i < COUNT; i++) {
		wishes_ask(&wish[i], &m, &rng);
		wish[i].scheduler = i % 2 ? AMONG : ALONE;
	}
	e2e_all(&b.s, "POST", COUNT, wishes_pod, wish);
	pods = until_decided(&b.s);
	rival_stop(&b.rival);
	judge(&m, wish, pods, &t);
	printf("# %d pods bound, %d wait (%d by a limit); %d with ours alone, for %d of them it matters\n", t.bound, t.pending, t.refused, t.near, t.matters);
	c.models = &m;
	judge_talks(&c, b.tap, pods);
	if (t.faults.len)
		fail_msg("\n%s", t.faults.data);
	assert_int_equal(t.bound + t.pending, COUNT);
	assert_true(t.refused > 0 && t.matters > 0);
	talks = tap_talks(b.tap, &count);
	assert_same_again(talks, count);
	assert_true(sched_metric(&b.s, "latency_sched_extender_requests_total{verb=\"filter\",result=\"late\"}") < 0.5);
	assert_true(sched_metric(&b.s, "latency_sched_extender_requests_total{verb=\"filter\",result=\"declined\"}") < 0.5);
	contract_free(&c);
	buf_free(&t.faults);
	beside_end(&b);
}

static void e6_e7_pods_go_where_both_say_by_names(void **state)
{
	(void)state;
	random_pods(true);
}

static void e6_e7_pods_go_where_both_say_by_objects(void **state)
{
	(void)state;
	random_pods(false);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(e6_e7_pods_go_where_both_say_by_names),
		cmocka_unit_test(e6_e7_pods_go_where_both_say_by_objects),
	};

	return cmocka_run_group_tests_name("extender", tests, NULL, NULL);
}
