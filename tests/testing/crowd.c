#include "tests/testing/crowd.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define ZONES 5

char *crowd_node(struct crowd *c, int i)
{
	static const int cpus[] = {4, 8, 16};
	int cpu = cpus[rng_below(&c->rng, 3)] * c->size, kind = (int)rng_below(&c->rng, 20);
	unsigned pods = (12 + rng_below(&c->rng, 12)) * (unsigned)c->size;
	auto_free char *taints = xasprintf(",\"taints\":[{\"key\":\"for\",\"value\":\"%s\",\"effect\":\"%s\"}]", kind & 1 ? "gpu" : "db",
					   kind & 2 ? "NoSchedule" : "NoExecute");

	return xasprintf("{\"metadata\":{\"name\":\"node-%d\",\"labels\":{\"kubernetes.io/hostname\":\"node-%d\",\"zone\":\"z%d\",\"disk\":\"%s\","
			 "\"half\":\"%d\"}},\"spec\":{%s%s},\"status\":{\"allocatable\":{\"cpu\":\"%d\",\"memory\":\"%dGi\",\"pods\":\"%u\"},"
			 "\"capacity\":{\"cpu\":\"%d\",\"memory\":\"%dGi\",\"pods\":\"%u\"}}}", i, i, i * ZONES / c->nodes,
			 rng_chance(&c->rng, 0.5) ? "ssd" : "hdd", i % 2, kind == 7 ? "\"unschedulable\":true" : "\"providerID\":\"test\"",
			 kind < 4 ? taints : "", cpu, cpu * 2, pods, cpu, cpu * 2, pods);
}

/* What a pod asks beyond cpu and memory, as JSON members. */
struct wish {
	char labels[128], annotations[128], selector[64], spec[512], ports[96];
};

/* At most one of these. */
static void make_spec(struct rng *r, struct wish *w)
{
	unsigned zone = rng_below(r, ZONES);

	if (rng_chance(r, 0.2))
		snprintf(w->spec, sizeof(w->spec), ",\"tolerations\":[{\"key\":\"for\",\"operator\":\"Exists\"}]");
	else if (rng_chance(r, 0.2))
		snprintf(w->selector, sizeof(w->selector), "\"disk\":\"%s\"", rng_chance(r, 0.5) ? "ssd" : "hdd");
	else if (rng_chance(r, 0.1) && !*w->labels)
		snprintf(w->spec, sizeof(w->spec), ",\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":"
			 "{\"nodeSelectorTerms\":[{\"matchExpressions\":[{\"key\":\"zone\",\"operator\":\"In\",\"values\":[\"z%u\",\"z%u\",\"z%u\"]}]}]}}}",
			 zone, (zone + 1) % ZONES, (zone + 3) % ZONES);
	else if (rng_chance(r, 0.1))
		snprintf(w->spec, sizeof(w->spec), ",\"initContainers\":[{\"name\":\"i\",\"image\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"%u\"}}}]",
			 1 + rng_below(r, 3));
}

/* A limit reaches over three fifths of the row, wherever it begins. */
static void make_wish(struct crowd *c, int half, struct wish *w)
{
	struct rng *r = &c->rng;
	double reach_ms = crowd_rtt_us(NULL, "node-0", "node-1") / 1000 + 0.1 * c->nodes * (0.6 + 0.15 * rng_unit(r));

	*w = (struct wish){.labels = ""};
	if (rng_chance(r, 0.15))
		snprintf(w->labels, sizeof(w->labels), ",\"delay_node-%u\":\"%.1f\"", rng_below(r, (uint32_t)c->nodes), reach_ms);
	if (rng_chance(r, 0.3))
		snprintf(w->annotations, sizeof(w->annotations), "\"latency-mesh.io/near\":\"app=app-%u\"", rng_below(r, 10));
	if (rng_chance(r, 0.1))
		snprintf(w->ports, sizeof(w->ports), ",\"ports\":[{\"containerPort\":80,\"hostPort\":%u}]", 8000 + rng_below(r, 4));
	make_spec(r, w);
	if (half != CROWD_ANY)
		snprintf(w->selector + strlen(w->selector), sizeof(w->selector) - strlen(w->selector), "%s\"half\":\"%d\"",
			 *w->selector ? "," : "", half);
}

char *crowd_pod(struct crowd *c, const struct crowd_kind *kind, int i)
{
	struct rng *r = &c->rng;
	unsigned app = rng_below(r, 10), level = rng_below(r, CROWD_CLASSES), cpu_milli = 50 + rng_below(r, 500), memory_mib = 32 + rng_below(r, 1000);
	auto_free char *priority = c->classes ? xasprintf("\"priorityClassName\":\"crowd-%u\"", level) : xasprintf("\"priority\":%u", level);
	struct wish w;

	make_wish(c, kind->half, &w);
	return xasprintf("{\"metadata\":{\"name\":\"%s-%04d\",\"labels\":{\"app\":\"app-%u\"%s},\"annotations\":{%s}},\"spec\":{\"schedulerName\":\"%s\","
			 "%s,\"nodeSelector\":{%s}%s,\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"%um\","
			 "\"memory\":\"%uMi\"}}%s},{\"name\":\"d\",\"image\":\"i\",\"resources\":{\"limits\":{\"cpu\":\"%um\"}}}]}}",
			 kind->prefix, i, app, w.labels, w.annotations, kind->scheduler, priority, w.selector, w.spec, cpu_milli, memory_mib, w.ports,
			 10 + rng_below(r, 100));
}

double crowd_rtt_us(void *unused, const char *from, const char *to)
{
	int a, b;

	(void)unused;
	if (sscanf(from, "node-%d", &a) != 1 || sscanf(to, "node-%d", &b) != 1)
		return NAN;
	return a == b ? 0 : 200 + 100 * abs(a - b);
}

void crowd_write_matrix(const struct crowd *c, const char *path)
{
	auto_buf struct buf b = {0};
	char now[CLOCK_TEXT], from[24], to[24];
	int i, k;

	clock_format(clock_wall_ms(), now);
	buf_printf(&b, "{\"version\":1,\"epoch\":\"test\",\"generation\":1,\"written\":\"%s\",\"period_s\":60,\"nodes\":[", now);
	for (i = 0; i < c->nodes; i++)
		buf_printf(&b, "%s\"node-%d\"", i ? "," : "", i);
	buf_str(&b, "],\"age_s\":[");
	for (i = 0; i < c->nodes; i++)
		buf_printf(&b, "%s1", i ? "," : "");
	buf_str(&b, "],\"rtt_us\":[");
	for (i = 0; i < c->nodes; i++) {
		buf_printf(&b, "%s\n[", i ? "," : "");
		for (k = 0; k < c->nodes; k++) {
			snprintf(from, sizeof(from), "node-%d", i);
			snprintf(to, sizeof(to), "node-%d", k);
			buf_printf(&b, "%s%.0f", k ? "," : "", crowd_rtt_us(NULL, from, to));
		}
		buf_char(&b, ']');
	}
	buf_str(&b, "]}\n");
	test_write(path, b.data);
}
