/*
 * volumes_step.h - a step of a plan that is carried out: one claim, one patch; and how it stands, by the cache. The pure part of volumes.c, private to it.
 */
#ifndef SCHED_VOLUMES_STEP_H
#define SCHED_VOLUMES_STEP_H

#include "lib/buf.h"
#include "sched/filter/volume_binding.h"

struct step {
	char *claim, *claim_uid, *claim_version;
	char *volume;			/* that it takes; NULL: one is made for it */
	char *uid, *version;		/* of what is patched, as it was when the plan was made */
	bool named;			/* by the volume already, before us */
	bool done;			/* patched, or nothing was to be patched */
	bool patched;
};

void step_of_match(struct step *s, const struct volume_match *match);
void step_of_provision(struct step *s, const struct volume_provision *provision, const char *node);
void step_free(struct step *s);
/* The request for it; the caller frees *path. */
void step_request(const struct step *s, const char *namespace_, const char *node, char **path, struct buf *body);

enum step_state { STEP_WAITS, STEP_STANDS, STEP_FAILS };
/* Whether what the step writes is there. WAITS: the object is still the one that the plan was made from. */
enum step_state step_written(const struct step *s, const struct cache *c, const char *namespace_, const char *node);
/* Whether all claims are bound, to volumes that the node may use. `why` of FAILS, in kube-scheduler's words. */
enum step_state steps_bound(const struct step *steps, uint32_t count, struct cache *c, const char *namespace_, const char *node, char *why, size_t size);

#endif
