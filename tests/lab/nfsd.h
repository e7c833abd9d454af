/*
 * nfsd.h - the kernel's NFS server in the guest, without any NFS package.
 *
 * What rpc.mountd and exportfs do is to answer three questions of the kernel, through the files /proc/net/rpc/CACHE/channel: which
 * group of clients an address belongs to, which folder a file handle's file system number means, how that folder is exported.
 * The answers are written before anyone asks. NFSv4 alone (v3 would want rpcbind); the grace period is ended at once.
 */
#ifndef TESTS_LAB_NFSD_H
#define TESTS_LAB_NFSD_H

#include "lib/err.h"
#include "tests/lab/topology.h"

#define NFSD_EXPORT "/export"		/* a tmpfs; nodes/ in it, owned by 65532 */
#define NFSD_ADDR "10.1.0.254"

/* Once: the folder, the file systems. */
int nfsd_prepare(struct lm_err *err);
/* Serves the hosts of the topology. Also after nfsd_stop: clients go on where they hung. */
int nfsd_start(const struct topology *t, struct lm_err *err);
int nfsd_stop(struct lm_err *err);

#endif
