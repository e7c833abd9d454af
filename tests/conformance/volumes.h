/*
 * volumes.h - what the generator's storage and its pods agree on: claims c-0 .. c-(CLAIMS-1), of all namespaces in turn.
 */
#ifndef TESTS_CONFORMANCE_VOLUMES_H
#define TESTS_CONFORMANCE_VOLUMES_H

#include "tests/conformance/generate.h"

#define CLAIMS 32

const char *claim_namespace(uint32_t claim);
/* An unbound claim, not yet among the objects. */
cJSON *claim_of(struct scene *s, const char *namespace_, const char *name, const char *class_);

#endif
