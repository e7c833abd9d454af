#include "tests/apiserver/patch.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "tests/apiserver/tree.h"

void patch_merge(cJSON *target, const cJSON *patch)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, patch) {
		if (cJSON_IsNull(item))
			cJSON_DeleteItemFromObjectCaseSensitive(target, item->string);
		else if (cJSON_IsObject(item))
			patch_merge(json_make_object(target, item->string), item);
		else
			json_set(target, item->string, cJSON_Duplicate(item, true));
	}
}

/* The key by which items of a list are the same one; NULL: the list is replaced whole. (Of the Go types' patchMergeKey.) */
static const char *merge_key(const char *list)
{
	static const char *const keys[][2] = {
		{"conditions", "type"}, {"containers", "name"}, {"initContainers", "name"}, {"ephemeralContainers", "name"},
		{"env", "name"}, {"ports", "containerPort"}, {"volumes", "name"}, {"volumeMounts", "mountPath"},
		{"schedulingGates", "name"}, {"topologySpreadConstraints", "topologyKey"}, {"resourceClaims", "name"},
		{"imagePullSecrets", "name"}, {"hostAliases", "ip"}, {"ownerReferences", "uid"}, {"addresses", "type"},
		{"podIPs", "ip"}, {"hostIPs", "ip"},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keys); i++)
		if (STREQ(keys[i][0], list))
			return keys[i][1];
	return NULL;
}

static cJSON *find_item(cJSON *list, const char *key, const cJSON *like)
{
	const cJSON *wanted = cJSON_GetObjectItemCaseSensitive(like, key);
	cJSON *item;

	cJSON_ArrayForEach(item, list)
		if (wanted && cJSON_Compare(cJSON_GetObjectItemCaseSensitive(item, key), wanted, true))
			return item;
	return NULL;
}

static void merge_list(cJSON *list, const char *key, const cJSON *patch)
{
	const cJSON *item;
	int added = 0;

	cJSON_ArrayForEach(item, patch) {
		cJSON *mine = find_item(list, key, item);

		if (STREQ(json_text_at(item, "$patch"), "delete")) {
			cJSON_Delete(mine ? cJSON_DetachItemViaPointer(list, mine) : NULL);
			continue;
		}
		if (!mine) {
			mine = cJSON_CreateObject();
			cJSON_InsertItemInArray(list, added++, mine);	/* new ones stand first */
		}
		patch_strategic(mine, item);
	}
}

static void merge_member(cJSON *target, const cJSON *item)
{
	const char *key = merge_key(item->string);

	if (cJSON_IsNull(item)) {
		cJSON_DeleteItemFromObjectCaseSensitive(target, item->string);
	} else if (cJSON_IsObject(item)) {
		patch_strategic(json_make_object(target, item->string), item);
	} else if (cJSON_IsArray(item) && key) {
		if (!cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(target, item->string)))
			json_set(target, item->string, cJSON_CreateArray());
		merge_list(cJSON_GetObjectItemCaseSensitive(target, item->string), key, item);
	} else {
		json_set(target, item->string, cJSON_Duplicate(item, true));
	}
}

void patch_strategic(cJSON *target, const cJSON *patch)
{
	const cJSON *item;

	if (STREQ(json_text_at(patch, "$patch"), "replace"))
		while (target->child)
			cJSON_Delete(cJSON_DetachItemViaPointer(target, target->child));
	cJSON_ArrayForEach(item, patch)
		if (item->string[0] != '$')
			merge_member(target, item);
}

/* --- JSON patch ------------------------------------------------------------------------------------------------------ */

#define PART_BYTES 256

/* The last part of a pointer into `part` (unescaped), and the object or list that it is in; NULL when that is not there. */
static cJSON *pointer_parent(cJSON *target, const char *path, char part[static PART_BYTES])
{
	cJSON *at = NULL, *next = target;

	while (*path == '/') {
		size_t len = 0;

		at = next;
		for (path++; *path && *path != '/' && len < PART_BYTES - 1; path++) {
			bool escaped = *path == '~' && (path[1] == '0' || path[1] == '1');

			part[len++] = !escaped ? *path : *++path == '0' ? '~' : '/';
		}
		part[len] = '\0';
		if (!cJSON_IsArray(at) && !cJSON_IsObject(at))
			return NULL;
		next = cJSON_IsArray(at) ? cJSON_GetArrayItem(at, atoi(part)) : cJSON_GetObjectItemCaseSensitive(at, part);
	}
	return *path ? NULL : at;
}

static bool insert(cJSON *parent, const char *part, const cJSON *value)
{
	int count = cJSON_GetArraySize(parent), at = STREQ(part, "-") ? count : atoi(part);

	if (!cJSON_IsArray(parent)) {
		json_set(parent, part, cJSON_Duplicate(value, true));
		return true;
	}
	return at >= 0 && at <= count && cJSON_InsertItemInArray(parent, at, cJSON_Duplicate(value, true));
}

static bool apply(cJSON *target, const cJSON *operation)
{
	const char *op = json_text_at(operation, "op");
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(operation, "value");
	char part[PART_BYTES] = "";
	cJSON *parent = pointer_parent(target, json_text_at(operation, "path"), part), *item;

	if (!parent || (!value && !STREQ(op, "remove")))
		return false;
	if (STREQ(op, "add"))
		return insert(parent, part, value);
	item = cJSON_IsArray(parent) ? cJSON_GetArrayItem(parent, atoi(part)) : cJSON_GetObjectItemCaseSensitive(parent, part);
	if (STREQ(op, "test"))
		return item && cJSON_Compare(item, value, true);
	if (!item || (!STREQ(op, "remove") && !STREQ(op, "replace")))
		return false;
	if (STREQ(op, "replace"))
		return cJSON_ReplaceItemViaPointer(parent, item, cJSON_Duplicate(value, true));
	cJSON_Delete(cJSON_DetachItemViaPointer(parent, item));
	return true;
}

bool patch_json(cJSON *target, const cJSON *operations)
{
	const cJSON *operation;

	cJSON_ArrayForEach(operation, operations)
		if (!apply(target, operation))
			return false;
	return true;
}
