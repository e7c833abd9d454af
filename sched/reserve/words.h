/*
 * words.h - the names in covers and plans, as their parsers accept them.
 */
#ifndef SCHED_RESERVE_WORDS_H
#define SCHED_RESERVE_WORDS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"

#define UID_MOST 128
#define NODE_MOST 253			/* a DNS-1123 subdomain, as names of pods are */

/* Letters, digits, `-`, `.` and `_` alone, 1 to `most` of them: nothing of it needs an escape in JSON. */
bool word_is(const char *text, size_t len, size_t most);
int word_want(const cJSON *object, const char *key, size_t most, const char **out, struct lm_err *err);
/* "default/web-1". The caller frees both. */
int word_want_pod(const cJSON *object, const char *key, char **namespace_, char **name, struct lm_err *err);

#endif
