#include "merge/roster.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/kube/config.h"
#include "lib/mem.h"
#include "lib/snapshot.h"

#define SUFFIX ".json"

static int load_list(const char *option, const char *path, struct peer_list *out, struct lm_err *err)
{
	auto_free char *what = xasprintf("%s %s", option, path);
	auto_file_text struct file_text text = {0};

	if (file_read(AT_FDCWD, path, PEERS_MAX_BYTES, FILE_FOLLOW, &text, err) < 0)
		return lm_wrap(err, "%s", option);
	return peers_parse_list(text.data, text.len, what, out, err);
}

/* "edge-1.json" -> "edge-1"; false for any other file. */
static bool node_of(const char *file, char name[static NAME_MAX_BYTES + 1])
{
	size_t len = strlen(file);

	if (len <= strlen(SUFFIX) || len - strlen(SUFFIX) > NAME_MAX_BYTES || !STREQ(file + len - strlen(SUFFIX), SUFFIX))
		return false;
	memcpy(name, file, len - strlen(SUFFIX));
	name[len - strlen(SUFFIX)] = '\0';
	return name_is_valid(name);
}

static int list_files(int nodes_fd, struct peer_list *out, struct lm_err *err)
{
	int fd = openat(nodes_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	char name[NAME_MAX_BYTES + 1];
	const struct dirent *entry;
	int failed = 0;

	if (!dir) {
		lm_fail_errno(err, "list `nodes`");
		cleanup_close(&fd);
		return -1;
	}
	while (!failed && (errno = 0, entry = readdir(dir)) != NULL) {
		struct lm_err ignored;	/* a name that a changing directory gives twice */

		if (!node_of(entry->d_name, name))
			continue;
		peer_list_add(out, name, NULL, &ignored);
		if (out->names.count > SNAPSHOT_MAX_NODES)
			failed = lm_fail(err, LM_DATA, "`nodes` has more than %d reports", SNAPSHOT_MAX_NODES);
	}
	if (!failed && errno)
		failed = lm_fail_errno(err, "list `nodes`");
	closedir(dir);
	return failed;
}

static int load_nodes(const struct settings *settings, int nodes_fd, bool (*stop)(void), struct roster *out, struct lm_err *err)
{
	struct kube_source source = {.server = settings->server, .kubeconfig = settings->kubeconfig, .insecure = settings->insecure};

	out->has_source = true;
	if (settings->nodes_file)
		return load_list("--nodes", settings->nodes_file, &out->peers.nodes, err);
	if (kube_config_present(&source))
		return roster_list_nodes(settings, stop, &out->peers.nodes, err);
	out->has_source = false;
	return list_files(nodes_fd, &out->peers.nodes, err);
}

int roster_load_clients(const struct settings *settings, struct roster *out, struct lm_err *err)
{
	if (!settings->clients_file)
		return 0;
	out->has_clients = true;
	if (load_list("--clients", settings->clients_file, &out->peers.clients, err) < 0)
		return -1;
	if (out->peers.clients.names.count > SNAPSHOT_MAX_CLIENTS)
		return lm_fail(err, LM_DATA, "%u clients are more than %d", out->peers.clients.names.count, SNAPSHOT_MAX_CLIENTS);
	return 0;
}

/* An API that has an answer for the nodes alone (no permission yet) is no reason to fail; no API at all, or a wrong kubeconfig, is. */
static int load_services(const struct settings *settings, struct complaints *complaints, bool (*stop)(void), struct roster *out, struct lm_err *err)
{
	if (!settings->client_services)
		return 0;
	out->has_clients = roster_list_clients(settings, complaints, stop, &out->peers.clients, err) == 0;
	out->clients_missing = !out->has_clients;
	out->clients_error = out->clients_missing ? *err : out->clients_error;
	if (out->has_clients || err->code == LM_UNAVAILABLE || err->code == LM_PERM || err->code == LM_DATA)
		return 0;
	return lm_wrap(err, "--client-services");
}

int roster_load(const struct settings *settings, int nodes_fd, struct complaints *complaints, bool (*stop)(void), struct roster *out, struct lm_err *err)
{
	int failed;

	*out = (struct roster){.has_clients = false};
	failed = load_nodes(settings, nodes_fd, stop, out, err);
	if (!failed && out->peers.nodes.names.count > SNAPSHOT_MAX_NODES)
		failed = lm_fail(err, LM_DATA, "%u nodes are more than %d", out->peers.nodes.names.count, SNAPSHOT_MAX_NODES);
	if (!failed)
		failed = roster_load_clients(settings, out, err);
	if (!failed)
		failed = load_services(settings, complaints, stop, out, err);
	if (failed)
		roster_free(out);
	return failed;
}

void roster_keep_clients(struct roster *roster, const struct peer_list *last)
{
	struct peer_list *clients = &roster->peers.clients;
	struct lm_err ignored;
	uint32_t i;

	for (i = 0; i < last->names.count && clients->names.count < SNAPSHOT_MAX_CLIENTS; i++)
		peer_list_add(clients, last->names.items[i], last->addr[i], &ignored);
	roster->has_clients = true;
}

void roster_free(struct roster *roster)
{
	peers_free(&roster->peers);
}
