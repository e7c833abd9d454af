/*
 * grid.h - a table for people: cells row by row, columns as wide as they need, two blanks between them.
 *
 *	struct grid g = {.align = "lrl"};		a letter a column: left, right; the last one is not padded
 *	grid_row(&g, (const char *const[]){"NODE", "RTT", "REASON"});
 *	grid_print(&g, stdout);
 *	grid_free(&g);
 *
 * What a terminal would obey is printed as `?`.
 */
#ifndef SCHED_GRID_H
#define SCHED_GRID_H

#include <stddef.h>
#include <stdio.h>

#define GRID_WIDE 44			/* a wider cell does not widen its column */

struct grid {
	const char *align;
	char **cells;
	size_t count, room;
};

void grid_row(struct grid *g, const char *const *cells);	/* as many as `align` has letters; copied */
void grid_print(const struct grid *g, FILE *to);
void grid_free(struct grid *g);
#define auto_grid __attribute__((cleanup(grid_free)))

#endif
