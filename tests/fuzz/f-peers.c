/* peers.json, and a list of nodes or clients in JSON or YAML, of any bytes: refused in one line, or written and read back the same. */
#include <stdlib.h>
#include <string.h>

#include "lib/peers.h"
#include "tests/testing/fuzz.h"

FUZZ_CORPUS("{\"version\":1,\"nodes\":{\"edge-1\":[\"10.0.0.1\"],\"edge-2\":[\"fe80::1%eth0\"]},\"clients\":{\"milan\":[\"203.0.113.7\"]}}",
	    "{\"edge-1\":[\"10.0.0.1\",\"fd00::1\"],\"edge-2\":[]}", "edge-1:\n- 10.0.0.1\nedge-2: []\n", "{}")

static void check(const struct peers *peers)
{
	struct buf one = {0}, two = {0};
	struct peers back;
	struct lm_err err;

	peers_write(peers, &one);
	if (peers_parse(one.data, one.len, &back, &err) < 0)
		abort();
	peers_write(&back, &two);
	if (strcmp(one.data, two.data) != 0)
		abort();
	peers_free(&back);
	buf_free(&one);
	buf_free(&two);
}

static void check_error(const struct lm_err *err)
{
	if (err->code != LM_DATA || !err->msg[0] || strchr(err->msg, '\n'))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peers peers = {0};
	struct lm_err err = {0};

	if (peers_parse((const char *)data, size, &peers, &err) == 0)
		check(&peers);
	else
		check_error(&err);
	peers_free(&peers);
	if (peers_parse_list((const char *)data, size, "--nodes", &peers.nodes, &err) == 0)
		check(&peers);
	else
		check_error(&err);
	peers_free(&peers);
	return 0;
}
