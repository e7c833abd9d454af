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

/* All are about the core form: a real server names it, whichever API was asked. */
static int invalid(const cJSON *event, const char *field, const char *reason, const char *text, struct answer *a)
{
	return answer_invalid(a, stored_form[EVENTS], json_text_at(event, "metadata.name"), field, reason, "%s", text);
}

static int required(const cJSON *event, const char *member, const char *field, size_t max, struct answer *a)
{
	const char *value = json_text_at(event, member);

	if (!*value)
		return invalid(event, field, "FieldValueRequired", "Required value", a);
	if (max && strlen(value) > max)
		return invalid(event, field, "FieldValueInvalid", "Invalid value: \"\": can have at most 128 characters", a);
	return 0;
}

/* [PREFIX/]NAME, NAME of letters, digits, `-`, `_` and `.` with a letter or digit at both ends. */
static bool is_qualified_name(const char *text)
{
	const char *slash = strchr(text, '/'), *name = slash ? slash + 1 : text;
	size_t i, len = strlen(name);

	for (i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && (i == 0 || i == len - 1 || !strchr("-_.", name[i])))
			return false;
	return len > 0 && len <= 63 && slash != text;
}

/* What both APIs ask of an event that has an eventTime. */
static int check_new_style(const struct resource *r, const cJSON *event, struct answer *a)
{
	const char *controller = *r->group ? "reportingController" : "reportingComponent";

	if (required(event, "reportingComponent", controller, 0, a) < 0)
		return -1;
	if (!is_qualified_name(json_text_at(event, "reportingComponent")))
		return answer_invalid(a, stored_form[EVENTS], json_text_at(event, "metadata.name"), controller, "FieldValueInvalid",
				      "Invalid value: \"%.100s\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start "
				      "and end with an alphanumeric character", json_text_at(event, "reportingComponent"));
	if (required(event, "reportingInstance", "reportingInstance", 128, a) < 0 || required(event, "action", "action", 128, a) < 0 ||
	    required(event, "reason", "reason", 128, a) < 0)
		return -1;
	if (strlen(json_text_at(event, "message")) > 1024)
		return invalid(event, "message", "FieldValueInvalid", "Invalid value: \"\": can have at most 1024 characters", a);
	return 0;
}

/* Null, {} and what is not there are one. */
static bool is_set(const cJSON *event, const char *member)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(event, member);

	return value && !cJSON_IsNull(value) && !(cJSON_IsObject(value) && !value->child);
}

static int check_series(const cJSON *event, struct answer *a)
{
	if (!is_set(event, "series"))
		return 0;
	if (!(cJSON_GetNumberValue(json_at(event, "series.count")) >= 2))
		return invalid(event, "series.count", "FieldValueInvalid", "Invalid value: \"\": should be at least 2", a);
	if (!*json_text_at(event, "series.lastObservedTime"))
		return invalid(event, "series.lastObservedTime", "FieldValueRequired", "Required value", a);
	return 0;
}

/* What events.k8s.io asks of a new event. */
static int check_strict(const cJSON *event, struct answer *a)
{
	static const char *const unset[] = {"firstTimestamp", "lastTimestamp", "count", "source"};
	const char *type = json_text_at(event, "type");
	size_t i;

	if (!*json_text_at(event, "eventTime"))
		return invalid(event, "eventTime", "FieldValueRequired", "Required value", a);
	if (!STREQ(type, "Normal") && !STREQ(type, "Warning"))
		return answer_invalid(a, stored_form[EVENTS], json_text_at(event, "metadata.name"), "type", "FieldValueInvalid",
				      "Invalid value: \"\": has invalid value: %.100s", type);
	for (i = 0; i < ARRAY_SIZE(unset); i++)
		if (is_set(event, unset[i]))
			return invalid(event, unset[i], "FieldValueInvalid", "Invalid value: \"\": needs to be unset", a);
	return check_series(event, a);
}

/* events.k8s.io changes nothing of an event but its series. */
static int check_immutable(const cJSON *event, const cJSON *old, struct answer *a)
{
	static const char *const fixed[][2] = {
		{"involvedObject", "involvedObject"}, {"reason", "reason"}, {"message", "message"}, {"source", "source"},
		{"firstTimestamp", "firstTimestamp"}, {"lastTimestamp", "lastTimestamp"}, {"count", "count"}, {"type", "type"},
		{"eventTime", "eventTime"}, {"action", "action"}, {"related", "related"}, {"reportingComponent", "reportingController"},
		{"reportingInstance", "reportingInstance"},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fixed); i++) {
		const cJSON *mine = cJSON_GetObjectItemCaseSensitive(event, fixed[i][0]);
		auto_free char *shown = NULL;

		if ((!is_set(event, fixed[i][0]) && !is_set(old, fixed[i][0])) ||
		    cJSON_Compare(mine, cJSON_GetObjectItemCaseSensitive(old, fixed[i][0]), true))
			continue;
		shown = mine ? cJSON_PrintUnformatted(mine) : xstrdup("null");
		return answer_invalid(a, stored_form[EVENTS], json_text_at(event, "metadata.name"), fixed[i][1], "FieldValueInvalid",
				      "Invalid value: %.1000s: field is immutable", shown);
	}
	return 0;
}

/* Its own namespace is that of what it is about; with an eventTime, what has a namespace may be anywhere. */
static int check_namespace(const cJSON *event, struct answer *a)
{
	const char *mine = json_text_at(event, "metadata.namespace"), *other = json_text_at(event, "involvedObject.namespace");
	bool is_new = *json_text_at(event, "eventTime");

	if (*other ? is_new || STREQ(mine, other) : STREQ(mine, "default") || (is_new && STREQ(mine, "kube-system")))
		return 0;
	return answer_invalid(a, stored_form[EVENTS], json_text_at(event, "metadata.name"), "involvedObject.namespace", "FieldValueInvalid",
			      "Invalid value: \"%s\": does not match event.namespace", other);
}

static int check(const struct resource *r, const cJSON *event, struct answer *a)
{
	static const char *const times[] = {"eventTime", "series.lastObservedTime"};

	if (check_micro_times(r, event, times, ARRAY_SIZE(times), a) < 0 || check_namespace(event, a) < 0)
		return -1;
	return *json_text_at(event, "eventTime") ? check_new_style(r, event, a) : 0;
}

/* What its Go type gives each event. */
static void complete(cJSON *event)
{
	static const char *const times[] = {"eventTime", "firstTimestamp", "lastTimestamp"};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(times); i++)
		if (!cJSON_GetObjectItemCaseSensitive(event, times[i]))
			json_set(event, times[i], cJSON_CreateNull());
	json_make_object(event, "source");
}

int event_on_create(const struct resource *r, cJSON *event, struct answer *a)
{
	if (check(r, event, a) < 0 || (*r->group && check_strict(event, a) < 0))
		return -1;
	complete(event);
	return 0;
}

int event_on_update(const struct resource *r, cJSON *event, const cJSON *old, bool status, struct answer *a)
{
	(void)status;
	if (check(r, event, a) < 0 || (*r->group && (check_series(event, a) < 0 || check_immutable(event, old, a) < 0)))
		return -1;
	complete(event);
	return 0;
}
