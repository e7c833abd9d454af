#include "sched/cloud.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/cache/table.h"
#include "sched/span.h"

static bool same_value(const char *a, const char *b)
{
	return a && b ? STREQ(a, b) : a == b;
}

static bool is_there(const struct cloud *cloud, const struct cloud_label *label)
{
	uint32_t i;

	for (i = 0; i < cloud->count; i++)
		if (STREQ(cloud->items[i].key, label->key) && same_value(cloud->items[i].value, label->value))
			return true;
	return false;
}

static uint64_t hash_label(uint64_t h, const struct cloud_label *label)
{
	h = hash_text(hash_text(h, label->key), label->value ? "=" : "");
	return hash_text(hash_text(h, label->value ? label->value : ""), ",");
}

static int bad(const char *name, struct span text, const char *why, struct lm_err *err)
{
	return lm_fail(err, LM_CONFIG, "%s: \"%.*s\" %s", name, span_quote(text), text.at, why);
}

int cloud_add(struct cloud *cloud, const char *name, const char *text, struct lm_err *err)
{
	struct span whole = span_trim(span_of(text)), key = whole, value = {0};
	bool has_value = span_split(whole, "=", &key, &value);
	struct cloud_label label;

	if (!span_is_label_key(key) || (value.len && !span_is_label_word(value)))
		return bad(name, whole, "is no label (KEY=VALUE, or KEY for any value)", err);
	if (cloud->count == CLOUD_MAX_LABELS)
		return lm_fail(err, LM_CONFIG, "%s: more than %u labels", name, CLOUD_MAX_LABELS);
	label = (struct cloud_label){.key = xstrndup(key.at, key.len), .value = has_value ? xstrndup(value.at, value.len) : NULL};
	if (is_there(cloud, &label)) {
		free(label.key);
		free(label.value);
		return bad(name, whole, "stands there twice", err);
	}
	cloud->items = xrealloc(cloud->items, cloud->count + 1, sizeof(*cloud->items));
	cloud->items[cloud->count++] = label;
	cloud->id = hash_label(cloud->id ? cloud->id : HASH_START, &label);
	return 0;
}

bool cloud_has(const struct cloud *cloud, const struct labels *labels)
{
	uint32_t i;

	for (i = 0; i < cloud->count; i++) {
		const char *value = labels_get(labels, cloud->items[i].key);

		if (value && (!cloud->items[i].value || STREQ(value, cloud->items[i].value)))
			return true;
	}
	return false;
}

void cloud_free(struct cloud *cloud)
{
	uint32_t i;

	for (i = 0; i < cloud->count; i++) {
		free(cloud->items[i].key);
		free(cloud->items[i].value);
	}
	free(cloud->items);
	*cloud = (struct cloud){0};
}
