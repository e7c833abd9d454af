/* Room for a node's failure: the real latency-sched against the stand-in, beside tenants of another scheduler, with faults, and killed on the way. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/testing/shelter.h"

#define TENANT 400		/* thousandths of a CPU */

/* Three nodes, two apps near the first: 1200m and 500m would have to go if it failed. */
static void begin(struct shelter *h)
{
	shelter_begin(h, "a b c");
	shelter_pod(h, "web-0", "web", "a", 600);
	shelter_pod(h, "web-1", "web", "a", 600);
	shelter_pod(h, "db-0", "db", "a", 500);
	sched_start(&h->s, h->options);
	shelter_placed(h);
	shelter_whole(h);
}

static void end(struct shelter *h)
{
	assert_int_equal(sched_stop(&h->s, SIGTERM), 0);
	shelter_end(h);
}

static int rooms(struct shelter *h)
{
	int sum = 0, i, ignored;

	for (i = 0; i < h->s.name_count; i++)
		sum += shelter_room(h, h->s.names[i], &ignored);
	return sum;
}

static void a_node_dies_and_its_pods_come_into_their_room(void **state)
{
	struct shelter h;
	char refuge[64];
	int64_t from, until;

	(void)state;
	begin(&h);
	assert_int_equal(rooms(&h), 1700);
	snprintf(refuge, sizeof(refuge), "%s", shelter_refuge(&h, "db-0"));
	shelter_fill(&h, TENANT);
	usleep(300000);
	assert_null(shelter_flaw(&h));
	from = shelter_version(&h);
	assert_int_equal(shelter_kill(&h, "a"), 3);
	shelter_placed(&h);
	until = shelter_version(&h);
	usleep(500000);
	shelter_judge(&h, from, until, TENANT, "a");
	end(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_dies_and_its_pods_come_into_their_room),
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
