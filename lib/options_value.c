#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/options_private.h"

static const struct {
	const char *unit;
	double ms;
} units[] = {{"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}};

static void *field(const struct option_spec *spec, void *base)
{
	return (char *)base + spec->offset;
}

static const char *keep(struct options_private *p, const char *text)
{
	grow(&p->strings, &p->string_room, p->string_count + 1, sizeof(*p->strings));
	return p->strings[p->string_count++] = xstrdup(text);
}

static bool limited(const struct option_spec *spec)
{
	return spec->min != 0 || spec->max != 0;
}

/* Digits, a point and an exponent only: no inf, nan, hexadecimal or blanks, as strtod would take. */
static bool parse_number(const char *text, double *value, char **end)
{
	if (!strchr("0123456789.-+", *text) || !*text || strncasecmp(text + strspn(text, "+-"), "0x", 2) == 0)
		return false;
	errno = 0;
	*value = strtod(text, end);
	return *end != text && errno == 0 && isfinite(*value);
}

static int refuse(const char *label, const char *text, const char *what, struct lm_err *err)
{
	return lm_fail(err, LM_USAGE, "%s: \"%.100s\" %s", label, text, what);
}

static int check_range(const struct option_spec *spec, const char *label, const char *text, double value, const char *unit,
		       struct lm_err *err)
{
	double scale = STREQ(unit, "s") ? 1e3 : 1;

	if (!limited(spec) || (value >= spec->min && value <= spec->max))
		return 0;
	return lm_fail(err, LM_USAGE, "%s: \"%.100s\" is not in %.15g%s..%.15g%s", label, text, spec->min / scale, unit,
		       spec->max / scale, unit);
}

static int set_integer(const struct option_spec *spec, void *base, const char *label, const char *text, struct lm_err *err)
{
	long long value;
	char *end;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (end == text || *end || errno || strchr(" \t+", *text))
		return refuse(label, text, "is no whole number", err);
	if (check_range(spec, label, text, (double)value, "", err) < 0)
		return -1;
	*(int64_t *)field(spec, base) = value;
	return 0;
}

static int set_number(const struct option_spec *spec, void *base, const char *label, const char *text, struct lm_err *err)
{
	double value;
	char *end;

	if (!parse_number(text, &value, &end) || *end)
		return refuse(label, text, "is no number", err);
	if (check_range(spec, label, text, value, "", err) < 0)
		return -1;
	*(double *)field(spec, base) = value;
	return 0;
}

static int set_duration(const struct option_spec *spec, void *base, const char *label, const char *text, struct lm_err *err)
{
	double value, ms = 0;
	char *end;
	size_t i;

	if (parse_number(text, &value, &end))
		for (i = 0; i < ARRAY_SIZE(units); i++)
			if (STREQ(end, units[i].unit))
				ms = units[i].ms;
	if (ms == 0 || value < 0 || value * ms > 9e15)
		return refuse(label, text, "is no duration (examples: 500ms, 10s, 1m)", err);
	if (check_range(spec, label, text, value * ms, "s", err) < 0)
		return -1;
	*(int64_t *)field(spec, base) = llround(value * ms);
	return 0;
}

static int set_flag(const struct option_spec *spec, void *base, const char *label, const char *text, struct lm_err *err)
{
	bool on = STREQ(text, "true") || STREQ(text, "1");

	if (!on && !STREQ(text, "false") && !STREQ(text, "0"))
		return refuse(label, text, "is neither true nor false", err);
	*(bool *)field(spec, base) = on;
	return 0;
}

static int set_choice(const struct option_spec *spec, void *base, const char *label, const char *text, struct lm_err *err)
{
	auto_buf struct buf all = {0};
	int i;

	for (i = 0; spec->choices[i]; i++) {
		if (STREQ(spec->choices[i], text)) {
			*(int *)field(spec, base) = i;
			return 0;
		}
		buf_printf(&all, "%s%s", i ? ", " : "", spec->choices[i]);
	}
	return lm_fail(err, LM_USAGE, "%s: \"%.100s\" is none of %s", label, text, all.data);
}

static void add_item(struct options_private *p, struct option_list *list, const char *text)
{
	list->items = xrealloc(list->items, list->count + 1, sizeof(*list->items));
	list->items[list->count++] = keep(p, text);
}

int option_set(struct options_private *p, const struct option_spec *spec, void *base, const char *label, const char *text,
	       struct lm_err *err)
{
	switch (spec->type) {
	case OPT_STRING:
		if (!*text)
			return lm_fail(err, LM_USAGE, "%s: the value is empty", label);
		*(const char **)field(spec, base) = keep(p, text);
		return 0;
	case OPT_LIST:
		if (!*text)
			return lm_fail(err, LM_USAGE, "%s: the value is empty", label);
		add_item(p, field(spec, base), text);
		return 0;
	case OPT_FLAG:
		return set_flag(spec, base, label, text, err);
	case OPT_INTEGER:
		return set_integer(spec, base, label, text, err);
	case OPT_NUMBER:
		return set_number(spec, base, label, text, err);
	case OPT_DURATION:
		return set_duration(spec, base, label, text, err);
	case OPT_CHOICE:
		return set_choice(spec, base, label, text, err);
	}
	return lm_fail(err, LM_SOFTWARE, "%s: unknown type", label);
}

void option_clear_list(const struct option_spec *spec, void *base)
{
	struct option_list *list = field(spec, base);

	free(list->items);
	*list = (struct option_list){0};
}

static char *duration_text(int64_t ms)
{
	size_t i = ARRAY_SIZE(units) - 1;

	while (i > 0 && (ms == 0 || fmod((double)ms, units[i].ms) != 0))
		i--;
	return xasprintf("%.15g%s", (double)ms / units[i].ms, units[i].unit);
}

char *option_text(const struct option_spec *spec, const void *base, size_t index)
{
	const char *at = (const char *)base + spec->offset;
	const struct option_list *list;

	switch (spec->type) {
	case OPT_STRING:
		return xstrdup(*(const char *const *)(const void *)at);
	case OPT_LIST:
		list = (const struct option_list *)(const void *)at;
		return index < list->count ? xstrdup(list->items[index]) : NULL;
	case OPT_FLAG:
		return xstrdup(*(const bool *)(const void *)at ? "true" : "false");
	case OPT_INTEGER:
		return xasprintf("%lld", (long long)*(const int64_t *)(const void *)at);
	case OPT_NUMBER:
		return xasprintf("%.15g", *(const double *)(const void *)at);
	case OPT_DURATION:
		return duration_text(*(const int64_t *)(const void *)at);
	case OPT_CHOICE:
		return xstrdup(spec->choices[*(const int *)(const void *)at]);
	}
	return NULL;
}
