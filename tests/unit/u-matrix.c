/* matrix.h: folding against its formula, hand-over by memfd, blocks from a hostile writer. */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/matrix.c"
#include "lib/matrix_build.c"
#include "lib/matrix_memfd.c"

#include "tests/testing/testing.h"

static float random_cell(struct rng *rng, double max)
{
	return rng_chance(rng, 0.25) ? NAN : (float)(floor(rng_unit(rng) * max * 10) / 10);
}

static float random_loss(struct rng *rng)
{
	return rng_chance(rng, 0.2) ? NAN : rng_chance(rng, 0.2) ? 1 : (float)rng_unit(rng);
}

static void random_snapshot(struct snapshot *s, uint32_t nodes, uint32_t clients, struct rng *rng)
{
	struct names node_names = {0}, client_names = {0};
	size_t i;

	for (i = 0; i < nodes + clients; i++) {
		auto_free char *name = xasprintf("%s-%zu", i < nodes ? "edge" : "client", i < nodes ? i : i - nodes);

		names_add(i < nodes ? &node_names : &client_names, name);
	}
	snapshot_init(s, &node_names, &client_names);
	names_free(&node_names);
	names_free(&client_names);
	for (i = 0; i < (size_t)nodes * nodes; i++) {
		if (i % (nodes + 1) == 0)
			continue;
		s->link.rtt_us[i] = random_cell(rng, 30000);
		s->link.jitter_us[i] = random_cell(rng, 200);
		s->link.loss[i] = random_loss(rng);
	}
	for (i = 0; i < (size_t)nodes * clients; i++) {
		s->client.rtt_us[i] = random_cell(rng, 30000);
		s->client.jitter_us[i] = random_cell(rng, 200);
		s->client.loss[i] = random_loss(rng);
	}
	for (i = 0; i < nodes; i++) {
		s->age_s[i] = rng_chance(rng, 0.2) ? (double)NAN : rng_unit(rng) * 1000;
		s->load[i].cpu = rng_chance(rng, 0.2) ? (double)NAN : rng_unit(rng);
		s->lost_s[i] = rng_chance(rng, 0.3) ? (double)NAN : rng_unit(rng) * 1000;
		s->witnesses[i] = rng_below(rng, nodes);
	}
	for (i = 0; i < nodes; i++) {
		s->load[i].rx_bytes_per_s = rng_chance(rng, 0.2) ? (double)NAN : rng_unit(rng) * 1e8;
		s->load[i].tx_bytes_per_s = rng_chance(rng, 0.2) ? (double)NAN : rng_unit(rng) * 1e8;
	}
	for (i = 0; i < rng_below(rng, 5); i++) {
		auto_free char *name = xasprintf("edge-%u", rng_below(rng, nodes + 3));

		snapshot_entry_add(&s->entry, name, rng_chance(rng, 0.2) ? 0 : rng_unit(rng) * 1e3);
		s->entry.age_s = rng_chance(rng, 0.2) ? (double)NAN : rng_unit(rng) * 100;
	}
	if (clients && rng_chance(rng, 0.5)) {
		snapshot_want_estimates(s);
		for (i = 0; i < (size_t)nodes * clients; i++)
			s->client_estimate_us[i] = random_cell(rng, 30000);
	}
	snprintf(s->epoch, sizeof(s->epoch), "epoch-1");
	s->generation = 7;
	s->period_s = 60;
}

static bool same(float a, float b)
{
	return (isnan(a) && isnan(b)) || a == b;
}

/* DESIGN.md in other words than matrix_build.c: the larger of what is known. */
static float fold_naively(float a, float b)
{
	return isnan(a) ? b : isnan(b) ? a : fmaxf(a, b);
}

static float cost_naively(float rtt_us, float jitter_us, float loss)
{
	double cost = rtt_us;

	if (!isnan(jitter_us))
		cost += fmax(0, jitter_us - 50.0);
	if (!isnan(loss))
		cost += fmax(0, loss - 0.01) * 200000;
	return (float)cost;
}

static int flags_naively(float out, float out_loss, float back, float back_loss)
{
	return (isnan(out) ? 0 : PAIR_HERE) | (isnan(back) ? 0 : PAIR_THERE) | (isnan(out) && out_loss == 1 ? PAIR_HERE_LOST : 0) |
	       (isnan(back) && back_loss == 1 ? PAIR_THERE_LOST : 0);
}

static void check_pair(const struct snapshot *s, const struct matrix *m, uint32_t a, uint32_t b)
{
	size_t out = (size_t)a * s->nodes.count + b, back = (size_t)b * s->nodes.count + a;
	float rtt_us = fold_naively(s->link.rtt_us[out], s->link.rtt_us[back]);
	float jitter_us = fold_naively(s->link.jitter_us[out], s->link.jitter_us[back]);
	float loss = fold_naively(s->link.loss[out], s->link.loss[back]);
	struct matrix_row row = matrix_node_row(m, a);

	assert_true(same(row.rtt_us[b], rtt_us));
	assert_true(same(matrix_jitter_us(m, a, b), jitter_us) && same(matrix_loss(m, a, b), loss));
	if (a == b) {
		assert_true(row.rtt_us[b] == 0 && row.cost_us[b] == 0 && row.pair[b] == (PAIR_HERE | PAIR_THERE));
		return;
	}
	assert_true(same(row.cost_us[b], cost_naively(rtt_us, jitter_us, loss)));
	assert_true(isnan(row.cost_us[b]) == isnan(rtt_us)); /* unknown stays unknown, whatever is known beside it */
	assert_int_equal(row.pair[b], flags_naively(s->link.rtt_us[out], s->link.loss[out], s->link.rtt_us[back], s->link.loss[back]));
	assert_true(same(row.cost_us[b], matrix_node_row(m, b).cost_us[a]));
}

static void check_client(const struct snapshot *s, const struct matrix *m, uint32_t client, uint32_t node)
{
	size_t at = (size_t)node * s->clients.count + client;
	struct matrix_row row = matrix_client_row(m, client);

	float cost_us = cost_naively(s->client.rtt_us[at], s->client.jitter_us[at], s->client.loss[at]);
	float estimate_us = s->client_estimate_us ? s->client_estimate_us[at] : NAN;
	bool estimated = !isnan(estimate_us) && !isnan(cost_us);

	assert_true(same(row.rtt_us[node], s->client.rtt_us[at]));	/* of an estimate too: the bound, which limits look at */
	assert_true(same(row.cost_us[node], estimated ? fminf(s->client.rtt_us[at], estimate_us) : cost_us));
	assert_int_equal(row.pair[node], flags_naively(NAN, NAN, s->client.rtt_us[at], s->client.loss[at]) | (estimated ? PAIR_ESTIMATE : 0));
}

static void check_entry(const struct snapshot *s, const struct matrix *m)
{
	uint32_t i;

	assert_int_equal(matrix_entries(m), s->entry.nodes.count);
	assert_true(same((float)matrix_entry_age_s(m), (float)s->entry.age_s));
	for (i = 0; i < s->entry.nodes.count; i++) {
		assert_string_equal(matrix_entry_name(m, i), s->entry.nodes.items[i]);
		assert_true(matrix_entry_rate(m)[i] == (float)s->entry.rate[i]);
	}
	for (i = 0; i < s->nodes.count; i++)
		assert_true(same(matrix_traffic(m)[i], (float)(s->load[i].rx_bytes_per_s + s->load[i].tx_bytes_per_s)));
}

static void check_all(const struct snapshot *s, const struct matrix *m)
{
	double worst_us = 0;
	uint32_t a, b;

	assert_int_equal(matrix_nodes(m), s->nodes.count);
	assert_int_equal(matrix_clients(m), s->clients.count);
	for (a = 0; a < s->nodes.count; a++) {
		assert_string_equal(matrix_node_name(m, a), s->nodes.items[a]);
		assert_int_equal(matrix_find_node(m, s->nodes.items[a]), a);
		assert_int_equal(matrix_find_client(m, s->nodes.items[a]), NAMES_NONE);
		assert_true(same(matrix_age_s(m)[a], (float)s->age_s[a]) && same(matrix_cpu(m)[a], (float)s->load[a].cpu));
		for (b = 0; b < s->nodes.count; b++) {
			check_pair(s, m, a, b);
			worst_us = fmax(worst_us, matrix_node_row(m, a).rtt_us[b]);
		}
	}
	for (b = 0; b < s->clients.count; b++) {
		assert_string_equal(matrix_client_name(m, b), s->clients.items[b]);
		assert_int_equal(matrix_find_client(m, s->clients.items[b]), b);
		for (a = 0; a < s->nodes.count; a++) {
			check_client(s, m, b, a);
			worst_us = fmax(worst_us, matrix_client_row(m, b).rtt_us[a]);
		}
	}
	check_entry(s, m);
	for (a = 0; a < s->nodes.count; a++)
		assert_true(same(matrix_lost_s(m)[a], (float)s->lost_s[a]) && matrix_witnesses(m)[a] == s->witnesses[a]);
	assert_true(matrix_worst_us(m) == worst_us);
	assert_int_equal(matrix_find_node(m, "nobody"), NAMES_NONE);
}

static void folds_as_the_formula_says(void **state)
{
	static const uint32_t sizes[] = {0, 1, 2, 3, 63, 64, 65, 130};
	struct rng rng = rng_make(test_seed());
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(sizes) + 20; i++) {
		auto_snapshot struct snapshot s = {0};
		auto_matrix struct matrix *m = NULL;

		random_snapshot(&s, i < ARRAY_SIZE(sizes) ? sizes[i] : rng_below(&rng, 80), rng_below(&rng, 5), &rng);
		m = matrix_build(&s);
		check_all(&s, m);
		assert_string_equal(matrix_epoch(m), "epoch-1");
		assert_int_equal(matrix_generation(m), 7);
		assert_true(matrix_period_s(m) == 60 && !matrix_is_plain(m));
	}
}

static void a_period_is_at_least_a_minute(void **state)
{
	auto_snapshot struct snapshot s = {0};
	auto_matrix struct matrix *m = NULL;

	(void)state;
	snapshot_init(&s, &(struct names){0}, NULL);
	s.period_s = 5;
	m = matrix_build(&s);
	assert_true(matrix_period_s(m) == 60 && matrix_worst_us(m) == 0);
}

static void survives_the_way_through_a_memfd(void **state)
{
	struct rng rng = rng_make(test_seed());
	int round;

	(void)state;
	for (round = 0; round < 20; round++) {
		auto_snapshot struct snapshot s = {0};
		auto_matrix struct matrix *m = NULL, *back = NULL;
		auto_close int fd = -1;
		struct lm_err err;
		char byte = 1;

		random_snapshot(&s, rng_below(&rng, 50), rng_below(&rng, 5), &rng);
		m = matrix_build(&s);
		assert_int_equal(matrix_to_memfd(m, &fd, &err), 0);
		assert_int_equal(pwrite(fd, &byte, 1, 0), -1);
		if (matrix_from_memfd(fd, &back, &err) < 0)
			fail_msg("%s", err.msg);
		check_all(&s, back);
		assert_true(matrix_digest(m) == matrix_digest(back));
		matrix_unref(matrix_ref(back));
	}
}

static void an_edit_changes_the_digest(void **state)
{
	struct rng rng = rng_make(test_seed());
	auto_snapshot struct snapshot s = {0};
	auto_matrix struct matrix *m = NULL, *again = NULL;
	int round;

	(void)state;
	random_snapshot(&s, 20, 2, &rng);
	m = matrix_build(&s);
	again = matrix_build(&s);
	assert_true(matrix_digest(m) == matrix_digest(again));
	for (round = 0; round < 200; round++) {
		auto_matrix struct matrix *edited = NULL;
		size_t row = rng_below(&rng, 20), column = rng_below(&rng, 20), at = row * 20 + column;
		float before = s.link.rtt_us[at];

		if (row == column)
			continue;
		s.link.rtt_us[at] = 50000 + (float)rng_below(&rng, 1000); /* larger than the other direction: it counts */
		edited = matrix_build(&s);
		assert_true(matrix_digest(m) != matrix_digest(edited));
		s.link.rtt_us[at] = before;
	}
	for (round = 0; round < 20; round++) {
		auto_matrix struct matrix *longer = NULL, *more = NULL;

		s.lost_s[round] = isnan(s.lost_s[round]) ? 0 : s.lost_s[round] + 1;
		longer = matrix_build(&s);
		s.witnesses[round] = (s.witnesses[round] + 1) % 20;
		more = matrix_build(&s);
		assert_true(matrix_digest(m) != matrix_digest(longer) && matrix_digest(more) != matrix_digest(longer));
	}
}

/* --- a hostile writer ---------------------------------------------------------------------------------------------- */

static int sealed_copy(const char *block, size_t size, int seals)
{
	int fd = memfd_create("hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, block, size), (ssize_t)size);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

/* Reads all that an accepted matrix offers: ASan and the bounds of the mapping say whether it was sound. */
static void use_all(const struct matrix *m)
{
	volatile float sum = 0;
	uint32_t a, b;

	for (a = 0; a < matrix_nodes(m); a++) {
		struct matrix_row row = matrix_node_row(m, a);

		matrix_find_node(m, matrix_node_name(m, a));
		matrix_find_node(m, "nobody");
		assert_true(isnan(matrix_traffic(m)[a]) || matrix_traffic(m)[a] >= 0);
		assert_true(isnan(matrix_lost_s(m)[a]) || matrix_lost_s(m)[a] >= 0);
		assert_true(matrix_witnesses(m)[a] < matrix_nodes(m));
		for (b = 0; b < matrix_nodes(m); b++) {
			sum += row.rtt_us[b] + row.cost_us[b] + row.pair[b] + matrix_loss(m, a, b) + matrix_jitter_us(m, a, b);
			assert_true(isnan(row.cost_us[b]) || (row.cost_us[b] >= 0 && row.cost_us[b] <= 1e9f));
		}
	}
	for (a = 0; a < matrix_clients(m); a++) {
		matrix_find_client(m, matrix_client_name(m, a));
		for (b = 0; b < matrix_nodes(m); b++)
			sum += matrix_client_row(m, a).rtt_us[b];
	}
	for (a = 0; a < matrix_entries(m); a++)
		assert_true(name_is_valid(matrix_entry_name(m, a)) && (isnan(matrix_entry_rate(m)[a]) || matrix_entry_rate(m)[a] >= 0));
	assert_true(isnan(matrix_entry_age_s(m)) || matrix_entry_age_s(m) >= 0);
	(void)sum;
	assert_true(strlen(matrix_epoch(m)) <= SNAPSHOT_EPOCH_MAX && matrix_period_s(m) >= 1);
}

/* Offsets, counts, hash slots, names and numbers overwritten at random: refused, or harmless. */
static void hostile_blocks_are_refused_or_harmless(void **state)
{
	struct rng rng = rng_make(test_seed());
	auto_snapshot struct snapshot s = {0};
	auto_matrix struct matrix *m = NULL;
	int round, refused = 0;

	(void)state;
	random_snapshot(&s, 9, 2, &rng);
	m = matrix_build(&s);
	for (round = 0; round < 5000; round++) {
		auto_free char *block = xmalloc(m->at.size);
		bool in_header = rng_chance(&rng, 0.3);
		size_t at = rng_below(&rng, (uint32_t)(in_header ? sizeof(struct matrix_header) : m->at.size) - 8);
		uint64_t value = rng_chance(&rng, 0.5) ? rng_next(&rng) : rng_chance(&rng, 0.5) ? rng_below(&rng, 300) : UINT64_MAX;
		auto_matrix struct matrix *back = NULL;
		auto_close int fd = -1;
		struct lm_err err;

		memcpy(block, m->block, m->at.size);
		memcpy(block + at, &value, 1 + rng_below(&rng, 8));
		fd = sealed_copy(block, m->at.size, SEALS);
		if (matrix_from_memfd(fd, &back, &err) == 0)
			use_all(back);
		else
			refused++;
	}
	assert_true(refused > 500);
}

static void refuses_what_is_no_sealed_block(void **state)
{
	struct rng rng = rng_make(test_seed());
	auto_snapshot struct snapshot s = {0};
	auto_matrix struct matrix *m = NULL;
	struct matrix *back;
	struct lm_err err;
	size_t i;
	int fd;

	(void)state;
	random_snapshot(&s, 5, 1, &rng);
	m = matrix_build(&s);
	fd = sealed_copy(m->block, m->at.size, F_SEAL_SHRINK | F_SEAL_GROW); /* could still be written to */
	assert_int_equal(matrix_from_memfd(fd, &back, &err), -1);
	close(fd);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(matrix_from_memfd(fd, &back, &err), -1);
	close(fd);
	for (i = 0; i < m->at.size; i += 1 + rng_below(&rng, 64)) {
		fd = sealed_copy(m->block, i, SEALS);
		assert_int_equal(matrix_from_memfd(fd, &back, &err), -1);
		close(fd);
	}
	assert_int_equal(err.code, LM_DATA);
}

static void expect_cells(const float *a, const float *b, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (!same(a[i], b[i]))
			fail_msg("cell %zu: %.9g, not %.9g", i, (double)b[i], (double)a[i]);
}

/* For the dump: through the text of a file, too. Values in the steps that files have. */
static void unfolds_to_what_folds_to_the_same(void **state)
{
	struct rng rng = rng_make(test_seed());
	int round;

	(void)state;
	for (round = 0; round < 200; round++) {
		uint32_t nodes = 1 + rng_below(&rng, 12), clients = rng_below(&rng, 4);
		auto_snapshot struct snapshot first = {0}, unfolded = {0}, read = {0};
		auto_matrix struct matrix *a = NULL, *b = NULL;
		auto_buf struct buf text = {0};
		struct lm_err err;
		size_t i;

		random_snapshot(&first, nodes, clients, &rng);
		for (i = 0; i < (size_t)nodes * nodes; i++)
			first.link.loss[i] = roundf(first.link.loss[i] * 10000) / 10000;
		for (i = 0; i < (size_t)nodes * clients; i++)
			first.client.loss[i] = roundf(first.client.loss[i] * 10000) / 10000;
		a = matrix_build(&first);
		matrix_unfold(a, &unfolded);
		snapshot_write_exact(&unfolded, &text);
		if (snapshot_parse(text.data, text.len, &read, &err) < 0)
			fail_msg("%s: %s", err.msg, text.data);
		b = matrix_build(&read);
		expect_cells(matrix_part(a, a->at.rtt), matrix_part(b, b->at.rtt), (size_t)nodes * nodes);
		expect_cells(matrix_part(a, a->at.cost), matrix_part(b, b->at.cost), (size_t)nodes * nodes);
		expect_cells(matrix_part(a, a->at.client_rtt), matrix_part(b, b->at.client_rtt), (size_t)nodes * clients);
		expect_cells(matrix_part(a, a->at.client_cost), matrix_part(b, b->at.client_cost), (size_t)nodes * clients);
		assert_memory_equal(matrix_part(a, a->at.pair), matrix_part(b, b->at.pair), (size_t)nodes * nodes);
		assert_memory_equal(matrix_part(a, a->at.client_pair), matrix_part(b, b->at.client_pair), (size_t)nodes * clients);
		expect_cells(matrix_traffic(a), matrix_traffic(b), nodes);
		for (i = 0; i < nodes; i++)
			assert_true(same(matrix_lost_s(a)[i], matrix_lost_s(b)[i]) || fabsf(matrix_lost_s(a)[i] - matrix_lost_s(b)[i]) < 1e-5f);
		assert_memory_equal(matrix_witnesses(a), matrix_witnesses(b), nodes * sizeof(uint32_t));
		assert_int_equal(matrix_entries(a), matrix_entries(b));
		expect_cells(matrix_entry_rate(a), matrix_entry_rate(b), matrix_entries(a));
		for (i = 0; i < matrix_entries(a); i++)
			assert_string_equal(matrix_entry_name(a, (uint32_t)i), matrix_entry_name(b, (uint32_t)i));
		assert_true(fabs(matrix_entry_age_s(a) - matrix_entry_age_s(b)) < 1e-5 || isnan(matrix_entry_age_s(a) + matrix_entry_age_s(b)));
		assert_true(matrix_worst_us(a) >= matrix_worst_us(b) && matrix_worst_us(a) <= matrix_worst_us(b));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folds_as_the_formula_says),
		cmocka_unit_test(a_period_is_at_least_a_minute),
		cmocka_unit_test(survives_the_way_through_a_memfd),
		cmocka_unit_test(unfolds_to_what_folds_to_the_same),
		cmocka_unit_test(an_edit_changes_the_digest),
		cmocka_unit_test(hostile_blocks_are_refused_or_harmless),
		cmocka_unit_test(refuses_what_is_no_sealed_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
