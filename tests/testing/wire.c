#include "tests/testing/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/testing/testing.h"

#define FRAME_MAX 256
#define HOSTS 65536
#define PARTS_MAX 4
#define BUSY_US 100000
#define PART_LIMIT_MS 240000	/* below that of run.sh, so that what it said until then is seen */

struct waiting {
	int64_t at_us;
	size_t len;
	uint8_t frame[FRAME_MAX];
};

static struct {
	pthread_mutex_t lock;
	struct wire_answer rules[HOSTS];
	uint32_t only_nth[HOSTS];	/* the rule is for this ping alone, minus 1; 0: for all */
	uint32_t nth[HOSTS], seen;
	int64_t span;			/* number of the BUSY_US that we are in */
	uint32_t span_seen, busiest;
	bool started;

	int fd;				/* of the thread alone */
	struct waiting *queue;		/* in no order: it is short */
	size_t count, room;
} wire = {.lock = PTHREAD_MUTEX_INITIALIZER};

void wire_run(const char *command)
{
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

/* Again inside `unshare`; never returns. */
static void enter_namespace(const char *part)
{
	char self[4096];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char name[32], *again[] = {(char[]){"unshare"}, (char[]){"-Urnm"}, (char[]){"--"}, self, part ? name : NULL, NULL};

	if (len < 0)
		exit(1);
	self[len] = '\0';
	snprintf(name, sizeof(name), "%s", part ? part : "");
	setenv("LM_TEST_WIRE", "1", 1);
	execvp(again[0], again);
	fprintf(stderr, "unshare: %s\n", strerror(errno));
	exit(1);
}

/* True inside the namespace, which is set up then. */
static bool is_inside(void)
{
	static const char setup[] = "ip link set lo up && ip link add v0 type veth peer name v1 && ip link set v0 arp off && "
				    "echo 1 >/proc/sys/net/ipv6/conf/v1/disable_ipv6; "
				    "ip link set v1 up && ip link set v0 up && ip addr add 10.77.0.1/16 dev v0 && "
				    "ip addr add fd77::1/64 dev v0 nodad && echo 0 0 >/proc/sys/net/ipv4/ping_group_range";

	if (!getenv("LM_TEST_WIRE"))
		return false;
	unsetenv("LM_TEST_WIRE");
	if (system(setup) != 0) {
		fprintf(stderr, "cannot set up the test's network (iproute2 is needed)\n");
		exit(1);
	}
	return true;
}

void wire_enter(char **argv)
{
	if (!is_inside())
		enter_namespace(argv[1]);
}

static pid_t start_part(const char *part, char **output)
{
	char self[4096] = "";
	const char *argv[] = {self, part, NULL};

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		exit(1);
	*output = xasprintf("%s/%s", test_folder(), part);
	return test_spawn(argv, NULL, *output);
}

/* Where each of its threads waits. */
static void show_threads(pid_t pid)
{
	auto_free char *command = xasprintf("for t in /proc/%d/task/*; do echo \"# $t $(cat $t/comm $t/wchan $t/syscall | tr '\\n' ' ')\"; done", (int)pid);
	int status = system(command);

	(void)status;
}

static bool end_part(pid_t pid, char *output)
{
	auto_free char *path = output, *text = NULL;
	int64_t end_ms = clock_mono_ms() + PART_LIMIT_MS;
	int status = 0;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		usleep(10000);
		if (clock_mono_ms() < end_ms)
			continue;
		printf("not ok - still running after %d s\n", PART_LIMIT_MS / 1000);
		fflush(stdout);
		show_threads(pid);
		kill(pid, SIGKILL);
		end_ms = INT64_MAX;
	}
	text = test_read(path);
	printf("%s", text ? text : "");
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

const char *wire_enter_each(char **argv, const char *const *parts)
{
	pid_t pids[PARTS_MAX];
	char *outputs[PARTS_MAX];
	bool good = true;
	size_t n = 0, i;

	if (argv[1]) {
		wire_enter(argv);
		setvbuf(stdout, NULL, _IOLBF, 0);
		return argv[1];
	}
	for (n = 0; parts[n]; n++) {
		assert_true(n < PARTS_MAX);
		pids[n] = start_part(parts[n], &outputs[n]);
	}
	for (i = 0; i < n; i++)
		good = end_part(pids[i], outputs[i]) && good;
	exit(good ? 0 : 1);
}

/* --- packets --------------------------------------------------------------------------------------------------------- */

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static uint32_t sum(const uint8_t *p, size_t len, uint32_t start)
{
	size_t i;

	for (i = 0; i + 1 < len; i += 2)
		start += get16(p + i);
	return i < len ? start + (uint32_t)(p[i] << 8) : start;
}

static uint16_t fold(uint32_t s)
{
	s = (s >> 16) + (s & 0xffff);
	s = (s >> 16) + (s & 0xffff);
	return (uint16_t)~s;
}

static void later(int64_t at_us, const uint8_t *frame, size_t len)
{
	struct waiting *w;

	grow(&wire.queue, &wire.room, wire.count + 1, sizeof(*wire.queue));
	w = &wire.queue[wire.count++];
	w->at_us = at_us;
	w->len = len;
	memcpy(w->frame, frame, len);
}

static void swap(uint8_t *a, uint8_t *b, size_t len)
{
	uint8_t t[16];

	memcpy(t, a, len);
	memcpy(a, b, len);
	memcpy(b, t, len);
}

/* The ICMP part of `len` bytes turns into the reply; its checksum starts from the pseudo header's sum. */
static void reply_icmp(uint8_t *icmp, size_t len, uint8_t type, uint32_t pseudo, const struct wire_answer *answer)
{
	icmp[0] = type;
	if (answer->spoil_payload)
		icmp[8] ^= 0x55;
	put16(icmp + 2, 0);
	put16(icmp + 2, fold(sum(icmp, len, pseudo)));
	if (answer->spoil_checksum)
		icmp[2] ^= 0x55;
}

static size_t reply_v4(uint8_t *frame, size_t len, const struct wire_answer *answer)
{
	uint8_t *ip = frame + ETH_HLEN, *icmp = ip + 20;

	swap(ip + 12, ip + 16, 4);
	if (answer->from_host)
		put16(ip + 14, (uint16_t)answer->from_host);
	if (answer->cut_to)
		len = ETH_HLEN + 20u + answer->cut_to;
	put16(ip + 2, (uint16_t)(len - ETH_HLEN));
	put16(ip + 10, 0);
	put16(ip + 10, fold(sum(ip, 20, 0)));
	reply_icmp(icmp, len - ETH_HLEN - 20, ICMP_ECHOREPLY, 0, answer);
	return len;
}

static size_t reply_v6(uint8_t *frame, size_t len, const struct wire_answer *answer)
{
	uint8_t *ip = frame + ETH_HLEN, *icmp = ip + 40;
	size_t icmp_len;

	swap(ip + 8, ip + 24, 16);
	if (answer->from_host)
		put16(ip + 22, (uint16_t)answer->from_host);
	if (answer->cut_to)
		len = ETH_HLEN + 40u + answer->cut_to;
	icmp_len = len - ETH_HLEN - 40;
	put16(ip + 4, (uint16_t)icmp_len);
	reply_icmp(icmp, icmp_len, ICMP6_ECHO_REPLY, sum(ip + 8, 32, (uint32_t)icmp_len + IPPROTO_ICMPV6), answer);
	return len;
}

/* "Host unreachable" from 10.77.255.254, around the request. */
static size_t unreachable_v4(uint8_t *frame, size_t len)
{
	uint8_t original[FRAME_MAX], *ip = frame + ETH_HLEN, *icmp = ip + 20;
	size_t original_len = len - ETH_HLEN;

	memcpy(original, ip, original_len);
	swap(ip + 12, ip + 16, 4);
	put16(ip + 12, 0x0a4d);
	put16(ip + 14, 0xfffe);
	put16(ip + 2, (uint16_t)(28 + original_len));
	put16(ip + 10, 0);
	put16(ip + 10, fold(sum(ip, 20, 0)));
	memset(icmp, 0, 8);
	icmp[0] = ICMP_DEST_UNREACH;
	icmp[1] = ICMP_HOST_UNREACH;
	memcpy(icmp + 8, original, original_len);
	put16(icmp + 2, fold(sum(icmp, 8 + original_len, 0)));
	return ETH_HLEN + 28 + original_len;
}

static void answer_ping(uint8_t *frame, size_t len, bool v6, int64_t now_us)
{
	const uint8_t *ip = frame + ETH_HLEN;
	uint32_t host = get16(ip + (v6 ? 38 : 18));
	struct wire_answer answer = {0};
	int copy;

	pthread_mutex_lock(&wire.lock);
	wire.seen++;
	wire.span_seen = wire.span == now_us / BUSY_US ? wire.span_seen + 1 : 1;
	wire.span = now_us / BUSY_US;
	if (wire.span_seen > wire.busiest)
		wire.busiest = wire.span_seen;
	wire.nth[host]++;
	if (!wire.only_nth[host] || wire.only_nth[host] == wire.nth[host])
		answer = wire.rules[host];
	pthread_mutex_unlock(&wire.lock);
	if (answer.silent)
		return;
	if (answer.unreachable)
		len = unreachable_v4(frame, len);
	else
		len = v6 ? reply_v6(frame, len, &answer) : reply_v4(frame, len, &answer);
	for (copy = 0; copy <= answer.more_copies; copy++)
		later(now_us + answer.delay_us + copy * answer.copy_delay_us, frame, len);
}

static void take_frame(uint8_t *frame, size_t len, int64_t now_us)
{
	const uint8_t *ip = frame + ETH_HLEN;
	uint16_t protocol = get16(frame + 12);

	if (protocol == ETH_P_IP && len >= ETH_HLEN + 28 && ip[0] == 0x45 && ip[9] == IPPROTO_ICMP && ip[20] == ICMP_ECHO)
		answer_ping(frame, ETH_HLEN + get16(ip + 2), false, now_us);
	else if (protocol == ETH_P_IPV6 && len >= ETH_HLEN + 48 && ip[6] == IPPROTO_ICMPV6 && ip[40] == ICMP6_ECHO_REQUEST)
		answer_ping(frame, len, true, now_us);
}

/* --- the thread ------------------------------------------------------------------------------------------------------ */

static int64_t send_due(int64_t now_us)
{
	int64_t next_us = now_us + 1000000;
	size_t i;

	for (i = 0; i < wire.count;) {
		struct waiting *w = &wire.queue[i];

		if (w->at_us > now_us) {
			next_us = w->at_us < next_us ? w->at_us : next_us;
			i++;
			continue;
		}
		if (send(wire.fd, w->frame, w->len, 0) < 0)
			fprintf(stderr, "wire: send: %s\n", strerror(errno));
		*w = wire.queue[--wire.count];
	}
	return next_us;
}

static void *run(void *arg)
{
	struct pollfd poll_in = {.fd = wire.fd, .events = POLLIN};
	uint8_t frame[FRAME_MAX];

	(void)arg;
	for (;;) {
		int64_t wait_us = send_due(clock_mono_us()) - clock_mono_us();
		struct timespec wait = {.tv_nsec = wait_us > 0 ? wait_us * 1000 % 1000000000 : 0};
		ssize_t len;

		if (ppoll(&poll_in, 1, &wait, NULL) <= 0)
			continue;
		while ((len = recv(wire.fd, frame, sizeof(frame), MSG_DONTWAIT)) >= ETH_HLEN)
			take_frame(frame, (size_t)len, clock_mono_us());
	}
	return NULL;
}

static void start(void)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex("v1")};
	int room = 8 << 20;
	sigset_t all, before;
	pthread_t thread;

	wire.fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	assert_true(wire.fd >= 0);
	assert_int_equal(bind(wire.fd, (struct sockaddr *)&at, sizeof(at)), 0);
	setsockopt(wire.fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	setsockopt(wire.fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	setsockopt(wire.fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &(int){1}, sizeof(int));
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	assert_int_equal(pthread_create(&thread, NULL, run, NULL), 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_detach(thread);
	wire.started = true;
}

void wire_reset(void)
{
	pthread_mutex_lock(&wire.lock);
	wire.seen = wire.busiest = wire.span_seen = 0;
	memset(wire.rules, 0, sizeof(wire.rules));
	memset(wire.only_nth, 0, sizeof(wire.only_nth));
	memset(wire.nth, 0, sizeof(wire.nth));
	pthread_mutex_unlock(&wire.lock);
	if (!wire.started)
		start();
}

void wire_rule(uint32_t host, struct wire_answer answer)
{
	pthread_mutex_lock(&wire.lock);
	wire.rules[host] = answer;
	wire.only_nth[host] = 0;
	pthread_mutex_unlock(&wire.lock);
}

void wire_rule_nth(uint32_t host, uint32_t nth, struct wire_answer answer)
{
	pthread_mutex_lock(&wire.lock);
	wire.rules[host] = answer;
	wire.only_nth[host] = nth + 1;
	pthread_mutex_unlock(&wire.lock);
}

uint32_t wire_seen(void)
{
	uint32_t seen;

	pthread_mutex_lock(&wire.lock);
	seen = wire.seen;
	pthread_mutex_unlock(&wire.lock);
	return seen;
}

uint32_t wire_busiest(void)
{
	uint32_t busiest;

	pthread_mutex_lock(&wire.lock);
	busiest = wire.busiest;
	pthread_mutex_unlock(&wire.lock);
	return busiest;
}
