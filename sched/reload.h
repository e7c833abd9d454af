/*
 * reload.h - reads the configuration again while the program runs, in either mode, and tells log and metrics what became of it.
 */
#ifndef SCHED_RELOAD_H
#define SCHED_RELOAD_H

#include <stdbool.h>

#include "lib/metrics.h"
#include "sched/conffile.h"
#include "sched/settings.h"

/* The settings in force were loaded well just now. */
void reload_note_loaded(struct metrics *stats);
/*
 * True: *in_force is another one, and the old one is freed; the caller applies what it keeps elsewhere. False: it is refused (bad, or a change that
 * needs a restart), and the old one stays. `because` is for the log.
 */
bool reload_settings(struct settings **in_force, int argc, char **argv, struct conffile *file, struct metrics *stats, const char *because);

#endif
