#include <string.h>

#include "lib/mem.h"
#include "sched/decider.h"
#include "sched/filter/volumes.h"

static const struct zone_key {
	const char *key, *now;		/* the label, and what it is called today */
} zone_keys[] = {
	{"failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"},
	{"failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"},
	{"topology.kubernetes.io/zone", "topology.kubernetes.io/zone"},
	{"topology.kubernetes.io/region", "topology.kubernetes.io/region"},
};

struct demand {
	const struct zone_key *key;
	const char *values;		/* "a__b" */
};

struct state {
	struct demand *demands;
	uint32_t count;
};

/* The next piece of "a__b", without the white space around it; NULL at the end. */
static const char *next_value(const char *at, size_t *len, const char **rest)
{
	const char *end;

	if (!at)
		return NULL;
	end = strstr(at, "__");
	*rest = end ? end + 2 : NULL;
	*len = end ? (size_t)(end - at) : strlen(at);
	while (*len && strchr(" \t\r\n\v\f", *at))
		at++, (*len)--;
	while (*len && strchr(" \t\r\n\v\f", at[*len - 1]))
		(*len)--;
	return at;
}

/* A label with an empty piece is passed over. */
static bool is_sound(const char *values)
{
	const char *at, *rest = values;
	size_t len = 0;

	while ((at = next_value(rest, &len, &rest)))
		if (!len)
			return false;
	return true;
}

static bool has_value(const char *values, const char *value)
{
	const char *at, *rest = values;
	size_t len = 0;

	while ((at = next_value(rest, &len, &rest)))
		if (len == strlen(value) && memcmp(at, value, len) == 0)
			return true;
	return false;
}

static void add_demands(struct state *s, const struct volume *volume)
{
	unsigned k;

	for (k = 0; k < ARRAY_SIZE(zone_keys); k++) {
		const char *values = labels_get(&volume->labels, zone_keys[k].key);

		if (values && is_sound(values))
			s->demands[s->count++] = (struct demand){&zone_keys[k], values};
	}
}

/* Claims that are not there, or unbound in a way that won't do, have been refused by the filters before. Ephemeral ones are not looked at. */
static enum filter_start prefilter(struct cycle *c)
{
	const struct pod *pod = c->pod;
	struct state *s;
	uint32_t i;

	if (!pod->needs_storage)
		return FILTER_SKIP;
	s = c->state = cycle_alloc(c, sizeof(*s));
	s->demands = cycle_alloc(c, pod->volume_count * ARRAY_SIZE(zone_keys) * sizeof(*s->demands));
	for (i = 0; i < pod->volume_count; i++) {
		const struct claim *claim = pod->volumes[i].of_claim && !pod->volumes[i].ephemeral ?
			find_claim(c->view, pod, &pod->volumes[i]) : NULL;
		const struct volume *volume;

		if (!claim || !claim->volume_name[0])
			continue;
		volume = find_volume(c->view, claim->volume_name);
		if (!volume) {
			c->pod_reason = arena_printf(&c->decider->arena, "persistentvolume \"%s\" not found", claim->volume_name);
			return FILTER_REFUSE;
		}
		add_demands(s, volume);
	}
	return s->count ? FILTER_RUN : FILTER_SKIP;
}

static bool has_zone(const struct labels *labels)
{
	unsigned k;

	for (k = 0; k < ARRAY_SIZE(zone_keys); k++)
		if (labels_get(labels, zone_keys[k].key))
			return true;
	return false;
}

static bool meets(const struct labels *labels, const struct demand *demand)
{
	const char *have = labels_get(labels, demand->key->key);

	if (!have)
		have = labels_get(labels, demand->key->now);
	return have && has_value(demand->values, have);
}

/* A node without any zone is in a cluster without zones. */
static bool fits(const struct state *s, const struct labels *labels)
{
	uint32_t i;

	for (i = 0; i < s->count; i++)
		if (!meets(labels, &s->demands[i]))
			return !has_zone(labels);
	return true;
}

static void filter(struct cycle *c)
{
	uint32_t i;

	for (i = 0; i < c->view->count; i++)
		if (cycle_feasible(c, i) && !fits(c->state, &c->view->nodes[i].node->labels))
			cycle_refuse(c, i, 0);
}

static void reason(const struct decision_input *in, uint32_t node, uint8_t detail, struct buf *out)
{
	(void)in, (void)node, (void)detail;
	buf_str(out, "node(s) had no available volume zone");
}

const struct filter filter_volume_zone = {
	.name = "VolumeZone", .unresolvable = true, .wake = WAKE_NODE_ADDED | WAKE_NODE_CHANGED | WAKE_STORAGE,
	.prefilter = prefilter, .filter = filter, .reason = reason,
};
