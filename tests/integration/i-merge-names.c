/* latency-merge and a Prometheus whose name cannot be resolved, because the name server never answers: a network and a resolv.conf of the test's own. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/testing/testing.h"
#include "tests/testing/wire.h"

/* The system's resolver would go on for 30 s, and whoever waits for its thread as long. */
static void a_name_server_that_hangs_costs_no_more_than_the_limit(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	auto_close int silent = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	auto_free char *file = xasprintf("%s/resolv.conf", test_folder()), *command = xasprintf("mount --bind '%s' /etc/resolv.conf", file), *said = NULL;
	int64_t begin_ms;
	int code;

	(void)state;
	assert_int_equal(bind(silent, (struct sockaddr *)&address, sizeof(address)), 0);
	test_write(file, "nameserver 127.0.0.1\noptions timeout:30 attempts:1\n");
	wire_run(command);
	begin_ms = clock_mono_ms();
	code = test_run((const char *const[]){test_program("latency-merge"), "--dir", test_folder(), "--prometheus-url", "http://prometheus.example:9090", NULL}, 60, &said);
	wire_run("umount /etc/resolv.conf");
	assert_int_equal(code, 0);
	assert_non_null(strstr(said, "Resolving timed out"));
	test_deadline("a merge beside a name server that hangs", (double)(clock_mono_ms() - begin_ms) / 1e3, 6, "s");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_name_server_that_hangs_costs_no_more_than_the_limit)};

	(void)argc;
	wire_enter(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
