#include "sched/extender/wire_bind.h"

#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "sched/extender/wire.h"

#define DEPTH 16			/* of what is ignored */

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_name(const char *text, bool dots)
{
	size_t len = strlen(text), i;

	for (i = 0; i < len; i++)
		if (!is_alnum(text[i]) && ((text[i] != '-' && !(dots && text[i] == '.')) || i == 0 || i == len - 1))
			return false;
	return true;
}

static bool is_subdomain(const char *text)
{
	return is_name(text, true);
}

static bool is_label(const char *text)
{
	return is_name(text, false);
}

static bool is_visible(const char *text)
{
	for (; *text; text++)
		if (*text < '!' || *text > '~')
			return false;
	return true;
}

static int read_text(const cJSON *args, const char *key, size_t max, bool (*fits)(const char *text), char **out, struct lm_err *err)
{
	const cJSON *value;
	const char *text;

	if (wire_member(args, key, &value, err) < 0)
		return -1;
	if (!value)
		return lm_fail(err, LM_DATA, "%s is missing", key);
	text = cJSON_GetStringValue(value);
	if (!text)
		return lm_fail(err, LM_DATA, "%s: a string is wanted, not %s", key, json_kind(value));
	if (!*text)
		return lm_fail(err, LM_DATA, "%s is empty", key);
	if (strlen(text) > max)
		return lm_fail(err, LM_DATA, "%s has at most %zu bytes", key, max);
	if (!fits(text))
		return lm_fail(err, LM_DATA, "%s: \"%s\" is none of Kubernetes", key, text);
	*out = xstrdup(text);
	return 0;
}

static int read_all(const cJSON *args, struct wire_bind *out, struct lm_err *err)
{
	if (read_text(args, "PodName", WIRE_BIND_NAME_MAX, is_subdomain, &out->pod, err) < 0 ||
	    read_text(args, "PodNamespace", WIRE_BIND_NAMESPACE_MAX, is_label, &out->namespace_, err) < 0 ||
	    read_text(args, "PodUID", WIRE_BIND_UID_MAX, is_visible, &out->uid, err) < 0 ||
	    read_text(args, "Node", WIRE_BIND_NAME_MAX, is_subdomain, &out->node, err) < 0)
		return -1;
	return 0;
}

int wire_bind_parse(const char *text, size_t len, struct wire_bind *out, struct lm_err *err)
{
	auto_json cJSON *args = NULL;

	*out = (struct wire_bind){0};
	if (!len)
		return lm_fail(err, LM_DATA, "the body is empty: ExtenderBindingArgs of a kube-scheduler are wanted");
	args = json_parse(text, len, DEPTH, err);
	if (!args)
		return -1;
	if (!cJSON_IsObject(args))
		return lm_fail(err, LM_DATA, "an object is wanted, not %s", json_kind(args));
	if (read_all(args, out, err) == 0)
		return 0;
	wire_bind_free(out);
	return -1;
}

void wire_bind_free(struct wire_bind *b)
{
	free(b->pod);
	free(b->namespace_);
	free(b->uid);
	free(b->node);
	*b = (struct wire_bind){0};
}

void wire_bind_print(const char *error, struct buf *out)
{
	buf_str(out, "{\"Error\":");
	buf_json_string(out, error ? error : "");
	buf_str(out, "}\n");
}
