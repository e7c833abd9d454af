/*
 * snapshot_rows.h - the members of the top-level object as slices of the text, and matrices of numbers. Private to lib/snapshot*.c, and to
 * merge/check.c, which tells files apart by their members.
 *
 * A snapshot of 1,000 nodes is 20 MB of numbers; as cJSON's tree it would be 300 MB. So the text is cut at its top level here, every member that
 * is no matrix goes to json_parse as a slice, and matrices are scanned row by row straight into floats. Both are as strict as
 * json.h: RFC 8259's grammar, nothing between or after, finite numbers of at most 64 characters.
 */
#ifndef LIB_SNAPSHOT_ROWS_H
#define LIB_SNAPSHOT_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/names.h"

#define SNAPSHOT_MEMBERS_MAX 5100	/* the plain form has one a node */

struct snapshot_member {
	const char *value;		/* within the text; a matrix's slice ends with its `]` */
	size_t len;
};

/* Member i has the key keys.items[i]. Order as in the text. */
struct snapshot_members {
	struct names keys;
	struct snapshot_member *items;
	size_t room;
};

/* Keys are checked strings without duplicates; values are only delimited, the caller checks them. */
int snapshot_members_scan(const char *text, size_t len, struct snapshot_members *out, struct lm_err *err);
const struct snapshot_member *snapshot_members_find(const struct snapshot_members *members, const char *key);	/* NULL when not */
void snapshot_members_free(struct snapshot_members *members);

long snapshot_line(const char *text, const char *at);		/* 1, 2, ... */

/* A matrix of rows x columns: each cell null (NaN) or 0..max. `text` is the whole document, for line numbers. */
struct snapshot_matrix {
	const char *name;
	uint32_t rows, columns;
	double max;
	float *cells;
};
int snapshot_rows_scan(const char *text, const struct snapshot_member *member, const struct snapshot_matrix *matrix, struct lm_err *err);
/* `"name":[` and one row a line; decimals 0..6, fast up to 4. */
void snapshot_rows_write(struct buf *out, const struct snapshot_matrix *matrix, int decimals);

#endif
