/* snapshot.h: round trips of random snapshots in random layouts. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "lib/snapshot.h"
#include "tests/testing/testing.h"

static float random_cell(struct rng *rng, double max, double scale)
{
	double size = rng_chance(rng, 0.5) ? 1 : rng_unit(rng);

	return rng_chance(rng, 0.2) ? NAN : (float)(floor(rng_unit(rng) * size * max * scale) / scale);
}

static void random_links(struct snapshot_links *links, size_t count, struct rng *rng)
{
	size_t i;

	for (i = 0; i < count; i++) {
		links->rtt_us[i] = random_cell(rng, rng_chance(rng, 0.1) ? 6e7 : 5e4, 10);
		links->jitter_us[i] = random_cell(rng, 1e3, 10);
		links->loss[i] = random_cell(rng, 1, 10000);
	}
}

static void random_snapshot(struct snapshot *s, struct rng *rng)
{
	uint32_t nodes = rng_below(rng, 12), clients = rng_below(rng, 4), i;
	struct names node_names = {0}, client_names = {0};

	for (i = 0; i < nodes + clients; i++) {
		auto_free char *name = xasprintf("%c%u.x", 'a' + (int)rng_below(rng, 26), i);

		names_add(i < nodes ? &node_names : &client_names, name);
	}
	snapshot_init(s, &node_names, &client_names);
	names_free(&node_names);
	names_free(&client_names);
	snprintf(s->epoch, sizeof(s->epoch), "%llx", (unsigned long long)rng_next(rng));
	s->generation = (int64_t)(rng_next(rng) >> 12);
	s->written_ms = (int64_t)rng_below(rng, 1u << 31) * 1000;
	s->period_s = 60 + rng_below(rng, 100);
	s->degraded_runs = rng_below(rng, 3);
	for (i = 0; i < nodes; i++) {
		s->age_s[i] = rng_chance(rng, 0.2) ? NAN : (double)rng_below(rng, 100000) / 1000;
		s->load[i].cpu = rng_chance(rng, 0.2) ? NAN : (double)rng_below(rng, 10001) / 10000;
		s->load[i].tx_bytes_per_s = rng_chance(rng, 0.2) ? (double)NAN : rng_below(rng, 1u << 31);
		snprintf(s->seen[i].boot_id, sizeof(s->seen[i].boot_id), "%s", rng_chance(rng, 0.2) ? "" : "boot-1");
		s->seen[i].seq = s->seen[i].boot_id[0] ? rng_below(rng, 1000000) : 0;
		s->lost_s[i] = rng_chance(rng, 0.5) ? NAN : (double)rng_below(rng, 1000000) / 1000;
		s->witnesses[i] = rng_chance(rng, 0.5) ? 0 : rng_below(rng, nodes);
	}
	random_links(&s->link, (size_t)nodes * nodes, rng);
	random_links(&s->client, (size_t)nodes * clients, rng);
	if (rng_chance(rng, 0.5))
		snapshot_want_estimates(s);
	for (i = 0; s->client_estimate_us && i < nodes * clients; i++)
		s->client_estimate_us[i] = random_cell(rng, 5e4, 10);
	for (i = rng_below(rng, 6); i > 0; i--) {
		auto_free char *name = xasprintf("%c.entry", 'a' + (int)rng_below(rng, 26));

		snapshot_entry_add(&s->entry, name, rng_chance(rng, 0.2) ? 0 : rng_below(rng, 1u << 31) / 64.0);
		s->entry.age_s = rng_chance(rng, 0.2) ? (double)NAN : rng_below(rng, 100000) / 8.0;
	}
	for (i = 0; i < nodes; i++)
		s->link.rtt_us[i * nodes + i] = s->link.jitter_us[i * nodes + i] = s->link.loss[i * nodes + i] = 0;
}

static void same_cells(const float *a, const float *b, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (isnan(a[i]) != isnan(b[i]) || (!isnan(a[i]) && a[i] != b[i]))
			fail_msg("cell %zu: %.9g and %.9g", i, (double)a[i], (double)b[i]);
}

static void same(const struct snapshot *a, const struct snapshot *b)
{
	size_t n = a->nodes.count, c = a->clients.count, i;

	assert_string_equal(a->epoch, b->epoch);
	assert_int_equal(a->generation, b->generation);
	assert_int_equal(a->written_ms, b->written_ms);
	assert_int_equal(a->degraded_runs, b->degraded_runs);
	assert_int_equal(n, b->nodes.count);
	assert_int_equal(c, b->clients.count);
	assert_true(a->period_s == b->period_s);
	for (i = 0; i < n; i++) {
		assert_string_equal(a->nodes.items[i], b->nodes.items[i]);
		assert_true(a->age_s[i] == b->age_s[i] || (isnan(a->age_s[i]) && isnan(b->age_s[i])));
		assert_true(a->load[i].cpu == b->load[i].cpu || (isnan(a->load[i].cpu) && isnan(b->load[i].cpu)));
		assert_string_equal(a->seen[i].boot_id, b->seen[i].boot_id);
		assert_int_equal(a->seen[i].seq, b->seen[i].seq);
		assert_true(a->lost_s[i] == b->lost_s[i] || (isnan(a->lost_s[i]) && isnan(b->lost_s[i])));
		assert_int_equal(a->witnesses[i], b->witnesses[i]);
	}
	same_cells(a->link.rtt_us, b->link.rtt_us, n * n);
	same_cells(a->link.jitter_us, b->link.jitter_us, n * n);
	same_cells(a->link.loss, b->link.loss, n * n);
	same_cells(a->client.rtt_us, b->client.rtt_us, n * c);
	same_cells(a->client.jitter_us, b->client.jitter_us, n * c);
	same_cells(a->client.loss, b->client.loss, n * c);
	assert_int_equal(!a->client_estimate_us, !b->client_estimate_us);
	if (a->client_estimate_us)
		same_cells(a->client_estimate_us, b->client_estimate_us, n * c);
	assert_int_equal(a->entry.nodes.count, b->entry.nodes.count);
	assert_true(a->entry.age_s == b->entry.age_s || (isnan(a->entry.age_s) && isnan(b->entry.age_s)));
	for (i = 0; i < a->entry.nodes.count; i++) {
		assert_string_equal(a->entry.nodes.items[i], b->entry.nodes.items[i]);
		assert_true(a->entry.rate[i] == b->entry.rate[i]);
	}
}

static void what_is_written_is_read_back(void **state)
{
	struct rng rng = rng_make(test_seed());
	int round;

	(void)state;
	for (round = 0; round < 300; round++) {
		auto_snapshot struct snapshot a = {0}, b = {0};
		auto_buf struct buf text = {0}, again = {0};
		struct lm_err err;

		random_snapshot(&a, &rng);
		snapshot_write(&a, &text);
		if (snapshot_parse(text.data, text.len, &b, &err) < 0)
			fail_msg("%s in %s", err.msg, text.data);
		same(&a, &b);
		snapshot_write(&b, &again);
		assert_string_equal(text.data, again.data);
	}
}

static void a_copy_of_entry_is_the_same(void **state)
{
	struct snapshot_entry a = {.age_s = 3}, b;

	(void)state;
	assert_true(snapshot_entry_add(&a, "edge-1", 2) && snapshot_entry_add(&a, "edge-2", 1) && !snapshot_entry_add(&a, "edge-1", 5));
	snapshot_entry_copy(&b, &a);
	snapshot_entry_free(&a);
	assert_true(a.nodes.count == 0 && isnan(a.age_s));
	assert_true(b.nodes.count == 2 && b.rate[0] == 2 && b.rate[1] == 1 && b.age_s == 3);
	snapshot_entry_free(&b);
}

static void blanks(struct buf *out, struct rng *rng)
{
	while (rng_chance(rng, 0.3))
		buf_char(out, " \n\t\r"[rng_below(rng, 4)]);
}

/* Any value, with blanks wherever JSON allows them. */
static void write_loosely(struct buf *out, const cJSON *value, struct rng *rng)
{
	const cJSON *item;

	blanks(out, rng);
	if (cJSON_IsArray(value) || cJSON_IsObject(value)) {
		buf_char(out, cJSON_IsArray(value) ? '[' : '{');
		blanks(out, rng);
		cJSON_ArrayForEach(item, value) {
			if (item != value->child)
				buf_char(out, ',');
			if (item->string) {
				blanks(out, rng);
				buf_json_string(out, item->string);
				blanks(out, rng);
				buf_char(out, ':');
			}
			write_loosely(out, item, rng);
		}
		buf_char(out, cJSON_IsArray(value) ? ']' : '}');
	} else if (cJSON_IsNumber(value)) {
		buf_printf(out, rng_chance(rng, 0.1) ? "%.16e" : "%.17g", value->valuedouble);
	} else {
		char *text = cJSON_PrintUnformatted(value);

		buf_str(out, text);
		cJSON_free(text);
	}
	blanks(out, rng);
}

/* The members in another order, in another layout: cJSON reads our text, and what it makes of it is read by us again. */
static void layout_and_order_carry_no_meaning(void **state)
{
	struct rng rng = rng_make(test_seed());
	int round;

	(void)state;
	for (round = 0; round < 200; round++) {
		auto_snapshot struct snapshot a = {0}, b = {0};
		auto_buf struct buf text = {0}, loose = {0};
		auto_json cJSON *root = NULL, *shuffled = cJSON_CreateObject();
		struct lm_err err;

		random_snapshot(&a, &rng);
		snapshot_write(&a, &text);
		root = json_parse(text.data, text.len, JSON_DEPTH, &err);
		assert_non_null(root);
		cJSON_AddStringToObject(root, "note", "]] }, \"rtt_us\":[[ \\ ");
		while (root->child) {
			cJSON *member = cJSON_DetachItemFromArray(root, (int)rng_below(&rng, (uint32_t)cJSON_GetArraySize(root)));
			auto_free char *key = xstrdup(member->string);

			cJSON_AddItemToObject(shuffled, key, member);
		}
		write_loosely(&loose, shuffled, &rng);
		if (snapshot_parse(loose.data, loose.len, &b, &err) < 0)
			fail_msg("%s in %s", err.msg, loose.data);
		same(&a, &b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copy_of_entry_is_the_same),
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(layout_and_order_carry_no_meaning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
