#include "tests/lab/tables.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/file.h"
#include "tests/lab/guest.h"
#include "tests/lab/screen.h"

#define PLACEMENT "%-9s %-46s %-13s %-17s %-8s %s"

int tables_nodes(const struct topology *t)
{
	int nodes = 0;

	for (int i = 0; i < t->count; i++)
		nodes += !t->host[i].client;
	return nodes;
}

uint32_t tables_pairs(const struct topology *t)
{
	return (uint32_t)(tables_nodes(t) * (t->count - 1));
}

uint32_t tables_known(const struct topology *t, const struct snapshot *s)
{
	uint32_t known = 0;

	for (int a = 0; a < t->count; a++)
		for (int b = 0; b < t->count; b++)
			known += a != b && !t->host[a].client && !isnan(cluster_measured_ms(s, t->host[a].name, t->host[b].name));
	return known;
}

static double error_ms(const struct topology *t, const struct snapshot *s, int from, int to)
{
	return fabs(cluster_measured_ms(s, t->host[from].name, t->host[to].name) - topology_rtt_ms(t, from, to));
}

double tables_worst_ms(const struct topology *t, const struct snapshot *s)
{
	double worst = 0;

	for (int a = 0; a < t->count; a++)
		for (int b = 0; b < t->count; b++)
			if (a != b && !t->host[a].client)
				worst = fmax(worst, error_ms(t, s, a, b));
	return worst;
}

void tables_hosts(const struct topology *t)
{
	for (int i = 0; i < t->count; i++)
		screen_line("%-13s %-10s %s", t->host[i].name, t->host[i].addr, t->host[i].client ? "client: answers pings, no probe" :
			    t->host[i].zone);
}

void tables_report(const struct cluster *c, int host, const char *node)
{
	auto_file_text struct file_text text = {0};
	char name[TOPOLOGY_NAME + 16], path[TOPOLOGY_NAME + 128];
	struct lm_err err;

	snprintf(name, sizeof(name), "nodes/%s.json", node);
	guest_path(&c->t.host[host], name, path, sizeof(path));
	if (file_read(AT_FDCWD, path, REPORT_MAX_BYTES(TOPOLOGY_MAX_HOSTS), FILE_FOLLOW, &text, &err) < 0) {
		screen_bad("%s", err.msg);
		return;
	}
	for (char *line = text.data, *next; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		screen_line("%s", line);
	}
}

/* One line of the matrix: of kind 0 measured, 1 true, 2 error. */
static void matrix_line(const struct topology *t, const struct snapshot *s, int from, int kind)
{
	static const char *const names[] = {"measured", "true", "error"};
	char text[256] = "";
	size_t used = 0;

	for (int to = 0; to < t->count; to++) {
		double seen = cluster_measured_ms(s, t->host[from].name, t->host[to].name), truth = topology_rtt_ms(t, from, to);

		if (from == to)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%8s", "-");
		else
			used += (size_t)snprintf(text + used, sizeof(text) - used, kind == 2 ? "%+8.2f" : "%8.2f",
						 kind == 0 ? seen : kind == 1 ? truth : seen - truth);
	}
	screen_line("%s%-13s %-8s %s%s", kind ? screen_dim() : "", kind ? "" : t->host[from].name, names[kind], text, screen_plain());
}

void tables_matrix(const struct topology *t, const struct snapshot *s)
{
	char head[256] = "";
	size_t used = 0;
	double share = 0;

	for (int i = 0; i < t->count; i++) {
		const char *name = t->host[i].name, *dash = strrchr(name, '-');

		used += (size_t)snprintf(head + used, sizeof(head) - used, "   %.3s%-2s", name, dash ? dash : "");
	}
	screen_line("%-22s %s", "from \\ to", head);
	for (int from = 0; from < t->count; from++) {
		if (t->host[from].client)
			continue;
		for (int kind = 0; kind < 3; kind++)
			matrix_line(t, s, from, kind);
		for (int to = 0; to < t->count; to++) {
			double truth = topology_rtt_ms(t, from, to);

			if (truth >= 5)
				share = fmax(share, error_ms(t, s, from, to) / truth);
		}
	}
	screen_line("largest error: %.2f ms; of pairs of 5 ms and more %.1f %%", tables_worst_ms(t, s),
		    share * 100);
}

void tables_placement_head(void)
{
	screen_line("%s" PLACEMENT "%s", screen_dim(), "pod", "asks for", "node", "true ms", "seen ms",
		    "runner-up, true ms", screen_plain());
}

static void asks_for(const struct pod_ask *ask, char *text, size_t size)
{
	if (ask->label)
		snprintf(text, size, "label %s: \"%s\"", ask->label, ask->label_value);
	else if (ask->near || ask->within)
		snprintf(text, size, "%s: %s", ask->near ? "near" : "within", ask->near ? ask->near : ask->within);
	else
		snprintf(text, size, "nothing (mean over the mesh)");
}

/* True round trips to what a pod asks for, from a host: "12.00" or, to several targets, "0.00 / 255.00". */
static void true_ms(const struct pods *pods, const struct topology *truth, const struct pod_ask *ask, int host, char *text,
		    size_t size)
{
	size_t used = 0;
	int n = 0;

	do {
		used += (size_t)snprintf(text + used, size - used, "%s%.2f", n ? " / " : "",
					 pods_target_ms(pods, truth, ask, n, host));
		n++;
	} while (n < POD_TARGETS && ask->target[n].to && used < size);
}

void tables_placement(const struct pods *pods, const struct topology *truth, int i, const struct judgement *j)
{
	const struct pod_seen *p = &pods->item[i];
	int other = topology_find(truth, p->runner_up);
	char asks[128], seen[32] = "", here[64], there[64], next[160] = "none";

	asks_for(p->ask, asks, sizeof(asks));
	true_ms(pods, truth, p->ask, p->host, here, sizeof(here));
	if (!isnan(p->measured_ms))
		snprintf(seen, sizeof(seen), "%.2f", p->measured_ms);
	if (other >= 0) {
		true_ms(pods, truth, p->ask, other, there, sizeof(there));
		snprintf(next, sizeof(next), "%s %s", p->runner_up, there);
	}
	screen_line(PLACEMENT "%s%s%s%s", p->ask->name, asks, truth->host[p->host].name, here, seen, next, j->wrong ? screen_red() : "",
		    j->wrong ? "  WRONG: " : "", j->wrong ? j->why : "", screen_plain());
}

void tables_waiting(const struct pod_ask *ask, const char *reason)
{
	char asks[128];

	asks_for(ask, asks, sizeof(asks));
	screen_line(PLACEMENT, ask->name, asks, "(waits)", "", "", reason);
}
