#include <stdio.h>
#include <string.h>

#include "tests/conformance/generate.h"
#include "tests/conformance/make.h"
#include "tests/conformance/plane.h"
#include "tests/conformance/volumes.h"

#define ZONE "topology.kubernetes.io/zone"
#define CSI "csi.example.com"
#define CAP "cap.example.com"

static const char *const namespaces[] = {PLANE_NAMESPACES};

const char *claim_namespace(uint32_t claim)
{
	return namespaces[claim % ARRAY_SIZE(namespaces)];
}

static const char *size_of(struct world *w)
{
	return rng_chance(&w->rng, 0.15) ? PICK(&w->rng, "1e9", "0.1Gi", "1Ei", "100m", "1500M") : PICK(&w->rng, "1Gi", "2Gi", "5Gi", "10Gi");
}

/* --- classes and what drivers say ---------------------------------------------------------------------------------------- */

static void classes(struct world *w)
{
	static const char *const rows[][3] = {
		{"fast", CSI, "WaitForFirstConsumer"}, {"slow", CSI, "Immediate"}, {"local", "kubernetes.io/no-provisioner", "WaitForFirstConsumer"},
		{"topo", CSI, "WaitForFirstConsumer"}, {"cap", CAP, "WaitForFirstConsumer"}, {"ebs", "kubernetes.io/aws-ebs", "WaitForFirstConsumer"},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		cJSON *class_ = make("{'kind':'StorageClass','metadata':{'name':'%s'},'provisioner':'%s','volumeBindingMode':'%s'}", rows[i][0], rows[i][1],
				     rows[i][2]);

		if (STREQ(rows[i][0], "topo"))
			push(class_, "allowedTopologies", make("{'matchLabelExpressions':[{'key':'" ZONE "','values':['%s','%s']}]}",
								PICK(&w->rng, "z-a", "z-b"), PICK(&w->rng, "z-c", "z-x")));
		if (STREQ(rows[i][0], "topo") && rng_chance(&w->rng, 0.3))
			push(class_, "allowedTopologies",
			     make("{'matchLabelExpressions':[{'key':'rack','values':['1']},{'key':'" ZONE "','values':['z-b']}]}"));
		cJSON_AddItemToArray(w->objects, class_);
	}
}

static void drivers(struct world *w)
{
	cJSON_AddItemToArray(w->objects, make("{'kind':'CSIDriver','metadata':{'name':'" CAP "'},'spec':{'storageCapacity':%s}}",
					      rng_chance(&w->rng, 0.9) ? "true" : "false"));
	if (rng_chance(&w->rng, 0.7))
		cJSON_AddItemToArray(w->objects, make("{'kind':'CSIDriver','metadata':{'name':'" CSI "'},'spec':{'attachRequired':%s}}",
						      rng_chance(&w->rng, 0.7) ? "true" : "false"));
}

static cJSON *csi_driver(struct world *w, const char *name, uint32_t node)
{
	cJSON *driver = make("{'name':'%s','nodeID':'n-%u','topologyKeys':[]}", name, node);

	if (rng_chance(&w->rng, 0.85))
		put(driver, "allocatable.count", cJSON_CreateNumber(1 + rng_below(&w->rng, 3)));
	return driver;
}

static void csi_nodes(struct world *w)
{
	uint32_t i;

	for (i = 0; i < w->nodes; i++) {
		cJSON *node = make("{'kind':'CSINode','metadata':{'name':'n-%u'},'spec':{'drivers':[]}}", i);

		if (rng_chance(&w->rng, 0.2)) {
			cJSON_Delete(node);
			continue;
		}
		if (rng_chance(&w->rng, 0.85))
			push(node, "spec.drivers", csi_driver(w, CSI, i));
		if (rng_chance(&w->rng, 0.3))
			push(node, "spec.drivers", csi_driver(w, CAP, i));
		if (rng_chance(&w->rng, 0.4))
			push(node, "spec.drivers", csi_driver(w, "ebs.csi.aws.com", i));
		if (rng_chance(&w->rng, 0.4))
			put_named(node, "metadata.annotations", "storage.alpha.kubernetes.io/migrated-plugins",
				  PICK(&w->rng, "kubernetes.io/aws-ebs", "kubernetes.io/aws-ebs,kubernetes.io/gce-pd", ""));
		cJSON_AddItemToArray(w->objects, node);
	}
}

static void capacities(struct world *w)
{
	uint32_t count = rng_below(&w->rng, 5), i;

	for (i = 0; i < count; i++) {
		cJSON *capacity = make("{'kind':'CSIStorageCapacity','metadata':{'name':'cap-%u','namespace':'%s'},'storageClassName':'%s'}", i,
				       world_namespace(w), PICK(&w->rng, "cap", "cap", "cap", "fast"));

		if (rng_chance(&w->rng, 0.85))
			put(capacity, "nodeTopology", rng_chance(&w->rng, 0.15) ? cJSON_CreateObject()
									       : make("{'matchLabels':{'" ZONE "':'%s'}}", PICK(&w->rng, "z-a", "z-b", "z-c")));
		if (rng_chance(&w->rng, 0.85))
			put_text(capacity, "capacity", rng_chance(&w->rng, 0.2) ? "0" : size_of(w));
		if (rng_chance(&w->rng, 0.3))
			put_text(capacity, "maximumVolumeSize", size_of(w));
		cJSON_AddItemToArray(w->objects, capacity);
	}
}

/* --- volumes ------------------------------------------------------------------------------------------------------------- */

static void in_zone(struct world *w, cJSON *volume)
{
	put(volume, "spec.nodeAffinity.required", make("{'nodeSelectorTerms':[{'matchExpressions':[{'key':'" ZONE "','operator':'In','values':['%s','%s']}]}]}",
							PICK(&w->rng, "z-a", "z-b", "z-c"), PICK(&w->rng, "z-a", "z-c", "z-x")));
}

static void on_host(struct world *w, cJSON *volume)
{
	put(volume, "spec.nodeAffinity.required",
	    make("{'nodeSelectorTerms':[{'matchExpressions':[{'key':'kubernetes.io/hostname','operator':'%s','values':['%s']}]}]}",
		 PICK(&w->rng, "In", "In", "In", "NotIn"), world_node(w)));
}

static void source(struct world *w, cJSON *volume, const char *handle)
{
	uint32_t kind = rng_below(&w->rng, 10);

	if (kind < 5)
		put(volume, "spec.csi", make("{'driver':'%s','volumeHandle':'%s'}", PICK(&w->rng, CSI, CSI, CSI, CAP, "ebs.csi.aws.com"), handle));
	else if (kind == 5)
		put(volume, "spec.awsElasticBlockStore", make("{'volumeID':'vol-%s'}", handle));
	else if (kind == 6)
		put(volume, "spec.gcePersistentDisk", make("{'pdName':'%s'}", handle));
	else if (kind == 7)
		put(volume, "spec.nfs", make("{'server':'nfs.test','path':'/x'}"));
	else
		put(volume, "spec.local", make("{'path':'/disk'}"));
	if (get(volume, "spec.local") || rng_chance(&w->rng, 0.1))
		on_host(w, volume);
	else if (rng_chance(&w->rng, 0.25))
		in_zone(w, volume);
}

static cJSON *volume_of(struct world *w, const char *name, const char *class_, const char *size)
{
	struct rng *rng = &w->rng;
	cJSON *volume = make("{'kind':'PersistentVolume','metadata':{'name':'%s','uid':'pv-%s','labels':{}},'spec':{'capacity':{'storage':'%s'},"
			     "'accessModes':['%s'],'persistentVolumeReclaimPolicy':'Retain'},'status':{}}", name, name, size,
			     PICK(rng, "ReadWriteOnce", "ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany", "ReadWriteOncePod"));

	if (*class_)
		put_text(volume, "spec.storageClassName", class_);
	if (rng_chance(rng, 0.1))
		put_text(volume, "spec.volumeMode", "Block");
	if (rng_chance(rng, 0.5))
		put_named(volume, "metadata.labels", PICK(rng, ZONE, "failure-domain.beta.kubernetes.io/zone"),
			  PICK(rng, "z-a", "z-b", "z-a__z-b", "z-c__z-x"));
	if (rng_chance(rng, 0.1))
		put_named(volume, "metadata.labels", "topology.kubernetes.io/region", PICK(rng, "r-1", "r-2"));
	if (rng_chance(rng, 0.3))
		put_text(volume, "metadata.labels.disk", PICK(rng, "ssd", "hdd"));
	source(w, volume, name);
	return volume;
}

/* Not taken by any claim; some are meant for one. */
static void free_volumes(struct world *w)
{
	uint32_t count = 4 + rng_below(&w->rng, 12), i;

	for (i = 0; i < count; i++) {
		auto_free char *name = xasprintf("f-%u", i);
		cJSON *volume = volume_of(w, name, PICK(&w->rng, "local", "local", "fast", "topo", "cap", "ebs", "", "absent"), size_of(w));
		uint32_t claim = rng_below(&w->rng, CLAIMS);

		if (rng_chance(&w->rng, 0.15))
			put(volume, "spec.claimRef", make("{'kind':'PersistentVolumeClaim','namespace':'%s','name':'c-%u'}", claim_namespace(claim), claim));
		if (get(volume, "spec.claimRef") && rng_chance(&w->rng, 0.6))
			put_text(volume, "spec.claimRef.uid", PICK(&w->rng, "another", "claim-1", "claim-2", "claim-3"));
		put_text(volume, "status.phase", PICK(&w->rng, "Available", "Available", "Available", "Available", "Released", "Pending", "Failed"));
		if (rng_chance(&w->rng, 0.05))
			put_text(volume, "metadata.deletionTimestamp", "2026-01-01T00:00:00Z");
		cJSON_AddItemToArray(w->objects, volume);
	}
}

/* --- claims -------------------------------------------------------------------------------------------------------------- */

cJSON *claim_of(struct world *w, const char *namespace_, const char *name, const char *class_)
{
	struct rng *rng = &w->rng;
	cJSON *claim = make("{'kind':'PersistentVolumeClaim','metadata':{'name':'%s','namespace':'%s','annotations':{}},'spec':{'accessModes':['%s'],"
			    "'resources':{'requests':{'storage':'%s'}},'storageClassName':'%s'},'status':{'phase':'Pending'}}", name, namespace_,
			    PICK(rng, "ReadWriteOnce", "ReadWriteOnce", "ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany", "ReadWriteOncePod"),
			    size_of(w), class_);

	if (rng_chance(rng, 0.07))
		put_text(claim, "spec.volumeMode", "Block");
	if (rng_chance(rng, 0.08))
		put(claim, "spec.selector", rng_chance(rng, 0.2) ? cJSON_CreateObject() : make("{'matchLabels':{'disk':'ssd'}}"));
	if (rng_chance(rng, 0.05))
		put_named(claim, "metadata.annotations", "volume.beta.kubernetes.io/storage-class", PICK(rng, "fast", "local", "slow"));
	return claim;
}

static void bind(struct world *w, cJSON *claim, uint32_t i)
{
	auto_free char *name = xasprintf("v-%u", i);
	cJSON *volume = volume_of(w, name, get_text(claim, "spec.storageClassName"), "10Gi");

	put_text(claim, "spec.volumeName", name);
	put_named(claim, "metadata.annotations", "pv.kubernetes.io/bind-completed", "yes");
	put_text(claim, "status.phase", "Bound");
	put(volume, "spec.claimRef", make("{'kind':'PersistentVolumeClaim','namespace':'%s','name':'c-%u','uid':'claim-%u'}", claim_namespace(i), i, i));
	put_text(volume, "status.phase", "Bound");
	cJSON_AddItemToArray(w->objects, volume);
}

static void unusual(struct world *w, cJSON *claim)
{
	switch (rng_below(&w->rng, 5)) {
	case 0: put_text(claim, "spec.volumeName", "gone");
		put_named(claim, "metadata.annotations", "pv.kubernetes.io/bind-completed", "yes");
		break;
	case 1: put_text(claim, "spec.volumeName", PICK(&w->rng, "f-0", "f-1", "gone")); break;
	case 2: put_text(claim, "status.phase", "Lost"); break;
	case 3: put_text(claim, "metadata.deletionTimestamp", "2026-01-01T00:00:00Z"); break;
	default: put_named(claim, "metadata.annotations", "volume.kubernetes.io/selected-node", world_node(w)); break;
	}
}

static void claims(struct world *w)
{
	uint32_t i;

	for (i = 0; i < CLAIMS; i++) {
		auto_free char *name = xasprintf("c-%u", i), *uid = xasprintf("claim-%u", i);
		const char *class_ = rng_chance(&w->rng, 0.1) ? PICK(&w->rng, "slow", "", "absent")
							      : PICK(&w->rng, "fast", "local", "topo", "cap", "cap", "ebs");
		cJSON *claim = claim_of(w, claim_namespace(i), name, class_);

		put_text(claim, "metadata.uid", uid);
		if (rng_chance(&w->rng, 0.5))
			bind(w, claim, i);
		else if (rng_chance(&w->rng, 0.3))
			unusual(w, claim);
		cJSON_AddItemToArray(w->objects, claim);
	}
}

static void attachments(struct world *w)
{
	uint32_t count = rng_below(&w->rng, 6), i;

	for (i = 0; i < count; i++)
		cJSON_AddItemToArray(w->objects, make("{'kind':'VolumeAttachment','metadata':{'name':'va-%u'},'spec':{'attacher':'%s','nodeName':'%s',"
						      "'source':{'persistentVolumeName':'v-%u'}}}", i, PICK(&w->rng, CSI, CSI, CAP), world_node(w),
						      rng_below(&w->rng, CLAIMS)));
}

void generate_storage(struct world *w)
{
	classes(w);
	drivers(w);
	csi_nodes(w);
	capacities(w);
	claims(w);
	free_volumes(w);
	attachments(w);
}
