/* Folding by example: which clients there are, and groups that only users name. */
#include "tests/unit/fold_world.h"

static void clients_are_those_given_or_those_reported(void **state)
{
	struct world w;
	struct names given = {0};
	struct fold *f;
	struct snapshot out;

	(void)state;
	world_init(&w, 2);
	reports(&w, 0, "boot", 1, 100);
	reports(&w, 1, "boot", 1, 200);
	add_client(&w, 0, "rome", 30.04);
	add_client(&w, 1, "milan", 20);
	run(&w, 0);
	assert_int_equal(w.last.clients.count, 2);
	assert_string_equal(w.last.clients.items[0], "milan");
	assert_true(w.last.client.rtt_us[1] == 30 && w.last.client.rtt_us[2] == 20 && isnan(w.last.client_estimate_us[1]));
	assert_true(w.last.client.rtt_us[0] == 20 + 200 && w.last.client_estimate_us[0] <= 220);	/* n0 by way of n1 */
	w.there[0] = false; /* its row is kept, and with it the client that only this row knows */
	run(&w, 10);
	assert_int_equal(w.last.clients.count, 2);
	assert_true(w.last.client.rtt_us[1] == 30);
	assert_true(w.last.client.rtt_us[0] == 20 + 200 && isnan(w.last.client_estimate_us[1]));
	names_add(&given, "turin");
	names_add(&given, "rome");
	f = fold_new(&(struct fold_settings){.previous = &w.last, .nodes = &w.nodes, .clients = &given, .interval_s = 60});
	fold_report(f, &w.reports[1], 0);
	fold_finish(f, &out, &w.summary);
	assert_int_equal(out.clients.count, 2);
	assert_string_equal(out.clients.items[0], "rome");
	assert_true(out.client.rtt_us[0] == 30 && isnan(out.client.rtt_us[1]) && isnan(out.client.rtt_us[3]));
	assert_true(out.client.rtt_us[2] == 30 + 200 && out.client_estimate_us[2] <= 230);
	snapshot_free(&out);
	fold_free(f);
	names_free(&given);
	world_free(&w);
}

/* A run with a list of clients; the text of the result's clients, for free(). */
static char *clients_with(struct world *w, const struct names *given)
{
	struct observed observed = {0};
	struct snapshot next = {0};
	struct buf text = {0};
	struct fold *f;
	uint32_t i;

	observe_expect(w->seen, &w->nodes, given);
	observe_collect(w->seen, &observed);
	f = fold_new(&(struct fold_settings){.previous = w->has_last ? &w->last : NULL, .nodes = &w->nodes, .clients = given, .observed = &observed,
					     .interval_s = 60, .elapsed_s = 60});
	for (i = 0; i < w->nodes.count; i++)
		fold_report(f, &w->reports[i], 0);
	fold_finish(f, &next, &w->summary);
	for (i = 0; i < next.clients.count; i++)
		buf_printf(&text, "%s %g; ", next.clients.items[i], (double)next.client.rtt_us[i]);
	snapshot_free(&w->last);
	w->last = next;
	w->has_last = true;
	fold_free(f);
	observed_free(&observed);
	return text.data;
}

static void expect_clients(struct world *w, const struct names *given, const char *wanted)
{
	auto_free char *clients = clients_with(w, given);

	assert_string_equal(clients, wanted);
}

static void post(struct world *w, const char *group, double ms, int64_t now_ms)
{
	char group_name[16], node[] = "n0";
	struct observe_tally tally = {0};

	snprintf(group_name, sizeof(group_name), "%s", group);
	assert_true(observe_post(w->seen, "10.0.0.7", &(struct observe_item){group_name, node, ms, 1}, 1, now_ms, &tally));
	assert_int_equal(tally.accepted, 1);
}

/* Each with what is known of it at n0. The list says whom probes measure, not whom users reach. */
static void groups_that_only_users_name_are_clients_beside_the_list(void **state)
{
	struct names all = {0}, less = {0};
	struct world w;

	(void)state;
	world_init(&w, 2);
	w.seen = observe_new();
	names_add(&all, "milan");
	names_add(&all, "rome");
	names_add(&less, "milan");
	reports(&w, 0, "boot", 1, 100);
	reports(&w, 1, "boot", 1, 200);
	add_client(&w, 0, "rome", 30);
	add_client(&w, 0, "stranger", 40);	/* a probe that has an old peers.json */
	observe_expect(w.seen, &w.nodes, &all);
	post(&w, "turin", 12, 0);
	expect_clients(&w, &all, "milan nan; rome 30; turin 12000; ");
	expect_clients(&w, &less, "milan nan; turin 12000; ");
	post(&w, "rome", 7, 1000);
	expect_clients(&w, &less, "milan nan; rome 7000; turin 12000; ");
	expect_clients(&w, &all, "milan nan; rome 30; turin 12000; ");
	observe_prune(w.seen, 1000, 500);	/* turin's is older */
	expect_clients(&w, &less, "milan nan; rome 7000; ");
	observe_prune(w.seen, 5000, 500);
	expect_clients(&w, &less, "milan nan; ");
	observe_free(w.seen);
	names_free(&all);
	names_free(&less);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clients_are_those_given_or_those_reported),
		cmocka_unit_test(groups_that_only_users_name_are_clients_beside_the_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
