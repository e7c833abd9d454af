/* A list of Services of any bytes: whatever annotations, addresses and types they have, what comes of it are clients that peers.json may name. */
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/log.h"
#include "lib/snapshot.h"
#include "merge/services.h"
#include "tests/testing/fuzz.h"

#define SERVICE(annotation, more) "{\"metadata\":{\"namespace\":\"web\",\"name\":\"shop\",\"annotations\":{\"latency-mesh.io/client\":\"" annotation "\"}}" more "}"

FUZZ_CORPUS("[" SERVICE("milan", ",\"status\":{\"loadBalancer\":{\"ingress\":[{\"hostname\":\"lb\"},{\"ip\":\"203.0.113.7\"}]}}") "]",
	    "[" SERVICE("a=10.0.0.1, b = fd00::1,c", ",\"spec\":{\"externalIPs\":[\"127.0.0.1\",\"198.51.100.1\"],\"externalName\":\"198.51.100.2\"}") ","
	    "{\"metadata\":{\"namespace\":\"b\",\"name\":\"two\",\"annotations\":{\"latency-mesh.io/client\":\"a\"}}}]",
	    "[" SERVICE("a,,b=", "") ",{\"metadata\":{\"namespace\":\"b\",\"name\":\"x\",\"annotations\":{\"latency-mesh.io/client\":7}}},{},7]")

static void check(const struct peer_list *clients)
{
	const struct peers peers = {.clients = *clients};
	struct buf text = {0};
	struct peers back;
	struct lm_err err;

	if (clients->names.count > SNAPSHOT_MAX_CLIENTS || names_find(&clients->names, "home") != 0 || strcmp(clients->addr[0], "127.0.0.1") != 0)
		abort();
	peers_write(&peers, &text);
	if (peers_parse(text.data, text.len, &back, &err) < 0 || back.clients.names.count != clients->names.count)
		abort();
	peers_free(&back);
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct complaints complaints = {0};
	struct services *services = services_new(&complaints);
	struct peer_list clients = {0};
	struct lm_err err;
	cJSON *list = json_parse((const char *)data, size, JSON_DEPTH_API, &err), *item;

	log_setup(LOG_ERROR, LOG_TEXT); /* what is wrong with Services is a warning each */
	peer_list_add(&clients, "home", "127.0.0.1", &err);
	cJSON_ArrayForEach(item, list)
		services_take(services, item);
	services_clients(services, &clients);
	check(&clients);
	peer_list_free(&clients);
	services_free(services);
	complaints_free(&complaints);
	cJSON_Delete(list);
	return 0;
}
