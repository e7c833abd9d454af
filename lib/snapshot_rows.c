/* Matrices of numbers, read and written without a tree. A number costs a few nanoseconds each way. */
#include "lib/snapshot_rows.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define NUMBER_MAX_BYTES 64
#define EXACT_DIGITS 15			/* whole numbers of so many digits are exact in a double */
#define CELL_MAX_BYTES 16		/* "-2147483647.9999," and less */

struct rows {
	const char *text, *at;		/* the slice ends with `]`, which ends every loop over digits */
	const struct snapshot_matrix *matrix;
	struct lm_err *err;
};

static int refuse(const struct rows *r, uint32_t row, uint32_t column, const char *what)
{
	const char *name = r->matrix->name;

	return lm_fail(r->err, LM_DATA, "%s[%u][%u]: line %ld: %s", name, row, column, snapshot_line(r->text, r->at), what);
}

static inline const char *skip_blanks(const char *at)
{
	while (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')
		at++;
	return at;
}

static inline bool is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

/* The end of a number by RFC 8259's grammar, NULL when it is none. */
static const char *number_end(const char *at)
{
	at += *at == '-';
	if (*at == '0')
		at++;
	else if (is_digit(*at))
		while (is_digit(*at))
			at++;
	else
		return NULL;
	if (*at == '.') {
		if (!is_digit(*++at))
			return NULL;
		while (is_digit(*at))
			at++;
	}
	if (*at != 'e' && *at != 'E')
		return at;
	at++;
	at += *at == '+' || *at == '-';
	if (!is_digit(*at))
		return NULL;
	while (is_digit(*at))
		at++;
	return at;
}

/* Signs, exponents and many digits: rare, so by strtod. */
static const char *scan_any_number(const char *at, double *value)
{
	const char *end = number_end(at);
	char copy[NUMBER_MAX_BYTES + 1];

	if (!end || end - at > NUMBER_MAX_BYTES)
		return NULL;
	memcpy(copy, at, (size_t)(end - at));
	copy[end - at] = '\0';
	*value = strtod(copy, NULL);
	return end;
}

static inline const char *scan_number(const char *at, double *value)
{
	static const double scale[EXACT_DIGITS + 1] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
	const char *first = at, *point;
	uint64_t digits = 0;
	ptrdiff_t decimals = 0;

	while (is_digit(*at) && at - first <= EXACT_DIGITS)
		digits = digits * 10 + (uint64_t)(*at++ - '0');
	if (at == first)
		return *at == '-' ? scan_any_number(at, value) : NULL;
	if (*first == '0' && at - first > 1)
		return NULL;
	if (*at == '.') {
		for (point = ++at; is_digit(*at) && at - first <= EXACT_DIGITS; at++)
			digits = digits * 10 + (uint64_t)(*at - '0');
		decimals = at - point;
		if (!decimals)
			return scan_any_number(first, value);
	}
	if (at - first > EXACT_DIGITS || *at == 'e' || *at == 'E')
		return scan_any_number(first, value);
	*value = decimals ? (double)digits / scale[decimals] : (double)digits;
	return at;
}

static inline int scan_cell(struct rows *r, uint32_t row, uint32_t column, float *out)
{
	const char *at = r->at;
	double value;

	if (*at == 'n') {
		if (at[1] != 'u' || at[2] != 'l' || at[3] != 'l')
			return refuse(r, row, column, "not a number or null");
		*out = NAN;
		r->at = at + 4;
		return 0;
	}
	at = scan_number(at, &value);
	if (!at)
		return refuse(r, row, column, *r->at == ']' ? "the row has too few columns" : "not a number or null");
	if (!isfinite(value))
		return refuse(r, row, column, "the number is too large");
	if (!(value >= 0 && value <= r->matrix->max))
		return lm_fail(r->err, LM_DATA, "%s[%u][%u]: line %ld: %g is not in 0..%g", r->matrix->name, row, column,
			       snapshot_line(r->text, r->at), value, r->matrix->max);
	*out = (float)(value + 0.0); /* -0 becomes 0 */
	r->at = at;
	return 0;
}

/* At what should be the `[` of a row. */
static int scan_row(struct rows *r, uint32_t row, float *cells)
{
	uint32_t columns = r->matrix->columns, i;

	if (*r->at != '[')
		return refuse(r, row, 0, "a row, `[`, is wanted");
	r->at = skip_blanks(r->at + 1);
	for (i = 0; i < columns; i++) {
		if (scan_cell(r, row, i, &cells[i]) < 0)
			return -1;
		if (*r->at != ',' && *r->at != ']')
			r->at = skip_blanks(r->at);
		if (*r->at != ',')
			break;
		if (i + 1 == columns)
			return refuse(r, row, columns, "the row has too many columns");
		if (*++r->at <= ' ')
			r->at = skip_blanks(r->at);
	}
	if (*r->at != ']')
		return refuse(r, row, i, columns ? "`,` or `]` is wanted" : "the row has too many columns");
	if (columns && i + 1 != columns)
		return refuse(r, row, i + 1, "the row has too few columns");
	r->at = skip_blanks(r->at + 1);
	return 0;
}

int snapshot_rows_scan(const char *text, const struct snapshot_member *member, const struct snapshot_matrix *matrix, struct lm_err *err)
{
	struct rows r = {text, member->value, matrix, err};
	const char *last = member->value + member->len - 1;
	uint32_t row;

	if (!member->len || *member->value != '[' || *last != ']')
		return lm_fail(err, LM_DATA, "%s: line %ld: not an array of rows", matrix->name, snapshot_line(text, member->value));
	r.at = skip_blanks(r.at + 1);
	for (row = 0; row < matrix->rows; row++) {
		if (r.at == last)
			return refuse(&r, row, 0, "there are too few rows");
		if (scan_row(&r, row, matrix->cells + (size_t)row * matrix->columns) < 0)
			return -1;
		if (*r.at == ',' && row + 1 < matrix->rows)
			r.at = skip_blanks(r.at + 1);
		else if (r.at != last)
			return refuse(&r, row + 1, 0, row + 1 < matrix->rows ? "`,` or `]` is wanted" : "there are too many rows");
	}
	return r.at == last ? 0 : refuse(&r, row, 0, "there are too many rows");
}

static inline char *write_digits(char *at, uint32_t value)
{
	char digits[10];
	int count = 0;

	do
		digits[count++] = (char)('0' + value % 10);
	while (value /= 10);
	while (count)
		*at++ = digits[--count];
	return at;
}

static inline char *write_cell(char *at, float value, uint32_t scale)
{
	uint32_t fixed, fraction;

	if (!(value >= 0)) { /* NaN; there are no negative ones */
		memcpy(at, "null", 4);
		return at + 4;
	}
	fixed = (uint32_t)((double)value * scale + 0.5);
	fraction = fixed % scale;
	at = write_digits(at, fixed / scale);
	if (!fraction)
		return at;
	*at++ = '.';
	while (fraction) {
		scale /= 10;
		*at++ = (char)('0' + fraction / scale);
		fraction %= scale;
	}
	return at;
}

/* Doubling would leave a third of a large text's memory unused; rows are alike, so the first ones tell the size. */
static void reserve(struct buf *out, size_t row_bytes, size_t begin, uint32_t row, uint32_t rows)
{
	size_t need = out->len + row_bytes, guess;

	if (need <= out->room)
		return;
	guess = row ? out->len + (out->len - begin) / row * (rows - row) * 17 / 16 + row_bytes : need;
	out->data = xrealloc(out->data, guess > need ? guess : need, 1);
	out->room = guess > need ? guess : need;
}

/* The slow way, for more decimals than fit into 32 bits. */
static void write_exact(struct buf *out, const struct snapshot_matrix *matrix, int decimals)
{
	uint32_t row, column;

	for (row = 0; row < matrix->rows; row++) {
		buf_str(out, row ? ",\n[" : "\n[");
		for (column = 0; column < matrix->columns; column++) {
			buf_str(out, column ? "," : "");
			buf_decimal(out, matrix->cells[(size_t)row * matrix->columns + column], decimals);
		}
		buf_char(out, ']');
	}
	buf_char(out, ']');
}

void snapshot_rows_write(struct buf *out, const struct snapshot_matrix *matrix, int decimals)
{
	static const uint32_t scale[] = {1, 10, 100, 1000, 10000};
	size_t row_bytes = (size_t)matrix->columns * CELL_MAX_BYTES + 8;
	uint32_t row, column;
	size_t begin;

	buf_printf(out, "\"%s\":[", matrix->name);
	if (decimals >= (int)ARRAY_SIZE(scale)) {
		write_exact(out, matrix, decimals);
		return;
	}
	begin = out->len;
	for (row = 0; row < matrix->rows; row++) {
		const float *cells = matrix->cells + (size_t)row * matrix->columns;
		char *at;

		reserve(out, row_bytes, begin, row, matrix->rows);
		at = out->data + out->len;
		at = mempcpy(at, row ? ",\n[" : "\n[", row ? 3 : 2);
		for (column = 0; column < matrix->columns; column++) {
			if (column)
				*at++ = ',';
			at = write_cell(at, cells[column], scale[decimals]);
		}
		*at++ = ']';
		*at = '\0';
		out->len = (size_t)(at - out->data);
	}
	buf_char(out, ']');
}
