#include "tests/lab/cases.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/mem.h"
#include "tests/lab/guest.h"

#define SETTLE_S 60
#define POD_S 20
#define IN_USE_MS 2000
#define SERVICES "/api/v1/namespaces/default/services"
#define BY_SERVICE "shop"		/* a client that no file names: the Service does, by the address of a client host */

static const char *const client_hosts[] = {"madrid", "osaka", "toronto"};

struct mover {
	const char *client;
	const char *host;		/* that has its address */
};
#define MOVERS 4

/* POST or PUT. */
static int give_address(struct cluster *c, const char *method, const char *path, const char *host, struct lm_err *err)
{
	auto_free char *body = xasprintf("{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"" BY_SERVICE "\","
					 "\"annotations\":{\"latency-mesh.io/client\":\"" BY_SERVICE "=%s\"}}}", c->t.host[topology_find(&c->t, host)].addr);

	return cluster_request(c, method, path, body, NULL, err);
}

/* Each client host gets the delays that the one so many steps further had. */
static int rotate(struct cluster *c, size_t steps, struct lm_err *err)
{
	struct topology before = c->t;

	for (size_t i = 0; i < ARRAY_SIZE(client_hosts); i++) {
		int to = topology_find(&c->t, client_hosts[i]), as = topology_find(&c->t, client_hosts[(i + steps) % ARRAY_SIZE(client_hosts)]);

		for (int h = 0; h < c->t.count; h++)
			if (!c->t.host[h].client && guest_wire(&c->t, h, to, before.wire[h][as], true, err) < 0)
				return -1;
	}
	return 0;
}

static bool is_measured(struct cluster *c, void *arg)
{
	const struct mover *m = arg;
	auto_snapshot struct snapshot s = {0};
	struct lm_err err;
	int to = topology_find(&c->t, m->host);

	if (cluster_snapshot(c, c->sched_host, &s, &err) < 0)
		return false;
	for (int h = 0; h < c->t.count; h++)
		if (!c->t.host[h].client && !cases_close(cluster_measured_ms(&s, c->t.host[h].name, m->client), topology_rtt_ms(&c->t, h, to)))
			return false;
	return true;
}

/* The host of a new pod near the client, which by the delays in force is the right one; -1 with the reason when not. */
static int place(struct cluster *c, const struct mover *m, struct lm_err *err)
{
	static int number;
	auto_free char *name = xasprintf("of-client-%d", number++), *near = xasprintf("client/%s", m->client);
	struct pod_ask ask = {.name = name, .app = "of-client", .cpu_milli = 10, .near = near, .target = {{m->host, 1, 0}}};
	struct pods pods = {0};
	struct judgement j;
	int host;

	if (pods_create(c, &pods, &ask, err) < 0 || pods_await(c, &pods, 0, POD_S, err) < 0)
		return -1;
	host = pods.item[0].host;
	pods_judge(&pods, &c->t, 0, &j);
	printf("# near client/%s (behind %s): %s, %.1f ms; best %s\n", m->client, m->host, c->t.host[host].name,
	       pods_target_ms(&pods, &c->t, &ask, 0, host), c->t.host[j.best].name);
	if (pods_delete(c, &pods, 0, err) < 0)
		return -1;
	return j.wrong ? lm_fail(err, LM_DATA, "a pod near client/%s: %s", m->client, j.why) : host;
}

/* Where a pod near each client goes, once the matrix is as the network. */
static int place_all(struct cluster *c, struct mover movers[MOVERS], int hosts[MOVERS], struct lm_err *err)
{
	if (cases_all_close(c, SETTLE_S, err) < 0)
		return -1;
	for (int i = 0; i < MOVERS; i++)
		if (cluster_wait(c, is_measured, &movers[i], SETTLE_S, movers[i].client, err) < 0)
			return -1;
	usleep(IN_USE_MS * 1000);
	for (int i = 0; i < MOVERS; i++)
		if ((hosts[i] = place(c, &movers[i], err)) < 0)
			return -1;
	return 0;
}

static bool is_forgotten(struct cluster *c, void *arg)
{
	auto_snapshot struct snapshot s = {0};
	struct lm_err err;

	(void)arg;
	return cluster_snapshot(c, c->sched_host, &s, &err) == 0 && names_find(&s.clients, BY_SERVICE) == NAMES_NONE;
}

/*
 * Three hosts move by their delays, and one more client, which a Service names, by its address. What was right before is wrong after,
 * so whoever does not follow is found.
 */
int case_clients_move(struct cluster *c, struct lm_err *err)
{
	struct mover before[MOVERS] = {{"madrid", "madrid"}, {"osaka", "osaka"}, {"toronto", "toronto"}, {BY_SERVICE, "toronto"}};
	struct mover after[MOVERS] = {{"madrid", "madrid"}, {"osaka", "osaka"}, {"toronto", "toronto"}, {BY_SERVICE, "madrid"}};
	int first[MOVERS], then[MOVERS];

	if (give_address(c, "POST", SERVICES, "toronto", err) < 0 || place_all(c, before, first, err) < 0)
		return -1;
	if (rotate(c, 1, err) < 0 || give_address(c, "PUT", SERVICES "/" BY_SERVICE, "madrid", err) < 0 || place_all(c, after, then, err) < 0)
		return -1;
	for (int i = 0; i < MOVERS; i++)
		if (then[i] == first[i])
			return lm_fail(err, LM_DATA, "pods near client/%s stay on %s", before[i].client, c->t.host[first[i]].name);
	if (cluster_request(c, "DELETE", SERVICES "/" BY_SERVICE, NULL, NULL, err) < 0 || rotate(c, 2, err) < 0)
		return -1;
	if (cluster_wait(c, is_forgotten, NULL, SETTLE_S, "the matrix without the client of the Service that is gone", err) < 0)
		return -1;
	return cases_all_close(c, SETTLE_S, err);
}
