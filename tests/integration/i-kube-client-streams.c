/* The client against a server that misbehaves as told: streams, and what callbacks may do. */
#include "lib/kube/transfer.c"

#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/integration/kube_client.h"

/* --- streams ---------------------------------------------------------------------------------------------------------- */

static void drip(struct scripted_request *r)
{
	int i;

	scripted_begin(r, 200);
	for (i = 0; i < 12 && scripted_text(r, "%d", i % 10); i++)
		usleep(50000);
	if (STREQ(r->target, "/ends"))
		scripted_end(r);
	else
		scripted_silence(r);
}

static void s18_a_silent_stream_is_noticed_and_a_slow_one_is_left_alone(void **state)
{
	struct scripted *s = scripted_start(drip, NULL);
	struct kube *k = client_of(scripted_url(s), NULL);
	struct answer slow = {0}, silent = {0};

	(void)state;
	kube_stream(k, &(struct kube_request){.method = "GET", .path = "/ends", .idle_ms = 400}, on_chunk, on_done, &slow);
	kube_stream(k, &(struct kube_request){.method = "GET", .path = "/hangs", .idle_ms = 400}, on_chunk, on_done, &silent);
	run_until(k, &slow.done);
	assert_int_equal(slow.response.status, 200);
	assert_string_equal(slow.stream.data, "012345678901");
	run_until(k, &silent.done);
	assert_int_equal(silent.response.status, 0);
	assert_string_equal(silent.stream.data, "012345678901");
	assert_non_null(strstr(silent.response.error.msg, "nothing came for 0.4 s"));
	answer_clear(&slow);
	answer_clear(&silent);
	kube_free(k);
	scripted_stop(s);
}

static void a_stream_ends_when_its_receiver_says_so(void **state)
{
	struct scripted *s = scripted_start(drip, NULL);
	struct kube *k = client_of(scripted_url(s), NULL);
	struct answer a = {.stop_after = 2};

	(void)state;
	kube_stream(k, &(struct kube_request){.method = "GET", .path = "/hangs", .idle_ms = WAIT_MS}, on_chunk, on_done, &a);
	run_until(k, &a.done);
	assert_int_equal(a.chunks, 2);
	assert_int_equal(a.response.status, 0);
	assert_int_equal(kube_in_flight(k), 0);
	answer_clear(&a);
	kube_free(k);
	scripted_stop(s);
}

static void fall_dead(struct scripted_request *r)
{
	struct sock_filter drop_all = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = {.len = 1, .filter = &drop_all};

	scripted_begin(r, 200);
	scripted_text(r, "%s", "alive");
	usleep(100000);
	/* from now on the kernel throws away what comes in, as if the machine were gone: nothing is acknowledged */
	if (setsockopt(r->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
		abort();
	scripted_silence(r);
}

static void s18_a_dead_peer_is_noticed_on_an_idle_connection(void **state)
{
	struct scripted *s = scripted_start(fall_dead, NULL);
	struct kube *k = client_of(scripted_url(s), NULL);
	struct answer a = {0};
	int64_t start = clock_mono_ms();

	(void)state;
	assert_in_range(user_timeout_ms, 1, 45000);
	user_timeout_ms = 1500;
	keepalive_idle_s = keepalive_interval_s = 1;
	kube_stream(k, &(struct kube_request){.method = "GET", .path = "/", .idle_ms = WAIT_MS}, on_chunk, on_done, &a);
	run_until(k, &a.done);
	user_timeout_ms = 45000;
	keepalive_idle_s = 15;
	keepalive_interval_s = 10;
	assert_string_equal(a.stream.data, "alive");
	assert_int_equal(a.response.status, 0);
	assert_null(strstr(a.response.error.msg, "nothing came"));	/* it was not our own watchdog */
	test_deadline("dead peer noticed with TCP_USER_TIMEOUT 1.5 s", (double)(clock_mono_ms() - start) / 1000, 3, "s");
	answer_clear(&a);
	kube_free(k);
	scripted_stop(s);
}

/* --- inside callbacks ------------------------------------------------------------------------------------------------- */

struct plot {
	struct kube *k;
	struct kube_call *victim;
	int calls, over;
	enum { CANCEL_SELF, CANCEL_OTHER, SEND_MORE, FREE_CLIENT } deed;
};

static void plot_done(void *arg, const struct kube_response *response)
{
	struct plot *p = arg;

	p->calls++;
	if (p->deed == SEND_MORE && p->calls < 5) {
		kube_send(p->k, &(struct kube_request){.method = "GET", .path = "/", .timeout_ms = WAIT_MS}, plot_done, p);
		return;
	}
	assert_int_equal(response->status, 200);
	if (p->deed == CANCEL_OTHER)
		kube_cancel(p->k, steal(&p->victim));
	else if (p->deed == FREE_CLIENT)
		kube_free(steal(&p->k));
	p->over = 1;
}

static void never_done(void *arg, const struct kube_response *response)
{
	(void)arg;
	fail_msg("a callback after the end: %d", response->status);
}

static bool plot_chunk(void *arg, const char *bytes, size_t len)
{
	struct plot *p = arg;

	(void)bytes;
	(void)len;
	p->calls++;
	if (p->deed == CANCEL_SELF)
		kube_cancel(p->k, steal(&p->victim));
	else
		kube_free(steal(&p->k));
	p->over = 1;
	return true;
}

static void run_plot(struct plot *p)
{
	int64_t end = clock_mono_ms() + WAIT_MS;

	while (!p->over && clock_mono_ms() < end)
		kube_run(p->k, 100, NULL, 0);
	assert_true(p->over);
}

static void echo_or_hang(struct scripted_request *r)
{
	if (STREQ(r->target, "/hangs"))
		scripted_silence(r);
	else
		echo(r);
}

static void callbacks_may_cancel_send_and_free(void **state)
{
	struct scripted *quick = scripted_start(echo_or_hang, NULL), *slow = scripted_start(drip, NULL);
	struct kube_request get = {.method = "GET", .path = "/", .timeout_ms = WAIT_MS},
		stream = {.method = "GET", .path = "/hangs", .idle_ms = WAIT_MS};
	struct plot p;

	(void)state;
	p = (struct plot){.k = client_of(scripted_url(slow), NULL), .deed = CANCEL_SELF};
	p.victim = kube_stream(p.k, &stream, plot_chunk, never_done, &p);
	run_plot(&p);
	assert_int_equal(kube_in_flight(p.k), 0);
	kube_run(p.k, 0, NULL, 0);
	assert_int_equal(p.calls, 1);
	kube_free(p.k);

	p = (struct plot){.k = client_of(scripted_url(slow), NULL), .deed = FREE_CLIENT};
	kube_stream(p.k, &stream, plot_chunk, never_done, &p);
	kube_send(p.k, &stream, never_done, &p);
	run_plot(&p);

	p = (struct plot){.k = client_of(scripted_url(quick), NULL), .deed = FREE_CLIENT};
	kube_send(p.k, &get, plot_done, &p);
	run_plot(&p);

	p = (struct plot){.k = client_of(scripted_url(quick), NULL), .deed = SEND_MORE};
	kube_send(p.k, &get, plot_done, &p);
	run_plot(&p);
	assert_int_equal(p.calls, 5);
	kube_free(p.k);

	p = (struct plot){.k = client_of(scripted_url(quick), NULL), .deed = CANCEL_OTHER};
	p.victim = kube_send(p.k, &(struct kube_request){.method = "GET", .path = "/hangs", .timeout_ms = WAIT_MS},
		never_done, NULL);
	kube_send(p.k, &get, plot_done, &p);
	run_plot(&p);
	assert_int_equal(kube_in_flight(p.k), 0);
	kube_cancel(p.k, kube_send(p.k, &get, never_done, NULL));
	kube_run(p.k, 20, NULL, 0);
	kube_free(p.k);
	scripted_stop(slow);
	scripted_stop(quick);
}

static void moody(struct scripted_request *r)
{
	struct rng rng = rng_make((uint64_t)(uintptr_t)r->arg + (uint64_t)r->number);

	usleep(rng_below(&rng, 2000));
	switch (rng_below(&rng, 6)) {
	case 0:
		r->close = true;
		return;
	case 1:
		scripted_reset(r);
		return;
	case 2:
		scripted_reply(r, 500, NULL, "oh");
		return;
	case 3:
		scripted_begin(r, 200);
		scripted_text(r, "%s", "some");
		r->close = true;
		return;
	default:
		scripted_reply(r, 200, NULL, "{}");
	}
}

enum { CALLS = 300 };

struct crowd {
	struct kube *k;
	struct kube_call *calls[CALLS];
	int done[CALLS];
	bool cancelled[CALLS];
	struct rng rng;
	int finished;
};

struct member {
	struct crowd *crowd;
	int index;
};

static void crowd_cancel_one(struct crowd *c)
{
	uint32_t i = rng_below(&c->rng, CALLS);

	if (!c->calls[i])
		return;
	kube_cancel(c->k, steal(&c->calls[i]));
	c->cancelled[i] = true;
	c->finished++;
}

static void crowd_done(void *arg, const struct kube_response *response)
{
	struct member *m = arg;

	(void)response;
	m->crowd->calls[m->index] = NULL;
	m->crowd->done[m->index]++;
	m->crowd->finished++;
	if (rng_chance(&m->crowd->rng, 0.2))
		crowd_cancel_one(m->crowd);
}

static bool crowd_chunk(void *arg, const char *bytes, size_t len)
{
	struct member *m = arg;

	(void)bytes;
	(void)len;
	if (rng_chance(&m->crowd->rng, 0.2))
		crowd_cancel_one(m->crowd);
	return rng_chance(&m->crowd->rng, 0.9);
}

/* Each call gives one callback, or none when it was cancelled, in whatever mess. */
static void one_callback_for_each_call(void **state)
{
	uint64_t seed = test_seed();
	struct scripted *s = scripted_start(moody, (void *)(uintptr_t)seed);
	struct crowd c = {.k = client_of(scripted_url(s), NULL), .rng = rng_make(seed)};
	struct member members[CALLS];
	int64_t end = clock_mono_ms() + WAIT_MS;
	int i;

	(void)state;
	for (i = 0; i < CALLS; i++) {
		struct kube_request request = {.method = i % 3 ? "POST" : "GET", .path = "/", .timeout_ms = WAIT_MS};

		members[i] = (struct member){&c, i};
		if (i % 2)
			c.calls[i] = kube_send(c.k, &request, crowd_done, &members[i]);
		else
			c.calls[i] = kube_stream(c.k, &request, crowd_chunk, crowd_done, &members[i]);
		while (kube_in_flight(c.k) > 20 && clock_mono_ms() < end)
			kube_run(c.k, 10, NULL, 0);
	}
	while (kube_in_flight(c.k) > 0 && clock_mono_ms() < end)
		kube_run(c.k, 10, NULL, 0);
	assert_int_equal(c.finished, CALLS);
	for (i = 0; i < CALLS; i++)
		assert_int_equal(c.done[i], c.cancelled[i] ? 0 : 1);
	kube_free(c.k);
	scripted_stop(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s18_a_silent_stream_is_noticed_and_a_slow_one_is_left_alone),
		cmocka_unit_test(s18_a_dead_peer_is_noticed_on_an_idle_connection),
		cmocka_unit_test(a_stream_ends_when_its_receiver_says_so),
		cmocka_unit_test(callbacks_may_cancel_send_and_free),
		cmocka_unit_test(one_callback_for_each_call),
	};

	return cmocka_run_group_tests_name("kube-client-streams", tests, NULL, NULL);
}
