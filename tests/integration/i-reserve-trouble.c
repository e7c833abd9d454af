/* Room for a node's failure when things go wrong in between: plans that are made while a guard stands. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "tests/testing/shelter.h"

#define TENANT 400		/* thousandths of a CPU */
#define GUARD_MS 20000		/* until a guard is there, and until it is gone */
#define MATRIX "0 5 50  5 0 5  50 5 0"	/* from a and from c only b is near enough */

/* Apps near a and near c, whose room is on b. */
static void begin(struct shelter *h, int webs)
{
	int i;

	shelter_begin(h, "a b c");
	sched_matrix(&h->s, 1, MATRIX);
	for (i = 0; i < webs; i++) {
		auto_free char *name = xasprintf("web-%d", i);

		shelter_pod(h, name, "web", "a", 600);
	}
	shelter_pod(h, "db-0", "db", "c", 600);
	sched_start(&h->s, h->options);
	shelter_placed(h);
	shelter_whole(h);
	assert_string_equal(sched_where(&h->s, "web-0"), "a");
	assert_string_equal(shelter_refuge(h, "web-0"), "b");
	assert_string_equal(shelter_refuge(h, "db-0"), "b");
}

static void end(struct shelter *h)
{
	assert_int_equal(sched_stop(&h->s, SIGTERM), 0);
	shelter_end(h);
}

static void wait_guard(struct shelter *h)
{
	int64_t until = clock_mono_ms() + GUARD_MS;

	while (!shelter_guards(h) && clock_mono_ms() < until)
		usleep(2000);
	assert_int_equal(shelter_guards(h), 1);
}

/* Tenants want every bit; `edited`: a pod that changes again and again, so that plans are made all the while. */
static void pass_guard(struct shelter *h, const char *edited)
{
	int64_t until = clock_mono_ms() + GUARD_MS;
	int turn = 0;

	while (shelter_guards(h) && clock_mono_ms() < until) {
		auto_free char *label = xasprintf("{\"labels\":{\"turn\":\"v%d\"}}", turn++);

		shelter_fill(h, TENANT);
		if (edited)
			shelter_edit(h, edited, label);
		usleep(50000);
	}
	assert_int_equal(shelter_guards(h), 0);
}

/* --- plans beside a guard ------------------------------------------------------------------------------------------------ */

/* Two failures share a room. Who came into it has used up his part, and the other's is made anew before the guard goes. */
static void the_rooms_other_half_is_made_before_the_guard_goes(void **state)
{
	struct shelter h;
	int ignored;

	(void)state;
	begin(&h, 1);
	assert_int_equal(shelter_room(&h, "b", &ignored), 600);
	shelter_kill(&h, "a");
	wait_guard(&h);
	pass_guard(&h, NULL);
	assert_string_equal(sched_where(&h.s, "web-0-again-0"), "b");
	assert_string_equal(shelter_refuge(&h, "db-0"), "b");
	assert_int_equal(shelter_room(&h, "b", &ignored), 600);
	end(&h);
}

/* Less is wanted, so the room is made anew under a guard. The server is slow, and plans are made in between. */
static void a_plan_under_a_guard_keeps_the_room(void **state)
{
	struct shelter h;
	int ignored;

	(void)state;
	begin(&h, 2);
	assert_int_equal(shelter_room(&h, "b", &ignored), 1200);
	standin_faults(&h.s.api, "{\"rules\":[{\"path\":\"/api/v1/namespaces/" SHELTER_NAMESPACE "/pods/latency-mesh-room*\",\"verb\":\"delete\","
				 "\"action\":\"delay\",\"delay_ms\":3000}]}");
	standin_do(&h.s.api, 200, "DELETE", "/api/v1/namespaces/default/pods/web-1", "{\"gracePeriodSeconds\":0}");
	wait_guard(&h);
	pass_guard(&h, "web-0");
	assert_string_equal(shelter_refuge(&h, "web-0"), "b");
	assert_string_equal(shelter_refuge(&h, "db-0"), "b");
	assert_int_equal(shelter_room(&h, "b", &ignored), 600);
	end(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rooms_other_half_is_made_before_the_guard_goes),
		cmocka_unit_test(a_plan_under_a_guard_keeps_the_room),
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
