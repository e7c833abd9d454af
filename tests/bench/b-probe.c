/*
 * b-probe: what latency-probe costs with 1,000 peers, 10 s interval, 3 pings, HTTP on.
 *
 * The real program runs in a network namespace of its own; the peers are 1,000 addresses of a second one behind a veth pair, answered
 * by its kernel. Processor time is that of the whole process (/proc/PID/stat) over whole rounds after the first. The far
 * kernel's part of a ping runs in the sender's system call and is charged to the probe, too: a real network costs it less.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/testing/testing.h"
#include "tests/testing/wire.h"

#define PEERS 1000
#define INTERVAL_S 10
#define ROUNDS 2

static void die(const char *what)
{
	fprintf(stderr, "b-probe: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* v1 moves to a namespace where all of 10.77.0.0/16 is local; a sleeping child holds it. */
static pid_t make_far_side(void)
{
	int ready[2], go[2];
	char command[256], byte = 0;
	pid_t pid;

	if (pipe(ready) < 0 || pipe(go) < 0)
		die("pipe");
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) < 0)
			die("unshare");
		if (write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1)
			die("pipe");
		wire_run("ip link set lo up; ip link set v1 arp off; ip link set v1 up; ip route add local 10.77.0.0/16 dev lo; "
			 "ip addr add 10.76.0.1/32 dev v1; ip route add 10.77.0.1/32 dev v1 src 10.76.0.1");
		if (write(ready[1], &byte, 1) != 1)
			die("pipe");
		pause();
		_exit(0);
	}
	if (read(ready[0], &byte, 1) != 1)
		die("pipe");
	snprintf(command, sizeof(command), "ip link set v1 netns %d", (int)pid);
	wire_run(command);
	/* without ARP a frame has to bear the receiver's own address */
	wire_run("ip link set v0 address 02:00:00:00:00:01");
	if (write(go[1], &byte, 1) != 1 || read(ready[0], &byte, 1) != 1)
		die("pipe");
	snprintf(command, sizeof(command), "nsenter -t %d -n ip link set v1 address 02:00:00:00:00:01", (int)pid);
	wire_run(command);
	return pid;
}

static void write_peers(const char *path)
{
	auto_buf struct buf b = {0};
	int i;

	buf_str(&b, "{\"version\":1,\"nodes\":{");
	for (i = 0; i < PEERS; i++)
		buf_printf(&b, "%s\"node-%04d\":[\"10.77.%d.%d\"]", i ? ",\n" : "", i, 1 + i / 250, 1 + i % 250);
	buf_str(&b, "}}\n");
	test_write(path, b.data);
}

/* Seconds of processor time, by all threads. */
static double cpu_s(pid_t pid)
{
	auto_free char *path = xasprintf("/proc/%d/stat", (int)pid), *text = test_read(path);
	const char *at = text ? strrchr(text, ')') : NULL;
	unsigned long user = 0, system = 0;

	if (!at || sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
		die("the probe ended");
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static double memory_mib(pid_t pid, const char *what)
{
	auto_free char *path = xasprintf("/proc/%d/status", (int)pid), *text = test_read(path);
	const char *at = text ? strstr(text, what) : NULL;

	return at ? strtod(at + strlen(what), NULL) / 1024 : -1;
}

static int64_t seq_of(const char *path)
{
	auto_free char *text = test_read(path);
	const char *at = text ? strstr(text, "\"seq\":") : NULL;

	return at ? strtoll(at + 6, NULL, 10) : 0;
}

static void wait_for_seq(const char *path, int64_t seq)
{
	int64_t end_ms = clock_mono_ms() + 60000;

	while (seq_of(path) < seq) {
		if (clock_mono_ms() > end_ms)
			die("no report in a minute");
		usleep(20000);
	}
}

static void measure(const char *pinger)
{
	const char *folder = test_folder();
	auto_free char *peers = xasprintf("%s/peers.json", folder), *report = xasprintf("%s/bench.json", folder);
	auto_free char *log = xasprintf("%s/log", folder);
	const char *argv[] = {test_program("latency-probe"), "--node", "bench", "--peers", peers, "--output", folder, "--interval", "10s",
			      "--pings", "3", "--publish", "10s", "--listen", "127.0.0.1:0", "--pinger", pinger, NULL};
	auto_free char *text = NULL;
	int64_t start_ms;
	double used_s, took_s;
	pid_t pid;

	fprintf(stderr, "# probe of %d peers by %s: one round to begin with, then %d\n", PEERS, pinger, ROUNDS);
	write_peers(peers);
	pid = test_spawn(argv, NULL, log);
	wait_for_seq(report, 1);
	start_ms = clock_mono_ms();
	used_s = cpu_s(pid);
	wait_for_seq(report, 1 + ROUNDS);
	used_s = cpu_s(pid) - used_s;
	took_s = (double)(clock_mono_ms() - start_ms) / 1000;
	printf("figure probe_cpu_of_a_core_1000_peers_%s %.2f %% (goal 2)\n", pinger, 100 * used_s / took_s);
	printf("figure probe_memory_1000_peers_%s %.1f MiB (goal 16)\n", pinger, memory_mib(pid, "VmHWM:"));
	text = test_read(report);
	if (!text || strstr(text, "\"rtt_us\":null"))
		fprintf(stderr, "# warning: some peers did not answer\n");
	if (test_stop(pid, SIGTERM) != 0)
		die("the probe failed");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	pid_t far;

	(void)argc;
	wire_enter(argv);
	far = make_far_side();
	measure("socket");
	measure("oping");
	kill(far, SIGKILL);
	waitpid(far, NULL, 0);
	return 0;
}
