/*
 * agent.h - the probe itself: the parts of this folder in the order in which they work.
 *
 *	wait for the slot -> look at the peers -> ping a round -> windows, load -> report -> status
 *
 * All of it on one thread; files are volume.h's thread, HTTP has its own.
 */
#ifndef PROBE_AGENT_H
#define PROBE_AGENT_H

#include <stdbool.h>

#include "lib/err.h"
#include "probe/settings.h"

/*
 * Until SIGTERM or SIGINT, or for one round. 0 when it ended as it should. *hung: the volume does not answer and a thread waits for it
 * in the kernel; the program should end with _exit.
 */
int agent_run(const struct settings *settings, bool *hung, struct lm_err *err);

#endif
