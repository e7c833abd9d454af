/* latency-probe: see settings.c for the options, agent.c for what it does. */
#include "lib/log.h"
#include "probe/agent.h"
#include "probe/settings.h"

int main(int argc, char **argv)
{
	struct settings settings;
	struct options options;
	struct lm_err err;
	int failed;

	if (probe_settings_parse(argc, argv, &settings, &options, &err) < 0)
		return options_fail(&probe_program, &err);
	log_setup(options.log_level, options.log_format);
	failed = options.done ? 0 : agent_run(&settings, &err);
	options_free(&options);
	return failed ? options_fail(&probe_program, &err) : 0;
}
