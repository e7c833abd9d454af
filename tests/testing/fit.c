#include "tests/testing/fit.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/names.h"
#include "tests/testing/standin.h"

#define PORTS_MAX 200

struct place {			/* a node and what is on it */
	const cJSON *node;
	double cpu, memory, pods;
	struct { char protocol[8]; int number; const char *pod; } ports[PORTS_MAX];
	size_t port_count;
};

struct judge {
	const struct fit_input *in;
	struct names names, uids;	/* of nodes and pods */
	struct place *places;
	const cJSON **pods;
	struct buf *faults;
	int count;
};

__attribute__((format(printf, 3, 4))) static void fault(struct judge *j, const cJSON *pod, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_printf(j->faults, "%s%s%s\n", pod ? text_at(pod, "metadata.name") : "", pod ? ": " : "", text);
	j->count++;
}

double fit_quantity(const char *text)
{
	static const struct {
		const char *suffix;
		double factor;
	} units[] = {{"", 1}, {"m", 0.001}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"Ki", 1024}, {"Mi", 1048576}, {"Gi", 1073741824}};
	char *end;
	double number = strtod(text, &end);
	size_t i;

	for (i = 0; *text && i < ARRAY_SIZE(units); i++)
		if (STREQ(end, units[i].suffix))
			return number * units[i].factor;
	return NAN;
}

static double amount(const cJSON *container, const char *resource)
{
	const cJSON *request = item_at(container, "resources.requests");
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(request, resource);

	return cJSON_IsString(value) ? fit_quantity(value->valuestring) : 0;
}

double fit_request(const cJSON *pod, const char *resource)
{
	const cJSON *container;
	double sum = 0, most = 0;

	cJSON_ArrayForEach(container, item_at(pod, "spec.containers"))
		sum += amount(container, resource);
	cJSON_ArrayForEach(container, item_at(pod, "spec.initContainers"))
		most = fmax(most, amount(container, resource));
	return fmax(sum, most);
}

static void take_ports(struct judge *j, struct place *p, const cJSON *pod)
{
	const cJSON *container, *port;
	size_t i;

	cJSON_ArrayForEach(container, item_at(pod, "spec.containers"))
		cJSON_ArrayForEach(port, item_at(container, "ports")) {
			int number = (int)cJSON_GetNumberValue(item_at(port, "hostPort"));

			if (!cJSON_IsNumber(item_at(port, "hostPort")) || p->port_count == PORTS_MAX)
				continue;
			for (i = 0; i < p->port_count; i++)
				if (p->ports[i].number == number && STREQ(p->ports[i].protocol, text_at(port, "protocol")))
					fault(j, pod, "host port %d of %s is %s's", number, text_at(p->node, "metadata.name"), p->ports[i].pod);
			snprintf(p->ports[p->port_count].protocol, sizeof(p->ports[0].protocol), "%s", text_at(port, "protocol"));
			p->ports[p->port_count].pod = text_at(pod, "metadata.name");
			p->ports[p->port_count++].number = number;
		}
}

static bool tolerates(const cJSON *pod, const char *key, const char *value, const char *effect)
{
	const cJSON *t;

	cJSON_ArrayForEach(t, item_at(pod, "spec.tolerations")) {
		bool exists = STREQ(text_at(t, "operator"), "Exists");

		if (*text_at(t, "effect") && !STREQ(text_at(t, "effect"), effect))
			continue;
		if (*text_at(t, "key") ? !STREQ(text_at(t, "key"), key) : !exists)
			continue;
		if (exists || STREQ(text_at(t, "value"), value))
			return true;
	}
	return false;
}

static void check_taints(struct judge *j, const cJSON *pod, const cJSON *node)
{
	const cJSON *taint;

	cJSON_ArrayForEach(taint, item_at(node, "spec.taints"))
		if (!STREQ(text_at(taint, "effect"), "PreferNoSchedule") &&
		    !tolerates(pod, text_at(taint, "key"), text_at(taint, "value"), text_at(taint, "effect")))
			fault(j, pod, "does not tolerate %s of %s", text_at(taint, "key"), text_at(node, "metadata.name"));
	if (cJSON_IsTrue(item_at(node, "spec.unschedulable")) && !tolerates(pod, "node.kubernetes.io/unschedulable", "", "NoSchedule"))
		fault(j, pod, "%s is unschedulable", text_at(node, "metadata.name"));
}

static const char *label_of(const cJSON *object, const char *key)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(item_at(object, "metadata.labels"), key);

	return cJSON_IsString(value) ? value->valuestring : NULL;
}

static bool expression_holds(const cJSON *expression, const cJSON *node)
{
	const char *have = label_of(node, text_at(expression, "key"));
	const cJSON *value;

	cJSON_ArrayForEach(value, item_at(expression, "values"))
		if (have && STREQ(have, cJSON_GetStringValue(value)))
			return STREQ(text_at(expression, "operator"), "In");
	return false;
}

static bool affinity_holds(const cJSON *terms, const cJSON *node)
{
	const cJSON *term, *expression;

	cJSON_ArrayForEach(term, terms) {
		bool all = true;

		cJSON_ArrayForEach(expression, item_at(term, "matchExpressions"))
			all = all && expression_holds(expression, node);
		if (all)
			return true;
	}
	return false;
}

static void check_selectors(struct judge *j, const cJSON *pod, const cJSON *node)
{
	const cJSON *wanted, *required;

	cJSON_ArrayForEach(wanted, item_at(pod, "spec.nodeSelector")) {
		const char *have = label_of(node, wanted->string);

		if (!have || !STREQ(have, wanted->valuestring))
			fault(j, pod, "selects %s=%s, which %s has not", wanted->string, wanted->valuestring, text_at(node, "metadata.name"));
	}
	required = item_at(pod, "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms");
	if (required && !affinity_holds(required, node))
		fault(j, pod, "%s is not in its node affinity", text_at(node, "metadata.name"));
}

static void check_delays(struct judge *j, const cJSON *pod, const cJSON *node)
{
	const cJSON *label;

	if (!j->in->rtt_us)
		return;
	cJSON_ArrayForEach(label, item_at(pod, "metadata.labels")) {
		double limit_us, rtt_us;

		if (strncmp(label->string, "delay_", 6) != 0)
			continue;
		limit_us = strtod(label->valuestring, NULL) * 1000;
		rtt_us = j->in->rtt_us(j->in->arg, label->string + 6, text_at(node, "metadata.name"));
		if (!(rtt_us <= limit_us))
			fault(j, pod, "%s: %s ms is the limit, %.3f ms it is to %s", label->string, label->valuestring, rtt_us / 1000,
			      text_at(node, "metadata.name"));
	}
}

static void judge_pod(struct judge *j, const cJSON *pod)
{
	bool ours = STREQ(text_at(pod, "spec.schedulerName"), j->in->scheduler);
	const char *on = text_at(pod, "spec.nodeName"), *phase = text_at(pod, "status.phase");
	uint32_t index = names_find(&j->names, on);
	struct place *p;

	if (STREQ(phase, "Succeeded") || STREQ(phase, "Failed"))
		return;
	if (!*on || index == NAMES_NONE) {
		if (ours)
			fault(j, pod, "is %s%s", *on ? "on a node that does not exist: " : "not bound", on);
		return;
	}
	p = &j->places[index];
	p->cpu += fit_request(pod, "cpu");
	p->memory += fit_request(pod, "memory");
	p->pods++;
	take_ports(j, p, pod);
	if (!ours)
		return;
	check_taints(j, pod, p->node);
	check_selectors(j, pod, p->node);
	check_delays(j, pod, p->node);
}

static void judge_room(struct judge *j, const struct place *p, const char *what, const char *resource, double used)
{
	const cJSON *allocatable = item_at(p->node, "status.allocatable");
	double room = fit_quantity(text_at(allocatable, resource));

	if (!(used <= room * (1 + 1e-9)))
		fault(j, NULL, "%s: %s %.3f of %.3f", text_at(p->node, "metadata.name"), what, used, room);
}

static const cJSON *find_uid(const struct judge *j, const char *uid)
{
	uint32_t at = names_find(&j->uids, uid);

	return at == NAMES_NONE ? NULL : j->pods[at];
}

struct bindings {
	struct names sure;	/* uids */
	struct names maybe;	/* "UID NODE" */
};

static void judge_binding(struct judge *j, struct bindings *b, const cJSON *line)
{
	const char *uid = text_at(line, "uid"), *node = text_at(line, "node");
	auto_free char *both = xasprintf("%s %s", uid, node);
	const cJSON *pod;

	if (*node && cJSON_IsNull(item_at(line, "committed")))
		names_add(&b->maybe, both);
	if (!*node || !cJSON_IsTrue(item_at(line, "committed")))
		return;
	pod = find_uid(j, uid);
	if (names_add(&b->sure, uid) == NAMES_NONE)
		fault(j, pod, "was bound twice, the second time to %s", node);
	if (pod && !STREQ(text_at(pod, "spec.nodeName"), node))
		fault(j, pod, "was bound to %s and is on %s", node, text_at(pod, "spec.nodeName"));
}

static bool has_binding(const struct bindings *b, const cJSON *pod)
{
	auto_free char *both = xasprintf("%s %s", text_at(pod, "metadata.uid"), text_at(pod, "spec.nodeName"));

	return names_find(&b->sure, text_at(pod, "metadata.uid")) != NAMES_NONE || names_find(&b->maybe, both) != NAMES_NONE;
}

static void judge_log(struct judge *j)
{
	struct bindings bindings = {0};
	const char *at = j->in->log;
	const cJSON *item;
	int unlogged = 0;

	while (*at) {
		size_t len = strcspn(at, "\n");
		cJSON *line = cJSON_ParseWithLength(at, len);

		if (!line)
			fault(j, NULL, "a line of the log is no JSON: %.*s", (int)len, at);
		judge_binding(j, &bindings, line);
		cJSON_Delete(line);
		at += len + (at[len] == '\n');
	}
	cJSON_ArrayForEach(item, item_at(j->in->state, "items"))
		if (STREQ(text_at(item, "kind"), "Pod") && STREQ(text_at(item, "spec.schedulerName"), j->in->scheduler) &&
		    *text_at(item, "spec.nodeName") && !has_binding(&bindings, item) && unlogged++ >= j->in->unlogged)
			fault(j, item, "is on a node, and the log has no binding");
	names_free(&bindings.sure);
	names_free(&bindings.maybe);
}

int fit_check(const struct fit_input *in, struct buf *faults)
{
	struct judge j = {.in = in, .faults = faults};
	const cJSON *item;
	uint32_t i;

	j.places = xcalloc((size_t)cJSON_GetArraySize(item_at(in->state, "items")) + 1, sizeof(*j.places));
	j.pods = xcalloc((size_t)cJSON_GetArraySize(item_at(in->state, "items")) + 1, sizeof(*j.pods));
	cJSON_ArrayForEach(item, item_at(in->state, "items"))
		if (STREQ(text_at(item, "kind"), "Node"))
			j.places[names_add(&j.names, text_at(item, "metadata.name"))].node = item;
	cJSON_ArrayForEach(item, item_at(in->state, "items"))
		if (STREQ(text_at(item, "kind"), "Pod")) {
			judge_pod(&j, item);
			names_add(&j.uids, text_at(item, "metadata.uid"));
			j.pods[names_find(&j.uids, text_at(item, "metadata.uid"))] = item;
		}
	for (i = 0; i < j.names.count; i++) {
		judge_room(&j, &j.places[i], "cpu", "cpu", j.places[i].cpu);
		judge_room(&j, &j.places[i], "memory", "memory", j.places[i].memory);
		judge_room(&j, &j.places[i], "pods", "pods", j.places[i].pods);
	}
	if (in->log)
		judge_log(&j);
	names_free(&j.names);
	names_free(&j.uids);
	free(j.places);
	free(j.pods);
	return j.count;
}
