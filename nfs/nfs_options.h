/*
 * nfs_options.h - the options of an NFS mount that are in effect, as the kernel shows them. It shows defaults for some (hard, timeo)
 * and leaves them out for others (attribute times, lookupcache=all); here all have their value.
 */
#ifndef NFS_NFS_OPTIONS_H
#define NFS_NFS_OPTIONS_H

#include <stdbool.h>

#include "nfs/mounts.h"

enum nfs_retry { NFS_HARD, NFS_SOFT, NFS_SOFTERR };
enum nfs_lookup { NFS_LOOKUP_ALL, NFS_LOOKUP_POSITIVE, NFS_LOOKUP_NONE };

struct nfs_options {
	int major, minor;			/* of the protocol: 4, 1; 0 when it is not shown */
	char proto[16], sec[16], local_lock[16];
	enum nfs_retry retry;
	double timeo_s;				/* 0 when it is not shown */
	int retrans;
	int acregmin_s, acregmax_s, acdirmin_s, acdirmax_s;
	enum nfs_lookup lookup;
	bool noac, nocto, softreval, sync;
	bool read_only;				/* the mount or the file system */
};

bool nfs_is(const struct mount *m);		/* nfs or nfs4 */
void nfs_options_read(const struct mount *m, struct nfs_options *out);

#endif
