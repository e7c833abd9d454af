#include "nfs/nfs_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

/* nfs(5) */
#define ACREGMIN_S 3
#define ACREGMAX_S 60
#define ACDIRMIN_S 30
#define ACDIRMAX_S 60
#define NUMBER_MAX 1000000

bool nfs_is(const struct mount *m)
{
	return STREQ(m->type, "nfs") || STREQ(m->type, "nfs4");
}

static int integer(const char *list, const char *name, int fallback)
{
	char text[16], *end;
	long value;

	if (!mounts_option(list, name, text, sizeof(text)))
		return fallback;
	value = strtol(text, &end, 10);
	return end != text && !*end && value >= 0 && value <= NUMBER_MAX ? (int)value : fallback;
}

static void read_version(const char *list, struct nfs_options *out)
{
	char text[16] = "", *end;

	if (!mounts_option(list, "vers", text, sizeof(text)) && !mounts_option(list, "nfsvers", text, sizeof(text)))
		return;
	out->major = (int)strtol(text, &end, 10);
	out->minor = *end == '.' ? (int)strtol(end + 1, NULL, 10) : 0;
	/* old kernels show the minor version by itself */
	out->minor = integer(list, "minorversion", out->minor);
}

static enum nfs_lookup lookup(const char *list)
{
	char text[16];

	if (!mounts_option(list, "lookupcache", text, sizeof(text)))
		return NFS_LOOKUP_ALL;
	if (STREQ(text, "none"))
		return NFS_LOOKUP_NONE;
	return strncmp(text, "pos", 3) == 0 ? NFS_LOOKUP_POSITIVE : NFS_LOOKUP_ALL;
}

static void text_of(const char *list, const char *name, const char *fallback, char *out, size_t size)
{
	if (!mounts_option(list, name, out, size))
		snprintf(out, size, "%s", fallback);
}

void nfs_options_read(const struct mount *m, struct nfs_options *out)
{
	const char *list = m->super;

	*out = (struct nfs_options){
		.timeo_s = integer(list, "timeo", 0) / 10.0,
		.retrans = integer(list, "retrans", 0),
		.acregmin_s = integer(list, "acregmin", ACREGMIN_S),
		.acregmax_s = integer(list, "acregmax", ACREGMAX_S),
		.acdirmin_s = integer(list, "acdirmin", ACDIRMIN_S),
		.acdirmax_s = integer(list, "acdirmax", ACDIRMAX_S),
		.lookup = lookup(list),
		.noac = mounts_option(list, "noac", NULL, 0),
		.nocto = mounts_option(list, "nocto", NULL, 0),
		.softreval = mounts_option(list, "softreval", NULL, 0),
		.sync = mounts_option(list, "sync", NULL, 0) || mounts_option(m->options, "sync", NULL, 0),
		.read_only = mounts_option(m->options, "ro", NULL, 0) || mounts_option(list, "ro", NULL, 0),
	};
	if (mounts_option(list, "softerr", NULL, 0))
		out->retry = NFS_SOFTERR;
	else if (mounts_option(list, "soft", NULL, 0))
		out->retry = NFS_SOFT;
	read_version(list, out);
	text_of(list, "proto", "", out->proto, sizeof(out->proto));
	text_of(list, "sec", "", out->sec, sizeof(out->sec));
	text_of(list, "local_lock", "none", out->local_lock, sizeof(out->local_lock));
}
