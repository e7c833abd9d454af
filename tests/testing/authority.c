#include "tests/testing/authority.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/mem.h"
#include "tests/testing/testing.h"

void authority_openssl(const char *folder, const char *fmt, ...)
{
	auto_free char *words = NULL, *line = NULL, *output = NULL;
	va_list ap;

	va_start(ap, fmt);
	assert_true(vasprintf(&words, fmt, ap) > 0);
	va_end(ap);
	line = xasprintf("cd %s && openssl %s", folder, words);
	if (test_run((const char *const[]){"sh", "-c", line, NULL}, 60, &output) != 0)
		fail_msg("%s\n%s", line, output);
}

void authority_make(const char *folder, const char *name)
{
	authority_openssl(folder, "ecparam -name prime256v1 -genkey -noout -out %s.key", name);
	authority_openssl(folder, "req -x509 -key %s.key -subj '/CN=%s' -days 2 -out %s.pem", name, name, name);
}

void authority_issue(const char *folder, const char *ca, const struct authority_wish *wish)
{
	const char *name = wish->name;
	auto_free char *path = xasprintf("%s/%s.ext", folder, name);
	auto_free char *text = xasprintf("%s\n", wish->extensions ? wish->extensions : "basicConstraints=CA:FALSE");

	test_write(path, text);
	authority_openssl(folder, "ecparam -name prime256v1 -genkey -noout -out %s.key", name);
	authority_openssl(folder, "req -new -key %s.key -subj '/CN=%s' -out %s.csr", name, wish->common_name ? wish->common_name : name, name);
	authority_openssl(folder, "x509 -req -in %s.csr -CA %s.pem -CAkey %s.key -CAcreateserial -days %d -extfile %s.ext -out %s.pem", name, ca, ca,
			  wish->days, name, name);
}
