/*
 * storage_world.h - claims, volumes, classes and CSI nodes for tests of the volume filters. `more` are members of the spec, with a comma in
 * front, or "".
 */
#ifndef TESTS_UNIT_STORAGE_WORLD_H
#define TESTS_UNIT_STORAGE_WORLD_H

#include "tests/unit/world.h"

#include "sched/cluster.h"

#define WAITS "'volumeBindingMode':'WaitForFirstConsumer'"

__attribute__((format(printf, 2, 3))) static inline void put(struct world *w, const char *fmt, ...)
{
	auto_free char *text = NULL;
	struct lm_err err = {0};
	cJSON *object;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	object = object_of(text);
	if (cluster_put(w->cache, object, &err) != 1)
		fail_msg("%s: %s", text, err.msg);
	cJSON_Delete(object);
}

/* A world that knows storage, with empty nodes "a" and "b" of zones "za" and "zb". */
static inline struct world storage_world(void)
{
	struct world w = world_new();

	cache_know_storage(w.cache);
	cache_put_node(w.cache, node_with("a", "%s", ",'topology.kubernetes.io/zone':'za','zone':'za'"));
	cache_put_node(w.cache, node_with("b", "%s", ",'topology.kubernetes.io/zone':'zb','zone':'zb'"));
	return w;
}

static inline void put_class(struct world *w, const char *name, const char *provisioner, const char *more)
{
	put(w, "{'kind':'StorageClass','metadata':{'name':'%s'},'provisioner':'%s'%s}", name, provisioner, more);
}

/* Unbound, of that class and size. */
static inline void put_claim(struct world *w, const char *name, const char *class, const char *size, const char *more)
{
	put(w, "{'kind':'PersistentVolumeClaim','metadata':{'name':'%s','namespace':'default','uid':'uid-%s'},'spec':{'storageClassName':'%s',"
	       "'accessModes':['ReadWriteOnce'],'resources':{'requests':{'storage':'%s'}}%s}}", name, name, class, size, more);
}

/* Bound to the volume of the name `volume`. */
static inline void put_bound(struct world *w, const char *name, const char *volume, const char *more)
{
	put(w, "{'kind':'PersistentVolumeClaim','metadata':{'name':'%s','namespace':'default','uid':'uid-%s',"
	       "'annotations':{'pv.kubernetes.io/bind-completed':'yes'}},'spec':{'volumeName':'%s'%s}}", name, name, volume, more);
}

/* Free, of that class; "" for `zone`: usable everywhere. */
static inline void put_volume(struct world *w, const char *name, const char *class, const char *size, const char *zone, const char *more)
{
	auto_free char *affinity = zone[0] ? xasprintf(",'nodeAffinity':{'required':{'nodeSelectorTerms':[{'matchExpressions':[{'key':'zone',"
						       "'operator':'In','values':['%s']}]}]}}", zone) : xstrdup("");

	put(w, "{'kind':'PersistentVolume','metadata':{'name':'%s'},'spec':{'storageClassName':'%s','accessModes':['ReadWriteOnce'],"
	       "'capacity':{'storage':'%s'}%s%s},'status':{'phase':'Available'}}", name, class, size, affinity, more);
}

/* A pod with the claims of a list "x y". */
static inline struct pod *pod_with_claims(const char *name, const char *claims)
{
	auto_free char *copy = xstrdup(claims);
	auto_buf struct buf list = {0};
	char *rest = copy, *one;

	buf_str(&list, "");
	while ((one = strsep(&rest, " ")))
		buf_printf(&list, "%s{'name':'v','persistentVolumeClaim':{'claimName':'%s'}}", list.len ? "," : "", one);
	return pod_with(name, "'volumes':[%s]", list.data);
}

static inline void expect_claims(struct world *w, const char *claims, const char *reason_a, const char *reason_b)
{
	struct pod *pod = pod_with_claims("p", claims);

	world_decide(w, pod);
	assert_string_equal(world_reason(w, "a"), reason_a);
	assert_string_equal(world_reason(w, "b"), reason_b);
	pod_free(pod);
}

/* The pod (freed) is refused whole with that text. */
static inline void expect_refused(struct world *w, struct pod *pod, const char *reason)
{
	world_decide(w, pod);
	assert_true(w->decision.refused_by_pod);
	assert_string_equal(w->decision.pod_reason, reason);
	pod_free(pod);
}

#endif
