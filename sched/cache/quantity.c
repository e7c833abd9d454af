#include "sched/cache/exact.h"

#include <ctype.h>
#include <string.h>

/* clang and gcc both have it; ISO C does not. */
__extension__ typedef unsigned __int128 wide;

#define MANTISSA_DIGITS 20		/* with a shift of 60 bits this still fits a wide */
#define QUANTITY_MAX_BYTES 64
#define NANO_MAX ((wide)INT64_MAX * NANO_WHOLE)

struct decimal {
	wide mantissa;
	int exponent;			/* of ten */
	unsigned shift;			/* of two */
	bool more;			/* digits beyond the mantissa that are not zero */
	bool negative;
};

static int bad(const char *text, struct lm_err *err)
{
	return lm_fail(err, LM_DATA, "\"%.*s\" is not a quantity", QUANTITY_MAX_BYTES, text);
}

static void take_digit(struct decimal *d, int digit, bool fraction, int *digits)
{
	if (*digits >= MANTISSA_DIGITS) {
		d->more |= digit != 0;
		d->exponent += !fraction;
		return;
	}
	d->mantissa = d->mantissa * 10 + (unsigned)digit;
	*digits += d->mantissa != 0;
	d->exponent -= fraction;
}

/* Sign and digits with at most one point; the rest of the text, or NULL when there is no digit. */
static const char *parse_number(const char *text, struct decimal *d)
{
	bool any = false, fraction = false;
	int digits = 0;

	d->negative = *text == '-';
	if (*text == '-' || *text == '+')
		text++;
	for (;; text++) {
		if (*text == '.' && !fraction) {
			fraction = true;
		} else if (isdigit((unsigned char)*text)) {
			any = true;
			take_digit(d, *text - '0', fraction, &digits);
		} else {
			return any ? text : NULL;
		}
	}
}

static bool parse_exponent(const char *text, struct decimal *d)
{
	int sign = *text == '-' ? -1 : 1, value = 0;

	if (*text == '-' || *text == '+')
		text++;
	if (!*text)
		return false;
	for (; isdigit((unsigned char)*text); text++)
		if (value < 1000)
			value = value * 10 + (*text - '0');
	d->exponent += sign * value;
	return !*text;
}

/* "", n u m k M G T P E, Ki Mi Gi Ti Pi Ei, or e and E with an exponent. "1E" is exa, "1E3" a thousand. */
static bool parse_suffix(const char *suffix, struct decimal *d)
{
	static const char decimal_letters[] = "num kMGTPE", binary_letters[] = "KMGTPE";
	const char *at;

	if (!*suffix)
		return true;
	if (!suffix[1]) {
		at = strchr(decimal_letters, *suffix);
		if (!at || *suffix == ' ')
			return false;
		d->exponent += 3 * (int)(at - decimal_letters) - 9;
		return true;
	}
	if (suffix[1] == 'i' && !suffix[2]) {
		at = strchr(binary_letters, *suffix);
		if (!at)
			return false;
		d->shift = 10 * (unsigned)(at - binary_letters + 1);
		return true;
	}
	return (*suffix == 'e' || *suffix == 'E') && parse_exponent(suffix + 1, d);
}

/* Rounded up, at most NANO_MAX. */
static nano magnitude(const struct decimal *d)
{
	wide value = d->mantissa << d->shift;
	int exponent = d->exponent;
	bool more = d->more;

	if (!value)
		return 0;
	for (; exponent > 0 && value <= NANO_MAX; exponent--)
		value *= 10;
	for (; exponent < 0 && value; exponent++) {
		more |= value % 10 != 0;
		value /= 10;
	}
	value += more;
	return (nano)(value > NANO_MAX ? NANO_MAX : value);
}

int quantity_nano(const char *text, nano *out, struct lm_err *err)
{
	struct decimal d = {.exponent = 9};
	const char *suffix;

	if (strlen(text) > QUANTITY_MAX_BYTES)
		return bad(text, err);
	suffix = parse_number(text, &d);
	if (!suffix || !parse_suffix(suffix, &d))
		return bad(text, err);
	*out = d.negative ? -magnitude(&d) : magnitude(&d);
	return 0;
}

int quantity_parse(const char *text, bool milli, int64_t *out, struct lm_err *err)
{
	nano amount, part = milli ? NANO_MILLI : NANO_WHOLE;

	if (quantity_nano(text, &amount, err) < 0)
		return -1;
	*out = amount < 0 ? -nano_round(-amount, part) : nano_round(amount, part);
	return 0;
}
