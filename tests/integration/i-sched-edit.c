/* The latency file of the scheduler's own machine: a change is in use at the very next decision. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/testing/sched.h"

#define NEAR_T "\"latency-mesh.io/near\":\"node/t\""
#define ROUNDS 50

/* Three nodes and a cordoned target: either a or b is the nearest. */
static void begin(struct sched *s)
{
	sched_begin(s, NULL);
	sched_nodes(s, "a b t");
	standin_do(&s->api, 200, "PATCH", "/api/v1/nodes/t", "{\"spec\":{\"unschedulable\":true}}");
}

#define A_NEAR "0 50 2  50 0 40  2 40 0"
#define B_NEAR "0 50 40  50 0 2  40 2 0"

static void write_in_place(const struct sched *s, const char *text)
{
	test_write(s->file, text);
}

static void write_by_rename(const struct sched *s, const char *text)
{
	auto_free char *beside = xasprintf("%s/.edit", s->folder);

	test_write(beside, text);
	assert_int_equal(rename(beside, s->file), 0);
}

static double waits_expired(struct sched *s)
{
	return sched_metric(s, "latency_sched_reload_waits_expired_total");
}

/*
 * Write, make the pod, look where it went: ROUNDS times, the best node alternating. On a machine that is too busy to read the file within the 100 ms that a
 * decision waits for it (INTAKE_SETTLE_MS), the old one is used, and that is counted: so it may go a few times, and no other way.
 */
static void follow_the_file(struct sched *s, void (*write_file)(const struct sched *s, const char *text), bool new_generation)
{
	double expired = waits_expired(s);
	int i, late = 0;

	for (i = 0; i < ROUNDS; i++) {
		const char *best = i % 2 ? "a" : "b";
		auto_free char *text = sched_matrix_text(s, "e1", new_generation ? 2 + i : 1, i % 2 ? A_NEAR : B_NEAR);
		char name[32];

		snprintf(name, sizeof(name), "pod-%d", i);
		write_file(s, text);
		sched_pod(s, name, NEAR_T);
		if (STREQ(sched_where(s, name), best))
			continue;
		if (!(waits_expired(s) > expired) || ++late > ROUNDS / 10)
			fail_msg("round %d: on %s, not on %s", i, s->where, best);
		expired = waits_expired(s);
		printf("# round %d: the machine was too slow for the 100 ms that a decision waits\n", i);
	}
}

static void every_edit_in_place_is_used_by_the_very_next_binding(void **state)
{
	struct sched s;

	(void)state;
	begin(&s);
	sched_matrix(&s, 1, A_NEAR);
	sched_start(&s, NULL);
	follow_the_file(&s, write_in_place, false);
	assert_int_equal(sched_bindings(&s, NULL), ROUNDS);
	sched_finish(&s);
}

static void every_published_file_is_used_by_the_very_next_binding(void **state)
{
	struct sched s;

	(void)state;
	begin(&s);
	sched_matrix(&s, 1, A_NEAR);
	sched_start(&s, (const char *const[]){"--poll", "60s", NULL}); /* events alone */
	follow_the_file(&s, write_by_rename, true);
	sched_finish(&s);
}

static void an_edit_at_any_generation_is_used_under_hold(void **state)
{
	struct sched s;

	(void)state;
	begin(&s);
	sched_matrix(&s, 7, A_NEAR);
	sched_start(&s, NULL);
	sched_pod(&s, "first", NEAR_T);
	assert_string_equal(sched_where(&s, "first"), "a");

	sched_matrix(&s, 6, B_NEAR); /* S3: lower, refused */
	sched_pod(&s, "refused", NEAR_T);
	assert_string_equal(sched_where(&s, "refused"), "a");
	assert_int_equal(sched_log_count(&s, "its generation is lower", 1), 1);

	sched_hold(&s, true); /* the very same file counts now */
	sched_pod(&s, "held", NEAR_T);
	assert_string_equal(sched_where(&s, "held"), "b");
	assert_true(sched_metric(&s, "latency_sched_hold") == 1);

	sched_hold(&s, false); /* and the first one after it at any generation */
	sched_pod(&s, "still", NEAR_T);
	assert_string_equal(sched_where(&s, "still"), "b");
	sched_matrix(&s, 3, A_NEAR);
	sched_pod(&s, "after", NEAR_T);
	assert_string_equal(sched_where(&s, "after"), "a");
	assert_true(sched_metric(&s, "latency_sched_hold") == 0);

	sched_matrix(&s, 2, B_NEAR); /* only the first */
	sched_pod(&s, "second", NEAR_T);
	assert_string_equal(sched_where(&s, "second"), "a");
	sched_finish(&s);
}

static void s3_another_epoch_is_accepted_at_a_lower_generation(void **state)
{
	struct sched s;
	auto_free char *text = NULL;

	(void)state;
	begin(&s);
	sched_matrix(&s, 9, A_NEAR);
	sched_start(&s, NULL);
	text = sched_matrix_text(&s, "e2", 1, B_NEAR);
	sched_publish(&s, text);
	sched_pod(&s, "pod", NEAR_T);
	assert_string_equal(sched_where(&s, "pod"), "b");
	assert_string_equal(sched_log_field(&s, "\"matrix in use\"", "epoch"), "e2");
	sched_end(&s);
}

static void the_plain_form_is_used(void **state)
{
	struct sched s;

	(void)state;
	begin(&s);
	write_in_place(&s, "{\"a\":{\"t\":0.8},\"b\":{\"t\":20,\"a\":null}}");
	sched_start(&s, NULL);
	sched_pod(&s, "pod", NEAR_T);
	assert_string_equal(sched_where(&s, "pod"), "a");
	assert_string_equal(sched_log_field(&s, "\"pod bound\"", "rtt_ms"), "0.8");
	write_in_place(&s, "{\"a\":{\"t\":80},\"b\":{\"t\":20,\"a\":null}}");
	sched_pod(&s, "next", NEAR_T);
	assert_string_equal(sched_where(&s, "next"), "b");
	sched_end(&s);
}

/* The pod that a limit refused is placed at once when the file changes; others of the queue are not woken. */
static void a_new_matrix_wakes_what_latency_refused(void **state)
{
	struct sched s;

	(void)state;
	begin(&s);
	sched_matrix(&s, 1, A_NEAR);
	sched_start(&s, NULL);
	sched_pod(&s, "strict", "\"latency-mesh.io/within\":\"node/t<=1ms\"");
	sched_pod_of(&s, "my-latency-scheduler", "huge", "", "", ",\"nodeSelector\":{\"no\":\"where\"}");
	assert_string_equal(sched_refusal(&s, "strict"), "Unschedulable");
	assert_string_equal(sched_refusal(&s, "huge"), "Unschedulable");
	usleep(1100000); /* the back-off of the first attempt */
	sched_matrix(&s, 2, "0 50 0.5  50 0 40  0.5 40 0");
	assert_string_equal(sched_where(&s, "strict"), "a");
	assert_int_equal(sched_log_count(&s, "\"no node fits\",\"pod\":\"default/huge\"", 1), 1);
	sched_end(&s);
}

static void publish_entry(struct sched *s, int64_t generation, const char *entry)
{
	auto_free char *text = sched_matrix_text(s, "e1", generation, A_NEAR), *whole = NULL;

	*strrchr(text, '}') = '\0';
	whole = xasprintf("%s%s}\n", text, entry);
	sched_publish(s, whole);
}

/* Where traffic enters: by hand, then from a writer whose noise moves nothing, then too old, then gone. */
static void entry_is_followed_and_drops_out_with_a_warning(void **state)
{
	static const char near_entry[] = "\"latency-mesh.io/near\":\"entry\"";
	struct sched s;

	(void)state;
	begin(&s);
	publish_entry(&s, 1, ",\"entry\":{\"t\":7}");
	sched_start(&s, NULL);
	sched_pod(&s, "by-t", near_entry);
	assert_string_equal(sched_where(&s, "by-t"), "a");
	publish_entry(&s, 1, ",\"entry\":{\"b\":51,\"a\":49}");
	sched_pod(&s, "by-b", near_entry);
	assert_string_equal(sched_where(&s, "by-b"), "b");
	publish_entry(&s, 1, ",\"entry\":{\"b\":49,\"a\":51}");
	sched_pod(&s, "by-a", near_entry);
	assert_string_equal(sched_where(&s, "by-a"), "a");
	publish_entry(&s, 2, ",\"entry\":{\"b\":51,\"a\":49}");
	sched_pod(&s, "noise", near_entry);
	assert_string_equal(sched_where(&s, "noise"), "a");
	publish_entry(&s, 3, ",\"entry\":{\"b\":70,\"a\":30},\"entry_age_s\":599");
	sched_pod(&s, "moved", near_entry);
	assert_string_equal(sched_where(&s, "moved"), "b");
	assert_int_equal(sched_log_count(&s, "entry: the data of where traffic enters are too old", 1), 1);
	assert_true(sched_metric(&s, "latency_sched_entry_age_seconds") > 600);
	sched_pod(&s, "old", near_entry);
	assert_true(*sched_where(&s, "old"));
	sched_pod(&s, "limit", "\"latency-mesh.io/within\":\"entry<=1s\"");
	assert_string_equal(sched_refusal(&s, "limit"), "Unschedulable");
	usleep(1200000);
	publish_entry(&s, 4, ",\"entry\":{\"a\":1}");
	assert_true(*sched_where(&s, "limit"));
	publish_entry(&s, 5, "");
	assert_int_equal(sched_log_count(&s, "entry: the latency file says no more where traffic enters", 1), 1);
	assert_int_equal(sched_log_count(&s, "entry: the data of where traffic enters are too old", 1), 1);
	assert_int_equal(sched_log_count(&s, "entry: where traffic enters is known", 2), 2);
	sched_end(&s);
}

static void edit_to_use_is_logged_in_milliseconds(void **state)
{
	struct sched s;
	int64_t begun;
	double ms;

	(void)state;
	begin(&s);
	sched_matrix(&s, 1, A_NEAR);
	sched_start(&s, NULL);
	begun = clock_mono_ms();
	sched_matrix(&s, 2, B_NEAR);
	assert_int_equal(sched_log_count(&s, "\"generation\":2", 1), 1);
	ms = strtod(sched_log_field(&s, "\"generation\":2", "edit_to_use_ms"), NULL);
	assert_true(ms >= 0 && ms <= (double)(clock_mono_ms() - begun) + 10);
	test_deadline("edit to use on a local file", ms, 2000, "ms");
	assert_string_equal(sched_log_field(&s, "\"generation\":2", "seen_by"), "inotify");
	sched_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_edit_in_place_is_used_by_the_very_next_binding),
		cmocka_unit_test(every_published_file_is_used_by_the_very_next_binding),
		cmocka_unit_test(an_edit_at_any_generation_is_used_under_hold),
		cmocka_unit_test(s3_another_epoch_is_accepted_at_a_lower_generation),
		cmocka_unit_test(the_plain_form_is_used),
		cmocka_unit_test(a_new_matrix_wakes_what_latency_refused),
		cmocka_unit_test(entry_is_followed_and_drops_out_with_a_warning),
		cmocka_unit_test(edit_to_use_is_logged_in_milliseconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
