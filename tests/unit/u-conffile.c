/* conffile.h: each content of the configuration file is told once, when it stands still, whatever way it came about. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"
#include "sched/conffile.c"
#include "tests/testing/testing.h"

static int64_t now_ms;

/* One look later. */
static bool looked(struct conffile *f)
{
	now_ms += CONFFILE_LOOK_MS;
	return conffile_changed(f, now_ms);
}

static void a_change_is_told_once_after_two_equal_looks(void **state)
{
	auto_free char *path = xasprintf("%s/sched.yaml", test_folder());
	struct conffile f;
	int i;

	(void)state;
	test_write(path, "a: 1\n");
	conffile_open(&f, path, now_ms);
	for (i = 0; i < 3; i++)
		assert_false(looked(&f));
	test_write(path, "a: 2\n");
	assert_false(conffile_changed(&f, now_ms)); /* not time to look */
	assert_false(looked(&f));
	assert_true(looked(&f));
	assert_false(looked(&f));
	test_write(path, "a: 2\n"); /* the same again: touched, or another link to it */
	assert_false(looked(&f) || looked(&f) || looked(&f));
	test_write(path, "a: 1\n"); /* back to what was */
	assert_false(looked(&f));
	assert_true(looked(&f));
	conffile_close(&f);
}

/* Truncated, then longer with each look: what lies there in between, which would be valid, is never told. */
static void a_file_that_is_being_written_is_left_alone(void **state)
{
	static const char whole[] = "weights:\n  near: {latency: 1}\nstrict: true\n";
	auto_free char *path = xasprintf("%s/sched.yaml", test_folder());
	struct conffile f;
	size_t len;

	(void)state;
	test_write(path, "strict: false\n");
	conffile_open(&f, path, now_ms);
	for (len = 0; len <= strlen(whole); len++) {
		auto_free char *part = xstrndup(whole, len);

		test_write(path, part);
		assert_false(looked(&f));
	}
	assert_true(looked(&f));
	conffile_close(&f);
}

static void that_it_is_gone_is_a_change_and_so_is_its_return(void **state)
{
	auto_free char *path = xasprintf("%s/sched.yaml", test_folder());
	struct conffile f;

	(void)state;
	test_write(path, "");
	conffile_open(&f, path, now_ms);
	assert_int_equal(unlink(path), 0);
	assert_false(looked(&f));
	assert_true(looked(&f));
	assert_false(looked(&f));
	test_write(path, ""); /* empty is not absent */
	assert_false(looked(&f));
	assert_true(looked(&f));
	conffile_close(&f);
}

static void what_a_signal_loaded_is_not_told_again(void **state)
{
	auto_free char *path = xasprintf("%s/sched.yaml", test_folder());
	struct conffile f;

	(void)state;
	test_write(path, "a: 1\n");
	conffile_open(&f, path, now_ms);
	test_write(path, "a: 2\n");
	conffile_known(&f);
	assert_false(looked(&f) || looked(&f) || looked(&f));
	conffile_close(&f);
}

static void without_a_file_nothing_changes(void **state)
{
	struct conffile f;

	(void)state;
	conffile_open(&f, NULL, now_ms);
	assert_false(looked(&f) || looked(&f));
	conffile_known(&f);
	conffile_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_is_told_once_after_two_equal_looks),
		cmocka_unit_test(a_file_that_is_being_written_is_left_alone),
		cmocka_unit_test(that_it_is_gone_is_a_change_and_so_is_its_return),
		cmocka_unit_test(what_a_signal_loaded_is_not_told_again),
		cmocka_unit_test(without_a_file_nothing_changes),
	};

	return cmocka_run_group_tests_name("conffile", tests, NULL, NULL);
}
