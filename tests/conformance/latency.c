#include "tests/conformance/latency.h"

#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "tests/conformance/make.h"

static char *target(struct rng *r, uint32_t nodes)
{
	switch (rng_below(r, 5)) {
	case 0: return xasprintf("node/n-%u", rng_below(r, nodes));
	case 1: return xasprintf("zone/%s", PICK(r, "z-a", "z-b", "z-c"));
	case 2: return xasprintf("client/%s", PICK(r, "milan", "osaka"));
	case 3: return xasprintf("%s:app=%s", PICK(r, "ns-a", "ns-b", "ns-c", "ns-d"), PICK(r, "a", "b", "c", "db"));
	default: return xasprintf("app=%s", PICK(r, "a", "b", "c", "db"));
	}
}

bool latency_ask(struct rng *r, uint32_t nodes, cJSON *pod)
{
	auto_free char *near = target(r, nodes), *far = target(r, nodes), *limited = target(r, nodes);
	auto_free char *list = xasprintf("%s*%u, %s%s", near, 1 + rng_below(r, 4), rng_chance(r, 0.5) ? "any:" : "", far);
	auto_free char *limit = xasprintf("%s%s<=%ums", rng_chance(r, 0.5) ? "any:" : "", limited, 5 + rng_below(r, 40));
	auto_free char *delay = xasprintf("delay_%s", PICK(r, "a", "b", "db", "milan", "n-1", "n-7", "nobody"));
	auto_free char *most = rng_chance(r, 0.03) ? xstrdup("soon") : xasprintf("%u.5", 5 + rng_below(r, 40));
	bool limits = rng_chance(r, 0.2);

	if (rng_chance(r, 0.3) && !STREQ(near, far))
		put_named(pod, "metadata.annotations", "latency-mesh.io/near", list);
	if (rng_chance(r, 0.2))
		put_named(pod, "metadata.annotations", "latency-mesh.io/within", limit);
	if (limits)
		put_named(pod, "metadata.labels", delay, most);
	if (rng_chance(r, 0.3))
		put_named(pod, "metadata.annotations", "latency-mesh.io/missing", PICK(r, "allow", "deny"));
	return !limits || !STREQ(most, "soon");
}

/* A row of numbers up to `most`; null with that chance. */
static void numbers(struct rng *r, uint32_t count, double most, double unknown, struct buf *out)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		buf_str(out, i ? "," : "[");
		if (rng_chance(r, unknown))
			buf_str(out, "null");
		else
			buf_decimal(out, rng_unit(r) * most, 4);
	}
	buf_char(out, ']');
}

static void rows(struct rng *r, const char *name, uint32_t nodes, uint32_t columns, double most, double unknown, struct buf *out)
{
	uint32_t i;

	buf_printf(out, ",\n\"%s\":", name);
	for (i = 0; i < nodes; i++) {
		buf_str(out, i ? ",\n" : "[");
		numbers(r, columns, most, unknown, out);
	}
	buf_char(out, ']');
}

void latency_matrix(struct rng *r, uint32_t nodes, struct buf *out)
{
	char now[CLOCK_TEXT];
	uint32_t i;

	clock_format(clock_wall_ms(), now);
	buf_printf(out, "{\"version\":1,\"epoch\":\"random\",\"generation\":7,\"written\":\"%s\",\"period_s\":60,\"nodes\":", now);
	for (i = 0; i < nodes; i++)
		buf_printf(out, "%s\"n-%u\"", i ? "," : "[", i);
	buf_str(out, "],\"age_s\":");
	numbers(r, nodes, 700, 0.02, out);
	buf_str(out, ",\"load\":");
	for (i = 0; i < nodes; i++) {
		buf_str(out, i ? ",{\"cpu\":" : "[{\"cpu\":");
		buf_decimal(out, rng_unit(r), 3);
		buf_char(out, '}');
	}
	buf_char(out, ']');
	rows(r, "rtt_us", nodes, nodes, 40000, 0.03, out);
	rows(r, "jitter_us", nodes, nodes, 500, 0.03, out);
	rows(r, "loss", nodes, nodes, 0.03, 0.03, out);
	buf_str(out, ",\n\"clients\":[\"milan\",\"osaka\"]");
	rows(r, "client_rtt_us", nodes, 2, 60000, 0.05, out);
	buf_str(out, "}\n");
}
