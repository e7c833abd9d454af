/* Part of i-client.c: lists, pages and selectors. */

static void make_set(const char *prefix, int count)
{
	int i;

	for (i = 0; i < count; i++) {
		auto_free char *name = xasprintf("%s-%d", prefix, i);
		auto_free char *labels = xasprintf("\"set\":\"%s\",\"number\":\"%d\"%s", prefix, i, i % 2 ? ",\"odd\":\"\"" : "");

		new_pod(name, labels);
	}
}

static void a_list_is_sorted_and_has_a_version(void **state)
{
	auto_json cJSON *list = NULL;

	(void)state;
	make_set("sorted", 3);
	list = pod_call(200, "GET", "?labelSelector=set%3Dsorted", NULL);
	assert_string_equal(text_at(list, "kind"), "PodList");
	assert_string_equal(text_at(list, "apiVersion"), "v1");
	assert_true(*text_at(list, "metadata.resourceVersion"));
	assert_string_equal(text_at(list, "metadata.continue"), "");
	listed("?labelSelector=set%3Dsorted", "sorted-0 sorted-1 sorted-2");
}

/* The rest of a list after its first page, joined with blanks. */
static void add_pages(struct buf *names, cJSON *page, const char *selector)
{
	while (*text_at(page, "metadata.continue")) {
		auto_free char *rest = xasprintf("?limit=3&continue=%s%s", text_at(page, "metadata.continue"), selector);
		auto_free char *more = NULL;

		cJSON_Delete(page);
		page = pod_call(200, "GET", rest, NULL);
		more = names_of(page);
		buf_printf(names, "%s%s", *more ? " " : "", more);
	}
	cJSON_Delete(page);
}

static void pages_show_one_moment(void **state)
{
	cJSON *first;
	auto_free char *begin_ = NULL;
	auto_buf struct buf names = {0};

	(void)state;
	make_set("page", 7);
	first = pod_call(200, "GET", "?limit=3&labelSelector=set%3Dpage", NULL);
	assert_int_equal(cJSON_GetArraySize(item_at(first, "items")), 3);
	begin_ = names_of(first);
	buf_str(&names, begin_);
	drop_pod("page-5");
	new_pod("page-51", "\"set\":\"page\"");
	add_pages(&names, first, "&labelSelector=set%3Dpage");
	assert_string_equal(names.data, "page-0 page-1 page-2 page-3 page-4 page-5 page-6");
	listed("?labelSelector=set%3Dpage", "page-0 page-1 page-2 page-3 page-4 page-51 page-6");
}

static void bad_continue_tokens_are_refused(void **state)
{
	(void)state;
	failed(pod_call(400, "GET", "?limit=3&continue=garbage", NULL), "BadRequest", "invalid continue token: continue key is not valid");
}

static void versions_of_lists(void **state)
{
	auto_free char *now = version_now();
	auto_free char *rest = xasprintf("?resourceVersion=%s", now), *exact = xasprintf("?resourceVersion=%s&resourceVersionMatch=Exact", now);
	auto_free char *future = xasprintf("?resourceVersion=%lld", strtoll(now, NULL, 10) + 1000000);
	auto_json cJSON *list = pod_call(200, "GET", exact, NULL);

	(void)state;
	pod_do(200, "GET", rest, NULL);
	pod_do(200, "GET", "?resourceVersion=0", NULL);
	assert_string_equal(text_at(list, "metadata.resourceVersion"), now);
	failed(pod_call(504, "GET", future, NULL), "Timeout", "Timeout: Too large resource version");
	failed(pod_call(504, "GET", "nobody?resourceVersion=9999999", NULL), "Timeout", "Too large resource version");
	failed(pod_call(422, "GET", "?resourceVersionMatch=Exact", NULL), "Invalid",
	       "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided");
	failed(pod_call(422, "GET", "?resourceVersion=0&resourceVersionMatch=Exact", NULL), "Invalid", "is forbidden for resourceVersion \"0\"");
	failed(pod_call(400, "GET", "?resourceVersion=x", NULL), "BadRequest", "strconv.ParseUint: parsing \"x\": invalid syntax");
}

static void an_exact_version_shows_the_past(void **state)
{
	auto_free char *past = NULL, *exact = NULL;

	(void)state;
	new_pod("past-1", "\"set\":\"past\"");
	past = version_now();
	new_pod("past-2", "\"set\":\"past\"");
	drop_pod("past-1");
	exact = xasprintf("?labelSelector=set%%3Dpast&resourceVersion=%s&resourceVersionMatch=Exact", past);
	listed(exact, "past-1");
	listed("?labelSelector=set%3Dpast", "past-2");
}

static void label_selectors(void **state)
{
	(void)state;
	make_set("label", 4);
	new_pod("label-x", "\"set\":\"label\"");
	listed("?labelSelector=set%3Dlabel,number%3D2", "label-2");
	listed("?labelSelector=set%3D%3Dlabel,number%3D2", "label-2");
	listed("?labelSelector=set%3Dlabel,number%21%3D2", "label-0 label-1 label-3 label-x");
	listed("?labelSelector=set%3Dlabel,number%20in%20(1,3)", "label-1 label-3");
	listed("?labelSelector=set%3Dlabel,number%20notin%20(1,3)", "label-0 label-2 label-x");
	listed("?labelSelector=set%3Dlabel,odd", "label-1 label-3");
	listed("?labelSelector=set%3Dlabel,%21odd", "label-0 label-2 label-x");
	failed(pod_call(400, "GET", "?labelSelector=a%20b", NULL), "BadRequest",
	       "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt");
}

static void field_selectors(void **state)
{
	(void)state;
	make_set("field", 3);
	bind_to("field-1", "no-such-node-1");
	listed("?fieldSelector=metadata.name%3Dfield-2", "field-2");
	listed("?labelSelector=set%3Dfield&fieldSelector=spec.nodeName%3D", "field-0 field-2");
	listed("?labelSelector=set%3Dfield&fieldSelector=spec.nodeName%3D%3Dno-such-node-1", "field-1");
	listed("?labelSelector=set%3Dfield&fieldSelector=spec.nodeName%21%3D,status.phase%3DPending", "field-1");
	listed("?labelSelector=set%3Dfield&fieldSelector=status.phase%21%3DSucceeded,status.phase%21%3DFailed", "field-0 field-1 field-2");
	listed("?labelSelector=set%3Dfield&fieldSelector=spec.schedulerName%3Dnobody,metadata.name%21%3Dfield-0", "field-1 field-2");
	listed("?labelSelector=set%3Dfield&fieldSelector=spec.schedulerName%3Dsomebody", "");
	failed(pod_call(400, "GET", "?fieldSelector=spec.containers%3Dx", NULL), "BadRequest", "field label not supported: spec.containers");
}

static void lists_of_all_namespaces_have_ours(void **state)
{
	auto_free char *path = xasprintf("/api/v1/pods?fieldSelector=metadata.namespace%%3D%s", ns);
	auto_json cJSON *list = NULL;
	auto_free char *names = NULL;

	(void)state;
	new_pod("everywhere", "");
	list = standin_want(&api, 200, "GET", path, NULL);
	names = names_of(list);
	assert_string_equal(names, "everywhere");
}

#define LIST_TESTS											\
	CASE(a_list_is_sorted_and_has_a_version), CASE(pages_show_one_moment),				\
	CASE(bad_continue_tokens_are_refused), CASE(versions_of_lists),					\
	CASE(an_exact_version_shows_the_past), CASE(label_selectors), CASE(field_selectors),	\
	CASE(lists_of_all_namespaces_have_ours)
