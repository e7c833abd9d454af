/*
 * lab-mount.c - check-mount on real NFS mounts: what it says of good and of wrong options, of what is no NFS, without permission, with
 * a server that is gone; and how late another client's change is seen under which options. Runs in the laboratory (mount.sh); prints
 * TAP. Words: only the cases whose name contains one of them. Its figures are in nfs/README.md.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "tests/lab/guest.h"
#include "tests/lab/host.h"
#include "tests/lab/nfsd.h"
#include "tests/lab/root.h"

#define PROGRAM "/tmp/check-mount"	/* a copy that uid 65532 may run, whatever the umask of the build was */
#define GOOD "hard,timeo=50,retrans=2,lookupcache=positive,actimeo=1"
#define LIMIT_S 120
#define HUNG_S 3			/* --timeout in the cases without a server */
#define LEFT_S 30

static struct topology topology;

/* One run of check-mount. */
struct run {
	const char *host;
	const char *mount;		/* options of a mount of its own; NULL: /latency as it is */
	unsigned long flags;		/* of that mount */
	const char *folder;		/* below the mount, or with / another one; NULL: the mount itself */
	const char *args[6];
	pid_t pid;
	int64_t begin_ms;
	char log[64];
	char *output;			/* afterwards */
	double took_s;
};

/* --- running it --------------------------------------------------------------------------------------------------------- */

static int copy_program(struct lm_err *err)
{
	auto_file_text struct file_text program = {0};
	auto_close int dir = -1;

	if (file_read(AT_FDCWD, ROOT_BUILD "/check-mount", (size_t)64 << 20, FILE_FOLLOW, &program, err) < 0 ||
	    (dir = file_open_dir("/tmp", err)) < 0 || file_publish(dir, "check-mount", program.data, program.len, NULL, err) < 0)
		return -1;
	return chmod(PROGRAM, 0755) < 0 ? lm_fail_errno(err, PROGRAM) : 0;
}

/* The mount lives in a mount namespace of this process alone and goes with it. */
static int mount_own(const struct host *h, const struct run *r, const char *where, struct lm_err *err)
{
	auto_free char *options = xasprintf("%s,proto=tcp,sec=sys,addr=" NFSD_ADDR ",clientaddr=%s", r->mount, h->addr);

	if (mkdir(where, 0755) < 0 && errno != EEXIST)
		return lm_fail_errno(err, "%s", where);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(NFSD_ADDR ":/", where, "nfs4", r->flags, options) < 0)
		return lm_fail_errno(err, "mount -o %s", options);
	return 0;
}

static void in_child(const struct host *h, struct run *r)
{
	static const char own[] = "/tmp/volume";
	const char *base = r->mount ? own : HOST_VOLUME, *argv[9] = {"check-mount"};
	auto_free char *dir = !r->folder ? xstrdup(base) : *r->folder == '/' ? xstrdup(r->folder) : xasprintf("%s/%s", base, r->folder);
	int out = open(r->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), count = 1;
	struct lm_err err;

	dup2(out, 1);
	dup2(out, 2);
	if (guest_enter(h, &err) < 0 || (r->mount && mount_own(h, r, own, &err) < 0)) {
		printf("%s\n", err.msg);
		fflush(stdout);
		_exit(126);
	}
	argv[count++] = dir;
	for (size_t i = 0; i < ARRAY_SIZE(r->args) && r->args[i]; i++)
		argv[count++] = r->args[i];
	umask(022);
	if (setgroups(0, NULL) < 0 || setgid(GUEST_UID) < 0 || setuid(GUEST_UID) < 0)
		_exit(126);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execv(PROGRAM, (char *const *)(uintptr_t)argv);
	_exit(127);
}

static int start(struct run *r, struct lm_err *err)
{
	static int number;
	int host = topology_find(&topology, r->host);

	snprintf(r->log, sizeof(r->log), ROOT_OUT "/run-%d.log", ++number);
	r->begin_ms = clock_mono_ms();
	fflush(stdout);
	r->pid = fork();
	if (r->pid == 0)
		in_child(&topology.host[host], r);
	return r->pid < 0 ? lm_fail_errno(err, "fork") : 0;
}

static int wait_for(struct run *r, int code, struct lm_err *err)
{
	auto_file_text struct file_text text = {0};
	int status = 0;

	while (waitpid(r->pid, &status, WNOHANG) == 0) {
		if (clock_mono_ms() - r->begin_ms > LIMIT_S * 1000) {
			kill(r->pid, SIGKILL);
			return lm_fail(err, LM_DATA, "check-mount runs for %d s", LIMIT_S);
		}
		usleep(20000);
	}
	r->took_s = (double)(clock_mono_ms() - r->begin_ms) / 1e3;
	if (file_read(AT_FDCWD, r->log, (size_t)1 << 20, FILE_FOLLOW, &text, err) < 0)
		return -1;
	r->output = steal(&text.data);		/* stays: a few kilobytes until the end */
	if (!WIFEXITED(status) || WEXITSTATUS(status) != code)
		return lm_fail(err, LM_DATA, "status %#x instead of exit code %d, see %s", (unsigned)status, code, r->log);
	return 0;
}

static int check(struct run *r, int code, struct lm_err *err)
{
	return start(r, err) < 0 ? -1 : wait_for(r, code, err);
}

/* A line with this verdict and name, which contains the words. */
static int says(const struct run *r, const char *verdict, const char *name, const char *words, struct lm_err *err)
{
	auto_free char *wanted = xasprintf("%-8s %-13s ", verdict, name);
	const char *at = strstr(r->output, wanted), *end = at ? strchrnul(at, '\n') : NULL;
	const char *found = at ? strstr(at, words) : NULL;

	if (found && found < end)
		return 0;
	return lm_fail(err, LM_DATA, "no line `%s%s`, see %s", wanted, words, r->log);
}

static int says_not(const struct run *r, const char *word, struct lm_err *err)
{
	auto_free char *wanted = xasprintf("\n%s ", word);

	return strstr(r->output, wanted) ? lm_fail(err, LM_DATA, "a line begins with `%s`, see %s", word, r->log) : 0;
}

/* --- options ------------------------------------------------------------------------------------------------------------- */

static int case_safe(struct lm_err *err)
{
	struct run r = {.host = "frankfurt-1"};

	if (check(&r, 0, err) < 0 || says_not(&r, "bad", err) < 0 || says_not(&r, "warning", err) < 0)
		return -1;
	if (says(&r, "ok", "vers", "4.1", err) < 0 || says(&r, "ok", "lookupcache", "positive", err) < 0 ||
	    says(&r, "ok", "attributes", "acdirmax=1", err) < 0 || says(&r, "ok", "owner", "65532:65532", err) < 0 ||
	    says(&r, "ok", "nodes/", "2775", err) < 0 || says(&r, "ok", "rename", "old file or the new one", err) < 0 ||
	    says(&r, "ok", "deleted file", "read to its end", err) < 0 || says(&r, "ok", "lock", "", err) < 0 ||
	    says(&r, "ok", "inotify", "", err) < 0 || says(&r, "ok", "clock", "", err) < 0)
		return -1;
	for (char *at = r.output, *end; *at; at = end + 1) {
		end = strchrnul(at, '\n');
		printf("# %.*s\n", (int)(end - at), at);
		if (!*end)
			break;
	}
	return 0;
}

static int case_defaults(struct lm_err *err)
{
	struct run r = {.host = "london-1", .mount = "vers=4.1"};

	if (check(&r, 78, err) < 0 || says(&r, "bad", "lookupcache", "up to 60 s", err) < 0 ||
	    says(&r, "warning", "attributes", "60 s late", err) < 0 || says(&r, "ok", "hard", "", err) < 0 ||
	    says(&r, "ok", "timeo", "after 180 s", err) < 0 || !strstr(r.output, "mountOptions: ["))
		return -1;
	return says(&r, "ok", "writing", "", err);
}

static int case_wrong(struct lm_err *err)
{
	struct run r = {.host = "london-1", .mount = "vers=4.1,soft,timeo=10,retrans=1,actimeo=60,nocto,sync"};

	if (check(&r, 78, err) < 0 || says(&r, "bad", "soft", "after 2 s", err) < 0 || says(&r, "bad", "lookupcache", "60 s", err) < 0)
		return -1;
	return says(&r, "warning", "nocto", "", err) < 0 ? -1 : says(&r, "warning", "sync", "", err);
}

static int case_costly(struct lm_err *err)
{
	struct run soft = {.host = "london-1", .mount = "vers=4.2,soft,timeo=50,retrans=2,lookupcache=positive,actimeo=1"};
	struct run noac = {.host = "london-1", .mount = "vers=4.0,hard,timeo=50,retrans=2,lookupcache=none,noac"};

	if (check(&soft, 0, err) < 0 || says(&soft, "warning", "soft", "write hard", err) < 0 || says(&soft, "ok", "vers", "4.2", err) < 0)
		return -1;
	if (check(&noac, 0, err) < 0 || says(&noac, "warning", "vers", "4.0", err) < 0 || says(&noac, "ok", "lookupcache", "none", err) < 0)
		return -1;
	return says(&noac, "warning", "attributes", "noac", err);
}

/* --- what may be done ------------------------------------------------------------------------------------------------------ */

static int case_read_only(struct lm_err *err)
{
	struct run no = {.host = "tokyo-1", .mount = "vers=4.1," GOOD, .flags = MS_RDONLY};
	struct run yes = {.host = "tokyo-1", .mount = "vers=4.1," GOOD, .flags = MS_RDONLY, .args = {"--read-only"}};

	if (check(&no, 77, err) < 0 || says(&no, "bad", "writing", "read-only", err) < 0)
		return -1;
	if (check(&yes, 0, err) < 0 || says(&yes, "ok", "access", "ro", err) < 0 || says_not(&yes, "warning", err) < 0)
		return -1;
	return says(&yes, "ok", "reading", "", err);
}

static int case_not_ours(struct lm_err *err)
{
	struct run r = {.host = "tokyo-1", .mount = "vers=4.1," GOOD, .folder = "locked"}, missing = r;

	missing.folder = "missing";
	if (mkdir(NFSD_EXPORT "/locked", 0755) < 0)
		return lm_fail_errno(err, "locked");
	if (check(&r, 77, err) < 0 || says(&r, "bad", "writing", "uid 65532, gid 65532 may not write here: it is of 0:", err) < 0)
		return -1;
	rmdir(NFSD_EXPORT "/locked");
	return check(&missing, 66, err) < 0 ? -1 : says(&missing, "bad", "folder", "No such file", err);
}

static int case_without_nodes(struct lm_err *err)
{
	struct run r = {.host = "tokyo-1", .mount = "vers=4.1," GOOD, .folder = "fresh"};
	int result;

	if (mkdir(NFSD_EXPORT "/fresh", 0755) < 0 || chown(NFSD_EXPORT "/fresh", GUEST_UID, GUEST_UID) < 0)
		return lm_fail_errno(err, "fresh");
	result = check(&r, 0, err) < 0 ? -1 : says(&r, "ok", "nodes/", "not there yet", err);
	if (rmdir(NFSD_EXPORT "/fresh") < 0 && result == 0)	/* nothing is left in it */
		result = lm_fail_errno(err, "fresh");
	return result;
}

static int case_local(struct lm_err *err)
{
	struct run r = {.host = "tokyo-1", .folder = "/tmp"};

	return check(&r, 0, err) < 0 ? -1 : says(&r, "warning", "type", "tmpfs: not NFS", err);
}

/* --- two clients ------------------------------------------------------------------------------------------------------------ */

static double seconds_after(const struct run *r, const char *name)
{
	auto_free char *wanted = xasprintf(" %-13s ", name);
	const char *at = strstr(r->output, wanted), *number = at ? strstr(at, "seen after ") : NULL;

	return number ? strtod(number + strlen("seen after "), NULL) : -1;
}

static int case_two_clients(struct lm_err *err)
{
	struct run writer = {.host = "frankfurt-1", .args = {"--write", "--time", "65s"}};
	struct run watcher[] = {
		{.host = "tokyo-1", .args = {"--watch", "--time", "60s"}},
		{.host = "london-1", .mount = "vers=4.1,lookupcache=positive", .args = {"--watch", "--time", "60s"}},
		{.host = "dallas-1", .mount = "vers=4.1,actimeo=1", .args = {"--watch", "--time", "60s"}},
		{.host = "dallas-2", .mount = "vers=4.1", .args = {"--watch", "--time", "60s"}},
		{.host = "washington-1", .mount = "vers=4.1,nocto,lookupcache=positive", .args = {"--watch", "--time", "60s"}},
	};
	static const int codes[] = {0, 0, 0, 78, 0};

	if (start(&writer, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(watcher); i++)
		if (start(&watcher[i], err) < 0)
			return -1;
	for (size_t i = 0; i < ARRAY_SIZE(watcher); i++) {
		if (wait_for(&watcher[i], codes[i], err) < 0)
			return -1;
		printf("# %-36s seen at the latest: replaced %.2f s, edited %.2f s, appeared %.2f s\n", watcher[i].mount ? watcher[i].mount :
		       "as it should be", seconds_after(&watcher[i], "replaced"), seconds_after(&watcher[i], "edited"),
		       seconds_after(&watcher[i], "appeared"));
	}
	if (wait_for(&writer, 0, err) < 0 || says(&watcher[0], "ok", "watch", "none after a newer one", err) < 0)
		return -1;
	return says(&watcher[3], "bad", "appeared", "lookupcache=positive", err);
}

static int case_alone(struct lm_err *err)
{
	struct run r = {.host = "tokyo-1", .args = {"--watch", "--time", "2s"}};

	return check(&r, 66, err) < 0 ? -1 : says(&r, "bad", "watch", "--write", err);
}

/* --- the server is gone -------------------------------------------------------------------------------------------------------- */

static int bounded(const struct run *r, struct lm_err *err)
{
	printf("# without the server: ended after %.1f s\n", r->took_s);
	if (r->took_s > 3 * HUNG_S)
		return lm_fail(err, LM_DATA, "took %.1f s with --timeout %ds", r->took_s, HUNG_S);
	if (says(r, "bad", "answer", "no answer after 3 s", err) < 0)
		return -1;
	return says(r, "ok", "vers", "4.1", err);	/* the options are told all the same */
}

static int count_programs(void)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	int count = 0;

	while (proc && (entry = readdir(proc))) {
		auto_free char *path = xasprintf("/proc/%s/comm", entry->d_name);
		auto_file_text struct file_text text = {0};
		struct lm_err ignored;

		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && file_read(AT_FDCWD, path, 64, FILE_FOLLOW, &text, &ignored) == 0)
			count += STREQ(text.data, "check-mount\n");
	}
	if (proc)
		closedir(proc);
	return count;
}

/* SIGKILL ends a wait for an NFS server: so the pod of a check-mount that gave up ends too. */
static int nothing_is_left(struct lm_err *err)
{
	int64_t begin_ms = clock_mono_ms();

	while (count_programs() > 0) {
		if (clock_mono_ms() - begin_ms > LEFT_S * 1000)
			return lm_fail(err, LM_DATA, "%d processes are left behind for %d s", count_programs(), LEFT_S);
		usleep(20000);
	}
	printf("# the process that was left behind ended %.1f s later\n", (double)(clock_mono_ms() - begin_ms) / 1e3);
	return 0;
}

static int case_server_gone(struct lm_err *err)
{
	struct run gone = {.host = "frankfurt-2", .args = {"--timeout", "3s"}};
	struct run reading = {.host = "dallas-1", .args = {"--timeout", "3s", "--read-only"}};
	struct run back = {.host = "frankfurt-2", .args = {"--timeout", "60s"}};
	struct lm_err later;
	int result;

	if (nfsd_stop(err) < 0)
		return -1;
	usleep(1500000);			/* what is known of the root is a second old at most */
	result = check(&gone, 74, err) < 0 || bounded(&gone, err) < 0 || check(&reading, 74, err) < 0 || bounded(&reading, err) < 0 ||
		 nothing_is_left(err) < 0 ? -1 : 0;
	if (nfsd_start(&topology, &later) < 0)
		*err = later;
	else if (result == 0)
		return check(&back, 0, err) < 0 ? -1 : says_not(&back, "bad", err);
	return -1;
}

/* --- all ------------------------------------------------------------------------------------------------------------------ */

static const struct {
	const char *name;
	int (*run)(struct lm_err *err);
} cases[] = {
	{"a mount as it should be is safe, and nothing is said against it", case_safe},
	{"NFS's default options are not safe: lookupcache", case_defaults},
	{"wrong options: each is named, with what to write", case_wrong},
	{"options that only cost something are warnings", case_costly},
	{"a read-only mount: for the scheduler alone", case_read_only},
	{"a folder of someone else: who may write, and the remedy; no folder at all", case_not_ours},
	{"a fresh volume without nodes/: tried with a folder that is gone afterwards", case_without_nodes},
	{"a local tmpfs: not shared", case_local},
	{"two clients: how late a change is seen, by mount options", case_two_clients},
	{"watching where nobody writes", case_alone},
	{"s7_server_gone: check-mount ends in time, tells the options, and all is well when the server is back", case_server_gone},
};

static bool wanted(const char *name, int argc, char **argv)
{
	bool found = argc < 2;

	for (int i = 1; i < argc; i++)
		found = found || strstr(name, argv[i]);
	return found;
}

int main(int argc, char **argv)
{
	int failed = 0, number = 0;
	struct lm_err err;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (topology_load(TOPOLOGY_LIVE, &topology, &err) < 0 || copy_program(&err) < 0) {
		printf("not ok 1 - the laboratory\n# %s\n1..1\n", err.msg);
		return 1;
	}
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t begin_ms = clock_mono_ms();
		bool bad;

		if (!wanted(cases[i].name, argc, argv))
			continue;
		bad = cases[i].run(&err) < 0;
		printf("%sok %d - %s\n", bad ? "not " : "", ++number, cases[i].name);
		printf("# %.1f s%s%s\n", (double)(clock_mono_ms() - begin_ms) / 1e3, bad ? ": " : "", bad ? err.msg : "");
		failed += bad;
	}
	printf("1..%d\n", number);
	return failed != 0;
}
