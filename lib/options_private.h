/* options_private.h - what options.c, options_value.c and options_help.c share. */
#ifndef LIB_OPTIONS_PRIVATE_H
#define LIB_OPTIONS_PRIVATE_H

#include "lib/options.h"

enum option_origin { FROM_NOWHERE, FROM_DEFAULT, FROM_FILE, FROM_ENVIRONMENT, FROM_FLAG };

struct options_private {
	const struct options_program *program;
	void *settings;
	enum option_origin *origin;	/* by spec */
	char **strings;			/* owned: what settings point to */
	size_t string_count, string_room;
};

/* The common options of every program, in `struct options`; those with OPT_FILE_ONLY absent. */
extern const struct option_spec common_specs[];
extern const size_t common_spec_count;
extern const struct option_spec config_spec, print_config_spec;

/* Sets one field from text. `label` names it in errors: "--interval", "LATENCY_MERGE_INTERVAL", "interval". */
int option_set(struct options_private *p, const struct option_spec *spec, void *base, const char *label, const char *text,
	       struct lm_err *err);
/* A list's items are forgotten (a stronger origin replaces the weaker one's). */
void option_clear_list(const struct option_spec *spec, void *base);
/* The field as text, one item of a list: `index`. The caller frees. NULL when there is none. */
char *option_text(const struct option_spec *spec, const void *base, size_t index);

void options_help(const struct options_program *program, FILE *to);

#endif
