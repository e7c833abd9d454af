#include "tests/e2e/e2e.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/yaml.h"
#include "tests/e2e/audit.h"

#define FLIGHT 16
#define GONE_MS 60000
#define ACCOUNT "latency-sched"

const char *e2e_out(void)
{
	const char *out = getenv("E2E_OUT");

	if (!out)
		fail_msg("E2E_OUT is not set: run this by tests/e2e/cluster.sh");
	return out;
}

/* --- many at once --- */

struct many {
	int done;
	char wrong[512];
};

static void on_one(void *arg, const struct kube_response *response)
{
	struct many *m = arg;

	m->done++;
	if (response->status == 0)
		snprintf(m->wrong, sizeof(m->wrong), "%.500s", response->error.msg);
	else if (response->status > 299)
		kube_status_text(response, m->wrong, sizeof(m->wrong));
}

static void send_one(struct sched *s, const char *method, int i, e2e_make *make, void *arg, struct many *m)
{
	auto_free char *path = NULL, *body = NULL;

	make(arg, i, &path, &body);
	kube_send(s->api.kube, &(struct kube_request){.method = method, .path = path, .body = body, .timeout_ms = 60000}, on_one, m);
}

void e2e_all(struct sched *s, const char *method, int count, e2e_make *make, void *arg)
{
	struct many m = {0};
	int sent = 0;

	while (m.done < count && !*m.wrong) {
		while (sent < count && sent - m.done < FLIGHT)
			send_one(s, method, sent++, make, arg, &m);
		kube_run(s->api.kube, 1000, NULL, 0);
	}
	while (m.done < sent)
		kube_run(s->api.kube, 1000, NULL, 0);
	if (*m.wrong)
		fail_msg("%s: %s", method, m.wrong);
}

/* --- manifests --- */

static const struct {
	const char *kind, *base, *plural;
	bool namespaced;
} kinds[] = {
	{"Namespace", "/api/v1", "namespaces", false},
	{"ServiceAccount", "/api/v1", "serviceaccounts", true},
	{"ClusterRole", "/apis/rbac.authorization.k8s.io/v1", "clusterroles", false},
	{"ClusterRoleBinding", "/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings", false},
	{"Role", "/apis/rbac.authorization.k8s.io/v1", "roles", true},
	{"RoleBinding", "/apis/rbac.authorization.k8s.io/v1", "rolebindings", true},
	{"PriorityClass", "/apis/scheduling.k8s.io/v1", "priorityclasses", false},
};

static void apply(struct sched *s, const cJSON *document)
{
	const char *kind = text_at(document, "kind"), *name = text_at(document, "metadata.name");
	auto_free char *body = cJSON_PrintUnformatted(document), *collection = NULL, *object = NULL;
	size_t i;
	int status;

	for (i = 0; i < ARRAY_SIZE(kinds) && !STREQ(kinds[i].kind, kind); i++)
		;
	if (i == ARRAY_SIZE(kinds))
		fail_msg("a manifest of kind \"%s\"", kind);
	collection = kinds[i].namespaced ? xasprintf("%s/namespaces/%s/%s", kinds[i].base, text_at(document, "metadata.namespace"), kinds[i].plural)
					 : xasprintf("%s/%s", kinds[i].base, kinds[i].plural);
	object = xasprintf("%s/%s", collection, name);
	cJSON_Delete(standin_call(&s->api, "POST", collection, body, &status));
	if (status == 409 && !STREQ(kind, "Namespace"))
		cJSON_Delete(standin_call(&s->api, "PUT", object, body, &status));
	if (status > 299 && status != 409)
		fail_msg("%s %s: %d", kind, name, status);
}

/* The next document of a manifest, NULL at its end; *rest goes on. */
static cJSON *next_document(const char *path, char **rest)
{
	char *text = *rest, *end = strstr(text, "\n---\n");
	struct lm_err err;
	cJSON *document;

	if (!*text)
		return NULL;
	*rest = end ? end + 5 : text + strlen(text);
	if (end)
		*end = '\0';
	document = yaml_parse(text, strlen(text), &err);
	if (!document)
		fail_msg("%s: %s", path, err.msg);
	return document;
}

static char *read_manifest(const char *path)
{
	char *text = test_read(path);

	if (!text)
		fail_msg("%s: not there; run from the top of the tree", path);
	return text;
}

void e2e_apply_edited(struct sched *s, const char *path, e2e_edit *edit, void *arg)
{
	auto_free char *text = read_manifest(path);
	char *rest = text;
	cJSON *document;

	while ((document = next_document(path, &rest)) != NULL) {
		if (edit)
			edit(arg, document);
		apply(s, document);
		cJSON_Delete(document);
	}
}

void e2e_apply(struct sched *s, const char *path)
{
	e2e_apply_edited(s, path, NULL, NULL);
}

cJSON *e2e_document(const char *path, const char *kind, const char *name)
{
	auto_free char *text = read_manifest(path);
	char *rest = text;
	cJSON *document;

	while ((document = next_document(path, &rest)) != NULL) {
		if (STREQ(text_at(document, "kind"), kind) && STREQ(text_at(document, "metadata.name"), name))
			return document;
		cJSON_Delete(document);
	}
	return NULL;
}

const char *e2e_account(struct sched *s, const char *namespace_, const char *name)
{
	auto_free char *path = xasprintf("/api/v1/namespaces/%s/serviceaccounts/%s/token", namespace_, name), *text = NULL;
	auto_json cJSON *answer = standin_want(&s->api, 201, "POST", path,
					       "{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"TokenRequest\",\"spec\":{\"expirationSeconds\":3600}}");
	char *file = xasprintf("%s/kubeconfig-%s", test_folder(), name);

	text = xasprintf("apiVersion: v1\nkind: Config\nclusters: [{name: e2e, cluster: {server: \"%s\", certificate-authority: \"%s/pki/ca.crt\"}}]\n"
			 "users: [{name: user, user: {token: \"%s\"}}]\ncontexts: [{name: e2e, context: {cluster: e2e, user: user, namespace: %s}}]\n"
			 "current-context: e2e\n", s->api.url, e2e_out(), text_at(answer, "status.token"), namespace_);
	test_write(file, text);
	return file;
}

char *e2e_credential(const char *kubeconfig)
{
	auto_json cJSON *review = NULL;
	const cJSON *extra;
	const char *id;
	struct standin api;
	char *copy;

	standin_connect(&api, kubeconfig);
	review = standin_want(&api, 201, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews",
			      "{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"SelfSubjectReview\"}");
	extra = cJSON_GetObjectItemCaseSensitive(item_at(review, "status.userInfo.extra"), AUDIT_CREDENTIAL);
	id = cJSON_GetStringValue(cJSON_GetArrayItem(extra, 0));
	assert_non_null(id);
	copy = xstrdup(id);
	standin_stop(&api);
	return copy;
}

/* --- the cluster --- */

static int count_items(struct sched *s, const char *path)
{
	auto_json cJSON *list = standin_want(&s->api, 200, "GET", path, NULL);

	return cJSON_GetArraySize(item_at(list, "items"));
}

static void delete_all(struct sched *s, const char *path, const char *query)
{
	int64_t end = clock_mono_ms() + GONE_MS;
	auto_free char *all = xasprintf("%s%s", path, query);
	int status;

	do {
		cJSON_Delete(standin_call(&s->api, "DELETE", all, NULL, &status));
		if (status != 200 || clock_mono_ms() > end)
			fail_msg("DELETE %s: %d", path, status);
	} while (count_items(s, path) > 0);
}

static void clean_storage(struct sched *s)
{
	static const char *const plurals[] = {"storageclasses", "csinodes", "csidrivers", "volumeattachments"};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(plurals); i++) {
		auto_free char *path = xasprintf("/apis/storage.k8s.io/v1/%s", plurals[i]);

		delete_all(s, path, "");
	}
	delete_all(s, "/api/v1/persistentvolumes", "");
}

void e2e_clean(struct sched *s)
{
	auto_json cJSON *namespaces = standin_want(&s->api, 200, "GET", "/api/v1/namespaces", NULL);
	const cJSON *item;

	cJSON_ArrayForEach(item, item_at(namespaces, "items")) {
		auto_free char *base = xasprintf("/api/v1/namespaces/%s", text_at(item, "metadata.name"));
		auto_free char *pods = xasprintf("%s/pods", base), *events = xasprintf("%s/events", base);
		auto_free char *claims = xasprintf("%s/persistentvolumeclaims", base);
		auto_free char *capacities = xasprintf("/apis/storage.k8s.io/v1/namespaces/%s/csistoragecapacities", text_at(item, "metadata.name"));

		delete_all(s, pods, "?gracePeriodSeconds=0");
		delete_all(s, events, "");
		delete_all(s, claims, "");
		delete_all(s, capacities, "");
	}
	clean_storage(s);
	delete_all(s, "/apis/coordination.k8s.io/v1/namespaces/" E2E_NAMESPACE "/leases", "");
	delete_all(s, "/api/v1/namespaces/" E2E_NAMESPACE "/configmaps", "");
	delete_all(s, "/api/v1/nodes", "");
}

void e2e_begin(struct sched *s)
{
	const char *kubeconfig = getenv("KUBECONFIG");

	e2e_out();
	*s = (struct sched){.folder = test_folder()};
	s->file = xasprintf("%s/cluster-latency.json", s->folder);
	standin_connect(&s->api, kubeconfig);
	e2e_apply(s, "helm/rbac/scheduler.yaml");
	e2e_clean(s);
	s->kubeconfig = e2e_account(s, E2E_NAMESPACE, ACCOUNT);
}

void e2e_end(struct sched *s)
{
	sched_end(s);
}

struct nodes {
	const char *prefix, *cpu, *memory, *more;
};

static void make_node(void *arg, int i, char **path, char **body)
{
	const struct nodes *n = arg;

	*path = xstrdup("/api/v1/nodes");
	*body = xasprintf("{\"metadata\":{\"name\":\"%s-%d\",\"labels\":{\"kubernetes.io/hostname\":\"%s-%d\"}},\"status\":{\"allocatable\":"
			  "{\"cpu\":\"%s\",\"memory\":\"%s\",\"pods\":\"110\"},\"capacity\":{\"cpu\":\"%s\",\"memory\":\"%s\",\"pods\":\"110\"}}%s}",
			  n->prefix, i, n->prefix, i, n->cpu, n->memory, n->cpu, n->memory, n->more);
}

void e2e_nodes(struct sched *s, const char *prefix, int count, const char *cpu, const char *memory, const char *more)
{
	e2e_all(s, "POST", count, make_node, &(struct nodes){prefix, cpu, memory, more});
}

static void add_items(struct sched *s, cJSON *to, const char *path, const char *kind)
{
	auto_json cJSON *list = standin_want(&s->api, 200, "GET", path, NULL);
	cJSON *items = cJSON_GetObjectItemCaseSensitive(list, "items"), *item;

	while ((item = cJSON_DetachItemFromArray(items, 0)) != NULL) {
		cJSON_AddStringToObject(item, "kind", kind);
		cJSON_AddItemToArray(to, item);
	}
}

cJSON *e2e_state(struct sched *s)
{
	cJSON *state = cJSON_CreateObject(), *items = cJSON_AddArrayToObject(state, "items");

	add_items(s, items, "/api/v1/nodes", "Node");
	add_items(s, items, "/api/v1/pods", "Pod");
	return state;
}

int e2e_bound(struct sched *s, const char *scheduler)
{
	auto_free char *path = xasprintf("/api/v1/pods?fieldSelector=spec.nodeName%%21%%3D%s%s", scheduler ? "%2Cspec.schedulerName%3D" : "",
					 scheduler ? scheduler : "");

	return count_items(s, path);
}

void e2e_until_bound(struct sched *s, const char *scheduler, int count, int limit_s)
{
	int64_t end = clock_mono_ms() + limit_s * 1000;
	int bound;

	while ((bound = e2e_bound(s, scheduler)) < count) {
		if (clock_mono_ms() > end)
			fail_msg("%d of %d pods of %s bound after %d s", bound, count, scheduler ? scheduler : "all", limit_s);
		usleep(200000);
	}
}

void e2e_apiserver(const char *word)
{
	auto_free char *output = NULL;

	if (test_run((const char *const[]){"tests/e2e/apiserver.sh", word, NULL}, 90, &output) != 0)
		fail_msg("apiserver.sh %s: %s", word, output);
}
