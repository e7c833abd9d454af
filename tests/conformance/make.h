/*
 * make.h - API objects as cJSON, written in few words.
 *
 *	cJSON *taint = make("{'key':'%s','effect':'NoSchedule'}", key);		single quotes stand for double ones, also in what %s brings
 *	put(node, "spec.unschedulable", cJSON_CreateTrue());			objects on the way are made
 *	push(node, "spec.taints", taint);					the list is made
 *	const char *zone = PICK(rng, "z-a", "z-b", "z-c");
 */
#ifndef TESTS_CONFORMANCE_MAKE_H
#define TESTS_CONFORMANCE_MAKE_H

#include <cjson/cJSON.h>

#include "lib/mem.h"
#include "tests/testing/testing.h"

/* Ends the process when the text is no JSON. */
cJSON *make(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Dots part the path, so a member with a dot in its name is not reached. What was there is replaced. Takes the value. */
void put(cJSON *object, const char *path, cJSON *value);
void put_text(cJSON *object, const char *path, const char *text);
void push(cJSON *object, const char *path, cJSON *value);
/* A member that may have dots in its name, of the object at `path`. */
void put_named(cJSON *object, const char *path, const char *name, const char *text);
/* NULL: not there. */
cJSON *get(const cJSON *object, const char *path);
const char *get_text(const cJSON *object, const char *path);	/* "" when it is no text */

#define PICK(rng, ...)                                                                                   \
	(((const char *const[]){__VA_ARGS__})[rng_below(rng, (uint32_t)ARRAY_SIZE(((const char *const[]){__VA_ARGS__})))])

#define PICK_OF(rng, ...) (((const double[]){__VA_ARGS__})[rng_below(rng, (uint32_t)ARRAY_SIZE(((const double[]){__VA_ARGS__})))])

#endif
