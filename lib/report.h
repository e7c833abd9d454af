/*
 * report.h - NODE.json, what one probe says about its links. The only module that knows the format.
 *
 *	{"version":1, "node":"edge-1", "boot_id":"9f..", "seq":42, "written":"2026-11-21T21:00:00.000Z", "interval_s":10, "publish_s":30,
 *	 "load":{"cpu":0.31, "rx_bytes_per_s":120000, "tx_bytes_per_s":98000},
 *	 "peers":{"edge-2":{"addr":"10.0.0.2", "rtt_us":412, "min_us":398, "p95_us":530, "jitter_us":21, "loss":0.0,
 *	                    "sent":18, "received":18, "silent_s":2.4}},
 *	 "clients":{"milan":{ same fields }}}
 *
 * `silent_s`: how long nothing came back from it, as of this report; null when nothing ever did since the probe's start or since the peer has this
 * address. Reports of before this member have none: unknown too. `publish_s`: the longest time between two reports of this probe.
 *
 * Parsing is strict: json.h's rules, the limits below, and each field's type and range; the error names the member. Unknown
 * members are ignored, a higher version is refused. The report owns its strings.
 */
#ifndef LIB_REPORT_H
#define LIB_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"

#define REPORT_VERSION 1
/* Larger files are refused unread: 64 KiB and 512 B for each of `nodes` expected nodes and clients. */
#define REPORT_MAX_BYTES(nodes) ((size_t)64 * 1024 + (size_t)512 * (nodes))
#define REPORT_RTT_MAX_US 60e6		/* a minute; more is nonsense */
#define REPORT_SILENT_MAX_S 1e9		/* 30 years: more is nonsense */
#define REPORT_BOOT_ID_MAX 64
#define REPORT_LOAD_TAU_S 60.0		/* time constant of `cpu`, an average (probe/load.h): the probe's --window, as it is unless it was set */

/* One measured link. Unknown is NaN, never 0. */
struct report_link {
	char *name;			/* of the peer or client */
	char *addr;			/* numeric; "" when absent */
	double rtt_us;			/* median of the window, 0..REPORT_RTT_MAX_US; NaN: nothing came back in it */
	double min_us, p95_us;		/* NaN with rtt_us, or when absent */
	double jitter_us;		/* mean |difference| of successive replies; NaN when fewer than two */
	double loss;			/* 0..1 of the loss window; NaN before the first round ended */
	int64_t sent, received;		/* of the loss window */
	double silent_s;		/* 0..REPORT_SILENT_MAX_S; NaN: nothing ever came back, or absent */
};

struct report_links {
	struct report_link *items;	/* in the file's order */
	size_t count, room;
};

struct report {
	char *node;
	char boot_id[REPORT_BOOT_ID_MAX + 1];	/* random, of this start of the probe; [0-9a-zA-Z-]+ */
	int64_t seq;				/* 1, 2, ... within boot_id */
	int64_t written_ms;			/* the writer's wall clock; information only */
	double interval_s;			/* of its rounds */
	double publish_s;			/* longest time between its reports; NaN: absent */
	double cpu;				/* 0..1; NaN unknown */
	double rx_bytes_per_s, tx_bytes_per_s;	/* NaN unknown */
	struct report_links peers, clients;
};

/* `node` is the name that the file's name promises: another one inside is LM_DATA. NULL: not checked. */
int report_parse(const char *text, size_t len, const char *node, struct report *out, struct lm_err *err);
/* One line a link, so that it diffs; ends with a newline. */
void report_write(const struct report *report, struct buf *out);
/* Appends a zeroed link with NaN where unknown is possible; `name` is copied. */
struct report_link *report_links_add(struct report_links *links, const char *name);
void report_free(struct report *report);	/* and makes it {0} */
#define auto_report __attribute__((cleanup(report_free)))

#endif
