#include "merge/listing.h"

#include <stdlib.h>
#include <string.h>

#include "lib/kube/client.h"
#include "lib/kube/config.h"
#include "lib/kube/page.h"
#include "lib/kube/url.h"
#include "lib/mem.h"

#define PAGE_MAX_BYTES ((size_t)64 << 20)
#define CALL_MS 10000
#define STOP_MS 100			/* how often it is asked whether to stop */
#define HTTP_GONE 410

static int take_page(const struct listing *l, const char *body, char **next, struct lm_err *err)
{
	struct page page;
	cJSON *item;
	int got;

	if (page_open(&page, body, strlen(body), err) < 0)
		return -1;
	while ((got = page_next(&page, &item, err)) > 0) {
		l->item(l->arg, item);
		cJSON_Delete(item);
	}
	if (got == 0)
		*next = xstrdup(page.next);
	page_close(&page);
	return got;
}

static char *page_path(const struct listing *l, const char *token)
{
	auto_buf struct buf path = {0};
	char *out;

	buf_printf(&path, "%s?limit=%d", l->path, LISTING_PAGE);
	if (*token)
		buf_str(&path, "&continue=");
	url_escape(token, &path);
	out = path.data;
	path = (struct buf){0};
	return out;
}

static int refuse_status(const struct listing *l, int status, const char *body, struct lm_err *err)
{
	struct kube_response response = {.status = status, .body = body ? body : "", .len = body ? strlen(body) : 0};
	char text[256];

	kube_status_text(&response, text, sizeof(text));
	return lm_fail(err, status == 401 || status == 403 ? LM_PERM : LM_UNAVAILABLE, "list %s: %s", l->what, text);
}

struct answer {
	bool done;
	int status;
	char *body;
	struct lm_err error;
};

static void on_answer(void *arg, const struct kube_response *response)
{
	struct answer *a = arg;

	a->done = true;
	a->status = response->status;
	a->error = response->error;
	if (response->status)
		a->body = xstrndup(response->body, response->len);
}

/* Like kube_call_wait, but for `stop`, which may be NULL. */
static int get(struct kube *k, const struct listing *l, const char *path, bool (*stop)(void), int *status, char **body, struct lm_err *err)
{
	struct kube_request request = {.method = "GET", .path = path, .timeout_ms = CALL_MS, .max_bytes = PAGE_MAX_BYTES};
	struct answer a = {.done = false};
	struct kube_call *call = kube_send(k, &request, on_answer, &a);

	while (!a.done) {
		if (stop && stop()) {
			kube_cancel(k, call);
			return lm_fail(err, LM_UNAVAILABLE, "list %s: asked to stop", l->what);
		}
		kube_run(k, STOP_MS, NULL, 0);
	}
	*status = a.status;
	*body = a.body;
	if (!a.status)
		*err = a.error;
	return a.status ? 0 : -1;
}

/* 1: the list is complete, 0: it expired between two pages. */
static int list_pages(struct kube *k, const struct listing *l, bool (*stop)(void), struct lm_err *err)
{
	auto_free char *next = xstrdup("");

	do {
		auto_free char *path = page_path(l, next), *body = NULL;
		int status = 0;

		if (get(k, l, path, stop, &status, &body, err) < 0)
			return -1;
		if (status == HTTP_GONE && *next)
			return 0;
		if (status != 200)
			return refuse_status(l, status, body, err);
		free(steal(&next));
		if (take_page(l, body, &next, err) < 0)
			return lm_wrap(err, "list %s", l->what);
	} while (*next);
	return 1;
}

int listing_read(const struct settings *settings, bool (*stop)(void), const struct listing *l, struct lm_err *err)
{
	struct kube_source source = {.server = settings->server, .kubeconfig = settings->kubeconfig, .insecure = settings->insecure};
	struct kube_config config;
	struct kube *k;
	int complete, tries = 0;

	if (kube_config_load(&source, &config, err) < 0)
		return -1;
	k = kube_new(&config, "latency-merge", err);
	kube_config_free(&config);
	if (!k)
		return -1;
	do {
		l->begin(l->arg);
		complete = list_pages(k, l, stop, err);
	} while (complete == 0 && ++tries < LISTING_TRIES);
	kube_free(k);
	if (complete == 0)
		return lm_fail(err, LM_UNAVAILABLE, "list %s: the list expired between pages %d times", l->what, tries);
	return complete < 0 ? -1 : 0;
}
