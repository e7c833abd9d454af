/* Part of i-client.c: claims, volumes and what CSI drivers say. Nobody binds them: their class is one that nobody has. */

#define VOLUME_SPEC "\"capacity\":{\"storage\":\"1Gi\"},\"accessModes\":[\"ReadWriteOnce\"],\"hostPath\":{\"path\":\"/none\"}," \
		    "\"storageClassName\":\"no-such-class\",\"persistentVolumeReclaimPolicy\":\"Retain\""
#define CLAIM_SPEC "\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":\"1Gi\"}},\"storageClassName\":\"no-such-class\""
#define MERGE "application/merge-patch+json"

/* A real server protects claims and volumes by a finalizer that its controller takes away. */
static void drop_stored(const char *path)
{
	int status;

	cJSON_Delete(standin_call_as(&api, "PATCH", path, MERGE, "{\"metadata\":{\"finalizers\":null}}", &status));
	cJSON_Delete(standin_call(&api, "DELETE", path, NULL, &status));
	assert_in_range(status, 200, 202);
}

static cJSON *merge(int wanted, const char *path, const char *body)
{
	int status;
	cJSON *answer = standin_call_as(&api, "PATCH", path, MERGE, body, &status);

	assert_int_equal(status, wanted);
	return answer;
}

static void a_volume_begins_as_pending_and_its_status_has_its_own_path(void **state)
{
	auto_free char *path = xasprintf("/api/v1/persistentvolumes/status-%s", run), *status_path = xasprintf("%s/status", path);
	auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"status-%s\"},\"spec\":{" VOLUME_SPEC "},\"status\":{\"phase\":\"Bound\"}}", run);
	auto_json cJSON *made = standin_want(&api, 201, "POST", "/api/v1/persistentvolumes", body), *after = NULL;

	(void)state;
	assert_string_equal(text_at(made, "status.phase"), "Pending");
	cJSON_Delete(merge(200, status_path, "{\"status\":{\"phase\":\"Available\"},\"spec\":{\"storageClassName\":\"other\"}}"));
	cJSON_Delete(merge(200, path, "{\"status\":{\"phase\":\"Failed\"},\"metadata\":{\"labels\":{\"x\":\"y\"}}}"));
	after = standin_want(&api, 200, "GET", path, NULL);
	assert_string_equal(text_at(after, "status.phase"), "Available");
	assert_string_equal(text_at(after, "spec.storageClassName"), "no-such-class");
	assert_string_equal(text_at(after, "metadata.labels.x"), "y");
	drop_stored(path);
}

/* What a scheduler does: a patch holds for one version of the object, and can be sent again when its answer was lost. */
static void a_claim_is_given_to_a_node_once(void **state)
{
	auto_free char *collection = xasprintf("/api/v1/namespaces/%s/persistentvolumeclaims", ns), *path = xasprintf("%s/data", collection);
	auto_json cJSON *made = standin_want(&api, 201, "POST", collection, "{\"metadata\":{\"name\":\"data\"},\"spec\":{" CLAIM_SPEC "}}");
	auto_free char *patch = xasprintf("{\"metadata\":{\"uid\":\"%s\",\"resourceVersion\":\"%s\",\"annotations\":{\"volume.kubernetes.io/selected-node\":\"a\"}}}",
					  text_at(made, "metadata.uid"), text_at(made, "metadata.resourceVersion"));
	auto_json cJSON *patched = merge(200, path, patch), *again = merge(409, path, patch);
	const cJSON *annotations = item_at(patched, "metadata.annotations");

	(void)state;
	assert_string_equal(cJSON_GetStringValue(json_get(annotations, "volume.kubernetes.io/selected-node")), "a");
	assert_string_equal(text_at(again, "reason"), "Conflict");
	assert_non_null(strstr(text_at(again, "message"), "Operation cannot be fulfilled on persistentvolumeclaims \"data\": the object has been modified"));
	drop_stored(path);
}

static void a_volume_is_given_to_a_claim_once(void **state)
{
	auto_free char *path = xasprintf("/api/v1/persistentvolumes/given-%s", run);
	auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"given-%s\"},\"spec\":{" VOLUME_SPEC "}}", run);
	auto_json cJSON *made = standin_want(&api, 201, "POST", "/api/v1/persistentvolumes", body);
	auto_free char *patch = xasprintf("{\"metadata\":{\"uid\":\"%s\",\"resourceVersion\":\"%s\",\"annotations\":{\"pv.kubernetes.io/bound-by-controller\":\"yes\"}},"
					  "\"spec\":{\"claimRef\":{\"kind\":\"PersistentVolumeClaim\",\"apiVersion\":\"v1\",\"namespace\":\"%s\",\"name\":\"none\","
					  "\"uid\":\"" OTHER_UID "\",\"resourceVersion\":\"1\"}}}",
					  text_at(made, "metadata.uid"), text_at(made, "metadata.resourceVersion"), ns);
	auto_json cJSON *patched = merge(200, path, patch), *again = merge(409, path, patch);

	(void)state;
	assert_string_equal(text_at(patched, "spec.claimRef.name"), "none");
	assert_string_equal(text_at(patched, "spec.claimRef.uid"), OTHER_UID);
	assert_non_null(strstr(text_at(again, "message"), "Operation cannot be fulfilled on persistentvolumes \""));
	drop_stored(path);
}

static void a_patch_of_another_uid_is_refused(void **state)
{
	auto_free char *collection = xasprintf("/api/v1/namespaces/%s/persistentvolumeclaims", ns), *path = xasprintf("%s/uid", collection);
	auto_json cJSON *made = standin_want(&api, 201, "POST", collection, "{\"metadata\":{\"name\":\"uid\"},\"spec\":{" CLAIM_SPEC "}}");

	(void)state;
	assert_string_equal(text_at(made, "status.phase"), "Pending");
	cJSON_Delete(merge(422, path, "{\"metadata\":{\"uid\":\"" OTHER_UID "\",\"annotations\":{\"x\":\"y\"}}}"));
	drop_stored(path);
}

static void what_csi_drivers_say_is_served(void **state)
{
	auto_free char *driver = xasprintf("{\"metadata\":{\"name\":\"d-%s.test\"},\"spec\":{\"storageCapacity\":true}}", run);
	auto_free char *path = xasprintf("/apis/storage.k8s.io/v1/csidrivers/d-%s.test", run);
	auto_free char *capacities = xasprintf("/apis/storage.k8s.io/v1/namespaces/%s/csistoragecapacities", ns), *capacity = xasprintf("%s/some", capacities);
	auto_json cJSON *all = NULL, *made = NULL;

	(void)state;
	standin_do(&api, 201, "POST", "/apis/storage.k8s.io/v1/csidrivers", driver);
	standin_do(&api, 200, "PATCH", path, "{\"spec\":{\"storageCapacity\":false}}");
	standin_do(&api, 200, "DELETE", path, NULL);
	made = standin_want(&api, 201, "POST", capacities, "{\"metadata\":{\"name\":\"some\"},\"storageClassName\":\"no-such-class\",\"capacity\":\"1Gi\"}");
	assert_string_equal(text_at(made, "capacity"), "1Gi");
	all = standin_want(&api, 200, "GET", "/apis/storage.k8s.io/v1/csistoragecapacities", NULL);
	assert_true(cJSON_GetArraySize(item_at(all, "items")) >= 1);
	assert_string_equal(text_at(all, "kind"), "CSIStorageCapacityList");
	standin_do(&api, 200, "DELETE", capacity, NULL);
}

static void each_kind_is_listed_and_watched(void **state)
{
	static const char *const paths[] = {
		"/api/v1/persistentvolumes", "/api/v1/persistentvolumeclaims", "/apis/storage.k8s.io/v1/storageclasses", "/apis/storage.k8s.io/v1/csinodes",
		"/apis/storage.k8s.io/v1/csidrivers", "/apis/storage.k8s.io/v1/csistoragecapacities", "/apis/storage.k8s.io/v1/volumeattachments",
	};
	auto_free char *class = xasprintf("{\"metadata\":{\"name\":\"c-%s\"},\"provisioner\":\"none.test\"}", run), *name = xasprintf("c-%s", run);
	auto_free char *path = xasprintf("/apis/storage.k8s.io/v1/storageclasses/c-%s", run), *watch = NULL;
	struct stream s;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(paths); i++) {
		auto_json cJSON *list = standin_want(&api, 200, "GET", paths[i], NULL);

		assert_true(cJSON_IsArray(item_at(list, "items")));
		if (!strstr(paths[i], "storageclasses"))
			continue;
		watch = xasprintf("%s?watch=1&resourceVersion=%s", paths[i], text_at(list, "metadata.resourceVersion"));
	}
	stream_open(&s, watch);
	standin_do(&api, 201, "POST", "/apis/storage.k8s.io/v1/storageclasses", class);
	standin_do(&api, 200, "DELETE", path, NULL);
	stream_expect(&s, "ADDED", name);
	stream_expect(&s, "DELETED", name);
	stream_close(&s);
}

#define STORAGE_TESTS												\
	CASE(a_volume_begins_as_pending_and_its_status_has_its_own_path), CASE(a_claim_is_given_to_a_node_once),		\
	CASE(a_volume_is_given_to_a_claim_once), CASE(a_patch_of_another_uid_is_refused), CASE(what_csi_drivers_say_is_served),	\
	CASE(each_kind_is_listed_and_watched)
