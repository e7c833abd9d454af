/*
 * judge.h - what the options of a mount mean for our files: a finding for each, with the reason and what to write instead. Looks at
 * the table of mounts alone and asks no server.
 *
 * Bad is what loses or overwrites something: options under which `hold` or a new report stays unseen, or calls fail in a short pause
 * of the server. What only makes a change come later than it could is a warning.
 */
#ifndef NFS_JUDGE_H
#define NFS_JUDGE_H

#include <stdbool.h>

#include "nfs/finding.h"
#include "nfs/mounts.h"

/* What nfs-pv-pvc.yaml has; also the chart's default. */
#define JUDGE_MOUNT_OPTIONS "nfsvers=4.1, hard, timeo=50, retrans=2, lookupcache=positive, actimeo=1"

/* `reads_only`: it is wanted for reading alone. */
void judge_mount(const struct mount *m, bool reads_only, finding_sink *sink, void *arg);

#endif
