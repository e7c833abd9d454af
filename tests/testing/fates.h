/*
 * fates.h - what became of pods, by a scheduler's log (JSON, level debug): which decisions there were and in what order.
 *
 *	struct fates f = {0};
 *	fates_add(&f, "default/web");
 *	fates_read(&f, path);			the whole log, as often as one likes; pods that were not added are passed over
 *	f.items[names_find(&f.keys, "default/web")].node
 *	fates_free(&f);
 *
 * Places in the log are numbers of lines, from 1; 0: never.
 */
#ifndef TESTS_FATES_H
#define TESTS_FATES_H

#include <stddef.h>

#include "lib/names.h"

struct fate {
	char *node, *runner_up;		/* where it was put */
	char *first, *last;		/* why it was refused, the first time and the last */
	int placed_at, first_at, last_at;
};

struct fates {
	struct names keys;		/* NAMESPACE/NAME */
	struct fate *items;		/* the same index */
	size_t room;
	int decisions;			/* on these pods */
	int placed_at, loaded_at;	/* the last placement; the last configuration that was loaded while it ran */
	int loads;			/* how many were */
};

uint32_t fates_add(struct fates *f, const char *key);
void fates_read(struct fates *f, const char *path);
void fates_free(struct fates *f);

#endif
