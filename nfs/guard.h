/*
 * guard.h - work on a volume that may hang, in a child process that is left behind when it does.
 *
 *	main                             child
 *	guard_run    ---- fork ------->  work(arg, guard)
 *	  on(finding) <--- a pipe -----    guard_step   "now comes ..."; also the sign of life
 *	  on_mount(id) <---------------    guard_mount
 *	             <----------------     guard_tell
 *
 * A process in an NFS call cannot be waited for; so nobody waits. When the child says nothing for silent_ms it gets SIGKILL, which
 * ends a wait for an NFS server too, at once or whenever the kernel comes to it, and guard_run returns. The child ends with its
 * parent. The parent must not touch the volume itself.
 */
#ifndef NFS_GUARD_H
#define NFS_GUARD_H

#include <stdint.h>

#include "lib/err.h"
#include "nfs/finding.h"

struct guard;				/* the child's end */

typedef void guard_work(void *arg, struct guard *g);

struct guard_listener {
	finding_sink *finding;
	void (*mount)(void *arg, int mount_id);		/* the mount that the child's folder is on; may be NULL */
	void *arg;
};

/*
 * 0 when the work ended; -1: LM_IO with ETIMEDOUT and `STEP: no answer after 10 s`, LM_SOFTWARE when the child crashed.
 */
int guard_run(guard_work *work, void *arg, int64_t silent_ms, const struct guard_listener *listener, struct lm_err *err);

void guard_step(struct guard *g, const char *name);
void guard_mount(struct guard *g, int mount_id);
/* Under the name of the step. `code` counts for a bad one. */
void guard_tell(struct guard *g, enum verdict verdict, int code, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
