#include "sched/leader.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "sched/elect.h"
#include "sched/stats.h"

struct leader {
	struct elect *elect;
	struct metrics *stats;
	bool joined, led, leaving;
};

/* Host name and a random part, as client-go's: two processes of one pod or host are two. */
static char *identity(void)
{
	char host[HOST_NAME_MAX + 1] = "";
	uint32_t r[4];

	gethostname(host, HOST_NAME_MAX);
	arc4random_buf(r, sizeof(r));
	r[1] = (r[1] & 0xffff0fff) | 0x4000; /* a version 4 UUID */
	r[2] = (r[2] & 0x3fffffff) | 0x80000000;
	return xasprintf("%s_%08x-%04x-%04x-%04x-%04x%08x", *host ? host : "unknown", r[0], r[1] >> 16, r[1] & 0xffff, r[2] >> 16,
			 r[2] & 0xffff, r[3]);
}

int leader_open(struct kube *k, const struct settings *settings, const char *default_namespace, struct metrics *stats,
		struct leader **out, struct lm_err *err)
{
	auto_free char *self = identity();
	struct elect_settings election = settings_election(settings, default_namespace);

	*out = NULL;
	if (!settings->leader_elect)
		return 0;
	if (elect_check(&election, err) < 0)
		return -1;
	election.identity = self;
	stats_name_lease(election.name);
	*out = xcalloc(1, sizeof(**out));
	**out = (struct leader){.elect = elect_new(k, &election), .stats = stats};
	return 0;
}

void leader_close(struct leader *l)
{
	if (!l)
		return;
	elect_free(l->elect);
	free(l);
}

static void set_gauges(const struct leader *l, int64_t mono_ms)
{
	struct elect_stats e = elect_stats(l->elect);
	bool leading = elect_leading(l->elect, mono_ms);

	metrics_set(l->stats, STAT_LEADER, 0, leading);
	metrics_set(l->stats, STAT_LEASE_TRANSITIONS, 0, (double)e.transitions);
	metrics_set(l->stats, STAT_LEASE_FAILURES, 0, (double)e.failures);
	metrics_set(l->stats, STAT_LEASE_RENEWED_SECONDS, 0, leading ? (double)(mono_ms - e.renewed_mono_ms) / 1e3 : NAN);
}

int64_t leader_tick(struct leader *l, bool ready, int64_t mono_ms, int64_t most)
{
	if (!l)
		return most;
	l->joined = l->joined || (ready && !l->leaving);
	if (l->joined)
		most = elect_tick(l->elect, mono_ms, most);
	set_gauges(l, mono_ms);
	return most;
}

bool leader_began(struct leader *l)
{
	if (!l || l->led || !leader_acts(l))
		return false;
	l->led = true;
	return true;
}

bool leader_acts(void *leader)
{
	const struct leader *l = leader;

	return !l || elect_leading(l->elect, clock_mono_ms());
}

bool leader_lost(struct leader *l)
{
	return l && elect_state(l->elect, clock_mono_ms()) == ELECT_LOST;
}

int64_t leader_overdue_ms(const struct leader *l, int64_t mono_ms)
{
	return l ? elect_overdue_ms(l->elect, mono_ms) : 0;
}

bool leader_let_go(struct leader *l, bool all_known)
{
	if (!l || !l->joined)
		return true;
	if (!all_known) {
		log_warn("lease kept until it runs out: bindings of unknown fate are open", NULL);
		return true;
	}
	if (!l->leaving)
		elect_release(l->elect);
	l->leaving = true;
	return elect_state(l->elect, clock_mono_ms()) == ELECT_ENDED;
}
