/* From a matrix back to a snapshot that folds to the same. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "lib/matrix.h"

static void set(struct snapshot_links *links, size_t at, float rtt_us, float jitter_us, float loss)
{
	links->rtt_us[at] = rtt_us;
	links->jitter_us[at] = jitter_us;
	links->loss[at] = loss;
}

/* What `from` says of `to`. A direction that says nothing stays unknown; where neither was measured nor lost there is nothing to tell. */
static void unfold_direction(const struct matrix *m, uint32_t from, uint32_t to, struct snapshot *out)
{
	struct matrix_row row = matrix_node_row(m, from);
	size_t at = (size_t)from * out->nodes.count + to;

	if (row.pair[to] & PAIR_HERE)
		set(&out->link, at, row.rtt_us[to], matrix_jitter_us(m, from, to), matrix_loss(m, from, to));
	else if (row.pair[to] & PAIR_HERE_LOST)
		set(&out->link, at, NAN, NAN, 1);
}

/* In the arithmetic of matrix_build. */
static float cost_of(float rtt_us, float jitter_us, float loss)
{
	double cost = rtt_us;

	if (jitter_us > (float)MATRIX_JITTER_FREE_US)
		cost += jitter_us - MATRIX_JITTER_FREE_US;
	if (loss > (float)MATRIX_LOSS_FREE)
		cost += (loss - MATRIX_LOSS_FREE) * MATRIX_LOSS_COST_US;
	return (float)cost;
}

/* The jitter that makes this cost of that RTT; false: rounding leaves none. */
static bool jitter_for(float rtt_us, float cost_us, float loss, float *jitter_us)
{
	double beyond_us = (double)cost_us - (double)cost_of(rtt_us, 0, loss);
	int tries;

	*jitter_us = (float)(beyond_us + MATRIX_JITTER_FREE_US);
	for (tries = 0; tries < 8; tries++) {
		float got = cost_of(rtt_us, *jitter_us, loss);

		if (got >= cost_us && got <= cost_us)
			return true;
		*jitter_us = nextafterf(*jitter_us, got < cost_us ? INFINITY : 0);
	}
	return false;
}

static void unfold_client(const struct matrix *m, uint32_t node, uint32_t client, struct snapshot *out)
{
	static const float nudges[] = {0, 0.010001f, 0.010002f, 0.010003f};	/* a little loss moves the sum off a tie */
	struct matrix_row row = matrix_client_row(m, client);
	size_t at = (size_t)node * out->clients.count + client, i;
	float jitter_us = 0;

	if (row.pair[node] & PAIR_ESTIMATE) {
		snapshot_want_estimates(out);
		out->client_estimate_us[at] = row.cost_us[node];
		set(&out->client, at, row.rtt_us[node], NAN, NAN);
		return;
	}
	if (row.pair[node] & PAIR_THERE_LOST)
		set(&out->client, at, NAN, NAN, 1);
	if (!(row.pair[node] & PAIR_THERE))
		return;
	for (i = 0; i < sizeof(nudges) / sizeof(*nudges); i++)
		if (jitter_for(row.rtt_us[node], row.cost_us[node], nudges[i], &jitter_us))
			break;
	set(&out->client, at, row.rtt_us[node], jitter_us, i < sizeof(nudges) / sizeof(*nudges) ? nudges[i] : 0);
}

static void copy_names(const struct matrix *m, struct names *nodes, struct names *clients)
{
	uint32_t i;

	for (i = 0; i < matrix_nodes(m); i++)
		names_add(nodes, matrix_node_name(m, i));
	for (i = 0; i < matrix_clients(m); i++)
		names_add(clients, matrix_client_name(m, i));
}

static void unfold_entry(const struct matrix *m, struct snapshot_entry *out)
{
	uint32_t i;

	out->age_s = matrix_entry_age_s(m);
	for (i = 0; i < matrix_entries(m); i++)
		snapshot_entry_add(out, matrix_entry_name(m, i), (double)matrix_entry_rate(m)[i]);
}

void matrix_unfold(const struct matrix *m, struct snapshot *out)
{
	struct names nodes = {0}, clients = {0};
	uint32_t i, k;

	copy_names(m, &nodes, &clients);
	snapshot_init(out, &nodes, &clients);
	names_free(&nodes);
	names_free(&clients);
	snprintf(out->epoch, sizeof(out->epoch), "%.*s", SNAPSHOT_EPOCH_MAX, matrix_epoch(m));
	out->generation = matrix_generation(m);
	out->written_ms = matrix_written_ms(m);
	out->period_s = matrix_period_s(m);
	unfold_entry(m, &out->entry);
	for (i = 0; i < out->nodes.count; i++) {
		out->age_s[i] = matrix_age_s(m)[i];
		out->lost_s[i] = matrix_lost_s(m)[i];
		out->witnesses[i] = matrix_witnesses(m)[i];
		out->load[i].cpu = matrix_cpu(m)[i];
		out->load[i].rx_bytes_per_s = matrix_traffic(m)[i];
		if (!isnan(matrix_traffic(m)[i]))
			out->load[i].tx_bytes_per_s = 0;
		for (k = 0; k < out->nodes.count; k++)
			if (k != i)
				unfold_direction(m, i, k, out);
		for (k = 0; k < out->clients.count; k++)
			unfold_client(m, i, k, out);
	}
}
