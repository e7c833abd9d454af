#include "lib/buf.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/utf8.h"

void buf_add(struct buf *b, const void *bytes, size_t len)
{
	if (b->len + len + 1 > b->room)
		grow(&b->data, &b->room, b->len + len + 1, 1);
	if (len)
		memcpy(b->data + b->len, bytes, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_str(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void buf_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int len;

	va_start(ap, fmt);
	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len > 0) {
		grow(&b->data, &b->room, b->len + (size_t)len + 1, 1);
		vsnprintf(b->data + b->len, (size_t)len + 1, fmt, again);
		b->len += (size_t)len;
	}
	va_end(again);
}

void buf_i64(struct buf *b, int64_t value)
{
	char digits[24];
	size_t at = sizeof(digits);
	uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

	do
		digits[--at] = (char)('0' + rest % 10);
	while (rest /= 10);
	if (value < 0)
		digits[--at] = '-';
	buf_add(b, digits + at, sizeof(digits) - at);
}

#define BY_HAND_BELOW 0x1p51		/* of the fixed point: beyond it the product is rounded so much that a text does not come back as itself */

static void add_printed(struct buf *b, double value, int decimals)
{
	char text[64];
	size_t len = (size_t)snprintf(text, sizeof(text), "%.*f", decimals, value);

	while (decimals && text[len - 1] == '0')
		len--;
	buf_add(b, text, text[len - 1] == '.' ? len - 1 : len);
}

/* Integers and fixed point by hand: printf costs 183 ns a number, and a matrix of 1,000 nodes has three million. */
void buf_decimal(struct buf *b, double value, int decimals)
{
	static const int64_t scale[] = {1, 10, 100, 1000, 10000, 100000, 1000000};
	int64_t fixed, fraction;
	char digits[8];
	int i;

	if (!isfinite(value)) {
		buf_add(b, "null", 4);
		return;
	}
	if (fabs(value) >= 9e11) {
		buf_printf(b, "%.17g", value);
		return;
	}
	if (fabs(value) * (double)scale[decimals] >= BY_HAND_BELOW) {
		add_printed(b, value, decimals);
		return;
	}
	fixed = llround(value * (double)scale[decimals]);
	if (fixed < 0) {
		buf_char(b, '-');
		fixed = -fixed;
	}
	buf_i64(b, fixed / scale[decimals]);
	fraction = fixed % scale[decimals];
	if (!fraction)
		return;
	for (i = decimals; i > 0; i--, fraction /= 10)
		digits[i] = (char)('0' + fraction % 10);
	digits[0] = '.';
	for (i = decimals; digits[i] == '0';)
		i--;
	buf_add(b, digits, (size_t)i + 1);
}

void buf_json_string(struct buf *b, const char *text)
{
	const char *plain = text;
	size_t len;

	if (!text) {
		buf_add(b, "null", 4);
		return;
	}
	buf_char(b, '"');
	for (; *text; text += len) {
		unsigned code = utf8_control(text, &len);

		if (!code && *text != '"' && *text != '\\')
			continue;
		buf_add(b, plain, (size_t)(text - plain));
		plain = text + len;
		if (code)
			buf_printf(b, "\\u%04x", code);
		else
			buf_printf(b, "\\%c", *text);
	}
	buf_add(b, plain, (size_t)(text - plain));
	buf_char(b, '"');
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	if (b->data)
		b->data[0] = '\0';
}

void buf_free(struct buf *b)
{
	free(b->data);
	*b = (struct buf){0};
}
