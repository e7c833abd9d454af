/*
 * page.h - one page of a list, `{"kind":"PodList","metadata":{..},"items":[..]}`, without a tree of the whole. The text is checked
 * once, the metadata are parsed, and the items are handed out one at a time. Private to the watch.
 */
#ifndef LIB_KUBE_PAGE_H
#define LIB_KUBE_PAGE_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "lib/err.h"

struct page {
	cJSON *metadata;
	const char *resource_version;	/* of the metadata */
	const char *next;		/* the continue token; "" when this is the last page */
	const char *at, *end;		/* private: the items that were not taken yet */
};

/* The text must live as long as the page. LM_DATA when it is no list: the kind must end with "List". */
int page_open(struct page *page, const char *text, size_t len, struct lm_err *err);
/* The next item, to be freed by the caller: 1; 0 when there are no more; -1 for an item that is no object. */
int page_next(struct page *page, cJSON **item, struct lm_err *err);
void page_close(struct page *page);

#endif
