#include "merge/observer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "merge/meter.h"

#define COMPLAINT_MS 600000

/* How often a reporter may still post. */
struct allowance {
	char reporter[OBSERVE_REPORTER_BYTES];	/* "" : free */
	double posts;
	int64_t at_ms;
};

struct observer {
	struct metrics *metrics;
	const char *token_path;		/* NULL: none is wanted */
	pthread_mutex_t lock;		/* of all below */
	char *token;
	struct observe *table;
	struct allowance allowances[OBSERVE_REPORTERS_MAX];
	bool is_ready;			/* nodes are known and the file was read */
	bool has_file;			/* we wrote one, or there was one */
	struct log_gate save_gate, token_gate;	/* of the merger's thread */
};

/* --- the token ------------------------------------------------------------------------------------------------------- */

static int read_token(const char *path, char **out, struct lm_err *err)
{
	auto_file_text struct file_text text = {0};

	if (file_read(AT_FDCWD, path, OBSERVER_TOKEN_BYTES, FILE_FOLLOW, &text, err) < 0)
		return lm_wrap(err, "--observations-token-file");
	while (text.len && strchr(" \t\r\n", text.data[text.len - 1]))
		text.data[--text.len] = '\0';
	if (!text.len || strlen(text.data) != text.len)
		return lm_fail(err, LM_DATA, "--observations-token-file %s: there is no token in it", path);
	*out = steal(&text.data);
	return 0;
}

/* Takes as long for a token that is nearly right as for any other of that length. */
static bool is_token(const char *wanted, const char *given)
{
	size_t len = strlen(wanted), i;
	volatile unsigned char difference = 0;

	if (strlen(given) != len)
		return false;
	for (i = 0; i < len; i++)
		difference = (unsigned char)(difference | (unsigned char)(wanted[i] ^ given[i]));
	return difference == 0;
}

static bool is_allowed(struct observer *o, const char *authorization)
{
	static const char scheme[] = "Bearer ";
	bool is;

	if (!o->token_path)
		return true;
	if (strncasecmp(authorization, scheme, strlen(scheme)) != 0)
		return false;
	pthread_mutex_lock(&o->lock);
	is = is_token(o->token, authorization + strlen(scheme));
	pthread_mutex_unlock(&o->lock);
	return is;
}

/* A Secret that was changed is a file that was changed. */
static void read_token_again(struct observer *o)
{
	auto_free char *fresh = NULL;
	struct lm_err err;
	char *old;

	if (!o->token_path)
		return;
	if (read_token(o->token_path, &fresh, &err) < 0) {
		if (log_gate_open(&o->token_gate, COMPLAINT_MS, NULL))
			log_warn("the token cannot be read, the last one stays", FIELDS(LS("error", err.msg)));
		return;
	}
	pthread_mutex_lock(&o->lock);
	old = o->token;
	o->token = steal(&fresh);
	pthread_mutex_unlock(&o->lock);
	free(old);
}

/* --- beginning and end ----------------------------------------------------------------------------------------------- */

int observer_new(const struct settings *settings, struct metrics *metrics, struct observer **out, struct lm_err *err)
{
	auto_free char *token = NULL;
	struct observer *o;

	if (settings->observations_token_file && read_token(settings->observations_token_file, &token, err) < 0)
		return -1;
	o = xcalloc(1, sizeof(*o));
	o->metrics = metrics;
	o->token_path = settings->observations_token_file;
	o->token = steal(&token);
	o->table = observe_new();
	pthread_mutex_init(&o->lock, NULL);
	*out = o;
	return 0;
}

void observer_free(struct observer *o)
{
	if (!o)
		return;
	observe_free(o->table);
	pthread_mutex_destroy(&o->lock);
	free(o->token);
	free(o);
}

/* --- posts ----------------------------------------------------------------------------------------------------------- */

/* The reporter's, or that of who was silent for longest. */
static struct allowance *allowance_of(struct observer *o, const char *reporter, int64_t now_ms)
{
	struct allowance *oldest = &o->allowances[0];
	size_t i;

	for (i = 0; i < OBSERVE_REPORTERS_MAX; i++) {
		struct allowance *a = &o->allowances[i];

		if (STREQ(a->reporter, reporter))
			return a;
		if (!a->reporter[0] || (oldest->reporter[0] && a->at_ms < oldest->at_ms))
			oldest = a;
	}
	*oldest = (struct allowance){.posts = OBSERVER_BURST, .at_ms = now_ms};
	memcpy(oldest->reporter, reporter, strlen(reporter) + 1);
	return oldest;
}

/* With the lock held. */
static bool may_post(struct observer *o, const char *reporter, int64_t now_ms)
{
	struct allowance *a = allowance_of(o, reporter, now_ms);

	a->posts += (double)(now_ms - a->at_ms) / 1e3 * OBSERVER_RATE;
	a->posts = a->posts > OBSERVER_BURST ? OBSERVER_BURST : a->posts;
	a->at_ms = now_ms;
	if (a->posts < 1)
		return false;
	a->posts -= 1;
	return true;
}

static void refuse(const struct observer *o, struct http_reply *reply, int status, int result, const char *text)
{
	metrics_add(o->metrics, METER_OBSERVATION_POSTS, result, 1);
	reply->status = status;
	buf_printf(&reply->body, "%s\n", text);
}

/* What can be said without looking into the body. false: it was said. */
static bool is_welcome(struct observer *o, const struct http_request *request, char reporter[static OBSERVE_REPORTER_BYTES], struct http_reply *reply)
{
	bool ready, may;

	if (!is_allowed(o, request->authorization)) {
		refuse(o, reply, 401, METER_POST_UNAUTHORIZED, "a bearer token is wanted");
		return false;
	}
	if (!observe_reporter(request->peer, reporter)) {
		refuse(o, reply, 400, METER_POST_BAD, "the connection has no address");
		return false;
	}
	pthread_mutex_lock(&o->lock);
	ready = o->is_ready;
	may = may_post(o, reporter, clock_mono_ms());
	pthread_mutex_unlock(&o->lock);
	if (!may)
		refuse(o, reply, 429, METER_POST_LIMITED, "too many posts from this address");
	else if (!ready)
		refuse(o, reply, 503, METER_POST_BUSY, "the nodes are not known yet");
	else if (!http_is_json(request->content_type))
		refuse(o, reply, 415, METER_POST_BAD, "Content-Type: application/json is wanted");
	else
		return true;
	return false;
}

static void say_tally(const struct observer *o, const struct observe_tally *tally, struct http_reply *reply)
{
	uint32_t refused = 0;
	bool comma = false;
	int i;

	for (i = 0; i < OBSERVE_REASONS; i++)
		refused += tally->refused[i];
	metrics_add(o->metrics, METER_OBSERVATION_POSTS, METER_POST_ACCEPTED, 1);
	metrics_add(o->metrics, METER_OBSERVATIONS, 0, tally->accepted);
	reply->content_type = "application/json";
	buf_printf(&reply->body, "{\"accepted\":%u,\"refused\":%u,\"reasons\":{", tally->accepted, refused);
	for (i = 0; i < OBSERVE_REASONS; i++) {
		metrics_add(o->metrics, METER_OBSERVATIONS_REFUSED, i, tally->refused[i]);
		if (tally->refused[i])
			buf_printf(&reply->body, "%s\"%s\":%u", comma ? "," : "", observe_reasons[i], tally->refused[i]);
		comma |= tally->refused[i] > 0;
	}
	buf_str(&reply->body, "}}\n");
}

void observer_answer(struct observer *o, const struct http_request *request, struct http_reply *reply)
{
	char reporter[OBSERVE_REPORTER_BYTES];
	struct observe_tally tally = {0};
	struct observe_post post;
	struct lm_err err;
	bool taken;

	if (!is_welcome(o, request, reporter, reply))
		return;
	if (observe_post_parse(request->body, request->body_len, &post, &tally, &err) < 0) {
		observe_post_free(&post);
		refuse(o, reply, 400, METER_POST_BAD, err.msg);
		return;
	}
	pthread_mutex_lock(&o->lock);
	taken = observe_post(o->table, reporter, post.items, post.count, clock_mono_ms(), &tally);
	pthread_mutex_unlock(&o->lock);
	observe_post_free(&post);
	if (taken)
		say_tally(o, &tally, reply);
	else
		refuse(o, reply, 503, METER_POST_BUSY, "too many reporters");
}

/* --- the merger's side ----------------------------------------------------------------------------------------------- */

/* A bad moment of the file server is not a bad file. */
static bool may_pass(int os_errno)
{
	return os_errno == EIO || os_errno == ESTALE || os_errno == ETIMEDOUT;
}

/* The file, and how long ago it was written. false: to be tried again. */
static bool read_file(int snapshot_fd, struct file_text *text, int64_t *elapsed_ms)
{
	struct timespec now;
	struct lm_err err;

	if (file_read(snapshot_fd, OBSERVER_FILE, OBSERVE_FILE_BYTES, FILE_NO_LINKS, text, &err) < 0) {
		if (err.os_errno != ENOENT)
			log_warn(may_pass(err.os_errno) ? "earlier observations cannot be read now" : "earlier observations are lost",
				 FIELDS(LS("file", OBSERVER_FILE), LS("error", err.msg)));
		return !may_pass(err.os_errno);
	}
	if (file_server_now(snapshot_fd, &now, &err) < 0) {
		log_warn("earlier observations cannot be read now", FIELDS(LS("file", OBSERVER_FILE), LS("error", err.msg)));
		return false;
	}
	*elapsed_ms = (int64_t)(now.tv_sec - text->st.st_mtim.tv_sec) * 1000 + (now.tv_nsec - text->st.st_mtim.tv_nsec) / 1000000;
	return true;
}

/* With the lock held. No text: there is no file, or it is lost. */
static void take_file(struct observer *o, const struct file_text *text, int64_t elapsed_ms)
{
	struct lm_err err;

	o->is_ready = true;
	if (!text->data)
		return;
	o->has_file = true;
	if (observe_read(o->table, text->data, text->len, clock_mono_ms(), elapsed_ms, &err) < 0)
		log_warn("earlier observations are lost", FIELDS(LS("file", OBSERVER_FILE), LS("error", err.msg)));
	else
		log_info("earlier observations read", FIELDS(LI("reporters", observe_reporters(o->table)), LI("cells", observe_cells(o->table))));
}

/* Whom posts wait for must not wait for the volume: it is read before the lock is taken. Only this thread writes is_ready. */
void observer_collect(struct observer *o, int snapshot_fd, const struct names *nodes, const struct names *clients, double life_s, struct observed *out)
{
	auto_file_text struct file_text text = {0};
	int64_t elapsed_ms = 0;
	bool take = !o->is_ready && read_file(snapshot_fd, &text, &elapsed_ms);

	read_token_again(o);
	pthread_mutex_lock(&o->lock);
	observe_expect(o->table, nodes, clients);
	if (take)
		take_file(o, &text, elapsed_ms);
	observe_prune(o->table, clock_mono_ms(), (int64_t)(life_s * 1e3));
	observe_collect(o->table, out);
	metrics_set(o->metrics, METER_OBSERVATION_REPORTERS, 0, observe_reporters(o->table));
	metrics_set(o->metrics, METER_OBSERVATION_CELLS, 0, observe_cells(o->table));
	pthread_mutex_unlock(&o->lock);
}

void observer_save(struct observer *o, int snapshot_fd)
{
	auto_buf struct buf text = {0};
	struct lm_err err;
	bool empty, ready;

	pthread_mutex_lock(&o->lock);
	empty = observe_cells(o->table) == 0;
	ready = o->is_ready;
	observe_write(o->table, clock_mono_ms(), &text);
	pthread_mutex_unlock(&o->lock);
	if (!ready || (empty && !o->has_file))
		return;
	o->has_file = true;
	if (file_publish(snapshot_fd, OBSERVER_FILE, text.data, text.len, NULL, &err) < 0 && log_gate_open(&o->save_gate, COMPLAINT_MS, NULL))
		log_error("observations cannot be saved: the next start forgets them", FIELDS(LS("file", OBSERVER_FILE), LS("error", err.msg)));
}
