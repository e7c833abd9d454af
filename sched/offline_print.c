#include <math.h>
#include <string.h>

#include "lib/clock.h"
#include "sched/offline.h"

static void print_time(int64_t wall_ms, struct buf *out)
{
	char text[CLOCK_TEXT];

	clock_format(wall_ms, text);
	buf_str(out, text);
}

/* --- for programs ---------------------------------------------------------------------------------------------------- */

static void print_matrix(const struct offline *o, struct buf *out)
{
	const struct matrix *m;
	uint32_t i;

	if (!o->mesh) {
		buf_str(out, "null");
		return;
	}
	m = o->mesh->matrix;
	buf_str(out, "{\"file\":");
	buf_json_string(out, o->matrix_path);
	buf_printf(out, ",\"plain\":%s,\"hold\":%s,\"epoch\":", matrix_is_plain(m) ? "true" : "false", o->mesh->hold ? "true" : "false");
	buf_json_string(out, matrix_epoch(m));
	buf_printf(out, ",\"generation\":%lld,\"written\":", (long long)matrix_generation(m));
	if (matrix_written_ms(m) >= 0) {
		buf_char(out, '"');
		print_time(matrix_written_ms(m), out);
		buf_char(out, '"');
	} else {
		buf_str(out, "null");
	}
	buf_printf(out, ",\"nodes\":%u,\"clients\":%u,\"entry\":{", matrix_nodes(m), matrix_clients(m));
	for (i = 0; i < o->mesh->entry.count; i++) {
		buf_str(out, i ? "," : "");
		buf_json_string(out, o->mesh->entry.shares[i].node);
		buf_char(out, ':');
		buf_decimal(out, (double)o->mesh->entry.shares[i].share, 4);
	}
	buf_str(out, "},\"entry_age_s\":");
	buf_decimal(out, mesh_entry_age_s(o->mesh, o->now_ms), 3);
	buf_char(out, '}');
}

void offline_print_head(const struct offline *o, struct buf *out)
{
	buf_str(out, "\"version\":1,\"now\":\"");
	print_time(o->now_ms, out);
	buf_printf(out, "\",\n\"cluster\":{\"nodes\":%u,\"pods\":%u,\"others\":%u,\"passed_over\":%u},\n\"matrix\":", o->counts.nodes, o->counts.pods,
		   o->counts.others, o->counts.passed_over);
	print_matrix(o, out);
	buf_str(out, ",\n");
}

static void print_node_name(const struct decision_input *in, int32_t node, struct buf *out)
{
	buf_json_string(out, node < 0 ? NULL : in->view->nodes[node].node->name);
}

void offline_print_verdict(const struct offline *o, const struct decision_input *in, const struct decision *decision, struct buf *out)
{
	struct buf message = {0}, note = {0};

	if (decision->node < 0)
		decision_message(o->decider, in, decision, &message);
	decision_note(o->decider, in, decision, &note);
	buf_str(out, "\"node\":");
	print_node_name(in, decision->node, out);
	buf_str(out, ",\"runner_up\":");
	print_node_name(in, decision->runner_up, out);
	buf_str(out, ",\"total\":");
	buf_decimal(out, decision->node < 0 ? NAN : (double)decision->total[decision->node], 3);
	buf_str(out, ",\"rtt_us\":");
	buf_decimal(out, decision->node < 0 || !decision->rtt_us ? NAN : (double)decision->rtt_us[decision->node], 1);
	buf_printf(out, ",\"estimate\":%s,\"message\":", decision_is_estimate(in, decision) ? "true" : "false");
	buf_json_string(out, message.data);
	buf_str(out, ",\"note\":");
	buf_json_string(out, note.len ? note.data : NULL);
	buf_free(&message);
	buf_free(&note);
}

/* --- for people ------------------------------------------------------------------------------------------------------ */

void offline_print_rtt(double rtt_us, struct buf *out)
{
	if (isnan(rtt_us))
		buf_char(out, '-');
	else
		buf_printf(out, "%.*f ms", rtt_us < 1e5 ? 2 : 1, rtt_us / 1e3);
}

void offline_print_bound(double rtt_us, bool estimate, struct buf *out)
{
	estimate = estimate && !isnan(rtt_us);
	buf_str(out, estimate ? "<= " : "");
	offline_print_rtt(rtt_us, out);
	buf_str(out, estimate ? " ~" : "");
}

void offline_print_age(double age_s, struct buf *out)
{
	static const struct {
		double from_s, unit_s;
		const char *unit;
	} units[] = {{2 * 86400, 86400, "d"}, {2 * 3600, 3600, "h"}, {120, 60, "min"}, {0, 1, "s"}};
	int i = 0;

	if (isnan(age_s)) {
		buf_char(out, '-');
		return;
	}
	while (age_s < units[i].from_s)
		i++;
	buf_printf(out, "%.0f %s", age_s / units[i].unit_s, units[i].unit);
}

static void print_file(const struct offline *o, struct buf *out)
{
	const struct matrix *m = o->mesh->matrix;

	buf_printf(out, "latency data: %s, %u nodes", o->matrix_path, matrix_nodes(m));
	if (matrix_is_plain(m))
		buf_str(out, ", plain form, which does not age");
	else if (o->mesh->hold)
		buf_printf(out, ", generation %lld, held: it does not age", (long long)matrix_generation(m));
	else
		buf_printf(out, ", generation %lld", (long long)matrix_generation(m));
	if (!matrix_is_plain(m) && !o->mesh->hold && matrix_written_ms(m) >= 0) {
		buf_str(out, ", ");
		offline_print_age((double)(o->now_ms - matrix_written_ms(m)) / 1e3, out);
		buf_str(out, " old");
	}
}

#define ENTRIES_SHOWN 5u

static void print_entry(const struct mesh *mesh, int64_t now_ms, struct buf *out)
{
	const struct entries *entry = &mesh->entry;
	uint32_t i;

	buf_str(out, "\nentry: ");
	for (i = 0; i < entry->count && i < ENTRIES_SHOWN; i++)
		buf_printf(out, "%s%s %.0f %%", i ? ", " : "", entry->shares[i].node, 100 * (double)entry->shares[i].share);
	if (entry->count > ENTRIES_SHOWN)
		buf_printf(out, " and %u more", entry->count - ENTRIES_SHOWN);
	buf_str(out, " of the traffic, ");
	offline_print_age(mesh_entry_age_s(mesh, now_ms), out);
	buf_printf(out, " old%s", mesh_entry_usable(mesh, now_ms) ? "" : ": too old to be used");
}

void offline_print_data(const struct offline *o, struct buf *out)
{
	buf_printf(out, "cluster: %s, %u nodes, %u pods", o->options.cluster, o->counts.nodes, o->counts.pods);
	if (o->counts.others)
		buf_printf(out, ", %u other objects", o->counts.others);
	if (o->counts.passed_over)
		buf_printf(out, " (%u more that no decision needs)", o->counts.passed_over);
	buf_char(out, '\n');
	if (o->mesh)
		print_file(o, out);
	else
		buf_str(out, "latency data: none (--matrix)");
	if (o->mesh && o->mesh->entry.count)
		print_entry(o->mesh, o->now_ms, out);
	buf_str(out, "\ntime: ");
	print_time(o->now_ms, out);
	buf_char(out, '\n');
}
