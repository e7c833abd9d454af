/* The process that owns the latency file goes wrong, means harm, or lacks memory; what it may hold. */
#include <dirent.h>
#include <signal.h>
#include <sys/socket.h>

#include "lib/buf.h"
#include "lib/snapshot.h"
#include "tests/unit/reader_place.h"

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
	begin_reading(&p, 1, 1000);
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
	begin_reading(&p, 1, 1000);
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
	begin_reading(&p, 1, 1000);
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
	int code;

	if (argc > 2 && STREQ(argv[1], "reader") && strncmp(argv[2], "harm-", 5) == 0)
		return harm(argv[2]);
	code = as_reader(argc, argv);
	return code >= 0 ? code : cmocka_run_group_tests(tests, NULL, NULL);
}
