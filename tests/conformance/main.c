/*
 * conformance - random clusters on a real kube-apiserver: whether this scheduler's filters say of each pod what a real kube-scheduler says (README.md).
 * Runs inside tests/e2e/cluster.sh.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "tests/conformance/coverage.h"
#include "tests/conformance/generate.h"
#include "tests/conformance/make.h"
#include "tests/conformance/ours.h"
#include "tests/conformance/plane.h"
#include "tests/conformance/shrink.h"

#define ENOUGH 10000		/* pods, from which on the coverage counts */
#define LEAST 200
#define FOUND "tests/conformance/found"
#define SHRINK_MS 120000

struct options {
	uint32_t cases, first;
	uint64_t seed;
	struct plan plan;
	bool loud;
	uint32_t shrink;		/* differences to shrink, each of another kind */
};

struct found {
	uint32_t number;
	char *kind, *namespace_, *name;
};

struct tally {
	uint32_t pods, nodes, reasons, unsupported, refused, errors;
	struct coverage coverage;
	struct found *found;
	size_t found_count, found_room;
};

static uint32_t count_nodes(const cJSON *objects)
{
	const cJSON *object;
	uint32_t count = 0;

	cJSON_ArrayForEach(object, objects)
		count += STREQ(get_text(object, "kind"), "Node");
	return count;
}

static void print_opinion(const char *who, const struct opinion *v)
{
	uint32_t i;

	printf("    %-7s", who);
	for (i = 0; i < v->count; i++)
		printf(" %s", v->nodes[i]);
	printf("%s | %s\n", v->count ? "" : " -", v->reasons);
}

/* The first of each kind is kept for shrinking. */
static void note(struct tally *t, uint32_t number, const cJSON *pod, const struct opinion *theirs, const struct opinion *ours)
{
	char *kind = opinion_difference(theirs, ours);
	size_t i;

	for (i = 0; i < t->found_count && !STREQ(t->found[i].kind, kind); i++)
		;
	if (i < t->found_count) {
		free(kind);
		return;
	}
	grow(&t->found, &t->found_room, t->found_count + 1, sizeof(*t->found));
	t->found[t->found_count++] = (struct found){number, kind, xstrdup(get_text(pod, "metadata.namespace")), xstrdup(get_text(pod, "metadata.name"))};
}

static void compare(struct tally *t, uint32_t number, const cJSON *pod, uint32_t nodes, const struct opinion *theirs, const struct opinion *ours)
{
	unsigned differs = opinion_differs(theirs, ours);

	t->pods++;
	t->errors += theirs->error;
	coverage_add(&t->coverage, theirs, nodes);
	if (ours->unsupported) {
		t->unsupported++;
		return;
	}
	t->nodes += (differs & OPINION_NODES) != 0;
	t->reasons += (differs & OPINION_REASONS) != 0;
	if (!differs)
		return;
	printf("  cluster %u, pod %s/%s:\n", number, get_text(pod, "metadata.namespace"), get_text(pod, "metadata.name"));
	print_opinion("theirs", theirs);
	print_opinion("ours", ours);
	note(t, number, pod, theirs, ours);
}

/* A name that no kept file has. The caller frees. */
static char *new_path(const char *kind)
{
	char *path = xasprintf("%s/%s.json", FOUND, kind);
	int i;

	for (i = 2; access(path, F_OK) == 0; i++) {
		free(path);
		path = xasprintf("%s/%s-%d.json", FOUND, kind, i);
	}
	return path;
}

static void shrink_found(struct plane *p, const struct options *o, const struct tally *t)
{
	size_t i;

	for (i = 0; i < t->found_count && i < o->shrink; i++) {
		const struct found *f = &t->found[i];
		cJSON *objects = generate(o->seed, f->number, &o->plan);
		auto_free char *path = new_path(f->kind);

		printf("  shrinking cluster %u, pod %s/%s: %s\n", f->number, f->namespace_, f->name, f->kind);
		if (!shrink(p, objects, f->namespace_, f->name, SHRINK_MS) || !shrink_keep(p, objects, f->namespace_, f->name, path))
			printf("    it does not show again\n");
		else
			printf("    %s\n", path);
		cJSON_Delete(objects);
	}
}

static void free_found(struct tally *t)
{
	size_t i;

	for (i = 0; i < t->found_count; i++) {
		free(t->found[i].kind);
		free(t->found[i].namespace_);
		free(t->found[i].name);
	}
	free(t->found);
}

/* What makes a difference to a pod without a reason that tells of it. */
struct influences {
	struct ours *without[INFLUENCES];
};

static void influences_begin(struct influences *f, const cJSON *objects)
{
	static const char *const nominated[] = {"nominatedNodeName", NULL};
	static const char *const resize[] = {"resources", "allocatedResources", "containerStatuses", "initContainerStatuses", NULL};

	f->without[INFLUENCE_NOMINATED] = ours_without(objects, nominated);
	f->without[INFLUENCE_RESIZE] = ours_without(objects, resize);
}

static void influences_count(struct influences *f, struct coverage *c, const char *namespace_, const char *name, const struct opinion *ours)
{
	struct opinion without;
	unsigned i;

	for (i = 0; i < INFLUENCES; i++) {
		ours_decide(f->without[i], namespace_, name, &without);
		if (opinion_differs(ours, &without))
			coverage_influenced(c, (enum influence)i);
		opinion_free(&without);
	}
}

static void influences_end(struct influences *f)
{
	unsigned i;

	for (i = 0; i < INFLUENCES; i++)
		ours_free(f->without[i]);
}

/* False when kube-scheduler gave no verdict. */
static bool one_cluster(struct plane *p, const struct options *o, uint32_t number, struct tally *t)
{
	struct plan plan = o->plan;
	cJSON *objects, *there;
	struct opinion theirs, mine;
	struct influences influences;
	struct ours *ours;
	const cJSON *pod;
	uint32_t nodes;

	if (plan.pods > o->cases - t->pods)
		plan.pods = o->cases - t->pods;
	objects = generate(o->seed, number, &plan);
	t->refused += plane_load(p, objects, o->loud);
	cJSON_Delete(objects);
	there = plane_read(p);
	nodes = count_nodes(there);
	if (!plane_judge(p)) {
		cJSON_Delete(there);
		return false;
	}
	ours = ours_new(there);
	influences_begin(&influences, there);
	cJSON_ArrayForEach(pod, there) {
		const char *namespace_ = get_text(pod, "metadata.namespace"), *name = get_text(pod, "metadata.name");

		if (!STREQ(get_text(pod, "kind"), "Pod") || !plane_opinion(p, namespace_, name, &theirs))
			continue;
		ours_decide(ours, namespace_, name, &mine);
		compare(t, number, pod, nodes, &theirs, &mine);
		influences_count(&influences, &t->coverage, namespace_, name, &mine);
		opinion_free(&theirs);
		opinion_free(&mine);
	}
	influences_end(&influences);
	ours_free(ours);
	cJSON_Delete(there);
	return true;
}

static int usage(void)
{
	fputs("conformance [--cases 500] [--seed N] [--topics all] [--pods 50] [--nodes 40] [--first N] [--shrink 5] [--loud]\n"
	      "  --topics nodes,taints,affinity,ports,resources,volumes,spread,podaffinity,nominated,features,resize\n"
	      "  --pods N   to decide, a cluster    --first N   begin with cluster N\n"
	      "  --shrink N differences of different kinds to shrink into tests/conformance/found/    --loud   say what the API server refuses\n", stderr);
	return LM_USAGE;
}

static int parse(int argc, char **argv, struct options *o)
{
	int i;

	for (i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";

		if (STREQ(argv[i], "--loud")) {
			o->loud = true;
			continue;
		}
		i++;
		if (STREQ(argv[i - 1], "--cases"))
			o->cases = (uint32_t)strtoul(value, NULL, 10);
		else if (STREQ(argv[i - 1], "--seed"))
			o->seed = strtoull(value, NULL, 10);
		else if (STREQ(argv[i - 1], "--topics"))
			o->plan.topics = topics_parse(value);
		else if (STREQ(argv[i - 1], "--pods"))
			o->plan.pods = (uint32_t)strtoul(value, NULL, 10);
		else if (STREQ(argv[i - 1], "--nodes"))
			o->plan.most_nodes = (uint32_t)strtoul(value, NULL, 10);
		else if (STREQ(argv[i - 1], "--first"))
			o->first = (uint32_t)strtoul(value, NULL, 10);
		else if (STREQ(argv[i - 1], "--shrink"))
			o->shrink = (uint32_t)strtoul(value, NULL, 10);
		else
			return -1;
	}
	return o->cases && o->plan.topics && o->plan.pods && o->plan.most_nodes > 1 ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct options o = {.cases = 500, .shrink = 5, .plan = {.topics = TOPIC_ALL, .pods = 50, .most_nodes = 40}};
	struct tally t = {0};
	int64_t begin = clock_mono_ms();
	bool good = true;
	uint32_t number;
	struct plane *p;

	if (parse(argc, argv, &o) < 0)
		return usage();
	if (!o.seed)
		o.seed = test_seed();
	setvbuf(stdout, NULL, _IOLBF, 0);
	p = plane_open();
	for (number = o.first; t.pods < o.cases && good; number++) {
		good = one_cluster(p, &o, number, &t);
		if (number % 20 == 19)
			printf("%u pods, %.1f a second\n", t.pods, t.pods * 1000.0 / (double)(clock_mono_ms() - begin));
	}
	shrink_found(p, &o, &t);
	plane_close(p);
	good &= coverage_print(&t.coverage, o.cases >= ENOUGH && o.plan.topics == TOPIC_ALL ? LEAST : 0);
	printf("%u objects refused by the API server, %u pods with a field that is not supported yet, %u errors of kube-scheduler, %.1f pods a second\n",
	       t.refused, t.unsupported, t.errors,
	       t.pods * 1000.0 / (double)(clock_mono_ms() - begin));
	printf("conformance: %u pods, %u feasible-set differences, %u message differences, seed %llu\n", t.pods, t.nodes, t.reasons,
	       (unsigned long long)o.seed);
	free_found(&t);
	return good && !t.nodes && !t.reasons ? 0 : 1;
}
