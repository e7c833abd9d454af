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

static const char *size_of(struct scene *s)
{
	return rng_chance(&s->rng, 0.15) ? PICK(&s->rng, "1e9", "0.1Gi", "1Ei", "100m", "1500M") : PICK(&s->rng, "1Gi", "2Gi", "5Gi", "10Gi");
}

static const char *a_zone(struct scene *s)
{
	return PICK(&s->rng, "eu-west1-a", "eu-west1-b", "eu-west1-c");
}

/* --- classes and what drivers say ---------------------------------------------------------------------------------------- */

static void classes(struct scene *s)
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
								PICK(&s->rng, "eu-west1-a", "eu-west1-b"), PICK(&s->rng, "eu-west1-c", "eu-west1-x")));
		if (STREQ(rows[i][0], "topo") && rng_chance(&s->rng, 0.3))
			push(class_, "allowedTopologies",
			     make("{'matchLabelExpressions':[{'key':'rack','values':['1']},{'key':'" ZONE "','values':['eu-west1-b']}]}"));
		cJSON_AddItemToArray(s->objects, class_);
	}
}

static void drivers(struct scene *s)
{
	cJSON_AddItemToArray(s->objects, make("{'kind':'CSIDriver','metadata':{'name':'" CAP "'},'spec':{'storageCapacity':%s}}",
					      rng_chance(&s->rng, 0.9) ? "true" : "false"));
	if (rng_chance(&s->rng, 0.7))
		cJSON_AddItemToArray(s->objects, make("{'kind':'CSIDriver','metadata':{'name':'" CSI "'},'spec':{'attachRequired':%s}}",
						      rng_chance(&s->rng, 0.7) ? "true" : "false"));
}

static cJSON *csi_driver(struct scene *s, const char *name, uint32_t node)
{
	cJSON *driver = make("{'name':'%s','nodeID':'n-%u','topologyKeys':[]}", name, node);

	if (rng_chance(&s->rng, 0.85))
		put(driver, "allocatable.count", cJSON_CreateNumber(1 + rng_below(&s->rng, 3)));
	return driver;
}

static void csi_nodes(struct scene *s)
{
	uint32_t i;

	for (i = 0; i < s->nodes; i++) {
		cJSON *node = make("{'kind':'CSINode','metadata':{'name':'n-%u'},'spec':{'drivers':[]}}", i);

		if (rng_chance(&s->rng, 0.2)) {
			cJSON_Delete(node);
			continue;
		}
		if (rng_chance(&s->rng, 0.85))
			push(node, "spec.drivers", csi_driver(s, CSI, i));
		if (rng_chance(&s->rng, 0.3))
			push(node, "spec.drivers", csi_driver(s, CAP, i));
		if (rng_chance(&s->rng, 0.4))
			push(node, "spec.drivers", csi_driver(s, "ebs.csi.aws.com", i));
		if (rng_chance(&s->rng, 0.4))
			put_named(node, "metadata.annotations", "storage.alpha.kubernetes.io/migrated-plugins",
				  PICK(&s->rng, "kubernetes.io/aws-ebs", "kubernetes.io/aws-ebs,kubernetes.io/gce-pd", ""));
		cJSON_AddItemToArray(s->objects, node);
	}
}

static void capacities(struct scene *s)
{
	uint32_t count = rng_below(&s->rng, 5), i;

	for (i = 0; i < count; i++) {
		cJSON *capacity = make("{'kind':'CSIStorageCapacity','metadata':{'name':'cap-%u','namespace':'%s'},'storageClassName':'%s'}", i,
				       scene_namespace(s), PICK(&s->rng, "cap", "cap", "cap", "fast"));

		if (rng_chance(&s->rng, 0.85))
			put(capacity, "nodeTopology", rng_chance(&s->rng, 0.15) ? cJSON_CreateObject() : make("{'matchLabels':{'" ZONE "':'%s'}}", a_zone(s)));
		if (rng_chance(&s->rng, 0.85))
			put_text(capacity, "capacity", rng_chance(&s->rng, 0.2) ? "0" : size_of(s));
		if (rng_chance(&s->rng, 0.3))
			put_text(capacity, "maximumVolumeSize", size_of(s));
		cJSON_AddItemToArray(s->objects, capacity);
	}
}

/* --- volumes ------------------------------------------------------------------------------------------------------------- */

static void in_zone(struct scene *s, cJSON *volume)
{
	put(volume, "spec.nodeAffinity.required",
	    make("{'nodeSelectorTerms':[{'matchExpressions':[{'key':'" ZONE "','operator':'In','values':['%s','%s']}]}]}", a_zone(s),
		 PICK(&s->rng, "eu-west1-a", "eu-west1-c", "eu-west1-x")));
}

static void on_host(struct scene *s, cJSON *volume)
{
	put(volume, "spec.nodeAffinity.required",
	    make("{'nodeSelectorTerms':[{'matchExpressions':[{'key':'kubernetes.io/hostname','operator':'%s','values':['%s']}]}]}",
		 PICK(&s->rng, "In", "In", "In", "NotIn"), scene_node(s)));
}

static void source(struct scene *s, cJSON *volume, const char *handle)
{
	uint32_t kind = rng_below(&s->rng, 10);

	if (kind < 5)
		put(volume, "spec.csi", make("{'driver':'%s','volumeHandle':'%s'}", PICK(&s->rng, CSI, CSI, CSI, CAP, "ebs.csi.aws.com"), handle));
	else if (kind == 5)
		put(volume, "spec.awsElasticBlockStore", make("{'volumeID':'vol-%s'}", handle));
	else if (kind == 6)
		put(volume, "spec.gcePersistentDisk", make("{'pdName':'%s'}", handle));
	else if (kind == 7)
		put(volume, "spec.nfs", make("{'server':'nfs.test','path':'/x'}"));
	else
		put(volume, "spec.local", make("{'path':'/disk'}"));
	if (get(volume, "spec.local") || rng_chance(&s->rng, 0.1))
		on_host(s, volume);
	else if (rng_chance(&s->rng, 0.25))
		in_zone(s, volume);
}

static cJSON *volume_of(struct scene *s, const char *name, const char *class_, const char *size)
{
	struct rng *rng = &s->rng;
	cJSON *volume = make("{'kind':'PersistentVolume','metadata':{'name':'%s','uid':'pv-%s','labels':{}},'spec':{'capacity':{'storage':'%s'},"
			     "'accessModes':['%s'],'persistentVolumeReclaimPolicy':'Retain'},'status':{}}", name, name, size,
			     PICK(rng, "ReadWriteOnce", "ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany", "ReadWriteOncePod"));

	if (*class_)
		put_text(volume, "spec.storageClassName", class_);
	if (rng_chance(rng, 0.1))
		put_text(volume, "spec.volumeMode", "Block");
	if (rng_chance(rng, 0.5))
		put_named(volume, "metadata.labels", PICK(rng, ZONE, "failure-domain.beta.kubernetes.io/zone"),
			  rng_chance(rng, 0.01) ? "odd" : PICK(rng, "eu-west1-a", "eu-west1-b", "eu-west1-a__eu-west1-b", "eu-west1-c__eu-west1-x"));
	if (rng_chance(rng, 0.1))
		put_named(volume, "metadata.labels", "topology.kubernetes.io/region", PICK(rng, "r-1", "r-2"));
	if (rng_chance(rng, 0.3))
		put_text(volume, "metadata.labels.disk", PICK(rng, "ssd", "hdd"));
	source(s, volume, name);
	return volume;
}

/* Not taken by any claim; some are meant for one. */
static void free_volumes(struct scene *s)
{
	uint32_t count = 4 + rng_below(&s->rng, 12), i;

	for (i = 0; i < count; i++) {
		auto_free char *name = xasprintf("f-%u", i);
		cJSON *volume = volume_of(s, name, PICK(&s->rng, "local", "local", "fast", "topo", "cap", "ebs", "", "absent"), size_of(s));
		uint32_t claim = rng_below(&s->rng, CLAIMS);

		if (rng_chance(&s->rng, 0.15))
			put(volume, "spec.claimRef", make("{'kind':'PersistentVolumeClaim','namespace':'%s','name':'c-%u'}", claim_namespace(claim), claim));
		if (get(volume, "spec.claimRef") && rng_chance(&s->rng, 0.6))
			put_text(volume, "spec.claimRef.uid", PICK(&s->rng, "another", "claim-1", "claim-2", "claim-3"));
		put_text(volume, "status.phase", PICK(&s->rng, "Available", "Available", "Available", "Available", "Released", "Pending", "Failed"));
		if (rng_chance(&s->rng, 0.05))
			put_text(volume, "metadata.deletionTimestamp", "2026-01-01T00:00:00Z");
		cJSON_AddItemToArray(s->objects, volume);
	}
}

/* --- claims -------------------------------------------------------------------------------------------------------------- */

cJSON *claim_of(struct scene *s, const char *namespace_, const char *name, const char *class_)
{
	struct rng *rng = &s->rng;
	cJSON *claim = make("{'kind':'PersistentVolumeClaim','metadata':{'name':'%s','namespace':'%s','annotations':{}},'spec':{'accessModes':['%s'],"
			    "'resources':{'requests':{'storage':'%s'}},'storageClassName':'%s'},'status':{'phase':'Pending'}}", name, namespace_,
			    PICK(rng, "ReadWriteOnce", "ReadWriteOnce", "ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany", "ReadWriteOncePod"),
			    size_of(s), class_);

	if (rng_chance(rng, 0.07))
		put_text(claim, "spec.volumeMode", "Block");
	if (rng_chance(rng, 0.08))
		put(claim, "spec.selector", rng_chance(rng, 0.2) ? cJSON_CreateObject() : make("{'matchLabels':{'disk':'ssd'}}"));
	if (rng_chance(rng, 0.05))
		put_named(claim, "metadata.annotations", "volume.beta.kubernetes.io/storage-class", PICK(rng, "fast", "local", "slow"));
	return claim;
}

static void bind(struct scene *s, cJSON *claim, uint32_t i)
{
	auto_free char *name = xasprintf("v-%u", i);
	cJSON *volume = volume_of(s, name, get_text(claim, "spec.storageClassName"), "10Gi");

	put_text(claim, "spec.volumeName", name);
	put_named(claim, "metadata.annotations", "pv.kubernetes.io/bind-completed", "yes");
	put_text(claim, "status.phase", "Bound");
	put(volume, "spec.claimRef", make("{'kind':'PersistentVolumeClaim','namespace':'%s','name':'c-%u','uid':'claim-%u'}", claim_namespace(i), i, i));
	put_text(volume, "status.phase", "Bound");
	cJSON_AddItemToArray(s->objects, volume);
}

static void unusual(struct scene *s, cJSON *claim)
{
	switch (rng_below(&s->rng, 5)) {
	case 0: put_text(claim, "spec.volumeName", "gone");
		put_named(claim, "metadata.annotations", "pv.kubernetes.io/bind-completed", "yes");
		break;
	case 1: put_text(claim, "spec.volumeName", PICK(&s->rng, "f-0", "f-1", "gone")); break;
	case 2: put_text(claim, "status.phase", "Lost"); break;
	case 3: put_text(claim, "metadata.deletionTimestamp", "2026-01-01T00:00:00Z"); break;
	default: put_named(claim, "metadata.annotations", "volume.kubernetes.io/selected-node", scene_node(s)); break;
	}
}

static void claims(struct scene *s)
{
	uint32_t i;

	for (i = 0; i < CLAIMS; i++) {
		auto_free char *name = xasprintf("c-%u", i), *uid = xasprintf("claim-%u", i);
		const char *class_ = rng_chance(&s->rng, 0.1) ? PICK(&s->rng, "slow", "", "absent")
							      : PICK(&s->rng, "fast", "local", "topo", "cap", "cap", "ebs");
		cJSON *claim = claim_of(s, claim_namespace(i), name, class_);

		put_text(claim, "metadata.uid", uid);
		if (rng_chance(&s->rng, 0.5))
			bind(s, claim, i);
		else if (rng_chance(&s->rng, 0.3))
			unusual(s, claim);
		cJSON_AddItemToArray(s->objects, claim);
	}
}

static void attachments(struct scene *s)
{
	uint32_t count = rng_below(&s->rng, 6), i;

	for (i = 0; i < count; i++)
		cJSON_AddItemToArray(s->objects, make("{'kind':'VolumeAttachment','metadata':{'name':'va-%u'},'spec':{'attacher':'%s','nodeName':'%s',"
						      "'source':{'persistentVolumeName':'v-%u'}}}", i, PICK(&s->rng, CSI, CSI, CAP), scene_node(s),
						      rng_below(&s->rng, CLAIMS)));
}

void generate_storage(struct scene *s)
{
	classes(s);
	drivers(s);
	csi_nodes(s);
	capacities(s);
	claims(s);
	free_volumes(s);
	attachments(s);
}
