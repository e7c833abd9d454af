/* check-mount: is this volume safe for our files, and which mount options are in effect? Needs no shell, no root, no network. */
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/options.h"
#include "nfs/judge.h"
#include "nfs/peer.h"
#include "nfs/trial.h"

struct settings {
	bool read_only, write, watch;
	int64_t timeout_ms, time_ms;
};

#define FIELD(name) offsetof(struct settings, name)

static const struct option_spec specs[] = {
	{"read-only", OPT_FLAG, FIELD(read_only), NULL, NULL, 0, .help = "the volume is wanted for reading alone: nothing is written"},
	{"timeout", OPT_DURATION, FIELD(timeout_ms), "TIME", "10s", 0, .min = 100, .max = 600000,
	 .help = "a call without an answer for so long is given up"},
	{"write", OPT_FLAG, FIELD(write), NULL, NULL, 0,
	 .help = "be the one of two pods that changes a file, for --time; longer than the other"},
	{"watch", OPT_FLAG, FIELD(watch), NULL, NULL, 0,
	 .help = "be the other, on another node, and tell how late changes are seen"},
	{"time", OPT_DURATION, FIELD(time_ms), "TIME", "60s", 0, .min = 1000, .max = 3600000,
	 .help = "how long --write and --watch take"},
};

static const struct options_program program = {
	.name = "check-mount",
	.summary = "tells whether the folder DIR is safe for the files of latency-mesh, and which mount options are in effect",
	.usage = "DIR [options]\ncheck-mount DIR --write|--watch [--time TIME]",
	.environment = "CHECK_MOUNT",
	.specs = specs,
	.spec_count = ARRAY_SIZE(specs),
	.operands = true,
	.epilogue = "A line each: `ok`, `warning` (it works, at a cost) or `bad` (files would be lost or not seen), what was looked at,\n"
		    "and why. Files are made under names `.tmp-...` and removed. Where the file server hangs the test is left behind and\n"
		    "the program ends all the same.\n"
		    "\n"
		    "Exit codes: 0 safe, also with warnings; 64 usage; 65 something else stands where a file of ours should be; 66 DIR is\n"
		    "not there, or --watch saw nobody write; 70 our bug; 74 input or output failed, or no answer in time; 77 not permitted,\n"
		    "or mounted read-only without --read-only; 78 mount options under which files are not safe. Of several the first of 70,\n"
		    "74, 77, 66, 65, 78.\n",
};

struct report {
	const struct settings *settings;
	const char *dir;
	struct mounts mounts;
	bool mount_is_shown;
	int count[VERDICT_BAD + 1];
	int code;
};

/* --- what is printed ----------------------------------------------------------------------------------------------------- */

/* Text of others (the table of mounts) never reaches a terminal raw. */
static void put(const char *text)
{
	for (; *text; text++)
		putchar((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
}

static int rank(int code)
{
	static const int order[] = {LM_SOFTWARE, LM_IO, LM_PERM, LM_NOINPUT, LM_DATA, LM_CONFIG};

	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		if (order[i] == code)
			return (int)(ARRAY_SIZE(order) - i);
	return 0;
}

static void line(void *arg, const struct finding *f)
{
	static const char *const words[] = {"ok", "warning", "bad"};
	struct report *r = arg;

	printf("%-8s %-13s ", words[f->verdict], f->name);
	put(f->text);
	putchar('\n');
	fflush(stdout);
	r->count[f->verdict]++;
	if (f->verdict == VERDICT_BAD && rank(f->code) > rank(r->code))
		r->code = f->code;
}

static void show_mount(struct report *r, const struct mount *m)
{
	if (r->mount_is_shown)
		return;
	r->mount_is_shown = true;
	if (!m) {
		line(r, &(struct finding){.verdict = VERDICT_WARNING, .name = "mount", .text = "not found in /proc/self/mountinfo"});
		return;
	}
	put(r->dir);
	printf(": ");
	put(*m->source ? m->source : "(no source)");
	printf(" on ");
	put(m->point);
	printf(", ");
	put(m->type);
	printf("\noptions: ");
	put(m->options);
	printf(" | ");
	put(m->super);
	printf("\n\n");
	judge_mount(m, r->settings->read_only || r->settings->watch, line, r);
}

/* As the kernel says it, links followed; by the path alone when it does not get that far. */
static void on_mount(void *arg, int mount_id)
{
	struct report *r = arg;

	show_mount(r, mounts_by_id(&r->mounts, mount_id));
}

static void show_mount_of_path(struct report *r)
{
	auto_free char *path = mounts_clean(r->dir);

	show_mount(r, mounts_of_path(&r->mounts, path));
}

static void on_finding(void *arg, const struct finding *f)
{
	show_mount_of_path(arg);
	line(arg, f);
}

static void given_up(struct report *r, const struct lm_err *err)
{
	struct finding f = {.verdict = VERDICT_BAD, .code = (int)err->code, .name = "answer"};

	snprintf(f.text, sizeof(f.text), "%.300s%s", err->msg,
		 err->code == LM_IO ? ": is the server up, and does a firewall let this node reach its port 2049?" : "");
	on_finding(r, &f);
}

static int conclude(const struct report *r)
{
	int warnings = r->count[VERDICT_WARNING], bad = r->count[VERDICT_BAD];

	printf("\n%s: ", bad ? "NOT SAFE" : "safe");
	printf("%d bad, %d warning%s\n", bad, warnings, warnings == 1 ? "" : "s");
	if (r->code == LM_CONFIG)
		printf("in the PersistentVolume: mountOptions: [%s]\n", JUDGE_MOUNT_OPTIONS);
	fflush(stdout);
	return r->code;
}

/* --- what is done ------------------------------------------------------------------------------------------------------- */

static int run(struct report *r, struct lm_err *err)
{
	const struct settings *s = r->settings;
	struct guard_listener listener = {.finding = on_finding, .mount = on_mount, .arg = r};
	struct trial trial = {.dir = r->dir, .reads_only = s->read_only};
	struct peer peer = {.dir = r->dir, .time_ms = s->time_ms};
	struct lm_err hung;
	int result;

	if (mounts_load(&r->mounts, err) < 0)
		return -1;
	if (s->write)
		result = guard_run(peer_write, &peer, s->timeout_ms, &listener, &hung);
	else if (s->watch)
		result = guard_run(peer_watch, &peer, s->timeout_ms, &listener, &hung);
	else
		result = guard_run(trial_run, &trial, s->timeout_ms, &listener, &hung);
	if (result < 0)
		given_up(r, &hung);
	return conclude(r);
}

static int refuse_contradictions(const struct settings *s, const struct options *o, struct lm_err *err)
{
	if (o->operand_count != 1)
		return lm_fail(err, LM_USAGE, o->operand_count ? "one DIR is checked at a time"
								: "DIR is missing: the folder to check, for example /latency");
	if (s->write && (s->watch || s->read_only))
		return lm_fail(err, LM_USAGE, "--write: cannot be given with --%s", s->watch ? "watch" : "read-only");
	return 0;
}

int main(int argc, char **argv)
{
	struct settings settings = {0};
	struct report report = {.settings = &settings};
	struct options options;
	struct lm_err err;
	int code = 0;

	if (options_parse(&program, argc, argv, &settings, &options, &err) < 0)
		return options_fail(&program, &err);
	if (!options.done) {
		report.dir = options.operand_count ? options.operands[0] : NULL;
		code = refuse_contradictions(&settings, &options, &err) < 0 ? -1 : run(&report, &err);
		if (code < 0)
			code = options_fail(&program, &err);
	}
	mounts_free(&report.mounts);
	options_free(&options);
	return code;
}
