#include "tests/e2e/rival.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "lib/kube/client.h"
#include "lib/mem.h"
#include "tests/e2e/e2e.h"
#include "tests/testing/fetch.h"

#define READY_MS 60000

/* Its port has a certificate of its own making; the paths are open without an account. */
static char *fetch_from(const struct rival *r, const char *path, int *status)
{
	auto_free char *url = xasprintf("https://127.0.0.1:%d", r->port);

	return fetch(url, path, status);
}

static bool is_ready(void *arg)
{
	int status;

	free(fetch_from(arg, "/readyz", &status));
	return status == 200;
}

static void launch_with(struct rival *r, const char *profiles, const char *flag)
{
	auto_free char *kubeconfig = xasprintf("%s/kube-scheduler.kubeconfig", e2e_out()), *text = NULL, *port = NULL;
	static int starts;

	*r = (struct rival){.port = RIVAL_PORT + starts++ % RIVAL_PORTS, .log = xasprintf("%s/kube-scheduler.log", test_folder()),
			    .config = xasprintf("%s/kube-scheduler.yaml", test_folder())};
	text = xasprintf("apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n%s"
			 "clientConnection: {kubeconfig: \"%s\", qps: 5000, burst: 5000}\n%s",
			 profiles && strstr(profiles, "leaderElection:") ? "" : "leaderElection: {leaderElect: false}\n", kubeconfig, profiles ? profiles : "");
	test_write(r->config, text);
	port = xasprintf("--secure-port=%d", r->port);
	r->pid = test_spawn((const char *const[]){"kube-scheduler", "--config", r->config, port, "--bind-address=127.0.0.1", "--cert-dir",
						  test_folder(), "--authorization-always-allow-paths=/healthz,/readyz,/livez,/metrics", flag, NULL},
			    NULL, r->log);
}

static void await_ready(struct rival *r)
{
	if (!test_wait(is_ready, r, READY_MS)) {
		auto_free char *log = test_read(r->log);

		fail_msg("kube-scheduler does not get ready:\n%.4000s", log);
	}
}

void rival_launch(struct rival *r, const char *profiles)
{
	launch_with(r, profiles, NULL);
}

void rival_start(struct rival *r, const char *profiles)
{
	rival_start_with(r, profiles, NULL);
}

void rival_start_with(struct rival *r, const char *profiles, const char *flag)
{
	launch_with(r, profiles, flag);
	await_ready(r);
}

void rival_stop(struct rival *r)
{
	if (r->pid)
		test_stop(r->pid, SIGTERM);
	free(r->log);
	free(r->config);
	*r = (struct rival){0};
}

double rival_metric(const struct rival *r, const char *name)
{
	int status;
	auto_free char *body = fetch_from(r, "/metrics", &status);
	size_t len = strlen(name);
	const char *at = body, *value;

	assert_true(r->pid > 0);
	for (; status == 200 && at && (at = strstr(at, name)) != NULL; at += len)
		if ((at == body || at[-1] == '\n') && (at[len] == ' ' || at[len] == '{') && (value = strpbrk(at + len, " \n")) && *value == ' ')
			return strtod(value, NULL);
	return NAN;
}
