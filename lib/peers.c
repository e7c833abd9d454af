#include "lib/peers.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "lib/yaml.h"

#define PEERS_VERSION 1

/* The address in inet_ntop's form, so that equal addresses are equal text. NULL when it is none. The caller frees. */
static char *normal_address(const char *text)
{
	char plain[INET6_ADDRSTRLEN], normal[INET6_ADDRSTRLEN];
	const char *zone = strchr(text, '%');
	size_t len = zone ? (size_t)(zone - text) : strlen(text);
	unsigned char binary[16];
	int family = memchr(text, ':', len) ? AF_INET6 : AF_INET;

	if (len >= sizeof(plain))
		return NULL;
	memcpy(plain, text, len);
	plain[len] = '\0';
	if (zone && (family == AF_INET || strlen(zone) < 2 || strlen(zone) > IF_NAMESIZE || strpbrk(zone, "/ \t\n\"\\")))
		return NULL;
	if (inet_pton(family, plain, binary) != 1 || !inet_ntop(family, binary, normal, sizeof(normal)))
		return NULL;
	return xasprintf("%s%s", normal, zone ? zone : "");
}

int peer_list_add(struct peer_list *list, const char *name, const char *addr, struct lm_err *err)
{
	auto_free char *normal = addr ? normal_address(addr) : NULL;
	uint32_t index;

	if (!name_is_valid(name))
		return lm_fail(err, LM_DATA, "\"%.80s\" is not a valid name", name);
	if (addr && !normal)
		return lm_fail(err, LM_DATA, "%s: \"%.80s\" is not a numeric IP address", name, addr);
	index = names_add(&list->names, name);
	if (index == NAMES_NONE)
		return lm_fail(err, LM_DATA, "%s: listed twice", name);
	if ((index & (index - 1)) == 0) /* doubles at 0, 1, 2, 4, 8, .. */
		list->addr = xrealloc(list->addr, index ? (size_t)index * 2 : 1, sizeof(*list->addr));
	list->addr[index] = steal(&normal);
	return 0;
}

/* All addresses must be good ones, though only the first is measured: a typo in the second is a typo. */
static int parse_entry(const cJSON *entry, struct peer_list *out, struct lm_err *err)
{
	const char *name = entry->string, *first = NULL;
	const cJSON *item;

	if (!cJSON_IsArray(entry))
		return lm_fail(err, LM_DATA, "%.80s: %s is not a list of addresses", name, json_kind(entry));
	cJSON_ArrayForEach(item, entry) {
		auto_free char *normal = cJSON_IsString(item) ? normal_address(item->valuestring) : NULL;

		if (!cJSON_IsString(item))
			return lm_fail(err, LM_DATA, "%.80s: %s is not an address", name, json_kind(item));
		if (!normal)
			return lm_fail(err, LM_DATA, "%.80s: \"%.80s\" is not a numeric IP address", name, item->valuestring);
		if (!first)
			first = item->valuestring;
	}
	return peer_list_add(out, name, first, err);
}

static int parse_list(const cJSON *object, struct peer_list *out, struct lm_err *err)
{
	const cJSON *entry;

	if (!cJSON_IsObject(object))
		return lm_fail(err, LM_DATA, "%s is not an object of names and addresses", json_kind(object));
	cJSON_ArrayForEach(entry, object) {
		if (out->names.count >= PEERS_MAX)
			return lm_fail(err, LM_DATA, "more than %d names", PEERS_MAX);
		if (parse_entry(entry, out, err) < 0)
			return -1;
	}
	return 0;
}

static int parse_root(const cJSON *root, struct peers *out, struct lm_err *err)
{
	const cJSON *list;
	int64_t version;
	int found;

	if (!cJSON_IsObject(root))
		return lm_fail(err, LM_DATA, "%s is not a peer list", json_kind(root));
	if (json_want_i64(root, "version", 1, INT32_MAX, &version, err) < 0)
		return -1;
	if (version > PEERS_VERSION)
		return lm_fail(err, LM_DATA, "version: %lld is newer than this program (%d)", (long long)version, PEERS_VERSION);
	if (json_want_object(root, "nodes", &list, err) < 0)
		return -1;
	if (parse_list(list, &out->nodes, err) < 0)
		return lm_wrap(err, "nodes");
	found = json_may_object(root, "clients", &list, err);
	if (found > 0 && parse_list(list, &out->clients, err) < 0)
		return lm_wrap(err, "clients");
	if (found >= 0 && out->nodes.names.count + out->clients.names.count > PEERS_MAX)
		return lm_fail(err, LM_DATA, "more than %d nodes and clients", PEERS_MAX);
	return found < 0 ? -1 : 0;
}

int peers_parse(const char *text, size_t len, struct peers *out, struct lm_err *err)
{
	auto_json cJSON *root = NULL;

	*out = (struct peers){0};
	if (len > PEERS_MAX_BYTES)
		return lm_fail(err, LM_DATA, "%zu bytes are more than %zu", len, PEERS_MAX_BYTES);
	root = json_parse(text, len, JSON_DEPTH, err);
	if (!root)
		return -1;
	if (parse_root(root, out, err) < 0) {
		peers_free(out);
		return -1;
	}
	return 0;
}

int peers_parse_list(const char *text, size_t len, const char *what, struct peer_list *out, struct lm_err *err)
{
	auto_json cJSON *root = NULL;

	*out = (struct peer_list){0};
	root = yaml_parse(text, len, err);
	if (!root)
		return lm_wrap(err, "%s", what);
	if (parse_list(root, out, err) < 0) {
		peer_list_free(out);
		return lm_wrap(err, "%s", what);
	}
	return 0;
}

static int by_name(const void *a, const void *b, void *list)
{
	const struct names *names = list;

	return strcmp(names->items[*(const uint32_t *)a], names->items[*(const uint32_t *)b]);
}

static void write_list(const struct peer_list *list, struct buf *out)
{
	auto_free uint32_t *order = xcalloc(list->names.count, sizeof(*order));
	struct names names = list->names; /* a shallow copy: qsort_r wants no const */
	uint32_t i;

	for (i = 0; i < names.count; i++)
		order[i] = i;
	qsort_r(order, names.count, sizeof(*order), by_name, &names);
	for (i = 0; i < names.count; i++) {
		buf_str(out, i ? ",\n" : "\n");
		buf_json_string(out, names.items[order[i]]);
		buf_str(out, ":[");
		if (list->addr[order[i]])
			buf_json_string(out, list->addr[order[i]]);
		buf_char(out, ']');
	}
}

void peers_write(const struct peers *peers, struct buf *out)
{
	buf_printf(out, "{\"version\":%d,\n\"nodes\":{", PEERS_VERSION);
	write_list(&peers->nodes, out);
	buf_str(out, "},\n\"clients\":{");
	write_list(&peers->clients, out);
	buf_str(out, "}}\n");
}

void peer_list_free(struct peer_list *list)
{
	uint32_t i;

	for (i = 0; i < list->names.count; i++)
		free(list->addr[i]);
	free(list->addr);
	names_free(&list->names);
	*list = (struct peer_list){0};
}

void peers_free(struct peers *peers)
{
	peer_list_free(&peers->nodes);
	peer_list_free(&peers->clients);
}
