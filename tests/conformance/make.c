#include "tests/conformance/make.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

cJSON *make(const char *fmt, ...)
{
	auto_free char *text = NULL;
	cJSON *value;
	va_list ap;
	char *c;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	for (c = text; *c; c++)
		if (*c == '\'')
			*c = '"';
	value = cJSON_Parse(text);
	if (!value) {
		fprintf(stderr, "conformance: no JSON: %s\n", text);
		abort();
	}
	return value;
}

/* The object that holds the last word of the path, made where it is missing; *last is that word. */
static cJSON *reach(cJSON *object, const char *path, const char **last)
{
	const char *dot;

	for (; (dot = strchr(path, '.')) != NULL; path = dot + 1) {
		auto_free char *key = xstrndup(path, (size_t)(dot - path));
		cJSON *next = cJSON_GetObjectItemCaseSensitive(object, key);

		object = next ? next : cJSON_AddObjectToObject(object, key);
	}
	*last = path;
	return object;
}

static void set(cJSON *holder, const char *key, cJSON *value)
{
	if (cJSON_HasObjectItem(holder, key))
		cJSON_ReplaceItemInObjectCaseSensitive(holder, key, value);
	else
		cJSON_AddItemToObject(holder, key, value);
}

void put(cJSON *object, const char *path, cJSON *value)
{
	const char *last;
	cJSON *holder = reach(object, path, &last);

	set(holder, last, value);
}

void put_text(cJSON *object, const char *path, const char *text)
{
	put(object, path, cJSON_CreateString(text));
}

void push(cJSON *object, const char *path, cJSON *value)
{
	const char *last;
	cJSON *holder = reach(object, path, &last), *list = cJSON_GetObjectItemCaseSensitive(holder, last);

	if (!list)
		list = cJSON_AddArrayToObject(holder, last);
	cJSON_AddItemToArray(list, value);
}

cJSON *get(const cJSON *object, const char *path)
{
	const char *dot;
	auto_free char *key = NULL;

	dot = strchr(path, '.');
	if (!object || !dot)
		return object ? cJSON_GetObjectItemCaseSensitive(object, path) : NULL;
	key = xstrndup(path, (size_t)(dot - path));
	return get(cJSON_GetObjectItemCaseSensitive(object, key), dot + 1);
}

const char *get_text(const cJSON *object, const char *path)
{
	const cJSON *item = get(object, path);

	return cJSON_IsString(item) ? item->valuestring : "";
}

void put_named(cJSON *object, const char *path, const char *name, const char *text)
{
	if (!get(object, path))
		put(object, path, cJSON_CreateObject());
	set(get(object, path), name, cJSON_CreateString(text));
}
