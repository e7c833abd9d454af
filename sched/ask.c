#include "sched/ask.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/names.h"
#include "sched/span.h"

#define DELAY "delay_"
#define HARD_MAX "hard_max_latency"
#define SOFT_MAX "soft_max_latency"
#define FROM_MAX 57			/* Kubernetes allows 63 in the name of a label */

/* Where the parser is, for messages: `annotation latency-mesh.io/near, item 2 "app=redis*0": ...` */
struct place {
	const char *what;		/* "annotation latency-mesh.io/near" */
	size_t item;			/* 1..; 0: the whole */
	struct span text;
};

static int bad(const struct place *place, struct lm_err *err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static int bad(const struct place *place, struct lm_err *err, const char *fmt, ...)
{
	char why[256], item[32] = "";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (place->item)
		snprintf(item, sizeof(item), ", item %zu", place->item);
	return lm_fail(err, LM_DATA, "%s%s \"%.*s%s\": %s", place->what, item, span_quote(place->text), place->text.at,
		       place->text.len > SPAN_QUOTE ? "..." : "", why);
}

static char *copy(struct span s)
{
	return xstrndup(s.at, s.len);
}

/* --- targets -------------------------------------------------------------------------------------------------------- */

static int parse_selector(const struct place *place, struct span s, struct target *out, struct lm_err *err)
{
	struct span before = s, value = {0}, namespace_, key;

	span_split(s, "=", &before, &value);
	if (!span_split(before, ":", &namespace_, &key)) {
		namespace_ = (struct span){0};
		key = before;
	} else if (!span_is_dns(namespace_, 63) || memchr(namespace_.at, '.', namespace_.len)) {
		return bad(place, err, "`%.*s` is no namespace", span_quote(namespace_), namespace_.at);
	}
	if (!span_is_label_key(key))
		return bad(place, err, "`%.*s` is no label key", span_quote(key), key.at);
	if (!span_is_label_word(value))
		return bad(place, err, "`%.*s` is no label value", span_quote(value), value.at);
	out->kind = TARGET_SELECTOR;
	out->namespace_ = namespace_.at ? copy(namespace_) : NULL;
	out->key = copy(key);
	out->value = copy(value);
	return 0;
}

static int parse_named(const struct place *place, struct span s, struct target *out, struct lm_err *err)
{
	static const struct {
		const char *prefix;
		enum target_kind kind;
	} kinds[] = {{"node", TARGET_NODE}, {"zone", TARGET_ZONE}, {"client", TARGET_CLIENT}};
	struct span prefix, name;
	size_t i;

	for (i = 0; span_split(s, "/", &prefix, &name) && i < ARRAY_SIZE(kinds); i++) {
		if (!span_is(prefix, kinds[i].prefix))
			continue;
		if (kinds[i].kind == TARGET_ZONE ? !span_is_label_word(name) : !span_is_dns(name, NAME_MAX_BYTES))
			return bad(place, err, "`%.*s` is no name of a %s", span_quote(name), name.at, kinds[i].prefix);
		out->kind = kinds[i].kind;
		out->name = copy(name);
		return 0;
	}
	return bad(place, err, "`%.*s` is no target (node/NAME, zone/NAME, client/NAME, entry, mesh, KEY=VALUE, NAMESPACE:KEY=VALUE)",
		   span_quote(s), s.at);
}

static int parse_target(const struct place *place, struct span s, struct target *out, struct lm_err *err)
{
	struct span any, rest;

	if (span_split(s, ":", &any, &rest) && span_is(any, "any")) {
		out->any = true;
		s = rest;
	}
	if (s.len == 0)
		return bad(place, err, "the target is missing");
	if (memchr(s.at, '=', s.len))
		return parse_selector(place, s, out, err);
	if (!span_is(s, "mesh") && !span_is(s, "entry"))
		return parse_named(place, s, out, err);
	out->kind = span_is(s, "mesh") ? TARGET_MESH : TARGET_ENTRY;
	return 0;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? STREQ(a, b) : a == b;
}

static bool same_target(const struct target *a, const struct target *b)
{
	return a->kind == b->kind && a->any == b->any && same_text(a->name, b->name) && same_text(a->namespace_, b->namespace_) &&
	       same_text(a->key, b->key) && same_text(a->value, b->value);
}

/* --- items ---------------------------------------------------------------------------------------------------------- */

struct items {
	struct ask_item *at;
	uint32_t count;
	size_t room;
};

static struct ask_item *add_item(struct items *items, const char *text, size_t len)
{
	struct ask_item *item;

	grow(&items->at, &items->room, items->count + 1, sizeof(*items->at));
	item = &items->at[items->count++];
	*item = (struct ask_item){.text = xstrndup(text, len), .weight = 1, .limit_us = NAN, .enough_us = NAN};
	return item;
}

static void free_items(struct ask_item *items, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		free(items[i].text);
		free(items[i].target.name);
		free(items[i].target.namespace_);
		free(items[i].target.key);
		free(items[i].target.value);
	}
	free(items);
}

static int parse_limit(const struct place *place, struct span s, double *limit_us, struct lm_err *err)
{
	static const struct {
		const char *name;
		double us;
	} units[] = {{"us", 1}, {"ms", 1e3}, {"s", 1e6}};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(units); i++) {
		size_t len = strlen(units[i].name);

		if (s.len < len || memcmp(s.at + s.len - len, units[i].name, len) != 0)
			continue;
		if (!span_decimal(span_trim((struct span){s.at, s.len - len}), limit_us))
			break;
		*limit_us *= units[i].us;
		return 0;
	}
	return bad(place, err, "`%.*s` is no limit (a decimal with us, ms or s: 2ms, 0.5ms)", span_quote(s), s.at);
}

static int parse_near_item(const struct place *place, struct items *items, struct lm_err *err)
{
	struct span target = place->text, weight;
	double value = 1;
	struct ask_item *item;

	if (memmem(target.at, target.len, "<=", 2))
		return bad(place, err, "a limit belongs into the annotation " ASK_WITHIN);
	if (span_split(place->text, "*", &target, &weight) && (!span_decimal(weight, &value) || value <= 0 || value > 1000))
		return bad(place, err, "the weight `%.*s` is not in (0,1000]", span_quote(weight), weight.at);
	item = add_item(items, target.at, target.len);
	item->weight = value;
	return parse_target(place, target, &item->target, err);
}

static int parse_within_item(const struct place *place, struct items *items, struct lm_err *err)
{
	struct span target, limit;
	struct ask_item *item;

	if (!span_split(place->text, "<=", &target, &limit))
		return bad(place, err, "the limit is missing (write TARGET<=2ms)");
	if (memchr(place->text.at, '*', place->text.len))
		return bad(place, err, "a weight belongs into the annotation " ASK_NEAR);
	item = add_item(items, target.at, target.len);
	if (parse_target(place, target, &item->target, err) < 0)
		return -1;
	return parse_limit(place, limit, &item->limit_us, err);
}

typedef int parse_item(const struct place *place, struct items *items, struct lm_err *err);

static int parse_list(const char *what, const char *text, parse_item *parse, struct items *items, struct lm_err *err)
{
	struct place place = {.what = what};
	struct span rest = span_trim(span_of(text)), after = {0};
	bool more;

	if (strlen(text) > ASK_MAX_BYTES)
		return lm_fail(err, LM_DATA, "%s has %zu bytes, more than %d", what, strlen(text), ASK_MAX_BYTES);
	place.text = rest;
	if (rest.len == 0)
		return bad(&place, err, "it is empty");
	do {
		uint32_t i;

		more = span_split(rest, ",", &place.text, &after);
		if (!more)
			place.text = rest;
		rest = after;
		if (++place.item > ASK_MAX_ITEMS)
			return lm_fail(err, LM_DATA, "%s has more than %d items", what, ASK_MAX_ITEMS);
		if (place.text.len == 0)
			return bad(&place, err, "the item is empty");
		if (parse(&place, items, err) < 0)
			return -1;
		for (i = 0; i + 1 < items->count; i++)
			if (same_target(&items->at[i].target, &items->at[items->count - 1].target))
				return bad(&place, err, "the target stands there twice (item %u too)", i + 1);
	} while (more);
	return 0;
}

/* --- labels and annotations ----------------------------------------------------------------------------------------- */

/* A member's text; NULL when it is absent. -1: it is no string. */
static int text_of(const cJSON *object, const char *key, const char *what, const char **out, struct lm_err *err)
{
	const cJSON *member = object ? cJSON_GetObjectItemCaseSensitive(object, key) : NULL;

	*out = NULL;
	if (!member)
		return 0;
	if (!cJSON_IsString(member))
		return lm_fail(err, LM_DATA, "%s is not a string", what);
	*out = member->valuestring;
	return 0;
}

static int milliseconds(const char *what, const char *text, double *us, struct lm_err *err)
{
	struct place place = {.what = what, .text = span_of(text)};

	if (!span_decimal(span_trim(place.text), us))
		return bad(&place, err, "it is no decimal number of milliseconds (examples: 25, 0.5)");
	*us *= 1e3;
	return 0;
}

static int parse_missing(const cJSON *annotations, bool *there, bool *allow, struct lm_err *err)
{
	static const char what[] = "annotation " ASK_MISSING;
	struct place place = {.what = what};
	const char *text;

	if (text_of(annotations, ASK_MISSING, what, &text, err) < 0)
		return -1;
	if (!text)
		return 0;
	*there = true;
	place.text = span_trim(span_of(text));
	*allow = span_is(place.text, "allow");
	if (!*allow && !span_is(place.text, "deny"))
		return bad(&place, err, "it is neither allow nor deny");
	return 0;
}

/* One of a predecessor's two annotations: an item for the nearest of the default clients. */
static int parse_max_latency(const cJSON *annotations, const char *key, struct items *items, struct lm_err *err)
{
	const char *text;
	char what[64];
	double us;
	struct ask_item *item;

	snprintf(what, sizeof(what), "annotation %s", key);
	if (text_of(annotations, key, what, &text, err) < 0)
		return -1;
	if (!text)
		return 0;
	if (milliseconds(what, text, &us, err) < 0)
		return -1;
	item = add_item(items, key, strlen(key));
	item->target = (struct target){.kind = TARGET_DEFAULT_CLIENTS, .any = true};
	if (STREQ(key, HARD_MAX))
		item->limit_us = us;
	else
		item->enough_us = us;
	return 0;
}

static int parse_delay_label(const cJSON *label, struct items *items, struct lm_err *err)
{
	const char *from = label->string + strlen(DELAY);
	struct span name = span_of(from);
	auto_free char *what = xasprintf("label %.*s", span_quote(span_of(label->string)), label->string);
	struct place place = {.what = what, .text = span_of("")};
	double us;
	struct ask_item *item;

	if (!cJSON_IsString(label))
		return lm_fail(err, LM_DATA, "%s is not a string", what);
	place.text = span_of(label->valuestring);
	if (!span_is_label_word(name))
		return bad(&place, err, name.len ? "what follows `delay_` is no name" : "nothing follows `delay_`");
	if (name.len > FROM_MAX)
		return bad(&place, err, "the name is longer than %d characters: use the annotation " ASK_WITHIN, FROM_MAX);
	if (milliseconds(what, label->valuestring, &us, err) < 0)
		return -1;
	item = add_item(items, label->string, strlen(label->string));
	item->target = (struct target){.kind = TARGET_FROM, .name = xstrdup(from)};
	item->limit_us = us;
	return 0;
}

static int parse_annotation_list(const cJSON *annotations, const char *key, parse_item *parse, struct items *items, struct lm_err *err)
{
	auto_free char *what = xasprintf("annotation %s", key);
	const char *text;

	if (text_of(annotations, key, what, &text, err) < 0)
		return -1;
	return text ? parse_list(what, text, parse, items, err) : 0;
}

static int parse_all(const cJSON *labels, const cJSON *annotations, struct items *near, struct items *within, struct ask *out,
		     struct lm_err *err)
{
	const cJSON *label;

	if (parse_annotation_list(annotations, ASK_NEAR, parse_near_item, near, err) < 0 ||
	    parse_annotation_list(annotations, ASK_WITHIN, parse_within_item, within, err) < 0 ||
	    parse_missing(annotations, &out->has_missing, &out->allow_missing, err) < 0)
		return -1;
	cJSON_ArrayForEach(label, labels)
		if (label->string && strncmp(label->string, DELAY, strlen(DELAY)) == 0 && parse_delay_label(label, within, err) < 0)
			return -1;
	if (parse_max_latency(annotations, HARD_MAX, within, err) < 0)
		return -1;
	return parse_max_latency(annotations, SOFT_MAX, near, err);
}

void ask_parse(const cJSON *labels, const cJSON *annotations, struct ask *out)
{
	struct items near = {0}, within = {0};
	struct lm_err err = {0};
	struct ask ask = {0};

	*out = (struct ask){0};
	if (parse_all(labels, annotations, &near, &within, &ask, &err) < 0) {
		free_items(near.at, near.count);
		free_items(within.at, within.count);
		out->error = xstrdup(err.msg);
		return;
	}
	ask.near = near.at;
	ask.near_count = near.count;
	ask.within = within.at;
	ask.within_count = within.count;
	*out = ask;
}

int ask_parse_near(const char *name, const char *text, struct ask *out, struct lm_err *err)
{
	struct items near = {0};

	*out = (struct ask){0};
	if (parse_list(name, text, parse_near_item, &near, err) < 0) {
		free_items(near.at, near.count);
		err->code = LM_CONFIG;
		return -1;
	}
	out->near = near.at;
	out->near_count = near.count;
	return 0;
}

int ask_parse_limit(const char *name, const char *text, double *limit_us, struct lm_err *err)
{
	struct place place = {.what = name, .text = span_of(text)};

	if (parse_limit(&place, span_trim(place.text), limit_us, err) < 0 ||
	    (*limit_us <= 0 && bad(&place, err, "it is not above 0 (`none` switches it off)") < 0)) {
		err->code = LM_CONFIG;
		return -1;
	}
	return 0;
}

void ask_free(struct ask *ask)
{
	free_items(ask->near, ask->near_count);
	free_items(ask->within, ask->within_count);
	free(ask->error);
	*ask = (struct ask){0};
}

const char *target_kind_name(enum target_kind kind)
{
	static const char *const names[] = {"node", "zone", "client", "entry", "mesh", "selector", "from", "default clients"};

	return names[kind];
}
