#include "sched/reserve/board.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"

struct board {
	struct metrics *stats;
	pthread_mutex_t lock;
	struct buf text;
};

/* --- the text -------------------------------------------------------------------------------------------------------- */

static void member(struct buf *out, const char *key, const char *value)
{
	buf_printf(out, ",\"%s\":", key);
	buf_json_string(out, value);
}

static void time_member(struct buf *out, const char *key, int64_t wall_ms)
{
	char text[CLOCK_TEXT];

	clock_format(wall_ms, text);
	buf_printf(out, "\"%s\":\"%s\"", key, text);
}

static void print_plan(const struct standing *s, struct buf *out)
{
	buf_str(out, ",\"plan\":");
	if (!s->planned && !s->plan_error) {
		buf_str(out, "null");
		return;
	}
	buf_char(out, '{');
	if (s->planned) {
		time_member(out, "made", s->plan_wall_ms);
		buf_printf(out, ",\"took_ms\":%" PRId64, s->plan_took_ms);
	} else {
		buf_str(out, "\"made\":null,\"took_ms\":null");
	}
	member(out, "error", s->plan_error);
	buf_char(out, '}');
}

static void print_overhead(const struct standing *s, struct buf *out)
{
	const struct {
		const char *key;
		double ratio;
	} items[] = {{"mean", s->overhead}, {"cpu", s->overhead_cpu}, {"memory", s->overhead_memory}};
	size_t i;

	buf_str(out, ",\"overhead_percent\":");
	if (!s->planned) {
		buf_str(out, "null");
		return;
	}
	for (i = 0; i < ARRAY_SIZE(items); i++) {
		buf_printf(out, "%s\"%s\":", i ? "," : "{", items[i].key);
		buf_decimal(out, 100 * items[i].ratio, 2);
	}
	buf_char(out, '}');
}

static void print_pod(const struct standing_pod *p, struct buf *out)
{
	auto_free char *key = xasprintf("%s/%s", p->namespace_, p->name);

	buf_str(out, "{\"pod\":");
	buf_json_string(out, key);
	member(out, "uid", p->uid);
	member(out, "node", p->node);
	if (p->state == RESERVE_POD_UNCOVERED)
		member(out, "reason", p->reason);
	else
		member(out, "refuge", p->refuge);
	buf_char(out, '}');
}

static void print_pods(const struct standing *s, enum stat_reserve_pod state, const char *key, struct buf *out)
{
	const char *separator = "\n";
	size_t i;

	buf_printf(out, ",\n\"%s\":[", key);
	for (i = 0; i < s->pod_count; i++) {
		if (s->pods[i].state != state)
			continue;
		buf_str(out, separator);
		print_pod(&s->pods[i], out);
		separator = ",\n";
	}
	buf_char(out, ']');
}

static void print_request(const char **separator, const char *name, int64_t amount, const char *unit, struct buf *out)
{
	if (amount <= 0)
		return;
	buf_str(out, *separator);
	buf_json_string(out, name);
	buf_printf(out, ":\"%" PRId64 "%s\"", amount, unit);
	*separator = ",";
}

static void print_requests(const struct resources *r, struct buf *out)
{
	const struct resources none = {0};
	const char *separator = "";
	uint32_t i;

	if (!r)
		r = &none;
	buf_char(out, '{');
	print_request(&separator, "cpu", r->cpu_milli, "m", out);
	print_request(&separator, "memory", r->memory_bytes, "", out);
	print_request(&separator, "ephemeral-storage", r->ephemeral_bytes, "", out);
	for (i = 0; i < r->scalar_count; i++)
		print_request(&separator, r->scalars[i].name, r->scalars[i].amount, "", out);
	buf_char(out, '}');
}

static void print_room(const struct plan_room *room, struct buf *out)
{
	uint32_t i;

	buf_str(out, ",\"room\":");
	if (!room) {
		buf_str(out, "null");
		return;
	}
	buf_str(out, "{\"for_failure\":");
	buf_json_string(out, room->for_failure);
	buf_printf(out, ",\"pods\":%" PRIu32 ",\"requests\":", room->pods);
	print_requests(&room->need, out);
	buf_str(out, ",\"ports\":[");
	for (i = 0; i < room->port_count; i++) {
		const struct host_port *p = &room->ports[i];
		bool any = !*p->ip || STREQ(p->ip, "0.0.0.0");
		auto_free char *text = xasprintf("%s%s%s/%" PRId32, any ? "" : p->ip, any ? "" : " ", p->protocol, p->port);

		buf_str(out, i ? "," : "");
		buf_json_string(out, text);
	}
	buf_str(out, "]}");
}

static void print_node(const struct standing_node *n, struct buf *out)
{
	buf_str(out, "{\"node\":");
	buf_json_string(out, n->node);
	buf_printf(out, ",\"state\":\"%s\",\"placeholders\":%" PRIu32 ",\"kept\":", stat_reserve_nodes[n->state], n->placeholders);
	print_requests(n->kept, out);
	buf_printf(out, ",\"guard\":%s,\"owed\":%" PRIu32, n->guard ? "true" : "false", n->owed);
	member(out, "error", n->error);
	print_room(n->room, out);
	buf_char(out, '}');
}

static void print_standing(const struct standing *s, int64_t wall_ms, struct buf *out)
{
	size_t i;

	buf_str(out, "{\"version\":1,");
	time_member(out, "now", wall_ms);
	buf_printf(out, ",\"leading\":%s", s->leading ? "true" : "false");
	print_plan(s, out);
	print_overhead(s, out);
	print_pods(s, RESERVE_POD_COVERED, "covered", out);
	print_pods(s, RESERVE_POD_OWED, "owed", out);
	print_pods(s, RESERVE_POD_UNCOVERED, "uncovered", out);
	buf_str(out, ",\n\"nodes\":[");
	for (i = 0; i < s->node_count; i++) {
		buf_str(out, i ? ",\n" : "\n");
		print_node(&s->nodes[i], out);
	}
	buf_str(out, "]}\n");
}

/* --- the metrics ----------------------------------------------------------------------------------------------------- */

static void set_gauges(struct metrics *m, const struct standing *s)
{
	size_t pods[RESERVE_POD_STATES] = {0}, nodes[RESERVE_NODE_STATES] = {0}, i;

	for (i = 0; i < s->pod_count; i++)
		pods[s->pods[i].state]++;
	for (i = 0; i < s->node_count; i++)
		nodes[s->nodes[i].state]++;
	for (i = 0; i < RESERVE_POD_STATES; i++)
		metrics_set(m, STAT_RESERVE_PODS, (int)i, (double)pods[i]);
	for (i = 0; i < RESERVE_NODE_STATES; i++)
		metrics_set(m, STAT_RESERVE_NODES, (int)i, (double)nodes[i]);
	if (!s->planned)
		return;
	metrics_set(m, STAT_RESERVE_OVERHEAD, 0, s->overhead);
	metrics_set(m, STAT_RESERVE_PLAN_SECONDS, 0, (double)s->plan_took_ms / 1e3);
}

/* --- from outside ---------------------------------------------------------------------------------------------------- */

struct board *board_new(struct metrics *stats)
{
	struct board *b = xcalloc(1, sizeof(*b));

	b->stats = stats;
	pthread_mutex_init(&b->lock, NULL);
	stats_show_reserve(stats);
	print_standing(&(struct standing){.leading = false}, clock_wall_ms(), &b->text);
	return b;
}

void board_free(struct board *b)
{
	if (!b)
		return;
	pthread_mutex_destroy(&b->lock);
	buf_free(&b->text);
	free(b);
}

void board_give(struct board *b, const struct standing *s, int64_t wall_ms)
{
	struct buf now = {0}, was;

	print_standing(s, wall_ms, &now);
	pthread_mutex_lock(&b->lock);
	was = b->text;
	b->text = now;
	pthread_mutex_unlock(&b->lock);
	buf_free(&was);
	set_gauges(b->stats, s);
}

void board_print(struct board *b, struct buf *out)
{
	pthread_mutex_lock(&b->lock);
	buf_add(out, b->text.data, b->text.len);
	pthread_mutex_unlock(&b->lock);
}
