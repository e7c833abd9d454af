#include "tests/e2e/twins.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"

#define PODS "/api/v1/namespaces/default/pods"
#define PORT ",\"ports\":[{\"containerPort\":8080,\"hostPort\":8080}]"

/* --- nodes, with a pod on each ------------------------------------------------------------------------------------------- */

/* The first eight have a reason each, all have some by chance. */
static void node_body(struct rng *rng, int i, struct buf *body)
{
	bool small = i == 1 || rng_chance(rng, 0.2), full = i == 2 || rng_chance(rng, 0.15), cordoned = i == 3 || rng_chance(rng, 0.15);
	bool tainted = i == 4 || rng_chance(rng, 0.2), evicting = i == 5 || rng_chance(rng, 0.1);
	bool zone = i == 6 || rng_chance(rng, 0.4), devices = i == 7 || rng_chance(rng, 0.2);

	buf_printf(body, "{\"metadata\":{\"name\":\"n-%d\",\"labels\":{\"kubernetes.io/hostname\":\"n-%d\",\"rank\":\"%d\"%s}},", i, i, i,
		   zone ? ",\"zone\":\"a\"" : "");
	buf_printf(body, "\"spec\":{\"unschedulable\":%s,\"taints\":[%s%s%s]},", cordoned ? "true" : "false",
		   tainted ? "{\"key\":\"t\",\"value\":\"v\",\"effect\":\"NoSchedule\"}" : "", tainted && evicting ? "," : "",
		   evicting ? "{\"key\":\"u\",\"effect\":\"NoExecute\"}" : "");
	buf_printf(body, "\"status\":{\"allocatable\":{\"cpu\":\"%s\",\"memory\":\"%s\",\"ephemeral-storage\":\"10Gi\",\"pods\":\"%s\"%s}}}",
		   small ? "1" : "4", small ? "1Gi" : "8Gi", full ? "1" : "110", devices ? ",\"example.com/gpu\":\"2\"" : "");
}

/* It keeps pods with the label lonely away; some are on the host port 8080. */
static void resident_body(struct rng *rng, int i, struct buf *body)
{
	buf_printf(body, "{\"metadata\":{\"name\":\"resident-%d\"},\"spec\":{\"nodeName\":\"n-%d\",\"schedulerName\":\"hand\",\"containers\":[{\"name\":\"c\","
		   "\"image\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"%um\"}}%s}],", i, i, rng_below(rng, 4) * 300, rng_chance(rng, 0.4) ? PORT : "");
	buf_str(body, "\"affinity\":{\"podAntiAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[{\"topologyKey\":\"kubernetes.io/hostname\","
		"\"labelSelector\":{\"matchLabels\":{\"lonely\":\"yes\"}}}]}}}}");
}

void twins_cluster(struct sched *s, struct rng *rng)
{
	int i;

	for (i = 0; i < TWINS_NODES; i++) {
		auto_buf struct buf node = {0}, resident = {0};

		node_body(rng, i, &node);
		resident_body(rng, i, &resident);
		standin_do(&s->api, 201, "POST", "/api/v1/nodes", node.data);
		standin_do(&s->api, 201, "POST", PODS, resident.data);
	}
}

/* --- pods ---------------------------------------------------------------------------------------------------------------- */

struct twin {
	const char *name, *asks;	/* resources, requested and limited */
	const char *spec, *labels, *ports;
};

#define CPU "\"cpu\":\"50\""
#define MEMORY "\"memory\":\"500Gi\""
#define TERMS(terms) \
	",\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{\"nodeSelectorTerms\":[" terms "]}}}"
#define NAMED(node) "{\"matchFields\":[{\"key\":\"metadata.name\",\"operator\":\"In\",\"values\":[\"" node "\"]}]}"
#define LABEL(key, operator, values) "{\"matchExpressions\":[{\"key\":\"" key "\",\"operator\":\"" operator "\"" values "}]}"
#define VALUES(value) ",\"values\":[\"" value "\"]"
#define TOLERATE_ALL ",\"tolerations\":[{\"operator\":\"Exists\"}]"
#define NOWHERE ",\"nodeSelector\":{\"zone\":\"nowhere\"}"
#define IN_A ",\"nodeSelector\":{\"zone\":\"a\"}"
#define NEVER "never-preempts"
#define LONELY "\"lonely\":\"yes\""

static const struct twin named[] = {
	{"cpu", CPU, "", "", ""},
	{"memory", MEMORY, "", "", ""},
	{"disk", "\"ephemeral-storage\":\"1Ti\"", "", "", ""},
	{"device", "\"example.com/none\":\"1\"", "", "", ""},
	{"devices", "\"example.com/gpu\":\"9\"", "", "", ""},
	{"pages", "\"hugepages-2Mi\":\"64Mi\",\"cpu\":\"1\",\"memory\":\"64Mi\"", "", "", ""},
	{"many", CPU "," MEMORY ",\"example.com/none\":\"1\",\"example.com/gpu\":\"3\"", "", "", ""},
	{"selector", CPU, NOWHERE, "", ""},
	{"affinity", CPU, TERMS(LABEL("zone", "In", VALUES("b"))), "", ""},
	{"terms", CPU, TERMS(LABEL("zone", "DoesNotExist", "") "," LABEL("rank", "Gt", VALUES("5"))), "", ""},
	{"pinned", CPU, TERMS(NAMED("n-6")), "", ""},
	{"pinned-tolerant", CPU, TERMS(NAMED("n-4")) TOLERATE_ALL, "", ""},
	{"pinned-nowhere", "\"cpu\":\"1\"", TERMS(NAMED("gone")), "", ""},
	{"pinned-or-not", CPU, TERMS(NAMED("gone") "," LABEL("zone", "Exists", "")), "", ""},
	{"pinned-twice", CPU, TERMS(NAMED("n-6") "," NAMED("n-7")), "", ""},
	{"tolerant", CPU, TOLERATE_ALL, "", ""},
	{"never", CPU, ",\"priorityClassName\":\"" NEVER "\"", "", ""},
	{"port", CPU, "", "", PORT},
	{"lonely", "\"cpu\":\"100m\"", "", LONELY, ""},
	{"lonely-tolerant", "\"cpu\":\"100m\"", TOLERATE_ALL, LONELY, PORT},
};

static void post(struct sched *s, const struct twin *t, const char *scheduler, const char *side)
{
	auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"%s-%s\",\"labels\":{%s}},\"spec\":{\"schedulerName\":\"%s\",\"containers\":[{\"name\":\"c\","
					 "\"image\":\"i\",\"resources\":{\"limits\":{%s}}%s}]%s}}",
					 t->name, side, t->labels, scheduler, t->asks, t->ports, t->spec);

	standin_do(&s->api, 201, "POST", PODS, body);
}

static void post_both(struct sched *s, const struct twin *t)
{
	post(s, t, TWINS_OURS, "ours");
	post(s, t, TWINS_THEIRS, "theirs");
}

void twins_post_plain(struct sched *s)
{
	post_both(s, &(struct twin){"plain", "\"cpu\":\"1\"", "", "", ""});
}

static void make_class(struct sched *s)
{
	int status;

	cJSON_Delete(standin_call(&s->api, "POST", "/apis/scheduling.k8s.io/v1/priorityclasses",
				  "{\"metadata\":{\"name\":\"" NEVER "\"},\"value\":0,\"preemptionPolicy\":\"Never\"}", &status));
	assert_true(status == 201 || status == 409);
}

/* Resources that no node has, so many that the note is beyond the API's limit. */
static void post_long(struct sched *s)
{
	auto_buf struct buf asks = {0};
	int i;

	for (i = 0; i < 40; i++)
		buf_printf(&asks, "%s\"example.com/something-that-is-on-no-node-%02d\":\"1\"", i ? "," : "", i);
	post_both(s, &(struct twin){"long", asks.data, "", "", ""});
}

/* What makes it hopeless, and by chance more that a node may lack. */
static void post_random(struct sched *s, struct rng *rng, int i)
{
	static const struct twin hopeless[] = {
		{"", CPU, "", "", ""}, {"", MEMORY, "", "", ""}, {"", CPU "," MEMORY, "", "", ""}, {"", CPU ",\"example.com/gpu\":\"3\"", "", "", ""},
		{"", "\"cpu\":\"2\",\"ephemeral-storage\":\"1Ti\"", "", "", ""}, {"", "\"cpu\":\"100m\"", "", LONELY, ""},
		{"", "\"cpu\":\"3500m\",\"memory\":\"7Gi\"", "", LONELY, ""},
	};
	static const char *const specs[] = {
		"", TOLERATE_ALL, IN_A, NOWHERE, ",\"tolerations\":[{\"key\":\"t\",\"value\":\"v\"}]",
		",\"tolerations\":[{\"key\":\"node.kubernetes.io/unschedulable\",\"operator\":\"Exists\"}]" IN_A,
		",\"tolerations\":[{\"key\":\"u\",\"operator\":\"Exists\",\"effect\":\"NoExecute\"}]",
		IN_A TERMS(LABEL("rank", "Lt", VALUES("7"))), TERMS(LABEL("zone", "NotIn", VALUES("a"))),
	};
	struct twin t = hopeless[rng_below(rng, ARRAY_SIZE(hopeless))];
	auto_free char *name = xasprintf("random-%d", i);

	t.name = name;
	t.spec = specs[rng_below(rng, ARRAY_SIZE(specs))];
	t.ports = rng_chance(rng, 0.4) ? PORT : "";
	post_both(s, &t);
}

int twins_post(struct sched *s, struct rng *rng, int random)
{
	int i;

	make_class(s);
	for (i = 0; i < (int)ARRAY_SIZE(named); i++)
		post_both(s, &named[i]);
	post_long(s);
	for (i = 0; i < random; i++)
		post_random(s, rng, i);
	return (int)ARRAY_SIZE(named) + 1 + random;
}
