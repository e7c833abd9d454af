/*
 * pods.h - what only pods have: conditions, binding, deletion with grace.
 */
#ifndef STANDIN_PODS_H
#define STANDIN_PODS_H

#include "tests/apiserver/api.h"

/* Sets a condition; reason and message NULL go away. lastTransitionTime moves only with the status. */
void pod_set_condition(cJSON *pod, const char *type, const char *status, const char *reason, const char *message);
/* Why the server does not assign this pod, in its words; NULL when it does. */
const char *pod_binding_refusal(const cJSON *pod, char *text, size_t size);

/* POST pods/NAME/binding and POST namespaces/NS/bindings. */
int binding_create(struct api *api, struct call *call, struct answer *a);
/* POST pods/NAME/eviction. */
int eviction_create(struct api *api, struct call *call, struct answer *a);

#endif
