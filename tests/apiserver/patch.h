/*
 * patch.h - JSON merge patch (RFC 7396), Kubernetes' strategic merge patch, and what is needed of JSON patch (RFC 6902).
 */
#ifndef STANDIN_PATCH_H
#define STANDIN_PATCH_H

#include <cjson/cJSON.h>
#include <stdbool.h>

void patch_merge(cJSON *target, const cJSON *patch);
/*
 * Lists with a merge key (status.conditions by type, containers by name, ...) are merged item by item, others replaced. Known directives:
 * `$patch` delete and replace; `$setElementOrder/...` is ignored, as order does not matter here; `$retainKeys` too.
 */
void patch_strategic(cJSON *target, const cJSON *patch);


/* test, add, replace and remove. False: a path is not there, a test failed, or an operation is another one; the target may have been changed by then. */
bool patch_json(cJSON *target, const cJSON *operations);

#endif
