/*
 * A burst of 200 pods on 20 nodes of nearly the same load, equally far from all: how many go to one node, by latency-sched, by a real kube-scheduler
 * with its extender, and by a kube-scheduler alone. All pods wait when the scheduler comes.
 */
#include <signal.h>
#include <stdio.h>

#include "lib/mem.h"
#include "tests/e2e/e2e.h"
#include "tests/e2e/rival.h"
#include "tests/testing/herd.h"

#define PLACED_MS 120000
#define RIVAL "latency-kube-scheduler"
#define EXTENDER "extenders:\n- urlPrefix: http://127.0.0.1:8080\n  filterVerb: filter\n  prioritizeVerb: prioritize\n" \
		 "  weight: 12\n  nodeCacheCapable: true\n  httpTimeout: 2s\n"

static const char *const among[] = {"--mode", "extender", "--extender-listen", "127.0.0.1:8080", NULL};
static const char *const alone[] = {"--mode", "extender", "--extender-listen", "127.0.0.1:8080", "--extender-alone", NULL};

static void make_pod(void *arg, int i, char **path, char **body)
{
	*path = xstrdup(HERD_PATH);
	*body = herd_pod(i, arg);
}

static void begin(struct sched *s, const char *scheduler)
{
	char name[64];

	snprintf(name, sizeof(name), "%s", scheduler);
	e2e_begin(s);
	e2e_nodes(s, "n", HERD_NODES, "4", "8Gi", "");
	herd_publish(s, 0.30);
	e2e_all(s, "POST", HERD_PODS, make_pod, name);
}

static int most_on_one(struct sched *s, const char *by)
{
	int most = herd_most(s, PLACED_MS);

	printf("# %s: at most %d of %d pods on one of %d nodes\n", by, most, HERD_PODS, HERD_NODES);
	return most;
}

static void standalone(void **state)
{
	struct sched s;

	(void)state;
	begin(&s, "my-latency-scheduler");
	sched_start(&s, NULL);
	assert_true(most_on_one(&s, "standalone") <= HERD_MOST);
	assert_int_equal(sched_stop(&s, SIGTERM), 0);
	e2e_end(&s);
}

/* `profile`: what the kube-scheduler's profile has besides. */
static void beside(const char *by, const char *const *extender, const char *profile)
{
	auto_free char *config = xasprintf("profiles:\n- schedulerName: " RIVAL "\n%s" EXTENDER, profile);
	struct rival rival;
	struct sched s;

	begin(&s, RIVAL);
	sched_start(&s, extender);
	rival_start(&rival, config);
	assert_true(most_on_one(&s, by) <= HERD_MOST);
	rival_stop(&rival);
	assert_int_equal(sched_stop(&s, SIGTERM), 0);
	e2e_end(&s);
}

static void extender_and_default_scores(void **state)
{
	(void)state;
	beside("extender and kube-scheduler's scores", among, "");
}

static void extender_alone_ranks(void **state)
{
	(void)state;
	beside("extender alone", alone, "  plugins: {score: {disabled: [{name: '*'}]}}\n");
}

/* For comparison. */
static void kube_scheduler_alone(void **state)
{
	struct rival rival;
	struct sched s;

	(void)state;
	begin(&s, "default-scheduler");
	rival_start(&rival, NULL);
	most_on_one(&s, "kube-scheduler alone");
	rival_stop(&rival);
	e2e_end(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(standalone),
		cmocka_unit_test(extender_and_default_scores),
		cmocka_unit_test(extender_alone_ranks),
		cmocka_unit_test(kube_scheduler_alone),
	};

	return cmocka_run_group_tests_name("herding", tests, NULL, NULL);
}
