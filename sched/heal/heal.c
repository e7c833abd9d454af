#include "sched/heal/heal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/names.h"
#include "sched/heal/evict.h"
#include "sched/heal/judge.h"
#include "sched/heal/leases.h"
#include "sched/heal/outofservice.h"
#include "sched/stats.h"

/* A node that was dead or doubted once. */
struct patient {
	bool doubted;
	int64_t since_ms;		/* dead at each look since then; 0: it is not */
	bool said;			/* that it is dead; until it is heard of again */
	bool fresh;			/* node_failed has to be told */
};

struct heal {
	struct cache *cache;
	struct heal_settings settings;
	struct heal_hooks hooks;
	struct events *events;
	struct metrics *stats;
	struct leases *leases;
	struct evict *evict;
	struct outofservice *outofservice;
	struct names names;
	struct patient *patients;	/* the same index */
	size_t room;
	int64_t begun_ms, look_ms;	/* the first look; the next one */
	bool *avoided;			/* by node of the view of node_epoch; what heal_avoids gives */
	size_t avoided_room;
	uint32_t avoided_count;
	uint64_t node_epoch;
	struct judge_series series;
	uint64_t serial;		/* of the mesh at the last look */
};

static bool acts(void *arg)
{
	const struct heal *h = arg;

	return h->hooks.acts(h->hooks.arg);
}

struct heal *heal_new(struct kube *k, struct cache *cache, const struct heal_settings *settings, struct limit *limit, struct events *events,
		      struct metrics *stats, const struct heal_hooks *hooks, const struct elect_settings *election)
{
	struct heal *h;

	if (!settings->enabled)
		return NULL;
	h = xcalloc(1, sizeof(*h));
	*h = (struct heal){.cache = cache, .settings = *settings, .hooks = *hooks, .events = events, .stats = stats};
	h->leases = leases_new(k);
	h->evict = evict_new(k, limit, stats, &(struct evict_settings){settings->per_minute, settings->per_hour,
			     election->namespace_, election->name, acts, h});
	h->outofservice = outofservice_new(k, limit, acts, h);
	stats_show_heal(stats);
	return h;
}

void heal_free(struct heal *h)
{
	if (!h)
		return;
	outofservice_free(h->outofservice);
	evict_free(h->evict);
	leases_free(h->leases);
	names_free(&h->names);
	free(h->patients);
	free(h->avoided);
	judge_series_free(&h->series);
	free(h);
}

void heal_set_settings(struct heal *h, const struct heal_settings *settings)
{
	if (!h)
		return;
	h->settings = *settings;
	evict_set_rates(h->evict, settings->per_minute, settings->per_hour);
}

/* --- what is known --------------------------------------------------------------------------------------------------- */

static void find_out(struct heal *h, const struct view *view, const struct mesh *mesh, int64_t mono_ms, struct finding *out)
{
	auto_free struct judge_node *nodes = xcalloc(view->count + 1, sizeof(*nodes));
	struct judge_input in = {.nodes = nodes, .count = view->count, .mesh = mesh, .after_ms = h->settings.after_ms, .mono_ms = mono_ms};
	bool may_be_unproven = leases_listed(h->leases) || mono_ms - h->begun_ms < HEAL_START_MS;
	uint32_t i;

	judge_follow(&h->series, mesh);
	in.mesh_since_ms = h->series.since_ms;
	for (i = 0; i < view->count; i++) {
		struct leases_one lease = leases_of(h->leases, view->nodes[i].node->name, mono_ms);

		nodes[i] = (struct judge_node){view->nodes[i].node->name, lease.age_s, lease.duration_s, !lease.renewals && may_be_unproven};
	}
	judge(&in, out);
}

static void set_gauges(struct heal *h, const struct finding *findings, uint32_t count, int64_t mono_ms)
{
	uint32_t i, of[LIVES] = {0};

	for (i = 0; i < count; i++)
		of[findings[i].life]++;
	for (i = 0; i < LIVES; i++)
		metrics_set(h->stats, STAT_HEAL_NODES, (int)i, of[i]);
	metrics_set(h->stats, STAT_HEAL_WAITING, 0, (double)evict_waiting(h->evict));
	metrics_set(h->stats, STAT_HEAL_LEFT, 0, evict_left(h->evict, mono_ms));
}

/* NULL: it was never dead or doubted, and is not now. */
static struct patient *patient_of(struct heal *h, const char *name, const struct finding *f)
{
	uint32_t i = names_find(&h->names, name);

	if (i == NAMES_NONE) {
		if (f->life != LIFE_DEAD && !f->doubted)
			return NULL;
		i = names_add(&h->names, name);
		grow(&h->patients, &h->room, h->names.count, sizeof(*h->patients));
		h->patients[i] = (struct patient){0};
	}
	return &h->patients[i];
}

/* --- whose pods are which -------------------------------------------------------------------------------------------- */

enum kin { KIN_LEAVES, KIN_STAYS /* in the way of nothing */, KIN_ALONE /* nobody would make it anew */, KIN_SINGLE /* it might run twice */ };

static enum kin kin_of(const struct heal *h, const struct cached_pod *cached)
{
	const struct pod *pod = cached->pod;

	if (pod->mirror || STREQ(pod->owner_kind, "Node") || STREQ(pod->owner_kind, "DaemonSet"))
		return KIN_STAYS;
	if (h->hooks.ours && h->hooks.ours(h->hooks.arg, pod))
		return KIN_STAYS;
	if (STREQ(pod->owner_kind, "StatefulSet") && !h->settings.stateful_sets)
		return KIN_SINGLE;
	return *pod->owner_uid ? KIN_LEAVES : KIN_ALONE;
}

static int64_t count_single(const struct heal *h, const struct node_state *on)
{
	int64_t count = 0;
	uint32_t i;

	for (i = 0; i < on->pod_count; i++)
		count += !on->pods[i]->pod->terminal && kin_of(h, on->pods[i]) == KIN_SINGLE;
	return count;
}

/* --- what is said ---------------------------------------------------------------------------------------------------- */

static void tell(struct heal *h, const struct node *node, bool dead, const char *note)
{
	events_of_node(h->events, &(struct node_event){.node = node->name, .uid = node->uid, .type = dead ? "Warning" : "Normal",
		       .reason = dead ? "NodeDead" : "NodeBack", .action = dead ? "Evicting" : "Healing", .note = note});
}

static void say_dead(struct heal *h, const struct node_state *on, const struct finding *f)
{
	const struct node *node = on->node;
	int64_t single = count_single(h, on);
	const char *why = single ? "they may still run there, and healing.statefulSets is false" : "";
	auto_free char *left = single ? xasprintf("; %" PRId64 " of StatefulSets left: %s", single, why) : xstrdup("");
	auto_free char *probe = f->silent_s >= 0 ? xasprintf("its probe said nothing for %.0f s", f->silent_s) : xstrdup("its probe says nothing");
	auto_free char *note = xasprintf("node is dead: its Lease was not renewed for %.0f s, %s, and none of the %" PRIu32 " probes that report "
					 "and once heard it had an answer from it for %.0f s; its pods with a controller are evicted%s",
					 f->lease_age_s, probe, f->witnesses, f->lost_s, left);

	log_warn("node is dead", FIELDS(LS("node", node->name), LF("lease_age_s", f->lease_age_s), LF("probe_silent_s", f->silent_s),
		 LF("lost_s", f->lost_s), LI("witnesses", f->witnesses),
		 LI("stateful_left", single), LS("left_because", why)));
	tell(h, node, true, note);
}

static void say_back(struct heal *h, const struct node *node, enum life life)
{
	static const char *const notes[LIVES] = {
		[LIFE_ALIVE] = "node is back: it renews its Lease and the mesh hears it; nothing more is evicted",
		[LIFE_LEASE_LATE] = "node is heard by the mesh again, without a Lease; nothing more is evicted",
		[LIFE_LOST] = "node renews its Lease again, unheard by the mesh; nothing more is evicted",
	};

	log_info("node is back", FIELDS(LS("node", node->name), LS("life", life_names[life])));
	tell(h, node, false, notes[life]);
}

/* --- what is done ---------------------------------------------------------------------------------------------------- */

/* A pod that we have only assumed there may be on its way to it: it is left to its binding, and nothing is said that would end it unasked. */
static void treat(struct heal *h, const struct node_state *on, int64_t mono_ms)
{
	bool unreachable = node_is_unreachable(on->node), empty = true;
	uint32_t i;

	for (i = 0; i < on->pod_count; i++) {
		const struct cached_pod *cached = on->pods[i];
		const struct pod *pod = cached->pod;
		enum kin kin = kin_of(h, cached);

		if (kin == KIN_STAYS || pod->terminal)
			continue;
		empty = false;
		if (kin == KIN_LEAVES && !cached->assumed)
			evict_want(h->evict, pod, &(struct evict_wish){
				.first = h->hooks.covered && h->hooks.covered(h->hooks.arg, pod->uid), .may_delete = unreachable}, mono_ms);
	}
	if (unreachable && empty)
		outofservice_set(h->outofservice, on->node, mono_ms);
}

/*
 * The taint goes when Kubernetes, too, has the node back: our first sight of a Lease says nothing yet. The mesh is not asked: the taint itself may be what
 * keeps the node's probe away, and the merger forgets who is silent for long.
 */
static void dismiss(struct heal *h, const struct node *node, int64_t mono_ms)
{
	struct leases_one lease;

	if (!outofservice_is_ours(node) || node_is_unreachable(node))
		return;
	lease = leases_of(h->leases, node->name, mono_ms);
	if (lease.renewals > 0 && lease.age_s * 1e3 < (double)h->settings.after_ms)
		outofservice_clear(h->outofservice, node, mono_ms);
}

static void visit(struct heal *h, const struct node_state *on, const struct finding *f, bool leads, int64_t mono_ms)
{
	struct patient *p = patient_of(h, on->node->name, f);

	if (leads)
		dismiss(h, on->node, mono_ms);
	if (!p)
		return;
	p->doubted = f->doubted;
	if (f->life != LIFE_DEAD || !leads) {
		p->since_ms = 0;
		if (p->said && (f->life == LIFE_ALIVE || f->life == LIFE_LEASE_LATE || f->life == LIFE_LOST)) {
			p->said = false;
			say_back(h, on->node, f->life);
			if (h->hooks.node_back)
				h->hooks.node_back(h->hooks.arg, on->node->name);
		}
		return;
	}
	if (!p->since_ms)
		p->since_ms = mono_ms;
	if (mono_ms - p->since_ms < HEAL_SURE_MS)
		return;
	if (!p->said) {
		say_dead(h, on, f);
		p->said = p->fresh = true;
	}
	treat(h, on, mono_ms);
}

static void avoid(struct heal *h, const struct view *view)
{
	uint32_t i, before = h->avoided_count;

	grow(&h->avoided, &h->avoided_room, view->count + 1u, sizeof(bool));
	h->node_epoch = view->node_epoch;
	h->avoided_count = 0;
	for (i = 0; i < view->count; i++) {
		uint32_t at = names_find(&h->names, view->nodes[i].node->name);

		h->avoided[i] = at != NAMES_NONE && (h->patients[at].said || h->patients[at].doubted);
		h->avoided_count += h->avoided[i];
	}
	if (h->avoided_count < before && h->hooks.reopened)
		h->hooks.reopened(h->hooks.arg);
}

const bool *heal_avoids(struct heal *h, const struct view *view)
{
	if (!h || !h->avoided_count)
		return NULL;
	if (h->node_epoch != view->node_epoch)
		avoid(h, view);
	return h->avoided;
}

/* Not while the view is looked at: it may change the cache. */
static void tell_failed(struct heal *h)
{
	uint32_t i;

	for (i = 0; i < h->names.count; i++) {
		if (h->patients[i].fresh && h->hooks.node_failed)
			h->hooks.node_failed(h->hooks.arg, h->names.items[i]);
		h->patients[i].fresh = false;
	}
}

/* A node that was removed is nobody's patient; one of its name that comes later is another. */
static void dismiss_removed(struct heal *h)
{
	struct names kept = {0};
	uint32_t i, count = 0;

	for (i = 0; i < h->names.count && cache_find_node(h->cache, h->names.items[i]) >= 0; i++)
		;
	if (i == h->names.count)
		return;
	for (i = 0; i < h->names.count; i++) {
		if (cache_find_node(h->cache, h->names.items[i]) < 0)
			continue;
		names_add(&kept, h->names.items[i]);
		h->patients[count++] = h->patients[i];
	}
	names_free(&h->names);
	h->names = kept;
}

static void look(struct heal *h, const struct mesh *mesh, int64_t mono_ms)
{
	const struct view *view = cache_view(h->cache);
	auto_free struct finding *findings = xcalloc(view->count + 1, sizeof(*findings));
	bool leads = acts(h);
	uint32_t i;

	h->begun_ms = h->begun_ms ? h->begun_ms : mono_ms;
	find_out(h, view, mesh, mono_ms, findings);
	evict_begin(h->evict);
	for (i = 0; i < view->count; i++)
		visit(h, &view->nodes[i], &findings[i], leads, mono_ms);
	evict_end(h->evict);
	avoid(h, view);
	tell_failed(h);
	dismiss_removed(h);
	set_gauges(h, findings, view->count, mono_ms);
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t heal_tick(struct heal *h, const struct mesh *mesh, int64_t mono_ms, int64_t most)
{
	int64_t wait;

	if (!h)
		return most;
	wait = least(most, leases_tick(h->leases, mono_ms));
	if (mono_ms >= h->look_ms || (mesh && mesh->serial != h->serial)) { /* before anything is decided by that matrix */
		look(h, mesh, mono_ms);
		h->look_ms = mono_ms + HEAL_LOOK_MS;
		h->serial = mesh ? mesh->serial : 0;
	}
	wait = least(wait, h->look_ms - mono_ms);
	return least(wait, evict_tick(h->evict, mono_ms, most));
}
