#include "probe/stats.h"

static const char *const discard_reasons[] = {"late", "clock", "duplicate", "source", "nonce", "malformed", NULL};
static const char *const peers_reasons[] = {"missing", "bad", NULL};
static const char *const publish_reasons[] = {"no_space", "permission", "missing", "stale", "io", NULL};

#define P(name) "latency_probe_" name

static const struct metric_spec specs[STAT_COUNT] = {
	[STAT_ROUNDS] = {METRIC_COUNTER, P("rounds_total"), "rounds that ended", NULL, NULL, NULL},
	[STAT_OVERRUNS] = {METRIC_COUNTER, P("round_overruns_total"), "rounds that took longer than the interval", NULL, NULL, NULL},
	[STAT_ROUND_SECONDS] = {METRIC_HISTOGRAM, P("round_seconds"), "time from the first ping to the last answer", NULL, NULL, NULL},
	[STAT_SENT] = {METRIC_COUNTER, P("pings_sent_total"), "pings whose fate is known", NULL, NULL, NULL},
	[STAT_RECEIVED] = {METRIC_COUNTER, P("pings_received_total"), "pings that were answered in time", NULL, NULL, NULL},
	[STAT_LOST] = {METRIC_COUNTER, P("pings_lost_total"), "pings that were not", NULL, NULL, NULL},
	[STAT_SEND_ERRORS] = {METRIC_COUNTER, P("send_errors_total"), "pings that the kernel refused to send (counted as lost)", NULL, NULL, NULL},
	[STAT_UNREACHABLE] = {METRIC_COUNTER, P("unreachable_total"), "pings that a router answered as unreachable (counted as lost)", NULL, NULL, NULL},
	[STAT_DISCARDED] = {METRIC_COUNTER, P("replies_discarded_total"), "replies that were not believed", "reason", discard_reasons, NULL},
	[STAT_SOCKET_DROPS] = {METRIC_COUNTER, P("socket_drops_total"), "packets that found the receive buffer full", NULL, NULL, NULL},
	[STAT_PEERS] = {METRIC_GAUGE, P("addresses"), "addresses that are pinged", NULL, NULL, NULL},
	[STAT_PEERS_ERRORS] = {METRIC_COUNTER, P("peers_errors_total"), "looks at the peer list that gave none", "reason", peers_reasons, NULL},
	[STAT_PUBLISHED] = {METRIC_COUNTER, P("published_total"), "reports written", NULL, NULL, NULL},
	[STAT_PUBLISH_ERRORS] = {METRIC_COUNTER, P("publish_errors_total"), "reports that could not be written", "reason", publish_reasons, NULL},
	[STAT_PUBLISH_STUCK] = {METRIC_GAUGE, P("publish_stuck"), "1 while the volume does not answer", NULL, NULL, NULL},
	[STAT_CPU] = {METRIC_GAUGE, P("cpu_ratio"), "load of the node's processors, smoothed", NULL, NULL, NULL},
	[STAT_RX] = {METRIC_GAUGE, P("rx_bytes_per_second"), "received on the measured interfaces, smoothed", NULL, NULL, NULL},
	[STAT_TX] = {METRIC_GAUGE, P("tx_bytes_per_second"), "sent on the measured interfaces, smoothed", NULL, NULL, NULL},
};

struct metrics *probe_stats_new(void)
{
	return metrics_new(specs, STAT_COUNT);
}
