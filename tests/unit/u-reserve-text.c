/* The text of a plan: it reads back, and what is half of one does not. */
#include "tests/unit/reserve_cases.h"

static void a_plan_reads_back_and_nothing_half_does(void **state)
{
	auto_buf struct buf text = {0}, again = {0};
	struct plan back;
	struct lm_err err = {0};
	size_t len;

	(void)state;
	covered("p", "a", "", EVERYWHERE, "1", "");
	covered("q", "a", "", "\"latency-mesh.io/within\":\"node/a<=0.1ms\"", "1", "");
	world_pod_of(&w, "r", "a", "\"latency-mesh.io/reserve\":\"true\"", EVERYWHERE, OWNED,
		     "\"schedulerName\":\"ours\",\"containers\":[{\"ports\":[{\"hostPort\":80}],\"resources\":{\"requests\":{\"x.io/gpu\":\"1\"}}}]");
	world_node_of(&w, "b", "", "", "\"cpu\":\"8\",\"memory\":\"16Gi\",\"pods\":\"110\",\"x.io/gpu\":\"9223372036854775807\"");
	make();
	plan.overhead = 0.1 + 0.2;
	room_of("b")->need.scalars[0].amount = INT64_MAX;
	plan_print(&plan, &text);
	assert_int_equal(plan_parse(text.data, text.len, &back, &err), 0);
	plan_print(&back, &again);
	assert_string_equal(text.data, again.data);
	assert_true(back.overhead == plan.overhead);
	assert_int_equal(back.rooms[0].need.scalars[0].amount, INT64_MAX);
	plan_free(&back);
	for (len = 0; len + 2 < text.len; len++) {
		memset(&back, 0x55, sizeof(back));
		assert_int_equal(plan_parse(text.data, len, &back, &err), -1);
		assert_true(back.covers.items == NULL && back.rooms == NULL && back.uncovered == NULL);
	}
}

static void a_text_with_another_byte_is_refused_or_is_a_plan(void **state)
{
	auto_buf struct buf text = {0};
	struct rng r = rng_make(test_seed());
	int round;

	(void)state;
	covered("p", "a", "", EVERYWHERE, "1", "");
	covered("q", "a", "", "\"latency-mesh.io/within\":\"node/a<=0.1ms\"", "1", "");
	make();
	plan_print(&plan, &text);
	for (round = 0; round < test_rounds(5000); round++) {
		auto_buf struct buf first = {0}, second = {0};
		auto_plan struct plan back = {0}, again = {0};
		uint32_t at = rng_below(&r, (uint32_t)text.len);
		char was = text.data[at];
		struct lm_err err = {0};

		text.data[at] = "\"{}[]:,0-9ez\\ \x02\xc3"[rng_below(&r, 16)];
		if (plan_parse(text.data, text.len, &back, &err) == 0) {
			plan_print(&back, &first);
			assert_int_equal(plan_parse(first.data, first.len, &again, &err), 0);
			plan_print(&again, &second);
			assert_string_equal(first.data, second.data);
		}
		text.data[at] = was;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_plan_reads_back_and_nothing_half_does),
		CASE(a_text_with_another_byte_is_refused_or_is_a_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
