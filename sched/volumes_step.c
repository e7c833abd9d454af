#include "sched/volumes_step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/filter/volumes.h"

/* --- what is to be done --- */

static void begin(struct step *s, const struct claim *claim, const struct object *patched)
{
	*s = (struct step){
		.claim = xstrdup(claim->object.name), .claim_uid = xstrdup(claim->object.uid), .claim_version = xstrdup(claim->object.resource_version),
		.uid = xstrdup(patched->uid), .version = xstrdup(patched->resource_version),
	};
}

/* match->prebound is also true of a volume that is only promised to the claim. */
static bool names(const struct volume *volume, const struct claim *claim)
{
	return volume->has_claim && STREQ(volume->claim_name, claim->object.name) && STREQ(volume->claim_namespace, claim->object.namespace_) &&
	       (!volume->claim_uid[0] || STREQ(volume->claim_uid, claim->object.uid));
}

void step_of_match(struct step *s, const struct volume_match *match)
{
	begin(s, match->claim, &match->volume->object);
	s->volume = xstrdup(match->volume->object.name);
	s->named = names(match->volume, match->claim);
	s->done = s->named && match->volume->claim_uid[0];
}

void step_of_provision(struct step *s, const struct volume_provision *provision, const char *node)
{
	const struct claim *claim = provision->claim;

	begin(s, claim, &claim->object);
	s->done = claim->selected_node && STREQ(claim->selected_node, node);
}

void step_free(struct step *s)
{
	free(s->claim);
	free(s->claim_uid);
	free(s->claim_version);
	free(s->volume);
	free(s->uid);
	free(s->version);
}

/* --- the request --- */

static void add(struct buf *b, const char *before, const char *value)
{
	buf_str(b, before);
	buf_json_string(b, value);
}

void step_request(const struct step *s, const char *namespace_, const char *node, char **path, struct buf *body)
{
	add(body, "{\"metadata\":{\"uid\":", s->uid);
	add(body, ",\"resourceVersion\":", s->version);
	if (!s->volume) {
		*path = xasprintf("/api/v1/namespaces/%s/persistentvolumeclaims/%s", namespace_, s->claim);
		add(body, ",\"annotations\":{\"volume.kubernetes.io/selected-node\":", node);
		buf_str(body, "}}}");
		return;
	}
	*path = xasprintf("/api/v1/persistentvolumes/%s", s->volume);
	buf_str(body, s->named ? "}" : ",\"annotations\":{\"pv.kubernetes.io/bound-by-controller\":\"yes\"}}");
	add(body, ",\"spec\":{\"claimRef\":{\"kind\":\"PersistentVolumeClaim\",\"apiVersion\":\"v1\",\"namespace\":", namespace_);
	add(body, ",\"name\":", s->claim);
	add(body, ",\"uid\":", s->claim_uid);
	add(body, ",\"resourceVersion\":", s->claim_version);
	buf_str(body, "}}}");
}

/* --- how it stands --- */

static const struct claim *claim_of(const struct step *s, const struct cache *c, const char *namespace_)
{
	const struct claim *claim = (const struct claim *)cache_find_object(c, OBJECT_CLAIM, namespace_, s->claim);

	return claim && STREQ(claim->object.uid, s->claim_uid) ? claim : NULL;
}

static const struct volume *volume_named(const struct cache *c, const char *name)
{
	return (const struct volume *)cache_find_object(c, OBJECT_VOLUME, "", name);
}

static bool is_for(const struct claim *claim, const char *node)
{
	return claim->selected_node && STREQ(claim->selected_node, node);
}

enum step_state step_written(const struct step *s, const struct cache *c, const char *namespace_, const char *node)
{
	const struct claim *claim = claim_of(s, c, namespace_);
	const struct volume *volume = s->volume ? volume_named(c, s->volume) : NULL;

	if (!claim || (s->volume && !volume))
		return STEP_FAILS;
	if (s->volume && volume->has_claim && STREQ(volume->claim_uid, s->claim_uid))
		return STEP_STANDS;
	if (!s->volume && is_for(claim, node))
		return STEP_STANDS;
	return STREQ(s->volume ? volume->object.resource_version : claim->object.resource_version, s->version) ? STEP_WAITS : STEP_FAILS;
}

/* False and why: the pod could not use the volume on that node. */
static bool allows(const struct volume *volume, struct cache *c, const char *node, char *why, size_t size)
{
	enum volume_access access = volume_access(cache_view(c), volume, (uint32_t)cache_find_node(c, node));

	if (access == VOLUME_UNTRANSLATED)
		snprintf(why, size, "could not translate pv %s", volume->object.name);
	else if (access == VOLUME_ELSEWHERE)
		snprintf(why, size, "pv \"%s\" node affinity doesn't match node \"%s\": no matching NodeSelectorTerms", volume->object.name, node);
	return access == VOLUME_USABLE;
}

static enum step_state match_bound(const struct step *s, struct cache *c, const struct claim *claim, const char *node, char *why, size_t size)
{
	const struct volume *volume = volume_named(c, s->volume);

	if (!volume) {
		snprintf(why, size, "failed to check binding: could not find v1.PersistentVolume \"%s\"", s->volume);
		return STEP_FAILS;
	}
	if (s->patched && STREQ(volume->object.resource_version, s->version))
		return STEP_WAITS;
	if (!allows(volume, c, node, why, size))
		return STEP_FAILS;
	if (!volume->has_claim || !STREQ(volume->claim_uid, s->claim_uid)) {
		snprintf(why, size, "ClaimRef got reset for pv \"%s\"", s->volume);
		return STEP_FAILS;
	}
	return claim_is_bound(claim) ? STEP_STANDS : STEP_WAITS;
}

static enum step_state provision_bound(const struct step *s, struct cache *c, const struct claim *claim, const char *node, char *why, size_t size)
{
	const struct volume *volume;

	if (s->patched && STREQ(claim->object.resource_version, s->version))
		return STEP_WAITS;
	if (!is_for(claim, node)) {
		snprintf(why, size, "provisioning failed for PVC \"%s\"", s->claim);
		return STEP_FAILS;
	}
	volume = claim->volume_name[0] ? volume_named(c, claim->volume_name) : NULL;
	if (!volume)
		return STEP_WAITS;	/* the claim's watch may be ahead of the volume's */
	if (!allows(volume, c, node, why, size))
		return STEP_FAILS;
	return claim_is_bound(claim) ? STEP_STANDS : STEP_WAITS;
}

static enum step_state step_bound(const struct step *s, struct cache *c, const char *namespace_, const char *node, char *why, size_t size)
{
	const struct claim *claim = claim_of(s, c, namespace_);

	if (claim)
		return (s->volume ? match_bound : provision_bound)(s, c, claim, node, why, size);
	snprintf(why, size, "failed to check %s: could not find v1.PersistentVolumeClaim \"%s/%s\"", s->volume ? "binding" : "provisioning pvc",
		 namespace_, s->claim);
	return STEP_FAILS;
}

enum step_state steps_bound(const struct step *steps, uint32_t count, struct cache *c, const char *namespace_, const char *node, char *why, size_t size)
{
	enum step_state all = STEP_STANDS, one;
	uint32_t i;

	if (cache_find_node(c, node) < 0) {
		snprintf(why, size, "failed to get node \"%s\": node \"%s\" not found", node, node);
		return STEP_FAILS;
	}
	for (i = 0; i < count && all != STEP_FAILS; i++) {
		one = step_bound(&steps[i], c, namespace_, node, why, size);
		if (one != STEP_STANDS)
			all = one;
	}
	return all;
}
