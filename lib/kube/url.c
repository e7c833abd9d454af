#include "lib/kube/url.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

static void cleanup_url(CURLU **url)
{
	curl_url_cleanup(*url);
}

/* A part as a string of ours; NULL when it is not there. */
static char *part(CURLU *url, CURLUPart which, unsigned flags)
{
	char *text = NULL, *copy;

	if (curl_url_get(url, which, &text, flags) != CURLUE_OK)
		return NULL;
	copy = xstrdup(text);
	curl_free(text);
	return copy;
}

static bool has_scheme(const char *url, enum url_kind kind, const char **rest)
{
	static const char *const schemes[] = {"https://", "http://", "socks5://", "socks5h://"};
	size_t i, count = kind == URL_SERVER ? 2 : ARRAY_SIZE(schemes);

	for (i = 0; i < count; i++)
		if (strncmp(url, schemes[i], strlen(schemes[i])) == 0) {
			*rest = url + strlen(schemes[i]);
			return true;
		}
	return false;
}

static bool has_strange_bytes(const char *url)
{
	for (; *url; url++)
		if (*url <= ' ' || *url >= 0x7f || strchr("\"<>\\^`{|}", *url))
			return true;
	return false;
}

/* What curl's parser lets pass or calls only "malformed" is found first, by name. NULL when it is fine. */
static const char *fault_of(const char *url, enum url_kind kind)
{
	const char *rest;
	size_t authority;

	if (has_strange_bytes(url))
		return "has a blank or another byte that no URL has";
	if (!has_scheme(url, kind, &rest))
		return kind == URL_SERVER ? "must begin with http:// or https://"
					  : "must begin with http://, https://, socks5:// or socks5h://";
	if (strchr(rest, '?'))
		return "must not have a query";
	if (strchr(rest, '#'))
		return "must not have a fragment";
	authority = strcspn(rest, "/");
	if (rest[0] != '[' && memchr(rest, ':', authority) != memrchr(rest, ':', authority))
		return "needs brackets round an IPv6 address";
	if (authority == 0 || rest[0] == ':')
		return "has no host";
	if (rest[authority - 1] == ':')
		return "has no port behind the colon";
	return NULL;
}

int url_check(const char *url, enum url_kind kind, enum lm_code code, char **out, struct lm_err *err)
{
	__attribute__((cleanup(cleanup_url))) CURLU *parsed = NULL;
	auto_free char *port = NULL;
	const char *fault;
	CURLUcode result;
	size_t len;

	if (strchr(url, '@'))
		return lm_fail(err, code, "the URL must not have a user name or password");
	fault = fault_of(url, kind);
	if (fault)
		return lm_fail(err, code, "`%.200s` %s", url, fault);
	parsed = curl_url();
	assert(parsed);
	result = curl_url_set(parsed, CURLUPART_URL, url, CURLU_DISALLOW_USER | CURLU_PATH_AS_IS);
	if (result != CURLUE_OK)
		return lm_fail(err, code, "`%.200s` is no URL: %s", url, curl_url_strerror(result));
	port = part(parsed, CURLUPART_PORT, 0);
	if (port && strtol(port, NULL, 10) == 0)
		return lm_fail(err, code, "`%.200s`: the port is not in 1..65535", url);
	for (len = strlen(url); len > 0 && url[len - 1] == '/'; len--)
		;
	*out = xstrndup(url, len);
	return 0;
}

void url_split(const char *url, struct url_parts *out)
{
	__attribute__((cleanup(cleanup_url))) CURLU *parsed = curl_url();
	char *path;

	assert(parsed);
	if (curl_url_set(parsed, CURLUPART_URL, url, CURLU_PATH_AS_IS) != CURLUE_OK)
		abort();	/* url_check accepted it */
	path = part(parsed, CURLUPART_PATH, 0);
	if (path && STREQ(path, "/"))
		path[0] = '\0';
	*out = (struct url_parts){
		.scheme = part(parsed, CURLUPART_SCHEME, 0),
		.host = part(parsed, CURLUPART_HOST, 0),
		.port = part(parsed, CURLUPART_PORT, CURLU_DEFAULT_PORT),
		.path = path ? path : xstrdup(""),
	};
}

void url_parts_free(struct url_parts *parts)
{
	free(parts->scheme);
	free(parts->host);
	free(parts->port);
	free(parts->path);
	*parts = (struct url_parts){0};
}

void url_escape(const char *text, struct buf *out)
{
	static const char hex[] = "0123456789ABCDEF";

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		const char escape[3] = {'%', hex[c >> 4], hex[c & 15]};

		if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' || c == '_' || c == '.')
			buf_char(out, *text);
		else
			buf_add(out, escape, sizeof(escape));
	}
}
