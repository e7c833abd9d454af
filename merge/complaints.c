#include "merge/complaints.h"

#include <stdlib.h>

#include "lib/mem.h"

/* FNV-1a, 64 bits; never 0. */
static uint64_t hash(const char *text)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * UINT64_C(1099511628211);
	return h ? h : 1;
}

bool complaints_new(struct complaints *c, const char *name, const char *text)
{
	uint64_t now = hash(text);
	uint32_t index;

	if (c->names.count >= COMPLAINTS_MAX)
		complaints_free(c);
	index = names_find(&c->names, name);
	if (index == NAMES_NONE) {
		index = names_add(&c->names, name);
		grow(&c->said, &c->room, c->names.count, sizeof(*c->said));
		c->said[index] = 0;
	}
	if (c->said[index] == now)
		return false;
	c->said[index] = now;
	return true;
}

bool complaints_over(struct complaints *c, const char *name)
{
	uint32_t index = names_find(&c->names, name);

	if (index == NAMES_NONE || !c->said[index])
		return false;
	c->said[index] = 0;
	return true;
}

void complaints_free(struct complaints *c)
{
	names_free(&c->names);
	free(c->said);
	*c = (struct complaints){0};
}
