/*
 * utf8.h - the length of one well-formed UTF-8 sequence (Unicode 15, table 3-7): no surrogates, no overlong forms, up to U+10FFFF;
 * and what of it no line of text may hold.
 */
#ifndef LIB_UTF8_H
#define LIB_UTF8_H

#include <stddef.h>

/* 1 to 4, or 0 when the first bytes of text[0..left) are no sequence. */
static inline size_t utf8_len(const char *text, size_t left)
{
	const unsigned char *s = (const unsigned char *)text;
	unsigned char low = 0x80, high = 0xbf;
	size_t len, i;

	if (left == 0)
		return 0;
	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (left < len)
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (i = 2; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

/*
 * 0, or the code of the control character that a NUL-terminated text begins with: C0, DEL, C1 (a terminal may obey them too) and
 * the line and paragraph separators. *len is the length in bytes.
 */
static inline unsigned utf8_control(const char *text, size_t *len)
{
	const unsigned char *s = (const unsigned char *)text;

	if (s[0] == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0) {
		*len = 2;
		return s[1];
	}
	if (s[0] == 0xe2 && s[1] == 0x80 && (s[2] == 0xa8 || s[2] == 0xa9)) {
		*len = 3;
		return 0x2000u + s[2] - 0x80;
	}
	*len = 1;
	return s[0] < 0x20 || s[0] == 0x7f ? s[0] : 0;
}

#endif
