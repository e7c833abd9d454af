/*
 * b-reload - what the scheduler's reader process does with a new cluster-latency.json of 1,000 nodes and its three matrices: read the
 * file, parse, build the matrix, hand it over as a memfd. Measured in a process of its own, the best of five; prints
 *
 *	figure reload_1000_nodes 0.062 s (goal 0.15)
 *	figure reload_1000_nodes_rss 34.1 MiB (goal 64)
 */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/matrix.h"
#include "lib/mem.h"
#include "lib/snapshot.h"
#include "tests/testing/testing.h"

#define NODES 1000
#define TRIES 5
#define GOAL_S 0.15
#define GOAL_MIB 64.0

static void give_up(const char *what, const struct lm_err *err)
{
	fprintf(stderr, "b-reload: %s: %s\n", what, err->msg);
	exit(1);
}

/* One reload, as the reader process does it. */
static void reload(const char *path)
{
	int64_t start_us = clock_mono_us();
	struct file_text text;
	struct snapshot snapshot;
	struct matrix *matrix;
	struct lm_err err;
	int fd;

	if (file_read(AT_FDCWD, path, SNAPSHOT_MAX_BYTES, FILE_FOLLOW, &text, &err) < 0)
		give_up("read", &err);
	if (snapshot_parse(text.data, text.len, &snapshot, &err) < 0)
		give_up("parse", &err);
	file_text_free(&text);
	matrix = matrix_build(&snapshot);
	snapshot_free(&snapshot);
	if (matrix_to_memfd(matrix, &fd, &err) < 0)
		give_up("memfd", &err);
	printf("%.6f\n", (double)(clock_mono_us() - start_us) / 1e6);
	exit(0);
}

static void fill_random(struct snapshot *s, struct rng *rng)
{
	size_t count = (size_t)s->nodes.count * s->nodes.count, i;

	for (i = 0; i < count; i++) {
		s->link.rtt_us[i] = (float)(floor(rng_unit(rng) * rng_unit(rng) * 3e6 + 500) / 10);
		s->link.jitter_us[i] = (float)(floor(rng_unit(rng) * 500) / 10);
		s->link.loss[i] = rng_chance(rng, 0.1) ? (float)(rng_below(rng, 180) / 180.0) : 0;
	}
	for (i = 0; i < s->nodes.count; i++) {
		s->age_s[i] = rng_unit(rng) * 60;
		s->load[i] = (struct snapshot_load){rng_unit(rng), rng_unit(rng) * 1e8, rng_unit(rng) * 1e8};
		snprintf(s->seen[i].boot_id, sizeof(s->seen[i].boot_id), "%016llx", (unsigned long long)rng_next(rng));
		s->seen[i].seq = rng_below(rng, 100000);
	}
	snprintf(s->epoch, sizeof(s->epoch), "0123456789abcdef");
	s->generation = 4182;
	s->written_ms = clock_wall_ms();
}

static void write_file(const char *path, size_t *bytes)
{
	struct rng rng = rng_make(test_seed());
	auto_snapshot struct snapshot s = {0};
	struct names nodes = {0};
	auto_buf struct buf text = {0};
	auto_file FILE *file = fopen(path, "we");
	char name[32];
	int i;

	for (i = 0; i < NODES; i++) {
		snprintf(name, sizeof(name), "worker-%04d.example", i);
		names_add(&nodes, name);
	}
	snapshot_init(&s, &nodes, NULL);
	names_free(&nodes);
	fill_random(&s, &rng);
	snapshot_write(&s, &text);
	if (!file || fwrite(text.data, 1, text.len, file) != text.len || fflush(file) != 0)
		exit(1);
	*bytes = text.len;
}

/* Runs itself as a child that reloads once; its time and peak memory. */
static double measure(const char *path, double *rss_mib)
{
	char line[64] = "";
	struct rusage usage;
	int out[2], status;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) < 0)
		exit(1);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		execl("/proc/self/exe", "b-reload", "--reload", path, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	if (pid < 0 || read(out[0], line, sizeof(line) - 1) <= 0)
		exit(1);
	close(out[0]);
	if (wait4(pid, &status, 0, &usage) != pid || status != 0)
		exit(1);
	*rss_mib = (double)usage.ru_maxrss / 1024;
	return atof(line);
}

int main(int argc, char **argv)
{
	double best_s = INFINITY, worst_mib = 0, mib, seconds;
	auto_free char *path = NULL;
	size_t bytes;
	int i;

	if (argc == 3 && STREQ(argv[1], "--reload"))
		reload(argv[2]);
	path = xasprintf("%s/cluster-latency.json", test_folder());
	write_file(path, &bytes);
	for (i = 0; i < TRIES; i++) {
		seconds = measure(path, &mib);
		best_s = fmin(best_s, seconds);
		worst_mib = fmax(worst_mib, mib);
	}
	printf("# %d nodes, three matrices, %.1f MB of text\n", NODES, (double)bytes / 1e6);
	printf("figure reload_1000_nodes %.4f s (goal %.2f)\n", best_s, GOAL_S);
	printf("figure reload_1000_nodes_rss %.1f MiB (goal %.0f)\n", worst_mib, GOAL_MIB);
	return best_s <= 3 * GOAL_S && worst_mib <= 3 * GOAL_MIB ? 0 : 1;
}
