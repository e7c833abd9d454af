/*
 * trial.h - does with a folder what our programs do with the volume, and tells how it went. Runs in a child (guard.h), for every
 * call here may hang.
 *
 * All files are named `.tmp-PID-RANDOM`: readers skip them, and what a crash leaves behind the merger and the probes sweep after an hour.
 */
#ifndef NFS_TRIAL_H
#define NFS_TRIAL_H

#include <stdbool.h>
#include <sys/stat.h>

#include "lib/file.h"
#include "nfs/guard.h"

struct trial {
	const char *dir;
	bool reads_only;
	/* for the steps */
	struct guard *guard;
	int dir_fd;
	char name[48];			/* a file of ours, `.tmp-...` */
	struct stat made;		/* how it was when it was made */
};

/* A guard_work; `arg` is a struct trial with dir and reads_only. */
void trial_run(void *trial, struct guard *g);

/* --- between trial.c and trial_share.c: steps */
void trial_name(char name[static 48]);
/* The usual bad finding: the error's text, under its code. */
void trial_failed(const struct trial *t, const struct lm_err *err);

void trial_rename(struct trial *t);	/* a reader sees the old file or the new one, while it is replaced */
void trial_deleted(struct trial *t);	/* an open file that is deleted is still read */
void trial_lock(struct trial *t);
void trial_inotify(struct trial *t);
void trial_clock(struct trial *t);
void trial_space(struct trial *t);

#endif
