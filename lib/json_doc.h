/*
 * json_doc.h - json_parse (json.h) for what is read often: a third of its time, in two allocations. Nodes lie one behind the other, strings in a copy of the text.
 *
 *	struct json_doc doc;
 *	if (json_doc_parse(text, len, JSON_DEPTH_API, &doc, &err) < 0) ...
 *	json_get(doc.root, "Pod")
 *	json_doc_free(&doc);
 *
 * What is taken, what is refused and why, and the tree are those of json_parse. cJSON may read this tree, but neither change nor delete it.
 */
#ifndef LIB_JSON_DOC_H
#define LIB_JSON_DOC_H

#include "lib/json.h"

struct json_doc {
	cJSON *root;			/* the first of the nodes; NULL: no document */
	char *text;			/* private */
};

/* -1: *out is {0}. */
int json_doc_parse(const char *text, size_t len, int max_depth, struct json_doc *out, struct lm_err *err);
void json_doc_free(struct json_doc *doc);	/* {0} is fine; it becomes {0} */

#endif
