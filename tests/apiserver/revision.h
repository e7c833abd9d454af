/*
 * revision.h - one immutable version of an object: its text, and what selectors look at. For the store; others use store.h.
 */
#ifndef STANDIN_REVISION_H
#define STANDIN_REVISION_H

#include "tests/apiserver/store.h"

/* With one reference. Changes `object` (borrowed): the order of its members, kind and apiVersion go, uid and creationTimestamp come. */
struct revision *revision_new(const struct resource *resource, const char *key, cJSON *object, int64_t version);

#endif
