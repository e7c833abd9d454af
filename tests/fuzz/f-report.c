/* NODE.json of any bytes: refused with one line, or a report whose numbers are in range and that survives being written. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/names.h"
#include "lib/report.h"
#include "tests/testing/fuzz.h"

#define LINK "{\"addr\":\"10.0.0.2\",\"rtt_us\":412,\"min_us\":398,\"p95_us\":530,\"jitter_us\":21,\"loss\":0.0,\"sent\":18,\"received\":18," \
	"\"silent_s\":2.4}"
FUZZ_CORPUS("{\"version\":1,\"node\":\"edge-1\",\"boot_id\":\"9f\",\"seq\":42,\"written\":\"2026-11-21T21:00:00.000Z\",\"interval_s\":10,\"publish_s\":30,"
	    "\"load\":{\"cpu\":0.31,\"rx_bytes_per_s\":120000,\"tx_bytes_per_s\":98000},\"peers\":{\"edge-2\":" LINK ",\"edge-3\":" LINK
	    "},\"clients\":{\"milan\":" LINK "}}",
	    "{\"version\":1,\"node\":\"a\",\"boot_id\":\"b\",\"seq\":1,\"peers\":{\"b\":{\"rtt_us\":null,\"loss\":1}}}", "{}", "[]")

static void check_range(double value, double max)
{
	if (!isnan(value) && !(value >= 0 && value <= max))
		abort();
}

static void check_links(const struct report_links *links)
{
	size_t i;

	for (i = 0; i < links->count; i++) {
		const struct report_link *link = &links->items[i];

		if (!name_is_valid(link->name) || link->received > link->sent || link->received < 0)
			abort();
		check_range(link->rtt_us, REPORT_RTT_MAX_US);
		check_range(link->min_us, REPORT_RTT_MAX_US);
		check_range(link->p95_us, REPORT_RTT_MAX_US);
		check_range(link->jitter_us, REPORT_RTT_MAX_US);
		check_range(link->loss, 1);
		check_range(link->silent_s, REPORT_SILENT_MAX_S);
	}
}

static void check(const struct report *r)
{
	struct buf text = {0};
	struct report back;
	struct lm_err err;

	if (!name_is_valid(r->node) || !r->boot_id[0] || r->seq < 1)
		abort();
	check_range(r->cpu, 1);
	check_links(&r->peers);
	check_links(&r->clients);
	report_write(r, &text);
	if (report_parse(text.data, text.len, r->node, &back, &err) < 0)
		abort();
	if (back.peers.count != r->peers.count || back.clients.count != r->clients.count || back.seq != r->seq)
		abort();
	report_free(&back);
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct report r;
	struct lm_err err = {0};

	if (report_parse((const char *)data, size, NULL, &r, &err) == 0) {
		check(&r);
		report_free(&r);
	} else if (err.code != LM_DATA || !err.msg[0] || strchr(err.msg, '\n')) {
		abort();
	}
	return 0;
}
