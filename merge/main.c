/* latency-merge: nodes/NODE.json -> fold -> cluster-latency.json, and peers.json. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "merge/check.h"
#include "merge/run.h"
#include "merge/settings.h"
#include "merge/watch.h"

/* A file server that hangs in the middle of a write cannot be waited out: end, so that the next start begins anew. */
static void on_alarm(int number)
{
	static const char text[] = "latency-merge: the merge took too long: the volume does not answer\n";
	ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)number;
	(void)ignored;
	_exit(LM_IO);
}

static void prepare_signals(bool watch)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGALRM, on_alarm);
	if (watch)
		watch_signals();
}

static int merge(const struct settings *settings, struct lm_err *err)
{
	struct merger merger;
	int result;

	merger_init(&merger, settings, settings->watch ? watch_stopped : NULL);
	result = settings->watch ? watch_run(&merger, err) : merger_run(&merger, err);
	merger_free(&merger);
	return result;
}

int main(int argc, char **argv)
{
	struct settings settings;
	struct options options;
	struct lm_err err;
	int code = 0;

	if (settings_parse(argc, argv, &settings, &options, &err) < 0)
		return options_fail(&settings_program, &err);
	log_setup(options.log_level, options.log_format);
	prepare_signals(settings.watch);
	if (options.done)
		code = 0;
	else if (settings.check)
		code = check_files(options.operands, options.operand_count);
	else if (merge(&settings, &err) < 0)
		code = options_fail(&settings_program, &err);
	options_free(&options);
	return code;
}
