/*
 * intake.h - the matrix in use: takes what the reader process hands over, by the rules for epochs, generations and `hold`
 * (mesh.h), and says so in log and metrics.
 *
 * Before each decision: intake_settle, then intake_mesh. One thread.
 */
#ifndef SCHED_INTAKE_H
#define SCHED_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/metrics.h"
#include "sched/mesh.h"

#define INTAKE_SETTLE_MS 100		/* a decision waits so long for a reload that was begun */
#define INTAKE_FIRST_MS 5000		/* the first decision waits so long for the first look at the file */

struct intake;

/* Starts the reader process. `stats` has the table of stats.h. */
int intake_start(const char *file, int64_t poll_ms, struct metrics *stats, struct intake **out, struct lm_err *err);
void intake_free(struct intake *i);			/* NULL is fine */
int intake_fd(const struct intake *i);			/* readable: call intake_poll; -1: none now */
/* Takes what is there and looks after the process. True when another mesh is in use now. Call each turn. */
bool intake_poll(struct intake *i, int64_t mono_ms, int64_t *wait_ms);
/* The same after waiting for every change of the file that this machine made before now, at most INTAKE_SETTLE_MS. */
bool intake_settle(struct intake *i);
/* Nothing is to be taken, and intake_settle would not wait. Any thread, while the one that owns the intake does nothing with it. */
bool intake_is_settled(const struct intake *i);
/* The file was looked at once, or INTAKE_FIRST_MS are over. */
bool intake_ready(const struct intake *i, int64_t mono_ms);
const struct mesh *intake_mesh(const struct intake *i);	/* NULL: none yet */

#endif
