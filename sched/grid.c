#include "sched/grid.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/utf8.h"

/* A copy of which each character is printed in one column, as far as a scheduler's texts go. */
static char *printable(const char *text)
{
	char *copy = xstrdup(text), *at;
	size_t len, control;

	for (at = copy; *at; at += len) {
		len = utf8_len(at, strlen(at));
		if (len == 0)
			len = 1;
		else if (!utf8_control(at, &control))
			continue;
		memset(at, '?', len);
	}
	return copy;
}

static size_t width_of(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

void grid_row(struct grid *g, const char *const *cells)
{
	size_t i, columns = strlen(g->align);

	grow(&g->cells, &g->room, g->count + columns, sizeof(*g->cells));
	for (i = 0; i < columns; i++)
		g->cells[g->count++] = printable(cells[i]);
}

static size_t column_width(const struct grid *g, size_t column)
{
	size_t i, width = 0, columns = strlen(g->align);

	for (i = column; i < g->count; i += columns) {
		size_t one = width_of(g->cells[i]);

		if (one > width && one <= GRID_WIDE)
			width = one;
	}
	return width;
}

static void print_cell(const char *text, char align, size_t width, FILE *to)
{
	size_t used = width_of(text);
	int blanks = used < width ? (int)(width - used) : 0;

	if (align == 'r')
		fprintf(to, "%*s%s", blanks, "", text);
	else
		fprintf(to, "%s%*s", text, blanks, "");
}

void grid_print(const struct grid *g, FILE *to)
{
	size_t columns = strlen(g->align), i, k;
	auto_free size_t *width = xcalloc(columns, sizeof(*width));

	for (k = 0; k < columns; k++)
		width[k] = column_width(g, k);
	for (i = 0; i < g->count; i += columns) {
		size_t last = columns;

		while (last > 1 && !*g->cells[i + last - 1])
			last--;
		for (k = 0; k < last; k++) {
			fputs(k ? "  " : "", to);
			print_cell(g->cells[i + k], g->align[k], k + 1 < last || g->align[k] == 'r' ? width[k] : 0, to);
		}
		fputc('\n', to);
	}
}

void grid_free(struct grid *g)
{
	size_t i;

	for (i = 0; i < g->count; i++)
		free(g->cells[i]);
	free(g->cells);
	*g = (struct grid){0};
}
