#include "tests/conformance/recorder.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/http.h"
#include "lib/mem.h"
#include "tests/conformance/make.h"

#define BODY_MAX ((size_t)4 << 20)

struct recorder {
	struct http_server *server;
	pthread_mutex_t lock;
	cJSON *nodes;			/* an array of names by uid; null after the first call for a nominated pod */
};

static void refuse_all(const cJSON *names, struct buf *out)
{
	const cJSON *name;

	buf_str(out, "{\"NodeNames\":[],\"FailedNodes\":{");
	cJSON_ArrayForEach(name, names) {
		buf_json_string(out, name->valuestring);
		buf_str(out, name->next ? ":\"" RECORDED "\"," : ":\"" RECORDED "\"");
	}
	buf_str(out, "}}");
}

/* Is this the try on the nominated node alone? */
static bool is_first_try(const cJSON *pod, const cJSON *names)
{
	return cJSON_GetArraySize(names) == 1 && STREQ(get_text(pod, "status.nominatedNodeName"), cJSON_GetArrayItem(names, 0)->valuestring);
}

static void record(struct recorder *r, const cJSON *pod, const cJSON *names)
{
	const char *uid = get_text(pod, "metadata.uid");
	const cJSON *before = cJSON_GetObjectItemCaseSensitive(r->nodes, uid);

	if (!before)
		cJSON_AddItemToObject(r->nodes, uid, is_first_try(pod, names) ? cJSON_CreateNull() : cJSON_Duplicate(names, true));
	else if (cJSON_IsNull(before))
		cJSON_ReplaceItemInObjectCaseSensitive(r->nodes, uid, cJSON_Duplicate(names, true));
}

static void on_filter(void *arg, const struct http_request *request, struct http_reply *reply)
{
	struct recorder *r = arg;
	cJSON *body = cJSON_Parse(request->body), *names = get(body, "NodeNames");

	if (!cJSON_IsArray(names)) {
		reply->status = 400;
		cJSON_Delete(body);
		return;
	}
	reply->content_type = "application/json";
	refuse_all(names, &reply->body);
	pthread_mutex_lock(&r->lock);
	record(r, get(body, "Pod"), names);
	pthread_mutex_unlock(&r->lock);
	cJSON_Delete(body);
}

struct recorder *recorder_start(void)
{
	static const struct http_route routes[] = {{"POST", "/filter", on_filter}};
	struct recorder *r = xcalloc(1, sizeof(*r));
	struct lm_err err;

	pthread_mutex_init(&r->lock, NULL);
	r->nodes = cJSON_CreateObject();
	if (http_start(&(struct http_settings){.listen = "127.0.0.1:0", .routes = routes, .route_count = ARRAY_SIZE(routes),
					       .max_body_bytes = BODY_MAX, .threads = 1, .arg = r}, &r->server, &err) < 0) {
		fprintf(stderr, "conformance: %s\n", err.msg);
		exit((int)err.code);
	}
	return r;
}

int recorder_port(const struct recorder *r)
{
	return http_port(r->server);
}

void recorder_stop(struct recorder *r)
{
	http_stop(r->server);
	cJSON_Delete(r->nodes);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void recorder_reset(struct recorder *r)
{
	pthread_mutex_lock(&r->lock);
	cJSON_Delete(r->nodes);
	r->nodes = cJSON_CreateObject();
	pthread_mutex_unlock(&r->lock);
}

void recorder_nodes(struct recorder *r, const char *uid, struct opinion *out)
{
	const cJSON *name;

	pthread_mutex_lock(&r->lock);
	cJSON_ArrayForEach(name, cJSON_GetObjectItemCaseSensitive(r->nodes, uid))
		opinion_add(out, name->valuestring);
	pthread_mutex_unlock(&r->lock);
}
