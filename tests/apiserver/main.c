/* standin: README.md is its manual. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/mem.h"
#include "lib/options.h"
#include "tests/apiserver/control.h"
#include "tests/apiserver/server.h"

#define STATE_MAX ((size_t)256 << 20)
#define PEM_MAX ((size_t)1 << 20)

struct settings {
	const char *listen, *port_file, *token, *tls_cert, *tls_key, *state;
	int64_t bookmark_ms, history;
};

static const struct option_spec specs[] = {
	{"listen", OPT_STRING, offsetof(struct settings, listen), "ADDR:PORT", "127.0.0.1:0", 0, .help = "where to listen; port 0: any"},
	{"port-file", OPT_STRING, offsetof(struct settings, port_file), "FILE", NULL, 0, .help = "gets the port when it is ready"},
	{"token", OPT_STRING, offsetof(struct settings, token), "TOKEN", NULL, 0, .help = "ask for this bearer token"},
	{"tls-cert", OPT_STRING, offsetof(struct settings, tls_cert), "FILE", NULL, 0, .help = "serve https with this certificate (PEM)"},
	{"tls-key", OPT_STRING, offsetof(struct settings, tls_key), "FILE", NULL, 0, .help = "and this key (PEM)"},
	{"bookmark-interval", OPT_DURATION, offsetof(struct settings, bookmark_ms), "TIME", "60s", 0, .min = 10, .max = 3600000,
	 .help = "between bookmarks of a watch"},
	{"history", OPT_INTEGER, offsetof(struct settings, history), "N", "10000", 0, .min = 1, .max = 10000000,
	 .help = "changes that watches and continue tokens can go back"},
	{"state", OPT_STRING, offsetof(struct settings, state), "FILE", NULL, 0, .help = "objects to begin with; written at a clean end"},
};

static const struct options_program program = {
	.name = "standin", .summary = "a kube-apiserver in memory for demo and tests", .usage = "[options]", .environment = "STANDIN",
	.specs = specs, .spec_count = ARRAY_SIZE(specs),
};

static int load_state(struct api *api, const char *path, struct lm_err *err)
{
	auto_file_text struct file_text text = {0};

	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	if (file_read(AT_FDCWD, path, STATE_MAX, FILE_FOLLOW, &text, err) < 0)
		return -1;
	return state_read(api, text.data, text.len, err) < 0 ? lm_wrap(err, "%s", path) : 0;
}

static int publish(const char *path, const void *data, size_t len, struct lm_err *err)
{
	auto_free char *for_dir = xstrdup(path), *for_name = xstrdup(path);
	auto_close int dir = file_open_dir(dirname(for_dir), err);

	return dir < 0 ? -1 : file_publish(dir, basename(for_name), data, len, NULL, err);
}

static int start(const struct settings *s, struct api *api, struct server **server, struct lm_err *err)
{
	auto_file_text struct file_text cert = {0}, key = {0};

	if (!s->tls_cert != !s->tls_key)
		return lm_fail(err, LM_USAGE, "--tls-cert and --tls-key go together");
	if (s->state && load_state(api, s->state, err) < 0)
		return -1;
	api_make_namespaces(api);
	if (s->tls_cert && (file_read(AT_FDCWD, s->tls_cert, PEM_MAX, FILE_FOLLOW, &cert, err) < 0 ||
			    file_read(AT_FDCWD, s->tls_key, PEM_MAX, FILE_FOLLOW, &key, err) < 0))
		return -1;
	return server_start(&(struct server_settings){.listen = s->listen, .cert_pem = cert.data, .key_pem = key.data}, api, server, err);
}

/* Says where, then waits for SIGTERM or SIGINT. */
static int run(const struct settings *s, struct api *api, const sigset_t *ends, struct lm_err *err)
{
	int host_len = (int)(strrchr(s->listen, ':') - s->listen), got;
	struct server *server;
	char port[16];
	int code = 0;

	if (start(s, api, &server, err) < 0)
		return -1;
	snprintf(port, sizeof(port), "%d\n", server_port(server));
	printf("standin: %s://%.*s:%s", s->tls_cert ? "https" : "http", host_len, s->listen, port);
	fflush(stdout);
	if (s->port_file)
		code = publish(s->port_file, port, strlen(port), err);
	if (code == 0)
		sigwait(ends, &got);
	atomic_store(&api->stopping, true);
	faults_stop(api->faults);
	store_lock(api->store);
	store_wake(api->store);
	store_unlock(api->store);
	server_stop(server);
	if (code == 0 && s->state) {
		auto_buf struct buf text = {0};

		state_write(api, &text);
		code = publish(s->state, text.data, text.len, err);
	}
	return code;
}

int main(int argc, char **argv)
{
	struct settings settings = {0};
	struct options options;
	struct lm_err err;
	struct api api = {0};
	sigset_t ends;
	int code;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (options_parse(&program, argc, argv, &settings, &options, &err) < 0)
		return options_fail(&program, &err);
	if (options.done)
		return 0;
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	pthread_sigmask(SIG_BLOCK, &ends, NULL);
	signal(SIGPIPE, SIG_IGN);
	api.store = store_new((size_t)settings.history);
	api.faults = faults_new();
	api.journal = journal_new();
	api.token = settings.token;
	api.bookmark_ms = settings.bookmark_ms;
	code = run(&settings, &api, &ends, &err) < 0 ? options_fail(&program, &err) : 0;
	journal_free(api.journal);
	faults_free(api.faults);
	store_free(api.store);
	options_free(&options);
	return code;
}
