#include "sched/filter/filter.h"

#include "lib/mem.h"

extern const struct filter filter_gates, filter_unschedulable, filter_node_name, filter_taints, filter_node_affinity, filter_ports,
	filter_fit, filter_spread, filter_pod_affinity, filter_os, filter_latency, filter_max_latency, filter_cpu,
	filter_volume_restrictions, filter_volume_limits, filter_volume_binding, filter_volume_zone, filter_declared_features,
	filter_groups_policy, filter_closed;

/* The pod as a whole, then nodes in kube-scheduler's order, then ours. */
const struct filter *const filter_table[] = {
	&filter_gates,		/* SchedulingGates */
	&filter_unschedulable,	/* NodeUnschedulable */
	&filter_node_name,	/* NodeName */
	&filter_taints,		/* TaintToleration */
	&filter_node_affinity,	/* NodeAffinity: selector and required terms */
	&filter_ports,		/* NodePorts */
	&filter_fit,		/* NodeResourcesFit */
	&filter_volume_restrictions,	/* VolumeRestrictions: disks and claims that pods cannot share */
	&filter_volume_limits,	/* NodeVolumeLimits: how many a CSI driver attaches */
	&filter_volume_binding,	/* VolumeBinding: volumes there, or to be found or made */
	&filter_volume_zone,	/* VolumeZone: labels of volumes */
	&filter_spread,		/* PodTopologySpread */
	&filter_pod_affinity,	/* InterPodAffinity: of the pod, and what other pods keep away */
	&filter_declared_features,	/* NodeDeclaredFeatures */
	&filter_os,		/* what the kubelet would refuse */
	&filter_groups_policy,	/* and this */
	&filter_closed,		/* what the caller closes: room that is kept and just being handed over */
	&filter_latency,	/* delay_<from>, within */
	&filter_max_latency,	/* maxLatency, noData: of pods that have no limit of their own */
	&filter_cpu,		/* load above the limit */
};

const unsigned filter_count = ARRAY_SIZE(filter_table);
