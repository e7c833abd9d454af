#include <string.h>

#include "lib/mem.h"
#include "sched/filter/filter.h"
#include "sched/filter/reserved.h"

static enum filter_start prefilter(struct cycle *c)
{
	return c->pod->port_count ? FILTER_RUN : FILTER_SKIP;
}

static bool is_any(const char *ip)
{
	return !ip[0] || STREQ(ip, "0.0.0.0");
}

static bool ports_clash(const struct host_port *a, const struct host_port *b)
{
	return a->port == b->port && STREQ(a->protocol, b->protocol) && (is_any(a->ip) || is_any(b->ip) || STREQ(a->ip, b->ip));
}

static bool pods_clash(const struct pod *a, const struct pod *b)
{
	uint32_t i, j;

	for (i = 0; i < a->port_count; i++)
		for (j = 0; j < b->port_count; j++)
			if (ports_clash(&a->ports[i], &b->ports[j]))
				return true;
	return false;
}

static bool is_free(const struct pod *pod, const struct node_state *node)
{
	uint32_t i;

	for (i = 0; node->port_count && i < node->pod_count; i++)
		if (pods_clash(pod, node->pods[i]->pod))
			return false;
	return true;
}

static void filter(struct cycle *c)
{
	struct reservations reserved = reservations_of(c);
	uint32_t i;

	for (i = 0; i < c->view->count; i++)
		if (cycle_feasible(c, i) && !is_free(c->pod, &c->view->nodes[i]))
			cycle_refuse(c, i, 0);
	for (i = 0; i < reserved.count; i++)
		if (cycle_feasible(c, reserved.items[i].node) && pods_clash(c->pod, reserved.items[i].pod))
			cycle_refuse(c, reserved.items[i].node, 0);
}

static void reason(const struct decision_input *in, uint32_t node, uint8_t detail, struct buf *out)
{
	(void)in, (void)node, (void)detail;
	buf_str(out, "node(s) didn't have free ports for the requested pod ports");
}

const struct filter filter_ports = {
	.name = "NodePorts", .wake = WAKE_NODE_ADDED | WAKE_POD_FREED,
	.prefilter = prefilter, .filter = filter, .reason = reason,
};
