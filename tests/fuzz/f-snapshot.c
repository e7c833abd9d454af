/*
 * cluster-latency.json of any bytes. What is accepted must be strict JSON by lib/json.h too (the row scanner is as strict as the rest),
 * must survive being written, and must make a matrix; what is refused is refused in one line.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/json.h"
#include "lib/matrix.h"
#include "lib/snapshot.h"
#include "tests/testing/fuzz.h"

FUZZ_CORPUS("{\"version\":1,\"epoch\":\"e\",\"generation\":4182,\"written\":\"2026-11-21T21:00:00.000Z\",\"period_s\":60,\"degraded_runs\":0,\n"
	    "\"nodes\":[\"a\",\"b\"],\"age_s\":[3,null],\"seen\":[[\"boot\",42],null],\"load\":[{\"cpu\":0.5,\"rx_bytes_per_s\":1},null],\n"
	    "\"rtt_us\":[\n[0,412],\n[409.5,0]],\"jitter_us\":[[0,1],[2,0]],\"loss\":[[0,0.25],[null,0]],\n"
	    "\"clients\":[\"milan\"],\"client_rtt_us\":[[1890],[null]],\"client_jitter_us\":[[1],[2]],\"client_loss\":[[0],[1]],\n"
	    "\"lost_s\":[2.5,null],\"witnesses\":[1,0],\"entry\":{\"a\":812.5,\"far.away\":1e3},\"entry_age_s\":12,\"client_estimate_us\":[[1700.5],[null]]}",
	    "{\"rtt_us\":[[0,1e2],[-0.0,0.000000000000000000001]],\"nodes\":[\"a\",\"b\"],\"version\":1}",
	    "{\"edge-1\":{\"edge-2\":0.412,\"edge-3\":null}, \"edge-2\":{\"edge-1\":0.409}}", "{\"version\":1,\"nodes\":[],\"rtt_us\":[]}")

static void check_written(const struct snapshot *s)
{
	struct buf one = {0}, two = {0};
	struct snapshot back;
	struct lm_err err;

	snapshot_write(s, &one);
	if (snapshot_parse(one.data, one.len, &back, &err) < 0)
		abort();
	snapshot_write(&back, &two);
	if (one.len != two.len || memcmp(one.data, two.data, one.len) != 0)
		abort();
	snapshot_free(&back);
	buf_free(&one);
	buf_free(&two);
}

static void check_matrix(const struct snapshot *s)
{
	struct matrix *m = matrix_build(s), *back;
	struct lm_err err;
	int fd;

	if (matrix_to_memfd(m, &fd, &err) < 0 || matrix_from_memfd(fd, &back, &err) < 0 || matrix_digest(m) != matrix_digest(back))
		abort();
	close(fd);
	matrix_unref(m);
	matrix_unref(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct snapshot s;
	struct lm_err err = {0};
	int64_t generation;

	snapshot_peek(text, size, NULL, &generation, &(struct lm_err){0});
	if (snapshot_parse(text, size, &s, &err) == 0) {
		if (json_check(text, size, JSON_DEPTH, &err) < 0)
			abort();
		if (s.nodes.count <= 64 && s.clients.count <= 64) {
			check_written(&s);
			check_matrix(&s);
		}
		snapshot_free(&s);
	} else if (err.code != LM_DATA || !err.msg[0] || strchr(err.msg, '\n')) {
		abort();
	}
	return 0;
}
