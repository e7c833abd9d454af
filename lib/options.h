/*
 * options.h - one table per program gives parsing, --help, defaults, environment, configuration file and documentation.
 *
 *	struct settings { const char *dir; int64_t interval_ms; bool watch; };
 *	static const struct option_spec specs[] = {
 *		{"dir", OPT_STRING, offsetof(struct settings, dir), "DIR", NULL, OPT_REQUIRED, .help = "the volume"},
 *		{"interval", OPT_DURATION, offsetof(struct settings, interval_ms), "TIME", "60s", 0, .min = 1000, .max = 3600000, ...},
 *		...
 *	};
 *
 * Where a value comes from: flag > environment (PREFIX_NAME, `-` and `.` become `_`) > configuration file > default. Every
 * program has --help, --version, --log-level, --log-format without listing them; with `config` set also --config FILE and
 * --print-config. `--name VALUE` and `--name=VALUE` both work; a flag may be given once, a list many times (in the environment
 * separated by commas, blanks round them ignored). `--` ends options. An unknown option, a missing, repeated or bad value is LM_USAGE
 * and quotes it: `--interval: "5 parsecs" is no duration (examples: 500ms, 10s, 1m)`.
 *
 * In the configuration file an option is found under its name with dots as levels (`weights.near.latency`); strings must be strings
 * there, and unknown keys are refused with their path and LM_CONFIG. What a flat table cannot say (a list of objects) is a
 * `section`: a top-level key that the program parses itself from the tree that options_parse leaves in `file`.
 *
 * Strings in the settings are owned by struct options and live until options_free.
 */
#ifndef LIB_OPTIONS_H
#define LIB_OPTIONS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "lib/err.h"
#include "lib/log.h"

enum option_type {
	OPT_STRING,	/* const char * ; NULL when not given and no default */
	OPT_LIST,	/* struct option_list */
	OPT_FLAG,	/* bool; `--name` or `--name=false` */
	OPT_INTEGER,	/* int64_t, min..max */
	OPT_NUMBER,	/* double, min..max */
	OPT_DURATION,	/* int64_t milliseconds, min..max; 500ms 10s 1m 2h */
	OPT_CHOICE,	/* int, the index into choices[] */
};

struct option_list {
	const char **items;
	size_t count;
};

enum {
	OPT_REQUIRED = 1,
	OPT_FILE_ONLY = 2,
	OPT_FLAG_ONLY = 4,		/* not in the file, not in the environment */
	OPT_MAY_BE_EMPTY = 8,		/* a list with a default, for which `[]` in the file and an empty variable say: none */
};

struct option_spec {
	const char *name;		/* without dashes */
	enum option_type type;
	size_t offset;			/* of the field in the program's settings */
	const char *value;		/* what --help calls the value: "DIR" */
	const char *fallback;		/* the default, as one would type it, a list with commas; NULL: none */
	int flags;
	double min, max;		/* both 0: no limits */
	const char *const *choices;	/* NULL-terminated */
	const char *help;		/* one line */
};

struct options_program {
	const char *name;		/* "latency-merge" */
	const char *summary;		/* one line */
	const char *usage;		/* after the name: "--dir DIR [options]\nlatency-merge --check FILE..." */
	const char *environment;	/* "LATENCY_MERGE" */
	const struct option_spec *specs;
	size_t spec_count;
	bool config;			/* has --config and --print-config */
	const char *const *sections;	/* NULL-terminated top-level keys that the program parses itself; NULL: none */
	bool operands;			/* takes operands */
	const char *epilogue;		/* printed at the end of --help: exit codes, examples; NULL: none */
};

struct options {
	enum log_level log_level;
	enum log_format log_format;
	const char *config_path;	/* NULL: none given */
	bool print_config;		/* the program prints with options_print and ends */
	bool done;			/* --help or --version was answered on standard output: exit 0 */
	const char **operands;
	size_t operand_count;
	cJSON *file;			/* the configuration file, NULL without one; for sections */
	struct options_private *priv;
};

/*
 * Fills `settings` (zeroed by the caller) and *out. On failure nothing is to be freed. After the configuration file changed: the same
 * again with a new `out` and new settings, so that the change is taken whole or not at all.
 */
int options_parse(const struct options_program *program, int argc, char **argv, void *settings, struct options *out,
		  struct lm_err *err);
void options_free(struct options *o);
/* True when the value came from flag, environment or file and not from the default. */
bool options_given(const struct options *o, const char *name);
/* The settings in force as a configuration file (YAML) with their origin as comments. */
void options_print(const struct options *o, FILE *to);
/* The usual end of main() for an error: "latency-merge: TEXT" on standard error, for LM_USAGE also "try --help"; returns the code. */
int options_fail(const struct options_program *program, const struct lm_err *err);

#endif
