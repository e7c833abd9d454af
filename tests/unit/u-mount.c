/* The mount that a folder is on, and what its options mean. u-mount-trials.c has what is tried on it. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"
#include "nfs/judge.h"
#include "nfs/mounts.h"
#include "nfs/nfs_options.h"
#include "tests/testing/testing.h"
#include "tests/unit/mount_heard.h"

#define NFS "rw,vers=4.1,rsize=65536,wsize=65536,namlen=255,acregmin=1,acregmax=1,acdirmin=1,acdirmax=1,hard,proto=tcp,timeo=50," \
	    "retrans=2,sec=sys,clientaddr=10.1.0.1,lookupcache=pos,local_lock=none,addr=10.1.0.254"

static int parse(const char *text, struct mounts *out, struct lm_err *err)
{
	return mounts_parse(text, strlen(text), out, err);
}

static const char *point_of(const struct mounts *m, const char *path)
{
	const struct mount *found = mounts_of_path(m, path);

	return found ? found->point : "(none)";
}

/* --- the table ----------------------------------------------------------------------------------------------------------- */

static void a_table_of_the_kernel(void **state)
{
	auto_mounts struct mounts m = {0};
	struct lm_err err;

	(void)state;
	assert_int_equal(parse("21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw,errors=remount-ro\n"
			       "36 21 0:98 / /latency rw,nosuid,relatime shared:5 master:1 unbindable - nfs4 10.0.0.10:/share " NFS "\n"
			       "37 21 0:99 /a\\040b /mnt/with\\040blank\\011tab\\134back\\043 ro - tmpfs  rw,size=4k", &m, &err), 0);
	assert_int_equal(m.count, 3);
	assert_string_equal(m.items[1].type, "nfs4");
	assert_string_equal(m.items[1].source, "10.0.0.10:/share");
	assert_string_equal(m.items[1].super, NFS);
	assert_string_equal(m.items[1].options, "rw,nosuid,relatime");
	assert_true(m.items[1].id == 36 && m.items[1].parent == 21);
	assert_string_equal(m.items[2].root, "/a b");
	assert_string_equal(m.items[2].point, "/mnt/with blank\ttab\\back#");
	assert_string_equal(m.items[2].source, "");
	assert_string_equal(m.items[2].super, "rw,size=4k");
	assert_string_equal(point_of(&m, "/mnt/with blank\ttab\\back#/x"), m.items[2].point);
	assert_ptr_equal(mounts_by_id(&m, 37), &m.items[2]);
	assert_null(mounts_by_id(&m, 38));
}

static void our_own_table(void **state)
{
	auto_mounts struct mounts m = {0};
	struct lm_err err;

	(void)state;
	assert_int_equal(mounts_load(&m, &err), 0);
	assert_true(m.count > 0);
	assert_non_null(mounts_of_path(&m, "/proc/self"));
	assert_string_equal(mounts_of_path(&m, "/proc/self")->type, "proc");
}

static void escapes_that_are_none_stay(void **state)
{
	auto_mounts struct mounts m = {0};
	struct lm_err err;

	(void)state;
	assert_int_equal(parse("1 0 0:1 / /a\\04 rw - t s x\n2 0 0:1 / /b\\999\\08z rw - t s x\n3 0 0:1 / /c\\000d rw - t s x\n"
			       "4 0 0:1 / /e\\ rw - t s x\n5 0 0:1 / /f\\777\\377g rw - t s x\n6 0 0:1 / /h\\1340 rw - t s x\n", &m, &err), 0);
	assert_string_equal(m.items[0].point, "/a\\04");
	assert_string_equal(m.items[1].point, "/b\\999\\08z");
	assert_string_equal(m.items[2].point, "/c\\000d");
	assert_string_equal(m.items[3].point, "/e\\");
	assert_string_equal(m.items[4].point, "/f\\777\377g");
	assert_string_equal(m.items[5].point, "/h\\0");		/* decoded once */
}

static void a_bad_line_is_named(void **state)
{
	static const char *const bad[] = {
		"",					/* an empty line, below */
		"36 35 0:98 / /latency rw - nfs4 s",	/* no options of the file system */
		"36 35 0:98 / /latency rw nfs4 s rw",	/* no dash */
		"36 35 0:98 / /latency rw -",		/* nothing behind it */
		"36 35 0:98 / latency rw - nfs4 s rw",	/* a point that is no path */
		"36 35 0:98 /  rw - nfs4 s rw",
		"x 35 0:98 / /latency rw - nfs4 s rw",
		"36 -1 0:98 / /latency rw - nfs4 s rw",
		"99999999999999999999 35 0:98 / /latency rw - nfs4 s rw",
		"4294967296 35 0:98 / /latency rw - nfs4 s rw",
		"36 35 0:98 / /latency rw -  s rw",	/* no type */
		"36 35 0:98 / /latency rw - nfs4 s rw more",
		" 36 35 0:98 / /latency rw - nfs4 s rw",
		"36\t35 0:98 / /latency rw - nfs4 s rw",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		auto_free char *text = xasprintf("1 0 0:1 / / rw - t s x\n%s\n", bad[i]);
		struct mounts m = {0};
		struct lm_err err = {0};

		assert_int_equal(parse(text, &m, &err), -1);
		assert_int_equal(err.code, LM_DATA);
		assert_non_null(strstr(err.msg, "line 2"));
		assert_true(m.count == 0 && !m.items);
	}
}

static void an_empty_table_and_limits(void **state)
{
	auto_buf struct buf text = {0};
	struct mounts m = {0};
	struct lm_err err;

	(void)state;
	assert_int_equal(parse("", &m, &err), 0);
	assert_null(mounts_of_path(&m, "/latency"));
	assert_int_equal(mounts_parse("1 0 0:1 / / rw - t \0 x\n", 22, &m, &err), -1);
	for (int i = 0; i < MOUNTS_MAX; i++)
		buf_printf(&text, "%d 0 0:1 / /a%d rw - t s x\n", i + 1, i);
	assert_int_equal(mounts_parse(text.data, text.len, &m, &err), 0);
	assert_string_equal(point_of(&m, "/a19999/b"), "/a19999");
	mounts_free(&m);
	buf_str(&text, "99999 0 0:1 / /b rw - t s x\n");
	assert_int_equal(mounts_parse(text.data, text.len, &m, &err), -1);
	assert_non_null(strstr(err.msg, "more than"));
}

/* No input crashes it, and every table that is accepted can be walked. */
static void random_bytes(void **state)
{
	static const char start[] = "21 1 8:1 / / rw shared:1 - ext4 /dev/root rw\n36 21 0:98 / /la\\040b rw - nfs4 10.0.0.10:/s rw,vers=4.1,hard\n";
	static const char pieces[] = " \n\\/-0149,=:\t\377ar";
	struct rng rng = rng_make(test_seed());
	int accepted = 0;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		auto_mounts struct mounts m = {0};
		struct lm_err err;
		char text[sizeof(start)];
		size_t len = sizeof(start) - 1 - (rng_chance(&rng, 0.2) ? rng_below(&rng, sizeof(start) - 1) : 0);

		memcpy(text, start, sizeof(text));
		for (uint32_t n = rng_below(&rng, 4); n > 0; n--)
			text[rng_below(&rng, sizeof(start) - 1)] = pieces[rng_below(&rng, sizeof(pieces) - 1)];
		if (mounts_parse(text, len, &m, &err) < 0)
			continue;
		accepted++;
		mounts_of_path(&m, "/la b/c");
		for (size_t i = 0; i < m.count; i++) {
			struct nfs_options o;

			nfs_options_read(&m.items[i], &o);
		}
	}
	assert_true(accepted > 1000);
}

/* --- which mount ----------------------------------------------------------------------------------------------------------- */

static void the_walk_is_the_kernels(void **state)
{
	auto_mounts struct mounts m = {0};
	struct lm_err err;

	(void)state;
	assert_int_equal(parse("10 9 0:1 / / rw - overlay overlay rw\n"
			       "11 10 0:2 / /a rw - t one x\n"
			       "12 11 0:3 / /a/b rw - t two x\n"
			       "13 10 0:4 / /ab rw - t three x\n"
			       "14 11 0:5 / /a rw - t over x\n"		/* on top of /a: hides /a/b too */
			       "15 14 0:6 / /a/c rw - t four x\n"
			       "16 12 0:7 / /a/b/d rw - t hidden x\n", &m, &err), 0);
	assert_string_equal(mounts_of_path(&m, "/a")->source, "over");
	assert_string_equal(mounts_of_path(&m, "/a/b/x")->source, "over");
	assert_string_equal(mounts_of_path(&m, "/a/b/d")->source, "over");
	assert_string_equal(mounts_of_path(&m, "/a/c/x")->source, "four");
	assert_string_equal(mounts_of_path(&m, "/ab")->source, "three");
	assert_string_equal(mounts_of_path(&m, "/abc")->source, "overlay");
	assert_string_equal(mounts_of_path(&m, "/")->source, "overlay");
}

static void odd_tables_end(void **state)
{
	auto_mounts struct mounts circle = {0}, chroot = {0}, self = {0};
	struct lm_err err;

	(void)state;
	assert_int_equal(parse("10 11 0:1 / / rw - t one x\n11 10 0:1 / / rw - t two x\n", &circle, &err), 0);
	assert_null(mounts_of_path(&circle, "/a"));
	/* a chroot whose root is no mount point: nothing is mounted on / */
	assert_int_equal(parse("10 9 0:1 / /latency rw - nfs4 s x\n", &chroot, &err), 0);
	assert_null(mounts_of_path(&chroot, "/tmp"));
	assert_string_equal(point_of(&chroot, "/latency/x"), "/latency");
	assert_int_equal(parse("10 10 0:1 / / rw - rootfs none x\n11 10 0:2 / / rw - t root x\n", &self, &err), 0);
	assert_string_equal(mounts_of_path(&self, "/x")->source, "root");
}

static void paths_are_cleaned(void **state)
{
	static const char *const cases[][2] = {
		{"/", "/"}, {"//", "/"}, {"/latency/", "/latency"}, {"/a//b/./c", "/a/b/c"}, {"/a/../b", "/b"}, {"/../../a", "/a"}, {"/a/..", "/"},
		{"/a/b/../..", "/"}, {"/a/.../b", "/a/.../b"},
	};
	char here[4096];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *clean = mounts_clean(cases[i][0]);

		assert_string_equal(clean, cases[i][1]);
	}
	assert_non_null(getcwd(here, sizeof(here)));
	{
		auto_free char *clean = mounts_clean("x/./y"), *wanted = xasprintf("%s/x/y", here);

		assert_string_equal(clean, wanted);
	}
}

static void options_are_found_whole(void **state)
{
	char value[8];

	(void)state;
	assert_true(mounts_option("rw,vers=4.1,hard", "vers", value, sizeof(value)));
	assert_string_equal(value, "4.1");
	assert_true(mounts_option("rw,hard", "hard", value, sizeof(value)));
	assert_string_equal(value, "");
	assert_false(mounts_option("rw,softerr,timeo=5", "soft", NULL, 0));
	assert_false(mounts_option("xtimeo=5", "timeo", NULL, 0));
	assert_false(mounts_option("", "rw", NULL, 0));
	assert_false(mounts_option(",,", "rw", NULL, 0));
	assert_true(mounts_option("a=0123456789", "a", value, sizeof(value)));
	assert_string_equal(value, "0123456");
	assert_true(mounts_option("a=,b", "a", value, sizeof(value)));
	assert_string_equal(value, "");
}

/* --- what options mean ----------------------------------------------------------------------------------------------------- */

static void read_options(const char *options, const char *super, struct nfs_options *out)
{
	auto_free char *own_options = xstrdup(options), *own_super = xstrdup(super);

	nfs_options_read(&(struct mount){.options = own_options, .super = own_super}, out);
}

static void defaults_that_the_kernel_leaves_out(void **state)
{
	struct nfs_options o;

	(void)state;
	read_options("rw", "rw,vers=4.2,hard,proto=tcp,timeo=600,retrans=2,sec=sys", &o);
	assert_true(o.major == 4 && o.minor == 2 && o.retry == NFS_HARD && o.lookup == NFS_LOOKUP_ALL && !o.read_only);
	assert_true(o.acregmin_s == 3 && o.acregmax_s == 60 && o.acdirmin_s == 30 && o.acdirmax_s == 60);
	assert_true(o.timeo_s > 59.9 && o.timeo_s < 60.1 && o.retrans == 2);
	assert_string_equal(o.local_lock, "none");
	read_options("ro", "rw,vers=3,softerr,lookupcache=none,noac,acregmin=x,acdirmax=-5,acregmax=99999999999,local_lock=all,sync", &o);
	assert_true(o.major == 3 && o.minor == 0 && o.retry == NFS_SOFTERR && o.lookup == NFS_LOOKUP_NONE && o.read_only && o.noac && o.sync);
	assert_true(o.acregmin_s == 3 && o.acdirmax_s == 60 && o.acregmax_s == 60);	/* what is no number is the default */
	assert_string_equal(o.local_lock, "all");
	read_options("", "", &o);
	assert_true(o.major == 0 && o.retry == NFS_HARD);
}

/* The numbers of warnings and of bad findings, and words that the first of the worst has. */
static void judged(const char *type, const char *point, const char *super, bool reads_only, int warnings, int bad, const char *words)
{
	struct heard h = {0};
	struct mount m = {.point = (char *)(uintptr_t)point, .options = (char *)(uintptr_t)"rw", .type = (char *)(uintptr_t)type,
			  .super = (char *)(uintptr_t)super};

	judge_mount(&m, reads_only, on_finding, &h);
	if (h.count[VERDICT_WARNING] != warnings || h.count[VERDICT_BAD] != bad || !strstr(h.text.data, words))
		fail_msg("%s: %d warnings, %d bad:\n%s", super, h.count[VERDICT_WARNING], h.count[VERDICT_BAD], h.text.data);
	assert_int_equal(h.code, bad ? LM_CONFIG : 0);
	buf_free(&h.text);
}

static void each_option_has_its_verdict(void **state)
{
	(void)state;
	judged("nfs4", "/latency", NFS, false, 0, 0, "0 lookupcache positive");
	judged("nfs4", "/latency", "vers=4.2,hard,proto=tcp,timeo=600,retrans=2,sec=sys", false, 1, 1, "2 lookupcache all");
	judged("nfs4", "/latency", "vers=4.1,acregmin=1,acregmax=1,acdirmin=1,acdirmax=1,hard,proto=tcp,timeo=50,retrans=2",
	       false, 1, 0, "1 lookupcache all");
	judged("nfs4", "/latency", "vers=4.1,noac,hard,proto=tcp,timeo=50,retrans=2,lookupcache=pos", false, 1, 0, "1 attributes "
	       "noac");
	judged("nfs4", "/latency", "vers=4.1,actimeo=0,acregmin=0,acregmax=0,acdirmin=0,acdirmax=0,hard,lookupcache=none",
	       false, 1, 0, "1 attributes");
	judged("nfs4", "/latency", "vers=4.1,soft,timeo=10,retrans=1,lookupcache=pos,acregmax=1,acdirmax=1", false, 0, 1, "2 "
	       "soft fails a call after 2 s");
	judged("nfs4", "/latency", "vers=4.1,softerr,timeo=50,retrans=2,lookupcache=pos,acregmax=1,acdirmax=1", false, 1, 0, "1 "
	       "softerr");
	judged("nfs4", "/latency", "vers=4.0,hard,lookupcache=pos,acregmax=1,acdirmax=1", false, 1, 0, "1 vers 4.0");
	judged("nfs", "/latency", "vers=3,hard,lookupcache=pos,acregmax=1,acdirmax=1,nolock,local_lock=all,nocto", false, 2, 1,
	       "2 nocto");
	judged("nfs", "/latency", "vers=2,hard,proto=udp,lookupcache=pos,acregmax=1,acdirmax=1", false, 0, 2, "2 proto udp");
	judged("nfs4", "/latency", NFS ",softreval,sync,nocto", false, 3, 0, "1 softreval");
	judged("nfs4", "/latency", "ro," NFS, false, 1, 0, "1 access ro");
	judged("nfs4", "/latency", "ro," NFS, true, 0, 0, "0 access ro");
	judged("tmpfs", "/latency", "rw", false, 1, 0, "1 type tmpfs: not NFS but a file system of this node alone");
	judged("overlay", "/", "rw", false, 0, 1, "2 type overlay: no volume is mounted here");
	judged("overlay", "/latency", "rw", false, 1, 0, "1 type overlay");
	judged("fuse.glusterfs", "/latency", "rw", false, 1, 0, "its options are not judged");
	judged("ceph", "/latency", "rw", false, 1, 0, "its options are not judged");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_of_the_kernel),
		cmocka_unit_test(our_own_table),
		cmocka_unit_test(escapes_that_are_none_stay),
		cmocka_unit_test(a_bad_line_is_named),
		cmocka_unit_test(an_empty_table_and_limits),
		cmocka_unit_test(random_bytes),
		cmocka_unit_test(the_walk_is_the_kernels),
		cmocka_unit_test(odd_tables_end),
		cmocka_unit_test(paths_are_cleaned),
		cmocka_unit_test(options_are_found_whole),
		cmocka_unit_test(defaults_that_the_kernel_leaves_out),
		cmocka_unit_test(each_option_has_its_verdict),
	};

	return cmocka_run_group_tests_name("mount", tests, NULL, NULL);
}
