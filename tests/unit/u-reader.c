/* The process that owns the latency file. This program is its own reader: see main(). */
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/snapshot.h"
#include "sched/reader.h"
#include "sched/reader_wire.h"
#include "tests/testing/testing.h"

/* The process itself, with a memory that can be short: while FILE.full is there. */
static char full_path[512];

static int scarce_memfd(const struct matrix *m, int *fd, struct lm_err *err)
{
	if (access(full_path, F_OK) == 0)
		return lm_fail(err, LM_IO, "no room for a matrix");
	return matrix_to_memfd(m, fd, err);
}

#define BEAT_MS 300
#define matrix_to_memfd scarce_memfd
#include "sched/reader_child.c"
#undef matrix_to_memfd

#define PATIENCE_MS 10000	/* a loaded machine; what is asserted is order, not time */

struct place {
	char *folder, *file, *hold;
	struct reader *reader;
	struct reader_news news;	/* the last one of `expect` */
};

static void expect_forget(struct place *p)
{
	matrix_unref(p->news.matrix);
	p->news = (struct reader_news){0};
}

static void begin(struct place *p)
{
	*p = (struct place){.folder = xasprintf("%s/latency", test_folder())};
	p->file = xasprintf("%s/cluster-latency.json", p->folder);
	p->hold = xasprintf("%s/hold", p->folder);
	assert_int_equal(mkdir(p->folder, 0755), 0);
}

static void start_as(struct place *p, const struct reader_settings *settings)
{
	struct reader_settings given = *settings;
	struct lm_err err;

	given.file = p->file;
	if (reader_start(&given, &p->reader, &err) < 0)
		fail_msg("%s", err.msg);
}

static void start(struct place *p, int64_t poll_ms)
{
	start_as(p, &(struct reader_settings){.poll_ms = poll_ms});
}

static void end(struct place *p)
{
	expect_forget(p);
	reader_end(p->reader);
	free(p->folder);
	free(p->file);
	free(p->hold);
}

/* The next news of that kind; what comes before it is dropped. */
static bool next_news(struct place *p, enum reader_news_kind kind, int64_t patience_ms)
{
	int64_t until = clock_mono_ms() + patience_ms;

	do {
		reader_tick(p->reader, clock_mono_ms());
		expect_forget(p);
		while (reader_take(p->reader, &p->news)) {
			if (p->news.kind == kind)
				return true;
			expect_forget(p);
		}
		usleep(2000);
	} while (clock_mono_ms() < until);
	return false;
}

static void expect(struct place *p, enum reader_news_kind kind)
{
	if (!next_news(p, kind, PATIENCE_MS))
		fail_msg("no news of kind %d", (int)kind);
}

static char *text_of(int rtt_us)
{
	return xasprintf("{\"version\":1,\"epoch\":\"e\",\"generation\":1,\"nodes\":[\"a\",\"b\"],\"rtt_us\":[[0,%d],[%d,0]]}\n",
			 rtt_us, rtt_us);
}

static double rtt_of(const struct place *p)
{
	return (double)matrix_node_row(p->news.matrix, 0).rtt_us[1];
}

static void write_file(struct place *p, int rtt_us, bool by_rename)
{
	auto_free char *text = text_of(rtt_us), *beside = xasprintf("%s/.new", p->folder);

	test_write(by_rename ? beside : p->file, text);
	if (by_rename)
		assert_int_equal(rename(beside, p->file), 0);
}

/* --- the usual --- */

static void the_file_is_handed_over(void **state)
{
	struct place p;

	(void)state;
	begin(&p);
	write_file(&p, 412, true);
	start(&p, 1000);
	expect(&p, READER_NEWS_MATRIX);
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
	begin(&p);
	write_file(&p, 1, true);
	start(&p, 60000);
	expect(&p, READER_NEWS_MATRIX);
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
	begin(&p);
	write_file(&p, 1, true);
	start(&p, 60000);
	expect(&p, READER_NEWS_MATRIX);
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
	begin(&p);
	write_file(&p, 1, true);
	start(&p, 60000);
	expect(&p, READER_NEWS_MATRIX);
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
	begin(&p);
	write_file(&p, 1, true);
	start(&p, 1000);
	expect(&p, READER_NEWS_MATRIX);
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
	begin(&p);
	write_file(&p, 1, true);
	start(&p, 50);
	expect(&p, READER_NEWS_MATRIX);
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
	begin(&p);
	write_file(&p, 1234, true);
	start(&p, 50);
	expect(&p, READER_NEWS_MATRIX);
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

/* --- a process that goes wrong --- */

static char *script(const char *text)
{
	char *path = xasprintf("%s/program", test_folder());

	test_write(path, text);
	assert_int_equal(chmod(path, 0755), 0);
	return path;
}

static void s7_a_stopped_reader_costs_100_ms_once_and_is_replaced(void **state)
{
	struct place p;
	int64_t begun, waited;
	int pid;

	(void)state;
	begin(&p);
	write_file(&p, 1, true);
	start_as(&p, &(struct reader_settings){.poll_ms = 100, .silent_ms = 1500});
	expect(&p, READER_NEWS_MATRIX);
	pid = reader_pid(p.reader);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	usleep(20000);
	write_file(&p, 2, true);
	begun = clock_mono_ms();
	assert_false(reader_settle(p.reader, 100));
	waited = clock_mono_ms() - begun;
	assert_true(waited >= 100);
	begun = clock_mono_ms();
	assert_false(reader_settle(p.reader, PATIENCE_MS)); /* not again */
	assert_true(clock_mono_ms() - begun < PATIENCE_MS / 2);
	expect(&p, READER_NEWS_DIED);
	assert_non_null(strstr(p.news.error.msg, "silent"));
	expect(&p, READER_NEWS_MATRIX);
	assert_true(rtt_of(&p) == 2);
	assert_int_not_equal(reader_pid(p.reader), pid);
	assert_int_equal(reader_starts(p.reader), 2);
	end(&p);
}

static void a_killed_reader_is_started_again(void **state)
{
	struct place p;
	int i;

	(void)state;
	begin(&p);
	write_file(&p, 1, true);
	start(&p, 1000);
	expect(&p, READER_NEWS_MATRIX);
	for (i = 0; i < 3; i++) {
		kill(reader_pid(p.reader), SIGKILL);
		expect(&p, READER_NEWS_DIED);
		assert_non_null(strstr(p.news.error.msg, "signal 9"));
		write_file(&p, 10 + i, true);
		expect(&p, READER_NEWS_MATRIX);
		assert_true(rtt_of(&p) == 10 + i);
	}
	end(&p);
}

static void one_that_always_dies_is_started_ever_more_seldom(void **state)
{
	struct place p;
	auto_free char *program = script("#!/bin/sh\nkill -SEGV $$\n");

	(void)state;
	begin(&p);
	start_as(&p, &(struct reader_settings){.poll_ms = 1000, .program = program});
	expect(&p, READER_NEWS_DIED);
	expect(&p, READER_NEWS_DIED);
	assert_false(next_news(&p, READER_NEWS_MATRIX, 1500));
	assert_in_range(reader_starts(p.reader), 2, 6); /* at 0, 0.1, 0.3, 0.7, 1.5, 3.1 s */
	assert_true(reader_settle(p.reader, PATIENCE_MS));
	end(&p);
}

static void one_that_talks_nonsense_is_killed(void **state)
{
	struct place p;
	auto_free char *program = script("#!/bin/sh\necho nonsense >&3\nexec sleep 60\n");

	(void)state;
	begin(&p);
	start_as(&p, &(struct reader_settings){.poll_ms = 1000, .program = program});
	expect(&p, READER_NEWS_DIED);
	assert_non_null(strstr(p.news.error.msg, "signal 9"));
	end(&p);
}

static void a_long_poll_is_no_silence(void **state)
{
	struct place p;

	(void)state;
	begin(&p);
	write_file(&p, 1, true);
	start_as(&p, &(struct reader_settings){.poll_ms = 60000, .silent_ms = 2 * BEAT_MS});
	expect(&p, READER_NEWS_MATRIX);
	assert_false(next_news(&p, READER_NEWS_DIED, 2 * BEAT_MS + 500));
	end(&p);
}

static void a_lack_of_memory_passes(void **state)
{
	struct place p;
	auto_free char *full = NULL;

	(void)state;
	begin(&p);
	full = xasprintf("%s.full", p.file);
	test_write(full, "");
	write_file(&p, 33, true);
	start(&p, 50);
	expect(&p, READER_NEWS_FAILED);
	assert_non_null(strstr(p.news.error.msg, "no room"));
	assert_int_equal(unlink(full), 0);
	expect(&p, READER_NEWS_MATRIX); /* of the same text */
	assert_true(rtt_of(&p) == 33);
	end(&p);
}

/* Many supervisors ignore SIGCHLD, and exec keeps that: waitpid knows no child then. */
static void a_death_is_seen_where_children_are_not_kept(void **state)
{
	struct place p;

	(void)state;
	signal(SIGCHLD, SIG_IGN);
	begin(&p);
	write_file(&p, 1, true);
	start(&p, 1000);
	expect(&p, READER_NEWS_MATRIX);
	kill(reader_pid(p.reader), SIGKILL);
	expect(&p, READER_NEWS_DIED);
	expect(&p, READER_NEWS_MATRIX);
	end(&p);
	signal(SIGCHLD, SIG_DFL);
}

/* --- a process that means harm: this program again, as main() starts it for a FILE of that name --- */

static void harm_send(enum reader_kind kind, const int *fds, size_t count)
{
	struct reader_message m = {.magic = READER_WIRE_MAGIC, .kind = kind};
	struct iovec part = {&m, sizeof(m)};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(4 * sizeof(int))];
	} control = {0};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (count) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
	}
	if (sendmsg(READER_CHILD_SOCKET, &message, MSG_NOSIGNAL) < 0)
		_exit(1);
}

static int harm(const char *what)
{
	const int fds[4] = {READER_CHILD_INOTIFY, READER_CHILD_INOTIFY, READER_CHILD_INOTIFY, READER_CHILD_INOTIFY};
	int i;

	if (STREQ(what, "harm-fds"))
		for (i = 0; i < 100; i++)
			harm_send(READER_BEAT, fds, 1 + (size_t)i % 4);
	if (STREQ(what, "harm-fds"))
		harm_send(READER_UNFINISHED, NULL, 0);
	else
		harm_send(READER_MATRIX, NULL, 0);
	sleep(60);
	return 0;
}

static void start_harm(struct place *p, const char *what)
{
	begin(p);
	free(p->file);
	p->file = xstrdup(what);
	start(p, 1000);
}

static void one_that_sends_too_many_files_leaves_none_here(void **state)
{
	struct place p;
	int64_t until = clock_mono_ms() + PATIENCE_MS;
	int before;

	(void)state;
	start_harm(&p, "harm-fds");
	before = test_open_files();
	while (!reader_looked(p.reader) && clock_mono_ms() < until)
		reader_take(p.reader, &p.news);
	assert_true(reader_looked(p.reader));
	assert_int_equal(test_open_files(), before);
	end(&p);
}

/* Else it would never be sent again: the process believes that it is here. */
static void a_matrix_that_did_not_arrive_is_asked_for_again(void **state)
{
	struct place p;

	(void)state;
	start_harm(&p, "harm-matrix");
	expect(&p, READER_NEWS_FAILED);
	expect(&p, READER_NEWS_DIED);
	expect(&p, READER_NEWS_FAILED);
	assert_true(reader_starts(p.reader) >= 2);
	end(&p);
}

static void it_has_no_environment_no_file_but_its_own_and_goes_first(void **state)
{
	struct place p;
	auto_free char *environment = NULL, *folder = NULL, *text = NULL, *oom = NULL, *score = NULL;
	struct dirent *entry;
	DIR *dir;
	int fds = 0;

	(void)state;
	begin(&p);
	write_file(&p, 1, true);
	start(&p, 1000);
	expect(&p, READER_NEWS_MATRIX);
	environment = xasprintf("/proc/%d/environ", reader_pid(p.reader));
	folder = xasprintf("/proc/%d/fd", reader_pid(p.reader));
	text = test_read(environment);
	assert_true(!text || !*text);
	oom = xasprintf("/proc/%d/oom_score_adj", reader_pid(p.reader));
	score = test_read(oom);
	assert_string_equal(score, "1000\n");
	dir = opendir(folder);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		if (*entry->d_name != '.') {
			fds++;
			assert_true(atoi(entry->d_name) <= 4);
		}
	closedir(dir);
	assert_true(fds >= 2 && fds <= 5);
	end(&p);
}

#ifndef TEST_SANITIZED
static void fill(struct snapshot *s, struct rng *r)
{
	uint32_t i, j, n = s->nodes.count;

	for (i = 0; i < n; i++)
		for (j = 0; j < n; j++) {
			s->link.rtt_us[i * n + j] = i == j ? 0 : (float)(100 + rng_below(r, 200000));
			s->link.jitter_us[i * n + j] = (float)rng_below(r, 2000);
			s->link.loss[i * n + j] = (float)rng_below(r, 100) / 1000;
		}
}

static void a_thousand_nodes_need_at_most_64_mib(void **state)
{
	struct place p;
	struct rng r = rng_make(test_seed());
	struct names nodes = {0}, clients = {0};
	struct snapshot s = {0};
	auto_buf struct buf text = {0};
	auto_free char *path = NULL, *status = NULL;
	char name[32], *peak;
	int i, rounds;

	(void)state;
	begin(&p);
	for (i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "node-%04d", i);
		names_add(&nodes, name);
	}
	snapshot_init(&s, &nodes, &clients);
	start(&p, 1000);
	for (rounds = 0; rounds < 3; rounds++) { /* what the first one leaves behind counts too */
		fill(&s, &r);
		buf_clear(&text);
		snapshot_write(&s, &text);
		test_write(p.file, text.data);
		expect(&p, READER_NEWS_MATRIX);
	}
	path = xasprintf("/proc/%d/status", reader_pid(p.reader));
	status = test_read(path);
	peak = strstr(status, "VmHWM:");
	assert_non_null(peak);
	printf("# reader: %.1f MiB at its peak, snapshot %.1f MiB\n", strtod(peak + 6, NULL) / 1024, (double)text.len / 1048576);
	assert_true(strtod(peak + 6, NULL) / 1024 <= 64);
	snapshot_free(&s);
	names_free(&nodes);
	end(&p);
}
#endif

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
		cmocka_unit_test(s7_a_stopped_reader_costs_100_ms_once_and_is_replaced),
		cmocka_unit_test(a_killed_reader_is_started_again),
		cmocka_unit_test(one_that_always_dies_is_started_ever_more_seldom),
		cmocka_unit_test(one_that_talks_nonsense_is_killed),
		cmocka_unit_test(a_long_poll_is_no_silence),
		cmocka_unit_test(a_lack_of_memory_passes),
		cmocka_unit_test(a_death_is_seen_where_children_are_not_kept),
		cmocka_unit_test(one_that_sends_too_many_files_leaves_none_here),
		cmocka_unit_test(a_matrix_that_did_not_arrive_is_asked_for_again),
		cmocka_unit_test(it_has_no_environment_no_file_but_its_own_and_goes_first),
#ifndef TEST_SANITIZED
		cmocka_unit_test(a_thousand_nodes_need_at_most_64_mib),
#endif
	};

	if (argc > 2 && STREQ(argv[1], "reader") && strncmp(argv[2], "harm-", 5) == 0)
		return harm(argv[2]);
	if (argc > 2)
		snprintf(full_path, sizeof(full_path), "%s.full", argv[2]);
	if (argc > 1 && STREQ(argv[1], "reader"))
		return reader_child_main(argc - 1, argv + 1);
	/* A file that is cut and written again goes to the disk at once (ext4), a hundred ms each time where it is busy. */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
