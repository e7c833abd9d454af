/*
 * select.h - fieldSelector and labelSelector: a list of terms that must all hold.
 */
#ifndef STANDIN_SELECT_H
#define STANDIN_SELECT_H

#include "tests/apiserver/answer.h"
#include "tests/apiserver/store.h"

enum select_op { SELECT_IN, SELECT_NOT_IN, SELECT_EXISTS, SELECT_ABSENT, SELECT_ABOVE, SELECT_BELOW };

struct select_term {
	int field;			/* index into resource.fields; -1: a label */
	char *key;			/* of the label */
	enum select_op op;
	char **values;
	size_t value_count, value_room;
};

struct select {
	struct select_term *terms;
	size_t count, room;
};

/* NULL or "" selects everything. A bad one is answered with 400. */
int select_parse(const struct resource *r, const char *fields, const char *labels, struct select *out, struct answer *a);
bool select_matches(const struct select *s, const struct revision *r);
void select_free(struct select *s);
#define auto_select __attribute__((cleanup(select_free)))

#endif
