/*
 * patch.h - JSON merge patch (RFC 7396) and Kubernetes' strategic merge patch.
 */
#ifndef STANDIN_PATCH_H
#define STANDIN_PATCH_H

#include <cjson/cJSON.h>

void patch_merge(cJSON *target, const cJSON *patch);
/*
 * Lists with a merge key (status.conditions by type, containers by name, ...) are merged item by item, others replaced. Known directives:
 * `$patch` delete and replace; `$setElementOrder/...` is ignored, as order does not matter here; `$retainKeys` too.
 */
void patch_strategic(cJSON *target, const cJSON *patch);

#endif
