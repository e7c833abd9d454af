/* The real latency-sched on the stand-in: a burst of pods that are equally near everywhere, on nodes of which one is a little calmer. */
#include <stdio.h>

#include "lib/mem.h"
#include "tests/testing/herd.h"

static void a_burst_does_not_herd_on_the_calmest_node(void **state)
{
	struct sched s;
	int i, most;

	(void)state;
	sched_begin(&s, NULL);
	sched_nodes(&s, "n-0 n-1 n-2 n-3 n-4 n-5 n-6 n-7 n-8 n-9 n-10 n-11 n-12 n-13 n-14 n-15 n-16 n-17 n-18 n-19");
	herd_publish(&s, 0.25);
	sched_start(&s, NULL);
	for (i = 0; i < HERD_PODS; i++) {
		auto_free char *body = herd_pod(i, "my-latency-scheduler");

		standin_do(&s.api, 201, "POST", HERD_PATH, body);
	}
	most = herd_most(&s, 60000);
	printf("# standalone: at most %d of %d pods on one of %d nodes\n", most, HERD_PODS, HERD_NODES);
	assert_true(most <= HERD_MOST);
	sched_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_does_not_herd_on_the_calmest_node),
	};

	return cmocka_run_group_tests_name("herding", tests, NULL, NULL);
}
