/* The CPU limit: a full node is refused while its data are fresh and another feasible node is below. */
#include "tests/testing/world.h"

#include <math.h>
#include <string.h>

#define NEAR(list) "\"latency-mesh.io/near\":\"" list "\""
#define WITHIN(list) "\"latency-mesh.io/within\":\"" list "\""

static struct world w;

static int begin(void **state)
{
	*state = &w;
	world_begin(&w, "a b c d", "milan");
	world_rtts(&w, "a-b 1000, a-c 2000, b-c 3000");
	return 0;
}

static void load(double a, double b, double c, double d)
{
	world_cpu(&w, "a", a);
	world_cpu(&w, "b", b);
	world_cpu(&w, "c", c);
	world_cpu(&w, "d", d);
}

static void a_full_node_is_refused_while_another_is_below(void **state)
{
	(void)state;
	load(0.86, 0.2, 0.85, 0.9);
	world_decide(&w, "web", "", NEAR("node/a"));
	assert_feasible(&w, "b c");
	assert_string_equal(world_reason(&w, "a"), "node(s) had no CPU headroom");
	load(0.95, 0.8, 0.95, 0.95);
	world_take(&w);
	world_again(&w, "web");
	assert_feasible(&w, "b");				/* busy is below */
}

static void when_all_are_full_none_is_refused(void **state)
{
	(void)state;
	load(0.95, 0.99, 0.9, 0.9);
	world_decide(&w, "web", "", NEAR("node/a"));
	assert_feasible(&w, "a b c d");
	assert_string_equal(world_chosen(&w), "a");
}

static void another_has_to_be_feasible_and_known(void **state)
{
	(void)state;
	load(0.95, 0.2, NAN, 0.2);
	world_decide(&w, "web", "", WITHIN("node/a<=0.5ms"));
	assert_feasible(&w, "a");				/* b and d are below, but not feasible */
	world_node(&w, "b", "", "\"unschedulable\":true");
	world_node(&w, "d", "", "\"unschedulable\":true");
	world_decide(&w, "web", "", NEAR("node/a"));
	assert_feasible(&w, "a c");				/* nobody knows whether c is below */
}

static void another_with_dead_data_is_not_known_to_be_below(void **state)
{
	(void)state;
	load(0.95, 0.2, NAN, NAN);
	world_age(&w, "b", 601);
	world_decide(&w, "web", "", NEAR("node/a"));
	assert_feasible(&w, "a b c d");
	world_age(&w, "b", 599);
	world_take(&w);
	world_again(&w, "web");
	assert_feasible(&w, "b c d");
}

static void a_full_node_with_old_data_is_not_refused(void **state)
{
	(void)state;
	load(0.95, 0.2, 0.2, 0.2);
	world_age(&w, "a", 181);
	world_decide(&w, "web", "", NEAR("node/a"));
	assert_feasible(&w, "a b c d");
}

static void strict_refuses_always(void **state)
{
	(void)state;
	w.profile.strict_cpu = true;
	load(0.95, 0.99, 0.9, NAN);
	world_age(&w, "a", 500);
	world_decide(&w, "web", "", NEAR("node/a"));
	assert_feasible(&w, "d");
	world_cpu(&w, "d", 0.9);
	world_take(&w);
	world_again(&w, "web");
	assert_refused(&w, "0/4 nodes are available: 4 node(s) had no CPU headroom.");
	assert_true(w.decision.wake & WAKE_MATRIX);
}

static void hysteresis_keeps_a_node_refused(void **state)
{
	(void)state;
	load(0.86, 0.2, 0.2, 0.2);
	world_decide(&w, "web", "", NEAR("node/a"));
	assert_feasible(&w, "b c d");
	world_cpu(&w, "a", 0.82);
	world_take(&w);
	world_again(&w, "web");
	assert_feasible(&w, "b c d");
	world_cpu(&w, "a", 0.79);
	world_take(&w);
	world_again(&w, "web");
	assert_feasible(&w, "a b c d");
}

static void the_cpu_refusal_can_be_switched_off(void **state)
{
	(void)state;
	w.profile.refuse_cpu = false;
	load(0.99, 0.2, 0.2, 0.2);
	world_decide(&w, "web", "", NEAR("node/a"));
	assert_feasible(&w, "a b c d");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, world_teardown)
	const struct CMUnitTest tests[] = {
		T(a_full_node_is_refused_while_another_is_below),
		T(when_all_are_full_none_is_refused),
		T(another_has_to_be_feasible_and_known),
		T(another_with_dead_data_is_not_known_to_be_below),
		T(a_full_node_with_old_data_is_not_refused),
		T(strict_refuses_always),
		T(hysteresis_keeps_a_node_refused),
		T(the_cpu_refusal_can_be_switched_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
