/*
 * tree.h - small helpers on cJSON trees.
 */
#ifndef STANDIN_TREE_H
#define STANDIN_TREE_H

#include <cjson/cJSON.h>

/* Member by a path with dots ("spec.nodeName"); NULL when it is not there. */
const cJSON *json_at(const cJSON *object, const char *path);
const char *json_text_at(const cJSON *object, const char *path);	/* "" when it is no string */
/* The object under key, made when it is not there (or is none). */
cJSON *json_make_object(cJSON *object, const char *key);
void json_set(cJSON *object, const char *key, cJSON *value);		/* takes value; adds or replaces */
void json_set_text(cJSON *object, const char *key, const char *text);
void json_set_number(cJSON *object, const char *key, double number);
void json_default_text(cJSON *object, const char *key, const char *text);	/* where it is missing or "" */
/* The member `key` of `to` becomes a copy of that of `from`, or goes when there is none. */
void json_take(cJSON *to, const cJSON *from, const char *key);

#endif
