#include "lib/kube/event.h"

#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"

#define RETRY_AFTER_MAX_S 60
#define QUOTED_BYTES 60

static int read_rv(struct event *e, struct lm_err *err)
{
	const cJSON *metadata;

	if (json_want_object(e->object, "metadata", &metadata, err) < 0 ||
	    json_want_string(metadata, "resourceVersion", &e->rv, err) < 0)
		return lm_wrap(err, "object");
	if (!*e->rv || strlen(e->rv) > RV_MAX_BYTES)
		return lm_fail(err, LM_DATA, "object.metadata.resourceVersion: is empty or longer than %d bytes", RV_MAX_BYTES);
	return 0;
}

static void set_type(struct event *e, const char *type)
{
	static const char *const changes[] = {[KUBE_ADDED] = "ADDED", [KUBE_MODIFIED] = "MODIFIED", [KUBE_DELETED] = "DELETED"};
	size_t i;

	e->type = STREQ(type, "BOOKMARK") ? EVENT_BOOKMARK : STREQ(type, "ERROR") ? EVENT_ERROR : EVENT_UNKNOWN;
	for (i = 0; i < ARRAY_SIZE(changes); i++)
		if (STREQ(type, changes[i])) {
			e->type = EVENT_OBJECT;
			e->change = (enum kube_event)i;
		}
}

static int read_members(struct event *e, struct lm_err *err)
{
	const char *type;

	if (!e->root)
		return -1;
	if (!cJSON_IsObject(e->root))
		return lm_fail(err, LM_DATA, "an event is %s, not an object", json_kind(e->root));
	if (json_want_string(e->root, "type", &type, err) < 0 || json_want_object(e->root, "object", &e->object, err) < 0)
		return -1;
	set_type(e, type);
	return e->type == EVENT_ERROR ? 0 : read_rv(e, err);
}

int event_read(struct event *e, const char *line, size_t len, struct lm_err *err)
{
	*e = (struct event){.rv = ""};
	e->root = json_parse_api(line, len, 0, err);
	if (read_members(e, err) == 0)
		return 0;
	event_free(e);
	return lm_wrap(err, "`%.*s`", (int)(len > QUOTED_BYTES ? QUOTED_BYTES : len), line);
}

void event_free(struct event *e)
{
	cJSON_Delete(e->root);
	*e = (struct event){.rv = ""};
}

int status_code(const cJSON *status)
{
	const cJSON *code = json_get(status, "code");

	return cJSON_IsNumber(code) ? code->valueint : 0;
}

const char *status_message(const cJSON *status)
{
	const cJSON *message = json_get(status, "message");

	return cJSON_IsString(message) ? message->valuestring : "without a message";
}

int64_t status_retry_after_ms(const cJSON *status)
{
	const cJSON *seconds = json_get(json_get(status, "details"), "retryAfterSeconds");

	if (!cJSON_IsNumber(seconds) || seconds->valuedouble <= 0)
		return -1;
	return (int64_t)((seconds->valuedouble > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : seconds->valuedouble) * 1000);
}

bool status_is_too_large_rv(const cJSON *status)
{
	const cJSON *cause, *reason;

	cJSON_ArrayForEach(cause, json_get(json_get(status, "details"), "causes")) {
		reason = json_get(cause, "reason");
		if (cJSON_IsString(reason) && STREQ(reason->valuestring, "ResourceVersionTooLarge"))
			return true;
	}
	return false;
}

uint64_t rv_number(const char *rv)
{
	size_t len = strlen(rv);

	return len > 0 && len < 20 && strspn(rv, "0123456789") == len ? strtoull(rv, NULL, 10) : 0;
}
