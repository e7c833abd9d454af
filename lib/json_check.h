/*
 * json_check.h - what the byte check of an API's text finds that cJSON must not see. Private to json*.c; {0} is ready.
 */
#ifndef LIB_JSON_CHECK_H
#define LIB_JSON_CHECK_H

#include "lib/json.h"

struct json_cut {
	size_t from, len;		/* in the text: the value of a member managedFields */
};

struct json_found {
	size_t values;			/* of all kinds, without those that are cut out */
	bool nul;			/* \u0000 somewhere */
	struct json_cut *cuts;		/* in order, apart from each other; the caller frees */
	size_t count, room;
};

/* The check of json_parse_api. On failure `found` has to be freed, too. */
int json_find(const char *text, size_t len, struct json_found *found, struct lm_err *err);
/* json.c: of a text that was checked. */
cJSON *json_build(const char *text, size_t len, struct lm_err *err);

#endif
