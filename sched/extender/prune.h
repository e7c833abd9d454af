/*
 * prune.h - a pod without what no decision reads, for the general parser, whose time goes by members: environment, probes, mounts and so on are half of a pod.
 *
 *	prune(text, len, &out)		out has `[]` or `{}` in their place, as deep as they were
 *
 * Like scan.h it knows one writing, Go's, of plain values: printable ASCII without escapes or blanks, whole numbers, each key once. A value of another kind stays.
 * So json_parse takes the whole text where it takes what is left, and gives the same but for these members; where it does not, it has the word on the whole text.
 * Members are found by their names alone, wherever they are: a label or annotation of such a name is a string, which stays.
 */
#ifndef SCHED_EXTENDER_PRUNE_H
#define SCHED_EXTENDER_PRUNE_H

#include "lib/buf.h"

void prune(const char *text, size_t len, struct buf *out);

#endif
