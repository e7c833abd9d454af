/*
 * scan.h - the names in a kube-scheduler's request, 5,000 of them in one pass and two allocations. It knows one writing, which is what Go's encoder makes of
 * node names: an array of strings of printable ASCII without escapes, each once. Whatever else it meets, it says nothing: the general parser then has the word,
 * and the reason of a refusal is always that one's.
 *
 *	if (scan_names(text, len, &s)) ...	the text without [s.list, s.list + s.list_len), with "[]" in its place, must still pass json_parse
 *
 * Where that passes, json_parse takes the whole text too, with these names at that place: strings of this kind are valid wherever "[]" is.
 */
#ifndef SCHED_EXTENDER_SCAN_H
#define SCHED_EXTENDER_SCAN_H

#include "sched/extender/wire.h"

struct scan {
	const char *list;		/* in the text, from bracket to bracket */
	size_t list_len;
	struct wire_node *nodes;	/* owned; each with its bytes in the text, quotes too */
	char *names;			/* owned; what their names point into */
	uint32_t count;
};

/* A member NodeNames of the outermost object. False: nothing was said and *out is {0}. */
bool scan_names(const char *text, size_t len, struct scan *out);
void scan_free(struct scan *s);

#endif
