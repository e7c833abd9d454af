#include "tests/lab/host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/mem.h"
#include "tests/lab/load.h"
#include "tests/lab/nfsd.h"

#define MOUNT_TIMEOUT_MS 20000

static struct sockaddr_in address(const char *text)
{
	struct sockaddr_in a = {.sin_family = AF_INET};

	inet_pton(AF_INET, text, &a.sin_addr);
	return a;
}

static int up(int socket_fd, const char *interface, struct lm_err *err)
{
	struct ifreq r = {.ifr_flags = IFF_UP | IFF_RUNNING};

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", interface);
	return ioctl(socket_fd, SIOCSIFFLAGS, &r) < 0 ? lm_fail_errno(err, "%s up", interface) : 0;
}

/* As container runtimes set it: ping sockets for everyone. */
static int allow_ping_sockets(struct lm_err *err)
{
	auto_close int fd = open("/proc/sys/net/ipv4/ping_group_range", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "0 2147483647\n", 13) != 13)
		return lm_fail_errno(err, "ping_group_range");
	return 0;
}

/* Address, and a default route (a probe takes its load from the interfaces of the default routes). */
static int configure(const struct host *h, struct lm_err *err)
{
	auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in addr = address(h->addr), mask = address("255.255.255.0"), via = address(NFSD_ADDR), any = address("0.0.0.0");
	struct ifreq r = {.ifr_name = "eth0"};
	struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};

	if (fd < 0 || up(fd, "lo", err) < 0)
		return lm_fail_errno(err, "network");
	memcpy(&r.ifr_addr, &addr, sizeof(addr));
	if (ioctl(fd, SIOCSIFADDR, &r) < 0)
		return lm_fail_errno(err, "eth0 address");
	memcpy(&r.ifr_netmask, &mask, sizeof(mask));
	if (ioctl(fd, SIOCSIFNETMASK, &r) < 0)
		return lm_fail_errno(err, "eth0 netmask");
	if (up(fd, "eth0", err) < 0)
		return -1;
	memcpy(&route.rt_gateway, &via, sizeof(via));
	memcpy(&route.rt_dst, &any, sizeof(any));
	memcpy(&route.rt_genmask, &any, sizeof(any));
	return ioctl(fd, SIOCADDRT, &route) < 0 ? lm_fail_errno(err, "default route") : 0;
}

static int mount_volume(const struct host *h, struct lm_err *err)
{
	char options[256];

	snprintf(options, sizeof(options), HOST_MOUNT ",addr=" NFSD_ADDR ",clientaddr=%s", h->addr);
	if (mount(NFSD_ADDR ":/", HOST_VOLUME, "nfs4", 0, options) < 0)
		return lm_fail_errno(err, "mount " NFSD_ADDR ":/ on " HOST_VOLUME " -o %s", options);
	return 0;
}

/* The process of a host, from its namespaces on. It stays for ever; PID 1 ends it with the guest. */
static void live(const struct host *h, int go, int ready)
{
	struct lm_err err;
	char word;

	if (read(go, &word, 1) != 1)
		_exit(1);
	if (configure(h, &err) < 0 || allow_ping_sockets(&err) < 0 || (!h->client && mount_volume(h, &err) < 0) ||
	    load_start(h->name, &err) < 0) {
		dprintf(2, "lab: %s: %s\n", h->name, err.msg);
		_exit(1);
	}
	if (write(ready, "m", 1) != 1)
		_exit(1);
	for (;; usleep(LOAD_STEP_US))
		load_tick(h->name);
}

int host_start(struct topology *t, int i, struct host_control *c, struct lm_err *err)
{
	int go[2], ready[2];
	char word;
	pid_t child;

	if (pipe2(go, O_CLOEXEC) < 0 || pipe2(ready, O_CLOEXEC) < 0 || (child = fork()) < 0)
		return lm_fail_errno(err, "%s", t->host[i].name);
	if (child == 0) {
		prctl(PR_SET_NAME, t->host[i].name);
		close(go[1]);
		if (unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    sethostname(t->host[i].name, strlen(t->host[i].name)) < 0 || write(ready[1], "n", 1) != 1) {
			dprintf(2, "lab: %s: namespaces: %s\n", t->host[i].name, strerror(errno));
			_exit(1);
		}
		live(&t->host[i], go[0], ready[1]);
	}
	close(go[0]);
	close(ready[1]);
	*c = (struct host_control){.go = go[1], .ready = ready[0]};
	t->host[i].pid = child;
	if (read(ready[0], &word, 1) != 1)
		return lm_fail(err, LM_UNAVAILABLE, "%s has no namespaces", t->host[i].name);
	return 0;
}

int host_connect(struct host_control *c, struct lm_err *err)
{
	return write(c->go, "g", 1) == 1 ? 0 : lm_fail_errno(err, "host");
}

int host_wait(const struct topology *t, int i, struct host_control *c, struct lm_err *err)
{
	struct pollfd p = {.fd = c->ready, .events = POLLIN};
	char word;

	if (poll(&p, 1, MOUNT_TIMEOUT_MS) != 1 || read(c->ready, &word, 1) != 1)
		return lm_fail(err, LM_UNAVAILABLE, "%s did not come up", t->host[i].name);
	close(c->go);
	close(c->ready);
	return 0;
}
