/* latency-sched: places pods where the network is fast. */
#include <string.h>
#include <sys/resource.h>

#include "lib/kube/config.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "sched/dump_command.h"
#include "sched/explain.h"
#include "sched/extender/extender.h"
#include "sched/reader.h"
#include "sched/scheduler.h"
#include "sched/selftest.h"
#include "sched/settings.h"
#include "sched/simulate.h"

/* Many connections; and no core file, which would hold the token. */
static void set_limits(void)
{
	struct rlimit files, none = {0, 0};

	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	setrlimit(RLIMIT_CORE, &none);
}

static int run(struct settings *s, int argc, char **argv, struct lm_err *err)
{
	struct kube_source source = {.server = s->server, .kubeconfig = s->kubeconfig, .insecure = s->insecure};
	struct kube_config api = {0};
	int code;

	if (s->mode == MODE_EXTENDER && !s->extender_bind && !kube_config_present(&source)) {
		set_limits();
		return extender_run(s, NULL, argc, argv, err);
	}
	if (kube_config_load(&source, &api, err) < 0) {
		settings_free(s);
		return -1;
	}
	set_limits();
	code = s->mode == MODE_EXTENDER ? extender_run(s, &api, argc, argv, err) : scheduler_run(s, &api, argc, argv, err);
	kube_config_free(&api);
	return code;
}

int main(int argc, char **argv)
{
	struct settings *settings;
	enum log_format format;
	struct lm_err err;

	if (argc > 1 && STREQ(argv[1], "reader"))
		return reader_child_main(argc - 1, argv + 1);
	if (argc > 1 && STREQ(argv[1], "selftest"))
		return selftest_main(argc - 1, argv + 1);
	if (argc > 1 && STREQ(argv[1], "explain"))
		return explain_main(argc - 1, argv + 1);
	if (argc > 1 && STREQ(argv[1], "simulate"))
		return simulate_main(argc - 1, argv + 1);
	if (argc > 1 && STREQ(argv[1], "dump"))
		return dump_command_main(argc - 1, argv + 1);
	settings = settings_load(argc, argv, &err);
	if (!settings)
		return options_fail(&sched_program, &err);
	if (settings->options.print_config)
		settings_print(settings, stdout);
	if (settings->options.done || settings->options.print_config) {
		settings_free(settings);
		return 0;
	}
	format = settings->options.log_format;
	log_setup(settings->options.log_level, format);
	if (run(settings, argc, argv, &err) == 0)
		return 0;
	if (format == LOG_TEXT)
		return options_fail(&sched_program, &err);
	log_error("ended", FIELDS(LS("error", err.msg)));	/* who reads JSON reads this too */
	return (int)err.code;
}
