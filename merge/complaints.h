/*
 * complaints.h - what was already said about a file, so that --watch names each trouble once and not every minute.
 */
#ifndef MERGE_COMPLAINTS_H
#define MERGE_COMPLAINTS_H

#include <stdbool.h>

#include "lib/names.h"

#define COMPLAINTS_MAX 20000		/* names remembered; then everything is forgotten and said again */

struct complaints {
	struct names names;
	uint64_t *said;			/* by name: a hash of what was said last, 0 when all is well */
	size_t room;
};

/* True when `text` is not what was said of `name` last; remembers it. */
bool complaints_new(struct complaints *c, const char *name, const char *text);
/* True when something had been said of it; forgets it. */
bool complaints_over(struct complaints *c, const char *name);
void complaints_free(struct complaints *c);

#endif
