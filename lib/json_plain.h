/*
 * json_plain.h - strict JSON in one pass and two allocations, for what comes often and from Go: no blanks, strings of printable ASCII without escapes, whole
 * numbers, objects of few members (160 in all those that are open at a time). It checks and builds at once, and leaves out what nobody reads.
 *
 *	static const char *const unread[] = {"env", "managedFields", NULL};
 *	if (json_plain_parse(text, len, unread, &plain))
 *		json_get(plain.root, "Pod") ...
 *	json_plain_free(&plain);
 *
 * False says nothing: json_parse (json.h) has the word then, and the reason of a refusal is that one's. True: json_parse with JSON_DEPTH or more takes the text
 * too, and gives the same tree, but that an array or object that is the value of an unread key has no members here, wherever it is. cJSON may read the tree, but
 * neither change nor delete it.
 */
#ifndef LIB_JSON_PLAIN_H
#define LIB_JSON_PLAIN_H

#include "lib/json.h"

struct json_plain {
	cJSON *root;
	char *text;			/* private: what strings point into */
};

bool json_plain_parse(const char *text, size_t len, const char *const *unread, struct json_plain *out);
void json_plain_free(struct json_plain *plain);	/* {0} is fine */

#endif
