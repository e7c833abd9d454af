#include "merge/estimate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define LEAST_US 1.0
#define UNKNOWN_LEG_COST 4.0		/* as if it was two standard errors off: knowing nothing must not win */
#define LIKELY 1e-3			/* of the best: less changes nothing */
#define SCALE 10.0			/* the file holds 0.1 us */

/* What is known of a client at one node. */
struct cell {
	double value_us;		/* NaN: nothing was said or measured */
	uint32_t reporters;		/* 0: a probe measured it, or nothing */
	uint32_t reporter;
	bool lost;			/* the probe says so */
};

/* One cell of the measure. */
struct known {
	uint32_t node;
	double value_us, weight;	/* 1 / error squared */
	const float *rtt_us;		/* from it to all nodes */
};

struct landmark {
	uint32_t node;
	double access_us, cost;		/* cost: -2 log likelihood */
};

struct work {
	struct snapshot *s;
	uint32_t nodes, client;
	float **rtt_us;			/* by node, folded rows made when first wanted */
	struct cell *cells;		/* by node, of the client at hand */
	struct known *known;
	uint32_t known_count;
	struct landmark *landmarks;
	uint32_t landmark_count;
	double *bound_us, *estimate_us;	/* by node */
	struct estimate_summary *summary;
};

/* To what the file holds, and not beyond its limit; else a bound does not become less. */
static float rounded_up(double us)
{
	return (float)fmin(ceil(us * SCALE) / SCALE, REPORT_RTT_MAX_US);
}

static float rounded(double us)
{
	return (float)fmin(floor(us * SCALE + 0.5) / SCALE, REPORT_RTT_MAX_US);
}

/* Both directions, as matrix.h folds them: the larger, unknown where one was lost. */
static float folded(const struct snapshot *s, uint32_t a, uint32_t b)
{
	size_t there = (size_t)a * s->nodes.count + b, back = (size_t)b * s->nodes.count + a;
	float x = s->link.rtt_us[there], y = s->link.rtt_us[back];

	if ((isnan(x) && s->link.loss[there] >= 1) || (isnan(y) && s->link.loss[back] >= 1))
		return NAN;
	return isnan(y) || x > y ? x : y;
}

static const float *row_of(struct work *w, uint32_t node)
{
	uint32_t i;

	if (w->rtt_us[node])
		return w->rtt_us[node];
	w->rtt_us[node] = xcalloc(w->nodes, sizeof(float));
	for (i = 0; i < w->nodes; i++)
		w->rtt_us[node][i] = i == node ? 0 : folded(w->s, node, i);
	return w->rtt_us[node];
}

/* --- what is known of a client ---------------------------------------------------------------------------------------- */

static void take_cells(struct work *w, const struct observed *observed, const struct observed_group *group)
{
	uint32_t i;
	size_t k;

	for (i = 0; i < w->nodes; i++) {
		size_t at = (size_t)i * w->s->clients.count + w->client;
		double rtt_us = w->s->client.rtt_us[at];

		w->cells[i] = (struct cell){.value_us = rtt_us, .lost = isnan(rtt_us) && w->s->client.loss[at] >= 1};
	}
	for (k = 0; group && k < group->count; k++) {
		const struct observed_cell *said = &group->cells[k];
		uint32_t node = names_find(&w->s->nodes, observed->nodes.items[said->node]);

		if (node != NAMES_NONE && isnan(w->cells[node].value_us))
			w->cells[node] = (struct cell){(double)rounded(said->rtt_us), said->reporters, said->reporter, false};
	}
}

static bool is_said_by(const struct cell *cell, uint32_t reporters)
{
	return !isnan(cell->value_us) && reporters && (!cell->reporters || cell->reporters >= reporters);
}

static uint32_t count_said_by(const struct work *w, uint32_t reporters)
{
	uint32_t count = 0, i;

	for (i = 0; i < w->nodes; i++)
		count += is_said_by(&w->cells[i], reporters);
	return count;
}

/* How many reporters make a cell one of the measure: 2 or 1; 0: all is lone and several speak, or there is nothing. */
static uint32_t measure_of(const struct work *w, const struct observed_group *group)
{
	if (count_said_by(w, ESTIMATE_PAIR))
		return ESTIMATE_PAIR;
	return group && group->reporters == 1 ? 1 : 0;
}

static int by_value(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	if (x->value_us < y->value_us || x->value_us > y->value_us)
		return x->value_us < y->value_us ? -1 : 1;
	return (x->node > y->node) - (x->node < y->node);
}

static void take_known(struct work *w, uint32_t reporters)
{
	uint32_t i;

	w->known_count = 0;
	for (i = 0; i < w->nodes; i++)
		if (is_said_by(&w->cells[i], reporters)) {
			double value_us = w->cells[i].value_us, error_us = ESTIMATE_ERROR * value_us;

			w->known[w->known_count++] = (struct known){i, value_us, 1 / (error_us * error_us + ESTIMATE_ERROR_US * ESTIMATE_ERROR_US), NULL};
		}
	qsort(w->known, w->known_count, sizeof(*w->known), by_value);
	if (w->known_count > ESTIMATE_CELLS_MAX)
		w->known_count = ESTIMATE_CELLS_MAX;
	for (i = 0; i < w->known_count; i++)
		w->known[i].rtt_us = row_of(w, w->known[i].node);
}

/* --- the estimate ----------------------------------------------------------------------------------------------------- */

/* false: the mesh knows the way to less than half of the measure. */
static bool fit(const struct work *w, uint32_t node, struct landmark *out)
{
	double weights = 0, sum = 0, cost = 0;
	uint32_t i, legs = 0;

	for (i = 0; i < w->known_count; i++) {
		const struct known *k = &w->known[i];

		if (isnan(k->rtt_us[node]))
			continue;
		legs++;
		weights += k->weight;
		sum += k->weight * (k->value_us - (double)k->rtt_us[node]);
	}
	if (!legs || legs * 2 < w->known_count)
		return false;
	*out = (struct landmark){.node = node, .access_us = fmax(0, sum / weights)};
	for (i = 0; i < w->known_count; i++) {
		const struct known *k = &w->known[i];
		double error_us = k->value_us - (double)k->rtt_us[node] - out->access_us;

		cost += isnan(error_us) ? UNKNOWN_LEG_COST : k->weight * error_us * error_us;
	}
	out->cost = cost + 2 * out->access_us / ESTIMATE_ACCESS_US;
	return true;
}

static int by_cost(const void *a, const void *b)
{
	const struct landmark *x = a, *y = b;

	if (x->cost < y->cost || x->cost > y->cost)
		return x->cost < y->cost ? -1 : 1;
	return (x->node > y->node) - (x->node < y->node);
}

/* The likely ones, the best first; `cost` becomes the likelihood relative to the best. */
static void find_landmarks(struct work *w)
{
	double best;
	uint32_t i;

	w->landmark_count = 0;
	for (i = 0; i < w->nodes; i++)
		w->landmark_count += fit(w, i, &w->landmarks[w->landmark_count]);
	qsort(w->landmarks, w->landmark_count, sizeof(*w->landmarks), by_cost);
	best = w->landmark_count ? w->landmarks[0].cost : 0;
	for (i = 0; i < w->landmark_count && i < ESTIMATE_LANDMARKS_MAX; i++) {
		w->landmarks[i].cost = exp((best - w->landmarks[i].cost) / 2);
		if (w->landmarks[i].cost < LIKELY)
			break;
	}
	w->landmark_count = i;
}

static void bound_all(struct work *w)
{
	uint32_t i, node;

	for (node = 0; node < w->nodes; node++)
		w->bound_us[node] = w->estimate_us[node] = NAN;
	for (i = 0; i < w->known_count; i++)
		for (node = 0; node < w->nodes; node++)
			w->bound_us[node] = fmin(w->bound_us[node], w->known[i].value_us + (double)w->known[i].rtt_us[node]);
}

/* The landmarks' rows, one after the other: sums of likelihood and of likelihood x RTT. What is there already is only raised. */
static void estimate_all(struct work *w)
{
	auto_free double *weights = xcalloc(w->nodes, sizeof(*weights)), *sums = xcalloc(w->nodes, sizeof(*sums));
	uint32_t i, node;

	for (i = 0; i < w->landmark_count; i++) {
		const struct landmark *p = &w->landmarks[i];
		const float *rtt_us = row_of(w, p->node);

		for (node = 0; node < w->nodes; node++) {
			if (isnan(rtt_us[node]))
				continue;
			weights[node] += p->cost;
			sums[node] += p->cost * ((double)rtt_us[node] + p->access_us);
		}
	}
	for (node = 0; node < w->nodes; node++) {
		double mean_us = weights[node] > 0 ? fmax(LEAST_US, sums[node] / weights[node]) : w->bound_us[node];

		if (!isnan(w->bound_us[node]))
			w->estimate_us[node] = fmin(fmax(mean_us, w->estimate_us[node]), w->bound_us[node]);
	}
}

/* From all of the measure; and from what is firm in it alone, because one liar in a pair may have made that one too far, and by it others too near. */
static void estimate_from(struct work *w, uint32_t reporters)
{
	uint32_t firm = count_said_by(w, ESTIMATE_FIRM);
	bool mixed = reporters && firm && firm < count_said_by(w, reporters);

	take_known(w, reporters);
	bound_all(w);
	find_landmarks(w);
	estimate_all(w);
	if (!mixed)
		return;
	take_known(w, ESTIMATE_FIRM);
	find_landmarks(w);
	estimate_all(w);
}

/* --- several lone words ----------------------------------------------------------------------------------------------- */

/* For each node the least bound that one reporter's words give, and the least that another one's give. */
struct bounds {
	double first_us, second_us;
	uint32_t reporter;		/* of the first */
};

static void add_bound(struct bounds *b, double us, uint32_t reporter)
{
	if (isnan(us))
		return;
	if (isnan(b->first_us) || us < b->first_us) {
		if (!isnan(b->first_us) && b->reporter != reporter)
			b->second_us = b->first_us;
		b->first_us = us;
		b->reporter = reporter;
	} else if (b->reporter != reporter) {
		b->second_us = fmin(b->second_us, us);
	}
}

static void bound_by_others(struct work *w)
{
	auto_free struct bounds *bounds = xcalloc(w->nodes, sizeof(*bounds));
	uint32_t i, node;

	for (node = 0; node < w->nodes; node++)
		bounds[node] = (struct bounds){NAN, NAN, 0};
	for (i = 0; i < w->nodes; i++) {
		const float *rtt_us = isnan(w->cells[i].value_us) ? NULL : row_of(w, i);

		for (node = 0; rtt_us && node < w->nodes; node++)
			add_bound(&bounds[node], w->cells[i].value_us + (double)rtt_us[node], w->cells[i].reporter);
	}
	for (node = 0; node < w->nodes; node++) {
		bool own = !isnan(w->cells[node].value_us) && bounds[node].reporter == w->cells[node].reporter;

		/* What nobody named is bounded by whose word bounds it less: one alone must not draw. */
		if (isnan(w->cells[node].value_us))
			own = !isnan(bounds[node].second_us);
		w->bound_us[node] = w->estimate_us[node] = own ? bounds[node].second_us : bounds[node].first_us;
	}
}

/* --- filling in ------------------------------------------------------------------------------------------------------- */

static void put_estimate(struct work *w, uint32_t node, double estimate_us, double bound_us)
{
	size_t at = (size_t)node * w->s->clients.count + w->client;

	if (isnan(bound_us))
		return;
	snapshot_want_estimates(w->s);
	w->s->client.rtt_us[at] = rounded_up(bound_us);
	w->s->client.jitter_us[at] = w->s->client.loss[at] = NAN;
	w->s->client_estimate_us[at] = fminf(rounded_up(estimate_us), rounded_up(bound_us));
}

static void put_seen(struct work *w, uint32_t node, double value_us)
{
	size_t at = (size_t)node * w->s->clients.count + w->client;

	w->summary->observed++;
	if (isnan(w->s->age_s[node])) {
		put_estimate(w, node, value_us, value_us);
		return;
	}
	w->s->client.rtt_us[at] = (float)value_us;
	w->s->client.jitter_us[at] = w->s->client.loss[at] = NAN;
}

static void put_cell(struct work *w, uint32_t node, uint32_t measure)
{
	const struct cell *cell = &w->cells[node];

	if (is_said_by(cell, measure)) {
		if (cell->reporters)
			put_seen(w, node, cell->value_us);
	} else if (!cell->lost && !isnan(w->bound_us[node])) {
		w->summary->estimated++;
		/* fmax gives the other where one is NaN */
		put_estimate(w, node, fmax(cell->value_us, w->estimate_us[node]), fmax(cell->value_us, w->bound_us[node]));
	}
}

static const struct observed_group *find_group(const struct observed *observed, const char *name)
{
	size_t i;

	for (i = 0; observed && i < observed->count; i++)
		if (STREQ(observed->groups[i].name, name))
			return &observed->groups[i];
	return NULL;
}

/* With a thousand clients that every node measures there is nothing to do. */
static bool is_complete(const struct work *w)
{
	uint32_t node;

	for (node = 0; node < w->nodes; node++)
		if (w->cells[node].reporters || (isnan(w->cells[node].value_us) && !w->cells[node].lost))
			return false;
	return true;
}

static void fill_client(struct work *w, const struct observed *observed)
{
	const struct observed_group *group = find_group(observed, w->s->clients.items[w->client]);
	uint32_t measure, node;

	take_cells(w, observed, group);
	if (is_complete(w))
		return;
	measure = measure_of(w, group);
	if (measure)
		estimate_from(w, measure);
	else
		bound_by_others(w);
	for (node = 0; node < w->nodes; node++)
		put_cell(w, node, measure);
}

void estimate_clients(struct snapshot *s, const struct observed *observed, struct estimate_summary *summary)
{
	struct work w = {.s = s, .nodes = s->nodes.count, .summary = summary};
	uint32_t i;

	*summary = (struct estimate_summary){0};
	w.rtt_us = xcalloc(w.nodes, sizeof(*w.rtt_us));
	w.cells = xcalloc(w.nodes, sizeof(*w.cells));
	w.known = xcalloc(w.nodes, sizeof(*w.known));
	w.landmarks = xcalloc(w.nodes, sizeof(*w.landmarks));
	w.bound_us = xcalloc(w.nodes, sizeof(*w.bound_us));
	w.estimate_us = xcalloc(w.nodes, sizeof(*w.estimate_us));
	for (w.client = 0; w.client < s->clients.count; w.client++)
		fill_client(&w, observed);
	for (i = 0; i < w.nodes; i++)
		free(w.rtt_us[i]);
	free(w.rtt_us);
	free(w.cells);
	free(w.known);
	free(w.landmarks);
	free(w.bound_us);
	free(w.estimate_us);
}

/* Probes say jitter and loss with every RTT. */
bool estimate_made(const struct snapshot *s, size_t cell)
{
	if (s->client_estimate_us && !isnan(s->client_estimate_us[cell]))
		return true;
	return !isnan(s->client.rtt_us[cell]) && isnan(s->client.jitter_us[cell]) && isnan(s->client.loss[cell]);
}
