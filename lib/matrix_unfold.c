/* From a matrix back to a snapshot that folds to the same. */
#include <math.h>
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

/* The jitter that makes this cost of that RTT, in the arithmetic of matrix_build. */
static float jitter_for(float rtt_us, float cost_us)
{
	float jitter_us = (float)((double)cost_us - (double)rtt_us + MATRIX_JITTER_FREE_US);
	int tries;

	for (tries = 0; tries < 8; tries++) {
		float got = (float)((double)rtt_us + ((double)jitter_us - MATRIX_JITTER_FREE_US));

		if (got < cost_us)
			jitter_us = nextafterf(jitter_us, INFINITY);
		else if (got > cost_us)
			jitter_us = nextafterf(jitter_us, 0);
		else
			break;
	}
	return jitter_us;
}

static void unfold_client(const struct matrix *m, uint32_t node, uint32_t client, struct snapshot *out)
{
	struct matrix_row row = matrix_client_row(m, client);
	size_t at = (size_t)node * out->clients.count + client;

	if (row.pair[node] & PAIR_THERE)
		set(&out->client, at, row.rtt_us[node], row.cost_us[node] > row.rtt_us[node] ? jitter_for(row.rtt_us[node], row.cost_us[node]) : 0, 0);
	else if (row.pair[node] & PAIR_THERE_LOST)
		set(&out->client, at, NAN, NAN, 1);
}

static void copy_names(const struct matrix *m, struct names *nodes, struct names *clients)
{
	uint32_t i;

	for (i = 0; i < matrix_nodes(m); i++)
		names_add(nodes, matrix_node_name(m, i));
	for (i = 0; i < matrix_clients(m); i++)
		names_add(clients, matrix_client_name(m, i));
}

void matrix_unfold(const struct matrix *m, struct snapshot *out)
{
	struct names nodes = {0}, clients = {0};
	uint32_t i, k;

	copy_names(m, &nodes, &clients);
	snapshot_init(out, &nodes, &clients);
	names_free(&nodes);
	names_free(&clients);
	snprintf(out->epoch, sizeof(out->epoch), "%s", matrix_epoch(m));
	out->generation = matrix_generation(m);
	out->written_ms = matrix_written_ms(m);
	out->period_s = matrix_period_s(m);
	for (i = 0; i < out->nodes.count; i++) {
		out->age_s[i] = matrix_age_s(m)[i];
		out->load[i].cpu = matrix_cpu(m)[i];
		for (k = 0; k < out->nodes.count; k++)
			if (k != i)
				unfold_direction(m, i, k, out);
		for (k = 0; k < out->clients.count; k++)
			unfold_client(m, i, k, out);
	}
}
