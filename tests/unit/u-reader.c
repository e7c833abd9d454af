/* The process that owns the latency file: what changes is handed over, what is bad is named. u-reader-child.c has a process that goes wrong. */
#include <sys/mman.h>

#include "tests/unit/reader_place.h"

/* --- the usual --- */

static void the_file_is_handed_over(void **state)
{
	struct place p;

	(void)state;
	begin_reading(&p, 412, 1000);
	assert_int_equal(matrix_nodes(p.news.matrix), 2);
	assert_true(rtt_of(&p) == 412);
	assert_false(p.news.hold);
	assert_true(llabs(clock_wall_ms() - p.news.mtime_ms) < 60000);
	assert_true(reader_looked(p.reader));
	end(&p);
}

/* After each change: settle, and the news are there. No poll helps. */
static void what_changed_before_settle_is_there_after_it(void **state)
{
	struct place p;
	struct rng r = rng_make(test_seed());
	int i;

	(void)state;
	begin_reading(&p, 1, 60000);
	for (i = 2; i < 300; i++) {
		auto_free char *other = xasprintf("%s/other-%d", p.folder, i);

		if (rng_chance(&r, 0.3))
			test_write(other, "events about other files cost nothing and hide nothing");
		write_file(&p, i, rng_chance(&r, 0.5));
		if (rng_chance(&r, 0.3))
			unlink(other);
		if (!reader_settle(p.reader, PATIENCE_MS))
			fail_msg("round %d: not settled", i);
		expect_forget(&p);
		assert_true(reader_take(p.reader, &p.news));
		assert_int_equal(p.news.kind, READER_NEWS_MATRIX);
		assert_true(p.news.by_event);
		assert_true(rtt_of(&p) == i);
	}
	end(&p);
}

static void settle_costs_nothing_when_nothing_happened(void **state)
{
	struct place p;
	int64_t begun;
	int i;

	(void)state;
	begin_reading(&p, 1, 60000);
	begun = clock_mono_us();
	for (i = 0; i < 1000; i++)
		assert_true(reader_settle(p.reader, PATIENCE_MS));
	printf("# settle: %.2f us\n", (double)(clock_mono_us() - begun) / 1000);
	end(&p);
}

static void hold_is_seen_at_once(void **state)
{
	struct place p;
	int i;

	(void)state;
	begin_reading(&p, 1, 60000);
	for (i = 0; i < 20; i++) {
		if (i % 2)
			assert_int_equal(unlink(p.hold), 0);
		else
			test_write(p.hold, "");
		assert_true(reader_settle(p.reader, PATIENCE_MS));
		expect_forget(&p);
		assert_true(reader_take(p.reader, &p.news));
		assert_int_equal(p.news.kind, READER_NEWS_HOLD);
		assert_int_equal(p.news.hold, i % 2 == 0);
	}
	end(&p);
}

/* --- bad files --- */

static void s2_an_unfinished_file_is_never_used_and_seen_when_it_is_whole(void **state)
{
	struct place p;
	auto_free char *text = text_of(77);
	size_t half = strlen(text) / 2;
	int fd;

	(void)state;
	begin_reading(&p, 1, 1000);
	fd = open(p.file, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_int_equal(write(fd, text, half), half);
	usleep(30000);
	assert_int_equal(write(fd, text + half, strlen(text) - half), strlen(text) - half);
	close(fd);
	assert_true(reader_settle(p.reader, PATIENCE_MS));
	expect_forget(&p);
	assert_true(reader_take(p.reader, &p.news));
	assert_int_equal(p.news.kind, READER_NEWS_MATRIX); /* no failure before it */
	assert_true(rtt_of(&p) == 77);
	end(&p);
}

static void a_bad_file_is_named_and_a_good_one_used_again(void **state)
{
	static const struct {
		const char *text, *word;
	} cases[] = {
		{"", ""}, {"{\"version\":1", ""}, {"[1,2]", ""}, {"{\"version\":1,\"nodes\":[\"a\",\"a\"],\"rtt_us\":[[0,1],[1,0]]}", "a"},
		{"{\"version\":7,\"nodes\":[],\"rtt_us\":[]}", "7"},
	};
	struct place p;
	size_t i;

	(void)state;
	begin_reading(&p, 1, 50);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		test_write(p.file, cases[i].text);
		expect(&p, READER_NEWS_FAILED);
		assert_int_equal(p.news.error.code, LM_DATA);
		assert_non_null(strstr(p.news.error.msg, cases[i].word));
		write_file(&p, 100 + (int)i, i % 2);
		expect(&p, READER_NEWS_MATRIX);
		assert_true(rtt_of(&p) == 100 + (int)i);
	}
	/* Bad, and then exactly as it was: no new matrix, but the failure is over. */
	test_write(p.file, "x");
	expect(&p, READER_NEWS_FAILED);
	write_file(&p, 100 + (int)i - 1, true);
	expect(&p, READER_NEWS_SAME);
	end(&p);
}

static void s1_a_file_or_folder_may_come_later(void **state)
{
	struct place p;
	auto_free char *aside = NULL;

	(void)state;
	begin(&p);
	aside = xasprintf("%s.old", p.folder);
	assert_int_equal(rmdir(p.folder), 0);
	start(&p, 50);
	expect(&p, READER_NEWS_FAILED);
	assert_int_equal(p.news.error.code, LM_NOINPUT);
	assert_int_equal(mkdir(p.folder, 0755), 0);
	write_file(&p, 5, true);
	expect(&p, READER_NEWS_MATRIX);
	assert_true(rtt_of(&p) == 5);

	/* The folder is replaced: the watch goes along. */
	assert_int_equal(rename(p.folder, aside), 0);
	assert_int_equal(mkdir(p.folder, 0755), 0);
	write_file(&p, 6, true);
	expect(&p, READER_NEWS_MATRIX);
	assert_true(rtt_of(&p) == 6);
	write_file(&p, 7, true);
	expect(&p, READER_NEWS_MATRIX);
	assert_true(p.news.by_event);
	end(&p);
}

static void what_is_no_regular_file_is_refused(void **state)
{
	struct place p;
	auto_free char *elsewhere = NULL;

	(void)state;
	begin(&p);
	elsewhere = xasprintf("%s/elsewhere", p.folder);
	test_write(elsewhere, "{\"a\":{\"b\":1}}");
	assert_int_equal(symlink(elsewhere, p.file), 0);
	start(&p, 50);
	expect(&p, READER_NEWS_FAILED);
	assert_non_null(strstr(p.news.error.msg, "symbolic link"));
	unlink(p.file);
	assert_int_equal(mkfifo(p.file, 0644), 0);
	do
		expect(&p, READER_NEWS_FAILED);
	while (!strstr(p.news.error.msg, "regular"));
	end(&p);
}

/* A write through a mapping makes no event, as the write of another NFS client makes none. */
static void s6_a_change_without_events_is_found_by_the_poll(void **state)
{
	struct place p;
	struct stat st;
	char *text;
	int fd;

	(void)state;
	begin_reading(&p, 1234, 50);
	fd = open(p.file, O_RDWR | O_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	text = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(text, MAP_FAILED);
	memcpy(strstr(text, "1234"), "5678", 4); /* one direction */
	msync(text, (size_t)st.st_size, MS_SYNC);
	expect(&p, READER_NEWS_MATRIX);
	assert_true(rtt_of(&p) == 5678);
	assert_false(p.news.by_event);
	munmap(text, (size_t)st.st_size);
	close(fd);
	end(&p);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_file_is_handed_over),
		cmocka_unit_test(what_changed_before_settle_is_there_after_it),
		cmocka_unit_test(settle_costs_nothing_when_nothing_happened),
		cmocka_unit_test(hold_is_seen_at_once),
		cmocka_unit_test(s2_an_unfinished_file_is_never_used_and_seen_when_it_is_whole),
		cmocka_unit_test(a_bad_file_is_named_and_a_good_one_used_again),
		cmocka_unit_test(s1_a_file_or_folder_may_come_later),
		cmocka_unit_test(what_is_no_regular_file_is_refused),
		cmocka_unit_test(s6_a_change_without_events_is_found_by_the_poll),
	};
	int code = as_reader(argc, argv);

	return code >= 0 ? code : cmocka_run_group_tests(tests, NULL, NULL);
}
