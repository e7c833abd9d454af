#include "probe/oping_hosts.h"

#include <fcntl.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>

#include "lib/mem.h"

#define IDENT_TRIES 1000	/* at 10,000 hosts one try in seven fails */

/* --- idents ---------------------------------------------------------------------------------------------------------- */

static bool ident_is_used(const struct oping_hosts *o, uint16_t ident)
{
	return o->used[ident / 8] >> (ident % 8) & 1;
}

static void ident_mark(struct oping_hosts *o, uint16_t ident, bool used)
{
	uint8_t bit = (uint8_t)(1u << (ident % 8));

	o->used[ident / 8] = (uint8_t)(used ? o->used[ident / 8] | bit : o->used[ident / 8] & ~bit);
}

unsigned oping_sequence(pingobj_iter_t *iter)
{
	unsigned value = 0;
	size_t len = sizeof(value);

	ping_iterator_get_info(iter, PING_INFO_SEQUENCE, &value, &len);
	return value;
}

static uint16_t info_ident(pingobj_iter_t *iter)
{
	uint16_t ident = 0;
	size_t len = sizeof(ident);

	ping_iterator_get_info(iter, PING_INFO_IDENT, &ident, &len);
	return ident;
}

double oping_latency_us(pingobj_iter_t *iter)
{
	double ms = -1;
	size_t len = sizeof(ms);

	ping_iterator_get_info(iter, PING_INFO_LATENCY, &ms, &len);
	return ms < 0 ? -1 : ms * 1000;
}

/* --- groups ---------------------------------------------------------------------------------------------------------- */

static struct oping_group *group_with_room(struct oping_hosts *o, bool quiet)
{
	struct oping_group *g;
	size_t i;

	for (i = 0; i < o->group_count; i++)
		if (o->groups[i]->quiet == quiet && oping_group_size(o->groups[i]) < OPING_GROUP_HOSTS)
			return o->groups[i];
	g = xcalloc(1, sizeof(*g));
	g->obj = ping_construct();
	if (!g->obj)
		abort();	/* liboping ran out of memory */
	g->quiet = quiet;
	g->fd[0] = g->fd[1] = -1;
	grow(&o->groups, &o->group_room, o->group_count + 1, sizeof(struct oping_group *));
	return o->groups[o->group_count++] = g;
}

void oping_hosts_tidy(struct oping_hosts *o)
{
	size_t i, kept = 0;

	for (i = 0; i < o->group_count; i++) {
		if (oping_group_size(o->groups[i]) > 0) {
			o->groups[kept++] = o->groups[i];
			continue;
		}
		ping_destroy(o->groups[i]->obj);
		free(o->groups[i]);
	}
	o->group_count = kept;
}

/* --- sockets --------------------------------------------------------------------------------------------------------- */

static bool is_raw_icmp(int fd, int family)
{
	int type = 0, protocol = 0;
	socklen_t len = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_RAW &&
	       getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0 &&
	       protocol == (family ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

static bool is_known(const struct oping_hosts *o, int fd)
{
	size_t i;

	for (i = 0; i < o->group_count; i++)
		if (o->groups[i]->fd[0] == fd || o->groups[i]->fd[1] == fd)
			return true;
	return false;
}

/*
 * liboping does not tell its sockets; the raw ICMP socket of this process that belongs to nobody yet is the one that it has just
 * opened: release 1.10 when the first host of a family is added, later ones with the first ping. Where none is found, all works but the filter.
 */
static void find_sockets(const struct oping_hosts *o, struct oping_group *g)
{
	int family, fd;

	for (family = 0; family < 2; family++) {
		if (g->fd[family] >= 0 || g->hosts[family] == 0)
			continue;
		for (fd = 3; fd < FD_SETSIZE; fd++)
			if (is_raw_icmp(fd, family) && !is_known(o, fd))
				break;
		if (fd < FD_SETSIZE) {
			g->fd[family] = fd;
			fcntl(fd, F_SETFD, FD_CLOEXEC);
		}
	}
}

void oping_group_filter(struct oping_hosts *o, struct oping_group *g, bool open)
{
	struct icmp_filter v4 = {.data = open ? ~(1u << ICMP_ECHOREPLY) : ~0u};
	struct icmp6_filter v6;

	find_sockets(o, g);
	if (g->fd[0] >= 0)
		setsockopt(g->fd[0], SOL_RAW, ICMP_FILTER, &v4, sizeof(v4));
	if (g->fd[1] < 0)
		return;
	ICMP6_FILTER_SETBLOCKALL(&v6);
	if (open)
		ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &v6);
	setsockopt(g->fd[1], IPPROTO_ICMPV6, ICMP6_FILTER, &v6, sizeof(v6));
}

uint32_t oping_group_drops(struct oping_group *g)
{
	uint32_t more = 0;
	int family;

	for (family = 0; family < 2; family++) {
		uint32_t now = pinger_socket_drops(g->fd[family]);

		more += now - g->drops[family];
		g->drops[family] = now;
	}
	return more;
}

/* --- hosts ----------------------------------------------------------------------------------------------------------- */

static pingobj_iter_t *last_of(pingobj_t *obj)
{
	pingobj_iter_t *last = NULL, *iter;

	for (iter = ping_iterator_get(obj); iter; iter = ping_iterator_next(iter))
		last = iter;
	return last;
}

/* Leaves iter NULL when liboping refuses the address (AI_ADDRCONFIG: this machine has no address of that family). */
static void host_add(struct oping_hosts *o, struct oping_host *h, const char *addr, bool quiet)
{
	struct oping_group *g = group_with_room(o, quiet);
	int tries;

	h->iter = NULL;
	for (tries = 0; tries < IDENT_TRIES; tries++) {
		if (ping_host_add(g->obj, addr) < 0)
			return;
		h->iter = last_of(g->obj);
		h->ident = info_ident(h->iter);
		if (!ident_is_used(o, h->ident))
			break;
		ping_host_remove(g->obj, addr);
		h->iter = NULL;
	}
	if (!h->iter)
		return;
	ident_mark(o, h->ident, true);
	h->group = g;
	h->family = strchr(addr, ':') != NULL;
	h->sequence = oping_sequence(h->iter);
	ping_iterator_set_context(h->iter, h);
	if (g->hosts[h->family]++ == 0)
		oping_group_filter(o, g, false);
}

static void host_remove(struct oping_hosts *o, struct oping_host *h, const char *addr)
{
	if (!h->iter)
		return;
	ping_host_remove(h->group->obj, addr);
	h->group->hosts[h->family]--;
	ident_mark(o, h->ident, false);
	h->iter = NULL;
}

void oping_host_place(struct oping_hosts *o, struct oping_host *h, bool quiet)
{
	const char *addr = o->addrs.items[h->target];

	host_remove(o, h, addr);
	host_add(o, h, addr, quiet);
}

void oping_hosts_set(struct oping_hosts *o, const struct ping_target *targets, size_t count)
{
	struct oping_host *items = xcalloc(count, sizeof(*items));
	struct names addrs = {0};
	uint32_t i;

	for (i = 0; i < count; i++)
		names_add(&addrs, targets[i].addr);
	for (i = 0; i < o->addrs.count; i++) {
		uint32_t at = names_find(&addrs, o->addrs.items[i]);

		if (at == NAMES_NONE)
			host_remove(o, &o->items[i], o->addrs.items[i]);
		else
			items[at] = o->items[i];
	}
	names_free(&o->addrs);
	free(o->items);
	o->addrs = addrs;
	o->items = items;
	for (i = 0; i < count; i++) {
		items[i].target = i;
		if (items[i].iter)
			ping_iterator_set_context(items[i].iter, &items[i]);
		else
			host_add(o, &items[i], targets[i].addr, false);
	}
	oping_hosts_tidy(o);
}

void oping_hosts_free(struct oping_hosts *o)
{
	uint32_t i;

	for (i = 0; i < o->addrs.count; i++)
		host_remove(o, &o->items[i], o->addrs.items[i]);
	oping_hosts_tidy(o);
	names_free(&o->addrs);
	free(o->items);
	free(o->groups);
	*o = (struct oping_hosts){0};
}
