/* The body of /scores: what a scheduler of the old kind reads. Lower is better, and the text says so itself. */
#include <math.h>
#include <string.h>

#include "tests/testing/testing.h"

#include "lib/mem.h"
#include "probe/status.h"

static struct link items[] = {
	{.name = (char[]){"near"}, .now = {.rtt_us = 500, .sent = 3, .received = 3}},
	{.name = (char[]){"far"}, .now = {.rtt_us = 300000, .sent = 3, .received = 1}},
	{.name = (char[]){"beyond"}, .now = {.rtt_us = 900000, .sent = 3, .received = 3}},
	{.name = (char[]){"silent"}, .now = {.rtt_us = NAN, .sent = 3}},
	{.name = (char[]){"new"}, .now = {.rtt_us = NAN}},
	{.name = (char[]){"milan"}, .is_client = true, .now = {.rtt_us = 1000, .sent = 3, .received = 3}},
};

static void scores_are_lower_for_better(void **state)
{
	const struct links links = {.items = items, .count = ARRAY_SIZE(items)};
	const struct load load = {.cpu = 0.2};
	auto_buf struct buf text = {0};

	(void)state;
	status_scores("n1", &links, &load, &text);
	buf_add(&text, "", 0);
	assert_string_equal(text.data,
		"[{\"hostname\":\"n1\",\"cpuEwmaScore\":0.2,\"latencyEwmaScore\":0,\"better\":\"lower\"},\n"
		" {\"hostname\":\"near\",\"cpuEwmaScore\":null,\"latencyEwmaScore\":0.001,\"better\":\"lower\"},\n"
		" {\"hostname\":\"far\",\"cpuEwmaScore\":null,\"latencyEwmaScore\":0.6,\"better\":\"lower\"},\n"
		" {\"hostname\":\"beyond\",\"cpuEwmaScore\":null,\"latencyEwmaScore\":1,\"better\":\"lower\"},\n"
		" {\"hostname\":\"silent\",\"cpuEwmaScore\":null,\"latencyEwmaScore\":1,\"better\":\"lower\"},\n"
		" {\"hostname\":\"new\",\"cpuEwmaScore\":null,\"latencyEwmaScore\":null,\"better\":\"lower\"}]\n");
}

/* Before the second look at /proc/stat nothing is known of the processors. */
static void unknown_is_null(void **state)
{
	const struct links none = {0};
	const struct load load = {.cpu = NAN};
	auto_buf struct buf text = {0};

	(void)state;
	status_scores("n1", &none, &load, &text);
	buf_add(&text, "", 0);
	assert_string_equal(text.data, "[{\"hostname\":\"n1\",\"cpuEwmaScore\":null,\"latencyEwmaScore\":0,\"better\":\"lower\"}]\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scores_are_lower_for_better), cmocka_unit_test(unknown_is_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
