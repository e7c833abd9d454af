#include "sched/extender/scores.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/scorelist.h"
#include "sched/arena.h"
#include "sched/target.h"

/* From where: its legs' rows are the matrix's. Neither legs nor mesh: from nowhere that is known. */
struct vantage {
	struct leg *legs;
	uint32_t count;
	bool is_mesh, is_entry, any;
};

/* What the scheduling thread knew. Immutable; goes with the last reference. */
struct picture {
	atomic_uint references;
	struct mesh *mesh;
	char **zones;			/* by the matrix's node; "" without */
	struct vantage usual;		/* of defaultNear */
	int64_t made_ms;
};

struct scores {
	pthread_mutex_t lock;
	struct picture *picture;	/* NULL: no matrix */
};

/* --- pictures -------------------------------------------------------------------------------------------------------- */

static void picture_drop(struct picture *p)
{
	uint32_t i;

	if (!p || atomic_fetch_sub(&p->references, 1) != 1)
		return;
	for (i = 0; i < matrix_nodes(p->mesh->matrix); i++)
		free(p->zones[i]);
	free(p->zones);
	free(p->usual.legs);
	mesh_free(p->mesh);
	free(p);
}

static struct picture *picture_take(struct scores *s)
{
	struct picture *p;

	pthread_mutex_lock(&s->lock);
	p = s->picture;
	if (p)
		atomic_fetch_add(&p->references, 1);
	pthread_mutex_unlock(&s->lock);
	return p;
}

static void cleanup_picture(struct picture **p)
{
	picture_drop(*p);
}

/* As decisions show it: the first target of defaultNear that there is. */
static struct vantage usual_vantage(const struct judge_input *in)
{
	static char none[] = "";
	auto_arena struct arena arena = {0};
	struct pod nobody = {.name = none, .namespace_ = none, .uid = none, .controller = none};
	struct profile profile = *in->profile;
	struct decision_input input = {.view = in->view, .mesh = in->mesh, .pod = &nobody, .profile = &profile, .mono_ms = in->mono_ms};
	struct vantage v = {0};
	struct targets targets;
	uint32_t k;

	profile.refuse_latency = false;		/* its limits are not asked for */
	targets_resolve(&input, &arena, &targets);
	for (k = 0; k < targets.near_count && targets.near[k].missing; k++)
		;
	if (k == targets.near_count)
		return v;
	v = (struct vantage){.count = targets.near[k].count, .is_mesh = targets.near[k].is_mesh, .is_entry = targets.near[k].is_entry,
			     .any = targets.near[k].any};
	v.legs = xcalloc(v.count + 1, sizeof(*v.legs));
	if (v.count)
		memcpy(v.legs, targets.near[k].legs, v.count * sizeof(*v.legs));
	return v;
}

static char *zone_of(const struct view *view, const char *name)
{
	int32_t node = cache_find_node(view->cache, name);

	return xstrdup(node >= 0 ? view->nodes[node].node->zone : "");
}

static struct picture *picture_make(const struct judge_input *in)
{
	const struct matrix *m = in->mesh->matrix;
	struct picture *p = xcalloc(1, sizeof(*p));
	uint32_t i;

	atomic_init(&p->references, 1);
	p->mesh = mesh_ref(in->mesh);
	p->zones = xcalloc(matrix_nodes(m) + 1, sizeof(*p->zones));
	for (i = 0; i < matrix_nodes(m); i++)
		p->zones[i] = zone_of(in->view, matrix_node_name(m, i));
	p->usual = usual_vantage(in);
	p->made_ms = in->mono_ms;
	return p;
}

void scores_give(struct scores *s, const struct judge_input *in)
{
	struct picture *was = s->picture, *now;		/* nobody else sets it */

	if (was ? was->mesh == in->mesh && in->mono_ms - was->made_ms < SCORES_STALE_MS : !in->mesh)
		return;
	now = in->mesh ? picture_make(in) : NULL;
	pthread_mutex_lock(&s->lock);
	s->picture = now;
	pthread_mutex_unlock(&s->lock);
	picture_drop(was);
}

struct scores *scores_new(void)
{
	struct scores *s = xcalloc(1, sizeof(*s));

	pthread_mutex_init(&s->lock, NULL);
	return s;
}

void scores_free(struct scores *s)
{
	if (!s)
		return;
	picture_drop(s->picture);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* --- the vantage point of a request ---------------------------------------------------------------------------------- */

static void add_leg(struct vantage *v, struct matrix_row row, uint32_t matrix_node, float weight)
{
	v->legs[v->count++] = (struct leg){.row = row, .matrix_node = matrix_node, .view_node = -1, .weight = weight};
}

/* Those that are not in the matrix, too: their way is unknown. */
static void add_entry_legs(struct vantage *v, const struct mesh *mesh)
{
	uint32_t i;

	for (i = 0; i < mesh->entry.count; i++) {
		uint32_t node = matrix_find_node(mesh->matrix, mesh->entry.shares[i].node);

		add_leg(v, node == NAMES_NONE ? (struct matrix_row){0} : matrix_node_row(mesh->matrix, node), node, mesh->entry.shares[i].share);
	}
}

static struct vantage vantage_of(const struct picture *p, const struct target *t)
{
	const struct matrix *m = p->mesh->matrix;
	struct vantage v = {.legs = xcalloc((size_t)matrix_nodes(m) + p->mesh->entry.count + 1, sizeof(*v.legs)), .is_mesh = t->kind == TARGET_MESH,
			    .is_entry = t->kind == TARGET_ENTRY, .any = t->any};
	uint32_t node = t->kind == TARGET_NODE ? matrix_find_node(m, t->name) : NAMES_NONE, i;
	uint32_t client = t->kind == TARGET_CLIENT ? matrix_find_client(m, t->name) : NAMES_NONE;

	if (node != NAMES_NONE)
		add_leg(&v, matrix_node_row(m, node), node, 1);
	if (client != NAMES_NONE)
		add_leg(&v, matrix_client_row(m, client), NAMES_NONE, 1);
	for (i = 0; t->kind == TARGET_ZONE && i < matrix_nodes(m); i++)
		if (STREQ(p->zones[i], t->name))
			add_leg(&v, matrix_node_row(m, i), i, 1);
	if (v.is_entry)
		add_entry_legs(&v, p->mesh);
	return v;
}

static int parse_from(const char *text, struct ask *out, struct lm_err *err)
{
	if (ask_parse_near("from", text, out, err) < 0)
		return -1;
	if (out->near_count == 1 && out->near[0].target.kind != TARGET_SELECTOR && !strchr(text, '*'))
		return 0;
	ask_free(out);
	return lm_fail(err, LM_DATA, "from \"%.100s\": is not one of node/NAME, client/NAME, zone/NAME, entry, mesh", text);
}

/* *out is the caller's to free. */
static int read_vantage(const struct picture *p, const char *query, struct vantage *out, struct lm_err *err)
{
	static const char from[] = "from=";
	struct ask ask;

	if (strncmp(query, from, strlen(from)) != 0)
		return lm_fail(err, LM_DATA, "unknown argument \"%.100s\": from=TARGET is the only one", query);
	if (parse_from(query + strlen(from), &ask, err) < 0)
		return -1;
	*out = vantage_of(p, &ask.near[0].target);
	ask_free(&ask);
	return 0;
}

/* --- the answer ------------------------------------------------------------------------------------------------------ */

static double leg_us(const struct leg *leg, const struct row_age *ages, uint32_t row)
{
	if (leg->matrix_node == row)
		return ages[row].dead ? (double)NAN : 0;
	if (!leg->row.rtt_us || !pair_is_known(leg->row.pair[row], row_age_of(ages, leg->matrix_node), row_age_of(ages, row)))
		return NAN;
	return (double)leg->row.rtt_us[row];
}

static double mesh_us(const struct mesh *mesh, const struct vantage *v, const struct row_age *ages, uint32_t row)
{
	const float *median_us = v->any ? mesh->nearest_rtt_us : mesh->mean_rtt_us;
	uint32_t i, nodes = matrix_nodes(mesh->matrix);

	for (i = 0; !ages[row].linked && i < nodes && (!ages[i].linked || ages[i].dead); i++)
		;
	return i < nodes ? (double)median_us[row] : (double)NAN;	/* of a row without links others told; NaN when they are all dead */
}

static double median_us(const struct picture *p, const struct vantage *v, const struct row_age *ages, uint32_t row)
{
	double sum = 0, weight = 0, nearest = INFINITY;
	uint32_t k;

	if (ages[row].linked && ages[row].dead)
		return NAN;
	if (v->is_mesh)
		return mesh_us(p->mesh, v, ages, row);
	for (k = 0; k < v->count; k++) {
		double us = leg_us(&v->legs[k], ages, row);

		if (isnan(us) && v->is_entry && !v->any)
			return NAN;		/* as for limits */
		if (isnan(us))
			continue;
		sum += (double)v->legs[k].weight * us;
		weight += (double)v->legs[k].weight;
		nearest = fmin(nearest, us);
	}
	return weight <= 0 ? (double)NAN : v->any ? nearest : sum / weight;
}

static void print(const struct picture *p, const struct vantage *v, int64_t mono_ms, struct buf *out)
{
	const struct matrix *m = p->mesh->matrix;
	uint32_t i, nodes = matrix_nodes(m);
	auto_free struct row_age *ages = xcalloc(nodes + 1, sizeof(*ages));
	bool known;

	mesh_row_ages(p->mesh, mono_ms, ages);
	known = !v->is_entry || mesh_entry_usable(p->mesh, mono_ms);
	for (i = 0; i < nodes; i++)
		scorelist_add(out, matrix_node_name(m, i), ages[i].dead ? (double)NAN : (double)matrix_cpu(m)[i],
			      scorelist_latency(known ? median_us(p, v, ages, i) : (double)NAN));
	scorelist_end(out);
}

static void refuse(struct http_reply *reply, int status, const char *text)
{
	reply->status = status;
	buf_printf(&reply->body, "%s\n", text);
}

void scores_answer_at(struct scores *s, const struct http_request *request, int64_t mono_ms, struct http_reply *reply)
{
	__attribute__((cleanup(cleanup_picture))) struct picture *p = picture_take(s);
	struct vantage asked = {0};
	struct lm_err err;

	if (!p || !matrix_nodes(p->mesh->matrix)) {
		refuse(reply, 503, "there are no latency data yet");
		return;
	}
	if (*request->query && read_vantage(p, request->query, &asked, &err) < 0) {
		refuse(reply, 400, err.msg);
		return;
	}
	reply->content_type = "application/json";
	print(p, *request->query ? &asked : &p->usual, mono_ms, &reply->body);
	free(asked.legs);
}

void scores_answer(struct scores *s, const struct http_request *request, struct http_reply *reply)
{
	scores_answer_at(s, request, clock_mono_ms(), reply);
}
