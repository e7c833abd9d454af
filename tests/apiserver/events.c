/* Events: validation of both APIs, and the two forms of one object (resource.h). */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "tests/apiserver/answer.h"
#include "tests/apiserver/objects.h"

static const char *const forms[][2] = {		/* events.k8s.io, core */
	{"regarding", "involvedObject"}, {"note", "message"}, {"deprecatedSource", "source"},
	{"deprecatedFirstTimestamp", "firstTimestamp"}, {"deprecatedLastTimestamp", "lastTimestamp"},
	{"deprecatedCount", "count"}, {"reportingController", "reportingComponent"},
};

static void rename_members(cJSON *event, int from, int to)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		cJSON *member = cJSON_DetachItemFromObjectCaseSensitive(event, forms[i][from]);

		if (member)
			json_set(event, forms[i][to], member);
	}
}

void event_to_stored(cJSON *event)
{
	rename_members(event, 0, 1);
}

void event_from_stored(cJSON *event)
{
	rename_members(event, 1, 0);
}

static int required(const struct resource *r, const cJSON *event, const char *member, const char *field, size_t max, struct answer *a)
{
	const char *name = json_text_at(event, "metadata.name"), *value = json_text_at(event, member);

	if (!*value)
		return answer_invalid(a, r, name, field, "FieldValueRequired", "Required value");
	if (max && strlen(value) > max)
		return answer_invalid(a, r, name, field, "FieldValueInvalid", "Invalid value: \"\": can have at most %zu characters", max);
	return 0;
}

/* What both APIs ask of an event that has an eventTime. */
static int check_new_style(const struct resource *r, const cJSON *event, struct answer *a)
{
	const char *name = json_text_at(event, "metadata.name");

	if (required(r, event, "reportingComponent", "reportingController", 0, a) < 0 ||
	    required(r, event, "reportingInstance", "reportingInstance", 128, a) < 0 ||
	    required(r, event, "action", "action", 128, a) < 0 || required(r, event, "reason", "reason", 128, a) < 0)
		return -1;
	if (strlen(json_text_at(event, "message")) > 1024)
		return answer_invalid(a, r, name, "message", "FieldValueInvalid", "Invalid value: \"\": can have at most 1024 characters");
	return 0;
}

static int check_strict(const struct resource *r, const cJSON *event, struct answer *a)
{
	static const char *const unset[] = {"firstTimestamp", "lastTimestamp", "count", "source"};
	const char *name = json_text_at(event, "metadata.name"), *type = json_text_at(event, "type");
	size_t i;

	if (!*json_text_at(event, "eventTime"))
		return answer_invalid(a, r, name, "eventTime", "FieldValueRequired", "Required value");
	if (!STREQ(type, "Normal") && !STREQ(type, "Warning"))
		return answer_invalid(a, r, name, "type", "FieldValueInvalid", "Invalid value: \"\": has invalid value: %s", type);
	for (i = 0; i < ARRAY_SIZE(unset); i++) {
		const cJSON *member = cJSON_GetObjectItemCaseSensitive(event, unset[i]);

		if (member && !cJSON_IsNull(member) && !(cJSON_IsObject(member) && !member->child))
			return answer_invalid(a, r, name, unset[i], "FieldValueInvalid", "Invalid value: \"\": needs to be unset");
	}
	return 0;
}

static int check_namespace(const struct resource *r, const cJSON *event, struct answer *a)
{
	const char *mine = json_text_at(event, "metadata.namespace"), *other = json_text_at(event, "involvedObject.namespace");
	bool fits = *other ? STREQ(mine, other) : STREQ(mine, "default");

	if (fits)
		return 0;
	return answer_invalid(a, r, json_text_at(event, "metadata.name"), "involvedObject.namespace", "FieldValueInvalid",
			      "Invalid value: \"%s\": does not match event.namespace", other);
}

static int check_times(const struct resource *r, const cJSON *event, struct answer *a)
{
	static const char *const times[] = {"eventTime", "series.lastObservedTime"};

	return check_micro_times(r, event, times, ARRAY_SIZE(times), a);
}

int event_on_create(const struct resource *r, cJSON *event, struct answer *a)
{
	if (check_times(r, event, a) < 0 || check_namespace(r, event, a) < 0)
		return -1;
	if (*json_text_at(event, "eventTime") && check_new_style(r, event, a) < 0)
		return -1;
	return *r->group ? check_strict(r, event, a) : 0;
}

int event_on_update(const struct resource *r, cJSON *event, const cJSON *old, bool status, struct answer *a)
{
	(void)old;
	(void)status;
	if (check_times(r, event, a) < 0 || check_namespace(r, event, a) < 0)
		return -1;
	return *json_text_at(event, "eventTime") ? check_new_style(r, event, a) : 0;
}
