#include "tests/e2e/beside.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"

#define AGAIN_MS 30000

const char *const beside_lenient[] = {"--mode", "extender", "--extender-listen", "127.0.0.1:8080", NULL};
const char *const beside_strict[] = {"--mode", "extender", "--extender-listen", "127.0.0.1:8080", "--extender-late", "error", NULL};

char *beside_extender(const char *url, bool cache_capable, bool ignorable, const char *more)
{
	return xasprintf("extenders:\n- urlPrefix: %s\n  filterVerb: filter\n  prioritizeVerb: prioritize\n  weight: 12\n  nodeCacheCapable: %s\n"
			 "  httpTimeout: 2s\n  ignorable: %s\n%s", url, cache_capable ? "true" : "false", ignorable ? "true" : "false", more);
}

void beside_start_rival(struct beside *b, bool cache_capable, bool ignorable)
{
	auto_free char *extender = beside_extender(b->tap ? tap_url(b->tap) : BESIDE_URL, cache_capable, ignorable, "");
	auto_free char *config = xasprintf("profiles:\n- schedulerName: " WISHES_NAME "\n  plugins: {score: {disabled: [{name: '*'}]}}\n%s", extender);

	rival_start(&b->rival, config);
}

void beside_begin(struct beside *b, const char *const *options)
{
	*b = (struct beside){0};
	e2e_begin(&b->s);
	sched_nodes(&b->s, "a b c");
	sched_matrix(&b->s, 1, "0 5 9  5 0 9  9 9 0");
	sched_hold(&b->s, true);
	sched_start(&b->s, options);
}

void beside_end(struct beside *b)
{
	rival_stop(&b->rival);
	tap_stop(b->tap);
	assert_int_equal(sched_stop(&b->s, SIGTERM), 0);
	e2e_end(&b->s);
}

const char *beside_pending(const cJSON *pod)
{
	const cJSON *condition;

	cJSON_ArrayForEach(condition, item_at(pod, "status.conditions"))
		if (STREQ(text_at(condition, "type"), "PodScheduled") && STREQ(text_at(condition, "status"), "False"))
			return text_at(condition, "message");
	return NULL;
}

struct words {
	struct sched *s;
	const char *pod, *text;
};

static bool is_said(void *arg)
{
	const struct words *w = arg;
	auto_json cJSON *pod = sched_get(w->s, w->pod);
	const char *message = beside_pending(pod);

	return message && strstr(message, w->text);
}

void beside_waits(struct beside *b, const char *pod, const char *text)
{
	if (!test_wait(is_said, &(struct words){&b->s, pod, text}, AGAIN_MS)) {
		auto_json cJSON *object = sched_get(&b->s, pod);

		fail_msg("%s is on \"%s\", it does not say \"%s\" but: %s", pod, text_at(object, "spec.nodeName"), text, beside_pending(object));
	}
	assert_string_equal(sched_node_now(&b->s, pod), "");
}

void beside_goes_to(struct beside *b, const char *pod, const char *nodes)
{
	int64_t start_ms = clock_mono_ms();
	const char *where;

	while (!*(where = sched_where(&b->s, pod)) && clock_mono_ms() - start_ms < AGAIN_MS)
		;
	printf("# %s on \"%s\" after %.1f s\n", pod, where, (double)(clock_mono_ms() - start_ms) / 1e3);
	if (!*where || !strstr(nodes, where))
		fail_msg("%s is on \"%s\" instead of %s", pod, where, nodes);
}
