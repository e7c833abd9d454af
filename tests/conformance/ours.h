/*
 * ours.h - this scheduler's verdict, from API objects as the server lists them, without its own refusals (latency, cpu).
 *
 *	struct ours *o = ours_new(objects);		an array; each object has its kind
 *	ours_decide(o, "ns-a", "w-1", &opinion);
 *	ours_free(o);
 */
#ifndef TESTS_CONFORMANCE_OURS_H
#define TESTS_CONFORMANCE_OURS_H

#include <cjson/cJSON.h>

#include "tests/conformance/opinion.h"

struct ours;

struct ours *ours_new(const cJSON *objects);
/* Of pods without some members of their status (NULL-terminated): what difference these make. */
struct ours *ours_without(const cJSON *objects, const char *const *members);
void ours_free(struct ours *o);
/* The reasons of an object that cannot be parsed become those of every pod. */
void ours_decide(struct ours *o, const char *namespace_, const char *name, struct opinion *out);

#endif
