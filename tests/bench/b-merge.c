/*
 * b-merge - one merge of 1,000 reports of 1,000 peers with all their fields and of the previous matrix, as the CronJob runs it: the program
 * latency-merge as a child, on files of the local disk. Best time of three runs after a first one that makes the state; prints
 *
 *	figure merge_1000_reports 1.52 s (goal 3)
 *	figure merge_1000_reports_rss 51.2 MiB (goal 64)
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/report.h"
#include "tests/testing/testing.h"

#define NODES 1000
#define TRIES 3
#define GOAL_S 3.0
#define GOAL_MIB 64.0

static void node_name(char name[static 32], int i)
{
	snprintf(name, 32, "worker-%04d.example", i);
}

static void fill_link(struct report_link *link, int i, struct rng *rng)
{
	double rtt_us = floor(rng_unit(rng) * rng_unit(rng) * 3e6 + 500) / 10;

	free(link->addr);
	link->addr = xasprintf("10.0.%d.%d", i / 250, i % 250 + 1);
	link->rtt_us = rtt_us;
	link->min_us = floor(rtt_us * 9) / 10;
	link->p95_us = floor(rtt_us * 13) / 10;
	link->jitter_us = floor(rng_unit(rng) * 500) / 10;
	link->silent_s = floor(rng_unit(rng) * 4000) / 1000;
	link->sent = 180;
	link->received = rng_chance(rng, 0.1) ? 180 - rng_below(rng, 18) : 180;
	link->loss = 1 - (double)link->received / 180;
}

static size_t write_report(const char *dir, int node, struct rng *rng)
{
	auto_report struct report report = {.seq = 42, .written_ms = clock_wall_ms(), .interval_s = 10, .publish_s = 30,
					    .cpu = 0.31, .rx_bytes_per_s = 120000, .tx_bytes_per_s = 98000};
	auto_buf struct buf text = {0};
	auto_free char *path = NULL;
	char name[32];
	int i;

	node_name(name, node);
	report.node = xstrdup(name);
	snprintf(report.boot_id, sizeof(report.boot_id), "%016llx", (unsigned long long)rng_next(rng));
	path = xasprintf("%s/nodes/%s.json", dir, name);
	for (i = 0; i < NODES; i++) {
		node_name(name, i);
		if (i != node)
			fill_link(report_links_add(&report.peers, name), i, rng);
	}
	report_write(&report, &text);
	test_write(path, text.data);
	return text.len;
}

static size_t write_reports(const char *dir)
{
	auto_free char *nodes = xasprintf("%s/nodes", dir);
	struct rng rng = rng_make(test_seed());
	size_t bytes = 0;
	int i;

	if (mkdir(nodes, 0755) < 0)
		exit(1);
	for (i = 0; i < NODES; i++)
		bytes += write_report(dir, i, &rng);
	return bytes;
}

static double merge(const char *dir, double *rss_mib)
{
	const char *program = test_program("latency-merge");
	int64_t start_us = clock_mono_us();
	struct rusage usage;
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		unsetenv("KUBECONFIG");
		unsetenv("KUBERNETES_SERVICE_HOST");
		execl(program, program, "--dir", dir, "--log-level", "warn", (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid || status != 0) {
		fprintf(stderr, "b-merge: %s failed\n", program);
		exit(1);
	}
	*rss_mib = (double)usage.ru_maxrss / 1024;
	return (double)(clock_mono_us() - start_us) / 1e6;
}

int main(void)
{
	const char *dir = test_folder();
	size_t bytes = write_reports(dir);
	double best_s = INFINITY, worst_mib = 0, mib, seconds;
	int i;

	merge(dir, &mib);
	for (i = 0; i < TRIES; i++) {
		seconds = merge(dir, &mib);
		best_s = fmin(best_s, seconds);
		worst_mib = fmax(worst_mib, mib);
	}
	printf("# %d reports, %.0f MB of text\n", NODES, (double)bytes / 1e6);
	printf("figure merge_1000_reports %.3f s (goal %.0f)\n", best_s, GOAL_S);
	printf("figure merge_1000_reports_rss %.1f MiB (goal %.0f)\n", worst_mib, GOAL_MIB);
	return best_s <= 3 * GOAL_S && worst_mib <= 3 * GOAL_MIB ? 0 : 1;
}
