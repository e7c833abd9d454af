/* Plans by a child process: whatever becomes of that, the scheduler hears of it as a value, and nothing is left. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "sched/reserve/plan.h"
#include "tests/unit/objects.h"

/* What the child does instead of planning. */
enum fate { PLAN, TELL, CRASH, HANG, HANG_SILENT, END, NONSENSE, HALF, NOTHING, FLOOD, EAT };

struct order {
	enum fate fate;
	size_t covers;
	const struct profile *profile;	/* of PLAN */
};

static const struct order *order_of(const struct plan_input *in)
{
	return in->profile_arg;
}

static enum fate told;		/* in the child: for what prints */

static void fill_plan(struct plan *out, size_t covers)
{
	size_t i;

	for (i = 0; i < covers; i++) {
		char name[40];

		snprintf(name, sizeof(name), "web-%06zu", i);
		covers_add(&out->covers, &(struct cover){.uid = name, .namespace_ = (char[]){"default"}, .name = name, .owner_uid = (char[]){"owner"},
							 .node = (char[]){"edge-1"}, .refuge = (char[]){"edge-2"}});
	}
}

static void eat(void)
{
	size_t i;

	for (i = 0; i < 4096; i++) {
		volatile char *page = xmalloc(1024 * 1024);

		*page = 1;
	}
}

static void fated_make(struct decider *d, const struct plan_input *in, struct plan *out)
{
	const struct order *o = order_of(in);

	told = o->fate;
	if (o->fate == CRASH) {
		signal(SIGSEGV, SIG_DFL);	/* not cmocka's */
		raise(SIGSEGV);
	}
	if (o->fate == END)
		_exit(7);
	if (o->fate == HANG_SILENT)
		close(3);
	while (o->fate == HANG || o->fate == HANG_SILENT)
		pause();
	if (o->fate == EAT)
		eat();
	if (o->fate == PLAN)
		plan_make(d, in, out);
	else
		fill_plan(out, o->covers);
	decider_free(d);
}

static void flood(void)
{
	static const char part[8192] = "{\"covers\":[";

	while (write(3, part, sizeof(part)) > 0)
		;
}

static void fated_print(const struct plan *p, struct buf *out)
{
	struct buf whole = {0};

	if (told == FLOOD)
		flood();
	if (told == NOTHING)
		_exit(0);
	if (told == NONSENSE) {
		buf_str(out, "{\"covers\":{\"x\":[}");
		return;
	}
	plan_print(p, told == HALF ? &whole : out);
	if (told == HALF) {
		if (write(3, whole.data, whole.len / 2) < 0)
			_exit(9);
		_exit(0);
	}
}

#define plan_make fated_make
#define plan_print fated_print
#include "sched/reserve/planner.c"
#undef plan_make
#undef plan_print

#define PATIENCE_MS 60000	/* a loaded machine; what is asserted is order, not time */

static void expect_nothing_left(int fds)
{
	assert_int_equal(test_open_files(), fds);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void start(struct planner *p, const struct order *o)
{
	struct plan_input in = {.profile_arg = o, .mono_ms = clock_mono_ms()};
	int64_t until = clock_mono_ms() + PATIENCE_MS;
	struct lm_err err = {0};

	/* one that was told to end may be about to */
	while (!planner_start(p, &in, &err)) {
		if (clock_mono_ms() >= until)
			fail_msg("%s", err.msg);
		usleep(1000);
	}
}

static enum planner_state outcome(struct planner *p, struct plan *out, struct lm_err *err)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;
	enum planner_state state;

	while ((state = planner_poll(p, clock_mono_ms(), out, err)) == PLANNER_BUSY) {
		struct pollfd fd = {.fd = planner_fd(p), .events = POLLIN};

		if (clock_mono_ms() >= until)
			fail_msg("still busy after %d ms", PATIENCE_MS);
		poll(&fd, 1, 5);
	}
	return state;
}

static void expect_plan(struct planner *p, size_t covers)
{
	struct lm_err err = {0};
	auto_plan struct plan plan = {0};
	struct order order = {TELL, covers, NULL};

	start(p, &order);
	if (outcome(p, &plan, &err) != PLANNER_DONE)
		fail_msg("%s", err.msg);
	assert_int_equal(plan.covers.count, covers);
	if (covers)
		assert_string_equal(plan.covers.items[covers - 1].refuge, "edge-2");
	assert_true(planner_took_ms(p) >= 0);
	assert_int_equal(planner_poll(p, clock_mono_ms(), &plan, &err), PLANNER_IDLE);
	assert_int_equal(planner_fd(p), -1);
}

/* Fails with that reason; the next one is as good as ever; nothing is left. */
static void expect_failure(enum fate fate, const char *reason)
{
	int fds = test_open_files();
	struct planner *p = planner_new();
	struct order order = {fate, 3, NULL};
	struct plan plan = {0};
	struct lm_err err = {0};

	start(p, &order);
	assert_int_equal(outcome(p, &plan, &err), PLANNER_FAILED);
	if (!strstr(err.msg, reason))
		fail_msg("%s", err.msg);
	assert_int_equal(plan.covers.count, 0);
	assert_int_equal(planner_fd(p), -1);
	expect_plan(p, 2);
	planner_free(p);
	expect_nothing_left(fds);
}

static void a_plan_comes_whole(void **state)
{
	int fds = test_open_files();
	struct planner *p = planner_new();

	(void)state;
	assert_int_equal(planner_took_ms(p), -1);
	assert_int_equal(planner_fd(p), -1);
	expect_plan(p, 0);
	expect_plan(p, 1);
	expect_plan(p, 20000);		/* more than a pipe and a poll hold */
	planner_free(p);
	planner_free(NULL);
	expect_nothing_left(fds);
}

static const struct profile *profile_of(const void *arg, const char *scheduler_name)
{
	return STREQ(scheduler_name, "s") ? ((const struct order *)arg)->profile : NULL;
}

static struct pod *pod_on(const char *name, const char *owner)
{
	auto_free char *text = xasprintf("{'metadata':{'name':'%s','namespace':'default','uid':'uid-%s','labels':{'latency-mesh.io/reserve':'true'},"
					 "'annotations':{'latency-mesh.io/within':'node/a<=5ms','latency-mesh.io/missing':'allow'}%s},'spec':{'nodeName':'a',"
					 "'schedulerName':'s','containers':[{'name':'c','resources':{'requests':{'cpu':'500m'}}}]}}", name, name, owner);

	return pod_of(text);
}

/* What comes is what would have been planned here; and the cache is as it was. */
static void the_real_plan_is_the_same(void **state)
{
	static const char owned[] = ",'ownerReferences':[{'kind':'ReplicaSet','name':'web','uid':'rs','controller':true}]";
	struct reserve_settings settings = {.enabled = true, .namespace_ = "latency"};
	struct covers none = {0};
	struct profile profile;
	struct order order = {.fate = PLAN, .profile = &profile};
	struct plan_input in = {.cache = cache_new(), .profile = profile_of, .profile_arg = &order, .settings = &settings, .previous = &none,
				.mono_ms = clock_mono_ms()};
	struct decider *decider = decider_new();
	struct planner *p = planner_new();
	auto_plan struct plan here = {0}, there = {0};
	auto_buf struct buf text_here = {0}, text_there = {0};
	struct lm_err err = {0};

	(void)state;
	profile_init(&profile, "s");
	cache_put_node(in.cache, node_with("a", "%s", ""));
	cache_put_node(in.cache, node_with("b", "%s", ""));
	cache_put_pod(in.cache, pod_on("web", owned));
	cache_put_pod(in.cache, pod_on("lone", ""));
	if (!planner_start(p, &in, &err))
		fail_msg("%s", err.msg);
	if (outcome(p, &there, &err) != PLANNER_DONE)
		fail_msg("%s", err.msg);
	plan_make(decider, &in, &here);
	assert_int_equal(there.covers.count, 1);
	assert_string_equal(there.covers.items[0].refuge, "b");
	assert_int_equal(there.uncovered_count, 1);
	plan_print(&here, &text_here);
	plan_print(&there, &text_there);
	assert_string_equal(text_there.data, text_here.data);
	planner_free(p);
	decider_free(decider);
	profile_free(&profile);
	cache_free(in.cache);
}

static void a_crash_is_an_error(void **state)
{
	(void)state;
	expect_failure(CRASH, "the plan's process was ended by signal 11");
}

static void an_early_end_is_an_error(void **state)
{
	(void)state;
	expect_failure(END, "the plan's process ended with code 7, without a plan");
	expect_failure(NOTHING, "the plan's process ended with code 0, without a plan");
}

static void half_a_plan_is_none(void **state)
{
	(void)state;
	expect_failure(HALF, "the plan's process ended with code 0, without a plan");
}

static void nonsense_is_an_error(void **state)
{
	(void)state;
	expect_failure(NONSENSE, "what the plan's process says: ");
}

static void a_flood_is_bounded(void **state)
{
	(void)state;
	expect_failure(FLOOD, "the plan is larger than is taken");
}

#ifndef TEST_SANITIZED		/* whose allocators have their address space already */
static void more_memory_than_it_may_have_is_its_own_end(void **state)
{
	(void)state;
	expect_failure(EAT, "the plan's process ended with code 70, without a plan");
}
#endif

/* By the clock that the caller gives: one turn before the time is over it is still waited for. */
static void one_that_hangs_is_ended(void **state)
{
	static const enum fate fates[] = {HANG, HANG_SILENT};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(fates); i++) {
		int fds = test_open_files();
		struct planner *p = planner_new();
		struct order order = {fates[i], 0, NULL};
		struct plan plan = {0};
		struct lm_err err = {0};
		int64_t begun;

		start(p, &order);
		begun = p->begun_mono_ms;
		while (fates[i] == HANG_SILENT && planner_fd(p) >= 0)
			assert_int_equal(planner_poll(p, begun + 1, &plan, &err), PLANNER_BUSY);
		assert_int_equal(planner_poll(p, begun + PLANNER_MAX_MS - 1, &plan, &err), PLANNER_BUSY);
		assert_int_equal(planner_poll(p, begun + PLANNER_MAX_MS, &plan, &err), PLANNER_FAILED);
		assert_string_equal(err.msg, "the plan took too long");
		assert_int_equal(planner_took_ms(p), PLANNER_MAX_MS);
		assert_int_equal(planner_poll(p, begun + PLANNER_MAX_MS, &plan, &err), PLANNER_IDLE);
		expect_plan(p, 1);
		planner_free(p);
		expect_nothing_left(fds);
	}
}

static void one_at_a_time(void **state)
{
	int fds = test_open_files();
	struct planner *p = planner_new();
	struct order order = {HANG, 0, NULL};
	struct plan_input in = {.profile_arg = &order};
	struct lm_err err = {0};

	(void)state;
	start(p, &order);
	assert_false(planner_start(p, &in, &err));
	assert_string_equal(err.msg, "the process of the plan before is still there");
	planner_free(p);		/* in the middle of it */
	expect_nothing_left(fds);
}

static void killed_by_somebody_else(void **state)
{
	int fds = test_open_files();
	struct planner *p = planner_new();
	struct order order = {HANG, 0, NULL};
	struct plan plan = {0};
	struct lm_err err = {0};

	(void)state;
	start(p, &order);
	kill(p->pid, SIGKILL);
	assert_int_equal(outcome(p, &plan, &err), PLANNER_FAILED);
	assert_string_equal(err.msg, "the plan's process was ended by signal 9");
	planner_free(p);
	expect_nothing_left(fds);
}

static void no_process_is_an_error(void **state)
{
	struct planner *p = planner_new();
	struct order order = {TELL, 0, NULL};
	struct plan_input in = {.profile_arg = &order};
	struct lm_err err = {0};
	struct rlimit was, none;
	int fds = test_open_files();

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = 3;		/* no pipe */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_false(planner_start(p, &in, &err));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_non_null(strstr(err.msg, "pipe: "));
	expect_plan(p, 1);
	planner_free(p);
	expect_nothing_left(fds);
}

/* The end of the scheduler is its end: nobody reads what it would say. */
static void it_ends_with_the_scheduler(void **state)
{
	int ends[2];
	char byte;
	pid_t scheduler;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	scheduler = fork();
	if (scheduler == 0) {
		struct planner *p = planner_new();
		struct order order = {HANG, 0, NULL};
		struct plan_input in = {.profile_arg = &order};
		struct lm_err err;

		if (!planner_start(p, &in, &err) || write(ends[1], &p->pid, sizeof(p->pid)) < 0)
			_exit(1);
		pause();
	}
	assert_true(scheduler > 0);
	pid_t planner = 0;
	assert_int_equal(read(ends[0], &planner, sizeof(planner)), sizeof(planner));
	kill(scheduler, SIGKILL);
	assert_int_equal(waitpid(scheduler, NULL, 0), scheduler);
	close(ends[1]);
	for (int i = 0; i < PATIENCE_MS / 5 && kill(planner, 0) == 0; i++) {
		auto_free char *path = xasprintf("/proc/%d/stat", (int)planner), *stat = test_read(path);

		if (!stat || strstr(stat, ") Z "))	/* whoever inherits orphans here may not collect them */
			break;
		usleep(5000);
		assert_true(i < PATIENCE_MS / 5 - 1);
	}
	assert_int_equal(read(ends[0], &byte, 1), 0);
	close(ends[0]);
}

/* --- beside threads that use what a fork copies ---------------------------------------------------------------------- */

static atomic_bool stop;

static void *churn(void *arg)
{
	auto_buf struct buf b = {0};

	(void)arg;
	while (!atomic_load(&stop)) {
		buf_free(&b);
		buf_printf(&b, "%d", 42);
		usleep(20);
	}
	return NULL;
}

static void many_in_a_row_beside_threads(void **state)
{
	static const enum fate fates[] = {TELL, CRASH, END, NONSENSE, HALF, NOTHING, TELL, TELL};
	struct rng r = rng_make(test_seed());
	pthread_t threads[2];
	int fds = test_open_files(), i;
	struct planner *p = planner_new();

	(void)state;
	atomic_store(&stop, false);
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, churn, NULL), 0);
	for (i = 0; i < test_rounds(100); i++) {
		struct order order = {fates[rng_below(&r, ARRAY_SIZE(fates))], rng_below(&r, 300), NULL};
		auto_plan struct plan plan = {0};
		struct lm_err err = {0};

		start(p, &order);
		assert_int_equal(outcome(p, &plan, &err), order.fate == TELL ? PLANNER_DONE : PLANNER_FAILED);
		assert_int_equal(plan.covers.count, order.fate == TELL ? order.covers : 0);
	}
	atomic_store(&stop, true);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	planner_free(p);
	expect_nothing_left(fds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plan_comes_whole),
		cmocka_unit_test(the_real_plan_is_the_same),
		cmocka_unit_test(a_crash_is_an_error),
		cmocka_unit_test(an_early_end_is_an_error),
		cmocka_unit_test(half_a_plan_is_none),
		cmocka_unit_test(nonsense_is_an_error),
		cmocka_unit_test(a_flood_is_bounded),
#ifndef TEST_SANITIZED
		cmocka_unit_test(more_memory_than_it_may_have_is_its_own_end),
#endif
		cmocka_unit_test(one_that_hangs_is_ended),
		cmocka_unit_test(one_at_a_time),
		cmocka_unit_test(killed_by_somebody_else),
		cmocka_unit_test(no_process_is_an_error),
		cmocka_unit_test(it_ends_with_the_scheduler),
		cmocka_unit_test(many_in_a_row_beside_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
