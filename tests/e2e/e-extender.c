/*
 * latency-sched --mode extender beside a real kube-scheduler: every request and every answer between them is judged, pods go only where both say so, to
 * the node that the extender ranks best where nothing else ranks, and what refuses a pod stands in its condition. First with --extender-alone, where that
 * is one node, then without.
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
#define WITHOUT_NODE "?fieldSelector=spec.nodeName%3D"
#define COUNT 2200			/* 550 by each of the profiles */
#define SOME 200			/* of them, without --extender-alone; as many while the matrix changes */
#define TIE 0.1				/* of a score 0..10: nodes that are equal to standalone mode */
#define SEEN_S 120
#define NEARLY 1e-3			/* of a score 0..10: the program counts in floats */

/* Two kube-schedulers; one sends names, the other objects. Each has a profile in which nothing else ranks, and one with all its own scores. */
static const char *const profiles[2][2] = {{"names-alone", "names-among"}, {"objects-alone", "objects-among"}};

static bool is_alone(const struct wish *a)
{
	return STREQ(a->scheduler, profiles[0][0]) || STREQ(a->scheduler, profiles[1][0]);
}

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
	if (points[node] < best - TIE - NEARLY)
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
	else if (a->near_count && is_alone(a))
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

	while (undecided(pods = standin_want(&s->api, 200, "GET", PODS WITHOUT_NODE, NULL)) > 0) {
		if (clock_mono_ms() > end)
			fail_msg("%d pods have neither node nor condition after %d s", undecided(pods), SEEN_S);
		cJSON_Delete(pods);
		usleep(200000);
	}
	cJSON_Delete(pods);
	return standin_want(&s->api, 200, "GET", PODS, NULL);
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

/* Of those from `from` on. */
static void assert_same_again(struct tap *tap, size_t from)
{
	size_t all;
	auto_free struct tap_talk *talks = tap_talks(tap, &all);
	size_t count = all - from;
	struct asker askers[ASKERS];
	pthread_t threads[ASKERS];
	int i;

	assert_true(all > from);
	for (i = 0; i < ASKERS; i++) {
		askers[i] = (struct asker){.talks = talks + from, .count = count, .from = count / ASKERS * (size_t)i};
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

/* --- two kube-schedulers at once ----------------------------------------------------------------------------------------- */

struct both {
	struct sched s;
	struct rival rivals[2];
	struct tap *taps[2];
	struct contract contracts[2];
	size_t judged[2];		/* talks of each tap */
	size_t plain[2];		/* of these, before the option went */
	char *config;			/* of the extender, a file */
	struct wishes m[2];		/* generations */
	struct wish wish[COUNT];
	int made;			/* pods */
};

/* Pods that wait are not tried again within the test: else each binding of another pod asks for all of them anew, which only costs time. */
static void start_rival(struct both *b, int which)
{
	auto_free char *extender = beside_extender(tap_url(b->taps[which]), which == 0, true, "");
	auto_free char *config = xasprintf("leaderElection: {leaderElect: true, resourceName: latency-%d}\nprofiles:\n- schedulerName: %s\n"
					   "  plugins: {score: {disabled: [{name: '*'}]}}\n- schedulerName: %s\npodInitialBackoffSeconds: 60\n"
					   "podMaxBackoffSeconds: 60\n%s", which, profiles[which][0], profiles[which][1], extender);

	rival_start_with(&b->rivals[which], config, "--feature-gates=SchedulerPopFromBackoffQ=false");
}

static void restart_rival(struct both *b, int which)
{
	rival_stop(&b->rivals[which]);
	start_rival(b, which);
}

/* system:kube-scheduler may use a Lease of the name kube-scheduler alone. */
static void allow_leases(struct sched *s)
{
	static const char *const objects[][2] = {
		{"roles", "{\"metadata\":{\"name\":\"latency-leases\"},\"rules\":[{\"apiGroups\":[\"coordination.k8s.io\"],\"resources\":[\"leases\"],\"verbs\":[\"*\"]}]}"},
		{"rolebindings", "{\"metadata\":{\"name\":\"latency-leases\"},\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"Role\",\"name\":\"latency-leases\"},"
				 "\"subjects\":[{\"kind\":\"User\",\"name\":\"system:kube-scheduler\"}]}"},
	};
	size_t i;
	int status;

	for (i = 0; i < ARRAY_SIZE(objects); i++) {
		auto_free char *path = xasprintf("/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/%s", objects[i][0]);

		cJSON_Delete(standin_call(&s->api, "POST", path, objects[i][1], &status));
		assert_true(status == 201 || status == 409);
	}
}

static int begin(void **state)
{
	static struct both both;
	struct both *b = *state = &both;
	struct rng rng = rng_make(test_seed());
	int i;

	e2e_begin(&b->s);
	allow_leases(&b->s);
	wishes_model(&b->m[0], &rng);
	wishes_cluster(&b->s, &b->m[0]);
	wishes_publish(&b->s, &b->m[0]);
	b->config = xasprintf("%s/extender.yaml", test_folder());
	test_write(b->config, "extender-alone: true\n");
	sched_start(&b->s, (const char *const[]){"--mode", "extender", "--extender-listen", "127.0.0.1:8080", "--config", b->config, NULL});
	for (i = 0; i < COUNT; i++) {
		wishes_ask(&b->wish[i], &b->m[0], &rng);
		b->wish[i].scheduler = profiles[i / 2 % 2][i % 2];
	}
	for (i = 0; i < 2; i++) {
		b->taps[i] = tap_start(BESIDE_URL);
		b->contracts[i] = (struct contract){.models = b->m, .model_count = 1, .wish = b->wish, .count = COUNT, .whole = i == 1, .single = true,
						    .alone = profiles[i][0], .among = profiles[i][1]};
		start_rival(b, i);
	}
	return 0;
}

static int end(void **state)
{
	struct both *b = *state;
	int i;

	for (i = 0; i < 2; i++) {
		rival_stop(&b->rivals[i]);
		tap_stop(b->taps[i]);
		contract_free(&b->contracts[i]);
	}
	free(b->config);
	e2e_end(&b->s);
	return 0;
}

/* What was said since the last time. */
static void judge_talks(struct both *b, const cJSON *pods)
{
	int i;

	for (i = 0; i < 2; i++) {
		struct contract *c = &b->contracts[i];
		size_t count;
		auto_free struct tap_talk *talks = tap_talks(b->taps[i], &count);

		contract_judge(c, talks + b->judged[i], count - b->judged[i]);
		b->judged[i] = count;
		contract_judge_placed(c, pods);
		printf("# by %s: %d answers of /filter, %d of /prioritize, ranks of %d judged; %d pods had a choice\n", c->whole ? "objects" : "names",
		       c->filtered, c->prioritized, c->ranked, c->chosen);
		if (c->fault_count)
			fail_msg("%d faults:\n%s", c->fault_count, c->faults.data);
		assert_true(c->filtered > 0 && c->ranked > 0 && c->chosen > 0);
	}
}

static void make_pod(void *arg, int i, char **path, char **body)
{
	struct both *b = arg;

	wishes_pod(b->wish, b->made + i, path, body);
}

static void make_pods(struct both *b, int count)
{
	e2e_all(&b->s, "POST", count, make_pod, b);
	b->made += count;
}

static void judge_places(struct both *b, const cJSON *pods)
{
	struct tally t = {0};

	judge(&b->m[0], b->wish, pods, &t);
	printf("# %d pods bound, %d wait (%d by a limit); %d with ours alone, for %d of them it matters\n", t.bound, t.pending, t.refused, t.near, t.matters);
	if (t.faults.len)
		fail_msg("\n%s", t.faults.data);
	assert_int_equal(t.bound + t.pending, b->made);
	assert_true(t.refused > 0 && t.matters > 0);
	buf_free(&t.faults);
}

/* Both forms, both kinds of profiles, and a kube-scheduler that is started anew while the other one goes on to ask. */
static void e6_e7_e17_pods_go_where_both_say(void **state)
{
	auto_json cJSON *pods = NULL;
	struct both *b = *state;

	make_pods(b, COUNT / 2 - SOME);
	restart_rival(b, (int)(test_seed() % 2));
	make_pods(b, COUNT - 2 * SOME - b->made);
	pods = until_decided(&b->s);
	judge_talks(b, pods);
	judge_places(b, pods);
}

/* Without the option: a reload is enough. All that could be placed is, so that nobody asks for scores meanwhile. */
static void the_scores_are_the_totals_where_others_rank(void **state)
{
	auto_json cJSON *pods = NULL;
	struct both *b = *state;
	int i;

	test_write(b->config, "extender-alone: false\n");
	kill(b->s.pid, SIGHUP);
	assert_int_equal(sched_log_count(&b->s, "configuration loaded", 1), 1);
	for (i = 0; i < 2; i++) {
		b->contracts[i].single = false;
		b->plain[i] = b->judged[i];
	}
	make_pods(b, SOME);
	pods = until_decided(&b->s);
	judge_talks(b, pods);
}

/* With --extender-alone it would not: among equals the pods on nodes count. */
static void e6_the_same_question_has_the_same_answer(void **state)
{
	struct both *b = *state;
	int i;

	for (i = 0; i < 2; i++)
		assert_same_again(b->taps[i], b->plain[i]);
}

/* Each answer is of one generation as a whole, and each of them is seen. */
static void e13_the_matrix_changes_while_they_ask(void **state)
{
	struct rng rng = rng_make(test_seed() + 1);
	auto_json cJSON *pods = NULL;
	struct both *b = *state;
	int i, seen[2] = {0};

	for (i = 0; i < 2; i++) {
		b->contracts[i].model_count = 2;
		b->contracts[i].of_model[0] = 0;
	}
	make_pods(b, SOME / 2);
	b->m[1] = b->m[0];
	wishes_move(&b->m[1], &rng);
	wishes_publish(&b->s, &b->m[1]);
	make_pods(b, SOME / 2);
	pods = until_decided(&b->s);
	judge_talks(b, pods);
	for (i = 0; i < 4; i++)
		seen[i % 2] += b->contracts[i / 2].of_model[i % 2];
	printf("# %d answers of the first generation alone, %d of the second\n", seen[0], seen[1]);
	assert_true(seen[0] > 0 && seen[1] > 0);
	assert_true(sched_metric(&b->s, "latency_sched_extender_requests_total{verb=\"filter\",result=\"late\"}") < 0.5);
	assert_true(sched_metric(&b->s, "latency_sched_extender_requests_total{verb=\"filter\",result=\"declined\"}") < 0.5);
	for (i = 0; i < 2; i++)
		rival_stop(&b->rivals[i]);
	assert_int_equal(sched_stop(&b->s, SIGTERM), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(e6_e7_e17_pods_go_where_both_say),
		cmocka_unit_test(the_scores_are_the_totals_where_others_rank),
		cmocka_unit_test(e6_the_same_question_has_the_same_answer),
		cmocka_unit_test(e13_the_matrix_changes_while_they_ask),
	};

	return cmocka_run_group_tests_name("extender", tests, begin, end);
}
