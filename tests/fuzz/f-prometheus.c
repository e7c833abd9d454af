/* An answer of a Prometheus, and a list of entry nodes, of any bytes: refused in one line, or rates that a snapshot can hold. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "merge/inflow.h"
#include "tests/testing/fuzz.h"

FUZZ_CORPUS("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"node\":\"edge-1\"},\"value\":[1764443700.781,\"812.5\"]},"
	    "{\"metric\":{\"node\":\"edge-2\",\"code\":\"200\"},\"value\":[1764443700.781,\"NaN\"]}]},\"warnings\":[\"one\"]}",
	    "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"found duplicate series\"}", "{\"edge-1\":3,\"edge-2\":0.5}", "edge-1: 3\nedge-2: 1e3\n")

static void check(const struct snapshot_entry *entry)
{
	uint32_t i;

	if (entry->nodes.count > SNAPSHOT_MAX_NODES || !isnan(entry->age_s))
		abort();
	for (i = 0; i < entry->nodes.count; i++)
		if (!name_is_valid(entry->nodes.items[i]) || !(entry->rate[i] >= 0 && entry->rate[i] <= SNAPSHOT_RATE_MAX))
			abort();
}

static void check_error(const struct lm_err *err)
{
	if (err->code != LM_DATA || !err->msg[0] || strchr(err->msg, '\n'))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct prometheus_answer answer;
	struct snapshot_entry entry;
	struct lm_err err = {0};

	if (prometheus_parse((const char *)data, size, &answer, &err) == 0)
		check(&answer.rates);
	else
		check_error(&err);
	prometheus_answer_free(&answer);
	if (inflow_parse_list((const char *)data, size, &entry, &err) == 0)
		check(&entry);
	else
		check_error(&err);
	snapshot_entry_free(&entry);
	return 0;
}
