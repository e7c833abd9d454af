#include "lib/options.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/options_private.h"
#include "lib/version.h"
#include "lib/yaml.h"

const struct option_spec common_specs[] = {
	{"log-level", OPT_CHOICE, offsetof(struct options, log_level), "LEVEL", "info", 0, .choices = log_level_names,
	 .help = "the least severe events that are logged: debug, info, warn, error"},
	{"log-format", OPT_CHOICE, offsetof(struct options, log_format), "FORMAT", "text", 0, .choices = log_format_names,
	 .help = "text or json, one line an event"},
};
const size_t common_spec_count = ARRAY_SIZE(common_specs);
const struct option_spec config_spec = {"config", OPT_STRING, offsetof(struct options, config_path), "FILE", NULL, 0,
					.help = "configuration file (YAML)"};
const struct option_spec print_config_spec = {"print-config", OPT_FLAG, offsetof(struct options, print_config), NULL, NULL,
					      OPT_FLAG_ONLY, .help = "print the settings in force and end"};
static_assert(sizeof(enum log_level) == sizeof(int) && sizeof(enum log_format) == sizeof(int), "OPT_CHOICE writes an int");

/* One option of the run: the spec, where its field is, and its index in `origin`. */
struct entry {
	const struct option_spec *spec;
	void *base;
	size_t index;
};

static size_t entry_count(const struct options_program *program)
{
	return program->spec_count + common_spec_count + (program->config ? 2 : 0);
}

/* The program's options, then the common ones. */
static struct entry entry_at(const struct options *o, size_t i)
{
	const struct options_private *p = o->priv;
	const struct options_program *program = p->program;
	size_t common = i - program->spec_count;
	void *mine = (void *)(uintptr_t)o; /* the common fields are of `struct options` itself */

	if (i < program->spec_count)
		return (struct entry){&program->specs[i], p->settings, i};
	if (common < common_spec_count)
		return (struct entry){&common_specs[common], mine, i};
	return (struct entry){common == common_spec_count ? &config_spec : &print_config_spec, mine, i};
}

static bool find_entry(const struct options *o, const char *name, size_t len, struct entry *out)
{
	size_t i;

	for (i = 0; i < entry_count(o->priv->program); i++) {
		*out = entry_at(o, i);
		if (strlen(out->spec->name) == len && memcmp(out->spec->name, name, len) == 0)
			return true;
	}
	return false;
}

/* Sets a value of some origin; a stronger origin replaces the items of a weaker one. */
static int set(struct options *o, const struct entry *e, enum option_origin origin, const char *label, const char *text,
	       struct lm_err *err)
{
	enum option_origin *was = &o->priv->origin[e->index];

	if (e->spec->type == OPT_LIST && *was != origin)
		option_clear_list(e->spec, e->base);
	*was = origin;
	return option_set(o->priv, e->spec, e->base, label, text, err);
}

static char *trimmed(char *text)
{
	size_t len;

	text += strspn(text, " ");
	for (len = strlen(text); len > 0 && text[len - 1] == ' '; len--)
		;
	text[len] = '\0';
	return text;
}

/* A list whose items stand between commas; any other value as it is. */
static int set_text(struct options *o, const struct entry *e, enum option_origin origin, const char *label, const char *text, struct lm_err *err)
{
	auto_free char *copy = xstrdup(text);
	char *rest = copy, *item;

	if (e->spec->type != OPT_LIST)
		return set(o, e, origin, label, text, err);
	while ((item = strsep(&rest, ",")) != NULL)
		if (set(o, e, origin, label, trimmed(item), err) < 0)
			return -1;
	return 0;
}

static int set_default(struct options *o, const struct entry *e, struct lm_err *err)
{
	if (!e->spec->fallback)
		return 0;
	if (set_text(o, e, FROM_DEFAULT, e->spec->name, e->spec->fallback, err) < 0) {
		err->code = LM_SOFTWARE;
		return -1;
	}
	return 0;
}

static void set_empty(struct options *o, const struct entry *e, enum option_origin origin)
{
	option_clear_list(e->spec, e->base);
	o->priv->origin[e->index] = origin;
}

/* PREFIX_NAME */
static char *variable_of(const struct options_program *program, const struct option_spec *spec)
{
	char *name = xasprintf("%s_%s", program->environment, spec->name), *c;

	for (c = name; *c; c++)
		*c = *c == '-' || *c == '.' ? '_' : (char)toupper((unsigned char)*c);
	return name;
}

static int set_from_environment(struct options *o, const struct entry *e, struct lm_err *err)
{
	auto_free char *name = variable_of(o->priv->program, e->spec);
	const char *value = getenv(name);

	if (!value || (e->spec->flags & OPT_FLAG_ONLY))
		return 0;
	if (*value || !(e->spec->flags & OPT_MAY_BE_EMPTY))
		return set_text(o, e, FROM_ENVIRONMENT, name, value, err);
	set_empty(o, e, FROM_ENVIRONMENT);
	return 0;
}

/* `--name VALUE` or `--name=VALUE`. Advances *i over a value of its own word. */
static int set_from_flag(struct options *o, int argc, char **argv, int *i, struct lm_err *err)
{
	const char *word = argv[*i], *equals = strchr(word, '='), *value;
	size_t len = equals ? (size_t)(equals - word - 2) : strlen(word + 2);
	auto_free char *label = xstrndup(word, len + 2);
	struct entry e;

	if (!find_entry(o, word + 2, len, &e) || (e.spec->flags & OPT_FILE_ONLY))
		return lm_fail(err, LM_USAGE, "unknown option `%.100s`", label);
	if (o->priv->origin[e.index] == FROM_FLAG && e.spec->type != OPT_LIST)
		return lm_fail(err, LM_USAGE, "%s: given twice", label);
	if (equals)
		value = equals + 1;
	else if (e.spec->type == OPT_FLAG)
		value = "true";
	else if (*i + 1 < argc)
		value = argv[++*i];
	else
		return lm_fail(err, LM_USAGE, "%s: a value is missing (%s)", label, e.spec->value);
	return set(o, &e, FROM_FLAG, label, value, err);
}

static void add_operand(struct options *o, const char *word)
{
	o->operands = xrealloc(o->operands, o->operand_count + 1, sizeof(*o->operands));
	o->operands[o->operand_count++] = word;
}

static int read_flags(struct options *o, int argc, char **argv, struct lm_err *err)
{
	const struct options_program *program = o->priv->program;
	bool only_operands = false;
	int i;

	for (i = 1; i < argc && !o->done; i++) {
		if (only_operands || argv[i][0] != '-' || !argv[i][1]) {
			if (!program->operands)
				return lm_fail(err, LM_USAGE, "unexpected argument `%.100s`", argv[i]);
			add_operand(o, argv[i]);
		} else if (STREQ(argv[i], "--")) {
			only_operands = true;
		} else if (STREQ(argv[i], "--help") || STREQ(argv[i], "-h")) {
			options_help(program, stdout);
			o->done = true;
		} else if (STREQ(argv[i], "--version")) {
			printf("%s %s\n", program->name, lm_version);
			o->done = true;
		} else if (argv[i][1] != '-') {
			return lm_fail(err, LM_USAGE, "unknown option `%.100s`", argv[i]);
		} else if (set_from_flag(o, argc, argv, &i, err) < 0) {
			return -1;
		}
	}
	return 0;
}

/* A scalar of the file as one would type it; NULL for what is none. The caller frees. */
static char *scalar_text(const cJSON *value)
{
	double number = cJSON_GetNumberValue(value);

	if (cJSON_IsString(value))
		return xstrdup(value->valuestring);
	if (cJSON_IsBool(value))
		return xstrdup(cJSON_IsTrue(value) ? "true" : "false");
	if (cJSON_IsNumber(value))
		return fabs(number) < 1e15 && number == floor(number) ? xasprintf("%.0f", number) : xasprintf("%.17g", number);
	return NULL;
}

static int set_scalar_from_file(struct options *o, const struct entry *e, const char *path, const cJSON *value, struct lm_err *err)
{
	bool is_text = e->spec->type == OPT_STRING || e->spec->type == OPT_LIST;
	auto_free char *text = scalar_text(value);

	if (text && is_text && !cJSON_IsString(value)) /* 1.10 would come out as 1.1 */
		return lm_fail(err, LM_CONFIG, "%s: is %s, not a string: put it in quotes", path, json_kind(value));
	if (!text)
		return lm_fail(err, LM_CONFIG, "%s: is %s", path, json_kind(value));
	if (set(o, e, FROM_FILE, path, text, err) == 0)
		return 0;
	err->code = LM_CONFIG;
	return -1;
}

static int set_from_file(struct options *o, const struct entry *e, const char *path, const cJSON *value, struct lm_err *err)
{
	const cJSON *item;

	if (o->priv->origin[e->index] == FROM_FILE)
		return lm_fail(err, LM_CONFIG, "%s: given twice", path);
	if (e->spec->type != OPT_LIST)
		return set_scalar_from_file(o, e, path, value, err);
	if (!cJSON_IsArray(value))
		return lm_fail(err, LM_CONFIG, "%s: is %s, not an array", path, json_kind(value));
	if (!value->child && e->spec->fallback && !(e->spec->flags & OPT_MAY_BE_EMPTY))
		return lm_fail(err, LM_CONFIG, "%s: the list is empty", path);
	if (!value->child && (e->spec->flags & OPT_MAY_BE_EMPTY))
		set_empty(o, e, FROM_FILE);
	cJSON_ArrayForEach(item, value)
		if (set_scalar_from_file(o, e, path, item, err) < 0)
			return -1;
	return 0;
}

static bool is_section(const struct options_program *program, const char *path)
{
	const char *const *name;

	for (name = program->sections; name && *name; name++)
		if (STREQ(*name, path))
			return true;
	return false;
}

static bool is_prefix(const struct options_program *program, const char *path)
{
	size_t i, len = strlen(path);

	for (i = 0; i < program->spec_count; i++)
		if (strncmp(program->specs[i].name, path, len) == 0 && program->specs[i].name[len] == '.')
			return true;
	return false;
}

/* Members of the file: options under their names, levels by dots. Recursion is bounded by the parser's depth. */
static int read_members(struct options *o, const char *above, const cJSON *object, struct lm_err *err)
{
	const cJSON *member;
	struct entry e;

	cJSON_ArrayForEach(member, object) {
		auto_free char *path = xasprintf("%s%s%s", above, *above ? "." : "", member->string);
		bool known = find_entry(o, path, strlen(path), &e) && e.spec != &config_spec && !(e.spec->flags & OPT_FLAG_ONLY);
		int failed = 0;

		if (known)
			failed = set_from_file(o, &e, path, member, err);
		else if (cJSON_IsObject(member) && is_prefix(o->priv->program, path))
			failed = read_members(o, path, member, err);
		else if (!is_section(o->priv->program, path))
			failed = lm_fail(err, LM_CONFIG, "unknown key `%.200s`", path);
		if (failed)
			return -1;
	}
	return 0;
}

static int read_file(struct options *o, struct lm_err *err)
{
	o->file = yaml_load(o->config_path, err);
	if (!o->file) {
		if (err->code == LM_DATA)
			err->code = LM_CONFIG;
		return lm_wrap(err, "configuration");
	}
	if (!cJSON_IsObject(o->file))
		return lm_fail(err, LM_CONFIG, "configuration: %s: is %s, not an object", o->config_path, json_kind(o->file));
	if (read_members(o, "", o->file, err) < 0)
		return lm_wrap(err, "configuration: %s", o->config_path);
	return 0;
}

static int check_required(const struct options *o, struct lm_err *err)
{
	size_t i;

	for (i = 0; i < o->priv->program->spec_count; i++)
		if ((o->priv->program->specs[i].flags & OPT_REQUIRED) && o->priv->origin[i] == FROM_NOWHERE)
			return lm_fail(err, LM_USAGE, "--%s %s is missing", o->priv->program->specs[i].name,
				       o->priv->program->specs[i].value);
	return 0;
}

/* Weakest origin first, so that a stronger one overwrites. The path of the file is itself an option: flags are read twice. */
static int read_all(struct options *o, int argc, char **argv, struct lm_err *err)
{
	size_t i, count = entry_count(o->priv->program);
	const char *path;

	if (read_flags(o, argc, argv, err) < 0 || o->done)
		return o->done ? 0 : -1;
	path = o->config_path;
	if (!path && o->priv->program->config) {
		auto_free char *name = variable_of(o->priv->program, &config_spec);

		path = getenv(name);
	}
	for (i = 0; i < count; i++) {
		struct entry e = entry_at(o, i);

		o->priv->origin[i] = FROM_NOWHERE;
		if (e.spec->type == OPT_LIST)
			option_clear_list(e.spec, e.base);
		if (set_default(o, &e, err) < 0)
			return -1;
	}
	o->operand_count = 0;
	o->config_path = path;
	if (path && read_file(o, err) < 0)
		return -1;
	for (i = 0; i < count; i++) {
		struct entry e = entry_at(o, i);

		if (set_from_environment(o, &e, err) < 0)
			return -1;
	}
	if (read_flags(o, argc, argv, err) < 0)
		return -1;
	return check_required(o, err);
}

int options_parse(const struct options_program *program, int argc, char **argv, void *settings, struct options *out,
		  struct lm_err *err)
{
	*out = (struct options){0};
	out->priv = xcalloc(1, sizeof(*out->priv));
	*out->priv = (struct options_private){.program = program, .settings = settings};
	out->priv->origin = xcalloc(entry_count(program), sizeof(*out->priv->origin));
	if (read_all(out, argc, argv, err) == 0)
		return 0;
	options_free(out);
	return -1;
}

void options_free(struct options *o)
{
	size_t i;

	if (!o->priv)
		return;
	for (i = 0; i < o->priv->program->spec_count; i++)
		if (o->priv->program->specs[i].type == OPT_LIST)
			option_clear_list(&o->priv->program->specs[i], o->priv->settings);
	for (i = 0; i < o->priv->string_count; i++)
		free(o->priv->strings[i]);
	free(o->priv->strings);
	free(o->priv->origin);
	free(o->priv);
	free(o->operands);
	cJSON_Delete(o->file);
	*o = (struct options){0};
}

bool options_given(const struct options *o, const char *name)
{
	struct entry e;

	return find_entry(o, name, strlen(name), &e) && o->priv->origin[e.index] > FROM_DEFAULT;
}
