/*
 * watch.h - `latency-merge --watch`: a merge every interval until SIGTERM or SIGINT, with /metrics and /healthz beside it.
 *
 * A merge that fails is logged and tried again at the next interval, except when the first one fails in a way that waiting cannot
 * mend (usage, configuration, missing input). Intervals are kept by the monotonic clock; a merge that takes longer skips what it missed.
 */
#ifndef MERGE_WATCH_H
#define MERGE_WATCH_H

#include "merge/run.h"

/* Blocks SIGTERM and SIGINT, which then ask to stop. Before any thread is started. */
void watch_signals(void);
bool watch_stopped(void);		/* for merger_init */
int watch_run(struct merger *m, struct lm_err *err);

#endif
