#include "lib/kube/config.c"

#include <stdio.h>
#include <sys/stat.h>

#include "lib/kube/base64.h"
#include "tests/testing/testing.h"

#define PEM "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
#define PEM64 "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUIKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="

/* A kubeconfig with this cluster and this user. */
#define CONFIG(cluster, user)                                                                            \
	"apiVersion: v1\nkind: Config\ncurrent-context: lab\n"                                           \
	"contexts:\n- name: lab\n  context: {cluster: c, user: u, namespace: shop}\n"                    \
	"clusters:\n- name: c\n  cluster: {" cluster "}\n"                                               \
	"users:\n- name: u\n  user: {" user "}\n"

static const char *folder;

static char *in_folder(const char *name)
{
	return xasprintf("%s/%s", folder, name);
}

static void put(const char *name, const char *text)
{
	auto_free char *path = in_folder(name);

	test_write(path, text);
}

static int load_text(const char *text, bool insecure, struct kube_config *out, struct lm_err *err)
{
	auto_free char *path = in_folder("config");

	test_write(path, text);
	return kube_config_load(&(struct kube_source){.kubeconfig = path, .insecure = insecure}, out, err);
}

static int setup(void **state)
{
	(void)state;
	folder = test_folder();
	put("ca.pem", PEM);
	put("empty.pem", "");
	unsetenv("KUBECONFIG");
	unsetenv("KUBERNETES_SERVICE_HOST");
	unsetenv("KUBERNETES_SERVICE_PORT");
	return 0;
}

static void a_whole_kubeconfig(void **state)
{
	struct kube_config c;
	struct lm_err err;
	auto_free char *ca = in_folder("ca.pem");

	(void)state;
	assert_int_equal(load_text(CONFIG("server: 'https://[::1]:6443/', certificate-authority: ca.pem, tls-server-name: kubernetes, proxy-url: 'http://p:3128'",
					  "token: abc, client-certificate-data: " PEM64 ", client-key-data: " PEM64), false,
					  &c, &err), 0);
	assert_string_equal(c.server, "https://[::1]:6443");
	assert_string_equal(c.ca_file, ca);
	assert_null(c.ca_data);
	assert_string_equal(c.tls_server_name, "kubernetes");
	assert_string_equal(c.proxy_url, "http://p:3128");
	assert_string_equal(c.token, "abc");
	assert_string_equal(c.cert_data, PEM);
	assert_string_equal(c.key_data, PEM);
	assert_string_equal(c.namespace_, "shop");
	assert_false(c.insecure);
	kube_config_free(&c);
	assert_null(c.server);
}

static void json_is_yaml_and_data_wins(void **state)
{
	struct kube_config c;
	struct lm_err err;

	(void)state;
	assert_int_equal(load_text("{\"current-context\":\"x\",\"contexts\":[{\"name\":\"x\",\"context\":{\"cluster\":\"c\"}}],"
				   "\"clusters\":[{\"name\":\"c\",\"cluster\":{\"server\":\"http://h\",\"certificate-authority\":\"missing.pem\","
				   "\"certificate-authority-data\":\"" PEM64 "\",\"insecure-skip-tls-verify\":false}}]}",
				   false, &c, &err), 0);
	assert_string_equal(c.server, "http://h");
	assert_string_equal(c.ca_data, PEM);
	assert_null(c.ca_file);
	assert_null(c.token);
	assert_null(c.namespace_);
	kube_config_free(&c);
}

struct bad {
	const char *text, *message;	/* behind "PATH: " or "PATH" */
	enum lm_code code;
};

static const struct bad bad[] = {
	{"", ": current-context: is missing", LM_CONFIG},
	{"- a\n- b\n", ": is an array, not an object", LM_CONFIG},
	{"current-context: [x]\n", ": current-context: is an array, not a string", LM_CONFIG},
	{"current-context: lab\n", ": context `lab` is not among the contexts", LM_CONFIG},
	{"current-context: lab\ncontexts: {lab: 1}\n", ": contexts: is an object, not an array", LM_CONFIG},
	{"current-context: lab\ncontexts: [7]\n", ": contexts: an entry is a number, not an object", LM_CONFIG},
	{"current-context: lab\ncontexts: [{context: {}}]\n", ": contexts: name: is missing", LM_CONFIG},
	{"current-context: lab\ncontexts: [{name: lab}]\n", ": contexts.lab: context: is missing", LM_CONFIG},
	{"current-context: lab\ncontexts: [{name: lab, context: {}}]\n", ": contexts.lab.cluster: is missing", LM_CONFIG},
	{"current-context: lab\ncontexts: [{name: lab, context: {cluster: c}}, {name: lab, context: {}}]\n",
	 ": contexts: two entries are named `lab`", LM_CONFIG},
	{"current-context: lab\ncontexts: [{name: lab, context: {cluster: c}}]\n", ": cluster `c` is not among the clusters",
		LM_CONFIG},
	{"current-context: lab\ncontexts: [{name: lab, context: {cluster: c, user: u}}]\nclusters: [{name: c, cluster: {server: 'http://h'}}]\n",
	 ": user `u` is not among the users", LM_CONFIG},
	{CONFIG("a: b", ""), ": clusters.c.server: is missing", LM_CONFIG},
	{CONFIG("server: 5", ""), ": clusters.c: server: is a number, not a string", LM_CONFIG},
	{CONFIG("server: 'ftp://h'", ""), ": clusters.c.server: `ftp://h` must begin with http:// or https://", LM_CONFIG},
	{CONFIG("server: 'h:6443'", ""), ": clusters.c.server: `h:6443` must begin with http:// or https://", LM_CONFIG},
	{CONFIG("server: 'https://admin:secret@h'", ""), ": clusters.c.server: the URL must not have a user name or password",
		LM_CONFIG},
	{CONFIG("server: 'https://h', certificate-authority: nowhere.pem", ""),
	 ": clusters.c.certificate-authority: open `FOLDER/nowhere.pem`: No such file or directory", LM_NOINPUT},
	{CONFIG("server: 'https://h', certificate-authority: empty.pem", ""),
	 ": clusters.c.certificate-authority: `FOLDER/empty.pem` holds no PEM text (-----BEGIN ...)", LM_CONFIG},
	{CONFIG("server: 'https://h', certificate-authority-data: 'a*c='", ""),
		": clusters.c.certificate-authority-data: is not base64 (byte 2)", LM_CONFIG},
	{CONFIG("server: 'https://h', certificate-authority-data: aGFsbG8=", ""),
	 ": clusters.c.certificate-authority-data: holds no PEM text (-----BEGIN ...)", LM_CONFIG},
	{CONFIG("server: 'https://h', insecure-skip-tls-verify: true", ""),
	 ": clusters.c.insecure-skip-tls-verify: is refused unless --insecure is given", LM_CONFIG},
	{CONFIG("server: 'https://h', insecure-skip-tls-verify: 'yes'", ""),
		": clusters.c: insecure-skip-tls-verify: is a string, not a boolean", LM_CONFIG},
	{CONFIG("server: 'https://h', tls-server-name: 'a/b'", ""), ": clusters.c.tls-server-name: `a/b` is no host name",
		LM_CONFIG},
	{CONFIG("server: 'https://h', proxy-url: 'telnet://p'", ""),
	 ": clusters.c.proxy-url: `telnet://p` must begin with http://, https://, socks5:// or socks5h://", LM_CONFIG},
	{CONFIG("server: 'https://h'", "exec: {command: aws}"),
	 ": users.u.exec: is not supported: no program is run for credentials: use token, tokenFile or client-certificate",
	 LM_CONFIG},
	{CONFIG("server: 'https://h'", "auth-provider: {name: gcp}"),
	 ": users.u.auth-provider: is not supported: no program is run for credentials: use token, tokenFile or client-certificate", LM_CONFIG},
	{CONFIG("server: 'https://h'", "username: a, password: b"),
	 ": users.u.username: is not supported: Kubernetes has no passwords: use token, tokenFile or client-certificate",
	 LM_CONFIG},
	{CONFIG("server: 'https://h'", "as: admin"), ": users.u.as: is not supported: acting as somebody else", LM_CONFIG},
	{CONFIG("server: 'https://h'", "token: 'a b'"),
	 ": users.u.token: the token has a byte that no header may have, like a blank (byte 2)", LM_CONFIG},
	{CONFIG("server: 'https://h'", "token: \"a\\r\\nX-Evil: 1\""),
	 ": users.u.token: the token has a byte that no header may have, like a blank (byte 2)", LM_CONFIG},
	{CONFIG("server: 'https://h'", "client-certificate-data: " PEM64),
		": users.u.client-key: is missing, but there is a client-certificate", LM_CONFIG},
	{CONFIG("server: 'https://h'", "client-key-data: " PEM64),
		": users.u.client-certificate: is missing, but there is a client-key", LM_CONFIG},
	{CONFIG("server: 'https://h'", "client-key-data: AGFi"), ": users.u.client-key-data: holds a NUL byte (byte 2)",
		LM_CONFIG},
	{CONFIG("server: 'https://h'", "client-key-data: YWJ"), ": users.u.client-key-data: is not base64: it is cut off",
		LM_CONFIG},
};

/* FOLDER in a message is the test's folder. */
static char *with_folder(const char *message)
{
	const char *at = strstr(message, "FOLDER");

	return at ? xasprintf("%.*s%s%s", (int)(at - message), message, folder, at + 6) : xstrdup(message);
}

static void bad_kubeconfigs_name_file_and_field(void **state)
{
	auto_free char *path = in_folder("config");
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		auto_free char *message = with_folder(bad[i].message), *expected = xasprintf("%s%s", path, message);
		struct kube_config c = {0};
		struct lm_err err = {0};

		if (load_text(bad[i].text, false, &c, &err) == 0)
			fail_msg("accepted: %s", bad[i].text);
		assert_string_equal(err.msg, expected);
		assert_int_equal(err.code, bad[i].code);
		assert_null(c.server);
	}
	printf("# %zu bad kubeconfigs\n", ARRAY_SIZE(bad));
}

static void bad_yaml_and_missing_file(void **state)
{
	auto_free char *path = in_folder("config"), *nowhere = in_folder("nowhere");
	struct kube_config c;
	struct lm_err err;

	(void)state;
	assert_int_equal(load_text("a: [1,\n", false, &c, &err), -1);
	assert_int_equal(err.code, LM_CONFIG);
	assert_ptr_equal(strstr(err.msg, path), err.msg);
	assert_non_null(strstr(err.msg, "line "));
	assert_int_equal(load_text("a: &x 1\nb: *x\n", false, &c, &err), -1);
	assert_int_equal(err.code, LM_CONFIG);
	assert_int_equal(kube_config_load(&(struct kube_source){.kubeconfig = nowhere}, &c, &err), -1);
	assert_int_equal(err.code, LM_NOINPUT);
	assert_non_null(strstr(err.msg, nowhere));
	assert_int_equal(kube_config_load(&(struct kube_source){.kubeconfig = folder}, &c, &err), -1);
	assert_non_null(strstr(err.msg, folder));
}

static void secrets_are_not_quoted(void **state)
{
	static const char *const texts[] = {
		CONFIG("server: 'https://u:hunter2@h'", ""),
		CONFIG("server: 'https://h'", "token: 'hunter2 x'"),
		CONFIG("server: 'https://h'", "client-key-data: 'hunter2*'"),
		CONFIG("server: 'https://h'", "username: a, password: hunter2"),
		CONFIG("server: 'https://h', proxy-url: 'http://u:hunter2@p'", ""),
	};
	struct kube_config c;
	struct lm_err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(load_text(texts[i], false, &c, &err), -1);
		assert_null(strstr(err.msg, "hunter2"));
	}
}

static void insecure_is_asked_for(void **state)
{
	struct kube_config c;
	struct lm_err err;

	(void)state;
	assert_int_equal(load_text(CONFIG("server: 'https://h', insecure-skip-tls-verify: true", ""), true, &c, &err), 0);
	assert_true(c.insecure);
	kube_config_free(&c);
	assert_int_equal(load_text(CONFIG("server: 'https://h'", ""), true, &c, &err), 0);
	assert_false(c.insecure);
	kube_config_free(&c);
}

static void urls(void **state)
{
	static const struct {
		const char *url, *fault;
	} wrong[] = {
		{"", "must begin with http:// or https://"},
		{"HTTP://h", "must begin with http:// or https://"},
		{"10.0.0.1", "must begin with http:// or https://"},
		{"https:/h", "must begin with http:// or https://"},
		{"https://", "has no host"},
		{"https:///x", "has no host"},
		{"https://:6443", "has no host"},
		{"https://h:", "has no port behind the colon"},
		{"https://h:0", "the port is not in 1..65535"},
		{"https://h:65536", "is no URL"},
		{"https://h:6443x", "is no URL"},
		{"https://[::1", "is no URL"},
		{"https://::1:6443", "needs brackets round an IPv6 address"},
		{"https://h?x=1", "must not have a query"},
		{"https://h#x", "must not have a fragment"},
		{"https://h h", "has a blank or another byte that no URL has"},
		{"https://h\n", "has a blank or another byte that no URL has"},
		{"https://h\\@g", "the URL must not have a user name or password"},
		{"https://u@h", "the URL must not have a user name or password"},
		{"https://h\xc3\xa4", "has a blank or another byte that no URL has"},
	};
	static const char *const right[] = {"http://h", "https://h:6443", "https://[fe80::1]:6443",
		"http://10.0.0.1:1/k8s/clusters/c-1", "https://a-b.c:65535"};
	struct kube_config c;
	struct lm_err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		if (kube_config_load(&(struct kube_source){.server = wrong[i].url}, &c, &err) == 0)
			fail_msg("accepted: %s", wrong[i].url);
		assert_int_equal(err.code, LM_USAGE);
		assert_ptr_equal(strstr(err.msg, "--server: "), err.msg);
		if (!strstr(err.msg, wrong[i].fault))
			fail_msg("%s: %s", wrong[i].url, err.msg);
	}
	for (i = 0; i < ARRAY_SIZE(right); i++) {
		auto_free char *slashed = xasprintf("%s//", right[i]);

		assert_int_equal(kube_config_load(&(struct kube_source){.server = slashed}, &c, &err), 0);
		assert_string_equal(c.server, right[i]);
		kube_config_free(&c);
	}
}

/* $KUBECONFIG is a list; the first file with a key wins it, and its paths are relative to that file. */
static void list_of_files(void **state)
{
	auto_free char *a = in_folder("a"), *b = in_folder("sub/b"), *sub = in_folder("sub"), *token = in_folder("sub/token");
	auto_free char *list = xasprintf("%s/nowhere:%s::%s", folder, a, b);
	struct kube_config c;
	struct lm_err err;

	(void)state;
	mkdir(sub, 0700);
	test_write(a, "current-context: one\nclusters: [{name: c, cluster: {server: 'http://a'}}]\n");
	test_write(b, "current-context: two\ncontexts: [{name: one, context: {cluster: c, user: u}}]\n"
		      "clusters: [{name: c, cluster: {server: 'http://b'}}]\nusers: [{name: u, user: {tokenFile: token}}]\n");
	setenv("KUBECONFIG", list, 1);
	assert_true(kube_config_present(&(struct kube_source){0}));
	assert_int_equal(kube_config_load(&(struct kube_source){0}, &c, &err), 0);
	assert_string_equal(c.server, "http://a");
	assert_string_equal(c.token_file, token);
	kube_config_free(&c);
	/* an option goes before it */
	assert_int_equal(kube_config_load(&(struct kube_source){.server = "http://x"}, &c, &err), 0);
	assert_string_equal(c.server, "http://x");
	assert_null(c.token_file);
	kube_config_free(&c);
	setenv("KUBECONFIG", "/nowhere/1:/nowhere/2", 1);
	assert_int_equal(kube_config_load(&(struct kube_source){0}, &c, &err), -1);
	assert_int_equal(err.code, LM_NOINPUT);
	assert_string_equal(err.msg, "KUBECONFIG: no such file: `/nowhere/1:/nowhere/2`");
	unsetenv("KUBECONFIG");
}

static void nothing_there(void **state)
{
	struct kube_config c;
	struct lm_err err;

	(void)state;
	assert_false(kube_config_present(&(struct kube_source){0}));
	assert_int_equal(kube_config_load(&(struct kube_source){0}, &c, &err), -1);
	assert_int_equal(err.code, LM_USAGE);
}

static void s48_in_cluster_with_ipv6(void **state)
{
	struct kube_config c;
	struct lm_err err;
	auto_free char *ca = in_folder("ca.crt"), *token = in_folder("token");

	(void)state;
	service_account = folder;
	setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
	assert_int_equal(kube_config_load(&(struct kube_source){0}, &c, &err), -1);
	assert_string_equal(err.msg, "KUBERNETES_SERVICE_PORT: is not set, but KUBERNETES_SERVICE_HOST is");
	setenv("KUBERNETES_SERVICE_PORT", "443", 1);
	assert_int_equal(kube_config_load(&(struct kube_source){0}, &c, &err), -1);
	assert_int_equal(err.code, LM_NOINPUT);
	assert_non_null(strstr(err.msg, ca));
	put("ca.crt", PEM);
	assert_int_equal(kube_config_load(&(struct kube_source){0}, &c, &err), -1);
	assert_non_null(strstr(err.msg, token));
	put("token", "abc\n");
	put("namespace", "mesh\n");
	assert_int_equal(kube_config_load(&(struct kube_source){0}, &c, &err), 0);
	assert_string_equal(c.server, "https://[fd00::1]:443");
	assert_string_equal(c.ca_file, ca);
	assert_string_equal(c.token_file, token);
	assert_string_equal(c.namespace_, "mesh");
	kube_config_free(&c);
	setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1", 1);
	assert_int_equal(kube_config_load(&(struct kube_source){0}, &c, &err), 0);
	assert_string_equal(c.server, "https://10.96.0.1:443");
	kube_config_free(&c);
	setenv("KUBERNETES_SERVICE_HOST", "evil/path?x", 1);
	assert_int_equal(kube_config_load(&(struct kube_source){0}, &c, &err), -1);
	assert_int_equal(err.code, LM_CONFIG);
	unsetenv("KUBERNETES_SERVICE_HOST");
	unsetenv("KUBERNETES_SERVICE_PORT");
}

/* A pod without a service account token (automountServiceAccountToken: false) has no API, though its environment names one. */
static void in_cluster_needs_a_token(void **state)
{
	auto_free char *token = in_folder("token");

	(void)state;
	service_account = folder;
	unlink(token);
	setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1", 1);
	setenv("KUBERNETES_SERVICE_PORT", "443", 1);
	assert_false(kube_config_present(&(struct kube_source){0}));
	put("token", "abc\n");
	assert_true(kube_config_present(&(struct kube_source){0}));
	unsetenv("KUBERNETES_SERVICE_HOST");
	assert_false(kube_config_present(&(struct kube_source){0}));
	unsetenv("KUBERNETES_SERVICE_PORT");
}

static void encode(const unsigned char *bytes, size_t len, char *text)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t i;

	for (i = 0; i < len; i += 3) {
		size_t left = len - i;
		uint32_t bits = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) | (left > 2 ? bytes[i + 2] : 0);

		*text++ = digits[bits >> 18];
		*text++ = digits[bits >> 12 & 63];
		*text++ = left > 1 ? digits[bits >> 6 & 63] : '=';
		*text++ = left > 2 ? digits[bits & 63] : '=';
	}
	*text = '\0';
}

static void base64_gives_back_what_was_encoded(void **state)
{
	struct rng r = rng_make(test_seed());
	int round;

	(void)state;
	for (round = 0; round < 2000; round++) {
		unsigned char bytes[64] = {0};
		char text[128];
		auto_free char *back = NULL;
		struct lm_err err;
		size_t len = rng_below(&r, 60), i;

		for (i = 0; i < len; i++)
			bytes[i] = (unsigned char)(1 + rng_below(&r, 255));
		encode(bytes, len, text);
		assert_int_equal(base64_decode(text, &back, &err), 0);
		assert_string_equal(back, (char *)bytes);
		if (len > 0) {
			text[rng_below(&r, (uint32_t)strlen(text) - 2)] = '!';
			assert_int_equal(base64_decode(text, &back, &err), -1);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_kubeconfig),
		cmocka_unit_test(json_is_yaml_and_data_wins),
		cmocka_unit_test(bad_kubeconfigs_name_file_and_field),
		cmocka_unit_test(bad_yaml_and_missing_file),
		cmocka_unit_test(secrets_are_not_quoted),
		cmocka_unit_test(insecure_is_asked_for),
		cmocka_unit_test(urls),
		cmocka_unit_test(list_of_files),
		cmocka_unit_test(nothing_there),
		cmocka_unit_test(s48_in_cluster_with_ipv6),
		cmocka_unit_test(in_cluster_needs_a_token),
		cmocka_unit_test(base64_gives_back_what_was_encoded),
	};

	return cmocka_run_group_tests_name("kube-config", tests, setup, NULL);
}
