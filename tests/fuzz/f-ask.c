/*
 * Labels and annotations of any bytes: a request in its limits, or words. Fields are separated by newlines: near, within, missing, hard_max_latency,
 * soft_max_latency, then pairs of a label's name and value. Then the request is printed again and has to mean the same.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "sched/ask.h"
#include "tests/testing/fuzz.h"

FUZZ_CORPUS("app=redis*3, client/milan\nany:app=cache<=1ms,node/a<=0.5s\nallow\n40\n30\ndelay_edge-1\n25\ndelay_redis\n0.5\n",
	    "zone/eu,mesh*0.25,prod:app.kubernetes.io/name=x\nmesh<=700us\ndeny\n\n\n", "entry*2\nany:entry<=3ms\n", "any:any:k=v\n a = b <= 2 ms \n")

static const char *next(char **rest)
{
	char *field = *rest ? strsep(rest, "\n") : NULL;

	return field ? field : "";
}

static void add_some(cJSON *object, const char *key, const char *value)
{
	if (value[0] && !cJSON_GetObjectItemCaseSensitive(object, key))
		cJSON_AddStringToObject(object, key, value);
}

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_target(const struct target *t)
{
	bool named = t->kind == TARGET_NODE || t->kind == TARGET_ZONE || t->kind == TARGET_CLIENT || t->kind == TARGET_FROM;

	require(target_kind_name(t->kind)[0]);
	require(named == (t->name != NULL) && (t->kind == TARGET_SELECTOR) == (t->key && t->value));
	require(!t->namespace_ || t->kind == TARGET_SELECTOR);
}

static void check(const struct ask *ask)
{
	uint32_t i;

	require(!ask->error || (ask->error[0] && !ask->near_count && !ask->within_count && !ask->allow_missing));
	require(ask->near_count <= ASK_MAX_ITEMS + 1);
	for (i = 0; i < ask->near_count; i++) {
		check_target(&ask->near[i].target);
		require(ask->near[i].weight > 0 && ask->near[i].weight <= 1000 && isnan(ask->near[i].limit_us));
	}
	for (i = 0; i < ask->within_count; i++) {
		check_target(&ask->within[i].target);
		require(ask->within[i].limit_us >= 0 && isfinite(ask->within[i].limit_us) && ask->within[i].text[0]);
	}
}

/* What was taken is taken again in its shortest writing, and gives the same targets. */
static void repeat(const struct ask *ask)
{
	auto_buf struct buf list = {0};
	struct ask again;
	struct lm_err err;
	uint32_t i, count = 0;

	for (i = 0; i < ask->near_count; i++) {
		if (ask->near[i].target.kind == TARGET_DEFAULT_CLIENTS)
			continue;
		buf_printf(&list, "%s%s", count++ ? "," : "", ask->near[i].text);
	}
	if (!count || list.len > ASK_MAX_BYTES)
		return;
	require(ask_parse_near("again", list.data, &again, &err) == 0 && again.near_count == count);
	for (i = 0; i < count; i++)
		require(again.near[i].target.kind == ask->near[i].target.kind && again.near[i].target.any == ask->near[i].target.any);
	ask_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const keys[] = {ASK_NEAR, ASK_WITHIN, ASK_MISSING, "hard_max_latency", "soft_max_latency"};
	auto_free char *text = xstrndup((const char *)data, size);
	char *rest = text;
	cJSON *annotations = cJSON_CreateObject(), *labels = cJSON_CreateObject();
	struct ask ask;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keys); i++)
		add_some(annotations, keys[i], next(&rest));
	while (rest) {
		const char *key = next(&rest);

		add_some(labels, key, next(&rest));
	}
	ask_parse(labels, annotations, &ask);
	check(&ask);
	repeat(&ask);
	ask_free(&ask);
	cJSON_Delete(annotations);
	cJSON_Delete(labels);
	return 0;
}
