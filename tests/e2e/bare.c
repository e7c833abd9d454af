#include "tests/e2e/bare.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/kube/client.h"
#include "lib/mem.h"
#include "tests/testing/standin.h"

struct bare {
	struct kube *kube;
	const char *prefix;
	int nodes, next;
	int flight;			/* pods that are being bound, or whose event is on its way */
};

struct job {
	struct bare *bare;
	const char *namespace_, *pod, *uid;
	char node[64];
};

static void must_be_created(const struct kube_response *response, const char *what)
{
	char text[300];

	if (response->status == 201)
		return;
	kube_status_text(response, text, sizeof(text));
	fail_msg("%s: %s", what, response->status ? text : response->error.msg);
}

static void on_event(void *arg, const struct kube_response *response)
{
	struct job *j = arg;

	must_be_created(response, "event");
	j->bare->flight--;
	free(j);
}

static void send_event(struct job *j)
{
	auto_free char *path = xasprintf("/apis/events.k8s.io/v1/namespaces/%s/events", j->namespace_), *body = NULL;
	char now[CLOCK_TEXT];

	clock_format(clock_wall_ms(), now);
	body = xasprintf("{\"apiVersion\":\"events.k8s.io/v1\",\"kind\":\"Event\",\"metadata\":{\"name\":\"%s.%016x\",\"namespace\":\"%s\"},"
			 "\"eventTime\":\"%.23s000Z\",\"reportingController\":\"bare\",\"reportingInstance\":\"bare-localhost\","
			 "\"type\":\"Normal\",\"reason\":\"Scheduled\",\"action\":\"Binding\",\"regarding\":{\"apiVersion\":\"v1\",\"kind\":\"Pod\","
			 "\"namespace\":\"%s\",\"name\":\"%s\",\"uid\":\"%s\"},\"note\":\"Successfully assigned %s/%s to %s\"}",
			 j->pod, 1, j->namespace_, now, j->namespace_, j->pod, j->uid, j->namespace_, j->pod, j->node);
	kube_send(j->bare->kube, &(struct kube_request){.method = "POST", .path = path, .body = body, .timeout_ms = 10000}, on_event, j);
}

static void on_binding(void *arg, const struct kube_response *response)
{
	must_be_created(response, "binding");
	send_event(arg);
}

static void send_binding(struct bare *b, const cJSON *pod)
{
	struct job *j = xcalloc(1, sizeof(*j));
	auto_free char *path = NULL, *body = NULL;

	*j = (struct job){.bare = b, .namespace_ = text_at(pod, "metadata.namespace"), .pod = text_at(pod, "metadata.name"),
			  .uid = text_at(pod, "metadata.uid")};
	snprintf(j->node, sizeof(j->node), "%s-%d", b->prefix, b->next++ % b->nodes);
	path = xasprintf("/api/v1/namespaces/%s/pods/%s/binding", j->namespace_, j->pod);
	body = xasprintf("{\"apiVersion\":\"v1\",\"kind\":\"Binding\",\"metadata\":{\"name\":\"%s\",\"namespace\":\"%s\",\"uid\":\"%s\"},"
			 "\"target\":{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"name\":\"%s\"}}", j->pod, j->namespace_, j->uid, j->node);
	b->flight++;
	kube_send(b->kube, &(struct kube_request){.method = "POST", .path = path, .body = body, .timeout_ms = 10000}, on_binding, j);
}

void bare_bind(const char *kubeconfig, const cJSON *pods, const char *prefix, int nodes)
{
	struct bare b = {.prefix = prefix, .nodes = nodes};
	const cJSON *pod = cJSON_GetObjectItemCaseSensitive(pods, "items")->child;
	struct kube_config config;
	struct lm_err err;

	if (kube_config_load(&(struct kube_source){.kubeconfig = kubeconfig}, &config, &err) < 0)
		fail_msg("%s", err.msg);
	b.kube = kube_new(&config, "latency-sched", &err);
	if (!b.kube)
		fail_msg("%s", err.msg);
	kube_config_free(&config);
	while (pod || b.flight) {
		for (; pod && b.flight < BARE_FLIGHT; pod = pod->next)
			send_binding(&b, pod);
		kube_run(b.kube, 1000, NULL, 0);
	}
	kube_free(b.kube);
}
