/* POST pods/NAME/eviction (api.h): a deletion that PodDisruptionBudgets may forbid. Their status.disruptionsAllowed is the test's to set; it counts down. */
#include <stdio.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "tests/apiserver/pods.h"

static bool selects(const cJSON *budget, const cJSON *pod)
{
	const cJSON *wanted = json_at(budget, "spec.selector.matchLabels"), *labels = json_at(pod, "metadata.labels"), *item;

	cJSON_ArrayForEach(item, wanted) {
		const cJSON *label = cJSON_GetObjectItemCaseSensitive(labels, item->string);

		if (!cJSON_IsString(label) || !STREQ(label->valuestring, item->valuestring))
			return false;
	}
	return wanted != NULL;
}

/* Of a pod that does not run, or goes already, no budget is asked. */
static bool is_free(const cJSON *pod)
{
	const char *phase = json_text_at(pod, "status.phase");

	return STREQ(phase, "Pending") || STREQ(phase, "Succeeded") || STREQ(phase, "Failed") || json_at(pod, "metadata.deletionTimestamp");
}

static int refuse(const cJSON *budget, struct answer *a)
{
	answer_clear(a);
	a->code = 429;
	buf_str(&a->body, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"Cannot evict pod as it would violate the "
		"pod's disruption budget.\",\"reason\":\"TooManyRequests\",\"details\":{\"causes\":[{\"reason\":\"DisruptionBudget\",\"message\":");
	buf_json_string(&a->body, json_text_at(budget, "metadata.name"));
	buf_str(&a->body, "}]},\"code\":429}\n");
	return -1;
}

/* With the lock. Spends one disruption of the pod's budget, when it has one. */
static int spend(struct api *api, const char *namespace_, const cJSON *pod, struct answer *a)
{
	const struct table *budgets = store_table(api->store, BUDGETS);
	size_t len = strlen(namespace_), i, found = 0;
	auto_json cJSON *mine = NULL;
	char key[KEY_MAX] = "";
	double allowed;

	for (i = 0; i < budgets->count; i++) {
		auto_json cJSON *budget = revision_tree(budgets->items[i]);

		if (strncmp(budgets->items[i]->key, namespace_, len) != 0 || budgets->items[i]->key[len] != '/' || !selects(budget, pod))
			continue;
		found++;
		cJSON_Delete(mine);
		mine = steal(&budget);
		snprintf(key, sizeof(key), "%s", budgets->items[i]->key);
	}
	if (found > 1)
		return answer_error(a, 500, "", NULL, "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.");
	if (!found)
		return 0;
	allowed = cJSON_GetNumberValue(json_at(mine, "status.disruptionsAllowed"));
	if (!(allowed >= 1))
		return refuse(mine, a);
	json_set_number(json_make_object(mine, "status"), "disruptionsAllowed", allowed - 1);
	store_put(api->store, BUDGETS, key, mine);
	return 0;
}

/* With the lock. */
static int evict(struct api *api, struct call *call, struct revision *found, const cJSON *eviction, struct answer *a)
{
	auto_json cJSON *pod = revision_tree(found);

	snprintf(call->note.pod, sizeof(call->note.pod), "%s", found->key);
	snprintf(call->note.uid, sizeof(call->note.uid), "%s", found->uid);
	if (!is_free(pod) && spend(api, call->target.namespace_, pod, a) < 0)
		return -1;
	if (delete_with(api, call, found, json_at(eviction, "deleteOptions"), a) < 0)
		return -1;
	answer_clear(a);
	answer_success(a, 201, NULL, NULL);
	return 0;
}

int eviction_create(struct api *api, struct call *call, struct answer *a)
{
	auto_json cJSON *eviction = call_body(call, "Eviction", "policy/v1", a);
	struct revision *found;
	char key[KEY_MAX];
	int code;

	if (!eviction)
		return -1;
	if (*json_text_at(eviction, "metadata.name") && !STREQ(json_text_at(eviction, "metadata.name"), call->target.name))
		return answer_bad_request(a, "name in URL does not match name in Eviction object");
	call_key(call, key);
	store_lock(api->store);
	found = store_find(api->store, PODS, key);
	if (found) {
		revision_ref(found);
		code = evict(api, call, found, eviction, a);
		revision_unref(found);
	} else {
		code = answer_not_found(a, stored_form[PODS], call->target.name);
	}
	store_unlock(api->store);
	return code;
}
