/*
 * shrink.h - a pod that is decided differently, in the smallest cluster in which it still is, as a file that a unit test replays without a cluster.
 *
 *	shrink(plane, objects, "ns-a", "w-3", 90000);	`objects` as generate made them; reduced in place, as far as the time goes
 *	shrink_keep(plane, objects, "ns-a", "w-3", "tests/conformance/found/NAME.json");
 *
 * A file: {"pod": "ns-a/w-3", "theirs": {"nodes": [...], "reasons": "..."}, "ours": {the same, when it was found}, "objects": [as the server has them]}
 */
#ifndef TESTS_CONFORMANCE_SHRINK_H
#define TESTS_CONFORMANCE_SHRINK_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "tests/conformance/plane.h"

/* False when the difference does not show again, or the server refuses an object: then `objects` stay as they are. */
bool shrink(struct plane *p, cJSON *objects, const char *namespace_, const char *name, int64_t limit_ms);
bool shrink_keep(struct plane *p, const cJSON *objects, const char *namespace_, const char *name, const char *path);

#endif
