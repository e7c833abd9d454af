/* The end of the real latency-sched, by signals, and another start. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/testing/sched.h"

#define BINDING_RULE(more) "{\"method\":\"POST\",\"path\":\"*/binding\"," more "}"

static void s40_sigterm_finishes_what_was_begun_and_starts_nothing(void **state)
{
	struct sched s;
	int i, bound, logged;
	int64_t begun;

	(void)state;
	sched_begin_abc(&s);
	standin_faults(&s.api, "{\"rules\":[" BINDING_RULE("\"action\":\"delay\",\"delay_ms\":500") "]}");
	for (i = 0; i < 40; i++) {
		char name[32];

		snprintf(name, sizeof(name), "pod-%d", i);
		sched_pod(&s, name, "");
	}
	sched_start(&s, (const char *const[]){"--bindings", "4", NULL});
	assert_true(sched_log_count(&s, "\"pod bound\"", 4) >= 4);
	begun = clock_mono_ms();
	assert_int_equal(sched_stop(&s, SIGTERM), 0);
	test_deadline("drain", (double)(clock_mono_ms() - begun), 10000, "ms");
	bound = sched_bindings(&s, NULL);
	logged = sched_log_count(&s, "\"pod bound\"", 0);
	assert_true(bound < 40);
	assert_int_equal(bound, logged); /* every answer was waited for */
	for (i = 0; i < 40; i++) {
		char name[32];

		snprintf(name, sizeof(name), "pod-%d", i);
		assert_int_equal(sched_events(&s, name, "Scheduled", 0), *sched_node_now(&s, name) ? 1 : 0);
	}
	sched_end(&s);
}

static void s35_a_restart_after_a_kill_binds_nothing_twice(void **state)
{
	struct sched s;
	char name[32];
	int i;

	(void)state;
	sched_begin_abc(&s);
	for (i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "pod-%d", i);
		sched_pod(&s, name, "");
	}
	standin_faults(&s.api, "{\"rules\":[" BINDING_RULE("\"action\":\"delay\",\"delay_ms\":20") "]}");
	for (i = 0; i < 5; i++) {
		sched_start(&s, (const char *const[]){"--bindings", "2", NULL});
		usleep(100000);
		assert_int_equal(sched_stop(&s, SIGKILL), 128 + SIGKILL);
	}
	sched_start(&s, NULL);
	for (i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "pod-%d", i);
		assert_true(*sched_where(&s, name));
	}
	assert_int_equal(sched_bindings(&s, NULL), 60);
	sched_finish(&s);
}

static void the_reader_ends_with_the_scheduler(void **state)
{
	struct sched s;
	auto_free char *path = NULL;
	char name[64] = "";
	int64_t until = clock_mono_ms() + 5000;
	FILE *children;
	int child = 0;

	(void)state;
	sched_begin_abc(&s);
	sched_start(&s, NULL);
	path = xasprintf("/proc/%d/task/%d/children", (int)s.pid, (int)s.pid);
	children = fopen(path, "re");
	assert_non_null(children);
	assert_int_equal(fscanf(children, "%d", &child), 1);
	fclose(children);
	snprintf(name, sizeof(name), "/proc/%d", child);
	assert_int_equal(access(name, F_OK), 0);
	sched_stop(&s, SIGKILL);
	while (access(name, F_OK) == 0 && clock_mono_ms() < until) {
		auto_free char *status = xasprintf("%s/stat", name), *text = test_read(status);

		if (text && strstr(text, ") Z "))
			break; /* dead, not reaped by whoever inherited it */
		usleep(5000);
	}
	assert_true(clock_mono_ms() < until);
	sched_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s40_sigterm_finishes_what_was_begun_and_starts_nothing),
		cmocka_unit_test(s35_a_restart_after_a_kill_binds_nothing_twice),
		cmocka_unit_test(the_reader_ends_with_the_scheduler),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
