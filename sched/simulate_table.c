/* What came out of a step, for people. */
#include <math.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/grid.h"
#include "sched/simulate_private.h"
#include "sched/violations.h"

/* --- pods that moved -------------------------------------------------------------------------------------------------- */

static void add_mover(const struct mover *m, struct grid *grid)
{
	auto_free char *key = xasprintf("%s/%s", m->namespace_, m->name);
	auto_buf struct buf rtt = {0}, why = {0};

	offline_print_bound(m->rtt_us, m->estimate, &rtt);
	if (m->refuge && !m->late && m->end != MOVER_REFUGE)
		buf_printf(&why, "not into its room on %s%s", m->refuge, m->end == MOVER_WAITS ? ": " : "");
	switch (m->end) {
	case MOVER_REFUGE:
		buf_str(&why, "its room");
		break;
	case MOVER_DECIDED:
		break;
	case MOVER_BACK:
		buf_str(&why, "with its node");
		break;
	case MOVER_GONE:
		buf_printf(&why, "gone: %s", m->message);
		break;
	case MOVER_WAITS:
		buf_str(&why, m->message);
		break;
	}
	if (m->note)
		buf_printf(&why, "%s%s", why.len ? "; " : "", m->note);
	grid_row(grid, (const char *const[]){key, m->from ? m->from : "-", m->node ? m->node : "-", rtt.data, why.data ? why.data : ""});
}

static void print_movers(const struct simulation *s, FILE *to)
{
	auto_grid struct grid grid = {.align = "lllrl"};
	size_t i;

	if (!s->mover_count)
		return;
	grid_row(&grid, (const char *const[]){"POD", "FROM", "NODE", "RTT", "WHY"});
	for (i = 0; i < s->mover_count; i++)
		add_mover(&s->movers[i], &grid);
	fputc('\n', to);
	grid_print(&grid, to);
}

/* --- the reserve ------------------------------------------------------------------------------------------------------ */

/* Exact: "2Gi", "1500Mi", "1000". */
static void print_bytes(int64_t bytes, struct buf *out)
{
	static const char *const units[] = {"", "Ki", "Mi", "Gi", "Ti"};
	size_t i = 0;

	while (bytes && bytes % 1024 == 0 && i + 1 < ARRAY_SIZE(units)) {
		bytes /= 1024;
		i++;
	}
	buf_printf(out, "%lld%s", (long long)bytes, units[i]);
}

static void print_others(const struct plan_room *room, struct buf *out)
{
	uint32_t i;

	if (room->need.ephemeral_bytes) {
		buf_str(out, ", ephemeral-storage ");
		print_bytes(room->need.ephemeral_bytes, out);
	}
	for (i = 0; i < room->need.scalar_count; i++)
		buf_printf(out, ", %s %lld", room->need.scalars[i].name, (long long)room->need.scalars[i].amount);
	for (i = 0; i < room->port_count; i++)
		buf_printf(out, ", port %d", room->ports[i].port);
}

static void print_rooms(const struct plan *plan, FILE *to)
{
	auto_grid struct grid grid = {.align = "lrrrll"};
	bool any_others = false;
	size_t i;

	for (i = 0; i < plan->room_count; i++)
		any_others |= plan->rooms[i].need.ephemeral_bytes || plan->rooms[i].need.scalar_count || plan->rooms[i].port_count;
	if (!plan->room_count)
		return;
	grid_row(&grid, (const char *const[]){"ROOM ON", "PODS", "CPU", "MEMORY", "MOST FOR", any_others ? "AND" : ""});
	for (i = 0; i < plan->room_count; i++) {
		const struct plan_room *room = &plan->rooms[i];
		auto_free char *pods = xasprintf("%u", room->pods), *cpu = xasprintf("%lldm", (long long)room->need.cpu_milli);
		auto_buf struct buf memory = {0}, others = {0};

		print_bytes(room->need.memory_bytes, &memory);
		print_others(room, &others);
		grid_row(&grid, (const char *const[]){room->node, pods, cpu, memory.data, room->for_failure, others.len ? others.data + 2 : ""});
	}
	fputc('\n', to);
	grid_print(&grid, to);
}

static void print_uncovered(const struct plan *plan, FILE *to)
{
	auto_grid struct grid grid = {.align = "lll"};
	size_t i;

	if (!plan->uncovered_count)
		return;
	grid_row(&grid, (const char *const[]){"NOT COVERED", "NODE", "REASON"});
	for (i = 0; i < plan->uncovered_count; i++) {
		auto_free char *key = xasprintf("%s/%s", plan->uncovered[i].namespace_, plan->uncovered[i].name);

		grid_row(&grid, (const char *const[]){key, plan->uncovered[i].node, plan->uncovered[i].reason});
	}
	fputc('\n', to);
	grid_print(&grid, to);
}

static void print_reserve(const struct simulation *s, FILE *to)
{
	const struct plan *plan = &s->plan;

	if (!s->reserve.enabled)
		return;
	fprintf(to, "\nreserve: %zu covered, %zu not, overhead %.1f %% (cpu %.1f %%, memory %.1f %%)\n", plan->covers.count, plan->uncovered_count,
		100 * plan->overhead, 100 * plan->overhead_cpu, 100 * plan->overhead_memory);
	print_rooms(plan, to);
	print_uncovered(plan, to);
}

/* --- limits ----------------------------------------------------------------------------------------------------------- */

static void print_violations(const struct violations *v, FILE *to)
{
	auto_grid struct grid grid = {.align = "llrrl"};
	size_t i;

	if (!v->count)
		return;
	grid_row(&grid, (const char *const[]){"LIMIT OF", "ON", "LIMIT", "NOW", "REASON"});
	for (i = 0; i < v->count; i++) {
		auto_free char *key = xasprintf("%s/%s", v->items[i].pod->namespace_, v->items[i].pod->name);
		auto_buf struct buf limit = {0}, now = {0};

		offline_print_rtt(v->items[i].limit_us, &limit);
		offline_print_rtt(v->items[i].now_us, &now);
		grid_row(&grid, (const char *const[]){key, v->items[i].node, limit.data, now.data, v->items[i].reason});
	}
	fputc('\n', to);
	grid_print(&grid, to);
}

static void print_limits(const struct violations *v, FILE *to)
{
	size_t i, pods = 0;

	for (i = 0; i < v->count; i++)
		pods += !i || v->items[i].pod != v->items[i - 1].pod;
	if (pods)
		fprintf(to, "\nlimits: %zu pod%s beyond\n", pods, pods == 1 ? "" : "s");
	else
		fputs("\nlimits: all kept\n", to);
	print_violations(v, to);
}

void report_table(const struct simulation *s, const struct sim_step *step, const struct violations *violations, FILE *to)
{
	uint32_t waiting = simulation_waiting(s);

	if (!step) {
		fputs("\nbefore any step\n", to);
	} else {
		fprintf(to, "\nstep %u: %s\n", step->number, s->did.data);
		print_movers(s, to);
		fprintf(to, "\n%u move%s, %u pod%s without a place\n", s->moves_in_step, s->moves_in_step == 1 ? "" : "s", waiting, waiting == 1 ? "" : "s");
	}
	print_reserve(s, to);
	print_limits(violations, to);
}
