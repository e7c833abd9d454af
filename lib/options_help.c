#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/options_private.h"

#define HELP_COLUMN 30

static void help_line(const struct option_spec *spec, FILE *to)
{
	auto_free char *left = xasprintf("  --%s%s%s", spec->name, spec->value ? " " : "", spec->value ? spec->value : "");

	if (strlen(left) >= HELP_COLUMN)
		fprintf(to, "%s\n%*s", left, HELP_COLUMN, "");
	else
		fprintf(to, "%-*s", HELP_COLUMN, left);
	fprintf(to, "%s", spec->help);
	if (spec->fallback && (spec->type != OPT_FLAG || STREQ(spec->fallback, "true")))
		fprintf(to, " [%s]", spec->fallback);
	if (spec->flags & OPT_REQUIRED)
		fprintf(to, " (required)");
	fputc('\n', to);
}

static void usage_lines(const struct options_program *program, FILE *to)
{
	const char *at = program->usage, *end;

	fprintf(to, "Usage: %s ", program->name);
	while ((end = strchr(at, '\n')) != NULL) {
		fprintf(to, "%.*s\n       ", (int)(end - at), at);
		at = end + 1;
	}
	fprintf(to, "%s\n", at);
}

static void file_only_lines(const struct options_program *program, FILE *to)
{
	size_t i;
	bool any = false;

	for (i = 0; i < program->spec_count; i++) {
		const struct option_spec *spec = &program->specs[i];

		if (!(spec->flags & OPT_FILE_ONLY))
			continue;
		if (!any)
			fprintf(to, "\nOnly in the configuration file and the environment:\n");
		any = true;
		fprintf(to, "  %-*s%s%s%s%s\n", HELP_COLUMN - 2, spec->name, spec->help, spec->fallback ? " [" : "",
			spec->fallback ? spec->fallback : "", spec->fallback ? "]" : "");
	}
}

void options_help(const struct options_program *program, FILE *to)
{
	size_t i;

	usage_lines(program, to);
	fprintf(to, "\n%s\n\nOptions:\n", program->summary);
	for (i = 0; i < program->spec_count; i++)
		if (!(program->specs[i].flags & OPT_FILE_ONLY))
			help_line(&program->specs[i], to);
	if (program->config) {
		help_line(&config_spec, to);
		help_line(&print_config_spec, to);
	}
	for (i = 0; i < common_spec_count; i++)
		help_line(&common_specs[i], to);
	help_line(&(struct option_spec){.name = "help", .help = "print this and end"}, to);
	help_line(&(struct option_spec){.name = "version", .help = "print the version and end"}, to);
	file_only_lines(program, to);
	fprintf(to, "\nOptions can be set in the environment too: --log-level as %s_LOG_LEVEL, lists with commas.%s\n", program->environment,
		program->config ? "\nIn the configuration file they have their own names. Flag > environment > file > default." : "");
	if (program->epilogue)
		fprintf(to, "\n%s", program->epilogue);
}

static const char *origin_text(enum option_origin origin)
{
	static const char *const texts[] = {"not set", "default", "file", "environment", "flag"};

	return texts[origin];
}

static void print_value(const struct option_spec *spec, const void *base, FILE *to)
{
	bool quote = spec->type == OPT_STRING || spec->type == OPT_LIST;
	size_t i;

	if (spec->type == OPT_LIST)
		fputc('[', to);
	for (i = 0; i == 0 || spec->type == OPT_LIST; i++) {
		auto_free char *text = option_text(spec, base, i);
		auto_buf struct buf quoted = {0};

		if (!text)
			break;
		buf_json_string(&quoted, text);
		fprintf(to, "%s%s", i ? ", " : "", quote ? quoted.data : text);
	}
	fputs(spec->type == OPT_LIST ? "]" : "", to);
}

/* Opens the levels of "a.b.c" that differ from those of the option before it; prints the last name. */
static void print_name(const char *name, const char *before, FILE *to)
{
	size_t shared = 0, i;
	int depth = 0;
	const char *at, *dot;

	for (i = 0; before && name[i] && name[i] == before[i]; i++)
		if (name[i] == '.')
			shared = i + 1;
	for (at = name; (dot = strchr(at, '.')) != NULL; at = dot + 1, depth++)
		if ((size_t)(at - name) >= shared)
			fprintf(to, "%*s%.*s:\n", 2 * depth, "", (int)(dot - at), at);
	fprintf(to, "%*s%s: ", 2 * depth, "", at);
}

static void print_spec(const struct option_spec *spec, const void *base, enum option_origin origin, const char **before, FILE *to)
{
	if (spec->flags & OPT_FLAG_ONLY)
		return;
	if (origin == FROM_NOWHERE && spec->type != OPT_FLAG && spec->type != OPT_LIST) {
		fprintf(to, "# %s: not set\n", spec->name);
		return;
	}
	print_name(spec->name, *before, to);
	print_value(spec, base, to);
	fprintf(to, "\t# %s\n", origin_text(origin));
	*before = spec->name;
}

void options_print(const struct options *o, FILE *to)
{
	const struct options_private *p = o->priv;
	const char *before = NULL;
	size_t i;

	for (i = 0; i < p->program->spec_count; i++)
		print_spec(&p->program->specs[i], p->settings, p->origin[i], &before, to);
	for (i = 0; i < common_spec_count; i++)
		print_spec(&common_specs[i], o, p->origin[p->program->spec_count + i], &before, to);
}

int options_fail(const struct options_program *program, const struct lm_err *err)
{
	fprintf(stderr, "%s: %s%s\n", program->name, err->msg,
		err->code == LM_USAGE ? " (see --help)" : "");
	return (int)err->code;
}
