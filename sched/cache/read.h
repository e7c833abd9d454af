/*
 * read.h - tolerant reading of API objects, for the parsers of this folder: what is missing, null or of another type is empty.
 */
#ifndef SCHED_CACHE_READ_H
#define SCHED_CACHE_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/json.h"

/* A member of an object; NULL when there is none. `object` may be NULL. */
static inline const cJSON *read_member(const cJSON *object, const char *key)
{
	return cJSON_IsObject(object) ? json_get(object, key) : NULL;
}

/* "" when it is no string. Borrowed. */
static inline const char *read_text(const cJSON *object, const char *key)
{
	const cJSON *item = read_member(object, key);

	return cJSON_IsString(item) ? item->valuestring : "";
}

static inline bool read_true(const cJSON *object, const char *key)
{
	return cJSON_IsTrue(read_member(object, key));
}

/* A member that is an array; NULL, which has no elements to walk, when it is none. */
static inline const cJSON *read_list(const cJSON *object, const char *key)
{
	const cJSON *item = read_member(object, key);

	return cJSON_IsArray(item) ? item : NULL;
}

/* A member that is an object; NULL when it is none. */
static inline const cJSON *read_object(const cJSON *object, const char *key)
{
	const cJSON *item = read_member(object, key);

	return cJSON_IsObject(item) ? item : NULL;
}

/* 0 when it is no number or is beyond what a double holds exactly. */
static inline int64_t read_i64(const cJSON *object, const char *key)
{
	const cJSON *item = read_member(object, key);
	double value = cJSON_IsNumber(item) ? item->valuedouble : 0;

	return value > -9e15 && value < 9e15 ? (int64_t)value : 0;
}

static inline int32_t read_i32(const cJSON *object, const char *key)
{
	int64_t value = read_i64(object, key);

	return value >= INT32_MIN && value <= INT32_MAX ? (int32_t)value : 0;
}

/* Number of elements; 0 when it is no array. */
static inline uint32_t read_count(const cJSON *array)
{
	return cJSON_IsArray(array) ? (uint32_t)cJSON_GetArraySize(array) : 0;
}

#endif
