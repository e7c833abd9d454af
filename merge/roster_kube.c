/* The API's nodes and Services. */
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "merge/listing.h"
#include "merge/roster.h"
#include "merge/services.h"

/* The first InternalIP that is an address; a node without one is listed without. */
static const char *internal_address(const cJSON *node)
{
	const cJSON *addresses = json_get(json_get(node, "status"), "addresses"), *item;

	cJSON_ArrayForEach(item, addresses) {
		const cJSON *type = json_get(item, "type"), *address = json_get(item, "address");

		if (cJSON_IsString(type) && cJSON_IsString(address) && STREQ(type->valuestring, "InternalIP"))
			return address->valuestring;
	}
	return NULL;
}

/* A node with a name that cannot be a file's is left out; it could not report anyway. */
static void add_node(void *arg, const cJSON *node)
{
	const cJSON *name = json_get(json_get(node, "metadata"), "name");
	struct peer_list *out = arg;
	struct lm_err ignored;

	if (!cJSON_IsString(name) || !name_is_valid(name->valuestring))
		return;
	if (peer_list_add(out, name->valuestring, internal_address(node), &ignored) < 0)
		peer_list_add(out, name->valuestring, NULL, &ignored);
}

static void forget_nodes(void *arg)
{
	peer_list_free(arg);
}

int roster_list_nodes(const struct settings *settings, bool (*stop)(void), struct peer_list *out, struct lm_err *err)
{
	struct listing nodes = {.what = "the nodes", .path = "/api/v1/nodes", .begin = forget_nodes, .item = add_node, .arg = out};

	return listing_read(settings, stop, &nodes, err);
}

static void take_service(void *arg, const cJSON *service)
{
	services_take(arg, service);
}

static void forget_services(void *arg)
{
	services_forget(arg);
}

int roster_list_clients(const struct settings *settings, struct complaints *complaints, bool (*stop)(void), struct peer_list *out, struct lm_err *err)
{
	struct services *services = services_new(complaints);
	struct listing list = {.what = "the Services", .path = "/api/v1/services", .begin = forget_services, .item = take_service, .arg = services};
	int failed = listing_read(settings, stop, &list, err);

	if (!failed)
		services_clients(services, out);
	services_free(services);
	return failed;
}
