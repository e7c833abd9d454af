#include "tests/apiserver/tree.h"

#include <stdbool.h>
#include <string.h>

const cJSON *json_at(const cJSON *object, const char *path)
{
	char part[64];
	size_t len;

	while (object) {
		len = strcspn(path, ".");
		if (len >= sizeof(part))
			return NULL;
		memcpy(part, path, len);
		part[len] = '\0';
		object = cJSON_GetObjectItemCaseSensitive(object, part);
		if (!path[len])
			return object;
		path += len + 1;
	}
	return NULL;
}

const char *json_text_at(const cJSON *object, const char *path)
{
	const cJSON *found = json_at(object, path);

	return cJSON_IsString(found) ? found->valuestring : "";
}

void json_set(cJSON *object, const char *key, cJSON *value)
{
	if (cJSON_GetObjectItemCaseSensitive(object, key))
		cJSON_ReplaceItemInObjectCaseSensitive(object, key, value);
	else
		cJSON_AddItemToObject(object, key, value);
}

cJSON *json_make_object(cJSON *object, const char *key)
{
	cJSON *found = cJSON_GetObjectItemCaseSensitive(object, key);

	if (cJSON_IsObject(found))
		return found;
	found = cJSON_CreateObject();
	json_set(object, key, found);
	return found;
}

void json_set_text(cJSON *object, const char *key, const char *text)
{
	json_set(object, key, cJSON_CreateString(text));
}

void json_set_number(cJSON *object, const char *key, double number)
{
	json_set(object, key, cJSON_CreateNumber(number));
}

void json_default_text(cJSON *object, const char *key, const char *text)
{
	if (!*json_text_at(object, key))
		json_set_text(object, key, text);
}

void json_take(cJSON *to, const cJSON *from, const char *key)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(from, key);

	if (value)
		json_set(to, key, cJSON_Duplicate(value, true));
	else
		cJSON_DeleteItemFromObjectCaseSensitive(to, key);
}
