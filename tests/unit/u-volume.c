/*
 * The volume's thread. The call that writes (file_publish) goes through a function of the test here, so that it can
 * hang as on a dead NFS server and fail with any errno; everything else is real. i-probe-volume.c shows the same with the real program.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/testing/testing.h"

#include "lib/file.h"

static atomic_bool hang;		/* calls wait until it is false */
static atomic_int fail_with;		/* errno; 0: real */
static atomic_int publishes, hung;

static int test_file_publish(int dir_fd, const char *name, const void *data, size_t len, struct timespec *mtime, struct lm_err *err)
{
	publishes++;
	while (hang) {
		hung = 1;
		usleep(1000);
	}
	hung = 0;
	if (fail_with) {
		errno = fail_with;
		return lm_fail_errno(err, "publish `%s`: write", name);
	}
	return file_publish(dir_fd, name, data, len, mtime, err);
}

#define file_publish test_file_publish
#include "probe/volume.c"
#undef file_publish
#include "probe/stats.h"

struct fixture {
	struct metrics *m;
	struct volume *v;
	char *peers, *report;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	const char *folder = test_folder();

	hang = false;
	fail_with = publishes = hung = 0;
	f->peers = xasprintf("%s/peers.json", folder);
	f->report = xasprintf("%s/nodes/n1.json", folder);
	f->m = probe_stats_new();
	{
		auto_free char *nodes = xasprintf("%s/nodes", folder);

		f->v = volume_start(&(struct volume_settings){.peers_path = f->peers, .output_dir = nodes, .file_name = "n1.json",
							      .stuck_ms = 50, .m = f->m});
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	hang = false;
	assert_true(volume_stop(f->v));
	metrics_free(f->m);
	free(f->peers);
	free(f->report);
	free(f);
	return 0;
}

static void put(struct fixture *f, const char *text)
{
	struct buf b = {0};

	buf_str(&b, text);
	volume_put(f->v, &b);
	assert_null(b.data);
}

static void expect_file(const char *path, const char *wanted)
{
	auto_free char *text = test_read(path);

	assert_non_null(text);
	assert_string_equal(text, wanted);
}

static void publishes_and_makes_the_folder(void **state)
{
	struct fixture *f = *state;
	struct lm_err err;
	struct stat st;

	put(f, "one");
	assert_int_equal(volume_flush(f->v, 5000, &err), 0);
	expect_file(f->report, "one");
	*strrchr(f->report, '/') = '\0';
	assert_int_equal(stat(f->report, &st), 0);
	assert_int_equal(st.st_mode & 07777, 02775);
	assert_true(metrics_get(f->m, STAT_PUBLISHED, 0) == 1);
}

static bool is_hung(void *arg)
{
	(void)arg;
	return hung;
}

static bool is_published(void *arg)
{
	auto_free char *text = test_read(arg);

	return text && strcmp(text, "five") == 0;
}

/* P23: nothing that the probing thread calls waits; stuck is told; on recovery the newest report is published, and no backlog. */
static void p23_hung_volume(void **state)
{
	struct fixture *f = *state;
	static const char *const texts[] = {"two", "three", "four", "five"};
	enum peerfile_state peers_state;
	struct peers peers;
	struct lm_err err;
	int64_t start_ms;
	size_t i;

	put(f, "one");
	assert_int_equal(volume_flush(f->v, 5000, &err), 0);
	assert_false(volume_is_stuck(f->v));
	hang = true;
	put(f, "two");
	assert_true(test_wait(is_hung, NULL, 5000));
	start_ms = clock_mono_ms();
	for (i = 0; i < 4; i++)
		put(f, texts[i]);
	assert_false(volume_peers(f->v, 20, &peers, &peers_state, NULL));
	test_deadline("calls to a hung volume", (double)(clock_mono_ms() - start_ms), 50, "ms");
	usleep(60000);
	assert_true(volume_is_stuck(f->v));
	assert_true(metrics_get(f->m, STAT_PUBLISH_STUCK, 0) == 1);
	assert_int_equal(volume_flush(f->v, 20, &err), -1);
	assert_non_null(strstr(err.msg, "no answer"));
	expect_file(f->report, "one");
	hang = false;
	assert_true(test_wait(is_published, f->report, 5000));
	assert_int_equal(volume_flush(f->v, 5000, &err), 0);
	assert_int_equal(publishes, 3);		/* one, two, five */
	assert_false(volume_is_stuck(f->v));
	assert_true(metrics_get(f->m, STAT_PUBLISH_STUCK, 0) == 0);
}

/* P24, P26, P27: the reason is counted, the old file stays, it is tried again by itself, and a newer report takes the place. */
static void p24_p27_failures_are_counted_and_retried(void **state)
{
	struct fixture *f = *state;
	static const struct {
		int error, reason;
	} cases[] = {{ENOSPC, PUBLISH_NO_SPACE}, {EDQUOT, PUBLISH_NO_SPACE}, {EROFS, PUBLISH_PERMISSION}, {EACCES, PUBLISH_PERMISSION},
		     {ESTALE, PUBLISH_STALE}, {EIO, PUBLISH_IO}};
	struct lm_err err;
	size_t i;

	put(f, "old");
	assert_int_equal(volume_flush(f->v, 5000, &err), 0);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		double before = metrics_get(f->m, STAT_PUBLISH_ERRORS, cases[i].reason);

		fail_with = cases[i].error;
		put(f, "new");
		assert_int_equal(volume_flush(f->v, 5000, &err), -1);
		assert_int_equal(err.os_errno, cases[i].error);
		assert_true(metrics_get(f->m, STAT_PUBLISH_ERRORS, cases[i].reason) >= before + 1);
		expect_file(f->report, "old");
	}
	put(f, "five");
	fail_with = 0;
	assert_int_equal(volume_flush(f->v, 5000, &err), 0);
	expect_file(f->report, "five");
}

/* P26: a stale folder is opened anew at once, not after the back-off. */
static void p26_stale_is_tried_again_at_once(void **state)
{
	struct fixture *f = *state;
	struct lm_err err;

	fail_with = ESTALE;
	put(f, "one");
	assert_int_equal(volume_flush(f->v, 5000, &err), -1);
	assert_int_equal(publishes % 2, 0);
}

/* Without being asked again: after a second. And no tight loop before. */
static void retries_with_back_off(void **state)
{
	struct fixture *f = *state;
	struct lm_err err;

	fail_with = EIO;
	put(f, "five");
	assert_int_equal(volume_flush(f->v, 5000, &err), -1);
	usleep(200000);
	assert_in_range(publishes, 1, 2);
	fail_with = 0;
	assert_true(test_wait(is_published, f->report, 10000));
}

static bool peers_are(struct fixture *f, enum peerfile_state wanted, bool fresh, uint32_t count)
{
	struct peers peers = {0};
	enum peerfile_state state;
	bool got = volume_peers(f->v, 5000, &peers, &state, NULL), right;

	right = state == wanted && got == fresh && (!fresh || peers.nodes.names.count == count);
	if (got)
		peers_free(&peers);
	return right;
}

/* P22: missing, then there; bad: the last good one stays, told once; the same content is not handed out twice. */
static void p22_peer_list_comes_goes_and_breaks(void **state)
{
	struct fixture *f = *state;

	assert_true(peers_are(f, PEERFILE_MISSING, false, 0));
	test_write(f->peers, "{\"version\":1,\"nodes\":{\"a\":[\"10.0.0.1\"]}}");
	assert_true(peers_are(f, PEERFILE_GOOD, true, 1));
	assert_true(peers_are(f, PEERFILE_GOOD, false, 0));
	test_write(f->peers, "{\"version\":1,\"nodes\":{\"a\":[\"10.0.0.1\"],\"b\":[]}}");
	assert_true(peers_are(f, PEERFILE_GOOD, true, 2));
	test_write(f->peers, "{\"version\":1,\"nodes\":{\"a\":");
	assert_true(peers_are(f, PEERFILE_BAD, false, 0));
	assert_true(peers_are(f, PEERFILE_BAD, false, 0));
	assert_true(metrics_get(f->m, STAT_PEERS_ERRORS, PEERS_BAD) == 2);
	assert_int_equal(unlink(f->peers), 0);
	assert_true(peers_are(f, PEERFILE_MISSING, false, 0));
	test_write(f->peers, "{\"version\":1,\"nodes\":{}}");
	assert_true(peers_are(f, PEERFILE_GOOD, true, 0));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(publishes_and_makes_the_folder), CASE(p23_hung_volume), CASE(p24_p27_failures_are_counted_and_retried),
		CASE(p26_stale_is_tried_again_at_once), CASE(retries_with_back_off), CASE(p22_peer_list_comes_goes_and_breaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
