#include "sched/reload.h"

#include "lib/clock.h"
#include "lib/log.h"
#include "sched/stats.h"

void reload_note_loaded(struct metrics *stats)
{
	metrics_set(stats, STAT_CONFIG_GOOD, 0, 1);
	metrics_set(stats, STAT_CONFIG_LOADED_SECONDS, 0, (double)clock_wall_ms() / 1e3);
}

static void refused(struct metrics *stats, const struct lm_err *err)
{
	metrics_add(stats, STAT_CONFIG_RELOADS, CONFIG_REFUSED, 1);
	metrics_set(stats, STAT_CONFIG_GOOD, 0, 0);
	log_error("configuration refused: the one in force stays", FIELDS(LS("error", err->msg)));
}

bool reload_settings(struct settings **in_force, int argc, char **argv, struct conffile *file, struct metrics *stats, const char *because)
{
	struct settings *next;
	struct lm_err err;

	conffile_known(file);
	next = settings_load(argc, argv, &err);
	if (!next || settings_may_replace(*in_force, next, &err) < 0) {
		settings_free(next);
		refused(stats, &err);
		return false;
	}
	settings_free(*in_force);
	*in_force = next;
	log_setup(next->options.log_level, next->options.log_format);
	metrics_add(stats, STAT_CONFIG_RELOADS, CONFIG_LOADED, 1);
	reload_note_loaded(stats);
	log_info("configuration loaded", FIELDS(LS("file", next->options.config_path), LS("because", because)));
	return true;
}
