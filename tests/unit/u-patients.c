/* heal.c: nodes that were removed are nobody's patients. */
#include "sched/heal/heal.c"

#include "tests/unit/objects.h"

static bool never(void *arg)
{
	(void)arg;
	return false;
}

static void put_node(struct cache *cache, const char *name)
{
	auto_free char *text = xasprintf("{'metadata':{'name':'%s','uid':'u-%s'}}", name, name);

	cache_put_node(cache, node_of_text(text));
}

/* Doubted, the one that was said to be dead. */
static void fall_ill(struct heal *h, const char *name, bool said)
{
	struct patient *p = patient_of(h, name, &(struct finding){.life = LIFE_DEAD, .doubted = true});

	p->doubted = true;
	p->said = said;
}

static const struct patient *patient(struct heal *h, const char *name)
{
	return patient_of(h, name, &(struct finding){.life = LIFE_ALIVE});
}

static void who_was_removed_is_forgotten(void **state)
{
	struct cache *cache = cache_new();
	struct heal h = {.cache = cache, .hooks = {.acts = never}, .leases = leases_new(NULL), .stats = stats_new()};
	int i;

	(void)state;
	h.evict = evict_new(NULL, NULL, NULL, &(struct evict_settings){.per_minute = 1, .per_hour = 1, .may_send = never});
	for (i = 0; i < 200; i++) {
		auto_free char *name = xasprintf("node-%d", i), *before = xasprintf("node-%d", i - 1);

		put_node(cache, name);
		fall_ill(&h, name, i % 2);
		look(&h, NULL, i + 1);
		assert_true(i == 0 || patient(&h, before)->said == (i % 2 == 0));
		assert_int_equal(patient(&h, name)->said, i % 2);
		cache_delete_node(cache, i ? before : "none");
		look(&h, NULL, i + 1);
		assert_int_equal(h.names.count, 1);
		assert_true(i == 0 || !patient(&h, before));
		assert_int_equal(patient(&h, name)->said, i % 2);
	}
	assert_true(h.room < 50);
	put_node(cache, "node-3");	/* anew, and well */
	look(&h, NULL, 1000);
	assert_null(patient(&h, "node-3"));
	evict_free(h.evict);
	leases_free(h.leases);
	names_free(&h.names);
	free(h.patients);
	free(h.avoided);
	judge_series_free(&h.series);
	metrics_free(h.stats);
	cache_free(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(who_was_removed_is_forgotten)};

	return cmocka_run_group_tests_name("patients", tests, NULL, NULL);
}
