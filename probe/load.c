#include "probe/load.h"

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/err.h"
#include "lib/file.h"
#include "lib/mem.h"

#define PROC_MAX_BYTES ((size_t)4 << 20)	/* /proc/net/route of a machine with many routes */

void load_init(struct load *l, double tau_s)
{
	*l = (struct load){.tau_s = tau_s, .cpu = NAN, .rx_bytes_per_s = NAN, .tx_bytes_per_s = NAN};
}

static double smooth(const struct load *l, double value, double sample, double dt_s)
{
	return isnan(value) ? sample : value + (sample - value) * (1 - exp(-dt_s / l->tau_s));
}

static const char *next_line(const char *at)
{
	at = strchr(at, '\n');
	return at && at[1] ? at + 1 : NULL;
}

/* cpu user nice system idle iowait irq softirq steal guest guest_nice: guest time is in user already. */
static bool parse_stat(const char *text, uint64_t *busy, uint64_t *total)
{
	uint64_t t[8] = {0};
	int i, got = sscanf(text, "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64,
			    &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]);

	if (got < 4)
		return false;
	*total = 0;
	for (i = 0; i < 8; i++)
		*total += t[i];
	*busy = *total - t[3] - t[4];
	return true;
}

static void feed_cpu(struct load *l, const char *text, double dt_s)
{
	uint64_t busy, total;

	if (!text || !parse_stat(text, &busy, &total))
		return;
	if (dt_s > 0 && total > l->total && busy >= l->busy && l->total > 0)
		l->cpu = smooth(l, l->cpu, fmin(1, (double)(busy - l->busy) / (double)(total - l->total)), dt_s);
	l->busy = busy;
	l->total = total;
}

/* --- which interfaces ------------------------------------------------------------------------------------------------ */

static bool has(const char names[][IF_NAMESIZE], size_t count, const char *name)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (STREQ(names[i], name))
			return true;
	return false;
}

static size_t add_name(char names[][IF_NAMESIZE], size_t count, const char *name)
{
	if (count == LOAD_INTERFACES || has((const char(*)[IF_NAMESIZE])names, count, name))
		return count;
	snprintf(names[count], IF_NAMESIZE, "%.15s", name);
	return count + 1;
}

/* Iface Destination Gateway Flags RefCnt Use Metric Mask ...: destination and mask 0. */
static size_t default_v4(const char *text, char names[][IF_NAMESIZE], size_t count)
{
	char name[IF_NAMESIZE];
	unsigned destination, mask;

	for (; text; text = next_line(text))
		if (sscanf(text, "%15s %x %*x %*x %*d %*d %*d %x", name, &destination, &mask) == 3 && !destination && !mask)
			count = add_name(names, count, name);
	return count;
}

/* destination length source length gateway metric refcount use flags interface. The catch-all rejects stand on lo. */
static size_t default_v6(const char *text, char names[][IF_NAMESIZE], size_t count)
{
	char destination[33], name[IF_NAMESIZE];
	unsigned length;

	for (; text; text = next_line(text))
		if (sscanf(text, "%32s %x %*s %*x %*s %*x %*x %*x %*x %15s", destination, &length, name) == 3 && !length &&
		    strspn(destination, "0") == 32 && !STREQ(name, "lo"))
			count = add_name(names, count, name);
	return count;
}

/* --- their counters -------------------------------------------------------------------------------------------------- */

/* name: bytes packets errs drop fifo frame compressed multicast  bytes ... */
static bool parse_dev(const char *text, const char *name, uint64_t *rx, uint64_t *tx)
{
	size_t len = strlen(name);

	for (; text; text = next_line(text)) {
		const char *at = text + strspn(text, " ");

		if (strncmp(at, name, len) == 0 && at[len] == ':')
			return sscanf(at + len + 1, "%" SCNu64 " %*u %*u %*u %*u %*u %*u %*u %" SCNu64, rx, tx) == 2;
	}
	return false;
}

static const struct load_interface *find(const struct load *l, const char *name)
{
	size_t i;

	for (i = 0; i < l->interface_count; i++)
		if (STREQ(l->interfaces[i].name, name))
			return &l->interfaces[i];
	return NULL;
}

static void feed_traffic(struct load *l, const char *dev, const char names[][IF_NAMESIZE], size_t count, double dt_s)
{
	struct load_interface now[LOAD_INTERFACES] = {0};
	double rx = 0, tx = 0;
	size_t i, known = 0;

	for (i = 0; i < count; i++) {
		const struct load_interface *was = find(l, names[i]);

		memcpy(now[i].name, names[i], IF_NAMESIZE);
		now[i].seen = dev && parse_dev(dev, names[i], &now[i].rx_bytes, &now[i].tx_bytes);
		if (!now[i].seen || !was || !was->seen || now[i].rx_bytes < was->rx_bytes || now[i].tx_bytes < was->tx_bytes)
			continue;
		rx += (double)(now[i].rx_bytes - was->rx_bytes);
		tx += (double)(now[i].tx_bytes - was->tx_bytes);
		known++;
	}
	memcpy(l->interfaces, now, sizeof(now));
	l->interface_count = count;
	if (known == 0 || dt_s <= 0)
		return;
	l->rx_bytes_per_s = smooth(l, l->rx_bytes_per_s, rx / dt_s, dt_s);
	l->tx_bytes_per_s = smooth(l, l->tx_bytes_per_s, tx / dt_s, dt_s);
}

void load_feed(struct load *l, const struct load_texts *t, const char *const *names, size_t name_count, int64_t now_us)
{
	char chosen[LOAD_INTERFACES][IF_NAMESIZE];
	double dt_s = l->last_us ? (double)(now_us - l->last_us) * 1e-6 : 0;
	size_t count = 0, i;

	for (i = 0; i < name_count; i++)
		count = add_name(chosen, count, names[i]);
	if (name_count == 0) {
		count = default_v4(t->route, chosen, count);
		count = default_v6(t->ipv6_route, chosen, count);
	}
	feed_cpu(l, t->stat, dt_s);
	feed_traffic(l, t->dev, (const char(*)[IF_NAMESIZE])chosen, count, dt_s);
	l->last_us = now_us;
}

static const char *read_proc(const char *path, struct file_text *out)
{
	struct lm_err ignored;

	return file_read(AT_FDCWD, path, PROC_MAX_BYTES, FILE_FOLLOW, out, &ignored) < 0 ? NULL : out->data;
}

void load_look(struct load *l, const char *const *names, size_t name_count, int64_t now_us)
{
	auto_file_text struct file_text stat = {0}, route = {0}, route6 = {0}, dev = {0};
	struct load_texts texts = {.stat = read_proc("/proc/stat", &stat), .dev = read_proc("/proc/net/dev", &dev)};

	if (name_count == 0) {
		texts.route = read_proc("/proc/net/route", &route);
		texts.ipv6_route = read_proc("/proc/net/ipv6_route", &route6);
	}
	load_feed(l, &texts, names, name_count, now_us);
}
