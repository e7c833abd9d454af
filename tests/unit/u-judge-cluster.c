/*
 * Who is dead in a simulated cluster whose network, kubelets, probes, volume, merger and API server fail at random: what the machines themselves know is
 * the truth that judge() is compared with. The Leases come through leases.c, as a watch would bring them.
 */
#include "tests/unit/judge_world.h"

#define RENEWALS_MAX 60		/* of a node in a round */
#define DETECTED_S 35		/* renewal 10, round 5, publication with it, merge 5, two looks: after these */

/* What is the matter for a while. Machines of the scheduler, the API server and the volume (with the merger): a group of the network each. */
struct phase {
	int until_s;
	int group[NODES_MAX], scheduler, api, volume;
	bool down[NODES_MAX], hung[NODES_MAX], mute[NODES_MAX];	/* kubelet hung; ICMP dropped both ways */
	bool volume_silent, merger_away, halted;		/* the scheduler stands still */
};

struct cluster {
	int nodes, now_s;
	struct rng rng;
	int renew_at[NODES_MAX], round_at[NODES_MAX];	/* their rhythms begin at different times */
	struct { int node, at_s; } renewals[NODES_MAX * RENEWALS_MAX];	/* as the API server has them, in order */
	int renewal_count, shown;			/* so many did the watch bring */
	double heard_s[NODES_MAX][NODES_MAX];		/* by whom, whom: last answer; NaN never */
	struct { double written_s, silent_s[NODES_MAX]; } report[NODES_MAX];
	struct testimony merged[NODES_MAX];
	int64_t generation, read;
	struct leases *leases;
	struct mesh *mesh;
	struct judge_series series;
	uint64_t sighted;				/* a bit a second, the lowest is now: the scheduler saw all, and all that live could report */
	uint64_t unrenewed[NODES_MAX], unheard[NODES_MAX], both[NODES_MAX];	/* likewise: it could not be */
	int dead_looks[NODES_MAX];
	bool watching;
};

static void cluster_begin(struct cluster *c, struct rng *r, int nodes)
{
	int i, j;

	*c = (struct cluster){.nodes = nodes, .rng = rng_make(rng_next(r)), .leases = leases_new(NULL)};
	for (i = 0; i < nodes; i++) {
		c->renew_at[i] = (int)rng_below(r, 10);
		c->round_at[i] = (int)rng_below(r, 5);
		c->report[i].written_s = NAN;
		for (j = 0; j < nodes; j++)
			c->heard_s[i][j] = c->report[i].silent_s[j] = NAN;
	}
}

static void cluster_end(struct cluster *c)
{
	leases_free(c->leases);
	mesh_free(c->mesh);
	judge_series_free(&c->series);
}

static bool answers(const struct phase *p, int from, int to)
{
	return !p->down[from] && !p->down[to] && !p->mute[from] && !p->mute[to] && p->group[from] == p->group[to];
}

static void kubelets(struct cluster *c, const struct phase *p)
{
	int i;

	for (i = 0; i < c->nodes; i++) {
		if (c->now_s % 10 != c->renew_at[i] || p->down[i] || p->hung[i] || p->group[i] != p->api)
			continue;
		assert_true(c->renewal_count < (int)ARRAY_SIZE(c->renewals));
		c->renewals[c->renewal_count].node = i;
		c->renewals[c->renewal_count++].at_s = c->now_s;
	}
}

/* After a cut it brings what was missed in order, and perhaps not all of it at once. */
static void the_watch(struct cluster *c, const struct phase *p)
{
	bool open = p->scheduler == p->api && !p->halted, resumed = open && !c->watching;
	int until = c->renewal_count;

	c->watching = open;
	if (!open)
		return;
	if (resumed)
		until -= (int)rng_below(&c->rng, (uint32_t)(until - c->shown) + 1);
	for (; c->shown < until; c->shown++)
		lease(c->leases, c->renewals[c->shown].node, c->renewals[c->shown].at_s, c->now_s * 1000);
}

static void probes(struct cluster *c, const struct phase *p)
{
	int i, j;

	for (i = 0; i < c->nodes; i++) {
		if (c->now_s % 5 != c->round_at[i] || p->down[i])
			continue;
		for (j = 0; j < c->nodes; j++)
			if (j != i && answers(p, i, j))
				c->heard_s[i][j] = c->now_s;
		if (p->group[i] != p->volume || p->volume_silent)
			continue;
		c->report[i].written_s = c->now_s;
		for (j = 0; j < c->nodes; j++)
			c->report[i].silent_s[j] = c->now_s - c->heard_s[i][j];
	}
}

/* A witness is a report that is no older than three rounds. */
static void the_merger(struct cluster *c, const struct phase *p)
{
	int i, j;

	if (c->now_s % 5 || p->merger_away || p->volume_silent)
		return;
	c->generation++;
	for (j = 0; j < c->nodes; j++) {
		struct testimony *t = &c->merged[j];

		*t = (struct testimony){c->now_s - c->report[j].written_s, NAN, 0};
		for (i = 0; i < c->nodes; i++) {
			double silent_s = c->report[i].silent_s[j];

			if (i == j || isnan(silent_s) || !(c->now_s - c->report[i].written_s <= 15))
				continue;
			t->lost_s = t->witnesses++ ? fmin(t->lost_s, silent_s) : silent_s;
		}
	}
}

static void the_reader(struct cluster *c, const struct phase *p)
{
	struct mesh *next;

	if (p->scheduler != p->volume || p->volume_silent || p->halted || c->read == c->generation)
		return;
	next = take(c->merged, c->nodes, c->generation, c->mesh, false, c->now_s * 1000);
	mesh_free(c->mesh);
	c->mesh = next;
	c->read = c->generation;
	judge_follow(&c->series, next);
}

/* What the machines know: could it renew its Lease, and could most others hear it? */
static void note_truth(struct cluster *c, const struct phase *p)
{
	bool sighted = p->scheduler == p->api && p->scheduler == p->volume && !p->volume_silent && !p->merger_away && !p->halted;
	int i, j;

	for (i = 0; i < c->nodes; i++)
		sighted &= p->down[i] || p->group[i] == p->volume;
	c->sighted = c->sighted << 1 | sighted;
	for (i = 0; i < c->nodes; i++) {
		bool unrenewed = p->down[i] || p->hung[i] || p->group[i] != p->api;
		int hearing = 0;

		for (j = 0; j < c->nodes; j++)
			hearing += j != i && answers(p, j, i);
		c->unrenewed[i] = c->unrenewed[i] << 1 | unrenewed;
		c->unheard[i] = c->unheard[i] << 1 | (2 * hearing < c->nodes);
		c->both[i] = c->both[i] << 1 | (unrenewed && 2 * hearing < c->nodes);
	}
}

/* How many are dead, at two looks; in `who` the last of them. */
static int the_judge(struct cluster *c, const struct phase *p, int *who)
{
	struct judge_node nodes[NODES_MAX];
	struct finding found[NODES_MAX];
	struct judge_input in = {nodes, (uint32_t)c->nodes, c->mesh, c->series.since_ms, AFTER_MS, c->now_s * 1000};
	int i, dead = 0;

	if (p->halted) {
		memset(c->dead_looks, 0, sizeof(c->dead_looks));
		return 0;
	}
	for (i = 0; i < c->nodes; i++) {
		struct leases_one one = leases_of(c->leases, name_of(i), c->now_s * 1000);

		nodes[i] = (struct judge_node){name_of(i), one.age_s, one.duration_s, !one.renewals};
	}
	judge(&in, found);
	for (i = 0; i < c->nodes; i++) {
		c->dead_looks[i] = found[i].life == LIFE_DEAD ? c->dead_looks[i] + 1 : 0;
		if (c->dead_looks[i] < 2)
			continue;
		dead++;
		*who = i;
	}
	return dead;
}

static int second(struct cluster *c, const struct phase *p, int *who)
{
	c->now_s++;
	kubelets(c, p);
	the_watch(c, p);
	probes(c, p);
	the_merger(c, p);
	the_reader(c, p);
	note_truth(c, p);
	return the_judge(c, p, who);
}

static void run_well(struct cluster *c, int seconds)
{
	struct phase well = {0};
	int who;

	while (seconds-- > 0)
		assert_int_equal(second(c, &well, &who), 0);
}

static void random_phase(struct cluster *c, struct phase *p)
{
	struct rng *r = &c->rng;
	int i, groups = rng_chance(r, 0.5) ? 1 : 2 + (int)rng_below(r, 2);
	double down = rng_chance(r, 0.4) ? 0.2 : 0, hung = rng_chance(r, 0.4) ? 0.3 : 0, mute = rng_chance(r, 0.4) ? 0.3 : 0;

	*p = (struct phase){.until_s = c->now_s + 1 + (int)rng_below(r, 90), .scheduler = (int)rng_below(r, (uint32_t)groups),
			    .api = (int)rng_below(r, (uint32_t)groups), .volume = (int)rng_below(r, (uint32_t)groups),
			    .volume_silent = rng_chance(r, 0.15), .merger_away = rng_chance(r, 0.15), .halted = rng_chance(r, 0.1)};
	for (i = 0; i < c->nodes; i++) {
		p->group[i] = rng_chance(r, 0.6) ? 0 : (int)rng_below(r, (uint32_t)groups);
		p->down[i] = rng_chance(r, down);
		p->hung[i] = rng_chance(r, hung);
		p->mute[i] = rng_chance(r, mute);
	}
}

/*
 * Dead is only who could not renew its Lease and could not be heard by most, both within the last minute: the matrix may be as old as `after`, the reports
 * in it three rounds more. And at the same time, when all reports reached it.
 */
static void check_death(const struct cluster *c, int i, int round)
{
	const uint64_t minute = ((uint64_t)1 << 60) - 1;

	if (c->unrenewed[i] & minute && c->unheard[i] & minute && (~c->sighted & minute || c->both[i] & minute))
		return;
	fail_msg("round %d, second %d: node %d of %d is dead; unrenewed %016llx, unheard %016llx, both %016llx", round, c->now_s, i, c->nodes,
		 (unsigned long long)c->unrenewed[i], (unsigned long long)c->unheard[i], (unsigned long long)c->both[i]);
}

static void nobody_who_lives_is_ever_dead(void **state)
{
	struct rng r = rng_make(test_seed());
	int round, rounds = test_rounds(1500), dead = 0, at_once;

	(void)state;
	for (round = 0; round < rounds; round++) {
		struct cluster c;
		struct phase p;
		int phases = 1 + (int)rng_below(&r, 5), i;

		cluster_begin(&c, &r, 2 + (int)rng_below(&r, NODES_MAX - 1));
		run_well(&c, 30);
		while (phases-- > 0)
			for (random_phase(&c, &p); c.now_s < p.until_s;) {
				at_once = second(&c, &p, &i);
				dead += at_once;
				assert_true(at_once <= 1 || 3 * at_once <= c.nodes);
				for (i = 0; i < c.nodes; i++)
					if (c.dead_looks[i] >= 2)
						check_death(&c, i, round);
			}
		cluster_end(&c);
	}
	printf("# %d node-seconds of death in %d clusters\n", dead, rounds);
	assert_true(dead > rounds);
}

/* The scheduler and fewer than half of the probes on one side; API server and volume on any. */
static void a_part_with_few_probes_evicts_nothing(void **state)
{
	struct rng r = rng_make(test_seed() + 1);
	int round, rounds = test_rounds(600);

	(void)state;
	for (round = 0; round < rounds; round++) {
		struct cluster c;
		struct phase p = {.scheduler = 1, .api = (int)rng_below(&r, 2), .volume = (int)rng_below(&r, 2)};
		int nodes = 2 + (int)rng_below(&r, NODES_MAX - 1), few = (int)rng_below(&r, (uint32_t)nodes / 2 + 1), i;

		cluster_begin(&c, &r, nodes);
		for (i = 0; i < few; i++)
			p.group[i] = 1;
		run_well(&c, 30);
		while (c.now_s < 200)
			assert_int_equal(second(&c, &p, &i), 0);
		run_well(&c, 100); /* nor when the parts come together again */
		cluster_end(&c);
	}
}

static void who_drops_icmp_or_lost_its_kubelet_is_not_dead(void **state)
{
	struct rng r = rng_make(test_seed() + 2);
	int round, rounds = test_rounds(600);

	(void)state;
	for (round = 0; round < rounds; round++) {
		struct cluster c;
		struct phase p = {.volume_silent = rng_chance(&r, 0.2)};
		int i;

		cluster_begin(&c, &r, 3 + (int)rng_below(&r, NODES_MAX - 2));
		for (i = 0; i < c.nodes; i++) /* not both */
			(rng_chance(&r, 0.5) ? p.mute : p.hung)[i] = rng_chance(&r, 0.4);
		run_well(&c, 30);
		while (c.now_s < 200)
			assert_int_equal(second(&c, &p, &i), 0);
		cluster_end(&c);
	}
}

static void a_dead_node_of_a_healthy_cluster_is_dead_in_time(void **state)
{
	struct rng r = rng_make(test_seed() + 3);
	int round, rounds = test_rounds(600), worst = 0, sum = 0;

	(void)state;
	for (round = 0; round < rounds; round++) {
		struct cluster c;
		struct phase p = {0};
		int died_s, who = -1, victim;

		cluster_begin(&c, &r, 3 + (int)rng_below(&r, NODES_MAX - 2));
		run_well(&c, 30 + (int)rng_below(&r, 20));
		victim = (int)rng_below(&r, (uint32_t)c.nodes);
		p.down[victim] = true;
		died_s = c.now_s;
		while (!second(&c, &p, &who))
			assert_true(c.now_s - died_s <= DETECTED_S);
		assert_int_equal(who, victim);
		sum += c.now_s - died_s;
		worst = c.now_s - died_s > worst ? c.now_s - died_s : worst;
		while (c.now_s < died_s + 100)
			assert_int_equal(second(&c, &p, &who), 1);
		run_well(&c, 0);
		p.down[victim] = false;
		for (died_s = c.now_s; second(&c, &p, &who);)
			assert_true(c.now_s - died_s <= 20);
		run_well(&c, 60);
		cluster_end(&c);
	}
	printf("# dead after %.1f s on average, %d s at most\n", (double)sum / rounds, worst);
}

int main(void)
{
#define T(name) cmocka_unit_test(name)
	const struct CMUnitTest tests[] = {
		T(nobody_who_lives_is_ever_dead), T(a_part_with_few_probes_evicts_nothing), T(who_drops_icmp_or_lost_its_kubelet_is_not_dead),
		T(a_dead_node_of_a_healthy_cluster_is_dead_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
