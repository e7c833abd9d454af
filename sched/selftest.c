#include "sched/selftest.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/kube/client.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/names.h"
#include "lib/options.h"

#define AT(field) offsetof(struct selftest, field)
#define LOOK_US 500000
#define FALLBACK_NAMESPACE "default"

struct selftest {
	const char *pod_uid, *kubeconfig, *server;
	struct option_list scheduler_names;
	int64_t timeout_ms;
};

static const struct option_spec specs[] = {
	{"pod-uid", OPT_STRING, AT(pod_uid), "UID", NULL, OPT_REQUIRED, .help = "metadata.uid of the pod that is asked about"},
	{"scheduler-name", OPT_LIST, AT(scheduler_names), "NAME", "my-latency-scheduler", 0, .help = "who may have placed it; may be given several times"},
	{"timeout", OPT_DURATION, AT(timeout_ms), "TIME", "30s", 0, 100, 600e3, .help = "how long its event is waited for"},
	{"kubeconfig", OPT_STRING, AT(kubeconfig), "FILE", NULL, 0, .help = "how to reach the API; default: $KUBECONFIG, then the pod's own"},
	{"server", OPT_STRING, AT(server), "URL", NULL, 0, .help = "the API server's URL, instead of a kubeconfig"},
};

static const struct options_program selftest_program = {
	.name = "latency-sched selftest",
	.summary = "prints the event by which a pod was placed, and fails when none of our schedulers did it",
	.usage = "--pod-uid UID [options]",
	.environment = "LATENCY_SELFTEST",
	.specs = specs,
	.spec_count = ARRAY_SIZE(specs),
};

/* The first event Scheduled of the pod: 1; 0 when there is none yet. *by is the tree that *scheduler and *note are in. */
static int read_event(struct kube *k, const char *path, cJSON **tree, const char **scheduler, const char **note, struct lm_err *err)
{
	struct kube_request request = {.method = "GET", .path = path};
	auto_free char *body = NULL;
	const cJSON *items;
	int status;

	if (kube_call_wait(k, &request, &status, &body, err) < 0)
		return -1;
	if (status != 200) {
		struct kube_response answer = {.status = status, .body = body, .len = strlen(body)};
		char text[300];

		kube_status_text(&answer, text, sizeof(text));
		return lm_fail(err, LM_UNAVAILABLE, "list events: %s", text);
	}
	*tree = json_parse_api(body, strlen(body), 0, err);
	if (!*tree || json_want_array(*tree, "items", &items, err) < 0)
		return lm_wrap(err, "list events");
	if (!items->child)
		return 0;
	if (json_want_string(items->child, "reportingController", scheduler, err) < 0 || json_want_string(items->child, "note", note, err) < 0)
		return lm_wrap(err, "event");
	return 1;
}

static bool is_ours(const struct selftest *s, const char *scheduler)
{
	size_t i;

	for (i = 0; i < s->scheduler_names.count; i++)
		if (STREQ(s->scheduler_names.items[i], scheduler))
			return true;
	return false;
}

static int wait_for_event(const struct selftest *s, struct kube *k, const char *path, struct lm_err *err)
{
	int64_t end_ms = clock_mono_ms() + s->timeout_ms;

	for (;;) {
		auto_json cJSON *tree = NULL;
		const char *scheduler = "", *note = "";
		int got = read_event(k, path, &tree, &scheduler, &note, err);

		if (got < 0)
			return -1;
		if (got && !is_ours(s, scheduler))
			return lm_fail(err, LM_DATA, "placed by %s: %s", *scheduler ? scheduler : "an older scheduler", note);
		if (got) {
			printf("%s: %s\n", scheduler, note);
			return 0;
		}
		if (clock_mono_ms() >= end_ms)
			return lm_fail(err, LM_DATA, "no event Scheduled of the pod with uid %s in %lld s", s->pod_uid,
				       (long long)(s->timeout_ms / 1000));
		usleep(LOOK_US);
	}
}

static int run(const struct selftest *s, struct lm_err *err)
{
	struct kube_source source = {.server = s->server, .kubeconfig = s->kubeconfig};
	struct kube_config api = {0};
	auto_free char *path = NULL;
	struct kube *k;
	int failed = -1;

	if (!name_is_valid(s->pod_uid)) /* it goes into a path */
		return lm_fail(err, LM_USAGE, "--pod-uid: \"%.100s\" is no uid", s->pod_uid);
	if (kube_config_load(&source, &api, err) < 0)
		return -1;
	path = xasprintf("/apis/events.k8s.io/v1/namespaces/%s/events?fieldSelector=regarding.uid%%3D%s%%2Creason%%3DScheduled",
			 api.namespace_ ? api.namespace_ : FALLBACK_NAMESPACE, s->pod_uid);
	k = kube_new(&api, "latency-selftest", err);
	if (k)
		failed = wait_for_event(s, k, path, err);
	kube_free(k);
	kube_config_free(&api);
	return failed;
}

int selftest_main(int argc, char **argv)
{
	struct selftest settings = {0};
	struct options options;
	struct lm_err err;
	int code = 0;

	if (options_parse(&selftest_program, argc, argv, &settings, &options, &err) < 0)
		return options_fail(&selftest_program, &err);
	log_setup(options.log_level, options.log_format);
	if (!options.done && run(&settings, &err) < 0)
		code = options_fail(&selftest_program, &err);
	options_free(&options);
	return code;
}
