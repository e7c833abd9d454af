#include "sched/cache/exact.h"

#include <stdio.h>
#include <string.h>

#include "lib/mem.h"

int64_t nano_round(nano amount, nano part)
{
	nano parts = amount / part + (amount % part > 0);

	return parts > INT64_MAX ? INT64_MAX : (int64_t)parts;
}

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* kube-scheduler counts what has a domain (extended resources), huge pages and attachable volumes; "storage" or "foo" it ignores. */
static bool is_scalar(const char *name)
{
	return (strchr(name, '/') && !starts_with(name, "requests.")) || starts_with(name, "hugepages-") ||
	       starts_with(name, "attachable-volumes-");
}

/* Amounts are strings; a number is taken as the text that JSON has for it. */
static int amount_parse(const cJSON *item, nano *out, struct lm_err *err)
{
	char number[32];

	if (cJSON_IsNumber(item))
		snprintf(number, sizeof(number), "%.15g", item->valuedouble);
	else if (!cJSON_IsString(item))
		return lm_fail(err, LM_DATA, "not a quantity");
	if (quantity_nano(cJSON_IsString(item) ? item->valuestring : number, out, err) < 0)
		return -1;
	return *out < 0 ? lm_fail(err, LM_DATA, "is negative") : 0;
}

int exact_parse(const cJSON *list, struct exact *out, int64_t *pods, struct lm_err *err)
{
	const cJSON *item;
	nano amount = 0;

	*out = (struct exact){0};
	if (!cJSON_IsObject(list))
		return 0;
	cJSON_ArrayForEach(item, list) {
		if (amount_parse(item, &amount, err) < 0) {
			exact_free(out);
			return lm_wrap(err, "%s", item->string);
		}
		if (STREQ(item->string, "cpu"))
			out->cpu = amount;
		else if (STREQ(item->string, "memory"))
			out->memory = amount;
		else if (STREQ(item->string, "ephemeral-storage"))
			out->ephemeral = amount;
		else if (STREQ(item->string, "pods") && pods)
			*pods = nano_round(amount, NANO_WHOLE);
		else if (is_scalar(item->string))
			resources_set_scalar(&out->others, item->string, nano_round(amount, NANO_WHOLE));
	}
	return 0;
}

void exact_add(struct exact *to, const struct exact *more)
{
	to->cpu += more->cpu;
	to->memory += more->memory;
	to->ephemeral += more->ephemeral;
	resources_add(&to->others, &more->others);
}

static nano larger(nano a, nano b)
{
	return a > b ? a : b;
}

void exact_max(struct exact *to, const struct exact *other)
{
	to->cpu = larger(to->cpu, other->cpu);
	to->memory = larger(to->memory, other->memory);
	to->ephemeral = larger(to->ephemeral, other->ephemeral);
	resources_max(&to->others, &other->others);
}

void exact_free(struct exact *e)
{
	resources_free(&e->others);
	*e = (struct exact){0};
}

void exact_round(struct exact *e, struct resources *out)
{
	*out = e->others;
	out->cpu_milli = nano_round(e->cpu, NANO_MILLI);
	out->memory_bytes = nano_round(e->memory, NANO_WHOLE);
	out->ephemeral_bytes = nano_round(e->ephemeral, NANO_WHOLE);
	*e = (struct exact){0};
}
