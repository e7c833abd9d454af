/*
 * What any user may put into an object and a real API server takes: a NUL in an annotation or an argument, managedFields deeper than anything that a scheduler
 * reads. Whoever lists or watches such an object goes on, and it is treated as any other.
 */
#include <signal.h>
#include <stdlib.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "tests/e2e/e2e.h"

#define CORE "/api/v1/namespaces/default/"
#define LEVELS 90

static struct sched s;

static int begin(void **state)
{
	(void)state;
	e2e_begin(&s);
	sched_nodes(&s, "a b");
	sched_matrix(&s, 1, "0 5  5 0");
	return 0;
}

static int end(void **state)
{
	(void)state;
	standin_do(&s.api, 200, "DELETE", CORE "services/strange", NULL);
	e2e_end(&s);
	return 0;
}

static void make_pod(const char *name, const char *metadata, const char *container)
{
	auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"%s\"%s},\"spec\":{\"schedulerName\":\"my-latency-scheduler\",\"containers\":[{\"name\":\"c\",\"image\":\"i\"%s}]}}",
					 name, metadata, container);

	standin_do(&s.api, 201, "POST", CORE "pods", body);
}

static char *deep_fields(void)
{
	struct buf b = {0};
	int i;

	buf_str(&b, ",\"managedFields\":[{\"manager\":\"m\",\"operation\":\"Update\",\"apiVersion\":\"v1\",\"time\":\"2026-01-01T00:00:00Z\",\"fieldsType\":\"FieldsV1\","
		    "\"fieldsV1\":{\"f:metadata\":{\"f:labels\":");
	for (i = 0; i < LEVELS; i++)
		buf_str(&b, "{\"f:x\":");
	buf_str(&b, "{}");
	for (i = 0; i < LEVELS; i++)
		buf_char(&b, '}');
	buf_str(&b, "}}}]");
	return b.data;
}

static void make_strange_pods(const char *when)
{
	auto_free char *fields = deep_fields();
	auto_free char *note = xasprintf("note-%s", when), *args = xasprintf("args-%s", when), *deep = xasprintf("deep-%s", when);

	make_pod(note, ",\"annotations\":{\"note\":\"a\\u0000b\"}", "");
	make_pod(args, "", ",\"args\":[\"a\\u0000b\"]");
	make_pod(deep, fields, "");
}

static void assert_all_placed(const char *when)
{
	static const char *const kinds[] = {"note", "args", "deep"};
	auto_free char *good = xasprintf("good-%s", when);
	size_t i;

	sched_pod(&s, good, "\"latency-mesh.io/near\":\"node/b\"");
	assert_string_equal(sched_where(&s, good), "b");
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		auto_free char *name = xasprintf("%s-%s", kinds[i], when);

		if (!sched_where(&s, name)[0])
			fail_msg("%s is on no node", name);
	}
}

static void strange_objects_stop_nobody(void **state)
{
	(void)state;
	standin_do(&s.api, 201, "POST", CORE "persistentvolumeclaims", "{\"metadata\":{\"name\":\"strange\",\"annotations\":{\"x\":\"a\\u0000b\"}},\"spec\":{"
		   "\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}}");
	standin_do(&s.api, 201, "POST", CORE "services", "{\"metadata\":{\"name\":\"strange\",\"annotations\":{\"x\":\"a\\u0000b\"}},\"spec\":{\"ports\":[{\"port\":80}]}}");
	make_strange_pods("listed");
	sched_start(&s, NULL);
	assert_all_placed("listed");
	make_strange_pods("watched");
	assert_all_placed("watched");
	assert_int_equal(sched_log_count(&s, "watch interrupted", 0), 0);
	assert_int_equal(sched_stop(&s, SIGTERM), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(strange_objects_stop_nobody),
	};

	return cmocka_run_group_tests_name("strange", tests, begin, end);
}
