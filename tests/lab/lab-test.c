/*
 * lab-test.c - runs the laboratory's tests (cases.h) in the guest, one after the other on one pipeline; prints TAP. Words: only the
 * cases whose name contains one of them.
 */
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "tests/lab/cases.h"
#include "tests/lab/screen.h"

#define SCHEDULER "frankfurt-1"
#define MERGER "dallas-1"
#define START_S 60

static const struct {
	const char *name;
	lab_case *run;
} cases[] = {
	{"each host has the volume with the mount options of DESIGN.md", case_mounts},
	{"measured round trips are those of the network, for every pair, also after a change", case_round_trips},
	{"clients_move: pods near three clients land by their delays; they move, one by its Service's address; the next pods follow", case_clients_move},
	{"a report written on one host is read on every other", case_reports_everywhere},
	{"p1_silent_peer: a dead link is null and lost, never 0; others are unaffected; it comes back", case_p1_silent_peer},
	{"silence_icmp: a node that drops ICMP is lost by all others, its row is young; dead, it is both; it comes back", case_icmp_dropped_and_dead},
	{"silence_alone: of a probe alone on the side of the volume there is one witness, however long it goes on", case_one_probe_alone},
	{"p2_loss_of_30_percent: loss is 0.30 +- 0.05, the round trip is of the replies", case_p2_loss_of_30_percent},
	{"p5_p6_idents_oping: 600 peers, none is taken for another, the silent stay silent", case_p5_p6_oping},
	{"p5_p6_idents_socket: the same by ping sockets", case_p5_p6_socket},
	{"a row ages while its probe is dead, and the merge goes on", case_stale_report},
	{"s6_other_client: a file replaced by another NFS client makes no event, and is used within 2 s", case_s6_other_client},
	{"an edit under hold on the scheduler's own mount: the next binding uses it", case_edit_under_hold},
	{"an unfinished edit is never used", case_unfinished_edit},
	{"s7_server_gone: without the NFS server bindings go on, and all comes back with it", case_s7_server_gone},
};

static bool wanted(const char *name, int argc, char **argv)
{
	bool found = argc < 2;

	for (int i = 1; i < argc; i++)
		found = found || strstr(name, argv[i]);
	return found;
}

static int start(struct cluster *c, struct lm_err *err)
{
	if (cluster_api(c, err) < 0 || cluster_merger(c, topology_find(&c->t, MERGER), err) < 0 || cluster_probes(c, err) < 0)
		return -1;
	if (cluster_scheduler(c, topology_find(&c->t, SCHEDULER), err) < 0)
		return -1;
	return cases_all_close(c, START_S, err);
}

int main(int argc, char **argv)
{
	struct lm_err err;
	struct cluster *c = cluster_open(&err);
	int failed = 0, number = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!c || start(c, &err) < 0) {
		printf("not ok 1 - the pipeline starts\n# %s\n1..1\n", err.msg);
		cluster_close(c);
		return 1;
	}
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		double begin = screen_elapsed_s();
		bool bad;

		if (!wanted(cases[i].name, argc, argv))
			continue;
		bad = cases[i].run(c, &err) < 0;
		printf("%sok %d - %s\n", bad ? "not " : "", ++number, cases[i].name);
		printf("# %.1f s%s%s\n", screen_elapsed_s() - begin, bad ? ": " : "", bad ? err.msg : "");
		failed += bad;
	}
	printf("1..%d\n", number);
	cluster_close(c);
	return failed != 0;
}
