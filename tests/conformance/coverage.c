#include "tests/conformance/coverage.h"

#include <stdio.h>
#include <string.h>

#include "lib/mem.h"

/* Lines of a filter follow each other. NodeName is not here: a pod with spec.nodeName is never kube-scheduler's to place. */
static const struct {
	const char *filter, *text;
} rows[] = {
	{"NodeUnschedulable", "node(s) were unschedulable"},
	{"TaintToleration", "node(s) had untolerated taint(s)"},
	{"NodeAffinity", "node(s) didn't match Pod's node affinity/selector"},
	{"NodeAffinity", "node(s) didn't satisfy plugin(s) [NodeAffinity]"},
	{"NodeAffinity", "pod affinity terms conflict"},
	{"NodePorts", "node(s) didn't have free ports for the requested pod ports"},
	{"NodeResourcesFit", "Too many pods"},
	{"NodeResourcesFit", "Insufficient cpu"},
	{"NodeResourcesFit", "Insufficient memory"},
	{"NodeResourcesFit", "Insufficient ephemeral-storage"},
	{"NodeResourcesFit", "Insufficient example.com/gpu"},
	{"NodeResourcesFit", "Insufficient hugepages-2Mi"},
	{"VolumeRestrictions", "node(s) had no available disk"},
	{"VolumeRestrictions", "ReadWriteOncePod access mode already in-use"},
	{"NodeVolumeLimits", "node(s) exceed max volume count"},
	{"VolumeBinding", "node(s) didn't find available persistent volumes to bind"},
	{"VolumeBinding", "node(s) didn't match PersistentVolume's node affinity"},
	{"VolumeBinding", "node(s) did not have enough free storage"},
	{"VolumeBinding", "bound to non-existent pv(s)"},
	{"VolumeBinding", "pod has unbound immediate PersistentVolumeClaims"},
	{"VolumeBinding", "persistentvolumeclaim \""},
	{"VolumeBinding", "waiting for ephemeral volume controller"},
	{"VolumeZone", "node(s) had no available volume zone"},
	{"PodTopologySpread", "node(s) didn't match pod topology spread constraints (missing required label)"},
	{"PodTopologySpread", "node(s) didn't match pod topology spread constraints"},
	{"InterPodAffinity", "node(s) didn't match pod affinity rules"},
	{"InterPodAffinity", "node(s) didn't match pod anti-affinity rules"},
	{"InterPodAffinity", "node(s) didn't satisfy existing pods anti-affinity rules"},
	{"NodeDeclaredFeatures", "node(s) didn't match Pod's required features"},
};

void coverage_add(struct coverage *c, const struct opinion *theirs, uint32_t nodes)
{
	unsigned filter = 0, i;
	bool seen = false;

	c->pods++;
	c->no_node += theirs->count == 0;
	c->all += theirs->count == nodes;
	c->some += theirs->count > 0 && theirs->count < nodes;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		bool here = strstr(theirs->reasons, rows[i].text) != NULL;

		if (i && !STREQ(rows[i].filter, rows[i - 1].filter)) {
			c->filters[filter++] += seen;
			seen = false;
		}
		c->texts[i] += here;
		seen |= here;
	}
	c->filters[filter] += seen;
}

void coverage_influenced(struct coverage *c, enum influence by)
{
	c->influenced[by]++;
}

static bool print_influences(const struct coverage *c, uint32_t least)
{
	static const char *const names[] = {[INFLUENCE_NOMINATED] = "nominated pods", [INFLUENCE_RESIZE] = "in-place resize of pods on nodes"};
	bool enough = true;
	unsigned i;

	for (i = 0; i < INFLUENCES; i++) {
		printf("%8u  would be decided differently without %s%s\n", c->influenced[i], names[i], c->influenced[i] < least ? "   TOO FEW" : "");
		enough &= c->influenced[i] >= least;
	}
	return enough;
}

bool coverage_print(const struct coverage *c, uint32_t least)
{
	unsigned filter = 0, i;
	bool enough = true;

	printf("%u pods: %u with no node left, %u with some, %u with all\n", c->pods, c->no_node, c->some, c->all);
	printf("pods that were refused a node   filter, and its reasons\n");
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		if (i == 0 || !STREQ(rows[i].filter, rows[i - 1].filter)) {
			filter += i > 0;
			printf("%8u  %s%s\n", c->filters[filter], rows[i].filter, c->filters[filter] < least ? "   TOO FEW" : "");
			enough &= c->filters[filter] >= least;
		}
		printf("        %8u  %s\n", c->texts[i], rows[i].text);
	}
	return print_influences(c, least) && enough;
}
