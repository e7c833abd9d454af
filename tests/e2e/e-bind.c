/*
 * The first thing that a user sees: pods of ours are bound by a real API server, once, each with its Scheduled event, and those of other
 * schedulers are not touched.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "tests/e2e/audit.h"
#include "tests/e2e/e2e.h"
#include "tests/testing/fit.h"

static void pods_are_bound_near_their_target_with_one_event_each(void **state)
{
	auto_json cJSON *objects = NULL;
	auto_buf struct buf faults = {0};
	auto_free char *journal = NULL;
	struct audit audit;
	struct sched s;
	long from;

	(void)state;
	e2e_begin(&s);
	from = audit_mark();
	sched_nodes(&s, "a b c");
	sched_matrix(&s, 1, "0 5 9  5 0 9  9 9 0");
	sched_start(&s, NULL);
	sched_pod(&s, "web", "\"latency-mesh.io/near\":\"node/b\"");
	sched_pod_of(&s, "somebody-else", "foreign", "", "", "");
	assert_string_equal(sched_where(&s, "web"), "b");
	assert_int_equal(sched_events(&s, "web", "Scheduled", 1), 1);
	assert_string_equal(sched_node_now(&s, "foreign"), "");
	assert_int_equal(sched_stop(&s, SIGTERM), 0);
	audit_read(&audit, from);
	journal = audit_journal(&audit);
	objects = e2e_state(&s);
	if (fit_check(&(struct fit_input){.state = objects, .log = journal, .scheduler = "my-latency-scheduler"}, &faults))
		fail_msg("%s", faults.data);
	assert_non_null(strstr(journal, "\"node\":\"b\""));
	audit_free(&audit);
	e2e_end(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(pods_are_bound_near_their_target_with_one_event_each),
	};

	return cmocka_run_group_tests_name("bind", tests, NULL, NULL);
}
