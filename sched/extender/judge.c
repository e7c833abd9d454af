#include "sched/extender/judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "sched/extender/pledges.h"
#include "sched/filter/filter.h"

#define UNKNOWN_NODE "node(s) were not known to the latency scheduler yet"

/*
 * The names of the request before, one behind the other as they came, and where they were found. kube-scheduler sends much the same list for each pod, from
 * another place on, so that the name after the one before is mostly the one that followed it last time: a comparison instead of a look-up.
 */
struct memo {
	uint64_t epoch;				/* of the view's nodes; another: it holds nothing */
	char *names;
	size_t name_room;
	const char **name;
	size_t room;
	uint32_t *place, *index_of;		/* by name; by place: of the name, from 1, 0: none */
	size_t place_room, index_room;
	uint32_t count;
};

struct judge {
	struct decider *decider;
	struct pledges *pledges;
	uint64_t guests_serial;
	bool *offered;				/* by node of the view with guests */
	size_t offered_room;
	uint32_t *place;			/* request's node -> the view's; NAMES_NONE */
	size_t place_room;
	struct node *guests;			/* nodes of the request that the feed does not know */
	struct label *guest_labels;		/* of each the one that makes it a node of the cloud; key NULL: none */
	uint32_t guest_count;
	size_t guest_room, guest_label_room;
	struct node_state *states;		/* the view's and theirs */
	size_t state_room;
	struct memo memo;
};

struct judge *judge_new(void)
{
	struct judge *j = xcalloc(1, sizeof(*j));

	j->decider = decider_new();
	j->pledges = pledges_new();
	return j;
}

void judge_free(struct judge *j)
{
	if (!j)
		return;
	decider_free(j->decider);
	pledges_free(j->pledges);
	free(j->offered);
	free(j->place);
	free(j->guests);
	free(j->guest_labels);
	free(j->states);
	free(j->memo.names);
	free(j->memo.name);
	free(j->memo.place);
	free(j->memo.index_of);
	free(j);
}

/* --- the view of a request ------------------------------------------------------------------------------------------- */

/* The first of the cloud's labels that it has, with the request's text. */
static struct label cloud_label_of(const struct cloud *cloud, const struct wire_node *node)
{
	const cJSON *labels = json_get(json_get(node->object, "metadata"), "labels");
	uint32_t i;

	for (i = 0; i < cloud->count; i++) {
		struct label label = {cloud->items[i].key, cJSON_GetStringValue(json_get(labels, cloud->items[i].key))};

		if (label.value && cloud_has(cloud, &(struct labels){&label, 1}))
			return label;
	}
	return (struct label){NULL, NULL};
}

/* Only its name, its zone and whether it is the cloud's are looked at; the texts stay the request's. */
static struct node guest_of(const struct wire_node *node)
{
	static char none[] = "";
	union {
		const char *text;
		char *name;
	} name = {.text = node->name};
	char *zone = cJSON_GetStringValue(json_get(json_get(json_get(node->object, "metadata"), "labels"), "topology.kubernetes.io/zone"));

	return (struct node){.name = name.name, .uid = none, .zone = zone ? zone : none};
}

static bool is_guest(const struct judge_input *in, const struct wire_node *node)
{
	return node->object || in->no_objects || (in->mesh && matrix_find_node(in->mesh->matrix, node->name) != NAMES_NONE);
}

/* *next is the name of the memo that is expected. */
static uint32_t find_place(const struct memo *m, const struct view *view, const char *name, uint32_t *next)
{
	int32_t known;

	if (*next < m->count && m->place[*next] != NAMES_NONE && STREQ(m->name[*next], name))
		return m->place[(*next)++];
	known = cache_find_node(view->cache, name);
	if (known < 0)
		return NAMES_NONE;
	*next = m->count ? m->index_of[known] : 0;	/* which counts from 1: the one after it */
	*next = *next == m->count ? 0 : *next;
	return (uint32_t)known;
}

/* Of a request whose names lie in one piece. */
static void remember(struct judge *j, const struct view *view, const struct wire_request *r)
{
	struct memo *m = &j->memo;
	size_t len;
	uint32_t i;

	m->epoch = view->node_epoch;
	m->count = 0;
	if (!r->names || !r->count || !view->count)
		return;
	len = (size_t)(r->nodes[r->count - 1].name - r->names) + strlen(r->nodes[r->count - 1].name) + 1;
	grow(&m->names, &m->name_room, len, 1);
	grow(&m->name, &m->room, r->count, sizeof(*m->name));
	grow(&m->place, &m->place_room, r->count, sizeof(*m->place));
	grow(&m->index_of, &m->index_room, view->count, sizeof(*m->index_of));
	memcpy(m->names, r->names, len);
	memset(m->index_of, 0, view->count * sizeof(*m->index_of));
	m->count = r->count;
	for (i = 0; i < r->count; i++) {
		bool known = j->place[i] < view->count;

		m->name[i] = m->names + (r->nodes[i].name - r->names);
		m->place[i] = known ? j->place[i] : NAMES_NONE;
		if (known)
			m->index_of[j->place[i]] = i + 1;
	}
}

static void place_nodes(struct judge *j, const struct judge_input *in, const struct wire_request *r)
{
	uint32_t i, next = 0, looked_up = 0;

	j->guest_count = 0;
	grow(&j->place, &j->place_room, (size_t)r->count + 1, sizeof(*j->place));
	if (j->memo.epoch != in->view->node_epoch)
		j->memo.count = 0;
	for (i = 0; i < r->count; i++) {
		uint32_t before = next;

		j->place[i] = find_place(&j->memo, in->view, r->nodes[i].name, &next);
		looked_up += next != before + 1;
		if (j->place[i] != NAMES_NONE || !is_guest(in, &r->nodes[i]))
			continue;
		grow(&j->guests, &j->guest_room, (size_t)j->guest_count + 1, sizeof(*j->guests));
		grow(&j->guest_labels, &j->guest_label_room, (size_t)j->guest_count + 1, sizeof(*j->guest_labels));
		j->guests[j->guest_count] = guest_of(&r->nodes[i]);
		j->guest_labels[j->guest_count] = cloud_label_of(&in->profile->cloud, &r->nodes[i]);
		j->place[i] = in->view->count + j->guest_count++;
	}
	if (looked_up > r->count / 16)
		remember(j, in->view, r);
}

static void offer(struct judge *j, uint32_t count, const struct wire_request *r)
{
	uint32_t i;

	grow(&j->offered, &j->offered_room, (size_t)count + 1, sizeof(*j->offered));
	memset(j->offered, 0, count * sizeof(*j->offered));
	for (i = 0; i < r->count; i++)
		if (j->place[i] != NAMES_NONE)
			j->offered[j->place[i]] = true;
}

/* The cache's look-ups go on to work: guests come after its nodes. */
static struct view view_with_guests(struct judge *j, const struct view *view)
{
	struct view all = *view;
	uint32_t i;

	if (!j->guest_count)
		return all;
	all.count = view->count + j->guest_count;
	all.guests = j->guest_count;
	grow(&j->states, &j->state_room, all.count, sizeof(*j->states));
	if (view->count)
		memcpy(j->states, view->nodes, view->count * sizeof(*j->states));
	for (i = 0; i < j->guest_count; i++) {
		if (j->guest_labels[i].key)
			j->guests[i].labels = (struct labels){&j->guest_labels[i], 1};
		j->states[view->count + i] = (struct node_state){.node = &j->guests[i]};
	}
	all.nodes = j->states;
	all.node_epoch = UINT64_MAX - ++j->guests_serial;	/* never one that the decider has seen, nor one of the cache */
	return all;
}

/* --- the answer ------------------------------------------------------------------------------------------------------ */

static struct wire_mark failed(struct wire_answer *a, enum wire_verdict verdict, const char *reason)
{
	return (struct wire_mark){.verdict = verdict, .reason = wire_reason(a, reason)};
}

static bool passes(const struct decision *d, uint32_t node)
{
	return !d->verdicts || !d->verdicts[node].filter || d->verdicts[node].filter == VERDICT_NOT_OFFERED;
}

static struct wire_mark refusal_of(struct judge *j, const struct decision_input *in, const struct decision *d, uint32_t node, struct wire_answer *a)
{
	auto_buf struct buf text = {0};

	decision_reason(j->decider, in, d, node, &text);
	return failed(a, filter_table[d->verdicts[node].filter - 1]->unresolvable ? WIRE_UNRESOLVABLE : WIRE_FAILED, text.data);
}

static bool says_something(const struct decision *d)
{
	return d->total && (d->score[SCORE_LATENCY] || d->score[SCORE_CPU]);
}

static void mark_all(struct judge *j, const struct decision_input *in, const struct decision *d, struct wire_answer *a)
{
	uint32_t i;

	a->neutral = !d->has_say;
	for (i = 0; i < a->count; i++) {
		if (in->pod->ask.error)		/* not `Error`, which an ignorable extender's kube-scheduler passes over */
			a->nodes[i] = failed(a, WIRE_UNRESOLVABLE, in->pod->ask.error);
		else if (j->place[i] == NAMES_NONE)
			a->nodes[i] = failed(a, WIRE_FAILED, UNKNOWN_NODE);
		else if (d->refused_by_pod)
			a->nodes[i] = failed(a, WIRE_UNRESOLVABLE, d->pod_reason);
		else if (!passes(d, j->place[i]))
			a->nodes[i] = refusal_of(j, in, d, j->place[i], a);
		else
			continue;		/* as wire_answer_of has it */
		a->neutral = false;
	}
}

static int score_of(const struct decision *d, uint32_t node)
{
	float total = node == NAMES_NONE ? NAN : d->total[node];
	int low = 0, high = WIRE_SCORE_MAX;

	if (isnan(total))
		return 0;
	if (d->cloud && isnan(d->cloud[node]))
		high = JUDGE_EDGE_MOST;
	else if (d->cloud)
		low = JUDGE_CLOUD_LEAST;
	return low + (int)lroundf(total * (float)(high - low) / 100);
}

static void score_all(const struct judge *j, const struct decision *d, struct wire_answer *a)
{
	uint32_t i;

	a->neutral = !says_something(d) && !d->cloud;
	for (i = 0; !a->neutral && i < a->count; i++) {
		int score = score_of(d, j->place[i]);

		if (d->node >= 0 && j->place[i] == (uint32_t)d->node)
			score = WIRE_SCORE_MAX;
		else if (d->node >= 0 && score == WIRE_SCORE_MAX)
			score--;
		a->nodes[i].score = score;
	}
}

/* Where the pod goes now, most likely. Guests, of whose CPU nobody knows the size, have no part in it. */
static void pledge(struct judge *j, const struct judge_input *in, const struct wire_request *r, const struct wire_answer *a)
{
	const struct cached_pod *pod = cache_find_pod(in->view->cache, r->pod->uid);
	uint32_t nodes[PLEDGE_NODES + 1], count = 0, i;
	int best = 0;

	if (pod && pod->node >= 0)
		return;
	for (i = 0; i < a->count; i++)
		best = a->nodes[i].score > best ? a->nodes[i].score : best;
	for (i = 0; i < a->count && count <= PLEDGE_NODES; i++)
		if (a->nodes[i].score == best && j->place[i] < in->view->count)
			nodes[count++] = j->place[i];
	pledges_put(j->pledges, in->view, r->pod, nodes, count, in->mono_ms);
}

void judge_seen(struct judge *j, const struct cache *cache, const char *uid)
{
	pledges_seen(j->pledges, cache, uid);
}

struct wire_answer judge_request(struct judge *j, const struct judge_input *in, enum judge_verb verb, const struct wire_request *request)
{
	struct wire_answer answer = wire_answer_of(request->count);
	struct profile profile = *in->profile;
	struct decision decision;
	struct decision_input all = {.mesh = in->mesh, .pod = request->pod, .profile = &profile, .mono_ms = in->mono_ms,
				     .no_objects = in->no_objects};
	struct view view;

	if (verb == JUDGE_PRIORITIZE)
		profile.refuse_latency = profile.refuse_cpu = false;
	place_nodes(j, in, request);
	view = view_with_guests(j, in->view);
	offer(j, view.count, request);
	all.view = &view;
	all.offered = j->offered;
	all.choose = in->alone && verb == JUDGE_PRIORITIZE;
	all.verdicts_only = verb == JUDGE_FILTER;
	pledges_drop(j->pledges, request->pod->uid);
	all.beside = pledges_sum(j->pledges, in->view, request->pod->owner_uid, in->mono_ms, &all.beside_count);
	decide(j->decider, &all, &decision);
	if (verb == JUDGE_FILTER)
		mark_all(j, &all, &decision, &answer);
	else
		score_all(j, &decision, &answer);
	if (verb == JUDGE_PRIORITIZE && decision.total)
		pledge(j, in, request, &answer);
	return answer;
}
