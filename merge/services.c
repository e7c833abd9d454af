#include "merge/services.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/snapshot.h"

#define BLANK " \t"

/* A Service with the annotation. */
struct service {
	char *key;			/* NAMESPACE/NAME */
	struct peer_list clients;	/* empty when the annotation is bad */
	char *trouble;			/* NULL: none */
};

struct services {
	struct complaints *complaints;
	struct service *items;
	size_t count, room;
	int lines;
};

struct services *services_new(struct complaints *complaints)
{
	struct services *s = xcalloc(1, sizeof(*s));

	s->complaints = complaints;
	return s;
}

/* --- one Service --------------------------------------------------------------------------------------------------------- */

static bool is_host_v4(const struct in_addr *address)
{
	uint32_t a = ntohl(address->s_addr);

	return a >> 24 != 0 && a >> 24 != 127 && a >> 16 != 0xa9fe && a >> 28 < 14;
}

static bool is_host_v6(const struct in6_addr *a)
{
	struct in_addr v4;

	if (IN6_IS_ADDR_V4MAPPED(a)) {
		memcpy(&v4, a->s6_addr + 12, sizeof(v4));
		return is_host_v4(&v4);
	}
	return !IN6_IS_ADDR_UNSPECIFIED(a) && !IN6_IS_ADDR_LOOPBACK(a) && !IN6_IS_ADDR_LINKLOCAL(a) && !IN6_IS_ADDR_MULTICAST(a);
}

/* Numeric, and what one host elsewhere may have. */
static bool is_host(const char *text)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (inet_pton(AF_INET, text, &v4) == 1)
		return is_host_v4(&v4);
	return inet_pton(AF_INET6, text, &v6) == 1 && is_host_v6(&v6);
}

static const char *host_of(const cJSON *item)
{
	return cJSON_IsString(item) && is_host(item->valuestring) ? item->valuestring : NULL;
}

/* NULL: the Service has none. */
static const char *own_address(const cJSON *service)
{
	const cJSON *spec = json_get(service, "spec"), *item;
	const char *found = NULL;

	cJSON_ArrayForEach(item, json_get(json_get(json_get(service, "status"), "loadBalancer"), "ingress"))
		if (!found)
			found = host_of(json_get(item, "ip"));
	cJSON_ArrayForEach(item, json_get(spec, "externalIPs"))
		if (!found)
			found = host_of(item);
	return found ? found : host_of(json_get(spec, "externalName"));
}

/* The text up to `end` without blanks around it. */
static char *trimmed(const char *text, const char *end)
{
	while (text < end && strchr(BLANK, *text))
		text++;
	while (end > text && strchr(BLANK, end[-1]))
		end--;
	return xstrndup(text, (size_t)(end - text));
}

/* NAME or NAME=ADDRESS. */
static int take_client(struct service *s, char *text, const char *own, struct lm_err *err)
{
	char *equals = strchr(text, '=');
	const char *address = own;
	auto_free char *name = trimmed(text, equals ? equals : text + strlen(text));
	auto_free char *given = equals ? trimmed(equals + 1, text + strlen(text)) : NULL;

	if (!*name)
		return lm_fail(err, LM_DATA, "a name is missing");
	if (given && !is_host(given))
		return lm_fail(err, LM_DATA, "%.80s: \"%.80s\" is not the address of a host", name, given);
	if (given)
		address = given;
	else if (!own && !s->trouble)
		s->trouble = xasprintf("%.80s: has no address: no numeric one in status.loadBalancer.ingress, spec.externalIPs and spec.externalName", name);
	if (s->clients.names.count >= SNAPSHOT_MAX_CLIENTS)
		return lm_fail(err, LM_DATA, "more than %d clients", SNAPSHOT_MAX_CLIENTS);
	return peer_list_add(&s->clients, name, address, err);
}

static int take_annotation(struct service *s, const cJSON *annotation, const char *own, struct lm_err *err)
{
	const char *text = annotation->valuestring, *end;

	if (!cJSON_IsString(annotation))
		return lm_fail(err, LM_DATA, "%s is not a text", json_kind(annotation));
	for (;; text = end + 1) {
		auto_free char *item = NULL;

		end = strchrnul(text, ',');
		item = trimmed(text, end);
		if (take_client(s, item, own, err) < 0)
			return -1;
		if (!*end)
			return 0;
	}
}

static char *complaint_key(const char *service)
{
	return xasprintf("service %s", service);
}

void services_take(struct services *s, const cJSON *service)
{
	const cJSON *metadata = json_get(service, "metadata"), *name = json_get(metadata, "name"), *namespace_ = json_get(metadata, "namespace");
	const cJSON *annotation = json_get(json_get(metadata, "annotations"), SERVICES_ANNOTATION);
	auto_free char *key = NULL;
	struct service *new;
	struct lm_err err;

	if (!cJSON_IsString(name) || !cJSON_IsString(namespace_))
		return;
	key = xasprintf("%s/%s", namespace_->valuestring, name->valuestring);
	if (!annotation) {
		auto_free char *topic = complaint_key(key);

		complaints_over(s->complaints, topic);
		return;
	}
	grow(&s->items, &s->room, s->count + 1, sizeof(*s->items));
	new = &s->items[s->count++];
	*new = (struct service){.key = steal(&key)};
	if (take_annotation(new, annotation, own_address(service), &err) == 0)
		return;
	peer_list_free(&new->clients);
	free(new->trouble);
	new->trouble = xstrdup(err.msg);
}

/* --- all of them --------------------------------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct service *)a)->key, ((const struct service *)b)->key);
}

/* owner: by index in `clients`, the Service that named it; NULL: none did, it is the file's. */
static void add_clients(struct service *s, struct peer_list *clients, const char **owner)
{
	uint32_t i, found;
	struct lm_err ignored;

	for (i = 0; i < s->clients.names.count; i++) {
		const char *name = s->clients.names.items[i];
		char *trouble = NULL;

		found = names_find(&clients->names, name);
		if (found != NAMES_NONE && owner[found])
			trouble = xasprintf("%s: is named by the Service %s already", name, owner[found]);
		else if (found != NAMES_NONE)
			trouble = xasprintf("%s: is in the file of --clients, which is used", name);
		else if (clients->names.count >= SNAPSHOT_MAX_CLIENTS)
			trouble = xasprintf("%s: would be more than %d clients", name, SNAPSHOT_MAX_CLIENTS);
		else if (peer_list_add(clients, name, s->clients.addr[i], &ignored) == 0)
			owner[clients->names.count - 1] = s->key;
		if (s->trouble)
			free(trouble);
		else
			s->trouble = trouble;
	}
}

static void say(struct services *s, const struct service *service)
{
	auto_free char *key = complaint_key(service->key);

	if (!service->trouble) {
		complaints_over(s->complaints, key);
		return;
	}
	if (s->lines >= SERVICES_LINES_MAX || !complaints_new(s->complaints, key, service->trouble))
		return;
	s->lines++;
	log_warn("a Service's annotation is not used, or not in full", FIELDS(LS("service", service->key), LS("annotation", SERVICES_ANNOTATION), LS("error", service->trouble)));
}

void services_clients(struct services *s, struct peer_list *clients)
{
	const char **owner = xcalloc(SNAPSHOT_MAX_CLIENTS + (size_t)clients->names.count, sizeof(*owner));
	size_t i;

	if (s->count)
		qsort(s->items, s->count, sizeof(*s->items), by_key);
	for (i = 0; i < s->count; i++) {
		add_clients(&s->items[i], clients, owner);
		say(s, &s->items[i]);
	}
	free(owner);
}

void services_forget(struct services *s)
{
	size_t i;

	for (i = 0; i < s->count; i++) {
		free(s->items[i].key);
		peer_list_free(&s->items[i].clients);
		free(s->items[i].trouble);
	}
	s->count = 0;
}

void services_free(struct services *s)
{
	if (!s)
		return;
	services_forget(s);
	free(s->items);
	free(s);
}
