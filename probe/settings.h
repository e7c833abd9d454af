/*
 * settings.h - the command line of latency-probe: one table of options, and the checks that a table cannot say.
 */
#ifndef PROBE_SETTINGS_H
#define PROBE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/options.h"

struct settings {
	const char *node, *peers, *output;
	const char *listen;			/* NULL: no HTTP */
	struct option_list interfaces;		/* empty: those of the default routes */
	int64_t interval_ms, window_ms, loss_window_ms, publish_ms, timeout_ms;
	int64_t pings;
	int pinger;				/* enum pinger_kind */
	bool once, metrics_peers;
};

extern const struct options_program probe_program;

/* LM_USAGE for what fits no option or does not fit together. Strings live in *options. */
int probe_settings_parse(int argc, char **argv, struct settings *out, struct options *options, struct lm_err *err);

#endif
