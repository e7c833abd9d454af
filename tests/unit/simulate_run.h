/*
 * simulate_run.h - simulate as a function, for the tests of its steps: words in, text or JSON out.
 */
#ifndef TESTS_SIMULATE_RUN_H
#define TESTS_SIMULATE_RUN_H

#include "tests/testing/testing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "sched/simulate.h"

#define NOW "2026-11-21T21:00:10.000Z"
#define WORDS_MAX 64

/* Words of a command line, a NULL at the end; what is printed is the caller's. */
static inline char *run_words(const char *const *words, int *code)
{
	char *argv[WORDS_MAX + 1] = {NULL}, *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);
	int n, i;

	for (n = 0; words[n]; n++)
		argv[n] = xstrdup(words[n]);
	*code = simulate_run(n, argv, to);
	fclose(to);
	for (i = 0; i < n; i++)
		free(argv[i]);
	return text;
}

static inline cJSON *parse(const char *text)
{
	struct lm_err err;
	cJSON *json = json_parse(text, strlen(text), JSON_DEPTH, &err);

	if (!json)
		fail_msg("%s: %s", err.msg, text);
	return json;
}

static inline const char *text_of(const cJSON *object, const char *key)
{
	return cJSON_GetStringValue(json_get(object, key));
}

static inline double number_of(const cJSON *object, const char *key)
{
	const cJSON *item = json_get(object, key);

	assert_non_null(item);
	return cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
}

static inline const cJSON *at(const cJSON *array, int i)
{
	const cJSON *item = cJSON_GetArrayItem(array, i);

	if (!item)
		fail_msg("no item %d", i);
	return item;
}

#endif
