#include "tests/testing/sched.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "tests/testing/fetch.h"

#define WAIT_MS 10000
#define LINE_MS 2000
#define READY_MS 60000		/* on a machine that does much else */

void sched_begin(struct sched *s, const char *const *standin_options)
{
	*s = (struct sched){.folder = test_folder()};
	s->file = xasprintf("%s/cluster-latency.json", s->folder);
	standin_start(&s->api, standin_options);
}

void sched_end(struct sched *s)
{
	if (s->pid)
		sched_stop(s, SIGKILL);
	if (!s->joined) {
		standin_stop(&s->api);
		free(s->file);
	}
	free(s->log);
}

void sched_join(struct sched *s, const struct sched *first)
{
	*s = *first;
	s->joined = true;
	s->pid = 0;
	s->log = NULL;
}

void sched_nodes(struct sched *s, const char *names)
{
	auto_free char *copy = xstrdup(names);
	char *rest = copy, *name;

	while ((name = strsep(&rest, " ")) != NULL) {
		assert_true(s->name_count < 32);
		snprintf(s->names[s->name_count++], sizeof(s->names[0]), "%s", name);
		standin_node(&s->api, name, "4", "8Gi", "");
	}
}

void sched_begin_abc(struct sched *s)
{
	sched_begin(s, NULL);
	sched_nodes(s, "a b c");
	sched_matrix(s, 1, "0 5 9  5 0 9  9 9 0");
}

void sched_finish(struct sched *s)
{
	assert_int_equal(sched_stop(s, SIGTERM), 0);
	sched_end(s);
}

/* --- the latency file --- */

static void add_rows(struct buf *b, int count, const char **numbers)
{
	int row, column;

	for (row = 0; row < count; row++) {
		buf_str(b, row ? ",\n[" : "[");
		for (column = 0; column < count; column++) {
			char *end;

			*numbers += strspn(*numbers, " ");
			if (**numbers == '-') {
				buf_str(b, column ? ",null" : "null");
				++*numbers;
				continue;
			}
			buf_str(b, column ? "," : "");
			buf_decimal(b, strtod(*numbers, &end) * 1e3, 1);
			assert_true(end != *numbers);
			*numbers = end;
		}
		buf_char(b, ']');
	}
}

char *sched_matrix_text(const struct sched *s, const char *epoch, int64_t generation, const char *rtt_ms)
{
	struct buf b = {0};
	char now[CLOCK_TEXT];
	int i;

	clock_format(clock_wall_ms(), now);
	buf_printf(&b, "{\"version\":1,\"epoch\":\"%s\",\"generation\":%lld,\"written\":\"%s\",\"period_s\":60,\"nodes\":[",
		   epoch,
		   (long long)generation, now);
	for (i = 0; i < s->name_count; i++)
		buf_printf(&b, "%s\"%s\"", i ? "," : "", s->names[i]);
	buf_str(&b, "],\"age_s\":[");
	for (i = 0; i < s->name_count; i++)
		buf_str(&b, i ? ",0" : "0");
	buf_str(&b, "],\"rtt_us\":[\n");
	add_rows(&b, s->name_count, &rtt_ms);
	buf_str(&b, "]}\n");
	return b.data;
}

void sched_publish(struct sched *s, const char *text)
{
	auto_close int dir = -1;
	struct lm_err err;

	dir = file_open_dir(s->folder, &err);
	if (dir < 0 || file_publish(dir, "cluster-latency.json", text, strlen(text), NULL, &err) < 0)
		fail_msg("%s", err.msg);
}

void sched_matrix(struct sched *s, int64_t generation, const char *rtt_ms)
{
	auto_free char *text = sched_matrix_text(s, "e1", generation, rtt_ms);

	sched_publish(s, text);
}

void sched_hold(struct sched *s, bool on)
{
	auto_free char *path = xasprintf("%s/hold", s->folder);

	if (on)
		test_write(path, "");
	else
		assert_int_equal(unlink(path), 0);
}

/* --- the process --- */

void sched_launch(struct sched *s, const char *const *options)
{
	const char *argv[40] = {test_program("latency-sched"), "--latency-file", s->file,
				"--log-format", "json", "--log-level", s->log_level ? s->log_level : "debug", "--listen", "127.0.0.1:0",
				s->elect ? "--leader-elect=true" : "--leader-elect=false"};
	auto_free char *program = xstrdup(argv[0]);
	int n = 10;

	assert_int_equal(s->pid, 0);
	argv[0] = program;
	if (!s->no_api) {
		argv[n++] = s->kubeconfig ? "--kubeconfig" : "--server";
		argv[n++] = s->kubeconfig ? s->kubeconfig : s->api.url;
	}
	for (; options && *options; options++) {
		assert_true(n < 39);
		argv[n++] = *options;
	}
	free(s->log);
	s->log = xasprintf("%s/log-%d", test_folder(), s->starts++);
	s->pid = test_spawn(argv, NULL, s->log);
	s->port = 0;
}

void sched_start(struct sched *s, const char *const *options)
{
	int64_t end = clock_mono_ms() + READY_MS;

	sched_launch(s, options);
	while (clock_mono_ms() < end && sched_http(s, "/readyz") != 200)
		usleep(10000);
	if (sched_http(s, "/readyz") != 200) {
		auto_free char *log = test_read(s->log);

		fail_msg("latency-sched does not get ready:\n%s", log);
	}
}

int sched_stop(struct sched *s, int signal)
{
	int code = test_stop(s->pid, signal);

	s->pid = 0;
	return code;
}

/* --- pods --- */

void sched_pod_of(struct sched *s, const char *scheduler, const char *name, const char *annotations, const char *metadata,
		  const char *spec)
{
	auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"%s\",\"annotations\":{%s}%s},\"spec\":{\"schedulerName\":\"%s\",\"containers\":"
					 "[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"100m\"}}}]%s}}",
					 name, annotations, metadata, scheduler, spec);

	standin_do(&s->api, 201, "POST", "/api/v1/namespaces/default/pods", body);
}

void sched_pod(struct sched *s, const char *name, const char *annotations)
{
	sched_pod_of(s, "my-latency-scheduler", name, annotations, "", "");
}

cJSON *sched_get(struct sched *s, const char *name)
{
	auto_free char *path = xasprintf("/api/v1/namespaces/default/pods/%s", name);

	return standin_want(&s->api, 200, "GET", path, NULL);
}

const char *sched_node_now(struct sched *s, const char *name)
{
	cJSON *pod = sched_get(s, name);

	snprintf(s->where, sizeof(s->where), "%s", text_at(pod, "spec.nodeName"));
	cJSON_Delete(pod);
	return s->where;
}

const char *sched_where(struct sched *s, const char *name)
{
	int64_t end = clock_mono_ms() + WAIT_MS;

	while (!*sched_node_now(s, name) && clock_mono_ms() < end)
		usleep(5000);
	return s->where;
}

const char *sched_refusal(struct sched *s, const char *name)
{
	int64_t end = clock_mono_ms() + WAIT_MS;
	const cJSON *condition;

	s->where[0] = '\0';
	do {
		cJSON *pod = sched_get(s, name);

		cJSON_ArrayForEach(condition, item_at(pod, "status.conditions"))
			if (STREQ(text_at(condition, "type"), "PodScheduled") && STREQ(text_at(condition, "status"), "False"))
				snprintf(s->where, sizeof(s->where), "%s", text_at(condition, "reason"));
		cJSON_Delete(pod);
		if (!*s->where)
			usleep(5000);
	} while (!*s->where && clock_mono_ms() < end);
	return s->where;
}

/* --- what can be seen --- */

static int count_lines(const char *text, const char *what)
{
	int count = 0;

	for (; (text = strstr(text, what)) != NULL; text += strcspn(text, "\n"))
		count++;
	return count;
}

int sched_log_count(struct sched *s, const char *text, int least)
{
	int64_t end = clock_mono_ms() + WAIT_MS;
	int count;

	for (;;) {
		auto_free char *log = test_read(s->log);

		count = log ? count_lines(log, text) : 0;
		if (count >= least || clock_mono_ms() > end)
			return count;
		usleep(5000);
	}
}

/* The server has it before the scheduler has the answer: a line may come a moment later. */
static char *log_with(const struct sched *s, const char *text)
{
	int64_t end = clock_mono_ms() + LINE_MS;
	char *log = test_read(s->log);

	while (!(log && strstr(log, text)) && clock_mono_ms() < end) {
		usleep(5000);
		free(log);
		log = test_read(s->log);
	}
	return log;
}

const char *sched_log_field(struct sched *s, const char *text, const char *field)
{
	auto_free char *log = log_with(s, text);
	char *line = NULL, *next;
	cJSON *object;
	const cJSON *item;

	s->where[0] = '\0';
	for (next = log; next && (next = strstr(next, text)) != NULL; next += strcspn(next, "\n"))
		line = next;
	if (!line)
		return s->where;
	for (; line > log && line[-1] != '\n'; line--)
		;
	line[strcspn(line, "\n")] = '\0';
	object = cJSON_Parse(line);
	assert_non_null(object);
	item = cJSON_GetObjectItemCaseSensitive(object, field);
	if (cJSON_IsString(item))
		snprintf(s->where, sizeof(s->where), "%s", item->valuestring);
	else if (cJSON_IsNumber(item))
		snprintf(s->where, sizeof(s->where), "%.10g", item->valuedouble);
	cJSON_Delete(object);
	return s->where;
}

static int count_events(struct sched *s, const char *pod, const char *reason)
{
	cJSON *list = standin_want(&s->api, 200, "GET", "/apis/events.k8s.io/v1/namespaces/default/events", NULL);
	const cJSON *event;
	int count = 0;

	cJSON_ArrayForEach(event, item_at(list, "items"))
		count += STREQ(text_at(event, "regarding.name"), pod) && STREQ(text_at(event, "reason"), reason);
	cJSON_Delete(list);
	return count;
}

int sched_events(struct sched *s, const char *pod, const char *reason, int least)
{
	int64_t end = clock_mono_ms() + WAIT_MS;
	int count;

	while ((count = count_events(s, pod, reason)) < least && clock_mono_ms() < end)
		usleep(5000);
	return count;
}

int sched_bindings(struct sched *s, const char *pod)
{
	auto_free char *log = standin_text(&s->api, "/standin/log"), *key = pod ? xasprintf("\"pod\":\"default/%s\"", pod) : NULL;
	char *rest = log, *line;
	int count = 0;

	while ((line = strsep(&rest, "\n")) != NULL)
		count += strstr(line, "/binding\"") && strstr(line, "\"committed\":true") && (!key || strstr(line, key));
	return count;
}

char *sched_fetch(struct sched *s, const char *path, int *status)
{
	auto_free char *url = NULL;

	*status = 0;
	if (!s->port && sched_log_count(s, "\"msg\":\"listening\"", 1))
		s->port = atoi(sched_log_field(s, "\"msg\":\"listening\"", "port"));
	if (!s->port)
		return NULL;
	url = xasprintf("http://127.0.0.1:%d", s->port);
	return fetch(url, path, status);
}

int sched_http(struct sched *s, const char *path)
{
	int status;

	free(sched_fetch(s, path, &status));
	return status;
}

double sched_metric(struct sched *s, const char *name)
{
	int status;
	auto_free char *text = sched_fetch(s, "/metrics", &status);
	char *rest = text, *line;
	size_t len = strlen(name);

	while ((line = strsep(&rest, "\n")) != NULL)
		if (strncmp(line, name, len) == 0 && line[len] == ' ')
			return strtod(line + len, NULL);
	return NAN;
}
