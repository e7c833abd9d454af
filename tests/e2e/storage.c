#include "tests/e2e/storage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"

#define CLAIMS "/api/v1/namespaces/default/persistentvolumeclaims"
#define VOLUMES "/api/v1/persistentvolumes"
#define STORAGE "/apis/storage.k8s.io/v1/"
#define SELECTED "volume.kubernetes.io/selected-node"
#define COMPLETED "pv.kubernetes.io/bind-completed"
#define SIZE "\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}"

__attribute__((format(printf, 3, 4))) static void make(struct sched *s, const char *collection, const char *fmt, ...)
{
	auto_free char *body = NULL;
	va_list ap;

	va_start(ap, fmt);
	assert_true(vasprintf(&body, fmt, ap) >= 0);
	va_end(ap);
	standin_do(&s->api, 201, "POST", collection, body);
}

__attribute__((format(printf, 5, 6))) static void patch(struct sched *s, const char *collection, const char *name, const char *sub,
							const char *fmt, ...)
{
	auto_free char *body = NULL, *path = xasprintf("%s/%s%s", collection, name, sub);
	va_list ap;

	va_start(ap, fmt);
	assert_true(vasprintf(&body, fmt, ap) >= 0);
	va_end(ap);
	standin_do(&s->api, 200, "PATCH", path, body);
}

void storage_make_class(struct sched *s, const char *name, const char *provisioner)
{
	make(s, STORAGE "storageclasses", "{\"metadata\":{\"name\":\"%s\"},\"provisioner\":\"%s\",\"volumeBindingMode\":\"WaitForFirstConsumer\"}", name,
	     provisioner);
}

void storage_make_claim(struct sched *s, const char *name, const char *class)
{
	make(s, CLAIMS, "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"storageClassName\":\"%s\"," SIZE "}}", name, class);
}

void storage_make_bound_claim(struct sched *s, const char *name, const char *volume)
{
	make(s, CLAIMS, "{\"metadata\":{\"name\":\"%s\",\"annotations\":{\"" COMPLETED "\":\"yes\"}},\"spec\":{\"storageClassName\":\"\",\"volumeName\":\"%s\","
			SIZE "}}", name, volume);
}

static void make_volume(struct sched *s, const char *name, const char *class, const char *claim, const char *claim_uid)
{
	auto_free char *reference = claim ? xasprintf(",\"claimRef\":{\"kind\":\"PersistentVolumeClaim\",\"namespace\":\"default\",\"name\":\"%s\","
						      "\"uid\":\"%s\"}", claim, claim_uid) : xstrdup("");

	make(s, VOLUMES, "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"storageClassName\":\"%s\",\"accessModes\":[\"ReadWriteOnce\"],"
			 "\"capacity\":{\"storage\":\"1Gi\"},\"csi\":{\"driver\":\"" STORAGE_DRIVER "\",\"volumeHandle\":\"%s\"}%s}}", name, class, name,
	     reference);
}

void storage_make_volume(struct sched *s, const char *name, const char *class)
{
	make_volume(s, name, class, NULL, NULL);
	patch(s, VOLUMES, name, "/status", "{\"status\":{\"phase\":\"Available\"}}");
}

void storage_make_csi_node(struct sched *s, int limit)
{
	make(s, STORAGE "csinodes", "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"drivers\":[{\"name\":\"" STORAGE_DRIVER "\",\"nodeID\":\"a\",\"topologyKeys\":null,"
				    "\"allocatable\":{\"count\":%d}}]}}", limit);
}

void storage_make_csi_driver(struct sched *s)
{
	make(s, STORAGE "csidrivers", "{\"metadata\":{\"name\":\"" STORAGE_DRIVER "\"},\"spec\":{\"storageCapacity\":true}}");
}

void storage_make_capacity(struct sched *s, const char *class)
{
	make(s, STORAGE "namespaces/default/csistoragecapacities", "{\"metadata\":{\"name\":\"room\"},\"storageClassName\":\"%s\",\"nodeTopology\":{},"
	     "\"capacity\":\"10Gi\"}", class);
}

void storage_make_attachment(struct sched *s, const char *name, const char *volume)
{
	make(s, STORAGE "volumeattachments", "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"attacher\":\"" STORAGE_DRIVER "\",\"nodeName\":\"a\",\"source\":"
	     "{\"persistentVolumeName\":\"%s\"}}}", name, volume);
}

void storage_drop(struct sched *s, const char *plural, const char *name)
{
	auto_free char *path = xasprintf(STORAGE "%s/%s", plural, name);

	standin_do(&s->api, 200, "DELETE", path, NULL);
}

/* --- the controllers' turns ---------------------------------------------------------------------------------------------- */

static bool is_asked(const cJSON *claim)
{
	return cJSON_GetStringValue(json_get(item_at(claim, "metadata.annotations"), SELECTED)) && !*text_at(claim, "spec.volumeName");
}

bool storage_is_asked(struct sched *s, const char *claim)
{
	auto_free char *path = xasprintf(CLAIMS "/%s", claim);
	auto_json cJSON *object = standin_want(&s->api, 200, "GET", path, NULL);

	return is_asked(object);
}

static void provision(struct sched *s)
{
	auto_json cJSON *claims = standin_want(&s->api, 200, "GET", CLAIMS, NULL);
	const cJSON *claim;

	cJSON_ArrayForEach(claim, item_at(claims, "items"))
		if (is_asked(claim))
			make_volume(s, text_at(claim, "metadata.uid"), text_at(claim, "spec.storageClassName"), text_at(claim, "metadata.name"),
				    text_at(claim, "metadata.uid"));
}

static void bind_named(struct sched *s)
{
	auto_json cJSON *volumes = standin_want(&s->api, 200, "GET", VOLUMES, NULL);
	const cJSON *volume;

	cJSON_ArrayForEach(volume, item_at(volumes, "items")) {
		const char *name = text_at(volume, "metadata.name");

		if (!*text_at(volume, "spec.claimRef.uid") || STREQ(text_at(volume, "status.phase"), "Bound"))
			continue;
		patch(s, VOLUMES, name, "/status", "{\"status\":{\"phase\":\"Bound\"}}");
		patch(s, CLAIMS, text_at(volume, "spec.claimRef.name"), "",
		      "{\"metadata\":{\"annotations\":{\"" COMPLETED "\":\"yes\"}},\"spec\":{\"volumeName\":\"%s\"}}", name);
	}
}

void storage_turn(struct sched *s)
{
	provision(s);
	bind_named(s);
}
