/* leases.c: whose names are kept from one list of Leases to the next. */
#include "sched/heal/leases.c"

#include <stdio.h>

#include "tests/testing/testing.h"

static void take(struct leases *l, int from, int to, const char *renew_time)
{
	char name[32];
	int i;

	for (i = from; i < to; i++) {
		snprintf(name, sizeof(name), "node-%d", i);
		leases_take(l, &(struct leases_event){.node = name, .renew_time = renew_time, .duration_s = 40}, clock_mono_ms());
	}
}

static void list(struct leases *l, int from, int to, const char *renew_time)
{
	begin(l);
	take(l, from, to, renew_time);
	end(l);
}

static int64_t renewals(const struct leases *l, const char *node)
{
	return leases_of(l, node, clock_mono_ms()).renewals;
}

static void names_that_a_list_does_not_have_are_dropped(void **state)
{
	struct leases *l = leases_new(NULL);

	(void)state;
	list(l, 0, 100, "a");
	take(l, 50, 100, "b");
	assert_int_equal(l->names.count, 100);
	list(l, 60, 120, "c");
	assert_int_equal(l->names.count, 60);
	assert_int_equal(renewals(l, "node-60"), 2);
	assert_int_equal(renewals(l, "node-99"), 2);
	assert_int_equal(renewals(l, "node-100"), 0);
	assert_true(leases_of(l, "node-119", clock_mono_ms()).age_s >= 0);
	assert_true(isnan(leases_of(l, "node-59", clock_mono_ms()).age_s));
	take(l, 60, 61, NULL);			/* deleted: gone at once, its name with the next list */
	assert_true(isnan(leases_of(l, "node-60", clock_mono_ms()).age_s));
	list(l, 61, 120, "c");
	assert_int_equal(l->names.count, 59);
	leases_free(l);
}

/* Each list has other nodes, as with an autoscaler: what is held is bounded by one list. */
static void nodes_that_come_and_go_leave_nothing(void **state)
{
	struct leases *l = leases_new(NULL);
	int i;

	(void)state;
	for (i = 0; i < 200; i++) {
		list(l, i * 10, i * 10 + 10, "a");
		assert_int_equal(l->names.count, 10);
	}
	assert_true(l->room < 100);
	leases_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_that_a_list_does_not_have_are_dropped),
		cmocka_unit_test(nodes_that_come_and_go_leave_nothing),
	};

	return cmocka_run_group_tests_name("leases", tests, NULL, NULL);
}
