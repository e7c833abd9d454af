#include "probe/pinger.h"

#include <arpa/inet.h>
#include <linux/sock_diag.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/mem.h"

#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif

const char *const pinger_names[] = {"auto", "oping", "socket", NULL};

/* What answers at such an address is not one host: all of a network, or ourselves. */
static bool is_nobodys_v4(const struct in_addr *v4)
{
	in_addr_t host = ntohl(v4->s_addr);

	return host == INADDR_ANY || host == INADDR_BROADCAST || IN_MULTICAST(host);
}

static int set_v6(struct ping_target *t, const struct in6_addr *addr, const char *zone, struct lm_err *err)
{
	char plain[INET6_ADDRSTRLEN];

	t->to.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = *addr};
	inet_ntop(AF_INET6, addr, plain, sizeof(plain));
	if (IN6_IS_ADDR_UNSPECIFIED(addr) || IN6_IS_ADDR_MULTICAST(addr))
		return lm_fail(err, LM_DATA, "%s is not the address of a host", plain);
	if (zone) {
		t->to.v6.sin6_scope_id = if_nametoindex(zone + 1);
		if (!t->to.v6.sin6_scope_id)
			return lm_fail(err, LM_DATA, "%s: there is no interface %s", plain, zone + 1);
	}
	snprintf(t->addr, sizeof(t->addr), "%s%s", plain, zone ? zone : "");
	return 0;
}

static int set_v4(struct ping_target *t, const void *addr, struct lm_err *err)
{
	t->to.v4 = (struct sockaddr_in){.sin_family = AF_INET};
	memcpy(&t->to.v4.sin_addr, addr, sizeof(t->to.v4.sin_addr));
	inet_ntop(AF_INET, addr, t->addr, sizeof(t->addr));
	if (is_nobodys_v4(&t->to.v4.sin_addr))
		return lm_fail(err, LM_DATA, "%s is not the address of a host", t->addr);
	return 0;
}

int ping_target_init(struct ping_target *target, const char *addr, struct lm_err *err)
{
	const char *zone = strchr(addr, '%');
	char plain[INET6_ADDRSTRLEN];
	struct in6_addr v6;
	struct in_addr v4;

	*target = (struct ping_target){0};
	snprintf(plain, sizeof(plain), "%.*s", zone ? (int)(zone - addr) : (int)strlen(addr), addr);
	if (!zone && inet_pton(AF_INET, plain, &v4) == 1)
		return set_v4(target, &v4, err);
	if (inet_pton(AF_INET6, plain, &v6) != 1)
		return lm_fail(err, LM_DATA, "\"%.80s\" is not a numeric IP address", addr);
	if (IN6_IS_ADDR_V4MAPPED(&v6))
		return set_v4(target, &v6.s6_addr[12], err);
	return set_v6(target, &v6, zone, err);
}

void ping_results_reset(struct ping_results *r, size_t targets, uint32_t pings)
{
	size_t i;

	r->rtt_us = xrealloc(r->rtt_us, targets * pings, sizeof(*r->rtt_us));
	r->at_ms = xrealloc(r->at_ms, pings, sizeof(*r->at_ms));
	r->targets = targets;
	r->pings = pings;
	for (i = 0; i < targets * pings; i++)
		r->rtt_us[i] = PING_VOID;
	for (i = 0; i < pings; i++)
		r->at_ms[i] = clock_mono_ms();
}

void ping_results_free(struct ping_results *r)
{
	free(r->rtt_us);
	free(r->at_ms);
	*r = (struct ping_results){0};
}

int pinger_open(enum pinger_kind kind, struct metrics *m, struct pinger **out, struct lm_err *err)
{
	if (kind == PINGER_AUTO) {
		struct lm_err refused;

		if (pinger_oping.open(m, out, err) == 0)
			return 0;
		return pinger_socket.open(m, out, &refused);	/* the first one's error names both ways out */
	}
	return kind == PINGER_SOCKET ? pinger_socket.open(m, out, err) : pinger_oping.open(m, out, err);
}

/* Between two looks at one clock, so that being put to sleep in the middle does not look like a step. */
int64_t pinger_clock_offset_us(void)
{
	int64_t before, after, offset;
	struct timespec wall;
	int tries = 0;

	do {
		before = clock_mono_us();
		clock_gettime(CLOCK_REALTIME, &wall);
		after = clock_mono_us();
		offset = (int64_t)wall.tv_sec * 1000000 + wall.tv_nsec / 1000 - (before + after) / 2;
	} while (after - before > 200 && ++tries < 10);
	return offset;
}

uint32_t pinger_socket_drops(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = {0};
	socklen_t len = sizeof(info);

	return fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) == 0 ? info[SK_MEMINFO_DROPS] : 0;
}
