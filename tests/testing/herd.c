#include "tests/testing/herd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"

void herd_publish(struct sched *s, double calm)
{
	auto_buf struct buf b = {0};
	char now[CLOCK_TEXT];
	int i, k;

	clock_format(clock_wall_ms(), now);
	buf_printf(&b, "{\"version\":1,\"epoch\":\"e\",\"generation\":1,\"written\":\"%s\",\"period_s\":60,\"nodes\":[", now);
	for (i = 0; i < HERD_NODES; i++)
		buf_printf(&b, "%s\"n-%d\"", i ? "," : "", i);
	buf_str(&b, "],\"age_s\":[");
	for (i = 0; i < HERD_NODES; i++)
		buf_str(&b, i ? ",0" : "0");
	buf_str(&b, "],\"load\":[");
	for (i = 0; i < HERD_NODES; i++)
		buf_printf(&b, "%s{\"cpu\":%.3f}", i ? "," : "", i ? 0.29 + 0.02 * (i * 7 % HERD_NODES) / HERD_NODES : calm);
	buf_str(&b, "],\"rtt_us\":[");
	for (i = 0; i < HERD_NODES; i++)
		for (k = 0; k < HERD_NODES; k++)
			buf_printf(&b, "%s%d%s", k ? "," : i ? ",\n[" : "\n[", i == k ? 0 : 1000, k == HERD_NODES - 1 ? "]" : "");
	buf_str(&b, "],\"clients\":[\"milan\"],\"client_rtt_us\":[");
	for (i = 0; i < HERD_NODES; i++)
		buf_str(&b, i ? ",[5000]" : "[5000]");
	buf_str(&b, "]}\n");
	sched_publish(s, b.data);
}

char *herd_pod(int i, const char *scheduler)
{
	return xasprintf("{\"metadata\":{\"name\":\"p-%d\",\"annotations\":{\"latency-mesh.io/near\":\"client/milan\"}},\"spec\":{\"schedulerName\":\"%s\","
			 "\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"requests\":{%s}}}]}}", i, scheduler, i % 2 ? "\"cpu\":\"100m\"" : "");
}

/* How many pods are placed. */
static int count(struct sched *s, int on[HERD_NODES])
{
	auto_json cJSON *list = standin_want(&s->api, 200, "GET", HERD_PATH, NULL);
	const cJSON *pod;
	int placed = 0;

	memset(on, 0, HERD_NODES * sizeof(*on));
	cJSON_ArrayForEach(pod, json_get(list, "items")) {
		const char *node = cJSON_GetStringValue(json_get(json_get(pod, "spec"), "nodeName"));

		if (!node || !*node)
			continue;
		on[atoi(node + strlen("n-"))]++;
		placed++;
	}
	return placed;
}

struct waiting {
	struct sched *s;
	int *on, placed;
};

static bool all_placed(void *arg)
{
	struct waiting *w = arg;

	w->placed = count(w->s, w->on);
	return w->placed == HERD_PODS;
}

int herd_most(struct sched *s, int limit_ms)
{
	int on[HERD_NODES], i, most = 0;
	struct waiting w = {s, on, 0};

	if (!test_wait(all_placed, &w, limit_ms))
		fail_msg("%d pods of %d are placed", w.placed, HERD_PODS);
	for (i = 0; i < HERD_NODES; i++)
		most = on[i] > most ? on[i] : most;
	return most;
}
