#include "tests/conformance/judge.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "tests/conformance/make.h"
#include "tests/conformance/plane.h"
#include "tests/conformance/recorder.h"

#define LIMIT_MS 60000
#define POLL_US 40000
#define PODS "/api/v1/pods?resourceVersion=0&fieldSelector=spec.schedulerName%3D" PLANE_SCHEDULER "%2Cspec.nodeName%3D"

struct judge {
	struct standin *api;
	struct recorder *recorder;
	char *config, *log;
	cJSON *pods;			/* the last list */
};

static char *configuration(int port)
{
	const char *out = getenv("E2E_OUT");

	return xasprintf("apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nleaderElection: {leaderElect: false}\n"
			 "clientConnection: {kubeconfig: \"%s/kube-scheduler.kubeconfig\", qps: 5000, burst: 5000}\n"
			 "percentageOfNodesToScore: 100\npodInitialBackoffSeconds: 100\npodMaxBackoffSeconds: 100\n"
			 "profiles: [{schedulerName: " PLANE_SCHEDULER "}]\n"
			 "extenders: [{urlPrefix: \"http://127.0.0.1:%d\", filterVerb: filter, nodeCacheCapable: true, httpTimeout: 30s}]\n",
			 out ? out : ".", port);
}

struct judge *judge_open(struct standin *api)
{
	struct judge *j = xcalloc(1, sizeof(*j));
	auto_free char *text = NULL;

	j->api = api;
	j->recorder = recorder_start();
	j->config = xasprintf("%s/kube-scheduler.yaml", test_folder());
	j->log = xasprintf("%s/kube-scheduler.log", test_folder());
	text = configuration(recorder_port(j->recorder));
	test_write(j->config, text);
	return j;
}

void judge_close(struct judge *j)
{
	recorder_stop(j->recorder);
	cJSON_Delete(j->pods);
	free(j->config);
	free(j->log);
	free(j);
}

static const cJSON *condition_of(const cJSON *pod)
{
	const cJSON *condition;

	cJSON_ArrayForEach(condition, get(pod, "status.conditions"))
		if (STREQ(get_text(condition, "type"), "PodScheduled"))
			return condition;
	return NULL;
}

/* kube-scheduler passes these over. */
static bool is_waiting(const cJSON *pod)
{
	const char *phase = get_text(pod, "status.phase");

	return !get(pod, "metadata.deletionTimestamp") && cJSON_GetArraySize(get(pod, "spec.schedulingGates")) == 0 &&
	       !STREQ(phase, "Succeeded") && !STREQ(phase, "Failed");
}

static bool all_spoken_of(struct judge *j)
{
	const cJSON *pod;
	int status;

	cJSON_Delete(j->pods);
	j->pods = standin_call(j->api, "GET", PODS, NULL, &status);
	if (status != 200)
		return false;
	cJSON_ArrayForEach(pod, get(j->pods, "items"))
		if (is_waiting(pod) && !condition_of(pod))
			return false;
	return true;
}

static void show_log(const struct judge *j)
{
	auto_free char *log = test_read(j->log);
	size_t len = log ? strlen(log) : 0;

	fprintf(stderr, "conformance: kube-scheduler has not spoken of every pod after %d s:\n%s\n", LIMIT_MS / 1000,
		log ? log + (len > 3000 ? len - 3000 : 0) : "");
}

bool judge_run(struct judge *j)
{
	const char *const argv[] = {"kube-scheduler", "--config", j->config, "--secure-port=0", "--feature-gates=OpportunisticBatching=false", NULL};
	int64_t end = clock_mono_ms() + LIMIT_MS;
	pid_t pid;
	bool done;

	recorder_reset(j->recorder);
	pid = test_spawn(argv, NULL, j->log);
	while (!(done = all_spoken_of(j)) && clock_mono_ms() < end)
		usleep(POLL_US);
	if (!done)
		show_log(j);
	test_stop(pid, SIGKILL);
	return done;
}

bool judge_opinion(struct judge *j, const char *namespace_, const char *name, struct opinion *out)
{
	const cJSON *pod;

	*out = (struct opinion){0};
	cJSON_ArrayForEach(pod, get(j->pods, "items")) {
		if (!STREQ(get_text(pod, "metadata.name"), name) || !STREQ(get_text(pod, "metadata.namespace"), namespace_))
			continue;
		if (!is_waiting(pod) || !condition_of(pod))
			return false;
		recorder_nodes(j->recorder, get_text(pod, "metadata.uid"), out);
		out->reasons = opinion_reasons(get_text(condition_of(pod), "message"));
		out->error = STREQ(get_text(condition_of(pod), "reason"), "SchedulerError");
		return true;
	}
	return false;
}
