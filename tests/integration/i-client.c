/*
 * What we expect of a kube-apiserver, stated through lib/kube: one suite for the stand-in and for a real server.
 *
 *	i-client				starts the stand-in itself
 *	LATENCY_API=https://... i-client	against that server, or LATENCY_API=PATH of a kubeconfig
 *
 * It works in a namespace of its own and removes what it made. The server may have controllers, kubelets and other schedulers: pods
 * ask for a scheduler and for nodes that nobody has. (Without a controller manager: --disable-admission-plugins=ServiceAccount.)
 * Each case has a client of its own and no pods to begin with, so a failure stays alone. The cases hold for 1.36.3 and 1.34.4.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "tests/testing/standin.h"

static struct standin api;
static char ns[64];		/* of this run */
static char run[16];		/* makes names of nodes unique */

#include "tests/integration/client/helpers.c"
#include "tests/integration/client/expect.c"
#include "tests/integration/client/objects.c"
#include "tests/integration/client/lists.c"
#include "tests/integration/client/watches.c"
#include "tests/integration/client/bindings.c"
#include "tests/integration/client/writes.c"
#include "tests/integration/client/others.c"
#include "tests/integration/client/storage.c"
#include "tests/integration/client/evictions.c"

static int begin(void **state)
{
	const char *where = getenv("LATENCY_API");

	(void)state;
	snprintf(run, sizeof(run), "%08llx", (unsigned long long)(test_seed() ^ (uint64_t)clock_wall_ms()) & 0xffffffff);
	snprintf(ns, sizeof(ns), "client-%s", run);
	if (where && *where) {
		standin_connect(&api, where);
	} else {
		standin_start(&api, (const char *const[]){"--bookmark-interval", "1s", "--token", "secret", NULL});
		api.config.token = xstrdup("secret");
		standin_renew(&api);
	}
	printf("# %s, namespace %s\n", api.url, ns);
	make_namespace();
	return 0;
}

static int end(void **state)
{
	static const char *const kinds[] = {"/api/v1", "/api/v1", "/apis/coordination.k8s.io/v1"};
	static const char *const rests[] = {"pods?gracePeriodSeconds=0", "events", "leases"};
	size_t i;
	int status;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		auto_free char *path = xasprintf("%s/namespaces/%s/%s", kinds[i], ns, rests[i]);

		cJSON_Delete(standin_call(&api, "DELETE", path, NULL, &status));
	}
	drop_nodes_and_namespace();
	standin_stop(&api);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		OBJECT_TESTS, LIST_TESTS, WATCH_TESTS, BINDING_TESTS, WRITE_TESTS, OTHER_TESTS, STORAGE_TESTS, EVICTION_TESTS,
	};

	return cmocka_run_group_tests_name("client", tests, begin, end);
}
