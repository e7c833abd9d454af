#include "nfs/judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "nfs/nfs_options.h"

#define FRESH_S 2			/* the README's promise: a change is used within 2 s */
#define PAUSE_S 10			/* a restart of a server; what gives up sooner fails in it */

struct judge {
	finding_sink *sink;
	void *arg;
};

static void say(const struct judge *j, enum verdict verdict, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void say(const struct judge *j, enum verdict verdict, const char *name, const char *fmt, ...)
{
	struct finding f = {.verdict = verdict, .code = verdict == VERDICT_BAD ? LM_CONFIG : 0};
	va_list ap;

	snprintf(f.name, sizeof(f.name), "%s", name);
	va_start(ap, fmt);
	vsnprintf(f.text, sizeof(f.text), fmt, ap);
	va_end(ap);
	j->sink(j->arg, &f);
}

/* --- what is not NFS ------------------------------------------------------------------------------------------------- */

static bool is_one_of(const char *type, const char *const *list)
{
	for (; *list; list++)
		if (STREQ(type, *list))
			return true;
	return false;
}

static void judge_other(const struct mount *m, const struct judge *j)
{
	static const char *const shared[] = {"cifs", "smb3", "ceph", "glusterfs", "lustre", "beegfs", "gpfs", "gfs2", "ocfs2", "9p",
					     "virtiofs", "afs", "orangefs", NULL};
	bool fuse = strncmp(m->type, "fuse", 4) == 0;

	if (STREQ(m->point, "/") && STREQ(m->type, "overlay"))
		say(j, VERDICT_BAD, "type", "overlay: no volume is mounted here, this is the container's own file system; is the "
		    "path that of volumeMounts?");
	else if (fuse || is_one_of(m->type, shared))
		say(j, VERDICT_WARNING, "type", "%s: not NFS; its options are not judged, only what is tried below. Let --write "
		    "and --watch in two pods on two nodes tell whether nodes see each other's files, and how soon", m->type);
	else
		say(j, VERDICT_WARNING, "type", "%s: not NFS but a file system of this node alone: what other nodes write is not "
		    "seen here. Right on a single node; else look which claim the pod has", m->type);
}

/* --- NFS ------------------------------------------------------------------------------------------------------------- */

static void judge_access(const struct nfs_options *o, bool reads_only, const struct judge *j)
{
	if (!o->read_only)
		say(j, VERDICT_OK, "access", "rw");
	else if (reads_only)
		say(j, VERDICT_OK, "access", "ro: enough for the scheduler");
	else
		say(j, VERDICT_WARNING, "access", "ro: enough for the scheduler; probes and merger need a mount that can be "
		    "written");
}

static void judge_version(const struct nfs_options *o, const struct judge *j)
{
	if (o->major == 0)
		say(j, VERDICT_WARNING, "vers", "not shown by this kernel; write nfsvers=4.1");
	else if (o->major < 3)
		say(j, VERDICT_BAD, "vers", "%d: creating a file is not exclusive; write nfsvers=4.1", o->major);
	else if (o->major == 3)
		say(j, VERDICT_WARNING, "vers", "3: needs more ports than 2049, locks come by another server, and a call that is "
		    "repeated after a lost answer may fail though it was done; write nfsvers=4.1");
	else if (o->minor == 0)
		say(j, VERDICT_WARNING, "vers", "4.0: has no sessions: a rename that is repeated after a lost answer may fail "
		    "though it was done; write nfsvers=4.1");
	else
		say(j, VERDICT_OK, "vers", "4.%d: one port, and sessions: a call that is repeated after a lost answer is done "
		    "once", o->minor);
}

static void judge_proto(const struct nfs_options *o, const struct judge *j)
{
	if (strncmp(o->proto, "udp", 3) == 0)
		say(j, VERDICT_BAD, "proto", "%s: fragments of different packets can be put together into wrong data (nfs(5)); "
		    "write proto=tcp", o->proto);
	else if (*o->proto)
		say(j, VERDICT_OK, "proto", "%s", o->proto);
}

/* The least time without an answer after which a call fails. */
static double gives_up_s(const struct nfs_options *o)
{
	return o->timeo_s * (o->retrans + 1);
}

static void judge_retry(const struct nfs_options *o, const struct judge *j)
{
	const char *name = o->retry == NFS_SOFT ? "soft" : "softerr";

	if (o->retry == NFS_HARD)
		say(j, VERDICT_OK, "hard", "a call waits until the server is back and then is done; our programs do not wait for "
		    "it");
	else if (gives_up_s(o) < PAUSE_S)
		say(j, VERDICT_BAD, name, "fails a call after %.3g s (timeo x (retrans + 1)), a restart of the server takes "
		    "longer: reports and merges are lost in it; write hard", gives_up_s(o));
	else
		say(j, VERDICT_WARNING, name, "a write that the server did not answer for %.3g s or more is an error, and other "
		    "programs may take it for written (ours check); write hard", gives_up_s(o));
}

static void judge_timeo(const struct nfs_options *o, const struct judge *j)
{
	if (o->timeo_s > 0)
		say(j, VERDICT_OK, "timeo", "%.3g s, retrans=%d: a connection that went silent is given up after %.3g s and made anew",
		    o->timeo_s, o->retrans, gives_up_s(o));
}

static int larger(int a, int b)
{
	return a > b ? a : b;
}

static void judge_times(const struct nfs_options *o, const struct judge *j)
{
	int most_s = larger(o->acregmax_s, o->acdirmax_s);
	char text[128];

	snprintf(text, sizeof(text), "acregmin=%d acregmax=%d acdirmin=%d acdirmax=%d", o->acregmin_s, o->acregmax_s,
		 o->acdirmin_s, o->acdirmax_s);
	if (o->noac || most_s == 0)
		say(j, VERDICT_WARNING, "attributes", "%s: every look at a file asks the server, from every node each second%s; "
		    "actimeo=1 is enough", o->noac ? "noac" : text, o->noac ? ", and every write waits for its disk" : "");
	else if (most_s <= FRESH_S)
		say(j, VERDICT_OK, "attributes", "%s: what another node changed is noticed within %d s", text, most_s);
	else
		say(j, VERDICT_WARNING, "attributes", "%s: what another node removed, and which files there are, is noticed up "
		    "to %d s late; write actimeo=1", text, most_s);
}

static void judge_lookup(const struct nfs_options *o, const struct judge *j)
{
	int most_s = o->noac ? 0 : o->acdirmax_s;

	if (o->lookup == NFS_LOOKUP_POSITIVE)
		say(j, VERDICT_OK, "lookupcache", "positive: a file that was not there a moment ago is looked for again");
	else if (o->lookup == NFS_LOOKUP_NONE)
		say(j, VERDICT_OK, "lookupcache", "none: every name is looked up at the server; positive is enough and cheaper");
	else if (most_s <= FRESH_S)
		say(j, VERDICT_WARNING, "lookupcache", "all (not shown: it is the default): that a file is not there is "
		    "remembered, at most %d s; write lookupcache=positive", most_s);
	else
		say(j, VERDICT_BAD, "lookupcache", "all (not shown: it is the default): a new report, or `hold`, stays unseen "
		    "for up to %d s where it was looked for before it came: the merger would overwrite an edit; write "
		    "lookupcache=positive", most_s);
}

static void judge_rest(const struct nfs_options *o, const struct judge *j)
{
	if (o->nocto && o->major >= 4)	/* in the laboratory it made no difference there: an open goes to the server anyway */
		say(j, VERDICT_WARNING, "nocto", "opening a file need not ask the server whether it changed; leave it out");
	else if (o->nocto)
		say(j, VERDICT_BAD, "nocto", "opening a file does not ask the server whether it changed: an old matrix is read "
		    "for up to %d s; leave it out", o->acregmax_s);
	if (o->softreval)
		say(j, VERDICT_WARNING, "softreval", "while the server is gone old files are shown as if they were there: an "
		    "outage goes unnoticed; leave it out");
	if (!STREQ(o->local_lock, "none"))
		say(j, VERDICT_WARNING, "local_lock", "%s: locks hold on this node alone: two mergers on two nodes do not take "
		    "turns (they check again, so no file is harmed); write nfsvers=4.1 and leave nolock and local_lock out",
		    o->local_lock);
	if (o->sync && !o->noac)
		say(j, VERDICT_WARNING, "sync", "not needed: what matters is fsynced; leave it out");
	if (STREQ(o->sec, "sys"))
		say(j, VERDICT_OK, "sec", "sys: the server believes every client's uid: let only the nodes reach its port 2049");
	else if (*o->sec)
		say(j, VERDICT_OK, "sec", "%s: who writes is decided by tickets, see the owner below", o->sec);
}

void judge_mount(const struct mount *m, bool reads_only, finding_sink *sink, void *arg)
{
	struct judge j = {sink, arg};
	struct nfs_options o;

	if (!nfs_is(m)) {
		judge_other(m, &j);
		return;
	}
	nfs_options_read(m, &o);
	judge_access(&o, reads_only, &j);
	judge_version(&o, &j);
	judge_proto(&o, &j);
	judge_retry(&o, &j);
	judge_timeo(&o, &j);
	judge_times(&o, &j);
	judge_lookup(&o, &j);
	judge_rest(&o, &j);
}
