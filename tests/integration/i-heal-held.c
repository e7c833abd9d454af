/* Pods of a dead node whose deletion changes nothing, as of those with finalizers: the stand-in answers 200 and leaves them. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"
#include "tests/testing/ward.h"

#define PODS 3
#define DELETED "latency_sched_heal_evictions_total{result=\"deleted\"}"

/* DELETEs that the faults answered. */
static int deletions(struct ward *w)
{
	auto_free char *text = standin_text(&w->h.s.api, "/standin/stats");
	const char *found = strstr(text, "\"faults\":");

	assert_non_null(found);
	return atoi(found + strlen("\"faults\":"));
}

static bool are_deleted_again(void *w)
{
	return deletions(w) >= 2 * PODS;
}

static void they_are_counted_and_said_once_and_tried_seldom(void **state)
{
	struct ward w;
	int i, tries;

	(void)state;
	ward_begin(&w, "a b c d");
	sched_start(&w.h.s, w.h.options);
	for (i = 0; i < PODS; i++) {
		auto_free char *name = xasprintf("held-%d", i);

		ward_pod(&w, name, "a", WARD_REPLICA, "");
	}
	standin_faults(&w.h.s.api, "{\"rules\":[{\"path\":\"/api/v1/namespaces/default/pods/held-*\",\"verb\":\"delete\",\"action\":\"status\",\"status\":200}]}");
	ward_ail(&w, "a", WARD_DEAD);
	standin_do(&w.h.s.api, 200, "PATCH", "/api/v1/nodes/a", "{\"spec\":{\"taints\":[{\"key\":\"node.kubernetes.io/unreachable\",\"effect\":\"NoExecute\"}]}}");
	assert_true(test_wait(are_deleted_again, &w, 90000));
	sleep(8);			/* the next pause is 10 s, where it was 5 */
	tries = deletions(&w);
	printf("# %d deletions of %d pods\n", tries, PODS);
	assert_int_equal(tries, 2 * PODS);
	assert_int_equal((int)sched_metric(&w.h.s, DELETED), PODS);
	assert_int_equal(sched_log_count(&w.h.s, "grace period is over", PODS), PODS);
	assert_int_equal(sched_log_count(&w.h.s, "a finalizer holds it", PODS), PODS);
	assert_string_equal(ward_taint(&w, "a", "node.kubernetes.io/out-of-service"), "");
	sched_stop(&w.h.s, SIGTERM);
	ward_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(they_are_counted_and_said_once_and_tried_seldom)};

	return cmocka_run_group_tests_name("heal-held", tests, NULL, NULL);
}
