/* latency-probe: see settings.c for the options, agent.c for what it does. */
#include <unistd.h>

#include "lib/log.h"
#include "probe/agent.h"
#include "probe/settings.h"

int main(int argc, char **argv)
{
	struct settings settings;
	struct options options;
	struct lm_err err;
	bool hung = false;
	int code = 0;

	if (probe_settings_parse(argc, argv, &settings, &options, &err) < 0)
		return options_fail(&probe_program, &err);
	log_setup(options.log_level, options.log_format);
	if (!options.done && agent_run(&settings, &hung, &err) < 0)
		code = options_fail(&probe_program, &err);
	if (hung)
		_exit(code); /* handlers of exit() might wait for that thread */
	options_free(&options);
	return code;
}
