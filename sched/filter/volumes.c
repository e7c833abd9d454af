#include "sched/filter/volumes.h"

const struct claim *find_claim(const struct view *v, const struct pod *pod, const struct pod_volume *of)
{
	return (const struct claim *)cache_find_object(v->cache, OBJECT_CLAIM, pod->namespace_, of->claim);
}

const struct volume *find_volume(const struct view *v, const char *name)
{
	return (const struct volume *)cache_find_object(v->cache, OBJECT_VOLUME, "", name);
}

const struct storage_class *find_class(const struct view *v, const char *name)
{
	return (const struct storage_class *)cache_find_object(v->cache, OBJECT_CLASS, "", name);
}

const struct csi_node *find_csi_node(const struct view *v, uint32_t node)
{
	return (const struct csi_node *)cache_find_object(v->cache, OBJECT_CSI_NODE, "", v->nodes[node].node->name);
}

enum volume_access volume_access(const struct view *v, const struct volume *volume, uint32_t node)
{
	bool migrated = volume->in_tree && csi_node_migrates(find_csi_node(v, node), volume->in_tree);
	const struct node_selector *affinity = migrated ? &volume->migrated_affinity : &volume->node_affinity;

	if (migrated && volume->untranslated)
		return VOLUME_UNTRANSLATED;
	return node_selector_matches(affinity, &v->nodes[node].node->labels, "") ? VOLUME_USABLE : VOLUME_ELSEWHERE;
}
