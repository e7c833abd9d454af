#include "sched/lease.h"

#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"

#define TIME_MAX 64			/* bytes of a time that is carried on */
#define MICRO_TIME (CLOCK_TEXT + 3)

static const char *text_of(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(json_get(object, key));

	return text ? text : "";
}

/* 0 for what is none, as for a number that the API would not have taken (int32). */
static int64_t count_of(const cJSON *object, const char *key)
{
	struct lm_err ignored;
	int64_t count = 0;

	if (json_may_i64(object, key, 0, INT32_MAX, &count, &ignored) < 0)
		return 0;
	return count;
}

/* What client-go compares: other members may come and go while API servers of two versions answer in turn. */
static char *steering(const struct lease *l, const cJSON *spec)
{
	auto_buf struct buf b = {0};

	buf_json_string(&b, l->holder);
	buf_printf(&b, " %lld %lld ", (long long)l->duration_s, (long long)l->transitions);
	buf_json_string(&b, text_of(spec, "acquireTime"));
	buf_char(&b, ' ');
	buf_json_string(&b, text_of(spec, "renewTime"));
	return xstrdup(b.data);
}

static char *metadata_text(const cJSON *metadata)
{
	cJSON *copy = cJSON_Duplicate(metadata, true);
	char *text;

	cJSON_DeleteItemFromObjectCaseSensitive(copy, "managedFields");
	text = cJSON_PrintUnformatted(copy);
	cJSON_Delete(copy);
	return text;
}

int lease_read(const cJSON *object, struct lease *out, struct lm_err *err)
{
	const cJSON *metadata, *spec = NULL;
	const char *version, *acquired, *holder;

	if (!cJSON_IsObject(object))
		return lm_fail(err, LM_DATA, "a Lease is %s, not an object", json_kind(object));
	if (json_want_object(object, "metadata", &metadata, err) < 0 || json_may_object(object, "spec", &spec, err) < 0)
		return -1;
	if (json_want_string(metadata, "resourceVersion", &version, err) < 0)
		return lm_wrap(err, "metadata");
	if (!*version)
		return lm_fail(err, LM_DATA, "metadata.resourceVersion: is empty");
	acquired = text_of(spec, "acquireTime");
	holder = text_of(spec, "holderIdentity");
	*out = (struct lease){
		.holder = xstrndup(holder, strnlen(holder, LEASE_HOLDER_MAX)),
		.duration_s = count_of(spec, "leaseDurationSeconds"),
		.transitions = count_of(spec, "leaseTransitions"),
		.acquire_time = *acquired && strlen(acquired) <= TIME_MAX ? xstrdup(acquired) : NULL,
		.metadata = metadata_text(metadata),
	};
	out->spec = steering(out, spec);
	return 0;
}

int lease_parse(const char *json, struct lease *out, struct lm_err *err)
{
	size_t len = strlen(json);
	auto_json cJSON *object = NULL;

	if (len > LEASE_BYTES_MAX)
		return lm_fail(err, LM_DATA, "a Lease of %zu bytes: more than %zu", len, LEASE_BYTES_MAX);
	object = json_parse_api(json, len, 0, err);
	return object ? lease_read(object, out, err) : -1;
}

void lease_free(struct lease *l)
{
	free(l->holder);
	free(l->acquire_time);
	free(l->spec);
	free(l->metadata);
	*l = (struct lease){0};
}

static void micro_time(int64_t wall_us, char text[static MICRO_TIME])
{
	clock_format(wall_us / 1000, text);
	snprintf(text + CLOCK_TEXT - 2, MICRO_TIME - CLOCK_TEXT + 2, "%03uZ", (unsigned)(wall_us % 1000) % 1000);
}

void lease_print(const struct lease_write *w, struct buf *out)
{
	char now[MICRO_TIME];

	micro_time(w->renew_wall_us, now);
	buf_str(out, "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\",\"metadata\":");
	if (w->metadata) {
		buf_str(out, w->metadata);
	} else {
		buf_str(out, "{\"name\":");
		buf_json_string(out, w->name);
		buf_str(out, ",\"namespace\":");
		buf_json_string(out, w->namespace_);
		buf_char(out, '}');
	}
	buf_str(out, ",\"spec\":{\"holderIdentity\":");
	buf_json_string(out, w->holder);
	buf_printf(out, ",\"leaseDurationSeconds\":%lld,\"acquireTime\":", (long long)w->duration_s);
	buf_json_string(out, w->acquire_time ? w->acquire_time : now);
	buf_str(out, ",\"renewTime\":");
	buf_json_string(out, now);
	buf_printf(out, ",\"leaseTransitions\":%lld}}", (long long)w->transitions);
}
