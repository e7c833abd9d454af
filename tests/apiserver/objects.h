/*
 * objects.h - checks that several kinds share.
 */
#ifndef STANDIN_OBJECTS_H
#define STANDIN_OBJECTS_H

#include "tests/apiserver/answer.h"

/* A MicroTime has exactly six decimals ("2026-11-21T21:00:00.000000Z"); others are 400, as in Go's decoder. Missing and null are fine. */
int check_micro_times(const struct resource *r, const cJSON *object, const char *const *paths, size_t count, struct answer *a);
/* metadata: name, labels and annotations. 422, or 400 for wrong types. */
int check_meta(const struct resource *r, const cJSON *object, struct answer *a);

#endif
