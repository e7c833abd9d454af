#include "lib/metrics.h"

#include <assert.h>
#include <dirent.h>
#include <math.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/version.h"

static const double default_bounds[] = {1e-5, 2.5e-5, 1e-4, 2.5e-4, 1e-3, 2.5e-3, 1e-2, 2.5e-2, 0.1, 0.25, 1, 2.5, 10, INFINITY};

/* A double in an atomic word: C11 has no atomic arithmetic on doubles, so that adding is a loop of compare and exchange. */
typedef _Atomic uint64_t cell;

struct series {			/* of one label value */
	cell value;		/* of a histogram: the sum */
	cell *buckets;		/* counts, not cumulated; NULL unless histogram */
};

struct metrics {
	const struct metric_spec *specs;
	size_t count;
	struct series **series;	/* by metric, then label value */
	int64_t start_wall_ms;
};

static double load(const cell *c)
{
	uint64_t bits = atomic_load_explicit(c, memory_order_relaxed);
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static void store(cell *c, double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	atomic_store_explicit(c, bits, memory_order_relaxed);
}

static void add(cell *c, double delta)
{
	uint64_t old = atomic_load_explicit(c, memory_order_relaxed), next;
	double value;

	do {
		memcpy(&value, &old, sizeof(value));
		value += delta;
		memcpy(&next, &value, sizeof(next));
	} while (!atomic_compare_exchange_weak_explicit(c, &old, next, memory_order_relaxed, memory_order_relaxed));
}

static size_t value_count(const struct metric_spec *spec)
{
	size_t n = 0;

	if (!spec->label)
		return 1;
	while (spec->values[n])
		n++;
	return n;
}

static const double *bounds_of(const struct metric_spec *spec)
{
	return spec->bounds ? spec->bounds : default_bounds;
}

static size_t bucket_count(const struct metric_spec *spec)
{
	const double *bounds = bounds_of(spec);
	size_t n = 0;

	while (isfinite(bounds[n]))
		n++;
	return n + 1;
}

struct metrics *metrics_new(const struct metric_spec *specs, size_t count)
{
	struct metrics *m = xcalloc(1, sizeof(*m));
	size_t i, v;

	*m = (struct metrics){.specs = specs, .count = count, .start_wall_ms = clock_wall_ms()};
	m->series = xcalloc(count, sizeof(struct series *));
	for (i = 0; i < count; i++) {
		m->series[i] = xcalloc(value_count(&specs[i]), sizeof(struct series));
		for (v = 0; specs[i].type == METRIC_HISTOGRAM && v < value_count(&specs[i]); v++)
			m->series[i][v].buckets = xcalloc(bucket_count(&specs[i]), sizeof(cell));
	}
	return m;
}

void metrics_free(struct metrics *m)
{
	size_t i, v;

	for (i = 0; m && i < m->count; i++) {
		for (v = 0; v < value_count(&m->specs[i]); v++)
			free(m->series[i][v].buckets);
		free(m->series[i]);
	}
	if (m)
		free(m->series);
	free(m);
}

void metrics_add(struct metrics *m, int which, int value, double delta)
{
	add(&m->series[which][value].value, delta);
}

void metrics_set(struct metrics *m, int which, int value, double to)
{
	store(&m->series[which][value].value, to);
}

void metrics_observe(struct metrics *m, int which, int value, double seen)
{
	const double *bounds = bounds_of(&m->specs[which]);
	struct series *s = &m->series[which][value];
	size_t i = 0;

	while (seen > bounds[i])
		i++;
	add(&s->buckets[i], 1);
	add(&s->value, seen);
}

double metrics_get(const struct metrics *m, int which, int value)
{
	const struct series *s = &m->series[which][value];
	double total = 0;
	size_t i;

	if (!s->buckets)
		return load(&s->value);
	for (i = 0; i < bucket_count(&m->specs[which]); i++)
		total += load(&s->buckets[i]);
	return total;
}

/* "a,b" and "1,2": a="1",b="2". */
static void print_pairs(const char *names, const char *values, struct buf *out)
{
	for (;;) {
		int name = (int)strcspn(names, ","), value = (int)strcspn(values, ",");

		buf_printf(out, "%.*s=\"%.*s\"", name, names, value, values);
		if (!names[name])
			return;
		assert(values[value]);
		buf_char(out, ',');
		names += name + 1;
		values += value + 1;
	}
}

static void print_labels(const struct metric_spec *spec, size_t value, const char *le, struct buf *out)
{
	if (!spec->label && !le)
		return;
	buf_char(out, '{');
	if (spec->label)
		print_pairs(spec->label, spec->values[value], out);
	if (le)
		buf_printf(out, "%sle=\"%s\"", spec->label ? "," : "", le);
	buf_char(out, '}');
}

/* Short where that is exact (0.1, not 0.10000000000000001), and infinite as Go writes it. */
static void print_number(double value, struct buf *out)
{
	char text[32];

	if (isinf(value)) {
		buf_str(out, value > 0 ? "+Inf" : "-Inf");
		return;
	}
	snprintf(text, sizeof(text), "%.15g", value);
	if (strtod(text, NULL) < value || strtod(text, NULL) > value)
		snprintf(text, sizeof(text), "%.17g", value);
	buf_str(out, text);
}

/* One line: NAME_SUFFIX{labels} value. */
static void print_sample(const struct metric_spec *spec, const char *suffix, size_t label, const char *le, double value,
			 struct buf *out)
{
	buf_printf(out, "%s%s", spec->name, suffix);
	print_labels(spec, label, le, out);
	buf_char(out, ' ');
	print_number(value, out);
	buf_char(out, '\n');
}

static void print_histogram(const struct metric_spec *spec, const struct series *s, size_t value, struct buf *out)
{
	const double *bounds = bounds_of(spec);
	size_t i, n = bucket_count(spec);
	double total = 0;
	char le[32];

	for (i = 0; i < n; i++) {
		total += load(&s->buckets[i]);
		snprintf(le, sizeof(le), i + 1 < n ? "%.9g" : "+Inf", bounds[i]);
		print_sample(spec, "_bucket", value, le, total, out);
	}
	print_sample(spec, "_sum", value, NULL, load(&s->value), out);
	print_sample(spec, "_count", value, NULL, total, out);
}

static void print_head(const char *name, const char *help, const char *type, struct buf *out)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void print_one(const struct metric_spec *spec, const struct series *series, struct buf *out)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};
	size_t v;

	print_head(spec->name, spec->help, types[spec->type], out);
	for (v = 0; v < value_count(spec); v++) {
		if (spec->type == METRIC_HISTOGRAM) {
			print_histogram(spec, &series[v], v, out);
		} else if (!isnan(load(&series[v].value))) {
			print_sample(spec, "", v, NULL, load(&series[v].value), out);
		}
	}
}

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = -3; /* `.`, `..` and the folder's own */

	if (!dir)
		return 0;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* The largest number that a limit allows; what has none is +Inf. */
static double max_fds(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return (double)INFINITY;
	return (double)limit.rlim_cur;
}

static void print_plain(const char *name, const char *help, const char *type, double value, struct buf *out)
{
	print_head(name, help, type, out);
	buf_printf(out, "%s ", name);
	print_number(value, out);
	buf_char(out, '\n');
}

static void print_memory(struct buf *out)
{
	auto_file FILE *file = fopen("/proc/self/statm", "re");
	double page = (double)sysconf(_SC_PAGESIZE);
	long total, resident;

	if (!file || fscanf(file, "%ld %ld", &total, &resident) != 2)
		return;
	print_plain("process_virtual_memory_bytes", "virtual memory", "gauge", (double)total * page, out);
	print_plain("process_resident_memory_bytes", "resident memory", "gauge", (double)resident * page, out);
}

static double cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static void print_process(const struct metrics *m, struct buf *out)
{
	print_plain("process_cpu_seconds_total", "user and system time", "counter", cpu_seconds(), out);
	print_memory(out);
	print_plain("process_open_fds", "open file descriptors", "gauge", count_fds(), out);
	print_plain("process_max_fds", "most file descriptors that may be open", "gauge", max_fds(), out);
	print_plain("process_start_time_seconds", "start of the process since 1970", "gauge", (double)m->start_wall_ms / 1e3, out);
	print_head("latency_build_info", "what was built", "gauge", out);
	buf_printf(out, "latency_build_info{version=\"%s\"} 1\n", lm_version);
}

void metrics_print(const struct metrics *m, struct buf *out)
{
	size_t i;

	for (i = 0; i < m->count; i++)
		print_one(&m->specs[i], m->series[i], out);
	print_process(m, out);
}
