/* The cache's part for images: on how many nodes each is, and its size. */
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/cache/store.h"

static bool same_image(const void *item, const void *key)
{
	return ((const struct image *)item)->name == *(const uint64_t *)key;
}

static struct image *find(const struct cache *c, uint64_t name)
{
	return table_find(&c->images, name, same_image, &name);
}

static void add(struct cache *c, const struct node_image *of_node)
{
	struct image *image = find(c, of_node->name);

	if (!image) {
		image = xcalloc(1, sizeof(*image));
		*image = (struct image){of_node->name, of_node->size_bytes, 0};
		table_put(&c->images, image->name, image);
	}
	image->nodes++;
}

static void drop(struct cache *c, uint64_t name)
{
	struct image *image = find(c, name);

	if (--image->nodes)
		return;
	table_remove(&c->images, name, image);
	free(image);
}

static bool same_images(const struct node *a, const struct node *b)
{
	uint32_t i;

	if (a->image_count != b->image_count)
		return false;
	for (i = 0; i < a->image_count; i++)
		if (a->images[i].name != b->images[i].name || a->images[i].size_bytes != b->images[i].size_bytes)
			return false;
	return true;
}

/* Nodes tell of themselves every few minutes, nearly always with the images that they had. */
void images_replace(struct cache *c, const struct node *old, const struct node *node)
{
	uint32_t i;

	if (old && node && same_images(old, node))
		return;
	for (i = 0; old && i < old->image_count; i++)
		drop(c, old->images[i].name);
	for (i = 0; node && i < node->image_count; i++)
		add(c, &node->images[i]);
}

void images_free(struct cache *c)
{
	size_t i;

	for (i = 0; i < c->images.room; i++)
		free(c->images.slots[i].item);
	table_free(&c->images);
}

uint32_t view_image(const struct view *v, uint64_t name, int64_t *size_bytes)
{
	const struct image *image = find(v->cache, name);

	*size_bytes = image ? image->size_bytes : 0;
	return image ? image->nodes : 0;
}
