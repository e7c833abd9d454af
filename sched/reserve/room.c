#include "sched/reserve/room.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/cache/table.h"

#define auto_resources __attribute__((cleanup(resources_free)))

/* --- names ---------------------------------------------------------------------------------------------------------- */

static uint64_t salted(const char *node, unsigned salt)
{
	return hash_text(HASH_START, node) + salt;
}

void room_placeholder_name(const char *node, unsigned salt, unsigned number, char name[static ROOM_NAME_MAX])
{
	snprintf(name, ROOM_NAME_MAX, "latency-mesh-room-%016llx-%04u", (unsigned long long)salted(node, salt), number);
}

void room_guard_name(const char *node, unsigned salt, char name[static ROOM_NAME_MAX])
{
	snprintf(name, ROOM_NAME_MAX, "latency-mesh-guard-%016llx", (unsigned long long)salted(node, salt));
}

/* --- objects -------------------------------------------------------------------------------------------------------- */

static void add_amount(struct buf *out, const char **sep, const char *name, int64_t amount, const char *unit)
{
	if (amount <= 0)
		return;
	buf_str(out, *sep);
	buf_json_string(out, name);
	buf_printf(out, ":\"%lld%s\"", (long long)amount, unit);
	*sep = ",";
}

static bool has_huge_pages(const struct resources *r)
{
	uint32_t i;

	for (i = 0; i < r->scalar_count; i++)
		if (strncmp(r->scalars[i].name, "hugepages-", strlen("hugepages-")) == 0 && r->scalars[i].amount > 0)
			return true;
	return false;
}

static void add_scalars(struct buf *out, const char *sep, const struct resources *r)
{
	uint32_t i;

	for (i = 0; i < r->scalar_count; i++)
		add_amount(out, &sep, r->scalars[i].name, r->scalars[i].amount, "");
}

/* What extended resources and huge pages ask for is their limit, too, and a pod may not ask for huge pages alone: the API's rules. */
static void add_requests(struct buf *out, const struct resources *r)
{
	bool alone = r->cpu_milli <= 0 && r->memory_bytes <= 0 && has_huge_pages(r);
	const char *sep = "";

	buf_str(out, "\"resources\":{\"requests\":{");
	add_amount(out, &sep, "cpu", alone ? 1 : r->cpu_milli, "m");
	add_amount(out, &sep, "memory", r->memory_bytes, "");
	add_amount(out, &sep, "ephemeral-storage", r->ephemeral_bytes, "");
	add_scalars(out, sep, r);
	buf_str(out, "},\"limits\":{");
	add_scalars(out, "", r);
	buf_str(out, "}}");
}

/* A guard has covers. A placeholder is told later, and the cluster autoscaler keeps a node for the sake of a pod without a controller and this word. */
static void add_annotations(const char *covers, struct buf *out)
{
	buf_str(out, ",\"annotations\":{");
	if (covers) {
		buf_str(out, "\"" RESERVE_COVERS "\":");
		buf_json_string(out, covers);
	} else {
		buf_str(out, "\"cluster-autoscaler.kubernetes.io/safe-to-evict\":\"true\"");
	}
	buf_char(out, '}');
}

static void add_ports(struct buf *out, const struct host_port *ports, uint32_t count)
{
	uint32_t i;

	buf_str(out, ",\"ports\":[");
	for (i = 0; i < count; i++) {
		buf_printf(out, "%s{\"containerPort\":%d,\"hostPort\":%d,\"protocol\":", i ? "," : "", ports[i].port, ports[i].port);
		buf_json_string(out, ports[i].protocol);
		if (ports[i].ip[0]) {
			buf_str(out, ",\"hostIP\":");
			buf_json_string(out, ports[i].ip);
		}
		buf_char(out, '}');
	}
	buf_char(out, ']');
}

/* No controller, or drains would wait for it to make them anew; and nothing waits for their end. */
static void add_owner(const struct reserve_settings *s, struct buf *out)
{
	const char *slash = strchr(s->owner, '/');

	buf_printf(out, ",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"%.*s\",\"name\":", (int)(slash - s->owner), s->owner);
	buf_json_string(out, slash + 1);
	buf_str(out, ",\"uid\":");
	buf_json_string(out, s->owner_uid);
	buf_str(out, "}]");
}

static void begin(const struct reserve_settings *s, const char *name, const char *role, const char *covers, struct buf *out)
{
	buf_str(out, "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":");
	buf_json_string(out, name);
	buf_str(out, ",\"namespace\":");
	buf_json_string(out, s->namespace_);
	if (s->owner && s->owner_uid)
		add_owner(s, out);
	buf_printf(out, ",\"labels\":{\"app.kubernetes.io/name\":\"latency-mesh\",\"app.kubernetes.io/component\":\"reserve\",\"" RESERVE_ROLE
		   "\":\"%s\"}", role);
	add_annotations(covers, out);
	buf_str(out, "},\"spec\":{");
}

/* One container that only sleeps, within the restricted Pod Security Standard. */
static void end(const struct reserve_settings *s, const char *scheduler, const char *node, const struct room_pod *pod, struct buf *out)
{
	buf_str(out, "\"nodeName\":");
	buf_json_string(out, node);
	buf_str(out, ",\"schedulerName\":");
	buf_json_string(out, scheduler);
	buf_str(out, ",\"priorityClassName\":");
	buf_json_string(out, s->priority_class);
	buf_str(out, ",\"restartPolicy\":\"Always\",\"terminationGracePeriodSeconds\":0,\"automountServiceAccountToken\":false,"
		"\"enableServiceLinks\":false,\"securityContext\":{\"runAsNonRoot\":true,\"runAsUser\":65535,\"runAsGroup\":65535,"
		"\"seccompProfile\":{\"type\":\"RuntimeDefault\"}},\"containers\":[{\"name\":\"pause\",\"image\":");
	buf_json_string(out, s->image);
	buf_str(out, ",\"securityContext\":{\"allowPrivilegeEscalation\":false,\"readOnlyRootFilesystem\":true,"
		"\"capabilities\":{\"drop\":[\"ALL\"]}},");
	add_requests(out, &pod->requests);
	if (pod->port_count)
		add_ports(out, pod->ports, pod->port_count);
	buf_str(out, "}]}}");
}

void room_placeholder(const struct reserve_settings *s, const char *scheduler, const char *node, const char *name, const struct room_pod *pod,
		      struct buf *out)
{
	begin(s, name, "placeholder", NULL, out);
	end(s, scheduler, node, pod, out);
}

void room_guard(const struct reserve_settings *s, const char *scheduler, const char *node, const char *name, const char *covers, struct buf *out)
{
	const struct room_pod nothing = {0};

	begin(s, name, "guard", covers, out);
	buf_str(out, "\"tolerations\":[{\"operator\":\"Exists\"}],\"affinity\":{\"podAntiAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":["
		"{\"labelSelector\":{},\"namespaceSelector\":{},\"topologyKey\":\"kubernetes.io/hostname\"}]}},");
	end(s, scheduler, node, &nothing, out);
}

/* --- what is missing ------------------------------------------------------------------------------------------------ */

static bool same_port(const struct host_port *a, const struct host_port *b)
{
	return a->port == b->port && STREQ(a->protocol, b->protocol) && STREQ(a->ip, b->ip);
}

static bool has_port(const struct host_port *ports, uint32_t count, const struct host_port *port)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		if (same_port(&ports[i], port))
			return true;
	return false;
}

static bool pods_have_port(const struct pod *const *have, size_t count, const struct host_port *port)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (has_port(have[i]->ports, have[i]->port_count, port))
			return true;
	return false;
}

/* A port that nobody comes for. */
static bool has_foreign_port(const struct plan_room *want, const struct pod *const *have, size_t count)
{
	size_t i;
	uint32_t j;

	for (i = 0; i < count; i++)
		for (j = 0; j < have[i]->port_count; j++)
			if (!has_port(want->ports, want->port_count, &have[i]->ports[j]))
				return true;
	return false;
}

static bool beyond(int64_t has, int64_t want, int64_t spare)
{
	return has - spare > want + want / 10;
}

/* A placeholder for huge pages alone asks for a thousandth of a CPU (add_requests). */
static bool too_much(const struct plan_room *want, const struct resources *has, size_t pods)
{
	const struct resources *w = &want->need;
	uint32_t i;

	for (i = 0; i < has->scalar_count; i++)
		if (beyond(has->scalars[i].amount, resources_scalar(w, has->scalars[i].name), 0))
			return true;
	return beyond(has->cpu_milli, w->cpu_milli, (int64_t)pods) || beyond(has->memory_bytes, w->memory_bytes, 0) ||
		beyond(has->ephemeral_bytes, w->ephemeral_bytes, 0);
}

static uint32_t pods_of(const struct plan_room *want)
{
	return want->pods ? want->pods : 1;
}

static size_t pods_most(const struct plan_room *want)
{
	uint32_t pods = pods_of(want);

	return pods + (pods >= 20 ? pods / 10 : 1);
}

static int64_t lack(int64_t want, int64_t has)
{
	return want > has ? want - has : 0;
}

/* False: nothing is missing. */
static bool resources_lack(const struct resources *want, const struct resources *has, struct resources *out)
{
	bool any;
	uint32_t i;

	*out = (struct resources){.cpu_milli = lack(want->cpu_milli, has->cpu_milli), .memory_bytes = lack(want->memory_bytes, has->memory_bytes),
				  .ephemeral_bytes = lack(want->ephemeral_bytes, has->ephemeral_bytes)};
	any = out->cpu_milli || out->memory_bytes || out->ephemeral_bytes;
	for (i = 0; i < want->scalar_count; i++) {
		int64_t missing = lack(want->scalars[i].amount, resources_scalar(has, want->scalars[i].name));

		if (!missing)
			continue;
		resources_set_scalar(out, want->scalars[i].name, missing);
		any = true;
	}
	return any;
}

/* Those of the room that no placeholder has, moved to the front; they are that many. */
static uint32_t ports_lack(const struct plan_room *want, const struct pod *const *have, size_t count)
{
	uint32_t missing = 0, i;

	for (i = 0; i < want->port_count; i++)
		if (!pods_have_port(have, count, &want->ports[i])) {
			struct host_port port = want->ports[i];

			want->ports[i] = want->ports[missing];
			want->ports[missing++] = port;
		}
	return missing;
}

static void add_all(const struct plan_room *want, struct room_change *out)
{
	out->add_count = pods_of(want);
	out->add = xcalloc(out->add_count, sizeof(*out->add));
	resources_copy(&out->add[0].requests, &want->need);
	out->add[0].ports = want->ports;
	out->add[0].port_count = want->port_count;
}

static void add_missing(const struct plan_room *want, const struct pod *const *have, size_t count, const struct resources *has,
			struct room_change *out)
{
	auto_resources struct resources missing = {0};
	bool lacks = resources_lack(&want->need, has, &missing);
	uint32_t ports = ports_lack(want, have, count), pods = pods_of(want);
	size_t add = pods > count ? pods - count : lacks || ports ? 1 : 0;

	if (count + add > pods_most(want)) {
		out->step = ROOM_RENEW;
		add_all(want, out);
		return;
	}
	out->step = add ? ROOM_ADD : ROOM_RIGHT;
	if (!add)
		return;
	out->add_count = add;
	out->add = xcalloc(add, sizeof(*out->add));
	resources_copy(&out->add[0].requests, &missing);
	out->add[0].ports = want->ports;
	out->add[0].port_count = ports;
}

void room_change_of(const struct plan_room *want, const struct pod *const *have, size_t have_count, struct room_change *out)
{
	auto_resources struct resources has = {0};
	size_t i;

	*out = (struct room_change){0};
	if (!want) {
		out->step = have_count ? ROOM_EMPTY : ROOM_RIGHT;
		return;
	}
	for (i = 0; i < have_count; i++)
		resources_add(&has, &have[i]->requests);
	if (have_count > pods_most(want) || too_much(want, &has, have_count) || has_foreign_port(want, have, have_count)) {
		out->step = ROOM_RENEW;
		add_all(want, out);
		return;
	}
	add_missing(want, have, have_count, &has, out);
}

void room_change_free(struct room_change *c)
{
	size_t i;

	for (i = 0; i < c->add_count; i++)
		resources_free(&c->add[i].requests);
	free(c->add);
	*c = (struct room_change){0};
}
