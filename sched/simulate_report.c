/* What came out of a step, for programs: the members that simulate.h lists. */
#include <math.h>
#include <string.h>

#include "sched/simulate_private.h"
#include "sched/violations.h"

static void text_member(struct buf *out, const char *key, const char *value)
{
	buf_printf(out, ",\"%s\":", key);
	buf_json_string(out, value);
}

static void number_member(struct buf *out, const char *key, double value, int decimals)
{
	buf_printf(out, ",\"%s\":", key);
	buf_decimal(out, value, decimals);
}

/* {"namespace":..,"name":..,"uid":..  without its end */
static void open_pod(struct buf *out, size_t place, const char *namespace_, const char *name, const char *uid)
{
	buf_str(out, place ? ",\n  {\"namespace\":" : "\n  {\"namespace\":");
	buf_json_string(out, namespace_);
	text_member(out, "name", name);
	text_member(out, "uid", uid);
}

static void print_mover(const struct mover *m, size_t place, struct buf *out)
{
	open_pod(out, place, m->namespace_, m->name, m->uid);
	text_member(out, "from", m->from);
	text_member(out, "refuge", m->refuge);
	text_member(out, "end", mover_end_name(m->end));
	text_member(out, "node", m->node);
	number_member(out, "rtt_us", m->rtt_us, 1);
	buf_printf(out, ",\"estimate\":%s", m->estimate ? "true" : "false");
	text_member(out, "message", m->message);
	text_member(out, "note", m->note);
	buf_char(out, '}');
}

static void print_violations(const struct violations *v, struct buf *out)
{
	size_t i;

	buf_str(out, "\"violated\":[");
	for (i = 0; i < v->count; i++) {
		const struct violation *one = &v->items[i];

		open_pod(out, i, one->pod->namespace_, one->pod->name, one->pod->uid);
		text_member(out, "node", one->node);
		text_member(out, "target", one->target);
		number_member(out, "limit_us", one->limit_us, 1);
		number_member(out, "now_us", one->now_us, 1);
		text_member(out, "reason", one->reason);
		buf_char(out, '}');
	}
	buf_char(out, ']');
}

/* --- the reserve ------------------------------------------------------------------------------------------------------ */

static void print_ports(const struct plan_room *room, struct buf *out)
{
	uint32_t i;

	buf_str(out, ",\"ports\":[");
	for (i = 0; i < room->port_count; i++) {
		buf_printf(out, "%s{\"ip\":", i ? "," : "");
		buf_json_string(out, room->ports[i].ip);
		text_member(out, "protocol", room->ports[i].protocol);
		buf_printf(out, ",\"port\":%d}", room->ports[i].port);
	}
	buf_char(out, ']');
}

static void print_room(const struct plan_room *room, size_t place, struct buf *out)
{
	uint32_t i;

	buf_str(out, place ? ",\n  {\"node\":" : "\n  {\"node\":");
	buf_json_string(out, room->node);
	buf_printf(out, ",\"pods\":%u,\"cpu_milli\":%lld,\"memory_bytes\":%lld,\"ephemeral_bytes\":%lld,\"others\":{", room->pods,
		   (long long)room->need.cpu_milli, (long long)room->need.memory_bytes, (long long)room->need.ephemeral_bytes);
	for (i = 0; i < room->need.scalar_count; i++) {
		buf_str(out, i ? "," : "");
		buf_json_string(out, room->need.scalars[i].name);
		buf_printf(out, ":%lld", (long long)room->need.scalars[i].amount);
	}
	buf_char(out, '}');
	print_ports(room, out);
	text_member(out, "for", room->for_failure);
	buf_char(out, '}');
}

static void print_reserve(const struct simulation *s, struct buf *out)
{
	const struct plan *plan = &s->plan;
	size_t i;

	buf_str(out, "\"reserve\":");
	if (!s->reserve.enabled) {
		buf_str(out, "null");
		return;
	}
	buf_str(out, "{\"overhead_percent\":");
	buf_decimal(out, 100 * plan->overhead, 2);
	number_member(out, "cpu_percent", 100 * plan->overhead_cpu, 2);
	number_member(out, "memory_percent", 100 * plan->overhead_memory, 2);
	buf_str(out, ",\n \"rooms\":[");
	for (i = 0; i < plan->room_count; i++)
		print_room(&plan->rooms[i], i, out);
	buf_str(out, "],\n \"covered\":[");
	for (i = 0; i < plan->covers.count; i++) {
		open_pod(out, i, plan->covers.items[i].namespace_, plan->covers.items[i].name, plan->covers.items[i].uid);
		text_member(out, "node", plan->covers.items[i].node);
		text_member(out, "refuge", plan->covers.items[i].refuge);
		buf_char(out, '}');
	}
	buf_str(out, "],\n \"uncovered\":[");
	for (i = 0; i < plan->uncovered_count; i++) {
		open_pod(out, i, plan->uncovered[i].namespace_, plan->uncovered[i].name, plan->uncovered[i].uid);
		text_member(out, "node", plan->uncovered[i].node);
		text_member(out, "reason", plan->uncovered[i].reason);
		buf_char(out, '}');
	}
	buf_str(out, "]}");
}

/* --- a step ----------------------------------------------------------------------------------------------------------- */

static void print_step(const struct simulation *s, const struct sim_step *step, struct buf *out)
{
	size_t i;

	buf_str(out, "\"step\":");
	buf_json_string(out, step->text);
	text_member(out, "did", s->did.data);
	if (step->kind == STEP_DRIFT) {
		buf_str(out, ",\"was_us\":[");
		buf_decimal(out, s->was_us[0], 1);
		buf_char(out, ',');
		buf_decimal(out, s->was_us[1], 1);
		buf_char(out, ']');
	}
	buf_str(out, ",\n \"pods\":[");
	for (i = 0; i < s->mover_count; i++)
		print_mover(&s->movers[i], i, out);
	buf_printf(out, "],\n \"moves\":%u,\"waiting\":%u,\n ", s->moves_in_step, simulation_waiting(s));
}

static void report(const struct simulation *s, const struct sim_step *step, enum offline_format format, FILE *to)
{
	struct offline *o = s->offline;
	struct decision_input in = {.view = cache_view(o->cache), .mesh = o->mesh, .mono_ms = o->now_ms};
	auto_violations struct violations violations;
	auto_buf struct buf out = {0};

	violations_find(o->decider, &in, simulation_profile_of, s, &violations);
	if (format == OFFLINE_TABLE) {
		report_table(s, step, &violations, to);
		return;
	}
	buf_str(&out, !step ? ",\n\"before\":{" : step->number > 1 ? ",\n{" : ",\n\"steps\":[\n{");
	if (step)
		print_step(s, step, &out);
	print_reserve(s, &out);
	buf_str(&out, ",\n ");
	print_violations(&violations, &out);
	buf_char(&out, '}');
	fputs(out.data, to);
}

void report_before(const struct simulation *s, enum offline_format format, FILE *to)
{
	report(s, NULL, format, to);
}

void report_step(const struct simulation *s, const struct sim_step *step, enum offline_format format, FILE *to)
{
	report(s, step, format, to);
}
