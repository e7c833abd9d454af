/*
 * names.h - a set of names with their positions: a hash table from name to index, for nodes and clients.
 *
 * Names are added in order and get 0, 1, 2, ...; the table owns copies. Node names: 1 to 200 bytes, DNS-1123 subdomain
 * characters as Kubernetes has them (name_is_valid); this is also what makes `NAME.json` a safe file name.
 */
#ifndef LIB_NAMES_H
#define LIB_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAME_MAX_BYTES 200

struct names {
	char **items;
	uint32_t count;
	uint32_t *slots;		/* private: open addressing, index + 1 */
	uint32_t slot_count;
};

/* Lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit, at most 200 bytes. */
bool name_is_valid(const char *name);

#define NAMES_NONE UINT32_MAX
uint32_t names_add(struct names *set, const char *name);		/* NAMES_NONE when it is there already */
uint32_t names_find(const struct names *set, const char *name);		/* NAMES_NONE when not */
void names_free(struct names *set);					/* and makes it {0} */

#endif
