/* scan.h and reader.h: one bad or hanging file costs one row, is named once and counted each time. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "merge/reader.c"
#include "merge/scan.h"
#include "tests/testing/testing.h"

/* What the file server does to the file of that name: an errno, or ETIMEDOUT for no answer at all until the test lets go. */
static struct {
	_Atomic(const char *) name;
	int error;
} fault;
static atomic_bool let_go;

static int read_with_faults(int dir_fd, const char *name, size_t max_bytes, enum file_links links, struct file_text *out, struct lm_err *err)
{
	const char *faulty = atomic_load(&fault.name);

	if (faulty && STREQ(faulty, name) && fault.error != ETIMEDOUT) {
		errno = fault.error;
		return lm_fail_errno(err, "read `%s`", name);
	}
	while (faulty && STREQ(faulty, name) && !atomic_load(&let_go))
		usleep(1000);
	return file_read(dir_fd, name, max_bytes, links, out, err);
}

/* A folder nodes/ with its mesh, and what a run of the merger would keep between scans. */
struct place {
	char *dir;
	int fd;
	struct names nodes;
	struct complaints complaints;
	struct metrics *metrics;
	struct reader *reader;
	struct scan scan;
	struct snapshot last;
	bool has_last;
	struct fold_summary summary;
	int64_t time_ms;		/* for a whole scan */
};

static void place_init(struct place *p, uint32_t nodes)
{
	uint32_t i;

	*p = (struct place){.dir = xstrdup(test_folder()), .metrics = meter_new(), .reader = reader_new(read_with_faults), .time_ms = 60000};
	p->fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (i = 0; i < nodes; i++) {
		auto_free char *name = xasprintf("edge-%u", i);

		names_add(&p->nodes, name);
	}
	atomic_store(&fault.name, NULL);
	atomic_store(&let_go, false);
}

static void place_free(struct place *p)
{
	atomic_store(&let_go, true);
	while (atomic_load(&stuck)) /* reads that were left behind end now */
		usleep(1000);
	free(p->dir);
	close(p->fd);
	names_free(&p->nodes);
	complaints_free(&p->complaints);
	metrics_free(p->metrics);
	reader_free(p->reader);
	snapshot_free(&p->last);
}

static void put(const struct place *p, const char *file, const char *text)
{
	auto_free char *path = xasprintf("%s/%s", p->dir, file);

	test_write(path, text);
}

static void put_report(const struct place *p, uint32_t node, int64_t seq)
{
	auto_free char *file = xasprintf("edge-%u.json", node);
	auto_free char *text = xasprintf("{\"version\":1,\"node\":\"edge-%u\",\"boot_id\":\"b\",\"seq\":%lld,\"peers\":{\"edge-0\":{\"rtt_us\":%u,\"loss\":0}}}",
					 node, (long long)seq, 100 + node);

	put(p, file, text);
}

static void scan_once(struct place *p, double elapsed_s)
{
	struct snapshot next;
	struct fold *fold = fold_new(&(struct fold_settings){.previous = p->has_last ? &p->last : NULL, .nodes = &p->nodes, .interval_s = 60,
							      .elapsed_s = elapsed_s});

	p->scan = (struct scan){.nodes_fd = p->fd, .nodes = &p->nodes, .look_for_unknown = true, .deadline_mono_ms = clock_mono_ms() + p->time_ms,
				.reader = p->reader, .complaints = &p->complaints, .metrics = p->metrics};
	clock_gettime(CLOCK_REALTIME, &p->scan.now);
	assert_int_equal(scan_reports(&p->scan, fold), 0);
	fold_finish(fold, &next, &p->summary);
	scan_judged(&p->scan, fold);
	fold_free(fold);
	snapshot_free(&p->last);
	p->last = next;
	p->has_last = true;
}

static void all_are_read(void **state)
{
	struct place p;
	uint32_t i;

	(void)state;
	place_init(&p, 20);
	for (i = 0; i < 20; i++)
		put_report(&p, i, 1);
	scan_once(&p, 0);
	assert_int_equal(p.summary.fresh, 20);
	assert_int_equal(scan_rejected(&p.scan), 0);
	assert_true(p.last.link.rtt_us[20] == 101 && p.last.age_s[0] < 60);
	place_free(&p);
}

/* Each way in which one file can be unreadable: that row only is aged. As any user, root too. */
static void m15_one_unreadable_file_ages_its_row_only(void **state)
{
	static const struct {
		int error;
		enum meter_reason reason;
	} ways[] = {{ESTALE, REASON_UNREADABLE}, {EIO, REASON_UNREADABLE}, {EACCES, REASON_UNREADABLE}, {ENOENT, REASON_MISSING}};
	struct place p;
	uint32_t i;
	size_t k;

	(void)state;
	place_init(&p, 4);
	for (i = 0; i < 4; i++)
		put_report(&p, i, 1);
	scan_once(&p, 0);
	for (k = 0; k < ARRAY_SIZE(ways); k++) {
		fault.error = ways[k].error;
		atomic_store(&fault.name, "edge-2.json");
		scan_once(&p, 20);
		assert_int_equal(p.summary.fresh, 3);
		assert_int_equal(p.summary.aged, 1);
		assert_int_equal(p.scan.rejected[ways[k].reason], 1);
		assert_true(p.last.link.rtt_us[2 * 4] == 102 && p.last.age_s[2] >= 20 * (double)(k + 1));
	}
	atomic_store(&fault.name, NULL);
	scan_once(&p, 20);
	assert_int_equal(p.summary.fresh, 4);
	place_free(&p);
}

static void m15_what_is_no_file_is_not_opened(void **state)
{
	struct place p;
	auto_free char *dir = NULL, *link = NULL, *fifo = NULL;

	(void)state;
	place_init(&p, 4);
	put_report(&p, 3, 1);
	dir = xasprintf("%s/edge-0.json", p.dir);
	link = xasprintf("%s/edge-1.json", p.dir);
	fifo = xasprintf("%s/edge-2.json", p.dir);
	assert_int_equal(mkdir(dir, 0755), 0);
	assert_int_equal(symlink("edge-3.json", link), 0);
	assert_int_equal(mkfifo(fifo, 0644), 0);
	scan_once(&p, 0);
	assert_int_equal(p.scan.rejected[REASON_NO_FILE], 3);
	assert_int_equal(p.summary.fresh, 1);
	place_free(&p);
}

/* M16: a read that never returns costs its deadline once; then the rest is read, and what hangs for longer is given up. */
static void m16_a_hanging_read_costs_one_row(void **state)
{
	struct place p;
	uint32_t i;

	(void)state;
	place_init(&p, 8);
	for (i = 0; i < 8; i++)
		put_report(&p, i, 1);
	scan_once(&p, 0);
	fault.error = ETIMEDOUT;
	atomic_store(&fault.name, "edge-1.json");
	p.time_ms = 300;
	scan_once(&p, 20);
	assert_int_equal(p.scan.rejected[REASON_TIMEOUT], 7); /* one hung for all of the 0.3 s, so that no time was left */
	assert_int_equal(p.summary.fresh, 1);
	assert_int_equal(p.summary.aged, 7);
	assert_true(p.last.link.rtt_us[7 * 8] == 107);
	atomic_store(&let_go, true);
	atomic_store(&fault.name, NULL);
	p.time_ms = 60000;
	scan_once(&p, 20);
	assert_int_equal(p.summary.fresh, 8);
	place_free(&p);
}

static void m16_hanging_reads_are_bounded_in_number(void **state)
{
	struct file_text text;
	struct lm_err err = {0};
	struct place p;
	int i, tries = 0;

	(void)state;
	place_init(&p, 1);
	put_report(&p, 0, 1);
	fault.error = ETIMEDOUT;
	atomic_store(&fault.name, "edge-0.json");
	for (i = 0; i < 1000; i++) {	/* on a busy machine a thread may be left behind before it began to read: that one ends by itself */
		assert_int_equal(reader_read(p.reader, p.fd, "edge-0.json", 1000, 20, &text, &err), -1);
		if (err.os_errno != ETIMEDOUT)
			break;
	}
	assert_in_range(i, READER_STUCK_MAX, 999);
	assert_non_null(strstr(err.msg, "does not answer"));
	assert_int_equal(err.code, LM_IO);
	atomic_store(&let_go, true); /* the server is back: the threads that were left behind end, and reading goes on */
	while (reader_read(p.reader, p.fd, "edge-0.json", 1000, 5000, &text, &err) < 0 && tries++ < 1000)
		usleep(5000);
	assert_true(tries < 1000);
	file_text_free(&text);
	place_free(&p);
}

static void bad_files_are_told_apart(void **state)
{
	auto_buf struct buf large = {0};
	struct place p;

	(void)state;
	place_init(&p, 8);
	while (large.len <= REPORT_MAX_BYTES(8))
		buf_str(&large, "[[[[[[[[[[[[[[[[");
	put(&p, "edge-0.json", "");
	put(&p, "edge-1.json", " \n");
	put(&p, "edge-2.json", "{\"version\":1,");
	put(&p, "edge-3.json", "{\"version\":1}");
	put(&p, "edge-4.json", "{\"version\":1,\"node\":\"edge-5\",\"boot_id\":\"b\",\"seq\":1,\"peers\":{}}");
	put(&p, "edge-5.json", large.data);
	put(&p, "edge-77.json", "{}");
	put(&p, ".tmp-1-abc", "{}");
	put(&p, ".nfs0001", "{}");
	put(&p, "README", "{}");
	put_report(&p, 7, 1);
	scan_once(&p, 0);
	assert_int_equal(p.scan.rejected[REASON_EMPTY], 2);
	assert_int_equal(p.scan.rejected[REASON_SYNTAX], 1);
	assert_int_equal(p.scan.rejected[REASON_SCHEMA], 1);
	assert_int_equal(p.scan.rejected[REASON_IDENTITY], 1);
	assert_int_equal(p.scan.rejected[REASON_TOO_LARGE], 1);
	assert_int_equal(p.scan.rejected[REASON_UNKNOWN_NODE], 1);
	assert_int_equal(p.scan.rejected[REASON_MISSING], 1);
	assert_int_equal(p.summary.fresh, 1);
	assert_int_equal(scan_rejected(&p.scan), 7);
	scan_once(&p, 0);
	assert_true(metrics_get(p.metrics, METER_REJECTED, REASON_EMPTY) == 4); /* counted in each run */
	place_free(&p);
}

static void a_complaint_is_made_once_until_it_changes(void **state)
{
	struct complaints c = {0};
	uint32_t i;

	(void)state;
	assert_true(complaints_new(&c, "a", "bad"));
	assert_false(complaints_new(&c, "a", "bad"));
	assert_true(complaints_new(&c, "b", "bad"));
	assert_true(complaints_new(&c, "a", "worse"));
	assert_true(complaints_over(&c, "a"));
	assert_false(complaints_over(&c, "a"));
	assert_false(complaints_over(&c, "c"));
	assert_true(complaints_new(&c, "a", "worse"));
	for (i = 0; i < 2 * COMPLAINTS_MAX; i++) {
		auto_free char *name = xasprintf("x%u", i);

		assert_true(complaints_new(&c, name, "bad"));
		assert_true(c.names.count <= COMPLAINTS_MAX);
	}
	complaints_free(&c);
}

static bool stop_at_once(void)
{
	return true;
}

static void stops_between_files(void **state)
{
	struct place p;
	struct fold *fold;

	(void)state;
	place_init(&p, 2);
	fold = fold_new(&(struct fold_settings){.nodes = &p.nodes});
	p.scan = (struct scan){.nodes_fd = p.fd, .nodes = &p.nodes, .reader = p.reader, .complaints = &p.complaints, .metrics = p.metrics, .stop = stop_at_once};
	assert_int_equal(scan_reports(&p.scan, fold), -1);
	fold_free(fold);
	place_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_read),
		cmocka_unit_test(m15_one_unreadable_file_ages_its_row_only),
		cmocka_unit_test(m15_what_is_no_file_is_not_opened),
		cmocka_unit_test(m16_a_hanging_read_costs_one_row),
		cmocka_unit_test(m16_hanging_reads_are_bounded_in_number),
		cmocka_unit_test(bad_files_are_told_apart),
		cmocka_unit_test(a_complaint_is_made_once_until_it_changes),
		cmocka_unit_test(stops_between_files),
	};

	log_setup(LOG_ERROR, LOG_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
