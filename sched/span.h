/*
 * span.h - pieces of a user's text, cut without copying, and the words that Kubernetes knows.
 */
#ifndef SCHED_SPAN_H
#define SCHED_SPAN_H

#include <stdbool.h>
#include <stddef.h>

#define SPAN_QUOTE 80			/* bytes of a user's text in a message */

struct span {
	const char *at;
	size_t len;
};

struct span span_of(const char *text);
struct span span_trim(struct span s);
bool span_is(struct span s, const char *text);
/* Splits at the first `separator`; false when it is not there. Both sides are trimmed. */
bool span_split(struct span s, const char *separator, struct span *before, struct span *after);

/* Digits with at most one point between them: no sign, no exponent, no "1." and no ".5". */
bool span_decimal(struct span s, double *out);
/* A label's value, and the name part of its key: up to 63 of [A-Za-z0-9._-], alphanumeric at both ends. */
bool span_is_label_word(struct span s);
/* A label's key: a word, or a DNS name, "/" and a word. */
bool span_is_label_key(struct span s);
/* A DNS-1123 subdomain (name_is_valid) of at most max_len bytes: the name of a node, a client, a namespace. */
bool span_is_dns(struct span s, size_t max_len);

/* How much of it is quoted in a message, for "%.*s": at most SPAN_QUOTE bytes, never half a character. */
int span_quote(struct span s);

#endif
