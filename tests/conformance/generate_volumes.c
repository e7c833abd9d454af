#include "tests/conformance/volumes.h"

#include <stdio.h>
#include <string.h>

#include "tests/conformance/make.h"

static const char *truth(struct scene *s)
{
	return rng_chance(&s->rng, 0.4) ? "true" : "false";
}

static cJSON *inline_disk(struct scene *s)
{
	struct rng *rng = &s->rng;
	const char *disk = PICK(rng, "d-1", "d-2");

	switch (rng_below(rng, 4)) {
	case 0: return make("{'name':'disk','gcePersistentDisk':{'pdName':'%s','readOnly':%s}}", disk, truth(s));
	case 1: return make("{'name':'disk','awsElasticBlockStore':{'volumeID':'%s','readOnly':%s}}", disk, truth(s));
	case 2: return make("{'name':'disk','iscsi':{'targetPortal':'10.0.0.%u','iqn':'iqn.2026-01.test:%s','lun':%u,'readOnly':%s}}",
			    1 + rng_below(rng, 2), disk, rng_below(rng, 2), truth(s));
	default: return make("{'name':'disk','rbd':{'monitors':['%s','%s'],'image':'%s','pool':'%s','readOnly':%s}}", PICK(rng, "m-1", "m-2"),
			     PICK(rng, "m-3", "m-4"), disk, PICK(rng, "rbd", "p"), truth(s));
	}
}

/* Of the pod's namespace; seldom one that is not there. */
static cJSON *some_claim(struct scene *s, const cJSON *pod, const char *name)
{
	uint32_t i = rng_below(&s->rng, CLAIMS);

	while (!STREQ(claim_namespace(i), get_text(pod, "metadata.namespace")))
		i = (i + 1) % CLAIMS;
	if (rng_chance(&s->rng, 0.03))
		i = CLAIMS;
	return make("{'name':'%s','persistentVolumeClaim':{'claimName':'c-%u','readOnly':%s}}", name, i, truth(s));
}

/*
 * Its claim is there and the pod's, somebody else's, or not there yet. Seldom so for pods on nodes: it is an error of the node then, which leaves no pod with
 * volumes a verdict.
 */
static cJSON *ephemeral(struct scene *s, const cJSON *pod, bool pending)
{
	const char *pod_name = get_text(pod, "metadata.name"), *namespace_ = get_text(pod, "metadata.namespace");
	const char *class_ = PICK(&s->rng, "fast", "topo", "cap", "local", "slow");
	auto_free char *name = xasprintf("%s-tmp", pod_name);
	double there = pending ? 0.85 : 0.98;

	if (rng_chance(&s->rng, there)) {
		cJSON *claim = claim_of(s, namespace_, name, class_);

		if (rng_chance(&s->rng, there))
			push(claim, "metadata.ownerReferences", make("{'apiVersion':'v1','kind':'Pod','name':'%s','uid':'%s','controller':true}", pod_name,
								      get_text(pod, "metadata.uid")));
		cJSON_AddItemToArray(s->objects, claim);
	}
	return make("{'name':'tmp','ephemeral':{'volumeClaimTemplate':{'spec':{'accessModes':['ReadWriteOnce'],'storageClassName':'%s',"
		    "'resources':{'requests':{'storage':'1Gi'}}}}}}", class_);
}

void generate_volumes(struct scene *s, cJSON *pod, bool pending)
{
	struct rng *rng = &s->rng;

	if (rng_chance(rng, 0.4))
		push(pod, "spec.volumes", inline_disk(s));
	if (rng_chance(rng, 0.7))
		push(pod, "spec.volumes", some_claim(s, pod, "data"));
	if (rng_chance(rng, 0.25))
		push(pod, "spec.volumes", some_claim(s, pod, "more"));
	if (rng_chance(rng, pending ? 0.1 : 0.05))
		push(pod, "spec.volumes", ephemeral(s, pod, pending));
	if (rng_chance(rng, 0.05))
		push(pod, "spec.volumes", make("{'name':'inline','csi':{'driver':'csi.example.com'}}"));
	if (rng_chance(rng, 0.1))
		push(pod, "spec.volumes", make("{'name':'empty','emptyDir':{}}"));
}
