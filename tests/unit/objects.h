/*
 * objects.h - API objects for unit tests, written with single quotes: pod_of("{'metadata':{...}}").
 */
#ifndef TESTS_UNIT_OBJECTS_H
#define TESTS_UNIT_OBJECTS_H

#include "tests/testing/testing.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "sched/cache/node.h"
#include "sched/cache/pod.h"

/* The caller frees with cJSON_Delete. */
static inline cJSON *object_of(const char *text)
{
	auto_free char *copy = xstrdup(text);
	struct lm_err err = {0};
	cJSON *object;
	char *c;

	for (c = copy; *c; c++)
		if (*c == '\'')
			*c = '"';
	object = json_parse(copy, strlen(copy), JSON_DEPTH_API, &err);
	if (!object)
		fail_msg("%s: %s", err.msg, copy);
	return object;
}

static inline struct pod *pod_of(const char *text)
{
	cJSON *object = object_of(text);
	struct lm_err err = {0};
	struct pod *pod = pod_parse(object, &err);

	cJSON_Delete(object);
	if (!pod)
		fail_msg("%s: %s", err.msg, text);
	return pod;
}

static inline struct node *node_of_text(const char *text)
{
	cJSON *object = object_of(text);
	struct lm_err err = {0};
	struct node *node = node_parse(object, &err);

	cJSON_Delete(object);
	if (!node)
		fail_msg("%s: %s", err.msg, text);
	return node;
}

/* A pod of namespace "default" with the uid "uid-NAME". `spec` and `more` are members with a comma at their end, or "". */
__attribute__((format(printf, 2, 3))) static inline struct pod *pod_with(const char *name, const char *fmt, ...)
{
	auto_free char *rest = NULL, *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&rest, fmt, ap) < 0)
		abort();
	va_end(ap);
	text = xasprintf("{'metadata':{'name':'%s','namespace':'default','uid':'uid-%s'},'spec':{%s}}", name, name, rest);
	return pod_of(text);
}

/* A node with 4 cores, 8 GiB, 10 GiB of disk and room for 10 pods. */
__attribute__((format(printf, 2, 3))) static inline struct node *node_with(const char *name, const char *fmt, ...)
{
	auto_free char *rest = NULL, *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&rest, fmt, ap) < 0)
		abort();
	va_end(ap);
	text = xasprintf("{'metadata':{'name':'%s','labels':{'kubernetes.io/hostname':'%s'%s}},'status':{'allocatable':{'cpu':'4',"
			 "'memory':'8Gi','ephemeral-storage':'10Gi','pods':'10'}}}", name, name, rest);
	return node_of_text(text);
}

#endif
