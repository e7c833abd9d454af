/*
 * Pods that wait for each other: pod 0 is limited to the node edge-1, each other one to the one before it. In whatever order they come, and
 * whichever of them goes in between, each that waits says for what, in its condition; each is bound as soon as what it waits for is, by that
 * event and not by a back-off or a period; and within its limit. Pods that wait in a circle say so.
 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/e2e/e2e.h"

#define PODS "/api/v1/namespaces/default/pods"
#define NODES 5
#define MOST 5				/* pods of a chain */
#define SEEN_MS 20000
#define RANDOM_CHAINS 6			/* CHAINS_ROUNDS in the environment: another number */

static const char *const nodes[NODES] = {"edge-1", "edge-2", "edge-3", "edge-4", "edge-5"};
static struct sched s;
static int made;			/* chains: each has names of its own */
static double slowest_s;		/* from a pod to the binding of the last that waited for it */

/* --- the cluster ----------------------------------------------------------------------------------------------------------- */

static double rtt_ms[NODES][NODES];
static int generation;

static void measure(struct rng *r)
{
	auto_buf struct buf text = {0};
	int i, j;

	for (i = 0; i < NODES; i++)
		for (j = 0; j <= i; j++)
			rtt_ms[i][j] = rtt_ms[j][i] = i == j ? 0 : 0.5 + 0.5 * (double)rng_below(r, 40);
	for (i = 0; i < NODES; i++)
		for (j = 0; j < NODES; j++)
			buf_printf(&text, "%g ", rtt_ms[i][j]);
	sched_matrix(&s, ++generation, text.data);
}

static int begin(void **state)
{
	struct rng r = rng_make(test_seed());
	int i;

	(void)state;
	e2e_begin(&s);
	for (i = 0; i < NODES; i++) {
		standin_node(&s.api, nodes[i], "32", "64Gi", "");
		snprintf(s.names[s.name_count++], sizeof(s.names[0]), "%s", nodes[i]);
	}
	measure(&r);
	sched_start(&s, NULL);
	return 0;
}

static int end(void **state)
{
	(void)state;
	assert_int_equal(sched_stop(&s, SIGTERM), 0);
	e2e_end(&s);
	return 0;
}

/* --- a chain ----------------------------------------------------------------------------------------------------------------- */

struct chain {
	int id, length;
	double limit_ms[MOST];
	bool there[MOST], bound[MOST];	/* bound: as it must be by now, and was found to be */
	int node[MOST];			/* where, of those that are bound */
};

static struct chain chain_of(struct rng *r, int length)
{
	struct chain c = {.id = made++, .length = length};
	int i;

	for (i = 0; i < length; i++)
		c.limit_ms[i] = 0.5 * (double)rng_below(r, 30);
	return c;
}

static void create(struct chain *c, int i)
{
	auto_free char *target = i ? xasprintf("app=c%d-%d", c->id, i - 1) : xstrdup("node/edge-1");
	auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"c%d-%d\",\"labels\":{\"app\":\"c%d-%d\"},\"annotations\":{\"latency-mesh.io/within\":\"%s<=%gms\"}},"
					 "\"spec\":{\"schedulerName\":\"my-latency-scheduler\",\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"requests\":"
					 "{\"cpu\":\"10m\"}}}]}}", c->id, i, c->id, i, target, c->limit_ms[i]);

	standin_do(&s.api, 201, "POST", PODS, body);
	c->there[i] = true;
}

static void drop(struct chain *c, int i)
{
	auto_free char *path = xasprintf(PODS "/c%d-%d?gracePeriodSeconds=0", c->id, i);

	standin_do(&s.api, 200, "DELETE", path, NULL);
	c->there[i] = c->bound[i] = false;
}

/* --- what must be ------------------------------------------------------------------------------------------------------------ */

static const char *condition_of(const cJSON *pod)
{
	const cJSON *condition;

	cJSON_ArrayForEach(condition, item_at(pod, "status.conditions"))
		if (STREQ(text_at(condition, "type"), "PodScheduled") && STREQ(text_at(condition, "reason"), "Unschedulable"))
			return text_at(condition, "message");
	return "";
}

static int node_of(const cJSON *pod)
{
	int i;

	for (i = 0; i < NODES; i++)
		if (STREQ(text_at(pod, "spec.nodeName"), nodes[i]))
			return i;
	return -1;
}

struct hope {
	char name[32], text[128];	/* text "": it is bound, to `node` */
	int node;
	cJSON *pod;			/* as it was last seen */
};

static bool come_true(void *arg)
{
	struct hope *h = arg;

	cJSON_Delete(h->pod);
	h->pod = sched_get(&s, h->name);
	h->node = node_of(h->pod);
	return *h->text ? h->node < 0 && strstr(condition_of(h->pod), h->text) : h->node >= 0;
}

static void await(struct hope *h)
{
	if (!test_wait(come_true, h, SEEN_MS))
		fail_msg("%s: expected %s, is on \"%s\" and says: %s", h->name, *h->text ? h->text : "a node", text_at(h->pod, "spec.nodeName"), condition_of(h->pod));
	cJSON_Delete(h->pod);
	h->pod = NULL;
}

static bool has_what_it_wants(const struct chain *c, int i)
{
	return i == 0 || (c->there[i - 1] && c->bound[i - 1]);
}

static void settle_one(struct chain *c, int i)
{
	struct hope h = {.node = -1};

	snprintf(h.name, sizeof(h.name), "c%d-%d", c->id, i);
	if (!has_what_it_wants(c, i)) {
		snprintf(h.text, sizeof(h.text), ": no pod matches app=c%d-%d in namespace default (latency-mesh.io/missing: deny)", c->id, i - 1);
		await(&h);
		return;
	}
	await(&h);
	c->bound[i] = true;
	c->node[i] = h.node;
	if (rtt_ms[h.node][i ? c->node[i - 1] : 0] > c->limit_ms[i])
		fail_msg("%s is on %s, %g ms from what it needs, and asked for %g ms", h.name, nodes[h.node], rtt_ms[h.node][i ? c->node[i - 1] : 0], c->limit_ms[i]);
}

/* All that can be bound are, within their limits; then all others say what they wait for. `since_ms`: when the last of them came. */
static void settle(struct chain *c, int64_t since_ms)
{
	bool news = false;
	double took_s;
	int i;

	for (i = 0; i < c->length; i++) {
		if (!c->there[i] || c->bound[i] || !has_what_it_wants(c, i))
			continue;
		settle_one(c, i);
		news = true;
	}
	took_s = (double)(clock_mono_ms() - since_ms) / 1e3;
	slowest_s = news && took_s > slowest_s ? took_s : slowest_s;
	for (i = 0; i < c->length; i++)
		if (c->there[i] && !c->bound[i])
			settle_one(c, i);
}

static void all_are_bound(const struct chain *c)
{
	int i;

	for (i = 0; i < c->length; i++)
		assert_true(c->there[i] && c->bound[i]);
}

/* --- orders ------------------------------------------------------------------------------------------------------------------- */

static void three_in_each_order(void **state)
{
	static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	struct rng r = rng_make(test_seed() + 1);
	struct chain c;
	int i, k;

	(void)state;
	slowest_s = 0;
	for (i = 0; i < 6; i++) {
		c = chain_of(&r, 3);
		for (k = 0; k < 3; k++) {
			create(&c, orders[i][k]);
			settle(&c, clock_mono_ms());
		}
		all_are_bound(&c);
	}
	test_deadline("from a pod to the last binding of those that waited for it", slowest_s, 1, "s");
}

/* In the order that makes all of them wait longest, and be looked at most often meanwhile: one that goes by wakes them all, and back-offs grow. */
static void five_from_the_end_after_many_looks(void **state)
{
	struct rng r = rng_make(test_seed() + 2);
	struct chain c = chain_of(&r, 5);
	int i;

	(void)state;
	slowest_s = 0;
	for (i = 4; i > 0; i--)
		create(&c, i);
	settle(&c, clock_mono_ms());
	for (i = 0; i < 12; i++) {
		struct chain other = chain_of(&r, 1);

		create(&other, 0);
		settle(&other, clock_mono_ms());
		drop(&other, 0);
		usleep(250000);
	}
	slowest_s = 0;
	create(&c, 0);
	settle(&c, clock_mono_ms());
	all_are_bound(&c);
	test_deadline("the same for a chain of 5 whose back-offs had grown", slowest_s, 1, "s");
}

static void shuffle(struct rng *r, int *order, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		int at = (int)rng_below(r, (uint32_t)i + 1);

		order[i] = order[at];
		order[at] = i;
	}
}

/* Several may come at once; one that is there may go, bound or not, and comes again later. */
static void random_chain(struct rng *r)
{
	struct chain c = chain_of(r, 4 + (int)rng_below(r, 2));
	int order[MOST], k, gone = -1;

	measure(r);
	shuffle(r, order, c.length);
	for (k = 0; k < c.length; k++) {
		create(&c, order[k]);
		if (k == c.length - 1 || rng_chance(r, 0.7))
			settle(&c, clock_mono_ms());
		if (gone < 0 && rng_chance(r, 0.4)) {
			settle(&c, clock_mono_ms());
			gone = order[rng_below(r, (uint32_t)k + 1)];
			drop(&c, gone);
		}
	}
	if (gone >= 0) {
		settle(&c, clock_mono_ms());
		create(&c, gone);
		settle(&c, clock_mono_ms());
	}
	all_are_bound(&c);
}

static void longer_ones_in_random_orders(void **state)
{
	const char *rounds = getenv("CHAINS_ROUNDS");
	struct rng r = rng_make(test_seed() + 3);
	int i, count = rounds ? atoi(rounds) : RANDOM_CHAINS;

	(void)state;
	slowest_s = 0;
	for (i = 0; i < count; i++)
		random_chain(&r);
	test_deadline("the same over random chains of 4 and 5", slowest_s, 1, "s");
}

/* What was limited to a pod that is gone waits for it again, and who came for it while it was away too. */
static void one_in_the_middle_goes_and_comes_again(void **state)
{
	struct rng r = rng_make(test_seed() + 4);
	struct chain c = chain_of(&r, 4);
	int i;

	(void)state;
	for (i = 0; i < 2; i++)
		create(&c, i);
	settle(&c, clock_mono_ms());
	drop(&c, 1);
	create(&c, 3);
	create(&c, 2);
	settle(&c, clock_mono_ms());		/* 2 waits for 1 and 3 for 2 */
	drop(&c, 0);
	create(&c, 1);
	settle(&c, clock_mono_ms());		/* 1 waits for 0 */
	create(&c, 0);
	settle(&c, clock_mono_ms());
	all_are_bound(&c);
}

/* --- circles ------------------------------------------------------------------------------------------------------------------ */

static void in_circle(const char *name, const char *target)
{
	auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"%s\",\"labels\":{\"app\":\"%s\"},\"annotations\":{\"latency-mesh.io/within\":\"app=%s<=5ms\"}},"
					 "\"spec\":{\"schedulerName\":\"my-latency-scheduler\",\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}", name, name, target);

	standin_do(&s.api, 201, "POST", PODS, body);
}

static void says(const char *name, const char *text)
{
	struct hope h = {.node = -1};

	snprintf(h.name, sizeof(h.name), "%s", name);
	snprintf(h.text, sizeof(h.text), "%s", text);
	await(&h);
}

static void a_circle_is_told_and_may_be_broken(void **state)
{
	struct rng r = rng_make(test_seed() + 5);
	struct chain other = chain_of(&r, 1);
	struct hope x = {.name = "x"}, y = {.name = "y"};

	(void)state;
	in_circle("x", "y");
	says("x", "no pod matches app=y");
	in_circle("y", "z");
	says("y", "no pod matches app=z");
	in_circle("z", "x");
	says("z", "in a cycle: this pod -> default/x -> default/y -> this pod");	/* who closes it */
	create(&other, 0);
	settle(&other, clock_mono_ms());					/* and the others when they are looked at */
	says("x", "in a cycle: this pod -> default/y -> default/z -> this pod");
	says("y", "in a cycle: this pod -> default/z -> default/x -> this pod");
	standin_do(&s.api, 200, "DELETE", PODS "/z?gracePeriodSeconds=0", NULL);
	standin_do(&s.api, 201, "POST", PODS, "{\"metadata\":{\"name\":\"z-free\",\"labels\":{\"app\":\"z\"}},\"spec\":{\"schedulerName\":\"my-latency-scheduler\","
		   "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}");
	await(&y);
	await(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_in_each_order), cmocka_unit_test(five_from_the_end_after_many_looks), cmocka_unit_test(longer_ones_in_random_orders),
		cmocka_unit_test(one_in_the_middle_goes_and_comes_again), cmocka_unit_test(a_circle_is_told_and_may_be_broken),
	};

	return cmocka_run_group_tests_name("chains", tests, begin, end);
}
